/**
 * What the request path asks of the state, with copies in front of it; and what must hear of a change before whoever made
 * it is answered: copies here and in other gates, and the calls under way.
 */
import type { Json } from './domain/canonical.ts'
import type { MeterId } from './domain/meter.ts'
import type { AccountId, ClientId } from './domain/permission.ts'
import type { Millis } from './domain/time.ts'
import type { GateState } from './gateway/ports.ts'
import type { UnderWay } from './gateway/under-way.ts'
import { underWayKey } from './gateway/under-way.ts'
import type { Lookups } from './permissions/cache.ts'
import type { RedisCache } from './permissions/redis.ts'
import type { ActResult } from './permissions/record.ts'
import { meterTokenOf } from './permissions/registry.ts'
import type { IssuedToken } from './permissions/tokens.ts'
import type { Logger } from './runtime/logger.ts'
import type { StateClient } from './storage/rpc.ts'

/** Tells of a change; each resolves when nothing of before it is trusted or under way any more. */
export interface Changes {
  acts(acts: readonly ActResult[]): Promise<void>
  token(hash: Uint8Array): Promise<void>
  client(id: ClientId): Promise<void>
  /** What another gate has committed, as it was told. */
  hear(told: readonly Json[]): void
}

/** @param over of the keys of what is under way, those that nothing allows any more */
export function changesTo(
  copies: Lookups,
  shared: RedisCache | undefined,
  underway: UnderWay,
  over: (keys: readonly string[]) => Promise<readonly string[]>,
): Changes {
  return {
    async acts(acts) {
      for (const act of acts) {
        if (act.meter === null) copies.flush()
        else copies.dropViews(act.client, act.meter)
        if (act.status !== 'active' || act.narrowed) underway.cut(underWayKey.permission(act.permission))
      }
      await shared?.tellActs(acts)
    },
    async token(hash) {
      copies.dropIdentity(Buffer.from(hash))
      underway.cut(underWayKey.token(Buffer.from(hash).toString('base64')))
      await shared?.tellToken(Buffer.from(hash))
    },
    async client(id) {
      copies.flush()
      underway.cut(underWayKey.client(id))
      await shared?.tellAll()
    },
    hear(told) {
      for (const one of told as readonly Heard[]) {
        switch (one.is) {
          case 'act':
            copies.hear(one.meter === null ? { is: 'all' } : { is: 'views', client: one.client, meter: one.meter })
            if (one.over) underway.cut(underWayKey.permission(one.permission))
            break
          case 'token':
            copies.hear({ is: 'token', hash: one.hash })
            underway.cut(underWayKey.token(one.hash))
            break
          case 'client':
            copies.hear({ is: 'all' })
            underway.cut(underWayKey.client(one.id))
            break
          case 'all':
            copies.hear({ is: 'all' })
            // What was ended meanwhile is asked for: nobody says it again.
            void over(underway.keys()).then((keys) => keys.forEach((key) => underway.cut(key)))
        }
      }
    },
  }
}

/** What stores tell each other, see `Database.tell`. */
type Heard =
  | { readonly is: 'act'; readonly client: ClientId; readonly meter: MeterId | null; readonly permission: string; readonly over: boolean }
  | { readonly is: 'token'; readonly hash: string }
  | { readonly is: 'client'; readonly id: string }
  | { readonly is: 'all' }

const METERS_REMEMBERED = 50_000
const HOUR = 3_600_000

/** `ready` says whether another request may be taken. */
export function gateState(
  state: StateClient,
  index: Uint8Array,
  copies: Lookups,
  changes: Changes,
  ready: () => boolean,
  /** A holder refused a call about this meter: whether that is so is asked of it soon. */
  onDoubt: (meter: MeterId, account: AccountId) => void,
  log: Logger,
): GateState {
  /** When a permission was last used: refusals of the data holder are judged by how many were called within the hour. */
  const called = new Map<string, number>()
  const meterTokens = new Map<string, Buffer>()
  return {
    get ready() {
      return ready()
    },
    identify: copies.identify,
    views: copies.views,
    meterToken(meter) {
      const known = meterTokens.get(meter)
      if (known) return known
      if (meterTokens.size >= METERS_REMEMBERED) meterTokens.clear()
      const token = meterTokenOf(index, meter)
      meterTokens.set(meter, token)
      return token
    },
    heldShares: (client, about, set) => state.call('heldShares', { client, about, set }),
    holderOf: (permission) => state.call('holderOf', { permission }),
    intent(args) {
      if (args.fields.clear['source'] !== 'store') called.set(args.permission.id, args.now)
      return state.call('intent', args)
    },
    async outcome(args) {
      const { entry, fulfilled } = await state.call<{ entry: string; fulfilled: readonly ActResult[] }>('outcome', args)
      // Nobody waits for it: what is read next is confirmed by its own transaction.
      if (fulfilled.length > 0) void changes.acts(fulfilled)
      return { entry }
    },
    keptDays: (args) => state.call('keptDays', args),
    keepDays: (args) => state.call('keepDays', args),
    refused: (args) => state.call('refused', args),
    exchange: ({ client, secret, live, now }) =>
      state.call<IssuedToken | undefined>('exchange', {
        client,
        secret,
        purpose: live.clients.get(client)?.purpose ?? '',
        ttlSeconds: live.tokenTtlSeconds,
        cap: live.tokensPerCredential,
        now,
      }),
    async tokenFor({ client, credential, value, live, now }) {
      const purpose = live.clients.get(client)?.purpose
      if (purpose === undefined) return undefined
      return state.call<{ hash: Uint8Array; expiresAt: Millis }>('recordToken', {
        value,
        client,
        purpose,
        permissions: null,
        credential,
        ttlSeconds: live.tokenTtlSeconds,
        cap: live.tokensPerCredential,
        now,
      })
    },
    async holderRefused({ permission, meter, account, code, now }) {
      onDoubt(meter, account)
      for (const [id, at] of called) if (at < now - HOUR) called.delete(id)
      const { suspended, badDay } = await state.call<{ suspended: ActResult | null; badDay: boolean }>('holderRefused', {
        permission,
        code,
        now,
        calledInHour: called.size,
      })
      if (badDay) log.error('the data holder refuses many permissions at once: nothing is suspended for it')
      if (suspended) await changes.acts([suspended])
    },
  }
}
