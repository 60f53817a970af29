/**
 * Random answers of a data holder into the readers of both generations. Whatever comes: nothing is thrown, nothing leaves
 * about another meter, another day, a finer step or a field that is not granted, and it makes no difference how the body is cut or
 * whether it is read as a whole or as a stream.
 */
import { isUtf8 } from 'node:buffer'
import { DIALECT_IDS } from '../../src/providers/enedis-data-connect/dialects.ts'
import { holderError } from '../../src/providers/enedis-data-connect/holder-error.ts'
import { passError } from '../../src/providers/enedis-data-connect/refusals.ts'
import type { SeriesId } from '../../src/providers/enedis-data-connect/series.ts'
import { millis } from '../../src/domain/time.ts'
import type { Given, Read } from '../unit/data-connect/given.ts'
import { aPart, days, fixture, halfHours, METER, OTHER, through, v5Curve } from '../unit/data-connect/given.ts'
import { measure2026 } from '../harness/holder.ts'
import { aDate } from './days.ts'
import type { Random } from './random.ts'
import { mangled } from './random.ts'
import type { Target } from './target.ts'
import { Finding } from './target.ts'

const GRANTED = days('2026-10-05', '2026-10-07')
/** In a field that nobody grants, or a value of a day that nobody granted. */
const CANARY = '666999'

interface Source {
  readonly series: SeriesId
  readonly upstream: 'v5' | '2026'
  readonly body: string
}

const curveDays = ['2026-10-04', '2026-10-05', '2026-10-06', '2026-10-07']
const v5Body = v5Curve(
  curveDays.flatMap((on) => halfHours(on).map((date) => ({ value: value(on), date }))),
  { start: '2026-10-04', end: '2026-10-08', canary: CANARY },
)
function value(on: string): string {
  return on === '2026-10-04' || on === '2026-10-07' ? CANARY : '412'
}
const wide = (series: string): string =>
  measure2026(series, METER, '2026-10-04', '2026-10-08')
    .replace('"idPrm"', `"canary":"${CANARY}","idPrm"`)
    .replaceAll(/"v":"\d+","d":"(2026-10-0[47])/g, `"v":"${CANARY}","d":"$1`)
const SOURCES: readonly Source[] = [
  { series: 'consumption_curve', upstream: 'v5', body: v5Body },
  { series: 'consumption_curve', upstream: '2026', body: wide('courbe_de_charge_consommation') },
  { series: 'production_curve', upstream: '2026', body: wide('courbe_de_charge_production') },
  { series: 'daily_consumption', upstream: '2026', body: wide('consommation_quotidienne') },
  { series: 'daily_consumption', upstream: 'v5', body: fixture('v5-daily-consumption') },
  { series: 'daily_max_power', upstream: '2026', body: wide('puissance_conso_max_quotidienne') },
  { series: 'daily_max_power', upstream: 'v5', body: fixture('v5-max-power') },
  { series: 'consumption_index', upstream: '2026', body: fixture('2026-index') },
  { series: 'contracts', upstream: 'v5', body: fixture('v5-contracts') },
  { series: 'addresses', upstream: 'v5', body: fixture('v5-addresses') },
  { series: 'identity', upstream: 'v5', body: fixture('v5-identity') },
  { series: 'contact', upstream: 'v5', body: fixture('v5-contact') },
  { series: 'contract_situation', upstream: '2026', body: fixture('2026-contract-situation') },
]

export const answersTarget: Target = {
  name: 'answers',
  open: () => {
    let whole = 0
    return Promise.resolve({
      once(random) {
        const source = random.pick(SOURCES)
        const isRecord = source.series.includes('cont') || source.series === 'addresses' || source.series === 'identity'
        const client = isRecord || source.series === 'consumption_index' ? source.upstream : random.pick(['v5', '2026'] as const)
        const given: Given = {
          series: source.series,
          client,
          upstream: source.upstream,
          parts: [
            isRecord
              ? aPart(null, { keepKinds: random.oneIn(2) ? ['contract_data'] : ['address', 'technical_data'], finest: 'TOTAL' })
              : aPart(GRANTED, {
                  finest: source.series.endsWith('curve') ? random.pick(['PT30M', 'PT60M'] as const) : 'P1D',
                  averageUp: random.oneIn(4),
                }),
          ],
        }
        const body = aBody(random, source.body)
        if (oneBody(random, given, body)) whole += 1
      },
      close: () => Promise.resolve(`${whole} answers still passed`),
    })
  },
}

function oneBody(random: Random, given: Given, body: Buffer): boolean {
  const read = through(given, body)
  looked(given, read.text, body)
  const cuts = Array.from({ length: 1 + random.int(8) }, () => random.int(body.length + 1)).toSorted((a, b) => a - b)
  const others: Read[] = [through(given, body, cuts)]
  // Blanks in front carry it over the limit up to which a body is read as a whole.
  if (given.parts[0]?.period && given.series !== 'consumption_index') {
    const long = Buffer.concat([Buffer.alloc(70_000, 0x20), body])
    others.push(through(given, long, [60_000, ...cuts.map((at) => at + 70_000)]))
  }
  for (const other of others) {
    looked(given, other.text, body)
    // Of what is not UTF-8 a piece as a whole is not read: how far it was good depends on the pieces, that it is refused does not.
    const same = isUtf8(body) ? other.why === read.why : (other.why === undefined) === (read.why === undefined)
    if (!same || (read.why === undefined && other.text !== read.text))
      throw new Finding(`cut at ${cuts.join()}, or as a stream, it reads otherwise: ${read.why} and ${other.why}`, body)
  }
  if (read.why !== undefined || read.text === '') return false
  JSON.parse(read.text)
  return true
}

/** Of what left, even of an answer that was broken off. */
function looked(given: Given, text: string, body: Buffer): void {
  const fail = (what: string): never => {
    throw new Finding(`${what} left: ${text.slice(0, 400)}`, body)
  }
  if (text.includes(OTHER)) fail('another meter')
  if (text.includes(CANARY) && !body.includes(`"${CANARY}","date":"2026-10-05`)) mustBeOurs(text, fail)
  const period = given.parts[0]?.period
  if (!period || given.series === 'consumption_index') return
  for (const [, stamp = '', rest = ''] of text.matchAll(/"(?:d|date)":"([^"]*)"([^}]*)/g)) {
    const length = /"PT(\d+)M"/.exec(rest)?.[1]
    const end = Temporal.PlainDateTime.from(stamp.includes(' ') ? stamp.replace(' ', 'T') : `${stamp}T00:00:00`)
    const start = length === undefined ? end : end.subtract({ minutes: Number(length) })
    const last = length === undefined ? end.add({ seconds: 1 }) : end
    const inside =
      Temporal.PlainDateTime.compare(start, Temporal.PlainDate.from(period.from).toPlainDateTime()) >= 0 &&
      Temporal.PlainDateTime.compare(last, Temporal.PlainDate.from(period.until).toPlainDateTime()) <= 0
    if (!inside) fail(`a reading of ${stamp}`)
    if (length !== undefined && Number(length) < (given.parts[0]?.finest === 'PT60M' ? 60 : 30)) fail(`a step of ${length} minutes`)
  }
}

/** The value may have been moved to a granted day by a mutation; under a name that nobody grants it never leaves. */
function mustBeOurs(text: string, fail: (what: string) => never): void {
  const names = [...text.matchAll(new RegExp(`"([^"]*)":"${CANARY}"`, 'g'))].map((match) => match[1] ?? '')
  if (names.some((name) => name !== 'v' && name !== 'value')) fail('a field that is not granted')
}

const WORDS = [
  `"usage_point_id":"${OTHER}",`,
  `"idPrm":"${OTHER}",`,
  `"idPrm":"${METER}",`,
  `"canary":"${CANARY}",`,
  '"periode":null,',
  '"points":[],',
  '{"v":"1","d":"2026-10-05 00:30:00","p":"PT10M"},',
  `{"v":"${CANARY}","d":"2026-10-07 00:30:00","p":"PT30M"},`,
  '"p":"PT60M",',
  '"p":"PT5M",',
  '"unite":"kW",',
  '"grandeurMetier":"PROD",',
  '"grandeurPhysique":"EA",',
  '[[[[[[',
  '{"a":{"a":{"a":',
  '\\u0000',
  '\\ud800',
  '1e999',
  '-0',
  'null',
  '"quality":"NETTOYE",',
  '"2026-10-04 23:50:00"',
  '"2026-10-05T24:00:00"',
  '"2026-10-05"',
  '"__proto__":{"v":"1"},',
  ',',
]

function aBody(random: Random, good: string): Buffer {
  if (random.oneIn(20)) return random.bytes(random.int(300))
  let text = good
  for (let i = random.int(4); i > 0; i -= 1) {
    switch (random.int(6)) {
      case 0:
        text = mangled(random, text, WORDS)
        break
      case 1:
        text = inserted(random, text, /[{[,]/g)
        break
      case 2: {
        // One of its own texts by another.
        const found = [...text.matchAll(/"[^"]*"/g)]
        const one = found.length > 0 ? random.pick(found) : undefined
        if (one) {
          const other = random.oneIn(3) ? `"${aDate(random)}"` : random.oneIn(3) ? JSON.stringify(random.text(8)) : random.pick(found)[0]
          text = text.slice(0, one.index) + other + text.slice(one.index + one[0].length)
        }
        break
      }
      case 3:
        text = reordered(random, text)
        break
      case 4:
        text = text.replaceAll(METER, random.oneIn(3) ? OTHER : METER).replace('PT30M', random.pick(['PT10M', 'PT60M', 'P1D', 'pt30m']))
        break
      default:
        text = text.replace(/"(2026-10-0\d)/, `"${random.pick(['2026-10-04', '2026-10-06', '2026-10-07', '1999-01-01'])}`)
    }
  }
  const bytes = Buffer.from(text)
  if (random.oneIn(8) && bytes.length > 0) bytes[random.int(bytes.length)] = random.int(256)
  return bytes
}

function inserted(random: Random, text: string, where: RegExp): string {
  const places = [...text.matchAll(where)]
  if (places.length === 0) return text
  const at = random.pick(places).index + 1
  return text.slice(0, at) + random.pick(WORDS) + text.slice(at)
}

/** The same members in another order: what describes the readings may come behind them. */
function reordered(random: Random, text: string): string {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return text // mangled already
  }
  const shuffled = (item: unknown): unknown => {
    if (Array.isArray(item)) return item.map(shuffled)
    if (typeof item !== 'object' || item === null) return item
    const entries = Object.entries(item).map(([name, inner]) => [name, shuffled(inner)] as const)
    return Object.fromEntries(random.oneIn(3) ? entries.toReversed() : entries.toSorted(() => random.int(3) - 1))
  }
  return JSON.stringify(shuffled(value))
}

const ERRORS = [
  '{"error":"no_data_found","error_description":"no measure found for this usage point"}',
  '{"code":"ADAM-DC-0008","message":"No consent can be found for this customer and this usage point."}',
  '[{"code":"STM-ERR-0000019","message":"Unknown or unauthorized user."}]',
  '{"fault":{"code":900804,"message":"Message throttled out","nextAccessTime":"2026-Jul-17 05:00:00+0000 UTC"}}',
  '{"fault":{"code":"900901","message":"Invalid Credentials"}}',
  '<html>403</html>',
]

export const holderErrorTarget: Target = {
  name: 'holder-errors',
  open: () => {
    const means = new Set<string>()
    const now = millis(Date.UTC(2026, 6, 17, 4))
    return Promise.resolve({
      once(random) {
        const canary = `canary${random.digits(14)}`
        const body = random.oneIn(15)
          ? random.text(200)
          : mangled(random, random.pick(ERRORS), [canary, '"code":', '"__proto__":', '[', 'null'])
        const status = random.oneIn(10) ? random.int(1000) : random.pick([400, 401, 403, 404, 422, 429, 500, 502, 503])
        const retry = random.pick([null, random.digits(random.int(12)), 'Fri, 17 Jul 2026 05:00:00 GMT', random.text(30), '-1', '1e9'])
        const error = holderError(status, body, retry, now)
        means.add(error.says.means)
        if (!/^[A-Za-z0-9_-]{1,64}$/.test(error.code)) throw new Finding(`a code of other characters: ${error.code}`, body)
        const seconds = 'retryAfterSeconds' in error.says ? error.says.retryAfterSeconds : undefined
        if (seconds !== undefined && !(Number.isSafeInteger(seconds) && seconds >= 1 && seconds <= 86_400))
          throw new Finding(`wait ${seconds} s`, body)
        for (const style of ['native', 'enedis', 'domoticz', 'conso'] as const) {
          for (const dialect of DIALECT_IDS) {
            const reply = passError({ dialect, series: 'consumption_curve' }, style, status, error)
            JSON.parse(reply.body)
            if (!(reply.status >= 400 && reply.status < 600)) throw new Finding(`status ${reply.status}`, body)
            if (reply.body.includes(canary) && error.code !== canary && !error.code.includes(canary))
              throw new Finding('text of the holder crosses', body)
          }
        }
      },
      close: () => Promise.resolve(`meanings met: ${[...means].toSorted().join(', ')}`),
    })
  },
}
