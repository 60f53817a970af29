/**
 * The registry of permissions on SQLite: what is given, by which acts, and what one client may know of one meter.
 *
 * Every act is a log entry in the same transaction and raises the generation of (client, meter), so that no stale
 * cache narrows or denies. A generation is the number of an entry, so that none comes twice, not even after an erasure.
 * The meter's number, the holder and the scope lie encrypted under the subject's key and are found by a keyed hash; ids,
 * days of validity and status stand in clear.
 *
 * All functions run inside the owner's transaction; they throw `Refused` with a sentence for the operator.
 */
import { createHmac } from 'node:crypto'
import type { Database } from '../storage/database.ts'
import type { Json } from '../domain/canonical.ts'
import { canonicalHash, canonicalJson } from '../domain/canonical.ts'
import type { MeterId } from '../domain/meter.ts'
import { bareMeter } from '../domain/meter.ts'
import type { ClientId, PermissionId, PermissionView, Scope, ScopeLine } from '../domain/permission.ts'
import { RECURRENCE_MS } from '../domain/permission.ts'
import type { Millis } from '../domain/time.ts'
import { contains, rfc3339 } from '../domain/time.ts'
import type { ActType, Direction, EndReason, Status, SuspendCause } from '../domain/vocabulary.ts'
import type { Journal } from '../storage/journal.ts'
import type { KeyStore } from '../storage/keys.ts'
import { indexToken } from '../storage/keys.ts'
import { Refused } from '../storage/rpc.ts'
import type { Standing } from './lifecycle.ts'
import { after, isFulfilled } from './lifecycle.ts'
import type { ActDetails, ActResult, PermissionContent, PermissionRecord, PermissionSummary, Row } from './record.ts'
import { actorOf, deliveryOf, summaryOf } from './record.ts'
import type { Rights } from './rights.ts'

export interface Views {
  readonly generation: number
  readonly permissions: readonly PermissionView[]
}

export interface Registry {
  views(args: { readonly client: ClientId; readonly meter: MeterId }): Views
  act(args: { readonly permission: PermissionId; readonly type: ActType; readonly details: ActDetails; readonly now: Millis }): ActResult
  /** Gives the id of the subject's key under which it lies. */
  create(id: PermissionId, version: number, content: PermissionContent, contentHash: string, details: ActDetails, now: Millis): string
  /**
   * Narrows a permission to these lines and this end: a version of its own, by an act. Throws `Refused` where something
   * would be wider: that takes an act of its holder (I-16).
   */
  narrow(args: {
    readonly permission: PermissionId
    readonly lines: readonly ScopeLine[]
    readonly validUntil: Millis
    readonly details: ActDetails
    readonly now: Millis
  }): ActResult
  /** What its holder was shown, once that is known. */
  shown(args: { readonly permission: string; readonly notice: PermissionContent['notice'] }): void
  /** How its holder was identified and matched, once that is known. */
  identified(args: { readonly permission: string } & Pick<PermissionContent, 'identity' | 'holderMatch'>): void
  /** Ends a permission of which all was to be read once and has been. Undefined where something is left, or under way. */
  fulfil(args: { readonly permission: PermissionId; readonly now: Millis }): ActResult | undefined
  /** Ends what is past its `validUntil`; gives the client and meter of each, so that caches can be told. */
  expire(args: { readonly now: Millis; readonly most: number }): readonly ActResult[]
  list(args: {
    readonly client?: string
    readonly status?: string
    readonly limit: number
    readonly after?: string
  }): readonly PermissionSummary[]
  show(args: { readonly permission: string }): PermissionRecord
  /** Permissions on a meter, of whatever client and in whatever state. */
  onMeter(args: { readonly meter: MeterId }): readonly (PermissionSummary & { readonly content: PermissionContent | null })[]
  /** Who agreed, as a data holder is told; null where no name is known, or the person was erased. */
  holderOf(args: { readonly permission: string }): { readonly kind: 'natural' | 'legal'; readonly name: string } | null
  /** By which entries of the log about it are found. */
  token(args: { readonly permission: string }): string
  /** The key under which its documents lie. */
  keyOf(args: { readonly permission: string }): string
  /** What was imported under this id, as {@link Registry.fingerprint} gives it; empty once its person is erased. */
  contentHash(id: string): string | undefined
  /** A keyed hash: all of an import but the meter may be known, and 14 digits are guessed in seconds. */
  fingerprint(text: string): string
  meterToken(meter: MeterId): Buffer
}

export function scopeHashOf(scope: Scope): string {
  return canonicalHash(scope as unknown as Json)
}

/** Gas and electricity number their meters apart: the data holder is part of what is hashed. */
export function meterTokenOf(index: Uint8Array, meter: MeterId): Buffer {
  return indexToken(index, meter.startsWith('prm:') ? 'enedis' : 'grdf', 'meter', bareMeter(meter))
}

export function registryOn(
  db: Database,
  journal: Journal,
  keys: KeyStore,
  index: Uint8Array,
  /** What data holders have opened for a permission ends with it. */
  rights: Pick<Rights, 'end' | 'isOpen' | 'of'>,
): Registry {
  const sql = {
    byMeter: db.prepare('SELECT * FROM permission WHERE client = ? AND meter = ?'),
    byId: db.prepare('SELECT * FROM permission WHERE id = ?'),
    onMeter: db.prepare('SELECT * FROM permission WHERE meter = ? ORDER BY id'),
    generation: db.prepare('SELECT value FROM generation WHERE client = ? AND meter = ?'),
    raise: db.prepare(
      'INSERT INTO generation (client, meter, value) VALUES (?, ?, ?) ON CONFLICT (client, meter) DO UPDATE SET value = excluded.value',
    ),
    deliveries: db.prepare(
      `SELECT line, data_from, data_until, at, entry, open FROM delivery
       WHERE permission = ? AND (at >= ? OR line IN (SELECT value FROM json_each(?))) ORDER BY intent`,
    ),
    openDelivery: db.prepare('SELECT 1 FROM delivery WHERE permission = ? AND open = 1 LIMIT 1'),
    restricted: db.prepare('SELECT 1 FROM subject WHERE key_id = ? AND restricted = 1'),
    erasing: db.prepare('SELECT 1 FROM erasure WHERE body = ?'),
    insert: db.prepare(
      `INSERT INTO permission (id, version, client, meter, key_ids, scope_hash, valid_from, valid_until, status, head, content_hash, box_key, box)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'draft', '', ?, ?, ?)`,
    ),
    amend: db.prepare('UPDATE permission SET version = ?, scope_hash = ?, valid_until = ?, box = ? WHERE id = ?'),
    rebox: db.prepare('UPDATE permission SET box = ? WHERE id = ?'),
    stand: db.prepare('UPDATE permission SET status = ?, end_reason = ?, suspend_cause = ?, void = ?, head = ? WHERE id = ?'),
    insertAct: db.prepare('INSERT INTO act (n, permission, type, at, status, box_key, box) VALUES (?, ?, ?, ?, ?, ?, ?)'),
    acts: db.prepare('SELECT * FROM act WHERE permission = ? ORDER BY n'),
    attachments: db.prepare('SELECT sha256, kind, media_type, bytes FROM attachment WHERE permission = ? ORDER BY sha256'),
    overdue: db.prepare("SELECT id FROM permission WHERE status IN ('active', 'suspended') AND valid_until <= ? LIMIT ?"),
    list: db.prepare(
      `SELECT * FROM permission WHERE id > :after AND client = coalesce(:client, client) AND status = coalesce(:status, status) ORDER BY id LIMIT :limit`,
    ),
    subject: db.prepare('SELECT key_id FROM subject WHERE token = ?'),
    newSubject: db.prepare('INSERT INTO subject (token, key_id) VALUES (?, ?)'),
  }

  function keyOfSubject(content: PermissionContent, direction: Direction, now: Millis): string {
    const value = `${content.holder.kind}\0${content.holder.reference}\0${content.meter}\0${direction}`
    const token = indexToken(index, 'ecluse', 'subject', value)
    const known = sql.subject.get(token)
    if (known) return String(known['key_id'])
    const id = keys.create(now)
    sql.newSubject.run(token, id)
    return id
  }

  function view(row: Row): PermissionView | undefined {
    const text = keys.unbox(row.box_key, row.box, row.id)
    if (text === undefined) return undefined
    const content = JSON.parse(text) as PermissionContent
    const { lines } = content.scope
    const once = lines.filter((l) => l.recurrence === 'once').map((l) => l.id)
    const recurring = lines.some((l) => l.recurrence !== 'on_demand')
    const since = journal.instant(0 as Millis) - RECURRENCE_MS
    return {
      id: row.id as PermissionId,
      version: row.version,
      meter: content.meter,
      scope: content.scope,
      scopeHash: row.scope_hash,
      status: row.status as Status,
      ...(row.end_reason !== null && { endReason: row.end_reason as EndReason }),
      ...(row.suspend_cause !== null && { suspendCause: row.suspend_cause as SuspendCause }),
      head: row.head,
      // Also what was opened after it was given.
      bindings: content.bindings.map((b) => (b.opened || !rights.isOpen(row.id, b.provider) ? b : { ...b, opened: true as const })),
      deliveries: recurring ? sql.deliveries.all(row.id, since, JSON.stringify(once)).map(deliveryOf) : [],
    }
  }

  function perform(row: Row, type: ActType, details: ActDetails, now: Millis): ActResult {
    const before: Standing | undefined =
      row.head === ''
        ? undefined
        : {
            status: row.status as Status,
            void: row.void === 1,
            ...(row.end_reason !== null && { endReason: row.end_reason as EndReason }),
            ...(row.suspend_cause !== null && { suspendCause: row.suspend_cause as SuspendCause }),
          }
    const next = after(before, type, details.cause)
    if (!next) throw new Refused(`permission ${row.id} is ${row.status}: the act ${type} is not possible`)
    const keyIds = JSON.parse(row.key_ids) as string[]
    if (next.status === 'active' && keyIds.some((id) => sql.restricted.get(id) !== undefined))
      throw new Refused(`the person of permission ${row.id} asked for restriction: lift it first (subject restrict --lift)`)
    const text = keys.unbox(row.box_key, row.box, row.id)
    const content = text === undefined ? undefined : (JSON.parse(text) as PermissionContent)
    const living = keyIds.filter((id) => keys.get(id) !== undefined)
    const { n, at, entry } = journal.append(
      {
        clear: {
          t: `consent.${type}`,
          act: type,
          status: next.status,
          client: row.client,
          ...(next.suspendCause !== undefined && { cause: next.suspendCause }),
          ...(details.unverified && { unverified: true }),
        },
        ...(content && {
          sealed: {
            subject: { meter: content.meter, holder: content.holder },
            permissions: [
              {
                id: row.id,
                version: row.version,
                scopeHash: row.scope_hash,
                scope: content.scope,
                bindings: content.bindings,
              } as unknown as Json,
            ],
            attachments: details.attachments ?? [],
            actor: actorOf(details),
          },
          keyId: row.box_key,
        }),
        tags: living,
        index: [Buffer.from(row.meter).toString('hex'), permissionToken(index, row.id)],
      },
      now,
    )
    const head = entry
    sql.stand.run(next.status, next.endReason ?? null, next.suspendCause ?? null, next.void ? 1 : 0, head, row.id)
    if (content)
      sql.insertAct.run(
        n,
        row.id,
        type,
        at,
        next.status,
        row.box_key,
        keys.box(row.box_key, JSON.stringify(actorOf(details)), `act ${row.id}`),
      )
    if (next.status === 'ended' || next.status === 'refused') rights.end(row.id, next.endReason, at)
    const generation = n + 1
    sql.raise.run(row.client, row.meter, generation)
    db.tell({
      is: 'act',
      client: row.client,
      meter: content?.meter ?? null,
      permission: row.id,
      over: next.status !== 'active' || type === 'amend',
    })
    return {
      permission: row.id as PermissionId,
      client: row.client as ClientId,
      meter: content?.meter ?? null,
      status: next.status,
      ...(next.endReason !== undefined && { endReason: next.endReason }),
      entry: head,
      generation,
    }
  }

  function rowOf(id: string): Row {
    const row = sql.byId.get(id)
    if (!row) throw new Refused(`there is no permission ${id}`)
    return row as unknown as Row
  }

  /** As it is once no other gate can record an intent under it, or act on it, before this transaction ends. */
  function rowToChange(id: string): Row {
    const row = rowOf(id)
    return db.lock([[row.client, row.meter]]) ? rowOf(id) : row
  }

  function contentOf(row: Row): PermissionContent {
    const text = keys.unbox(row.box_key, row.box, row.id)
    if (text === undefined) throw new Refused(`the person of permission ${row.id} was erased`)
    return JSON.parse(text) as PermissionContent
  }
  /** What is no part of its scope, which is hashed and versioned. */
  function complete(permission: string, known: Partial<Omit<PermissionContent, 'scope'>>): void {
    const row = rowOf(permission)
    sql.rebox.run(keys.box(row.box_key, JSON.stringify({ ...contentOf(row), ...known }), row.id), row.id)
  }

  const tokens = new Map<MeterId, Buffer>()
  const registry: Registry = {
    meterToken(meter) {
      const known = tokens.get(meter)
      if (known) return known
      if (tokens.size >= 50_000) tokens.clear()
      const token = meterTokenOf(index, meter)
      tokens.set(meter, token)
      return token
    },
    views({ client, meter }) {
      const token = registry.meterToken(meter)
      // Read first: with an act between the two reads it is too old, which the intent's own check finds.
      const generation = Number(sql.generation.get(client, token)?.['value'] ?? 0)
      return { generation, permissions: (sql.byMeter.all(client, token) as unknown as Row[]).flatMap((row) => view(row) ?? []) }
    },
    create(id, version, content, contentHash, details, now) {
      if (sql.byId.get(id)) throw new Refused(`permission ${id} exists already`)
      const meter = registry.meterToken(content.meter)
      db.lock([[content.scope.recipient, meter]])
      if (sql.erasing.get(meter.toString('hex')))
        throw new Refused(`the meter of permission ${id} is being erased: import it again once the erasure has finished`)
      // Daily and finer readings of one person share one subject; each direction of flow has its own holder.
      const directions = [...new Set(content.scope.lines.map((l) => (l.direction === 'injection' ? 'injection' : 'withdrawal')))]
        .toSorted()
        .toReversed()
      const keyIds = directions.map((direction) => keyOfSubject(content, direction as Direction, now))
      const boxKey = keyIds[0]
      if (boxKey === undefined) throw new Refused(`permission ${id} has no line`)
      const { scope } = content
      const box = keys.box(boxKey, JSON.stringify(content), id)
      sql.insert.run(
        id,
        version,
        scope.recipient,
        meter,
        JSON.stringify(keyIds),
        scopeHashOf(scope),
        scope.validFrom,
        scope.validUntil,
        contentHash,
        boxKey,
        box,
      )
      perform(rowOf(id), 'create', details, now)
      return boxKey
    },
    act: ({ permission, type, details, now }) => perform(rowToChange(permission), type, details, now),
    narrow({ permission, lines, validUntil, details, now }) {
      const row = rowToChange(permission)
      const content = contentOf(row)
      const before = content.scope
      if (validUntil > before.validUntil || lines.length === 0 || !lines.every((line) => before.lines.some((own) => isNoWider(line, own))))
        throw new Refused(`permission ${row.id} would become wider: that takes an act of its holder`)
      const scope: Scope = { ...before, lines, validUntil }
      const box = keys.box(row.box_key, JSON.stringify({ ...content, scope }), row.id)
      sql.amend.run(row.version + 1, scopeHashOf(scope), validUntil, box, row.id)
      return { ...perform(rowOf(permission), 'amend', details, now), narrowed: true }
    },
    shown: ({ permission, notice }) => complete(permission, { notice }),
    identified: ({ permission, identity, holderMatch }) => complete(permission, { identity, holderMatch }),
    expire({ now, most }) {
      return (
        sql.overdue
          .all(now, most)
          .map((row) => rowToChange(String(row['id'])))
          // Another gate may have ended it meanwhile.
          .filter(({ status, valid_until: until }) => (status === 'active' || status === 'suspended') && until <= now)
          .map((row) => perform(row, 'expired', { actorRole: 'gate', channel: 'clock' }, now))
      )
    },
    fulfil({ permission, now }) {
      const row = rowToChange(permission)
      if ((row.status !== 'active' && row.status !== 'suspended') || sql.openDelivery.get(permission)) return undefined
      const seen = view(row)
      return seen && isFulfilled(seen) ? perform(row, 'fulfilled', { actorRole: 'gate', channel: 'delivery' }, now) : undefined
    },
    list({ client, status, limit, after: from }) {
      const rows = sql.list.all({ after: from ?? '', client: client ?? null, status: status ?? null, limit }) as unknown as Row[]
      return rows.map(summaryOf)
    },
    show({ permission }) {
      const row = rowOf(permission)
      const text = keys.unbox(row.box_key, row.box, row.id)
      const acts = sql.acts.all(permission).map((act) => ({
        type: String(act['type']),
        at: rfc3339(Number(act['at']) as Millis),
        status: String(act['status']),
        entry: journal.nameOf(Number(act['n'])),
        n: Number(act['n']),
        details: JSON.parse(keys.unbox(String(act['box_key']), act['box'] as Uint8Array, `act ${row.id}`) ?? 'null') as unknown,
      }))
      const attachments = sql.attachments.all(permission).map((a) => ({
        sha256: String(a['sha256']),
        kind: String(a['kind']),
        mediaType: String(a['media_type']),
        bytes: Number(a['bytes']),
      }))
      return {
        ...summaryOf(row),
        suspendCause: row.suspend_cause as SuspendCause | null,
        content: text === undefined ? null : (JSON.parse(text) as PermissionContent),
        acts,
        attachments,
        rights: rights.of(permission),
      }
    },
    onMeter({ meter }) {
      return (sql.onMeter.all(registry.meterToken(meter)) as unknown as Row[]).map((row) => {
        const text = keys.unbox(row.box_key, row.box, row.id)
        return { ...summaryOf(row), content: text === undefined ? null : (JSON.parse(text) as PermissionContent) }
      })
    },
    holderOf({ permission }) {
      const row = rowOf(permission)
      const text = keys.unbox(row.box_key, row.box, row.id)
      const { kind, name }: Partial<PermissionContent['holder']> = text === undefined ? {} : (JSON.parse(text) as PermissionContent).holder
      return kind === undefined || name === undefined ? null : { kind, name }
    },
    token: ({ permission }) => permissionToken(index, permission),
    keyOf: ({ permission }) => rowOf(permission).box_key,
    contentHash(id) {
      const row = sql.byId.get(id)
      return row === undefined ? undefined : String(row['content_hash'])
    },
    fingerprint: (text) => createHmac('sha256', index).update('permission import/v1\0').update(text).digest('hex'),
  }
  return registry
}

/** The same line, with no more days of it. */
function isNoWider(line: ScopeLine, own: ScopeLine): boolean {
  const rest = ({ data: _data, ...others }: ScopeLine): string => canonicalJson(others as unknown as Json)
  if (rest(line) !== rest(own)) return false
  return line.data === null ? own.data === null : own.data !== null && contains(own.data, line.data)
}

export function permissionToken(index: Uint8Array, id: string): string {
  return indexToken(index, 'ecluse', 'permission', id).toString('hex')
}
