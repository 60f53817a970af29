/**
 * A data holder's own refusal marks the binding doubtful; it does not prove that the person said no: the same codes
 * also mean «not registered yet» and «we have a bad day». A permission is suspended after 3 refusals spread over at
 * least 24 hours, and never while, of the permissions refused or called within the hour, more than 5 % and at least 5
 * were refused: then it is the holder's bad day.
 */
import type { Database } from '../storage/database.ts'
import type { PermissionId } from '../domain/permission.ts'
import type { Millis } from '../domain/time.ts'
import type { ActResult } from './record.ts'
import type { Registry } from './registry.ts'

export interface Doubts {
  refused(args: { readonly permission: PermissionId; readonly code: string; readonly now: Millis; readonly calledInHour: number }): {
    readonly suspended: ActResult | null
    /** Many at once: raise an alarm, suspend nobody. */
    readonly badDay: boolean
  }
  /** The data holder gave data under it: its binding is not in doubt. */
  answered(permission: PermissionId): void
}

const HOUR = 3_600_000
const DAY = 24 * HOUR
const REFUSALS = 3

export function doubtsOn(db: Database, registry: Registry): Doubts {
  const sql = {
    insert: db.prepare('INSERT INTO holder_refusal (permission, at, code) VALUES (?, ?, ?)'),
    // Since it was last given or resumed: what led to a suspension that is over counts no more.
    spread: db.prepare(
      `SELECT count(*) AS n, min(at) AS first FROM holder_refusal
       WHERE permission = :id AND at > (SELECT coalesce(max(at), 0) FROM act WHERE permission = :id AND type = 'resume')`,
    ),
    recent: db.prepare('SELECT count(DISTINCT permission) AS n FROM holder_refusal WHERE at > ?'),
    status: db.prepare('SELECT status FROM permission WHERE id = ?'),
    clear: db.prepare('DELETE FROM holder_refusal WHERE permission = ?'),
    sweep: db.prepare('DELETE FROM holder_refusal WHERE at < ?'),
  }
  return {
    refused({ permission, code, now, calledInHour }) {
      sql.sweep.run(now - 30 * DAY)
      sql.insert.run(permission, now, code)
      const inHour = Number(sql.recent.get(now - HOUR)?.['n'] ?? 0)
      const badDay = inHour >= 5 && inHour > 0.05 * calledInHour
      const spread = sql.spread.get({ id: permission })
      const enough = Number(spread?.['n'] ?? 0) >= REFUSALS && now - Number(spread?.['first'] ?? now) >= DAY
      if (badDay || !enough || sql.status.get(permission)?.['status'] !== 'active') return { suspended: null, badDay }
      // Its refusals stay: the next permission must still see how many were refused in this hour.
      const details = { actorRole: 'gate', channel: 'clock', cause: 'holder_refused', reason: code } as const
      return { suspended: registry.act({ permission, type: 'suspend', details, now }), badDay }
    },
    answered: (permission) => void sql.clear.run(permission),
  }
}
