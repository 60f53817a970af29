/**
 * The tables of one instance, as migrations in order. `ecluse.db` holds what must change together (registry, acts,
 * tokens, journal, entries, sealed fields); `keys.db` holds subject keys alone, because destroying one must not wait
 * for anything else. A migration is never edited once released.
 */
export const STATE_MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;

  CREATE TABLE client (
    id TEXT PRIMARY KEY, key_id TEXT NOT NULL, disabled INTEGER NOT NULL DEFAULT 0, declared INTEGER NOT NULL DEFAULT 1
  ) STRICT;
  CREATE TABLE credential (
    id TEXT PRIMARY KEY, client TEXT NOT NULL REFERENCES client(id), secret_hash BLOB NOT NULL,
    created_at INTEGER NOT NULL, revoked_at INTEGER
  ) STRICT;
  CREATE INDEX credential_by_client ON credential(client);
  CREATE TABLE token (
    hash BLOB PRIMARY KEY, id TEXT NOT NULL UNIQUE, client TEXT NOT NULL REFERENCES client(id), credential TEXT,
    purpose TEXT NOT NULL, permissions TEXT, created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, revoked_at INTEGER
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX token_by_credential ON token(client, credential, created_at);
  CREATE INDEX token_by_expiry ON token(expires_at);

  CREATE TABLE subject (token BLOB PRIMARY KEY, key_id TEXT NOT NULL, restricted INTEGER NOT NULL DEFAULT 0) STRICT, WITHOUT ROWID;
  CREATE INDEX subject_by_key ON subject(key_id);
  CREATE TABLE permission (
    id TEXT PRIMARY KEY, version INTEGER NOT NULL, client TEXT NOT NULL, meter BLOB NOT NULL, key_ids TEXT NOT NULL,
    scope_hash TEXT NOT NULL, valid_from INTEGER NOT NULL, valid_until INTEGER NOT NULL,
    status TEXT NOT NULL, end_reason TEXT, suspend_cause TEXT, void INTEGER NOT NULL DEFAULT 0,
    head TEXT NOT NULL, content_hash TEXT NOT NULL, box_key TEXT NOT NULL, box BLOB NOT NULL
  ) STRICT;
  CREATE INDEX permission_by_meter ON permission(meter, client);
  CREATE INDEX permission_by_expiry ON permission(status, valid_until);
  CREATE TABLE act (
    n INTEGER PRIMARY KEY, permission TEXT NOT NULL REFERENCES permission(id), type TEXT NOT NULL, at INTEGER NOT NULL, status TEXT NOT NULL,
    box_key TEXT NOT NULL, box BLOB NOT NULL
  ) STRICT;
  CREATE INDEX act_by_permission ON act(permission);
  CREATE TRIGGER act_stays BEFORE DELETE ON act BEGIN SELECT RAISE(ABORT, 'acts are append-only'); END;
  CREATE TRIGGER act_unchanged BEFORE UPDATE OF n, permission, type, at, status, box_key ON act
    BEGIN SELECT RAISE(ABORT, 'acts are append-only'); END;
  CREATE TABLE attachment (sha256 TEXT NOT NULL, permission TEXT NOT NULL REFERENCES permission(id), kind TEXT NOT NULL, media_type TEXT NOT NULL,
    bytes INTEGER NOT NULL, stored TEXT NOT NULL, key_id TEXT NOT NULL, PRIMARY KEY (permission, sha256)) STRICT, WITHOUT ROWID;
  CREATE TABLE generation (client TEXT NOT NULL, meter BLOB NOT NULL, value INTEGER NOT NULL, PRIMARY KEY (client, meter)) STRICT, WITHOUT ROWID;
  CREATE TABLE delivery (
    intent INTEGER PRIMARY KEY, permission TEXT NOT NULL, line TEXT NOT NULL, req TEXT NOT NULL,
    data_from TEXT, data_until TEXT, at INTEGER NOT NULL, open INTEGER NOT NULL, entry TEXT NOT NULL
  ) STRICT;
  CREATE INDEX delivery_by_permission ON delivery(permission, line);
  CREATE INDEX delivery_by_req ON delivery(req);
  CREATE TABLE holder_refusal (permission TEXT NOT NULL, at INTEGER NOT NULL, code TEXT NOT NULL) STRICT;
  CREATE INDEX holder_refusal_by_permission ON holder_refusal(permission, at);

  CREATE TABLE journal (n INTEGER PRIMARY KEY, at INTEGER NOT NULL, body TEXT NOT NULL) STRICT;
  CREATE TABLE open_intent (n INTEGER PRIMARY KEY, req TEXT NOT NULL, call INTEGER NOT NULL, body TEXT NOT NULL) STRICT;
  CREATE TABLE entry (n INTEGER PRIMARY KEY, at INTEGER NOT NULL, bytes BLOB NOT NULL, leaf BLOB NOT NULL) STRICT;
  CREATE TABLE sealed (n INTEGER PRIMARY KEY, key_id TEXT NOT NULL, box BLOB NOT NULL) STRICT;
  CREATE INDEX sealed_by_key ON sealed(key_id);
  CREATE TABLE entry_index (token BLOB NOT NULL, n INTEGER NOT NULL, PRIMARY KEY (token, n)) STRICT, WITHOUT ROWID;
  CREATE TABLE refused_index (token BLOB NOT NULL, n INTEGER NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (token, n)) STRICT, WITHOUT ROWID;
  CREATE TABLE tile_hash (level INTEGER NOT NULL, i INTEGER NOT NULL, hash BLOB NOT NULL, PRIMARY KEY (level, i)) STRICT, WITHOUT ROWID;
  CREATE TABLE checkpoint (only INTEGER PRIMARY KEY CHECK (only = 1), body TEXT NOT NULL) STRICT;
  CREATE TABLE policy (hash TEXT PRIMARY KEY, body TEXT NOT NULL, at INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE erasure (key_id TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT, WITHOUT ROWID;
  `,
  `
  CREATE TABLE ticket (
    kind TEXT NOT NULL, id BLOB NOT NULL, grant_id BLOB, uid BLOB, user_code BLOB,
    created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, consumed_at INTEGER, box BLOB NOT NULL, PRIMARY KEY (kind, id)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX ticket_by_grant ON ticket(grant_id) WHERE grant_id IS NOT NULL;
  CREATE INDEX ticket_by_uid ON ticket(kind, uid) WHERE uid IS NOT NULL;
  CREATE INDEX ticket_by_user_code ON ticket(kind, user_code) WHERE user_code IS NOT NULL;
  CREATE INDEX ticket_by_expiry ON ticket(expires_at);

  CREATE TABLE bundle (id TEXT NOT NULL, permission TEXT NOT NULL REFERENCES permission(id), PRIMARY KEY (id, permission)) STRICT, WITHOUT ROWID;
  CREATE INDEX bundle_by_permission ON bundle(permission);
  CREATE INDEX permission_by_client ON permission(client, status, id);
  CREATE TABLE share (
    account TEXT NOT NULL, authorisation BLOB NOT NULL, meter BLOB NOT NULL, bundle TEXT NOT NULL, claimed_at INTEGER NOT NULL,
    PRIMARY KEY (account, authorisation, meter, bundle)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX share_by_bundle ON share(bundle);
  CREATE INDEX share_by_authorisation ON share(authorisation);
  CREATE TABLE identity_link (identity BLOB NOT NULL, permission TEXT NOT NULL REFERENCES permission(id), PRIMARY KEY (identity, permission)) STRICT, WITHOUT ROWID;
  `,
  `
  CREATE TABLE holder_right (
    id INTEGER PRIMARY KEY, permission TEXT NOT NULL REFERENCES permission(id), provider TEXT NOT NULL, account TEXT NOT NULL,
    token BLOB UNIQUE, meter BLOB NOT NULL, state TEXT NOT NULL, since INTEGER NOT NULL, next_at INTEGER,
    attempts INTEGER NOT NULL DEFAULT 0, code TEXT, entry TEXT, proof TEXT, proof_until TEXT, box_key TEXT NOT NULL, box BLOB
  ) STRICT;
  CREATE INDEX holder_right_by_permission ON holder_right(permission);
  CREATE INDEX holder_right_by_turn ON holder_right(next_at) WHERE next_at IS NOT NULL;
  CREATE INDEX holder_right_by_meter ON holder_right(provider, account, meter);
  `,
  // Several logs: what was one is the first, so that numbers in it are positions already.
  `
  CREATE TABLE log (id INTEGER PRIMARY KEY, origin TEXT NOT NULL UNIQUE, vkey TEXT, node TEXT, opened_at INTEGER NOT NULL, closed_at INTEGER) STRICT;
  INSERT INTO log (id, origin, opened_at) SELECT 0, value, coalesce((SELECT min(at) FROM entry), 0) FROM meta WHERE key = 'origin';
  DELETE FROM meta WHERE key = 'origin';
  ALTER TABLE checkpoint RENAME TO checkpoint_of_one;
  CREATE TABLE checkpoint (log INTEGER PRIMARY KEY REFERENCES log(id), body TEXT NOT NULL) STRICT;
  INSERT INTO checkpoint (log, body) SELECT 0, body FROM checkpoint_of_one;
  DROP TABLE checkpoint_of_one;
  CREATE INDEX entry_by_time ON entry(at, n);
  ALTER TABLE entry_index RENAME TO entry_index_of_one;
  CREATE TABLE entry_index (token BLOB NOT NULL, at INTEGER NOT NULL, n INTEGER NOT NULL, PRIMARY KEY (token, at, n)) STRICT, WITHOUT ROWID;
  INSERT INTO entry_index (token, at, n) SELECT i.token, e.at, i.n FROM entry_index_of_one i JOIN entry e ON e.n = i.n;
  DROP TABLE entry_index_of_one;
  -- The intent's own name: a decision may have seen the delivery while it was open.
  ALTER TABLE delivery ADD COLUMN begun TEXT;
  `,
  // Answers that may be given again. Whoever ends or narrows a permission takes them away, in the same transaction.
  `
  CREATE TABLE kept_day (
    permission TEXT NOT NULL REFERENCES permission(id), series TEXT NOT NULL, day TEXT NOT NULL, purpose TEXT NOT NULL, at INTEGER NOT NULL,
    box_key TEXT NOT NULL, box BLOB NOT NULL, PRIMARY KEY (permission, series, day)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX kept_day_by_age ON kept_day(purpose, at);
  CREATE TRIGGER kept_day_goes AFTER UPDATE OF status, version ON permission WHEN NEW.status <> 'active' OR NEW.version <> OLD.version
    BEGIN DELETE FROM kept_day WHERE permission = NEW.id; END;
  `,
]

export const KEYS_MIGRATIONS: readonly string[] = [
  `CREATE TABLE subject_key (id TEXT PRIMARY KEY, wrapped BLOB NOT NULL, created_at INTEGER NOT NULL) STRICT, WITHOUT ROWID;`,
]
