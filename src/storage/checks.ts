/**
 * What must hold for an intent to be recorded, as one SQL text that both engines run: on SQLite inside the owner's
 * transaction, on PostgreSQL inside the statement that also takes the locks. Gives no row where token, client and permission do not
 * go together, else `why` it is stale (null: it is not) and the keys of the permission's subjects.
 *
 * The order of the cases is what callers are told: the token first, recurrence last.
 */
import { RECURRENCE_MS } from '../domain/permission.ts'

export type CheckType = 'text' | 'bigint' | 'bytea'
type Param = (name: string, type: CheckType) => string

export function intentCheck(p: Param): string {
  const at = p('at', 'bigint')
  const from = p('from', 'text')
  return `SELECT CASE
    WHEN t.revoked_at IS NOT NULL OR t.expires_at <= ${at} OR t.purpose <> ${p('purpose', 'text')} THEN 'token'
    WHEN t.permissions IS NOT NULL AND NOT EXISTS (SELECT 1 FROM json_each(t.permissions) s WHERE s.value = p.id) THEN 'token'
    WHEN c.disabled <> 0 THEN 'client'
    WHEN g.value <> ${p('generation', 'bigint')} THEN 'generation'
    WHEN p.status <> 'active' OR p.version <> ${p('version', 'bigint')} OR p.scope_hash <> ${p('scopeHash', 'text')}
      OR p.valid_from > ${at} OR p.valid_until <= ${at} OR p.meter <> ${p('meter', 'bytea')} THEN 'permission'
    WHEN ${p('line', 'text')} IS NOT NULL AND EXISTS (
      SELECT 1 FROM delivery d
      WHERE d.permission = p.id AND d.line = ${p('line', 'text')} AND d.req <> ${p('req', 'text')} AND d.at >= ${at} - ${RECURRENCE_MS}
        AND NOT EXISTS (SELECT 1 FROM json_each(${p('seen', 'text')}) s WHERE s.value = d.entry OR s.value = d.begun)
        AND (${p('once', 'bigint')} = 1 OR ${from} IS NULL OR d.data_from IS NULL
          OR (d.data_from < ${p('until', 'text')} AND ${from} < d.data_until))) THEN 'recurrence'
  END AS why, p.key_ids
FROM token t JOIN client c ON c.id = t.client
JOIN permission p ON p.id = ${p('permission', 'text')} AND p.client = t.client
JOIN generation g ON g.client = p.client AND g.meter = p.meter
WHERE t.hash = ${p('token', 'bytea')} AND t.client = ${p('client', 'text')}`
}

export const INTENT_CHECK = intentCheck((name) => `:${name}`)
