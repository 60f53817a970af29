/**
 * What people share of their meters with which application, and since when: the state of one simulated Enedis. Every
 * answer about a share comes from here, those of the data paths and of the subscribed services alike, so that the two
 * never disagree.
 *
 * A meter that is there from the start (`meters.ts`) counts as shared with every application, until its holder takes
 * that back. One application and one holder have one authorisation for ever: deleting a share and giving it again
 * yields the same id. Past shares stay in the list, ended.
 */
import type { Day, Millis } from '../domain/time.ts'
import { addDays, addMonths, parisDay } from '../domain/time.ts'
import { customerOf } from './customers.ts'
import type { ErrorId } from './errors.ts'
import type { MeterRow, Standing, When } from './meters.ts'
import { dayOf, METERS, meterOf } from './meters.ts'
import type { Way } from './readings.ts'

export const MEASURE_KINDS = ['CDC', 'ENERGIE', 'IDX', 'PMAX'] as const
export type MeasureKind = (typeof MEASURE_KINDS)[number]
export const WAYS = ['consumed', 'produced'] as const satisfies readonly Way[]
export interface Series {
  readonly kind: MeasureKind
  readonly way: Way
}

export interface Share {
  /** Of this share among all of its application. */
  readonly n: number
  readonly prm: string
  /** A whole number of 64 bits, in digits. */
  readonly authorisation: string
  readonly from: When
  /** The last day, included; null: 30 months from whatever day it is. */
  readonly until: Day | null
  /** Earlier days of data are refused: a share that somebody made to begin later than its meter. */
  readonly dataFrom: Day | null
  readonly series: readonly Series[]
  /** Each with the last day on which it was in force. */
  readonly stopped: readonly (Series & { readonly on: Day })[]
  /** `untouched`: as the meter's row has it; `left`: the holder has moved out, and Enedis no longer tells of the share. */
  readonly state: 'untouched' | 'active' | 'deleted' | 'left'
}

export interface ShareOrder {
  readonly prm: string
  readonly clientId: string
  /** Absent: all that the meter has. */
  readonly kinds?: readonly MeasureKind[] | undefined
  readonly ways?: readonly Way[] | undefined
  readonly from?: Day | undefined
  /** The last day, included. */
  readonly until?: Day | undefined
  readonly authorisation?: string | undefined
}

export interface Shares {
  /** Newest last. */
  of(application: string): readonly Share[]
  /** The share in force of a meter; undefined where it may be given. */
  inForce(application: string, prm: string): Share | undefined
  give(order: ShareOrder): Share
  /** The following are done to the shares of the meter with every application, or with one. They are false where there is none in force. */
  revoke(prm: string, application?: string): boolean
  expire(prm: string): boolean
  stop(prm: string, kind: MeasureKind): boolean
  changeHolder(prm: string): boolean
  /** Why the data paths refuse whatever is asked about the meter. */
  refusal(application: string, row: MeterRow | undefined, curve: boolean): ErrorId | undefined
  /** Why they refuse a series that the meter has. */
  refusalOf(application: string, prm: string, series: Series, from: Day): ErrorId | undefined
}

const FIRST_AUTHORISATION = 481_516_200
const FIRST_GIVEN = 481_600_000
/** Where a share that is there from the start is in force, whatever the data paths answer. */
const SHARED: ReadonlySet<Standing> = new Set(['given', 'curve_opposed', 'technical_error', 'unavailable'])

/** @param applications those known, which the meters of the start are shared with */
export function sharesOf(applications: readonly string[], now: () => number): Shares {
  const lists = new Map<string, Share[]>()
  const authorisations = new Map<string, string>()
  /** Counted up when somebody else moves in: the next share is another holder's. */
  const holders = new Map<string, number>()
  const today = (): Day => parisDay(now() as Millis)

  function listOf(application: string): Share[] {
    const known = lists.get(application)
    if (known) return known
    const made = METERS.flatMap((row, i) => (row.standing === 'unshared' ? [] : [fromTheStart(row, i)]))
    lists.set(application, made)
    return made
  }
  function authorisationFor({ clientId, prm, authorisation }: ShareOrder): string {
    const moves = holders.get(prm) ?? 0
    const customer = customerOf(prm)
    const key = `${clientId}\n${moves === 0 ? (customer?.id ?? prm) : `${prm} ${moves}`}`
    const first = moves === 0 ? (customer?.authorisation ?? listOf(clientId).find((share) => share.prm === prm)?.authorisation) : undefined
    const id = authorisation ?? authorisations.get(key) ?? first ?? String(FIRST_GIVEN + authorisations.size)
    authorisations.set(key, id)
    return id
  }
  /** Only the newest share of a meter can be in force. */
  function newest(application: string, prm: string): Share | undefined {
    return listOf(application).findLast((share) => share.prm === prm)
  }
  function inForce(application: string, prm: string): Share | undefined {
    const share = newest(application, prm)
    return share && isInForce(share, today()) ? share : undefined
  }
  function change(prm: string, made: (share: Share) => Share, only?: string): boolean {
    let done = false
    for (const application of only === undefined ? new Set([...applications, ...lists.keys()]) : [only]) {
      const share = inForce(application, prm)
      if (!share) continue
      const list = listOf(application)
      list[list.indexOf(share)] = made(share)
      done = true
    }
    return done
  }
  const touched = (share: Share): Share => ({ ...share, state: share.state === 'untouched' ? 'active' : share.state })

  return {
    of: listOf,
    inForce,
    give(order) {
      const row = meterOf(order.prm)
      if (!row) throw new RangeError('no such meter')
      const list = listOf(order.clientId)
      const share: Share = {
        n: list.length,
        prm: order.prm,
        authorisation: authorisationFor(order),
        from: order.from ?? today(),
        until: order.until ?? null,
        dataFrom: order.from ?? null,
        series: seriesOf(row).filter(({ kind, way }) => (order.kinds?.includes(kind) ?? true) && (order.ways?.includes(way) ?? true)),
        stopped: [],
        state: 'active',
      }
      list.push(share)
      return share
    },
    revoke: (prm, only) => change(prm, (share) => ({ ...share, state: 'deleted', until: addDays(today(), -1) }), only),
    expire: (prm) => change(prm, (share) => ({ ...touched(share), until: addDays(today(), -1) })),
    stop: (prm, kind) =>
      change(prm, (share) => ({
        ...touched(share),
        series: share.series.filter((one) => one.kind !== kind),
        stopped: [
          ...share.stopped,
          ...share.series.filter((one) => one.kind === kind).map((one) => ({ ...one, on: addDays(today(), -1) })),
        ],
      })),
    changeHolder(prm) {
      holders.set(prm, (holders.get(prm) ?? 0) + 1)
      return change(prm, (share) => ({ ...share, state: 'left' }))
    },
    refusal(application, row, curve) {
      if (!row) return 'no_consent'
      const share = newest(application, row.prm)
      if (share?.state === 'left') return 'not_owner'
      if (!share || (share.state !== 'untouched' && !isInForce(share, today()))) return 'no_consent'
      return refusalOfStanding(share.state === 'untouched' ? row.standing : standingOfGiven(row.standing), curve)
    },
    refusalOf(application, prm, { kind, way }, from) {
      const share = newest(application, prm)
      if (!share?.series.some((one) => one.kind === kind && one.way === way)) return 'no_consent'
      return share.dataFrom !== null && from < share.dataFrom ? 'before_consent' : undefined
    },
  }
}

/** All that a meter has to share. A peak of production is not measured. */
function seriesOf(row: MeterRow): readonly Series[] {
  const ways = WAYS.filter((way) => (way === 'consumed' ? row.consumes : row.produces))
  return ways.flatMap((way) =>
    MEASURE_KINDS.filter((kind) =>
      kind === 'CDC' ? row.curve && row.standing !== 'curve_opposed' : kind !== 'PMAX' || way === 'consumed',
    ).map((kind) => ({ kind, way })),
  )
}

/** Whether the person behind the meter can share it at all. */
export function isShareable(row: MeterRow): boolean {
  return row.standing === 'unshared' || row.standing === 'no_consent' || SHARED.has(row.standing)
}

export function stateOf(share: Share, today: Day): 'ACTIF' | 'TERMINE' | 'SUPPRIME' {
  const standing = meterOf(share.prm)?.standing
  if (share.state === 'deleted' || (share.state === 'untouched' && standing === 'no_consent')) return 'SUPPRIME'
  return isInForce(share, today) ? 'ACTIF' : 'TERMINE'
}

/** First and last day, both included. */
export function daysOf(share: Share, today: Day): { readonly from: Day; readonly until: Day } {
  const from = dayOf(share.from, today)
  const until = share.until ?? (isInForce(share, today) ? addMonths(today, 30) : addDays(today, -1))
  // What was taken back on the day on which it was given has had that day.
  return { from, until: until < from ? from : until }
}

function isInForce(share: Share, today: Day): boolean {
  if (share.state === 'untouched') return SHARED.has(meterOf(share.prm)?.standing ?? 'no_consent')
  return share.state === 'active' && (share.until === null || share.until >= today)
}

function fromTheStart(row: MeterRow, index: number): Share {
  return {
    n: index,
    prm: row.prm,
    authorisation: String(FIRST_AUTHORISATION + index),
    from: row.consentFrom ?? row.activated,
    until: null,
    dataFrom: null,
    series: seriesOf(row),
    stopped: [],
    state: 'untouched',
  }
}

/** A share that a person gave is good, unless it is the meter or Enedis that is not. */
function standingOfGiven(standing: Standing): Standing {
  return SHARED.has(standing) ? standing : 'given'
}

function refusalOfStanding(standing: Standing, curve: boolean): ErrorId | undefined {
  switch (standing) {
    case 'given':
      return undefined
    case 'curve_opposed':
      return curve ? 'curve_opposed' : undefined
    case 'unshared':
    case 'no_consent':
      return 'no_consent'
    case 'technical_error':
      return 'technical'
    default:
      return standing
  }
}
