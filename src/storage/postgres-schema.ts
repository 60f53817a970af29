/**
 * The tables of an instance on PostgreSQL: those of SQLite, column by column (a test holds both equal), with what one
 * writer need not have: documents, subject keys in the same database, and the batch of each log that was committed last.
 *
 * A migration runs while gates of the version before still serve: it adds, and what it makes needless goes with a later
 * one. `serves` is the oldest schema whose program can work with the tables as they are then.
 */
import { intentCheck } from './checks.ts'

export interface Migration {
  readonly sql: string
  readonly serves: number
}

/** Sorted and compared byte by byte, as SQLite does it; not by the rules of a language. */
const TEXT = 'text COLLATE "C"'

const TABLES = `
CREATE TABLE meta (key ${TEXT} PRIMARY KEY, value ${TEXT} NOT NULL);

CREATE TABLE client (
  id ${TEXT} PRIMARY KEY, key_id ${TEXT} NOT NULL, disabled bigint NOT NULL DEFAULT 0, declared bigint NOT NULL DEFAULT 1
);
CREATE TABLE credential (
  id ${TEXT} PRIMARY KEY, client ${TEXT} NOT NULL REFERENCES client(id), secret_hash bytea NOT NULL,
  created_at bigint NOT NULL, revoked_at bigint
);
CREATE INDEX credential_by_client ON credential(client);
CREATE TABLE token (
  hash bytea PRIMARY KEY, id ${TEXT} NOT NULL UNIQUE, client ${TEXT} NOT NULL REFERENCES client(id), credential ${TEXT},
  purpose ${TEXT} NOT NULL, permissions ${TEXT}, created_at bigint NOT NULL, expires_at bigint NOT NULL, revoked_at bigint
);
CREATE INDEX token_by_credential ON token(client, credential, created_at);
CREATE INDEX token_by_expiry ON token(expires_at);

CREATE TABLE subject (token bytea PRIMARY KEY, key_id ${TEXT} NOT NULL, restricted bigint NOT NULL DEFAULT 0);
CREATE INDEX subject_by_key ON subject(key_id);
CREATE TABLE permission (
  id ${TEXT} PRIMARY KEY, version bigint NOT NULL, client ${TEXT} NOT NULL, meter bytea NOT NULL, key_ids ${TEXT} NOT NULL,
  scope_hash ${TEXT} NOT NULL, valid_from bigint NOT NULL, valid_until bigint NOT NULL,
  status ${TEXT} NOT NULL, end_reason ${TEXT}, suspend_cause ${TEXT}, void bigint NOT NULL DEFAULT 0,
  head ${TEXT} NOT NULL, content_hash ${TEXT} NOT NULL, box_key ${TEXT} NOT NULL, box bytea NOT NULL
);
CREATE INDEX permission_by_meter ON permission(meter, client);
CREATE INDEX permission_by_expiry ON permission(status, valid_until);
CREATE INDEX permission_by_client ON permission(client, status, id);
CREATE TABLE act (
  n bigint PRIMARY KEY, permission ${TEXT} NOT NULL REFERENCES permission(id), type ${TEXT} NOT NULL, at bigint NOT NULL, status ${TEXT} NOT NULL,
  box_key ${TEXT} NOT NULL, box bytea NOT NULL
);
CREATE INDEX act_by_permission ON act(permission);
CREATE FUNCTION acts_are_append_only() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'acts are append-only'; END $$;
CREATE TRIGGER act_stays BEFORE DELETE ON act FOR EACH ROW EXECUTE FUNCTION acts_are_append_only();
CREATE TRIGGER act_unchanged BEFORE UPDATE OF n, permission, type, at, status, box_key ON act
  FOR EACH ROW EXECUTE FUNCTION acts_are_append_only();
CREATE TABLE attachment (
  sha256 ${TEXT} NOT NULL, permission ${TEXT} NOT NULL REFERENCES permission(id), kind ${TEXT} NOT NULL, media_type ${TEXT} NOT NULL,
  bytes bigint NOT NULL, stored ${TEXT} NOT NULL, key_id ${TEXT} NOT NULL, PRIMARY KEY (permission, sha256)
);
CREATE TABLE generation (client ${TEXT} NOT NULL, meter bytea NOT NULL, value bigint NOT NULL, PRIMARY KEY (client, meter));
CREATE TABLE delivery (
  intent bigint PRIMARY KEY, permission ${TEXT} NOT NULL, line ${TEXT} NOT NULL, req ${TEXT} NOT NULL,
  data_from ${TEXT}, data_until ${TEXT}, at bigint NOT NULL, open bigint NOT NULL, entry ${TEXT} NOT NULL, begun ${TEXT}
);
CREATE INDEX delivery_by_permission ON delivery(permission, line);
CREATE INDEX delivery_by_req ON delivery(req);
CREATE TABLE holder_refusal (permission ${TEXT} NOT NULL, at bigint NOT NULL, code ${TEXT} NOT NULL);
CREATE INDEX holder_refusal_by_permission ON holder_refusal(permission, at);

CREATE TABLE log (
  id bigint PRIMARY KEY, origin ${TEXT} NOT NULL UNIQUE, vkey ${TEXT}, node ${TEXT}, opened_at bigint NOT NULL, closed_at bigint,
  batch bigint NOT NULL DEFAULT 0, answer jsonb, alive_at bigint NOT NULL DEFAULT 0
);
CREATE TABLE journal (n bigint PRIMARY KEY, at bigint NOT NULL, body ${TEXT} NOT NULL);
CREATE INDEX journal_by_time ON journal(at);
CREATE TABLE open_intent (n bigint PRIMARY KEY, req ${TEXT} NOT NULL, call bigint NOT NULL, body ${TEXT} NOT NULL);
CREATE TABLE entry (n bigint PRIMARY KEY, at bigint NOT NULL, bytes bytea NOT NULL, leaf bytea NOT NULL);
CREATE INDEX entry_by_time ON entry(at, n);
CREATE TABLE sealed (n bigint PRIMARY KEY, key_id ${TEXT} NOT NULL, box bytea NOT NULL);
CREATE INDEX sealed_by_key ON sealed(key_id);
CREATE TABLE entry_index (token bytea NOT NULL, at bigint NOT NULL, n bigint NOT NULL, PRIMARY KEY (token, at, n));
CREATE TABLE refused_index (token bytea NOT NULL, n bigint NOT NULL, at bigint NOT NULL, PRIMARY KEY (token, n));
CREATE TABLE tile_hash (level bigint NOT NULL, i bigint NOT NULL, hash bytea NOT NULL, PRIMARY KEY (level, i));
CREATE TABLE checkpoint (log bigint PRIMARY KEY REFERENCES log(id), body ${TEXT} NOT NULL);
CREATE TABLE policy (hash ${TEXT} PRIMARY KEY, body ${TEXT} NOT NULL, at bigint NOT NULL);
CREATE TABLE erasure (key_id ${TEXT} PRIMARY KEY, body ${TEXT} NOT NULL);

CREATE TABLE ticket (
  kind ${TEXT} NOT NULL, id bytea NOT NULL, grant_id bytea, uid bytea, user_code bytea,
  created_at bigint NOT NULL, expires_at bigint NOT NULL, consumed_at bigint, box bytea NOT NULL, PRIMARY KEY (kind, id)
);
CREATE INDEX ticket_by_grant ON ticket(grant_id) WHERE grant_id IS NOT NULL;
CREATE INDEX ticket_by_uid ON ticket(kind, uid) WHERE uid IS NOT NULL;
CREATE INDEX ticket_by_user_code ON ticket(kind, user_code) WHERE user_code IS NOT NULL;
CREATE INDEX ticket_by_expiry ON ticket(expires_at);
CREATE TABLE bundle (id ${TEXT} NOT NULL, permission ${TEXT} NOT NULL REFERENCES permission(id), PRIMARY KEY (id, permission));
CREATE INDEX bundle_by_permission ON bundle(permission);
CREATE TABLE share (
  account ${TEXT} NOT NULL, authorisation bytea NOT NULL, meter bytea NOT NULL, bundle ${TEXT} NOT NULL, claimed_at bigint NOT NULL,
  PRIMARY KEY (account, authorisation, meter, bundle)
);
CREATE INDEX share_by_bundle ON share(bundle);
CREATE INDEX share_by_authorisation ON share(authorisation);
CREATE TABLE identity_link (identity bytea NOT NULL, permission ${TEXT} NOT NULL REFERENCES permission(id), PRIMARY KEY (identity, permission));
CREATE TABLE holder_right (
  id bigint PRIMARY KEY GENERATED BY DEFAULT AS IDENTITY, permission ${TEXT} NOT NULL REFERENCES permission(id), provider ${TEXT} NOT NULL,
  account ${TEXT} NOT NULL, token bytea UNIQUE, meter bytea NOT NULL, state ${TEXT} NOT NULL, since bigint NOT NULL, next_at bigint,
  attempts bigint NOT NULL DEFAULT 0, code ${TEXT}, entry ${TEXT}, proof ${TEXT}, proof_until ${TEXT}, box_key ${TEXT} NOT NULL, box bytea
);
CREATE INDEX holder_right_by_permission ON holder_right(permission);
CREATE INDEX holder_right_by_turn ON holder_right(next_at) WHERE next_at IS NOT NULL;
CREATE INDEX holder_right_by_meter ON holder_right(provider, account, meter);

CREATE TABLE subject_key (id ${TEXT} PRIMARY KEY, wrapped bytea NOT NULL, created_at bigint NOT NULL);
CREATE TABLE document (name ${TEXT} PRIMARY KEY, bytes bytea NOT NULL);

-- SQLite's name for the same: the texts of a JSON list, as rows with a column value.
CREATE FUNCTION json_each(list text) RETURNS TABLE (value text) LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
  AS $$ SELECT jsonb_array_elements_text(list::jsonb) $$;

-- The one clock of all gates, in milliseconds.
CREATE FUNCTION clock_ms() RETURNS bigint LANGUAGE sql VOLATILE AS $$ SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint $$;

-- Takes the locks of an act, in one order everywhere, and gives the time after the last of them.
CREATE FUNCTION lock_alone(keys text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE key bigint;
BEGIN
  FOR key IN SELECT k.value::bigint FROM json_each(keys) k ORDER BY 1 LOOP PERFORM pg_advisory_xact_lock(key); END LOOP;
  RETURN clock_ms();
END $$;
`

/**
 * A gate's intents, outcomes and refusals of one moment: locks, checks and journal rows in one statement, so that the
 * server ends it by itself and no gate that stalls holds a lock. The same batch again is answered as it was the first time.
 *
 * Every statement inside sees what was committed before it began (READ COMMITTED), so the checks see all acts that were
 * committed before the locks were given.
 *
 * @see `accessBatchesOn` for what it is called with
 */
const ACCESS_BATCH = `
CREATE OR REPLACE FUNCTION access_batch(own bigint, number bigint, calls jsonb, heads jsonb, origins jsonb) RETURNS jsonb LANGUAGE plpgsql AS $body$
#variable_conflict use_variable
DECLARE
  head log%ROWTYPE;
  lock_key record;
  call jsonb;
  answers jsonb := '[]';
  after jsonb := heads;
  v_at bigint;
  n bigint;
  log_id text;
  checked record;
  held record;
  key_id text;
  why text;
  subjects text[];
  body text;
BEGIN
  SELECT * INTO head FROM log WHERE id = own FOR UPDATE;
  IF head.batch = number THEN RETURN head.answer; END IF;
  IF head.batch <> number - 1 THEN RAISE EXCEPTION 'batch % of log % comes after batch %', number, own, head.batch USING ERRCODE = 'EC001'; END IF;
  FOR lock_key IN
    SELECT (l->>0)::bigint AS key, bool_or((l->>1)::boolean) AS alone
    FROM jsonb_array_elements(calls) c, jsonb_array_elements(c->'locks') l GROUP BY 1 ORDER BY 1
  LOOP
    IF lock_key.alone THEN PERFORM pg_advisory_xact_lock(lock_key.key); ELSE PERFORM pg_advisory_xact_lock_shared(lock_key.key); END IF;
  END LOOP;
  v_at := greatest(coalesce((heads->>'now')::bigint, clock_ms()), (heads->>'at')::bigint);

  FOR call IN SELECT * FROM jsonb_array_elements(calls) LOOP
    log_id := call->>'log';
    n := (after->>log_id)::bigint;
    CASE call->>'is'
    WHEN 'intent' THEN
      why := 'token';
      FOR checked IN ${intentCheck((name, type) => (name === 'at' ? 'v_at' : `(call->>'${name}')::${type}`)).replaceAll('\n', '\n        ')} LOOP
        why := checked.why;
        key_id := checked.key_ids::json ->> (CASE WHEN (call->>'injection')::boolean THEN -1 ELSE 0 END);
      END LOOP;
      IF why IS NULL AND NOT EXISTS (SELECT 1 FROM subject_key k WHERE k.id = key_id) THEN why := 'permission'; END IF;
      IF why IS NOT NULL THEN
        answers := answers || jsonb_build_object('is', 'stale', 'why', why);
        CONTINUE;
      END IF;
      INSERT INTO journal (n, at, body) VALUES (n, v_at,
        left(call->>'row', -1) || ',"keyId":' || to_json(key_id) || ',"tags":[' || to_json(key_id) || '],"index":' || (call->>'index') || '}');
      INSERT INTO open_intent (n, req, call, body) VALUES (n, call->>'req', (call->>'call')::bigint,
        json_build_object('permission', call->>'permission', 'keyId', key_id, 'tags', json_build_array(key_id), 'index', (call->>'index')::json)::text);
      IF call->>'line' IS NOT NULL THEN
        INSERT INTO delivery (intent, permission, line, req, data_from, data_until, at, open, entry, begun)
        VALUES (n, call->>'permission', call->>'line', call->>'req', call->>'from', call->>'until', v_at, 1,
          (origins->>log_id) || '/' || (n % ${2 ** 40}), (origins->>log_id) || '/' || (n % ${2 ** 40}));
      END IF;
      answers := answers || jsonb_build_object('is', 'recorded', 'n', n, 'at', v_at);
    WHEN 'outcome' THEN
      DELETE FROM open_intent o WHERE o.n = (call->>'intent')::bigint RETURNING o.req, o.call, o.body::jsonb AS kept INTO held;
      IF NOT FOUND THEN RAISE EXCEPTION 'no open intent %', call->>'intent' USING ERRCODE = 'EC002'; END IF;
      body := left(call->>'row', -1) || ',"of":{"intent":' || ((call->>'intent')::bigint % ${2 ** 40}) || ',"req":' || to_json(held.req)
        || ',"call":' || held.call || '}';
      -- Of a subject erased meanwhile nothing is found again, not even by a keyed hash of the meter.
      IF EXISTS (SELECT 1 FROM subject_key k WHERE k.id = held.kept->>'keyId') THEN
        body := body || ',' || ltrim((held.kept - 'permission')::text, '{');
      ELSE
        body := body || '}';
      END IF;
      INSERT INTO journal (n, at, body) VALUES (n, v_at, body);
      IF (call->>'delivered')::boolean THEN
        UPDATE delivery SET open = 0, entry = (origins->>log_id) || '/' || (n % ${2 ** 40}) WHERE intent = (call->>'intent')::bigint;
        IF coalesce((call->>'asked')::boolean, true) THEN DELETE FROM holder_refusal WHERE permission = held.kept->>'permission'; END IF;
      ELSE
        DELETE FROM delivery WHERE intent = (call->>'intent')::bigint;
      END IF;
      answers := answers || jsonb_build_object('n', n, 'permission', held.kept->>'permission', 'counted', CASE WHEN (call->>'over')::boolean
        THEN (SELECT coalesce(jsonb_agg(DISTINCT d.permission), '[]') FROM delivery d WHERE d.req = held.req) ELSE '[]' END);
    WHEN 'refused' THEN
      IF NOT EXISTS (SELECT 1 FROM token t JOIN client c ON c.id = t.client WHERE t.hash = (call->>'token')::bytea AND t.client = call->>'client'
          AND t.revoked_at IS NULL AND t.expires_at > v_at AND c.disabled = 0)
        OR (call->>'meter' IS NOT NULL AND (call->>'generation')::bigint
          <> coalesce((SELECT g.value FROM generation g WHERE g.client = call->>'client' AND g.meter = (call->>'meter')::bytea), 0)) THEN
        answers := answers || '{"is":"stale"}';
        CONTINUE;
      END IF;
      IF NOT (call->>'record')::boolean THEN
        answers := answers || '{"is":"confirmed"}';
        CONTINUE;
      END IF;
      SELECT array_agg(DISTINCT k.id) INTO subjects FROM permission p, json_each(p.key_ids) s, subject_key k
        WHERE p.client = call->>'client' AND p.meter = (call->>'meter')::bytea AND k.id = s.value;
      key_id := coalesce(subjects[1], (SELECT c.key_id FROM client c WHERE c.id = call->>'client'));
      body := left(call->>'row', -1) || CASE WHEN key_id IS NULL THEN '' ELSE ',"keyId":' || to_json(key_id) END;
      IF subjects IS NOT NULL THEN
        body := body || ',"tags":' || array_to_json(subjects) || ',"index":["' || ltrim(call->>'meter', '\\x') || '"]';
      ELSIF call->>'meter' IS NOT NULL THEN
        body := body || ',"refusedIndex":"' || ltrim(call->>'meter', '\\x') || '"';
      END IF;
      INSERT INTO journal (n, at, body) VALUES (n, v_at, body || '}');
      answers := answers || jsonb_build_object('is', 'recorded', 'n', n);
    END CASE;
    after := jsonb_set(after, ARRAY[log_id], to_jsonb(n + 1));
  END LOOP;
  answers := jsonb_build_object('at', v_at, 'next', after - 'at' - 'now', 'answers', answers);
  UPDATE log SET batch = number, answer = answers, alive_at = v_at WHERE id = own;
  RETURN answers;
END $body$;
`

/** What the last transaction of a log left, by which it is found out whether it was committed. */
const MARK = 'ALTER TABLE log ADD COLUMN mark text'

/** Answers that may be given again. Whoever ends or narrows a permission takes them away, a gate of the version before too. */
const KEPT_DAYS = `
CREATE TABLE kept_day (
  permission ${TEXT} NOT NULL REFERENCES permission(id), series ${TEXT} NOT NULL, day ${TEXT} NOT NULL, purpose ${TEXT} NOT NULL, at bigint NOT NULL,
  box_key ${TEXT} NOT NULL, box bytea NOT NULL, PRIMARY KEY (permission, series, day)
);
CREATE INDEX kept_day_by_age ON kept_day(purpose, at);
CREATE FUNCTION kept_day_goes() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN DELETE FROM kept_day WHERE permission = NEW.id; RETURN NULL; END $$;
CREATE TRIGGER kept_day_goes AFTER UPDATE OF status, version ON permission FOR EACH ROW
  WHEN (NEW.status <> 'active' OR NEW.version <> OLD.version) EXECUTE FUNCTION kept_day_goes();
`

export const POSTGRES_MIGRATIONS: readonly Migration[] = [
  { sql: TABLES + ACCESS_BATCH, serves: 1 },
  { sql: MARK, serves: 1 },
  { sql: KEPT_DAYS + ACCESS_BATCH, serves: 1 },
]
