/**
 * The lines of readings as GRDF writes them: one for each time between two readings where published, one for each gas day
 * where informative. Published lines of consumption and of injection differ in names alone.
 *
 * Source: GRDF Swagger 1.6. A line is told when it lies within the days asked for and its last gas day is over
 * since a day (D+2); a longer one that the right's own window cuts is told whole.
 */
import type { Day, Period } from '../domain/time.ts'
import { addDays, addMonths, intersect, period, startOfMonth } from '../domain/time.ts'
import type { GasDay } from './adict-gas.ts'
import { registerOf, sixOClock, sumOf } from './adict-gas.ts'
import type { AdictPoint } from './adict-points.ts'
import type { Asked } from './adict-query.ts'
import type { Json } from './adict-right-text.ts'

export type ReadingKind = 'published' | 'informative' | 'injection'

/** The days of the lines that lie within `days`; of a contract nothing comes from before its first day. */
export function spansOf(point: AdictPoint, kind: ReadingKind, days: Period, since: Day): Period[] {
  const months = kind === 'informative' || point.frequency === 'JJ' ? 0 : point.frequency === '6M' ? 6 : 1
  const within = period(days.from > since ? days.from : since, days.until)
  if (!within) return []
  const spans: Period[] = []
  let from = within.from
  while (from < within.until) {
    const until = months === 0 ? addDays(from, 1) : nextReading(point, months, from)
    const whole = from > within.from || months === 0 || from === since || nextReading(point, months, addDays(from, -1)) === from
    if (whole && until <= within.until) spans.push({ from, until })
    from = until
  }
  // A first day that never came stands beside the month that it belongs to.
  return months === 0 ? spans : spans.flatMap((span) => [...absentDay(point, span.from), span])
}

function absentDay(point: AdictPoint, on: Day): Period[] {
  const only = { from: on, until: addDays(on, 1) }
  return sumOf(point, only).is === 'absent' ? [only] : []
}

/** The first reading after a day. */
function nextReading(point: AdictPoint, months: number, after: Day): Day {
  for (let month = startOfMonth(after); ; month = addMonths(month, 1)) {
    const on = addDays(month, point.readOn - 1)
    if (on > after && (months === 1 || month.slice(5, 7) === '04' || month.slice(5, 7) === '10')) return on
  }
}

/** What of the days asked for has come: the last two gas days, and what lies outside the contract and the right, have not. */
export function toldSpans(
  point: AdictPoint,
  kind: ReadingKind,
  asked: Period,
  contract: { readonly since: Day; readonly until: Day | undefined },
  window: Period | undefined,
  today: Day,
): Period[] {
  if ((point.way === 'injects') !== (kind === 'injection') || (kind === 'informative' && !point.communicates)) return []
  const come = addDays(today, -1)
  const until = [asked.until, come, contract.until ?? come].toSorted()[0]
  const days = until && period(asked.from, until)
  return days ? spansOf(point, kind, days, contract.since).filter((span) => !window || intersect(span, window) !== undefined) : []
}

export function lineOf(point: AdictPoint, kind: ReadingKind, asked: Asked, span: Period, restitution: unknown): Json {
  const sum = sumOf(point, span)
  const isDay = addDays(span.from, 1) === span.until
  const head = { pce: { id_pce: point.pce }, periode: periodText(asked) }
  const registers = registersText(point, kind, span, sum.is)
  if (kind === 'informative')
    return { ...head, ...registers, consommation: consumed(kind, span, sum, true), statut_restitution: restitution }
  const flow = kind === 'injection' ? { injection: injected(span, sum, isDay) } : { consommation: consumed(kind, span, sum, isDay) }
  const bordereau = { date_debut_bordereau: null, date_fin_bordereau: null, nb_jour_gazier: null }
  return { ...head, ...registers, ...flow, bordereau_publication: bordereau, statut_restitution: restitution }
}

/** The line of a refusal, or of a part that failed: whose it is, of which days, and nothing read. */
export function emptyLine(pce: string, kind: ReadingKind, asked: Asked | null, restitution: unknown): Json {
  return {
    pce: { id_pce: pce },
    periode: asked && periodText(asked),
    releve_debut: null,
    releve_fin: null,
    [kind === 'injection' ? 'injection' : 'consommation']: null,
    ...(kind !== 'informative' && { bordereau_publication: null }),
    statut_restitution: restitution,
  }
}

function periodText({ value, from, until }: Asked): Json {
  return { valeur: value, date_debut: from, date_fin: until }
}

/** An example of injections has them empty; what fills them elsewhere fills them here. */
function registersText(point: AdictPoint, kind: ReadingKind, { from, until }: Period, is: GasDay['is']): Json {
  const isInformative = kind === 'informative'
  const why = {
    raison_releve: 'RNO',
    libelle_raison_releve: 'Relevé normal',
    qualite_releve: is === 'estimated' ? 'Estimation' : 'Mesure',
    statut_releve: 'Normal',
  }
  const index = (on: Day, of: 'raw' | 'converted'): Json =>
    is === 'absent' || (of === 'converted' && kind !== 'injection')
      ? { valeur_index: null, horodate_Index: null }
      : { valeur_index: registerOf(point, on)[of], horodate_Index: sixOClock(on) }
  return {
    releve_debut: {
      date_releve: isInformative ? null : sixOClock(from),
      ...(!isInformative && why),
      index_brut_debut: index(from, 'raw'),
      index_converti_debut: index(from, 'converted'),
    },
    releve_fin: {
      date_releve: sixOClock(until),
      ...(!isInformative && why),
      index_brut_fin: index(until, 'raw'),
      index_converti_fin: index(until, 'converted'),
    },
  }
}

const QUALITY = { measured: 'Mesuré', estimated: 'Estimé', absent: 'Absence de Données' } as const

function consumed(kind: 'published' | 'informative', { from, until }: Period, sum: GasDay, isDay: boolean): Json {
  const isThere = sum.is !== 'absent'
  return {
    date_debut_consommation: sixOClock(from),
    date_fin_consommation: sixOClock(until),
    flag_retour_zero: kind === 'published' ? false : null,
    volume_brut: isThere ? sum.volume : null,
    coeff_calcul: {
      coeff_pta: null,
      valeur_pcs: null,
      coeff_conversion: isThere && sum.volume > 0 ? Math.round((100 * sum.energy) / sum.volume) / 100 : null,
    },
    volume_converti: null,
    energie: isThere ? sum.energy : null,
    type_qualif_conso: QUALITY[sum.is],
    sens_flux_gaz: 'Consommation',
    statut_conso: kind === 'published' ? 'Définitive' : 'Provisoire',
    journee_gaziere: isDay ? from : null,
    type_conso: kind === 'published' ? 'Publiée' : 'Informative Journalier',
  }
}

function injected({ from, until }: Period, sum: GasDay, isDay: boolean): Json {
  const isThere = sum.is !== 'absent'
  return {
    date_debut_injection: sixOClock(from),
    date_fin_injection: sixOClock(until),
    flag_retour_zero: false,
    volume_brut: isThere ? sum.volume : null,
    coeff_calcul: {
      coeff_pta: null,
      valeur_pcs: isThere && sum.converted > 0 ? Math.round((10 * sum.energy) / sum.converted) / 10 : null,
      coeff_conversion: null,
    },
    volume_converti: isThere ? sum.converted : null,
    energie: isThere ? sum.energy : null,
    type_qualif_injection: QUALITY[sum.is],
    sens_flux_gaz: 'Production',
    statut_injection: 'Définitive',
    journee_gaziere: isDay ? from : null,
    type_injection: 'Publiée',
  }
}
