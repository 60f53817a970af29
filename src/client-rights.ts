/** Answers a client's questions about what is open for it at a data holder: by the register, and by asking the data holder. */
import type { MeterId } from './domain/meter.ts'
import type { AccountId } from './domain/permission.ts'
import type { Millis } from './domain/time.ts'
import type { OwnCallParts, OwnCaller } from './gateway/own-call.ts'
import { ownCallerOf } from './gateway/own-call.ts'
import type { ClientRightsDesk, ProviderRoute } from './gateway/ports.ts'
import type { ClientRights, OwnRight } from './permissions/client-rights.ts'
import type { FoundRight } from './providers/adapter.ts'
import type { StateClient } from './storage/rpc.ts'

/** How long whoever stops a service waits for the data holder; it is asked on after that. */
const WAIT_MS = 15_000
const LOOK_MS = 250
const TRIED_FOR_MS = 20_000

export function clientRightsDesk(
  parts: Omit<OwnCallParts, 'route'> & {
    readonly state: StateClient
    readonly routes: readonly ProviderRoute[]
    /** Asks for what is due. */
    readonly tick: () => Promise<void>
  },
): ClientRightsDesk {
  const { state, routes, now } = parts
  const callers = new Map<ProviderRoute['id'], OwnCaller>(routes.map((route) => [route.id, ownCallerOf({ ...parts, route })]))

  async function told(provider: ProviderRoute['id'], meter: MeterId, account: AccountId): Promise<readonly FoundRight[] | undefined> {
    const search = routes.find(({ id }) => id === provider)?.adapter.searchRights
    const caller = callers.get(provider)
    if (!search || !caller) return []
    const { call, understand } = search(meter, account)
    const made = await caller.make<readonly FoundRight[] | undefined>(
      account,
      { ...call, why: 'search' },
      ({ status, body }) => {
        const { rights, code, says } = understand(status, body)
        const result = rights === undefined ? 'upstream_error' : rights.length > 0 ? 'delivered' : 'no_data'
        return { value: rights, result, rows: rights?.length ?? 0, code, ...(says && { says }) }
      },
      AbortSignal.timeout(TRIED_FOR_MS),
    )
    return made.is === 'made' ? made.value : undefined
  }

  return {
    async of(asked) {
      const own = await state.call<readonly OwnRight[] | null>('rightsOfClient', asked)
      if (own === null) return 'none'
      if (!routes.find(({ id }) => id === asked.provider)?.adapter.searchRights) return own
      const found = new Map<string, FoundRight>()
      for (const { meter, account } of own.filter(
        (one, i) => own.findIndex((o) => o.meter === one.meter && o.account === one.account) === i,
      )) {
        const rows = await told(asked.provider, meter, account)
        if (rows === undefined) return 'unknown'
        for (const row of rows) found.set(`${account}\n${row.ref}`, row)
      }
      return own.flatMap((right) => {
        const row = found.get(`${right.account}\n${right.ref}`)
        return row ? [{ ...right, told: row.told }] : []
      })
    },
    async stop(asked) {
      const queued = await state.call<ReturnType<ClientRights['stop']>>('stopRights', { ...asked, now: now() })
      if (queued === null) return 'none'
      const { n, entry, ids } = queued
      const until = now() + WAIT_MS
      for (;;) {
        await parts.tick()
        const stand = await state.call<ReturnType<ClientRights['stand']>>('rightsStand', { ids })
        if (stand.every((one) => one.state === 'ended'))
          return {
            n,
            entry,
            ended: ids.map((id, i) => ({ ref: asked.refs[i] ?? '', code: stand.find((one) => one.id === id)?.code ?? null })),
          }
        if ((now() as Millis) >= until || stand.some(({ code }) => code !== null)) return { n, entry, ended: undefined }
        await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
      }
    },
  }
}
