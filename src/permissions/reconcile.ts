/**
 * The registry against what the data holder says is shared: what has ended there ends here, what has become narrower
 * becomes narrower, what was doubted and is confirmed comes back, and a right that nobody here knows is put on record.
 *
 * Only a word of the holder counts. No answer says nothing about anybody; and where, of the permissions compared at
 * once, more than 5 % and at least 5 have *disappeared* from its lists, that is the holder's bad day, told as an alarm
 * (what it names as ended or removed counts even then). Source: consent model T14, T18, T20, T22; invariant I-18.
 */
import type { Database } from '../storage/database.ts'
import type { Json } from '../domain/canonical.ts'
import type { UsagePointId } from '../domain/meter.ts'
import type { AccountId, PermissionId, ScopeLine } from '../domain/permission.ts'
import type { SharedService } from '../domain/share.ts'
import type { Millis } from '../domain/time.ts'
import { addDays, parisDay, period, startOfDay } from '../domain/time.ts'
import type { EndReason, SuspendCause } from '../domain/vocabulary.ts'
import { isDated } from '../domain/vocabulary.ts'
import type { Journal } from '../storage/journal.ts'
import type { ActDetails, ActResult, PermissionContent } from './record.ts'
import type { Registry } from './registry.ts'

export interface Compared {
  readonly acts: readonly ActResult[]
  /** How many permissions were compared. */
  readonly permissions: number
  /** Shares in force at the holder under which nothing is in force here. */
  readonly unknownRights: number
  /** Too many have disappeared at once: none of these was ended. */
  readonly badDay: boolean
}
export interface Reconciliation {
  /** Meters with a permission that this account serves and whose time is not over, in order of the permissions' ids; '' is before the first. */
  metersOf(args: { readonly account: AccountId; readonly after: string; readonly limit: number; readonly now: Millis }): {
    readonly meters: readonly UsagePointId[]
    readonly next: string | null
  }
  /** When the last whole comparison ended; where there was none yet, `now` is remembered as if it were. */
  last(args: { readonly now: Millis }): Millis
  done(args: { readonly now: Millis }): void
  /** @param args.services all that the holder said of these meters */
  compare(args: {
    readonly account: AccountId
    readonly meters: readonly UsagePointId[]
    readonly services: readonly SharedService[]
    /** Before the question left. What was given, suspended or changed since, the answer knows nothing of. */
    readonly asked: Millis
    readonly now: Millis
  }): Compared
}

/** What the holder's list means for one permission. */
export type Verdict =
  | { readonly is: 'same' }
  | { readonly is: 'confirmed' }
  | {
      readonly is: 'ended'
      readonly by: Extract<EndReason, 'revoked_by_dso' | 'expired' | 'holder_changed'>
      readonly seen: 'named' | 'disappeared'
    }
  | { readonly is: 'narrower'; readonly lines: readonly ScopeLine[]; readonly validUntil: Millis }

export interface Standing {
  readonly content: PermissionContent
  readonly status: 'active' | 'suspended'
  readonly cause: SuspendCause | null
  /** Codes with which the holder refused calls under it lately. */
  readonly refusals: readonly string[]
}

/** With these the holder says that the person is no longer the holder of the contract. */
const MOVED_OUT = /^(ADAM-DC-0007|ADAM-ERR0061)$/
/** Suspensions that the holder's own word lifts. */
const LIFTED: readonly (SuspendCause | null)[] = ['holder_refused', 'dso_signal']

/** Pure. @param services what the holder said of the permission's meter */
export function judge({ content, status, cause, refusals }: Standing, services: readonly SharedService[], now: Millis): Verdict {
  const today = parisDay(now)
  const own = services.filter((s) => content.share === undefined || s.authorisation === content.share.authorisation)
  const live = own.filter((s) => (s.state === 'active' || s.state === 'asked') && s.until >= today)
  if (live.length === 0) {
    // Another holder shares the meter now, or the holder said so when it refused a call.
    const another = services.some((s) => s.state === 'active' && s.authorisation !== content.share?.authorisation)
    if (content.share !== undefined && (another || refusals.some((code) => MOVED_OUT.test(code))))
      return { is: 'ended', by: 'holder_changed', seen: own.length > 0 ? 'named' : 'disappeared' }
    if (own.length === 0) return { is: 'ended', by: 'revoked_by_dso', seen: 'disappeared' }
    const over = own.every((s) => s.state !== 'removed' && s.until < today)
    return { is: 'ended', by: over ? 'expired' : 'revoked_by_dso', seen: 'named' }
  }
  const narrower = narrowed(content, live)
  if (narrower) return narrower.lines.length === 0 ? { is: 'ended', by: 'revoked_by_dso', seen: 'named' } : { is: 'narrower', ...narrower }
  return status === 'suspended' && LIFTED.includes(cause) ? { is: 'confirmed' } : { is: 'same' }
}

function narrowed(
  { scope }: PermissionContent,
  live: readonly SharedService[],
): { readonly lines: readonly ScopeLine[]; readonly validUntil: Millis } | undefined {
  const longest = live.toSorted((a, b) => (a.until < b.until ? 1 : -1))
  const opened = scope.lines.flatMap((line) => {
    const by = isDated(line.kind) ? longest.find((s) => s.kind === line.kind && s.direction === line.direction) : longest[0]
    return by ? [{ line, by }] : []
  })
  const ends = opened.map(({ by }) => startOfDay(by.until))
  const validUntil = Math.min(scope.validUntil, ...ends) as Millis
  if (opened.length === scope.lines.length && validUntil === scope.validUntil) return undefined
  const last = addDays(parisDay((validUntil - 1) as Millis), 1)
  const lines = opened.flatMap(({ line }) => {
    if (line.data === null) return [line]
    const data = line.data.until <= last ? line.data : period(line.data.from, last)
    return data ? [{ ...line, data }] : []
  })
  return { lines, validUntil }
}

const HOUR = 3_600_000

export function reconciliationOn(db: Database, registry: Registry, journal: Journal, operatorKey: (now: Millis) => string): Reconciliation {
  const sql = {
    // Ended before its time, as by a withdrawal: its share may still stand at the data holder.
    live: db.prepare(
      "SELECT id FROM permission WHERE id > :after AND status IN ('active', 'suspended', 'ended') AND valid_until > :now ORDER BY id LIMIT :limit",
    ),
    refusals: db.prepare('SELECT DISTINCT code FROM holder_refusal WHERE permission = ? AND at > ?'),
    last: db.prepare("SELECT value FROM meta WHERE key = 'reconciled_at'"),
    done: db.prepare("INSERT INTO meta (key, value) VALUES ('reconciled_at', ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"),
    forget: db.prepare('DELETE FROM holder_refusal WHERE permission = ?'),
  }
  const details = (reason: string): ActDetails => ({ actorRole: 'data_holder', channel: 'reconciliation', reason })

  function perform(id: PermissionId, verdict: Verdict, now: Millis): readonly ActResult[] {
    switch (verdict.is) {
      case 'same':
        return []
      case 'confirmed':
        sql.forget.run(id)
        return [registry.act({ permission: id, type: 'resume', details: details('confirmed_by_holder'), now })]
      case 'ended':
        return [registry.act({ permission: id, type: verdict.by, details: details(`${verdict.seen}_at_holder`), now })]
      case 'narrower':
        return [
          registry.narrow({
            permission: id,
            lines: verdict.lines,
            validUntil: verdict.validUntil,
            details: details('narrowed_at_holder'),
            now,
          }),
        ]
    }
  }
  /** Shares that nothing here rests on: of a permission that was withdrawn here, or that somebody else obtained. */
  function unknown(account: AccountId, services: readonly SharedService[], known: ReadonlySet<string>, now: Millis): number {
    const strange = services.filter((s) => s.state === 'active' && !known.has(`${s.meter} ${s.authorisation ?? ''}`))
    const rights = new Map(strange.map((s) => [`${s.meter} ${s.authorisation ?? ''}`, s]))
    if (rights.size > 0)
      journal.append(
        {
          clear: { t: 'admin.finding', what: 'unknown_right', dso: `enedis-data-connect/${account}`, count: rights.size },
          sealed: {
            rights: [...rights.values()].slice(0, 100).map(({ meter, authorisation, from, until }) => ({
              meter,
              authorisation: authorisation ?? null,
              from,
              until,
            })) as unknown as Json,
          },
          keyId: operatorKey(now),
        },
        now,
      )
    return rights.size
  }

  const reconciliation: Reconciliation = {
    last({ now }) {
      const row = sql.last.get()
      if (row) return Number(row['value']) as Millis
      reconciliation.done({ now })
      return now
    },
    done: ({ now }) => void sql.done.run(String(now)),
    metersOf({ account, after, limit, now }) {
      const ids = sql.live.all({ after, limit, now }).map((row) => String(row['id']))
      const meters = ids.flatMap((permission) => {
        const { content } = registry.show({ permission })
        const served = content?.bindings.some((b) => b.provider === 'enedis-data-connect' && b.account === account) === true
        return served && content.meter.startsWith('prm:') ? [content.meter as UsagePointId] : []
      })
      return { meters: [...new Set(meters)], next: ids.length < limit ? null : (ids.at(-1) ?? null) }
    },
    compare({ account, meters, services, asked, now }) {
      const byMeter = Map.groupBy(services, (s) => s.meter)
      const known = new Set<string>()
      const judged = meters.flatMap((meter) =>
        registry.onMeter({ meter }).flatMap(({ id, status, content }) => {
          if (!content || (status !== 'active' && status !== 'suspended')) return []
          if (!content.bindings.some((b) => b.account === account)) return []
          const of = byMeter.get(meter) ?? []
          for (const s of of)
            if (content.share === undefined || s.authorisation === content.share.authorisation)
              known.add(`${meter} ${s.authorisation ?? ''}`)
          const { suspendCause, acts } = registry.show({ permission: id })
          if (Date.parse(acts.at(-1)?.at ?? '') >= asked) return []
          const refusals = sql.refusals.all(id, now - 30 * 24 * HOUR).map((row) => String(row['code']))
          return [{ id: id as PermissionId, verdict: judge({ content, status, cause: suspendCause, refusals }, of, now) }]
        }),
      )
      const gone = judged.filter(({ verdict }) => verdict.is === 'ended' && verdict.seen === 'disappeared').length
      const badDay = gone >= 5 && gone > 0.05 * judged.length
      const acts = judged.flatMap(({ id, verdict }) =>
        badDay && verdict.is === 'ended' && verdict.seen === 'disappeared' ? [] : perform(id, verdict, now),
      )
      return { acts, permissions: judged.length, unknownRights: unknown(account, services, known, now), badDay }
    },
  }
  return reconciliation
}
