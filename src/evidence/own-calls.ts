/**
 * Calls that the gate makes for itself, to keep and prove permissions (purpose `permission_admin`): which shares a data
 * holder knows of, what it is to open for a permission, and the end of that. They read no measure, and no client is handed what they bring; they are on record all the same,
 * before they leave and after they ended, like every other call to a data holder.
 */
import type { Database } from '../storage/database.ts'
import type { Json } from '../domain/canonical.ts'
import { logOf, numberOf, positionOf } from '../domain/position.ts'
import type { OutcomeResult } from '../domain/record.ts'
import type { Millis } from '../domain/time.ts'
import type { Journal } from '../storage/journal.ts'

export interface OwnIntent {
  readonly req: string
  readonly dso: string
  readonly api: string
  /** Why it is made: a journey's callback, the daily comparison, somebody at the person's page, what a permission wants or has done with. */
  readonly why: 'journey' | 'reconciliation' | 'sign_in' | 'opening' | 'ending' | 'proof' | 'search'
  /** What is asked, meters included: sealed. */
  readonly query: string
  /** The permission that it is about, where it is about one: its history finds the call. */
  readonly permission?: string
  readonly now: Millis
}
export interface OwnOutcome {
  readonly intent: number
  readonly result: OutcomeResult
  readonly status: number | null
  readonly holderBytes: number
  /** Rows that the holder gave. */
  readonly services: number
  readonly ms: number
  readonly code: string | null
  readonly now: Millis
}

export interface OwnCalls {
  intent(args: OwnIntent): { readonly n: number }
  outcome(args: OwnOutcome): { readonly n: number }
  /** After a crash, as {@link AccessLog.interrupt}. */
  interrupt(now: Millis, log?: number): number
}

/** Marks an open call of the gate's own among the others. */
export const OWN = '{"own":true}'

export function ownCallsOn(
  db: Database,
  journal: Journal,
  operatorKey: (now: Millis) => string,
  permissionToken: (id: string) => string,
): OwnCalls {
  const sql = {
    insertOpen: db.prepare('INSERT INTO open_intent (n, req, call, body) VALUES (?, ?, 1, ?)'),
    takeOpen: db.prepare('DELETE FROM open_intent WHERE n = ? RETURNING req'),
    allOpen: db.prepare('SELECT n FROM open_intent WHERE body = ? AND n >= ? AND n < ? ORDER BY n'),
  }
  const calls: OwnCalls = {
    intent({ req, dso, api, why, query, permission, now }) {
      const clear: { readonly t: string; readonly [field: string]: Json } = {
        t: 'admin.intent',
        req,
        call: 1,
        dso,
        api,
        why,
        purpose: 'permission_admin',
        basis: 'legal_obligation',
      }
      const { n } = journal.append(
        {
          clear,
          sealed: { query },
          keyId: operatorKey(now),
          ...(permission !== undefined && { index: [permissionToken(permission)] }),
        },
        now,
      )
      sql.insertOpen.run(n, req, OWN)
      return { n }
    },
    outcome({ intent, now, ...ended }) {
      const open = sql.takeOpen.get(intent)
      if (!open) throw new Error(`no open intent ${intent}`)
      const { code, ...rest } = ended
      const clear = {
        t: 'admin.outcome',
        intent: numberOf(intent),
        req: String(open['req']),
        call: 1,
        ...rest,
        ...(code !== null && { code }),
      }
      return { n: journal.append({ clear }, now, logOf(intent)).n }
    },
    interrupt(now, log = journal.log) {
      const open = sql.allOpen.all(OWN, positionOf(log, 0), positionOf(log + 1, 0))
      for (const row of open)
        calls.outcome({
          intent: Number(row['n']),
          result: 'interrupted',
          status: null,
          holderBytes: 0,
          services: 0,
          ms: 0,
          code: null,
          now,
        })
      return open.length
    },
  }
  return calls
}
