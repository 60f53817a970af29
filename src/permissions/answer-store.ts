/**
 * Days that were read under a permission and may be given again to whoever holds it, without asking the data holder: off
 * unless the purpose says so. Each day lies encrypted under the key of the permission's person, bound to its place and to
 * the moment at which it was read.
 *
 * What is kept goes with the permission: a trigger of the database deletes it in the transaction in which the permission stops
 * being in force, or becomes narrower, whoever does that. Nothing here decides: what is given again has an intent of
 * its own, like a call.
 */
import type { Json } from '../domain/canonical.ts'
import type { ClientId, PermissionId, PurposeCode } from '../domain/permission.ts'
import type { KeepRule } from '../domain/policy.ts'
import type { Day, Millis, Period } from '../domain/time.ts'
import { addDays, countDays, startOfDay } from '../domain/time.ts'
import type { Database } from '../storage/database.ts'
import type { KeyStore } from '../storage/keys.ts'

/** A row of measures as an adapter knows it: of which meter, kind and step, and in which form. */
export type Series = string

export interface KeptDays {
  /** One for each day of the period, in their order. */
  readonly days: readonly Json[]
  /** When the oldest of them was read. */
  readonly oldest: Millis
}
export interface FindArgs {
  readonly permission: PermissionId
  /** The one for which they were read: the purpose of a client may be another one by now. */
  readonly purpose: PurposeCode
  readonly series: Series
  readonly period: Period
  readonly rule: KeepRule
  readonly now: Millis
}
export interface KeepArgs {
  readonly permission: PermissionId
  /** The one under which they were read. */
  readonly version: number
  readonly client: ClientId
  readonly meterToken: Uint8Array
  readonly purpose: PurposeCode
  readonly series: Series
  readonly days: readonly (readonly [Day, Json])[]
  readonly now: Millis
}

export interface AnswerStore {
  /** Null where one of the days is not there, or may have changed at the data holder since. */
  find(args: FindArgs): KeptDays | null
  /** Gives how many: none where the permission is not what it was when they were read. */
  keep(args: KeepArgs): number
  /** Deletes what is older than its purpose lets it become, and what is of a purpose that keeps nothing. Gives how many. */
  sweep(args: { readonly purposes: readonly (readonly [PurposeCode, KeepRule])[]; readonly now: Millis }): number
}

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
/** More is asked of the data holder: so many keys are not turned while others wait. */
const MOST_DAYS = 400

export function answerStoreOn(db: Database, keys: KeyStore): AnswerStore {
  const sql = {
    find: db.prepare(
      'SELECT day, at, box_key, box FROM kept_day WHERE permission = ? AND series = ? AND purpose = ? AND day >= ? AND day < ? ORDER BY day',
    ),
    permission: db.prepare("SELECT box_key FROM permission WHERE id = ? AND version = ? AND status = 'active'"),
    keep: db.prepare(
      `INSERT INTO kept_day (permission, series, day, purpose, at, box_key, box) VALUES (?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (permission, series, day) DO UPDATE SET purpose = excluded.purpose, at = excluded.at, box_key = excluded.box_key, box = excluded.box`,
    ),
    old: db.prepare('DELETE FROM kept_day WHERE purpose = ? AND at < ?'),
    others: db.prepare('DELETE FROM kept_day WHERE purpose NOT IN (SELECT value FROM json_each(?))'),
  }
  const placeOf = (permission: string, series: string, day: string, at: number): string => `kept ${permission} ${series} ${day} ${at}`

  return {
    find({ permission, purpose, series, period, rule, now }) {
      const count = countDays(period)
      if (count > MOST_DAYS) return null
      const rows = sql.find.all(permission, series, purpose, period.from, period.until)
      if (rows.length !== count || !rows.every((row) => isGood(row['day'] as Day, Number(row['at']), rule, now))) return null
      const days: Json[] = []
      for (const row of rows) {
        const text = opened(() =>
          keys.unbox(String(row['box_key']), row['box'] as Uint8Array, placeOf(permission, series, String(row['day']), Number(row['at']))),
        )
        if (text === undefined) return null
        days.push(JSON.parse(text) as Json)
      }
      return { days, oldest: Math.min(...rows.map((row) => Number(row['at']))) as Millis }
    },
    keep({ permission, version, client, meterToken, purpose, series, days, now }) {
      // An act that is being committed ends first: what it deletes is not written behind it.
      db.lock([[client, meterToken]])
      const row = sql.permission.get(permission, version)
      if (!row) return 0
      const key = String(row['box_key'])
      if (keys.get(key) === undefined) return 0
      for (const [day, value] of days)
        sql.keep.run(
          permission,
          series,
          day,
          purpose,
          now,
          key,
          keys.box(key, JSON.stringify(value), placeOf(permission, series, day, now)),
        )
      return days.length
    },
    sweep({ purposes, now }) {
      const gone = purposes.map(([code, { keepDays }]) => Number(sql.old.run(code, now - keepDays * DAY_MS).changes))
      gone.push(Number(sql.others.run(JSON.stringify(purposes.map(([code]) => code))).changes))
      return gone.reduce((sum, count) => sum + count, 0)
    },
  }
}

/** Whether what was read then may stand for what would be read now. */
export function isGood(day: Day, at: number, { keepDays, settledAfterDays, revalidateHours }: KeepRule, now: number): boolean {
  if (at > now || now - at >= keepDays * DAY_MS) return false
  return at >= startOfDay(addDays(day, 1 + settledAfterDays)) || now - at < revalidateHours * HOUR_MS
}

/** Written to another place, or changed: it is asked for anew, and written over. */
function opened(open: () => string | undefined): string | undefined {
  try {
    return open()
  } catch {
    return undefined
  }
}
