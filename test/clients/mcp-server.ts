/**
 * The HTTP client of enedis-linky-mcp-server (Go): tries again, three times, where the network or a 5xx failed it, and
 * never after a 4xx. It wants the unit and the points of an answer.
 *
 * Source: mjrgr/enedis-linky-mcp-server `internal/client`.
 */
import type { Reading, Told } from './http.ts'
import { ask, fieldsOf } from './http.ts'
import type { ConsoType } from './linky.ts'

const WAITS_MS = [500, 1000, 2000] as const
const MOST_BYTES = 1024 * 1024

export interface McpOptions {
  /** Its `CONSO_API_BASE_URL`, which ends in `/api`. */
  readonly base: string
  readonly token: string
  readonly prm: string
  readonly wait: (ms: number) => Promise<void>
}

export type McpAnswer =
  | { readonly ok: true; readonly reading: Reading; readonly tries: number }
  | { readonly ok: false; readonly status: number | undefined; readonly tries: number }

export async function askMcp(options: McpOptions, type: ConsoType, start: string, end: string): Promise<McpAnswer> {
  const { base, token, prm } = options
  let last: Told | undefined
  for (let tries = 1; ; tries += 1) {
    try {
      last = await ask(`${base}/${type}?${new URLSearchParams({ prm, start, end }).toString()}`, {
        headers: { Authorization: `Bearer ${token}`, Accept: 'application/json', 'User-Agent': 'enedis-linky-mcp-server' },
      })
    } catch {
      last = undefined // the network failed it
    }
    if (last?.status === 200) return readingOf(last, tries)
    if (last && last.status < 500) return { ok: false, status: last.status, tries }
    const wait = WAITS_MS[tries - 1]
    if (wait === undefined) return { ok: false, status: last?.status, tries }
    await options.wait(wait)
  }
}

function readingOf({ status, text }: Told, tries: number): McpAnswer {
  const body = fieldsOf(text)
  const whole = Buffer.byteLength(text) <= MOST_BYTES && typeof body['reading_type'] === 'object' && Array.isArray(body['interval_reading'])
  return whole ? { ok: true, reading: body as unknown as Reading, tries } : { ok: false, status, tries }
}
