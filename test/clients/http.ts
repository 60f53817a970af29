/** One request of a client on a real socket, with the headers that this client sends, and its whole answer. */
import type { Agent } from 'node:http'
import { request } from 'node:http'

export interface Told {
  readonly status: number
  /** Name and value as they came: some clients look for one spelling. */
  readonly headers: readonly (readonly [string, string])[]
  readonly text: string
  /** Which of the client's connections it came on: the port of this side. */
  readonly connection: number | undefined
}

/** Of a client that shows who it is by itself. */
export interface ClientCredentials {
  readonly base: string
  readonly clientId: string
  readonly secret: string
}

export interface Sent {
  readonly method?: 'GET' | 'POST'
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
  /** The connections of this client; absent, one for each request. */
  readonly agent?: Agent
  readonly timeoutMs?: number
}

/** Rejects where there is no answer, or one that is cut. */
export function ask(url: string, { method = 'GET', headers, body, agent, timeoutMs = 30_000 }: Sent): Promise<Told> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { method, headers, ...(agent && { agent }) }, (answer) => {
      const connection = answer.socket.localPort
      const chunks: Buffer[] = []
      answer.on('data', (chunk: Buffer) => chunks.push(chunk))
      answer.once('error', reject)
      answer.once('end', () => {
        const raw = answer.rawHeaders
        const pairs = Array.from({ length: raw.length / 2 }, (_, i) => [raw[2 * i] ?? '', raw[2 * i + 1] ?? ''] as const)
        resolve({ status: answer.statusCode ?? 0, headers: pairs, text: Buffer.concat(chunks).toString('utf8'), connection })
      })
    })
    sent.setTimeout(timeoutMs, () => sent.destroy(new Error('no answer in time')))
    sent.once('error', reject)
    sent.end(body)
  })
}

/** The fields of a JSON object; none where the text is no such thing. */
export function fieldsOf(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? { ...value } : {}
  } catch {
    return {} // what these clients do with a page that is not JSON
  }
}

/** A point of any of the five series. */
export interface Point {
  readonly value: string
  readonly date: string
  readonly interval_length?: string
}

export interface Reading {
  readonly usage_point_id: string
  readonly start: string
  readonly end: string
  readonly reading_type: { readonly unit: string }
  readonly interval_reading: readonly Point[]
}

/** `YYYY-MM-DD`, so many days later. */
export function dayAfter(on: string, days: number): string {
  return Temporal.PlainDate.from(on).add({ days }).toString()
}
