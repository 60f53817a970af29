/**
 * ConsultationMesuresDetaillees, v3 and the older v2: what may be asked of which days, and the answer as each writes it.
 *
 * `dateFin` is excluded. A curve reaches over seven days and back 24 months, the rest back 36 months. Days before the
 * present holder, and days that are not over, are not told; where that leaves nothing, no measure is found.
 * Source: WSDL files of SGE Tiers as lowatt-enedis ships them, samples of consometers/sge-tiers.
 */
import type { Day, Period } from '../domain/time.ts'
import { addDays, addMonths, countDays, day, intersect, period } from '../domain/time.ts'
import type { AskedOf, Said } from './sge-answer.ts'
import { fault } from './sge-answer.ts'
import { indexContext } from './sge-index.ts'
import type { Family, Grandeur, Mesure, Sens } from './sge-measures.ts'
import { grandeursOf, quantitiesOf } from './sge-measures.ts'
import type { SgePoint } from './sge-points.ts'
import { commissionedOn } from './sge-points.ts'
import type { DataType, Subscriptions } from './sge-subscriptions.ts'
import type { Written } from './sge-xml.ts'
import { isTrue, leaves, textOf, written } from './sge-xml.ts'

/** What only a misbehaving answer has. */
export interface DetailedOdd {
  readonly kind: string
  readonly megabytes: number
}

interface Demand {
  readonly family: Family | 'INDEX'
  readonly physique: string
  readonly pas: 'P1D' | 'P1M'
  readonly corrected: boolean
  readonly senses: readonly Sens[]
  readonly asked: { readonly from: Day; readonly until: Day }
}

const FAMILIES = ['COURBE', 'ENERGIE', 'PMAX'] as const
const TYPES: Readonly<Record<Demand['family'], DataType>> = { COURBE: 'CDC', ENERGIE: 'ENERGIE', PMAX: 'PMAX', INDEX: 'IDX' }

export function detailedMeasures(version: 'v2' | 'v3', asked: AskedOf, services: Subscriptions, odd?: DetailedOdd): Said {
  const demand = demandOf(version, asked)
  const refused = refusalOf(version, demand, asked, services)
  if (refused) return refused
  const { point, today } = asked
  const told = intersect(
    { from: commissionedOn(point, today), until: today },
    period(demand.asked.from, demand.asked.until) ?? { from: today, until: today },
  )
  if (!told) return fault('SGT4G3')
  const days: Period = odd?.kind === 'other_days' ? { from: addDays(told.from, -3), until: addDays(told.until, 3) } : told
  if (demand.family === 'INDEX') return index(demand, point, days, odd)
  const grandeurs = demand.senses.flatMap((sens) => grandeursIn(point, demand.family as Family, demand, sens, days))
  if (grandeurs.length === 0) return fault('SGT4G3')
  const others = odd?.kind === 'other_family' ? otherFamily(point, demand, days) : []
  const all = [...grandeurs, ...others].map((one) => (odd?.kind === 'huge' ? { ...one, points: repeated(one.points, odd.megabytes) } : one))
  return { is: 'answer', content: version === 'v3' ? contentV3(demand, point, all) : contentV2(demand, point, all) }
}

function demandOf(version: 'v2' | 'v3', { body }: AskedOf): Demand {
  const dayOf = (name: string): Day => day(textOf(body, name)?.slice(0, 10) ?? '')
  const both = [...(isTrue(body, 'soutirage') ? ['SOUTIRAGE' as const] : []), ...(isTrue(body, 'injection') ? ['INJECTION' as const] : [])]
  return {
    family: textOf(body, 'mesuresTypeCode') as Demand['family'],
    physique: textOf(body, 'grandeurPhysique') ?? '',
    pas: textOf(body, 'mesuresPas') === 'P1M' ? 'P1M' : 'P1D',
    corrected: isTrue(body, 'mesuresCorrigees'),
    senses: version === 'v3' ? [textOf(body, 'sens') as Sens] : both,
    asked: { from: dayOf('dateDebut'), until: dayOf('dateFin') },
  }
}

function refusalOf(
  version: 'v2' | 'v3',
  demand: Demand,
  { body, point, contratId, today }: AskedOf,
  services: Subscriptions,
): Said | undefined {
  const { family, physique, senses, asked } = demand
  if (version === 'v2' && !isTrue(body, 'accordClient')) return fault('SGT4K2')
  const cadre = textOf(body, 'cadreAcces')
  // A third party is never the holder itself.
  if (cadre === 'EST_TITULAIRE') return fault('SGT211')
  if (cadre === 'SERVICE_ACCES' && !senses.every((sens) => services.gives(point.pointId, contratId, TYPES[family], sens)))
    return fault('SGT211')
  if (senses.length === 0) return fault('SGT400', 'ni soutirage ni injection')
  if (family !== 'PMAX' && textOf(body, 'mesuresPas') !== undefined) return fault('SGT400', 'mesuresPas hors PMAX')
  if (quantitiesOf(point, family === 'INDEX' ? 'ENERGIE' : family, physique) === undefined) return fault('SGT400', 'grandeurPhysique')
  const days = period(asked.from, asked.until)
  const depth = addMonths(today, family === 'COURBE' ? -24 : -36)
  if (!days || asked.from < depth || (family === 'COURBE' && countDays(days) > 7)) return fault('SGT4L8')
  return undefined
}

function grandeursIn(point: SgePoint, family: Family, { physique, pas }: Demand, sens: Sens, days: Period): Grandeur[] {
  return grandeursOf(point, family, { asked: physique, sens, pas, days })
}

/** All that another kind of data would have told of the same days. */
function otherFamily(point: SgePoint, demand: Demand, days: Period): Grandeur[] {
  const other = FAMILIES[(FAMILIES.indexOf(demand.family as Family) + 1) % FAMILIES.length] ?? 'ENERGIE'
  return grandeursIn(point, other, { ...demand, physique: 'TOUT' }, 'SOUTIRAGE', days)
}

/** The same points again and again, until about so many megabytes of text. A call has some thousand at most: they are kept. */
function repeated(points: Iterable<Mesure>, megabytes: number): Iterable<Mesure> {
  return {
    *[Symbol.iterator]() {
      const kept = [...points]
      for (let left = megabytes * 1_048_576; left > 0 && kept.length > 0;) {
        for (const point of kept) {
          yield point
          left -= 100
          if (left <= 0) return
        }
      }
    },
  }
}

function mapped<T, U>(of: Iterable<T>, by: (one: T) => U): Iterable<U> {
  return {
    *[Symbol.iterator]() {
      for (const one of of) yield by(one)
    },
  }
}

function heading({ corrected, asked }: Demand, point: SgePoint, withStage: boolean): Written[] {
  return [
    written('pointId', point.pointId),
    ...(withStage ? [written('mesuresCorrigees', corrected ? 'BEST' : 'BRUT')] : []),
    written('periode', leaves({ dateDebut: asked.from, dateFin: asked.until })),
  ]
}

function grandeur({ grandeurMetier, grandeurPhysique, unite, points }: Grandeur, write: (point: Mesure) => Written): Written {
  const head = leaves({ grandeurMetier, grandeurPhysique, unite })
  return written('grandeur', {
    *[Symbol.iterator]() {
      yield* head
      yield* mapped(points, write)
    },
  })
}

function contentV3(demand: Demand, point: SgePoint, grandeurs: readonly Grandeur[]): Written[] {
  const { family, pas } = demand
  const tail =
    family === 'ENERGIE'
      ? { typeValeur: 'GLOBALE', modeCalcul: point.segment === 'C5' ? 'DIFF.INDEX' : 'INTEG.COURBE', pas: 'P1D' }
      : { modeCalcul: 'MESURE', ...(family === 'PMAX' && { pas }) }
  return [...heading(demand, point, true), ...grandeurs.map((one) => grandeur(one, pointOf(point))), ...leaves(tail)]
}

function pointOf({ segment }: SgePoint): (mesure: Mesure) => Written {
  const marks = segment === 'C5' ? { iv: '0', ec: '0' } : { iv: '0' }
  return ({ v, d, p, n }) => written('points', leaves({ v, d, p, n, ...(p !== undefined && marks) }))
}

function contentV2(demand: Demand, point: SgePoint, grandeurs: readonly Grandeur[]): Written[] {
  const write = ({ v, d, offset, p, n }: Mesure): Written => {
    const moment = d.length === 10 ? `${d}T00:00:00` : d.replace(' ', 'T')
    return written('mesure', leaves({ v, d: `${moment}.000+0${offset}:00`, p, n }))
  }
  return [...heading(demand, point, true), ...grandeurs.map((one) => grandeur(one, write))]
}

/** With what is asked of energy: registers count nothing else. An answer of another family has a curve beside them. */
function index(demand: Demand, point: SgePoint, days: Period, odd: DetailedOdd | undefined): Said {
  const sens = demand.senses[0] ?? 'SOUTIRAGE'
  const isThere = quantitiesOf(point, 'ENERGIE', demand.physique)?.includes('EA') === true && (sens === 'SOUTIRAGE' || point.injects)
  const contexte = isThere ? indexContext(point, sens, days) : undefined
  if (!contexte) return fault('SGT4G3')
  const curve = odd?.kind === 'other_family' ? grandeursIn(point, 'COURBE', { ...demand, physique: 'TOUT' }, sens, days) : []
  return { is: 'answer', content: [...heading(demand, point, false), ...curve.map((one) => grandeur(one, pointOf(point))), contexte] }
}
