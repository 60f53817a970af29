/**
 * What the log says to the person whose permission it is: who read what and when, with the proof of each entry.
 *
 * An entry is this person's if it is indexed under its permission, or if it is a refusal of the same client on the same
 * meter that bears a tag of this person's key and lies in the time in which nobody else had a permission of that client
 * there. Everything asked for is checked against that here: a number taken from an address opens nothing by itself.
 *
 * In clear without more ado; sealed fields only after the entry that records that the person looked. Bounded pieces,
 * because this runs on the thread that requests wait for.
 */
import { logOf, positionOf } from '../domain/position.ts'
import type { Database, Row } from '../storage/database.ts'
import type { Millis } from '../domain/time.ts'
import type { Journal } from '../storage/journal.ts'
import type { Logs } from '../storage/logs.ts'
import { indexToken } from '../storage/keys.ts'
import type { KeyStore } from '../storage/keys.ts'
import { Refused } from '../storage/rpc.ts'
import type { JsonObject } from './opened.ts'
import { bearsTag, listOf, objectOf, openEntry, textOf } from './opened.ts'
import { proofsOn } from './person-proof.ts'
import type { EntryProof } from './person-proof.ts'
import { PROOF_VERIFIER } from './person-verifier.ts'
import { deriveSealKey, deriveTagKey, openDisclosure, openDisclosures } from './sealed.ts'

/** One call to the data holder, or one request that was refused. */
export interface Access {
  /** Position of the intent or the refusal. */
  readonly n: number
  readonly at: string
  readonly client: string
  readonly purpose: string
  readonly kind: string
  readonly direction: string
  readonly step: string
  /** Days `from/until`, `until` excluded; null for what has no days. */
  readonly asked: string | null
  /** Days that the data holder was asked for; null where it was not asked. */
  readonly sent: string | null
  /** Result of the outcome, `under_way` while there is none, or `refused`. */
  readonly result: string
  readonly reason: string | null
  readonly readings: number | null
  readonly bytes: number | null
  /** Position of the entry that tells how it ended. */
  readonly outcome: number | null
}
export interface AccessPage {
  readonly accesses: readonly Access[]
  /** A page may be short, or empty, and still have a next one; null where there is none. */
  readonly next: number | null
}
export interface PersonEntry {
  readonly n: number
  /** `origin/number`. */
  readonly name: string
  /** Its bytes as they were hashed, UTF-8. */
  readonly entry: string
  readonly proof: EntryProof
}
export interface PersonOpened {
  /** The disclosures that this person may see; null where the key was destroyed. */
  readonly disclosures: readonly string[] | null
  readonly fields: JsonObject
  /** Fields that speak of permissions which are not this person's. */
  readonly kept: number
}

export interface PersonEvidence {
  /** Newest first. */
  accesses(args: { readonly permission: string; readonly before?: number | undefined; readonly limit: number }): AccessPage
  /** Null where the entry is not this person's, exactly as where there is none. */
  entry(args: { readonly permission: string; readonly n: number }): PersonEntry | null
  /** The entries of {@link accesses} and of the permission's acts, a bounded number at once. */
  entries(args: { readonly permission: string; readonly numbers: readonly number[] }): readonly PersonEntry[]
  /** Puts on record, once for each session, that the person looked; then `open` opens. */
  record(args: { readonly permission: string; readonly session: string; readonly as: 'read' | 'exported'; readonly now: Millis }): {
    readonly entry: number
  }
  open(args: {
    readonly permission: string
    /** All permissions of the session: what speaks of another one stays closed. */
    readonly permissions: readonly string[]
    readonly session: string
    readonly n: number
  }): PersonOpened
  /** The keys of all logs, their signed checkpoints as they stand, and a program that checks a proof against both. */
  trust(): { readonly vkeys: readonly string[]; readonly checkpoints: readonly string[]; readonly verifier: string }
}

/** Rows looked at in one turn of the owner's thread: some milliseconds. */
const PIECE = 1000
const MOST_AT_ONCE = 100
const MOST_SESSIONS = 4096
/** How far up the index an outcome is looked for: parts and retries of others come between it and its intent. */
const OUTCOME_WITHIN = 2000

interface Own {
  readonly id: string
  readonly client: string
  readonly token: Buffer
  readonly meter: Uint8Array
  readonly keyIds: readonly string[]
  /** Moments between which a refusal of this client on this meter speaks of this person, `until` excluded. */
  readonly since: number
  readonly until: number
}

export function personEvidenceOn(db: Database, journal: Journal, logs: Logs, keys: KeyStore, index: Uint8Array): PersonEvidence {
  const sql = {
    permission: db.prepare('SELECT id, client, meter, key_ids FROM permission WHERE id = ?'),
    others: db.prepare(
      `SELECT p.key_ids, (SELECT min(at) FROM act WHERE permission = p.id) AS made FROM permission p
       WHERE p.client = ? AND p.meter = ? AND p.id <> ?`,
    ),
    made: db.prepare('SELECT min(at) AS at FROM act WHERE permission = ?'),
    down: db.prepare(
      `SELECT e.n, e.at, e.bytes, CASE WHEN EXISTS (SELECT 1 FROM entry_index o WHERE o.token = :own AND o.at = e.at AND o.n = e.n) THEN 1 ELSE 0 END AS own
       FROM (SELECT at, n FROM entry_index WHERE token = :own AND (at, n) < (:at, :before)
             UNION SELECT at, n FROM entry_index WHERE token = :meter AND (at, n) < (:at, :before) ORDER BY at DESC, n DESC LIMIT :piece) i
       JOIN entry e ON e.n = i.n ORDER BY e.at DESC, e.n DESC`,
    ),
    up: db.prepare(
      'SELECT e.n, e.bytes FROM entry_index i JOIN entry e ON e.n = i.n WHERE i.token = ? AND (i.at, i.n) > (?, ?) ORDER BY i.at, i.n LIMIT ?',
    ),
    open: db.prepare('SELECT 1 FROM open_intent WHERE n = ?'),
    indexed: db.prepare('SELECT 1 FROM entry_index WHERE token = ? AND at = ? AND n = ?'),
    entry: db.prepare('SELECT n, at, bytes, leaf FROM entry WHERE n = ?'),
    sealed: db.prepare('SELECT key_id, box FROM sealed WHERE n = ?'),
    checkpoints: db.prepare('SELECT body FROM checkpoint ORDER BY log'),
  }
  const proofs = proofsOn(db, logs.vkeyOf)
  const sessions = new Map<string, number>()
  const recordOf = (row: Record<string, unknown>): JsonObject => objectOf(JSON.parse(textOfRow(row)))

  function ownOf(id: string): Own {
    const row = sql.permission.get(id)
    if (!row) throw new Refused(`there is no permission ${id}`)
    const keyIds = JSON.parse(String(row['key_ids'])) as readonly string[]
    const since = Number(sql.made.get(id)?.['at'] ?? 0)
    const strangers = sql.others
      .all(String(row['client']), row['meter'] as Uint8Array, id)
      .filter((other) => !(JSON.parse(String(other['key_ids'])) as readonly string[]).some((key) => keyIds.includes(key)))
      .map((other) => Number(other['made'] ?? 0))
      .filter((made) => made > since)
    return {
      id,
      client: String(row['client']),
      token: indexToken(index, 'ecluse', 'permission', id),
      meter: row['meter'] as Uint8Array,
      keyIds,
      since,
      until: Math.min(Number.MAX_SAFE_INTEGER, ...strangers),
    }
  }
  function isOwnRefusal(own: Own, { n, at }: Row, record: JsonObject): boolean {
    if (record['t'] !== 'access.refused' || record['client'] !== own.client) return false
    if (Number(at) < own.since || Number(at) >= own.until) return false
    const origin = logs.originOf(logOf(Number(n)))
    return own.keyIds.some((id) => {
      const key = keys.get(id)
      return key !== undefined && bearsTag(record, deriveTagKey(key, origin))
    })
  }
  /** Undefined while there is none, whether it is to come or waits to be sealed. */
  function outcomeOf(own: Own, n: number, at: number): { readonly n: number; readonly record: JsonObject } | undefined {
    if (sql.open.get(n)) return undefined
    for (const row of sql.up.iterate(own.token, at, n, OUTCOME_WITHIN)) {
      const record = recordOf(row)
      const found = Number(row['n'])
      if (record['t'] === 'access.outcome' && intentOf(found, record) === n) return { n: found, record }
    }
    return undefined
  }
  /** Undefined where the entry is not this person's, or does not exist. */
  function rowFor(own: Own, n: number): Record<string, unknown> | undefined {
    const row = sql.entry.get(n)
    if (!row) return undefined
    return sql.indexed.get(own.token, Number(row['at']), n) || isOwnRefusal(own, row, recordOf(row)) ? row : undefined
  }
  function entryOf(row: Record<string, unknown>): PersonEntry {
    const n = Number(row['n'])
    return { n, name: logs.nameOf(n), entry: textOfRow(row), proof: proofs.of(n, row['bytes'] as Uint8Array) }
  }
  function openFields(own: Own, n: number, allowed: readonly string[]): PersonOpened {
    const row = rowFor(own, n)
    const box = row && sql.sealed.get(n)
    if (!row || !box) return { disclosures: row && !textOfRow(row).includes('"_sd":') ? [] : null, fields: {}, kept: 0 }
    const key = own.keyIds.includes(String(box['key_id'])) ? keys.get(String(box['key_id'])) : undefined
    if (!key) return { disclosures: null, fields: {}, kept: 0 }
    const all = openDisclosures(deriveSealKey(key), box['box'] as Uint8Array, row['leaf'] as Uint8Array)
    const disclosures = all.filter((each) => speaksOnlyOf(allowed, each))
    const { fields } = openEntry({ n, name: logs.nameOf(n), entry: textOfRow(row), disclosures })
    return { disclosures, fields, kept: all.length - disclosures.length }
  }

  return {
    accesses({ permission, before, limit }) {
      const own = ownOf(permission)
      const accesses: Access[] = []
      const outcomes = new Map<number, { readonly n: number; readonly record: JsonObject }>()
      let looked = 0
      let last = 0
      const end = before ?? Number.MAX_SAFE_INTEGER
      const at = before === undefined ? Number.MAX_SAFE_INTEGER : Number(sql.entry.get(before)?.['at'] ?? 0)
      const rows = { own: own.token, meter: own.meter, at, before: end, piece: PIECE }
      for (const row of sql.down.iterate(rows)) {
        looked += 1
        last = Number(row['n'])
        const record = recordOf(row)
        const type = row['own'] === 1 ? record['t'] : isOwnRefusal(own, row, record) ? 'access.refused' : null
        // Newest first: an outcome comes before its intent.
        if (type === 'access.outcome') outcomes.set(intentOf(last, record), { n: last, record })
        else if (type === 'access.intent')
          accesses.push(accessOf(last, record, outcomes.get(last) ?? outcomeOf(own, last, Number(row['at']))))
        else if (type === 'access.refused') accesses.push(accessOf(last, record, undefined))
        // One more than a page holds: that there is a next one is known, not guessed.
        if (accesses.length > limit) return { accesses: accesses.slice(0, limit), next: accesses[limit - 1]?.n ?? null }
      }
      return { accesses, next: looked < PIECE ? null : last }
    },
    entry({ permission, n }) {
      const row = rowFor(ownOf(permission), n)
      return row ? entryOf(row) : null
    },
    entries({ permission, numbers }) {
      if (numbers.length > MOST_AT_ONCE) throw new Refused(`at most ${MOST_AT_ONCE} entries at once`)
      const own = ownOf(permission)
      return numbers.flatMap((n) => {
        const row = rowFor(own, n)
        return row ? [entryOf(row)] : []
      })
    },
    record({ permission, session, as, now }) {
      const own = ownOf(permission)
      const name = `${as} ${session} ${permission}`
      const known = sessions.get(name)
      if (known !== undefined) return { entry: known }
      const living = own.keyIds.filter((id) => keys.get(id) !== undefined)
      const keyId = living[0]
      const { n } = journal.append(
        {
          clear: { t: `evidence.${as}`, scope: { by: 'subject' } },
          ...(keyId !== undefined && {
            sealed: { actor: { role: 'data_subject' }, why: 'GDPR article 15', selection: { permission: own.id } },
            keyId,
            tags: living,
            index: [Buffer.from(own.meter).toString('hex'), own.token.toString('hex')],
          }),
        },
        now,
      )
      if (sessions.size >= MOST_SESSIONS) sessions.delete(sessions.keys().next().value ?? '')
      sessions.set(name, n)
      return { entry: n }
    },
    open({ permission, permissions, session, n }) {
      // Nothing is opened but for a session that is on record as having looked.
      const looked = (['read', 'exported'] as const).some((as) => sessions.has(`${as} ${session} ${permission}`))
      if (!looked) throw new Refused('no reading is on record for this session')
      return openFields(ownOf(permission), n, permissions)
    },
    trust: () => ({
      vkeys: logs.all().flatMap(({ vkey }) => vkey ?? []),
      checkpoints: sql.checkpoints.all().map((row) => String(row['body'])),
      verifier: PROOF_VERIFIER,
    }),
  }
}

/** How the disclosures of another person's permissions are kept closed: those of one client on one meter lie side by side. */
function speaksOnlyOf(allowed: readonly string[], disclosure: string): boolean {
  const field = openDisclosure(disclosure)
  if (!field) return false
  if (field.name !== 'permissions' && field.name !== 'set') return true
  const ids = listOf(field.value).map((each) => textOf(each) ?? textOf(objectOf(each)['id']))
  return ids.every((id) => id !== undefined && allowed.includes(id))
}

function accessOf(n: number, record: JsonObject, outcome: { readonly n: number; readonly record: JsonObject } | undefined): Access {
  const refused = record['t'] === 'access.refused'
  const text = (name: string): string => textOf(record[name]) ?? ''
  const count = (name: string): number | null => {
    const value = outcome?.record[name]
    return typeof value === 'number' ? value : null
  }
  return {
    n,
    at: text('at'),
    client: text('client'),
    purpose: text('purpose'),
    kind: text('kind'),
    direction: text('direction'),
    step: text('step'),
    asked: textOf(record['asked']) ?? null,
    sent: textOf(record['sent']) ?? null,
    result: refused ? 'refused' : (textOf(outcome?.record['result']) ?? 'under_way'),
    reason: textOf(objectOf(record['dec'])['reason']) ?? null,
    readings: count('readings'),
    bytes: count('bytes'),
    outcome: outcome?.n ?? null,
  }
}

/** Position of the intent that an outcome names: both lie in one log. */
function intentOf(outcome: number, record: JsonObject): number {
  return positionOf(logOf(outcome), Number(record['intent']))
}

function textOfRow(row: Record<string, unknown>): string {
  return Buffer.from(row['bytes'] as Uint8Array).toString()
}
