/**
 * Idempotency-Key (draft-ietf-httpapi-idempotency-key-header): the same key with the same request gives the first
 * answer again, in this run of the gate or a later one; with another request, 422. That a request has begun is on disk
 * before it does anything, so that one which a crash interrupted is never done twice: it is told that nobody knows.
 */
import { createHash } from 'node:crypto'
import type { ConsoleTickets } from '../ports.ts'
import { Problem } from './problem.ts'
import type { ApiAnswer } from './route.ts'

export const KEPT_SECONDS = 86_400
const KEY = /^[\u0021-\u007e]{1,128}$/

interface Kept {
  readonly request: string
  readonly answer: ApiAnswer | null
}

export interface Idempotency {
  /** @param scope who asks for what: a key is another one elsewhere */
  once(key: string | undefined, scope: string, request: string, work: () => Promise<ApiAnswer>): Promise<ApiAnswer>
}

export function idempotencyOn(tickets: ConsoleTickets): Idempotency {
  const running = new Map<string, string>()
  return {
    async once(key, scope, request, work) {
      // As the draft writes it: a structured string, in quotes; without them it is taken too.
      const bare = key?.replace(/^"(.*)"$/, '$1')
      if (bare === undefined || !KEY.test(bare)) throw new Problem('key_missing', '1 to 128 visible characters, new for each new request')
      const id = `${scope}\n${bare}`
      const hash = createHash('sha256').update(request).digest('base64url')
      const other = running.get(id)
      if (other !== undefined) throw new Problem(other === hash ? 'in_progress' : 'key_reused')
      running.set(id, hash)
      try {
        const found = await tickets.get('idempotency', id)
        if (found) return again(JSON.parse(found.payload) as Kept, hash)
        await keep(id, { request: hash, answer: null })
        return await done(id, hash, work)
      } finally {
        running.delete(id)
      }
    },
  }

  function again({ request, answer }: Kept, hash: string): ApiAnswer {
    if (request !== hash) throw new Problem('key_reused')
    if (!answer) throw new Problem('interrupted', 'look whether it was done; if not, ask again with another key')
    return { ...answer, headers: { ...answer.headers, 'Idempotent-Replayed': 'true' } }
  }
  async function done(id: string, hash: string, work: () => Promise<ApiAnswer>): Promise<ApiAnswer> {
    try {
      const answer = await work()
      await keep(id, { request: hash, answer })
      return answer
    } catch (error) {
      // Nothing was done: the same key may try again. A fault of ours leaves what it did unknown, and the key with it.
      if (isRefused(error)) await tickets.drop('idempotency', id)
      throw error
    }
  }
  async function keep(id: string, kept: Kept): Promise<void> {
    await tickets.put('idempotency', id, JSON.stringify(kept), KEPT_SECONDS)
  }
}

function isRefused(error: unknown): boolean {
  return error instanceof Error && (error.name === 'Refusal' || error.name === 'Problem')
}
