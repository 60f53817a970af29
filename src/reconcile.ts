/**
 * Compares the registry with what Enedis says is shared: at the interval that the settings give, when an operator asks
 * for it, and soon after Enedis refused a call under a permission (its codes also mean «not yet», so that refusals alone
 * end nothing). No answer changes nothing. Whoever asks for a comparison gets the other data holders' as well.
 */
import type { Changes } from './gate-state.ts'
import type { OwnCalls } from './gateway/own-calls.ts'
import { questionsOf } from './gateway/own-calls.ts'
import type { MeterId, UsagePointId } from './domain/meter.ts'
import { bareMeter, parsePrm } from './domain/meter.ts'
import type { AccountId } from './domain/permission.ts'
import type { SharedService } from './domain/share.ts'
import type { Millis } from './domain/time.ts'
import type { Compared } from './permissions/reconcile.ts'
import type { Logger } from './runtime/logger.ts'
import type { StateClient } from './storage/rpc.ts'

export interface Reconciled {
  readonly permissions: number
  readonly acts: readonly {
    readonly permission: string
    readonly status: string
    readonly endReason: string | null
    readonly entry: string
  }[]
  readonly unknownRights: number
  /** Meters about which the holder gave no word: nothing was changed for them. */
  readonly unanswered: number
  readonly badDay: boolean
}

export interface Reconciler {
  /** One run at a time; who asks meanwhile gets the same. */
  run(): Promise<Reconciled>
  /** A call under a permission of this meter was refused: look at it soon. */
  doubt(meter: MeterId, account: AccountId): void
  /** Runs what is due. */
  tick(): Promise<void>
}

const PER_PAGE = 1000
const DOUBT_MS = 60_000
const MOST_DOUBTS = 200
const RETRY_MS = 900_000

export function reconcilerOf(parts: {
  readonly state: StateClient
  readonly ownCalls: OwnCalls
  readonly changes: Changes
  readonly accounts: () => readonly AccountId[]
  /** Undefined where nothing is compared by itself. */
  readonly everyMs: number | undefined
  /** Of the data holders that have lists of their own: each compared with its own. Undefined where one gave no word. */
  readonly others: readonly (() => Promise<Compared | undefined>)[]
  readonly now: () => Millis
  readonly log: Logger
}): Reconciler {
  const { state, ownCalls, changes, now, log } = parts
  const doubted = new Map<UsagePointId, { readonly account: AccountId; readonly since: Millis }>()
  /** Undefined until the state has told when the last run was. */
  let due: number | undefined
  let running: Promise<Reconciled> | undefined

  /** One meter that does not exist at the holder spoils the answer about all: it is found by halves. Undefined without a word. */
  async function sharesOf(account: AccountId, meters: readonly UsagePointId[]): Promise<readonly SharedService[] | undefined> {
    const answered = await ownCalls.shares(account, { meters }, 'reconciliation', AbortSignal.timeout(300_000))
    if (answered.is === 'unknown') return undefined
    if (answered.is === 'shares') return answered.services
    if (meters.length <= 1) return []
    const half = Math.ceil(meters.length / 2)
    const first = await sharesOf(account, meters.slice(0, half))
    const second = first && (await sharesOf(account, meters.slice(half)))
    return first && second && [...first, ...second]
  }
  async function compare(account: AccountId, meters: readonly UsagePointId[]): Promise<Compared | undefined> {
    const asked = now()
    const services = await sharesOf(account, meters)
    if (!services) return undefined
    const compared = await state.call<Compared>('compareShares', { account, meters, services, asked, now: now() })
    await changes.acts(compared.acts)
    if (compared.badDay)
      log.error({ account }, 'the data holder lists many shares no more, all at once: none of these permissions was ended')
    return compared
  }
  function told(all: readonly Compared[], unanswered: number): Reconciled {
    return {
      permissions: all.reduce((sum, one) => sum + one.permissions, 0),
      acts: all.flatMap(({ acts }) =>
        acts.map(({ permission, status, endReason, entry }) => ({ permission, status, endReason: endReason ?? null, entry })),
      ),
      unknownRights: all.reduce((sum, one) => sum + one.unknownRights, 0),
      unanswered,
      badDay: all.some((one) => one.badDay),
    }
  }
  async function runAll(): Promise<Reconciled> {
    const all: Compared[] = []
    let unanswered = 0
    for (const account of parts.accounts()) {
      for (let after: string | null = ''; after !== null;) {
        const page: { readonly meters: readonly UsagePointId[]; readonly next: string | null } = await state.call('metersOfAccount', {
          account,
          after,
          limit: PER_PAGE,
          now: now(),
        })
        for (const meters of questionsOf(page.meters)) {
          const compared = await compare(account, meters)
          if (compared) all.push(compared)
          else unanswered += meters.length
        }
        after = page.next
      }
    }
    const result = told(all, unanswered)
    log.info({ compared: result.permissions, acts: result.acts.length, unanswered }, 'the registry was compared with the data holder')
    return result
  }
  /** Enedis first: the others are compared by their own clock as well. */
  async function runEverywhere(): Promise<Reconciled> {
    const enedis = await runAll()
    const compared = await Promise.all(parts.others.map((one) => one()))
    const rest = told(
      compared.filter((one) => one !== undefined),
      compared.filter((one) => one === undefined).length,
    )
    return {
      permissions: enedis.permissions + rest.permissions,
      acts: [...enedis.acts, ...rest.acts],
      unknownRights: enedis.unknownRights + rest.unknownRights,
      unanswered: enedis.unanswered + rest.unanswered,
      badDay: enedis.badDay || rest.badDay,
    }
  }
  async function lookAtDoubts(): Promise<void> {
    const ripe = [...doubted].filter(([, { since }]) => now() - since >= DOUBT_MS)
    for (const [account, of] of Map.groupBy(ripe, ([, { account: one }]) => one)) {
      const meters = of.map(([meter]) => meter)
      // Once, whatever comes of it: the daily run comes anyway.
      for (const meter of meters) doubted.delete(meter)
      await compare(account, meters)
    }
  }
  function once(work: () => Promise<Reconciled>): Promise<Reconciled> {
    running ??= work().finally(() => {
      running = undefined
    })
    return running
  }
  const reconciler: Reconciler = {
    run() {
      return once(runEverywhere)
    },
    doubt(meter, account) {
      // The number of a gas point may look like that of an electricity one.
      const prm = meter.startsWith('prm:') ? parsePrm(bareMeter(meter)) : undefined
      if (!prm) return
      if (doubted.size < MOST_DOUBTS && !doubted.has(prm)) doubted.set(prm, { account, since: now() })
    },
    async tick() {
      await lookAtDoubts()
      if (parts.everyMs === undefined) return
      due ??= (await state.call<Millis>('lastReconciled', { now: now() })) + parts.everyMs
      if (now() < due) return
      due = now() + RETRY_MS
      const { unanswered } = await once(runAll)
      if (unanswered > 0) return
      await state.call('reconciled', { now: now() })
      due = now() + parts.everyMs
    },
  }
  return reconciler
}
