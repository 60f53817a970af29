/**
 * The application token of one account, for all gates: one of them asks the data holder while it holds a lease, the
 * others wait for what it puts into Redis. The lease ends by itself where its holder vanished, and is renewed while it
 * works. Whatever Redis does, a gate that cannot share asks for itself.
 *
 * A token that the data holder refuses is dropped for all gates once a minute: a new one that is refused too is not the
 * token's fault.
 */
import { randomBytes } from 'node:crypto'
import type { RedisScripts } from '../runtime/redis-scripts.ts'

export interface Granted {
  readonly header: string
  /** What is left of its life, and the whole of it. */
  readonly leftMs: number
  readonly wholeMs: number
}
export interface TokenShare {
  /**
   * @param known what this gate has and wants another for; absent: any will do
   * @param ask asks the data holder; what it rejects with is the caller's, and for a while that of other gates
   */
  obtain(ask: () => Promise<Granted>, known: string | undefined): Promise<Granted>
  /** The data holder refused it. Resolves when no gate is given it any more, or it is to stay. */
  refused(header: string): Promise<void>
}
export interface TokenSharedBy {
  readonly scripts: RedisScripts
  /** One name for one account: keyed hashes, all on one node. */
  keyOf(kind: 'token' | 'token-lease' | 'token-refused'): string
  seal(key: string, value: unknown): string
  open(key: string, text: string): unknown
  readonly leaseMs?: number
}

const LEASE_MS = 3000
/** Longer than a token call may take: then whoever waits asks for itself. */
const PATIENCE_MS = 8000
const POLL_MS = 60
/** How long other gates take a failure for theirs. */
const PAUSE_MS = 1000
const REFUSED_MS = 60_000

/** KEYS token lease; ARGV seen mine ms → `token` box ms | `mine` | `taken` | `failed`. Taken twice by the same it is mine still. */
const LOOK = `
local box = redis.call('GET', KEYS[1])
if box and box ~= ARGV[1] then return {'token', box, redis.call('PTTL', KEYS[1])} end
local lease = redis.call('GET', KEYS[2])
if lease == 'failed' then return {'failed'} end
if lease and lease ~= ARGV[2] then return {'taken'} end
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
return {'mine'}
`
/** KEYS lease; ARGV mine ms */
const RENEW = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
`
/** KEYS token lease; ARGV mine box ms. Another's lease: what it brings is newer. */
const PUT = `
local lease = redis.call('GET', KEYS[2])
if lease and lease ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
if lease then redis.call('DEL', KEYS[2]) end
return 1
`
/** KEYS lease; ARGV mine ms */
const FAILED = `
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('SET', KEYS[1], 'failed', 'PX', ARGV[2]) end
return 1
`
/** KEYS token refused; ARGV box ms */
const REFUSED = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if not redis.call('SET', KEYS[2], '1', 'NX', 'PX', ARGV[2]) then return 0 end
return redis.call('DEL', KEYS[1])
`

export function tokenShare(by: TokenSharedBy): TokenShare {
  const { scripts, leaseMs = LEASE_MS } = by
  const token = by.keyOf('token')
  const lease = by.keyOf('token-lease')
  /** As it lies in Redis: it is dropped there only where it still is the one. */
  let last: { readonly header: string; readonly box: string } | undefined

  function opened(box: string, ms: number): Granted | undefined {
    const value = by.open(token, box)
    if (typeof value !== 'object' || value === null || !('header' in value) || !('wholeMs' in value)) return undefined
    const { header, wholeMs } = value
    if (typeof header !== 'string' || typeof wholeMs !== 'number' || ms <= 0) return undefined
    last = { header, box }
    return { header, wholeMs, leftMs: Math.min(ms, wholeMs) }
  }
  async function leased(mine: string, ask: () => Promise<Granted>): Promise<Granted> {
    const renewal = setInterval(() => void scripts.run(RENEW, [lease], [mine, leaseMs]).catch(() => undefined), leaseMs / 3)
    try {
      const granted = await ask()
      const box = by.seal(token, { header: granted.header, wholeMs: granted.wholeMs })
      last = { header: granted.header, box }
      // It is good here, whether the others get it or not.
      await scripts.run(PUT, [token, lease], [mine, box, Math.max(1, Math.floor(granted.leftMs))]).catch(() => undefined)
      return granted
    } catch (error) {
      await scripts.run(FAILED, [lease], [mine, PAUSE_MS]).catch(() => undefined)
      throw error
    } finally {
      clearInterval(renewal)
    }
  }

  return {
    async obtain(ask, known) {
      const mine = randomBytes(12).toString('base64url')
      const deadline = performance.now() + PATIENCE_MS
      let seen = ''
      while (scripts.ready && performance.now() < deadline) {
        const said = await scripts.run(LOOK, [token, lease], [seen, mine, leaseMs]).catch(() => undefined)
        // Lost, or something else in its place.
        if (!Array.isArray(said)) break
        const [word, box, ms] = said.map(String)
        if (word === 'mine') return leased(mine, ask)
        if (word === 'failed') throw new Error('another gate has just been refused an application token')
        if (word === 'token' && box !== undefined) {
          const found = opened(box, Number(ms))
          if (found && found.header !== known) return found
          // The one that is to be replaced, or none of ours: as if it were not there.
          seen = box
        } else if (word !== 'taken') break
        else await new Promise((resolve) => void setTimeout(resolve, POLL_MS * (0.5 + Math.random())))
      }
      return ask()
    },
    async refused(header) {
      if (last?.header !== header || !scripts.ready) return
      await scripts.run(REFUSED, [token, by.keyOf('token-refused')], [last.box, REFUSED_MS]).catch(() => undefined)
    },
  }
}
