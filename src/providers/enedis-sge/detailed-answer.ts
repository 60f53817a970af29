/**
 * The answer of ConsultationMesuresDetaillees: of the readings those leave that measure what was asked for, lie in the
 * days of the part and are no finer than its line grants. They are written anew under the elements that surround them.
 *
 * Stamps name no offset and are local time. Points of a curve carry the end of their interval where the meter is a Linky
 * (nature `B`, or steps of half an hour), its start in the other segments (nature `R`, or finer steps): at the two edges
 * of the days granted that decides, and a point whose marks contradict each other is dropped there.
 * Source: recorded replies of both kinds in sge-tiers; catalogue 26.1.
 */
import type { Part } from '../../domain/decision.ts'
import { bareMeter } from '../../domain/meter.ts'
import type { AccessRequest } from '../../domain/request.ts'
import type { Day, Millis, Period } from '../../domain/time.ts'
import { addDays, addMonths, contains, instantOf, parseDay, parseStamp, startOfDay, startOfMonth } from '../../domain/time.ts'
import type { Step } from '../../domain/vocabulary.ts'
import { isAtLeast, minutesOf, STEPS } from '../../domain/vocabulary.ts'
import type { Answer } from '../adapter.ts'
import { Averages, DailySums, DayClock } from '../enedis-data-connect/day-sums.ts'
import type { Placed } from '../enedis-data-connect/reading.ts'
import { isInside } from '../enedis-data-connect/reading.ts'
import { answerHead, answerTail, CONTENT_TYPE } from './envelope.ts'
import { measuredOf, OneView } from './one-view.ts'
import type { QName } from './service.ts'
import { element, leaf } from './xml.ts'
import type { Around, Fields, Judge, Judged, Shapes } from './xml-filter.ts'
import { AnswerPart, Merged } from './xml-filter.ts'
import type { Measured, Quality } from '../senml.ts'
import { qualityOf, SENML_TYPE, wholeDays } from '../senml.ts'

export interface Detailed {
  readonly generation: 'v2' | 'v3'
  readonly root: QName
  /** What is measured, as Enedis codes it. */
  readonly quantities: readonly string[]
}

export function detailedAnswer(detailed: Detailed, access: AccessRequest, parts: readonly Part[], view?: 'senml'): Answer {
  const point = bareMeter(access.meter)
  const oneView = view && new OneView(access)
  const merged = new Merged((root) => head(detailed, point, root, parts))
  let last: Fields = {}
  return {
    contentType: view ? SENML_TYPE : CONTENT_TYPE,
    part(index) {
      const part = parts[index]
      if (!part?.period) throw new RangeError('no such part')
      const read = new AnswerPart(
        detailed.root,
        point,
        SHAPES[detailed.generation],
        judgeOf(detailed, access, part, part.period, oneView !== undefined),
        oneView ?? merged,
      )
      last = read.root
      return read
    },
    skip() {
      // Nothing stands for a part without data.
    },
    close: () => oneView?.close() ?? merged.end(() => tail(detailed, access, parts, last)),
  }
}

const number = /^-?[0-9]{1,15}(?:\.[0-9]{1,9})?$/
const mark = /^[A-Za-z0-9]{1,4}$/
const stamp = /^[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[ T][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.0{1,3})?(?:Z|[+-][0-9]{2}:[0-9]{2})?)?$/
const id = /^[A-Z0-9_]{1,12}$/
const kept = (fits: RegExp): { readonly is: 'leaf'; readonly fits: RegExp; readonly keeps: true } => ({ is: 'leaf', fits, keeps: true })
const seen = (fits: RegExp): { readonly is: 'leaf'; readonly fits: RegExp; readonly keeps: false } => ({ is: 'leaf', fits, keeps: false })

const QUANTITY: Shapes = {
  grandeurMetier: kept(/^(?:CONS|PROD)$/),
  grandeurPhysique: kept(/^(?:PA|PRI|PRC|E|EA|ERC|ERI|PMA)$/),
  unite: kept(/^[A-Za-z]{1,4}$/),
}
const POINT: Shapes = {
  v: kept(number),
  d: kept(stamp),
  p: kept(/^PT(?:5|10|15|30|60)M$/),
  n: kept(mark),
  tc: kept(mark),
  iv: kept(mark),
  ec: kept(mark),
}
/** A reading of registers: its stamp comes first. */
const VALUE = { is: 'reading', of: { d: kept(stamp), v: kept(number), iv: kept(/^[012]$/) } } as const
const ROOT: Shapes = {
  pointId: seen(/^[0-9]{14}$/),
  mesuresCorrigees: seen(/^(?:BRUT|BEST)$/),
  // Ours is written in its place.
  periode: { is: 'branch', of: { dateDebut: seen(stamp), dateFin: seen(stamp) } },
  typeValeur: seen(/^[A-Z.]{1,20}$/),
  modeCalcul: seen(/^[A-Z.]{1,20}$/),
  pas: seen(/^P1[DM]$/),
}
const SHAPES: Readonly<Record<Detailed['generation'], Shapes>> = {
  v2: { ...ROOT, grandeur: { is: 'branch', of: { ...QUANTITY, mesure: { is: 'reading', of: POINT } } } },
  v3: {
    ...ROOT,
    grandeur: { is: 'branch', of: { ...QUANTITY, points: { is: 'reading', of: POINT } } },
    contexte: {
      is: 'branch',
      of: {
        etapeMetier: kept(/^(?:BRUT|BEST)$/),
        contexteReleve: kept(/^(?:COL|TOP|FMR|CRD|CRI)$/),
        typeReleve: kept(/^(?:AP|AQ|AS|AV|LC|RM|RC)$/),
        motifReleve: kept(/^[A-Z0-9]{1,6}$/),
        grandeur: {
          is: 'branch',
          of: {
            ...QUANTITY,
            calendrier: {
              is: 'branch',
              of: {
                idCalendrier: kept(id),
                libelleCalendrier: { is: 'label', as: 'idCalendrier' },
                classeTemporelle: {
                  is: 'branch',
                  of: {
                    idClasseTemporelle: kept(id),
                    libelleClasseTemporelle: { is: 'label', as: 'idClasseTemporelle' },
                    codeCadran: kept(/^[A-Z0-9_]{1,16}$/),
                    valeur: VALUE,
                  },
                },
              },
            },
            cadranTotalisateur: { is: 'branch', of: { codeCadran: kept(/^[A-Z0-9_]{1,16}$/), valeur: VALUE } },
          },
        },
      },
    },
  },
}
const UNITS: Readonly<Record<string, string>> = { PA: 'W', PRI: 'VAr', PRC: 'VAr', E: 'V', EA: 'Wh', ERC: 'VArh', ERI: 'VArh', PMA: 'VA' }

function head({ root }: Detailed, point: string, found: Fields, parts: readonly Part[]): string {
  const [from, until] = [parts[0]?.period?.from ?? '', parts.at(-1)?.period?.until ?? '']
  const quality = found['mesuresCorrigees']
  return [
    answerHead(root, null),
    leaf('pointId', point),
    quality === undefined ? '' : leaf('mesuresCorrigees', quality),
    element('periode', leaf('dateDebut', from) + leaf('dateFin', until)),
  ].join('')
}

/** How the values came to be: of a sum that was made here, that it was made of the curve. */
function tail({ root }: Detailed, access: AccessRequest, parts: readonly Part[], found: Fields): string {
  const derived = parts.some(({ how }) => how === 'derive')
  const said: Fields = derived ? { typeValeur: 'GLOBALE', modeCalcul: 'INTEG.COURBE', pas: 'P1D' } : found
  const leaves = access.kind === 'index' ? [] : ['typeValeur', 'modeCalcul', 'pas']
  return leaves.map((name) => (said[name] === undefined ? '' : leaf(name, said[name]))).join('') + answerTail(root)
}

function judgeOf(detailed: Detailed, access: AccessRequest, part: Part, days: Period, viewed: boolean): Judge {
  const state = { tooFine: 0 }
  const quantities = part.how === 'derive' ? ['PA'] : detailed.quantities
  const metier = access.direction === 'injection' ? 'PROD' : 'CONS'
  const judge =
    access.kind === 'load_curve' || part.how === 'derive' ? curve(detailed, part, days, state, metier, viewed) : byDays(access, days)
  return {
    get tooFine() {
      return state.tooFine
    },
    rest: () => judge.rest(),
    reading(read, around, root) {
      if (root['pointId'] === undefined) return ['unreadable']
      const quantity = around.findLast(({ name }) => name === 'grandeur')?.fields ?? {}
      const { grandeurMetier, grandeurPhysique = '', unite } = quantity
      // Registers stand in a context, all else does not: what is elsewhere was not asked for.
      if ((around[0]?.name === 'contexte') !== (access.kind === 'index' && part.how !== 'derive')) return ['drop']
      if (grandeurMetier !== metier || !quantities.includes(grandeurPhysique)) return ['drop']
      if (unite !== UNITS[grandeurPhysique]) return ['other_unit']
      return judge.reading(read, around, qualityOf(root['mesuresCorrigees']))
    },
  }
}

interface Inner {
  reading(read: Around, around: readonly Around[], quality: Quality | undefined): readonly Judged[]
  rest(): readonly Judged[]
}

/** Values of a day, a month, or a moment in one; a register at midnight is the opening one of that day. */
function byDays(access: AccessRequest, days: Period): Inner {
  const name = access.kind === 'index' ? 'valeur' : access.step === 'P1M' ? 'month' : 'day'
  return {
    rest: () => [],
    reading(read, around, quality) {
      const { v, d } = read.fields
      const at = d === undefined ? undefined : momentOf(d)
      if (v === undefined || d === undefined || !at) return ['drop']
      const inside = name === 'valeur' ? isRegisterInside(at, days) : contains(days, name === 'month' ? monthOf(at.day) : dayOf(at.day))
      if (!inside) return ['drop']
      const isMoment = name === 'valeur' || (access.kind === 'max_power' && d.length > 10 && name === 'day')
      const measured = (): Measured | undefined => {
        const when = isMoment ? { at: instantOf(at.day, at.second) } : wholeDays(name === 'month' ? monthOf(at.day) : dayOf(at.day))
        return measuredOf(around, v, when, quality, read.fields['n'] ?? read.fields['iv'])
      }
      return [{ path: around, text: element(read.name, read.leaves), stamp: d, measured }]
    },
  }
}

const dayOf = (on: Day): Period => ({ from: on, until: addDays(on, 1) })
const monthOf = (on: Day): Period => ({ from: startOfMonth(on), until: addMonths(startOfMonth(on), 1) })

function isRegisterInside({ day, second }: Moment, days: Period): boolean {
  return second === 0 ? days.from <= day && day <= days.until : contains(days, dayOf(day))
}

interface Moment {
  readonly day: Day
  /** Since midnight, local, as written. */
  readonly second: number
}

/** A bare date is its midnight. Of an instant with an offset (version 2) the local time is what is written. */
function momentOf(text: string): Moment | undefined {
  const on = parseDay(text)
  if (on) return { day: on, second: 0 }
  if (!/^.{19}(?:\.0{1,3})?(?:\+0[12]:00)?$/.test(text)) return undefined
  const at = parseStamp(text.slice(0, 19).replace('T', ' '))
  return at && { day: at.day, second: at.secondOfDay }
}

/** Where a point of a curve lies, by both ways of stamping where its marks do not tell which. */
function placesOf(
  read: Around,
): { readonly ends: Placed; readonly starts: Placed; readonly which: 'ends' | 'starts' | 'unknown' } | undefined {
  const { v, d, p, n } = read.fields
  const at = d === undefined ? undefined : momentOf(d)
  if (v === undefined || d === undefined || p === undefined || !at || at.second % 60 !== 0) return undefined
  const length = minutesOf(p as Step) ?? 0 // of the steps that the shape admits
  const minute = at.second / 60
  const placed = (day: Day, end: number): Placed => ({
    reading: { value: v, date: d, length: p as Step },
    first: end >= length ? day : addDays(day, -1),
    last: day,
    interval: { day, minute: end, length },
  })
  const ends = minute === 0 ? placed(addDays(at.day, -1), 1440) : placed(at.day, minute)
  const starts =
    minute + length <= 1440
      ? placed(at.day, minute + length)
      : { ...placed(at.day, minute + length), first: at.day, last: addDays(at.day, 1) }
  return { ends, starts, which: stamping(n, length) }
}

/** `B` is how a Linky marks a point, `R` how the meters of the other segments do. */
function stamping(nature: string | undefined, length: number): 'ends' | 'starts' | 'unknown' {
  const byStep = length === 30 ? 'ends' : length < 30 ? 'starts' : 'unknown'
  const byNature = nature === 'B' ? 'ends' : nature === 'R' ? 'starts' : 'unknown'
  if (byNature === 'unknown') return byStep
  return byNature === 'ends' && length < 30 ? 'unknown' : byNature
}

function curve(detailed: Detailed, part: Part, days: Period, state: { tooFine: number }, metier: string, viewed: boolean): Inner {
  const tag = detailed.generation === 'v2' ? 'mesure' : 'points'
  const sums = part.how === 'derive' ? new DailySums() : undefined
  const averages = part.averageUp && !sums ? new Averages(part.finest) : undefined
  const clock = viewed ? new DayClock() : undefined
  const energy: Around = {
    name: 'grandeur',
    fields: {},
    leaves: leaf('grandeurMetier', metier) + leaf('grandeurPhysique', 'EA') + leaf('unite', 'Wh'),
  }
  const summed = (sum: { readonly value: string; readonly date: string } | undefined): readonly Judged[] =>
    sum
      ? [
          {
            path: [energy],
            text: element(tag, leaf('v', sum.value) + leaf('d', sum.date)),
            stamp: sum.date,
            measured: () => ({
              quantity: 'energy',
              unit: 'Wh',
              value: sum.value,
              ...wholeDays(dayOf(sum.date as Day)),
              quality: 'derived',
            }),
          },
        ]
      : []
  return {
    rest: () => (sums ? summed(sums.finish()) : []),
    reading(read, around, quality) {
      const places = placesOf(read)
      if (!places) return ['drop']
      const { which } = places
      // Every point goes by the clock: which of two equal stamps of autumn it is, their order tells.
      const started = clock && startOf(places, clock)
      const inside = which === 'unknown' ? [places.ends, places.starts].every((p) => isInside(p, days)) : isInside(places[which], days)
      if (!inside) return ['drop']
      const placed = places[which === 'starts' ? 'starts' : 'ends']
      if (sums) return summed(sums.add(placed))
      const step = read.fields['p'] as Step
      const text = element(tag, read.leaves)
      const stamped = placed.reading.date
      if (STEPS.includes(step) && isAtLeast(step, part.finest)) {
        const { value } = placed.reading
        const measured = (): Measured | undefined =>
          started === undefined
            ? undefined
            : measuredOf(around, value, { at: started, seconds: (minutesOf(step) ?? 0) * 60 }, quality, read.fields['n'])
        return [{ path: around, text, stamp: stamped, measured }]
      }
      state.tooFine += 1
      // A mean is stamped as a Linky stamps; of meters that stamp the start none is made.
      const mean = which === 'ends' ? averages?.add(placed) : undefined
      if (!mean) return ['drop']
      return [
        'drop',
        {
          path: around,
          text: element(tag, leaf('v', mean.value) + leaf('d', mean.date) + leaf('p', part.finest)),
          stamp: mean.date,
          measured: () => (started === undefined ? undefined : meanOf(around, mean.value, started, step, part.finest)),
        },
      ]
    },
  }
}

const MINUTE = 60_000

/** The start of a point's interval; undefined where its marks do not tell which end is stamped, or its stamp does not exist. */
function startOf({ ends, which }: NonNullable<ReturnType<typeof placesOf>>, clock: DayClock): Millis | undefined {
  const { interval, reading } = ends
  if (!interval || which === 'unknown') return undefined
  // A stamp at the start is read on its own day: midnight begins it.
  const stamped = momentOf(reading.date)
  const [day, minute] = which === 'ends' || !stamped ? [interval.day, interval.minute] : [stamped.day, stamped.second / 60]
  const elapsed = clock.elapsed(day, minute)
  if (elapsed === undefined) return undefined
  return (startOfDay(day) + (which === 'ends' ? elapsed - interval.length : elapsed) * MINUTE) as Millis
}

function meanOf(around: readonly Around[], value: string, started: Millis, step: Step, finest: Step): Measured | undefined {
  const [last, whole] = [minutesOf(step) ?? 0, minutesOf(finest) ?? 0]
  const at = (started - (whole - last) * MINUTE) as Millis
  return measuredOf(around, value, { at, seconds: whole * 60 }, 'derived', undefined)
}
