/** What the tests of the one view share: reading it as a client would, by the RFC, and the clock of Paris. */
import { expect } from 'vitest'
import type { Answer, PartReader } from '../../../src/providers/adapter.ts'

export interface Resolved {
  readonly name: string
  readonly unit: string
  /** Seconds since 1970. */
  readonly time: number
  readonly value: number
  readonly duration?: number
  readonly quality?: string
  readonly mark?: string
  readonly holder: string
}

const UNITS = ['W', 'VA', 'var', 'V', 'J', 'vars', 'm3']

/** RFC 8428 § 4.6: base fields put into each record; checks what the RFC asks of a record. */
export function resolved(text: string): readonly Resolved[] {
  const pack: unknown = JSON.parse(text)
  if (!Array.isArray(pack) || pack.length === 0) throw new Error('a pack has a record')
  let base = ''
  return (pack as Readonly<Record<string, unknown>>[]).map((record) => {
    base = (record['bn'] as string | undefined) ?? base
    const name = base + String(record['n'])
    expect(name).toMatch(/^[A-Za-z0-9][A-Za-z0-9\-:./_]*$/)
    expect(UNITS).toContain(record['u'])
    expect(typeof record['v']).toBe('number')
    // Below 2^28 a time would be relative to now.
    expect(record['t']).toBeGreaterThan(2 ** 28)
    const { u, t, v, duration, quality, mark, holder } = record
    const told = {
      ...(duration !== undefined && { duration }),
      ...(quality !== undefined && { quality }),
      ...(mark !== undefined && { mark }),
    }
    return { name, unit: u, time: t, value: v, ...told, holder } as Resolved
  })
}

/** As the clocks of Paris show it, with a blank and seconds. */
export function inParis(seconds: number): string {
  const at = Temporal.Instant.fromEpochMilliseconds(seconds * 1000).toZonedDateTimeISO('Europe/Paris')
  return at.toPlainDateTime().toString({ smallestUnit: 'second' }).replace('T', ' ')
}

/** All of a body through the only part of an answer, cut at these places. */
export function whole(answer: Answer, body: string, cuts: readonly number[] = []): { readonly out: string; readonly reader: PartReader } {
  const reader = answer.part(0)
  const bytes = Buffer.from(body)
  const ends = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].toSorted((a, b) => a - b)
  let [out, from] = ['', 0]
  for (const fed of [...[...ends, bytes.length].map((end) => () => reader.push(bytes.subarray(from, (from = end)))), () => reader.end()]) {
    const result = fed()
    if (!result.ok) throw new Error(result.why)
    out += result.out.join('')
  }
  return { out: reader.counts.readings === 0 ? out : out + answer.close().join(''), reader }
}
