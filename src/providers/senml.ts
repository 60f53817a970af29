/**
 * One view for all data holders: a reading as a SenML record (RFC 8428), whatever it came from. Stamps are the start of
 * the interval in UTC, units are SI, values exact: they are multiplied as decimals, never as floating point. What leaves is
 * what would leave in the data holder's own form, written otherwise.
 *
 * Members of ours beside those of the RFC, which tells readers to ignore what they do not know: `duration` (seconds; none
 * for a moment), `quality`, `mark` (as the data holder codes it) and `holder`.
 */
import type { MeterId } from '../domain/meter.ts'
import type { AccessRequest } from '../domain/request.ts'
import type { Millis, Period } from '../domain/time.ts'
import { startOfDay } from '../domain/time.ts'

export const SENML_TYPE = 'application/senml+json'

/** Units as data holders write them, the registered unit of the view (RFC 8428 § 12.1), and by how much a value grows. */
export const UNITS = {
  W: { unit: 'W', times: 1n },
  VA: { unit: 'VA', times: 1n },
  VAr: { unit: 'var', times: 1n },
  V: { unit: 'V', times: 1n },
  Wh: { unit: 'J', times: 3600n },
  kWh: { unit: 'J', times: 3_600_000n },
  VArh: { unit: 'vars', times: 3600n },
  kVArh: { unit: 'vars', times: 3_600_000n },
  'm³': { unit: 'm3', times: 1n },
} as const
export type NativeUnit = keyof typeof UNITS

/** `raw` as the meter gave it, `corrected` by the data holder; `measured` or `estimated` where that is what it says; `derived` here. */
export const QUALITIES = ['raw', 'corrected', 'measured', 'estimated', 'derived'] as const
export type Quality = (typeof QUALITIES)[number]

/** What data holders call them, without accents and in small letters. */
const WORDS = new Map<string, Quality>([
  ['brut', 'raw'],
  ['best', 'corrected'],
  ['corrige', 'corrected'],
  ['mesure', 'measured'],
  ['reel', 'measured'],
  ['estime', 'estimated'],
  ['estimation', 'estimated'],
  ['derived', 'derived'],
])
export function qualityOf(word: string | undefined): Quality | undefined {
  return word === undefined ? undefined : WORDS.get(word.normalize('NFD').replaceAll(/\p{M}/gu, '').toLowerCase())
}

/** When a reading began, and how long it lasted; a moment has no length. */
export interface When {
  readonly at: Millis
  readonly seconds?: number
}
/** From midnight to midnight in Paris: a day of 23, 24 or 25 hours, a month, a billing period. */
export function wholeDays({ from, until }: Period): When {
  const at = startOfDay(from)
  return { at, seconds: (startOfDay(until) - at) / 1000 }
}

/** A reading of any holder. */
export interface Measured extends When {
  /** `power`, `energy`, `volume` …; of a register, with its code. */
  readonly quantity: string
  readonly unit: NativeUnit
  /** A decimal number as it was written. */
  readonly value: string
  readonly quality?: Quality | undefined
  readonly mark?: string | undefined
}

/** Writes one pack, whatever the number of calls behind it: the first record carries the base name, the meter. */
export class SenmlPack {
  readonly #base: string
  readonly #about: string
  readonly #holder: string
  #begun = false

  constructor({ meter, kind, direction, provider }: Pick<AccessRequest, 'meter' | 'kind' | 'direction' | 'provider'>) {
    this.#base = baseName(meter)
    this.#about = direction === 'n_a' ? kind : `${kind}/${direction}`
    this.#holder = provider
  }

  write({ quantity, unit, value, at, seconds, quality, mark }: Measured): string {
    const { unit: si, times } = UNITS[unit]
    // Every text below is of known characters, so that none needs escaping; the value is a number of its own digits.
    const record = [
      `"n":"${this.#about}/${quantity}"`,
      `"u":"${si}"`,
      `"t":${at % 1000 === 0 ? at / 1000 : (at / 1000).toFixed(3)}`,
      `"v":${multiplied(value, times)}`,
      ...(seconds === undefined ? [] : [`"duration":${seconds}`]),
      ...(quality === undefined ? [] : [`"quality":"${quality}"`]),
      ...(mark !== undefined && /^[A-Za-z0-9_.-]{1,20}$/.test(mark) ? [`"mark":"${mark}"`] : []),
      `"holder":"${this.#holder}"`,
    ].join(',')
    const before = this.#begun ? ',' : `[{"bn":"${this.#base}",`
    const first = !this.#begun
    this.#begun = true
    return first ? `${before}${record}}` : `${before}{${record}}`
  }

  close(): readonly string[] {
    return this.#begun ? [']'] : []
  }
}

/** With the name of a record it makes a name of RFC 8428 § 4.5.1: letters, digits and `-:./_`, the first a letter. */
export function baseName(meter: MeterId): string {
  return `${meter}/`
}

/** A part of a name, of a code that the data holder gave; one that is no code is not passed on. */
export function namePart(code: string | undefined): string {
  return code !== undefined && /^[A-Za-z0-9_.-]{1,40}$/.test(code) ? code : 'other'
}

/** Exact. @param value of digits with an optional sign and fraction; throws a RangeError where it is not */
export function multiplied(value: string, times: bigint): string {
  const [, sign = '', whole = '', fraction = ''] = /^(-?)(\d+)(?:\.(\d+))?$/.exec(value) ?? []
  if (whole === '') throw new RangeError('not a decimal number')
  const digits = (BigInt(whole + fraction) * times).toString().padStart(fraction.length + 1, '0')
  const point = digits.length - fraction.length
  const decimals = digits.slice(point).replace(/0+$/, '')
  const magnitude = decimals === '' ? digits.slice(0, point) : `${digits.slice(0, point)}.${decimals}`
  return magnitude === '0' ? '0' : sign + magnitude
}
