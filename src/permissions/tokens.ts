/**
 * Clients, their credentials and their consent tokens. Secrets and tokens are 256 random bits and stand here as
 * SHA-256 only (a slow hash buys nothing against 256 bits). A client is declared in the settings; one that is gone
 * from there is disabled at once. Every change that an operator makes is a log entry; a client that fetches a token for
 * itself leaves none, or it could fill the log.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import type { Database } from '../storage/database.ts'
import type { ClientId, PermissionId, PurposeCode } from '../domain/permission.ts'
import type { Millis } from '../domain/time.ts'
import { rfc3339 } from '../domain/time.ts'
import type { Journal } from '../storage/journal.ts'
import type { KeyStore } from '../storage/keys.ts'
import { Refused } from '../storage/rpc.ts'

export interface Identity {
  readonly client: ClientId
  readonly purpose: PurposeCode
  readonly set: 'all' | readonly PermissionId[]
  readonly expiresAt: Millis
  readonly disabled: boolean
  /** Fingerprint of the credential, sealed in evidence. */
  readonly credential: string
}

export interface IssuedToken {
  readonly token: string
  readonly id: string
  readonly hash: Uint8Array
  readonly client: ClientId
  readonly expiresAt: Millis
}

export interface Tokens {
  /** Undefined for a token that is unknown or revoked; expired ones are told apart until they are swept. */
  identify(args: { readonly hash: Uint8Array }): Identity | undefined
  /** Makes clients equal to those declared; gives the ids that are disabled by it. */
  syncClients(args: {
    readonly clients: readonly { readonly id: ClientId; readonly disabled: boolean }[]
    readonly now: Millis
  }): readonly ClientId[]
  addCredential(args: { readonly client: ClientId; readonly rotate: boolean; readonly now: Millis }): {
    readonly clientId: string
    readonly secret: string
  }
  /** The id of the credential that the secret is; undefined where id or secret is wrong (not told apart). */
  checkSecret(args: { readonly client: string; readonly secret: string; readonly now: Millis }): string | undefined
  /** Client credentials against a token: undefined where id or secret is wrong (not told apart). */
  exchange(args: {
    readonly client: ClientId
    readonly secret: string
    readonly purpose: PurposeCode
    readonly ttlSeconds: number
    readonly cap: number
    readonly now: Millis
  }): IssuedToken | undefined
  issue(args: {
    readonly client: ClientId
    readonly purpose: PurposeCode
    readonly permissions: readonly PermissionId[] | null
    readonly ttlSeconds: number
    /** Where it must have a form of its own; as secret as one that is made here. */
    readonly value?: string
    readonly now: Millis
  }): IssuedToken
  /**
   * Puts a token on record that was made elsewhere (the OAuth server), of which `value` is what its bearer proves to
   * have. A client that obtains one for itself leaves no entry, or it could fill the log.
   */
  record(args: {
    readonly value: string
    readonly client: ClientId
    readonly purpose: PurposeCode
    readonly permissions: readonly PermissionId[] | null
    readonly credential: string
    readonly ttlSeconds: number
    /** Live tokens that one credential may have: the oldest goes. */
    readonly cap: number
    readonly now: Millis
  }): { readonly id: string; readonly hash: Uint8Array; readonly expiresAt: Millis }
  /** A client gives a token of its own back. False where it has none such. */
  end(args: { readonly client: ClientId; readonly hash: Uint8Array; readonly now: Millis }): boolean
  /** Ends all tokens that came from one credential; gives their hashes, so that caches can be told. */
  endOfCredential(args: { readonly client: ClientId; readonly credential: string; readonly now: Millis }): readonly Uint8Array[]
  list(args: { readonly client?: string }): readonly TokenSummary[]
  /** By the token's id or by the token itself. Gives its hash, so that caches can be told. */
  revoke(args: { readonly token: string; readonly now: Millis }): { readonly hash: Uint8Array; readonly client: ClientId }
  sweep(args: { readonly now: Millis }): number
}
export interface TokenSummary {
  readonly id: string
  readonly client: string
  readonly purpose: string
  readonly permissions: number | 'all'
  readonly expiresAt: string
  readonly revoked: boolean
}

export function tokenHash(token: string): Buffer {
  return createHash('sha256').update(token).digest()
}

/** How long an expired token is still told apart from an unknown one, so that clients know to obtain a new one. */
const REMEMBERED_MS = 86_400_000

export function tokensOn(db: Database, journal: Journal, keys: KeyStore): Tokens {
  const sql = {
    identify: db.prepare(
      `SELECT t.client, t.id, t.credential, t.purpose, t.permissions, t.expires_at, c.disabled
       FROM token t JOIN client c ON c.id = t.client WHERE t.hash = ? AND t.revoked_at IS NULL`,
    ),
    client: db.prepare('SELECT id, key_id, disabled, declared FROM client WHERE id = ?'),
    clients: db.prepare('SELECT id, key_id, disabled FROM client'),
    insertClient: db.prepare('INSERT INTO client (id, key_id, disabled) VALUES (?, ?, ?)'),
    setDisabled: db.prepare('UPDATE client SET disabled = ? WHERE id = ?'),
    credentials: db.prepare('SELECT id, secret_hash FROM credential WHERE client = ? AND revoked_at IS NULL'),
    insertCredential: db.prepare('INSERT INTO credential (id, client, secret_hash, created_at) VALUES (?, ?, ?, ?)'),
    revokeCredentials: db.prepare('UPDATE credential SET revoked_at = ? WHERE client = ? AND revoked_at IS NULL'),
    revokeTokensOf: db.prepare('UPDATE token SET revoked_at = ? WHERE client = ? AND revoked_at IS NULL'),
    insertToken: db.prepare(
      'INSERT INTO token (hash, id, client, credential, purpose, permissions, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
    ),
    latest: db.prepare('SELECT max(created_at) AS at FROM token WHERE client = ? AND credential = ?'),
    surplus: db.prepare(
      `DELETE FROM token WHERE hash IN (SELECT hash FROM token WHERE client = ? AND credential = ? AND revoked_at IS NULL
       ORDER BY created_at DESC LIMIT 1000000 OFFSET ?)`,
    ),
    list: db.prepare('SELECT * FROM token WHERE client = coalesce(:client, client) ORDER BY id'),
    find: db.prepare('SELECT hash, client, id, revoked_at FROM token WHERE id = ? OR hash = ?'),
    owner: db.prepare('SELECT client FROM permission WHERE id = ?'),
    revoke: db.prepare('UPDATE token SET revoked_at = ? WHERE hash = ? AND revoked_at IS NULL'),
    end: db.prepare('UPDATE token SET revoked_at = ? WHERE hash = ? AND client = ? AND revoked_at IS NULL'),
    endOfCredential: db.prepare(
      'UPDATE token SET revoked_at = ? WHERE client = ? AND credential = ? AND revoked_at IS NULL RETURNING hash',
    ),
    sweep: db.prepare('DELETE FROM token WHERE expires_at < ? OR (revoked_at IS NOT NULL AND revoked_at < ?)'),
  }
  function clientRow(id: string): { readonly keyId: string; readonly disabled: boolean } {
    const row = sql.client.get(id)
    if (!row) throw new Refused(`the settings declare no client ${id}`)
    return { keyId: String(row['key_id']), disabled: row['disabled'] === 1 }
  }
  const tellToken = (hash: Uint8Array): void => db.tell({ is: 'token', hash: Buffer.from(hash).toString('base64') })
  const tellClient = (id: string): void => db.tell({ is: 'client', id })
  function own(client: ClientId, permissions: readonly PermissionId[] | null): void {
    if (permissions?.length === 0) throw new Refused('a token for no permission would open nothing')
    const foreign = permissions?.find((id) => sql.owner.get(id)?.['client'] !== client)
    if (foreign !== undefined) throw new Refused(`client ${client} has no permission ${foreign}`)
  }
  function checkSecret(client: string, secret: string): string | undefined {
    const row = sql.client.get(client)
    const given = tokenHash(secret)
    // The same work for a client that does not exist: the same queries, and a comparison against nothing.
    const present = sql.credentials.all(client)
    const rows = row && row['disabled'] !== 1 ? present : []
    const found = (rows.length > 0 ? rows : [{ id: '', secret_hash: Buffer.alloc(32) }]).find((r) =>
      timingSafeEqual(Buffer.from(r['secret_hash'] as Uint8Array), given),
    )
    return found && rows.length > 0 ? String(found['id']) : undefined
  }
  function put(
    client: ClientId,
    credential: string | null,
    purpose: PurposeCode,
    set: readonly PermissionId[] | null,
    ttl: number,
    now: Millis,
    token = randomBytes(32).toString('base64url'),
  ): IssuedToken {
    const hash = tokenHash(token)
    const id = `tok_${randomBytes(12).toString('base64url')}`
    const expiresAt = (now + ttl * 1000) as Millis
    // Of two that are made in one millisecond, the second one is the newer.
    const after = credential === null ? null : (sql.latest.get(client, credential)?.['at'] ?? null)
    const created = after === null ? now : Math.max(now, Number(after) + 1)
    sql.insertToken.run(hash, id, client, credential, purpose, set === null ? null : JSON.stringify(set), created, expiresAt)
    return { token, id, hash, client, expiresAt }
  }

  return {
    identify({ hash }) {
      const row = sql.identify.get(hash)
      if (!row) return undefined
      const set = row['permissions']
      return {
        client: row['client'] as ClientId,
        purpose: row['purpose'] as PurposeCode,
        set: set === null ? 'all' : (JSON.parse(String(set)) as PermissionId[]),
        expiresAt: Number(row['expires_at']) as Millis,
        disabled: row['disabled'] === 1,
        credential: String(row['credential'] ?? row['id']),
      }
    },
    syncClients({ clients, now }) {
      db.lock(clients.map(({ id }) => [id, null] as const))
      const declared = new Map(clients.map((c) => [c.id as string, c.disabled]))
      const off: ClientId[] = []
      for (const { id, disabled } of clients) {
        const row = sql.client.get(id)
        if (!row) {
          const keyId = keys.create(now)
          sql.insertClient.run(id, keyId, disabled ? 1 : 0)
          journal.append({ clear: { t: 'admin.client', client: id, change: 'declared' }, keyId }, now)
        } else if ((row['disabled'] === 1) !== disabled) {
          sql.setDisabled.run(disabled ? 1 : 0, id)
          journal.append({ clear: { t: 'admin.client', client: id, change: disabled ? 'disabled' : 'enabled' } }, now)
          if (disabled) {
            off.push(id)
            tellClient(id)
          }
        }
      }
      for (const row of sql.clients.all()) {
        const id = String(row['id']) as ClientId
        if (declared.has(id) || row['disabled'] === 1) continue
        db.lock([[id, null]])
        sql.setDisabled.run(1, id)
        journal.append({ clear: { t: 'admin.client', client: id, change: 'gone' } }, now)
        off.push(id)
        tellClient(id)
      }
      return off
    },
    addCredential({ client, rotate, now }) {
      db.lock([[client, null]])
      const { keyId } = clientRow(client)
      const present = sql.credentials.all(client)
      if (present.length > 0 && !rotate) throw new Refused(`client ${client} has a credential already: use client rotate`)
      if (present.length === 0 && rotate) throw new Refused(`client ${client} has no credential yet: use client add`)
      if (rotate) {
        sql.revokeCredentials.run(now, client)
        sql.revokeTokensOf.run(now, client)
        tellClient(client)
      }
      const id = `crd_${randomBytes(12).toString('base64url')}`
      const secret = randomBytes(32).toString('base64url')
      sql.insertCredential.run(id, client, tokenHash(secret), now)
      journal.append(
        { clear: { t: 'admin.credential', client, change: rotate ? 'rotated' : 'added' }, sealed: { credential: id }, keyId },
        now,
      )
      return { clientId: client, secret }
    },
    checkSecret: ({ client, secret }) => checkSecret(client, secret),
    exchange({ client, secret, purpose, ttlSeconds, cap, now }) {
      const credential = checkSecret(client, secret)
      if (credential === undefined) return undefined
      sql.surplus.run(client, credential, Math.max(0, cap - 1))
      return put(client, credential, purpose, null, ttlSeconds, now)
    },
    record({ value, client, purpose, permissions, credential, ttlSeconds, cap, now }) {
      if (clientRow(client).disabled) throw new Refused(`client ${client} is disabled: a token of it would open nothing`)
      own(client, permissions)
      sql.surplus.run(client, credential, Math.max(0, cap - 1))
      const { id, hash, expiresAt } = put(client, credential, purpose, permissions && [...new Set(permissions)], ttlSeconds, now, value)
      return { id, hash, expiresAt }
    },
    end({ client, hash, now }) {
      db.lock([[client, null]])
      tellToken(hash)
      return Number(sql.end.run(now, hash, client).changes) === 1
    },
    endOfCredential({ client, credential, now }) {
      db.lock([[client, null]])
      const hashes = sql.endOfCredential.all(now, client, credential).map((row) => row['hash'] as Uint8Array)
      for (const hash of hashes) tellToken(hash)
      return hashes
    },
    issue({ client, purpose, permissions, ttlSeconds, value, now }) {
      const { keyId, disabled } = clientRow(client)
      if (disabled) throw new Refused(`client ${client} is disabled: a token of it would open nothing`)
      own(client, permissions)
      const issued = put(client, null, purpose, permissions && [...new Set(permissions)], ttlSeconds, now, value)
      journal.append({ clear: { t: 'admin.token', client, change: 'issued' }, sealed: { credential: issued.id }, keyId }, now)
      return issued
    },
    list({ client }) {
      return sql.list.all({ client: client ?? null }).map((row) => ({
        id: String(row['id']),
        client: String(row['client']),
        purpose: String(row['purpose']),
        permissions: row['permissions'] === null ? 'all' : (JSON.parse(String(row['permissions'])) as unknown[]).length,
        expiresAt: rfc3339(Number(row['expires_at']) as Millis),
        revoked: row['revoked_at'] !== null,
      }))
    },
    revoke({ token, now }) {
      const row = sql.find.get(token, tokenHash(token))
      if (!row) throw new Refused('there is no such token')
      const client = row['client'] as ClientId
      db.lock([[client, null]])
      if (row['revoked_at'] !== null) return { hash: row['hash'] as Uint8Array, client }
      const { keyId } = clientRow(client)
      sql.revoke.run(now, row['hash'] as Uint8Array)
      tellToken(row['hash'] as Uint8Array)
      journal.append({ clear: { t: 'admin.token', client, change: 'revoked' }, sealed: { credential: String(row['id']) }, keyId }, now)
      return { hash: row['hash'] as Uint8Array, client }
    },
    sweep: ({ now }) => Number(sql.sweep.run(now - REMEMBERED_MS, now - REMEMBERED_MS).changes),
  }
}
