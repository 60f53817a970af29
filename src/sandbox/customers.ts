/**
 * The people who share their meters on the simulated consent page. The first ten stand for the customers of Enedis's own
 * sandbox, by the last digit of `state` there; their meters have been shared with nobody. The others hold the meters
 * that are shared from the start.
 */
import type { Said } from '../web/language.ts'
import { personOf } from './contracts.ts'
import type { MeterRow } from './meters.ts'
import { METERS, meterOf } from './meters.ts'

export interface Customer {
  /** What authorisations are counted by: one application and one holder have one. */
  readonly id: string
  readonly name: string
  readonly meters: readonly MeterRow[]
  /** The last digit of `state` that picks this customer beforehand, on the page of v1. */
  readonly digit?: string
  /** What becomes of a share that this customer accepts. */
  readonly answers: 'shared' | 'revoked' | 'refused'
  /** Of this authorisation whatever the application, where it must have a certain form. */
  readonly authorisation?: string
}

function byDigit(digit: string, prms: readonly string[], more: Partial<Customer> = {}): Customer {
  const meters = prms.map((prm) => meterOf(prm)).filter((row) => row !== undefined)
  return { id: `customer-${digit}`, name: nameOf(meters), meters, digit, answers: 'shared', ...more }
}

const BY_DIGIT: readonly Customer[] = [
  byDigit('0', ['30000000000001']),
  byDigit('1', ['30000000000002']),
  byDigit('2', ['30000000000003']),
  byDigit('3', ['30000000000004', '30000000000005']),
  // An id is a whole number of 64 bits: this one is not what it was after it has been a number of JavaScript.
  byDigit('4', ['30000000000006'], { authorisation: '9007199254740993' }),
  byDigit('5', ['30000000000007']),
  byDigit('6', ['30000000000008']),
  byDigit('7', ['30000000000009', '30000000000010', '30000000000011']),
  byDigit('8', ['30000000000012'], { answers: 'revoked' }),
  byDigit('9', ['30000000000013'], { answers: 'refused' }),
]

/** The customer of a meter that begins shared has that meter alone, as its authorisation has. */
const SHARED_FROM_THE_START: readonly Customer[] = METERS.filter((row) => row.standing !== 'unshared').map((row) => ({
  id: `holder-${row.prm}`,
  name: nameOf([row]),
  meters: [row],
  answers: row.standing === 'no_consent' ? 'revoked' : 'shared',
}))

export const CUSTOMERS: readonly Customer[] = [...BY_DIGIT, ...SHARED_FROM_THE_START]

const BY_METER = new Map(CUSTOMERS.flatMap((customer) => customer.meters.map((row) => [row.prm, customer])))

export function customerOf(prm: string): Customer | undefined {
  return BY_METER.get(prm)
}

export function customerByDigit(state: string | undefined): Customer | undefined {
  return BY_DIGIT.find(({ digit }) => digit === state?.at(-1))
}

function nameOf([row]: readonly MeterRow[]): string {
  if (!row) return ''
  if (row.holder === 'company') return 'Exemple SA'
  const { firstname, lastname } = personOf(row)
  return `${firstname} ${lastname}`
}

/** What there is to share of a meter. Times of a curve are named for who chooses, not for who computes. */
export function describe(row: MeterRow): Said {
  const ways: Said = !row.produces
    ? { fr: 'consommation', en: 'consumption' }
    : row.consumes
      ? { fr: 'consommation et production (autoconsommation)', en: 'consumption and production (self-consumption)' }
      : { fr: 'production', en: 'production' }
  const steps: Said = row.curve
    ? { fr: 'courbe de charge et jours', en: 'load curve and days' }
    : { fr: 'jours seulement', en: 'days only' }
  return { fr: `${ways.fr}, ${steps.fr}`, en: `${ways.en}, ${steps.en}` }
}
