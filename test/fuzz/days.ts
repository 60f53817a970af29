/** Random dates into the parsers of days and moments, and random requests into the reading of a request. */
import { parsePrm } from '../../src/domain/meter.ts'
import { day, parseDay, parseInstant, parseStamp, rfc3339 } from '../../src/domain/time.ts'
import { canonicalOf } from '../../src/gateway/canonical.ts'
import { classify } from '../../src/providers/enedis-data-connect/classify.ts'
import { dataConnect } from '../../src/providers/enedis-data-connect/data-connect.ts'
import { SERVED_PATHS } from '../../src/providers/enedis-data-connect/dialects.ts'
import { refuse } from '../../src/providers/enedis-data-connect/refusals.ts'
import { anUnder } from '../given.ts'
import type { Random } from './random.ts'
import { mangled } from './random.ts'
import type { Target } from './target.ts'
import { Finding } from './target.ts'

const TODAY = day('2026-11-20')

export const daysTarget: Target = {
  name: 'days',
  open: () => {
    let days = 0
    let accesses = 0
    return Promise.resolve({
      once(random) {
        for (let i = 0; i < 20; i += 1) days += oneDate(random)
        accesses += oneRequest(random)
      },
      close: () => Promise.resolve(`${days} dates were real, ${accesses} requests an access`),
    })
  },
}

export function aDate(random: Random): string {
  const two = (most: number): string => String(random.int(most)).padStart(2, '0')
  const date = `${random.pick(['2026', '2024', '1900', '2999', '0026', '2100', String(1890 + random.int(1200))])}-${two(14)}-${two(33)}`
  const time = `${two(26)}:${two(62)}:${two(62)}`
  const form = random.pick([date, date, `${date} ${time}`, `${date}T${time}`, `${date}T${time}Z`, `${date}T${time}.123+02:00`])
  return random.oneIn(3) ? mangled(random, form) : form
}

/** Each parser by its own reading of the same text, and by Temporal's. */
function oneDate(random: Random): number {
  const text = aDate(random)
  const asDay = parseDay(text)
  const stamp = parseStamp(text)
  const instant = parseInstant(text)
  if (asDay !== undefined && plain(text)?.toString() !== text) throw new Finding('a day that is none', text)
  if (asDay === undefined && /^(19|2\d)\d\d-\d\d-\d\d$/.test(text) && plain(text)?.toString() === text)
    throw new Finding('a real day refused', text)
  if (stamp) {
    const read = Temporal.PlainDateTime.from(text)
    const seconds = read.hour * 3600 + read.minute * 60 + read.second
    if (read.toPlainDate().toString() !== stamp.day || seconds !== stamp.secondOfDay) throw new Finding('a stamp read otherwise', text)
  }
  if (instant !== undefined) {
    if (Temporal.Instant.from(text).epochMilliseconds !== instant) throw new Finding('a moment read otherwise', text)
    if (parseInstant(rfc3339(instant)) !== instant && instant >= Date.UTC(1900, 0, 1) && instant < Date.UTC(3000, 0, 1))
      throw new Finding('a moment that is not read back', text)
  }
  return asDay === undefined ? 0 : 1
}

function plain(text: string): Temporal.PlainDate | undefined {
  try {
    return Temporal.PlainDate.from(text, { overflow: 'reject' })
  } catch (error) {
    if (error instanceof RangeError) return undefined
    throw error
  }
}

const NAMES = [
  'usage_point_id',
  'start',
  'end',
  'pointId',
  'dateDebut',
  'dateFin',
  'mesuresPas',
  'grandeurPhysique',
  'person_id',
  'prm',
  '__proto__',
  'constructor',
]

function oneRequest(random: Random): number {
  const path = random.pick(SERVED_PATHS).replace('{prm}', random.digits(14))
  const value = (name: string): string => {
    if (/start|end|date/.test(name)) return random.oneIn(2) ? `2026-0${1 + random.int(9)}-1${random.int(10)}` : aDate(random)
    if (/point|prm/i.test(name)) return random.digits(random.oneIn(6) ? random.int(20) : 14)
    return random.pick(['P1D', 'P1M', 'PMA', 'TOUT', random.digits(10), random.text(5)])
  }
  const names = random.oneIn(3)
    ? Array.from({ length: random.int(6) }, () => random.pick(NAMES))
    : /\/v[45]\//.test(path)
      ? ['usage_point_id', 'start', 'end']
      : path.startsWith('/api/')
        ? ['prm', 'start', 'end']
        : path.includes('mesure')
          ? ['pointId', 'dateDebut', 'dateFin', ...(path.includes('puissance') ? ['mesuresPas', 'grandeurPhysique'] : [])]
          : []
  const query = names.map((name) => `${name}=${random.oneIn(4) ? value(name) : encodeURIComponent(value(name).toWellFormed())}`).join('&')
  let target = query === '' ? path : `${path}?${query}`
  if (random.oneIn(4)) target = mangled(random, target)
  const read = canonicalOf({ method: 'GET', target, httpVersion: '1.1', rawHeaders: ['Host', 'gate'] }, 2048)
  if ('status' in read) return 0
  for (const upstream of ['v5', '2026'] as const) {
    const classified = classify(read.wire, TODAY, upstream)
    if (classified.is === 'refused') {
      // Every refusal can be told in every style, and tells nothing of what was asked.
      const { form, reason, flaw } = classified
      for (const style of ['native', 'enedis', 'domoticz', 'conso'] as const) {
        const reply = refuse(form, style, { reason, ...(flaw !== undefined && { flaw }) })
        JSON.parse(reply.body)
        if (reply.status < 400 || /[0-9]{14}/.test(reply.body)) throw new Finding('a refusal that is none, or that tells a meter', target)
      }
    }
    if (classified.is !== 'access') continue
    const { access, form } = classified
    const sent = [...read.wire.query.values(), read.wire.path.split('/').at(-1)]
    const asked = [access.meter.slice(4), ...(access.period ? [access.period.from, access.period.until] : [])]
    if (!asked.every((word) => sent.includes(word)) || parsePrm(access.meter.slice(4)) !== access.meter)
      throw new Finding('an access of what was not asked', target)
    if (access.period && !(access.period.from < access.period.until)) throw new Finding('a period without a day', target)
    const adapter = dataConnect({ upstream })
    if (!adapter.canAnswer(form)) continue
    const whole = {
      permission: 'p',
      line: 'l',
      period: access.period,
      how: 'direct',
      kind: access.kind,
      finest: 'PT5M',
      averageUp: false,
      keepKinds: [],
    }
    const out = adapter.rewrite(form, access, whole as never, anUnder()).target
    // What goes to the holder is made of these characters and is itself canonical.
    if (!/^[A-Za-z0-9_/?&=.-]+$/.test(out)) throw new Finding(`sent to the holder: ${out}`, target)
    if ('status' in canonicalOf({ method: 'GET', target: out, httpVersion: '1.1', rawHeaders: ['Host', 'h'] }, 2048))
      throw new Finding(`not canonical: ${out}`, target)
  }
  return 1
}
