/**
 * What an operator may do to the state, by name: the control socket of a running gate and the command line without one
 * run this same table. Whatever ends or narrows something tells the caches and cuts what is under way before it answers.
 */
import { randomBytes } from 'node:crypto'
import * as z from 'zod'
import { parseMeter } from '../domain/meter.ts'
import type { MeterId } from '../domain/meter.ts'
import { readableToken } from '../domain/readable-token.ts'
import type { ClientId } from '../domain/permission.ts'
import type { Millis } from '../domain/time.ts'
import { rfc3339 } from '../domain/time.ts'
import { OPERATOR_ENDS, STATUSES } from '../domain/vocabulary.ts'
import type { Page, Selection } from '../evidence/disclose.ts'
import type { Shown } from '../evidence/publish.ts'
import type { ActResult, PermissionRecord } from '../permissions/record.ts'
import type { Views } from '../permissions/registry.ts'
import type { Admitted, CheckedImport } from '../permissions/admit.ts'
import type { IssuedToken } from '../permissions/tokens.ts'
import type { PolicyDocument } from '../settings/policy-document.ts'
import type { StateClient } from '../storage/rpc.ts'

export interface CommandContext {
  readonly state: StateClient
  readonly now: () => Millis
  readonly operator: string
  /** The policy in force, with what of it the clients chose. */
  readonly document: () => PolicyDocument
  readonly clients: () => ReadonlyMap<string, string>
  readonly accounts: () => readonly string[]
  /** Whether the data holders of this instance are simulators, on this machine. */
  readonly simulated: () => boolean
  readonly tokenTtlSeconds: () => number
  /** Caches, Redis and calls under way hear of each act before the command answers. */
  readonly onActs: (acts: readonly ActResult[]) => Promise<void>
  readonly onToken: (hash: Uint8Array) => Promise<void>
  readonly onClient: (client: ClientId) => Promise<void>
  readonly status: () => unknown
  /** Compares the registry with the data holder; absent without a running gate. */
  readonly reconcile?: (() => Promise<unknown>) | undefined
  /** Makes the form of a mandate, once it is wanted, and puts it on record. */
  readonly issueMandate: (permission: string) => Promise<ActResult | undefined>
  /** Makes a one-time link to a person's pages; absent where there are none. */
  readonly link?:
    | ((permission: string, by: string) => Promise<{ readonly url: string; readonly expiresAt: Millis; readonly entry: number }>)
    | undefined
}

/** Permissions of an import in one transaction: fifty milliseconds and more of the state's time on PostgreSQL. */
const IMPORTED_AT_ONCE = 10
const LIFE_OF_A_TOKEN = 'a token lives between one second and one year'
const word = z.string().min(1).max(1000)
/** Stands in clear in the open log: a code, not a sentence about somebody. */
const ground = z.string().regex(/^[a-z][a-z0-9_]{0,39}$/, 'expected a code such as art17_1_b: it stands in clear in the log')
/**
 * What may be asked about permissions, clients, tokens and subjects. It comes from people, and over the socket from a
 * command line of perhaps another version: a wrong type in a statement would stop the thread that owns the state.
 */
const CLIENT_ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/
const number = z.int().min(0)
const select = z.union([
  z.strictObject({ entries: z.array(number).max(100_000), context: z.boolean().optional() }),
  z.strictObject({ meter: word }),
  // It stands in clear in the log: an id, and no name of a person.
  z.strictObject({ client: z.string().regex(CLIENT_ID, 'expected the id of a client, as the settings declare it') }),
  z.strictObject({ all: z.literal(true) }),
])
const ASKED = {
  import: z.strictObject({ text: z.string(), documents: z.record(z.string(), z.string()), dryRun: z.boolean(), unverified: z.boolean() }),
  list: z.strictObject({
    client: word.optional(),
    status: z.enum(STATUSES).optional(),
    after: z.string().max(1000).optional(),
    limit: z.int().min(1).max(10_000).default(1000),
  }),
  show: z.strictObject({ permission: word }),
  withdraw: z.strictObject({
    permission: word,
    type: z.enum(OPERATOR_ENDS).default('withdrawn_by_subject'),
    reason: word.optional(),
    channel: word.default('api'),
  }),
  client: z.strictObject({ client: word }),
  issue: z.strictObject({
    client: word,
    permissions: z.array(word).max(10_000).optional(),
    ttlSeconds: z.int().min(1, LIFE_OF_A_TOKEN).max(31_536_000, LIFE_OF_A_TOKEN).optional(),
    readable: z.boolean().default(false),
  }),
  tokens: z.strictObject({ client: word.optional() }),
  revoke: z.strictObject({ token: word }),
  erase: z.strictObject({ meter: word, ground: ground.default('art17_1_b') }),
  restrict: z.strictObject({ meter: word, ground: ground.default('art18_1_d'), lift: z.boolean().default(false) }),
  begin: z.strictObject({ select, why: z.string() }),
  page: z.strictObject({ ticket: word, from: number, limit: number }),
  tags: z.strictObject({ ticket: word }),
  rows: z.strictObject({ from: number, limit: number }),
  entry: z.strictObject({ entry: z.string().min(1).max(300) }),
  exported: z.strictObject({
    select,
    why: z.string(),
    audience: z.string().optional(),
    manifest: z.string().regex(/^sha256:[0-9a-f]{64}$/, 'expected the hash of a manifest'),
    entries: number,
  }),
  restored: z.strictObject({ madeAt: z.string().max(40), trust: z.boolean() }),
  shown: z.strictObject({ log: number }),
  sign: z.strictObject({ log: number, id: word, manifest: z.string() }),
  attachment: z.strictObject({ ticket: word, permission: word, sha256: word }),
  facts: z.strictObject({ client: word, meter: word }),
}

function partly(done: number, of: number, error: unknown): string {
  return `${done} of ${of} permissions are imported, the rest is not: import the same again to go on (${error instanceof Error ? error.message : String(error)})`
}

function read<S extends z.ZodType>(schema: S, args: unknown): z.output<S> {
  const parsed = schema.safeParse(args)
  if (parsed.success) return parsed.data
  throw new Error(parsed.error.issues.map(({ path, message }) => `${path.map(String).join('.') || 'arguments'}: ${message}`).join('; '))
}

export function commandsOn(context: CommandContext) {
  const { state, now, operator } = context
  function meterOf(text: string): MeterId {
    const meter = parseMeter(text) ?? parseMeter(`prm:${text}`)
    if (!meter) throw new Error('expected a meter: prm: and 14 digits, or pce: and 14 digits or GI and 6 digits')
    return meter
  }
  /** The purpose of a client of the settings in force: one that is gone from there keeps its rows and gets nothing new. */
  function declared(client: string): string {
    const purpose = context.clients().get(client)
    if (purpose === undefined) throw new Error(`the settings declare no client ${client}`)
    return purpose
  }
  /** Those that are still known: of a person that was erased there is none. */
  async function metersOf(permissions: readonly string[]): Promise<readonly MeterId[]> {
    const records = permissions.map((permission) => state.call<PermissionRecord>('showPermission', { permission }))
    return [...new Set((await Promise.all(records)).flatMap(({ content }) => content?.meter ?? []))]
  }
  /** Waits until nothing is in clear any more and what was ordered is destroyed. */
  async function drained(): Promise<void> {
    for (let waited = 0; waited < 60_000; waited += 20) {
      if ((await state.call<string | false>('drained', {})) !== false && (await state.call<number>('erasuresPending', {})) === 0) return
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    throw new Error('the erasure is ordered and not finished after a minute: the gate goes on with it, see its log')
  }
  return {
    status: () => Promise.resolve(context.status()),
    async 'permission import'(args: z.input<typeof ASKED.import>) {
      const { text, documents, dryRun, unverified } = read(ASKED.import, args)
      if (unverified && !context.simulated())
        throw new Error(
          'an unverified permission opens a simulated data holder only (one on a loopback address): import it with its notice, act of will, identity and documents',
        )
      const files = Object.fromEntries(Object.entries(documents).map(([name, base64]) => [name, Buffer.from(base64, 'base64')]))
      const checked = await state.call<CheckedImport>('checkImport', {
        text,
        documents: files,
        now: now(),
        context: {
          unverified,
          policy: context.document().policy,
          clients: [...context.clients()],
          accounts: context.accounts(),
        },
      })
      if (!checked.ok) return checked
      const { fresh, unchanged } = checked
      if (dryRun) return { ok: true, created: fresh.map(({ id }) => id), unchanged }
      const created: string[] = []
      for (let from = 0; from < fresh.length; from += IMPORTED_AT_ONCE) {
        const drafts = fresh.slice(from, from + IMPORTED_AT_ONCE)
        const named = new Set(drafts.flatMap(({ attachments }) => attachments.map(({ file }) => file)))
        const own = Object.fromEntries(Object.entries(files).filter(([name]) => named.has(name)))
        const result = await state.call<Admitted>('importPermissions', { drafts, documents: own, now: now() }).catch((error: unknown) => {
          // The same error, so that it is told as what it is: a state that does not answer is no wrong import.
          if (error instanceof Error) error.message = partly(created.length, fresh.length, error)
          throw error
        })
        // Somebody else brought one of them in since it was checked.
        if (!result.ok && created.length === 0) return result
        if (!result.ok)
          throw new Error(partly(created.length, fresh.length, new Error(result.mistakes.map(({ message }) => message).join('; '))))
        created.push(...result.created)
        await context.onActs(result.acts)
        for (const permission of result.mandates) await context.issueMandate(permission)
      }
      return { ok: true, created, unchanged }
    },
    /** The form that its holder signs (base64); made now where it was not yet. */
    async 'permission mandate'(args: z.input<typeof ASKED.show>) {
      const { permission } = read(ASKED.show, args)
      const act = await context.issueMandate(permission)
      if (act) await context.onActs([act])
      const { attachments } = await state.call<PermissionRecord>('showPermission', { permission })
      const form = attachments.find(({ kind }) => kind === 'mandate_form')
      const bytes = form && (await state.call<Uint8Array | undefined>('readAttachment', { permission, sha256: form.sha256 }))
      if (!bytes) throw new Error(`permission ${permission} has no form any more`)
      return { file: `mandat-${permission}.pdf`, form: Buffer.from(bytes).toString('base64') }
    },
    async 'permission list'(args: z.input<typeof ASKED.list>) {
      return state.call('listPermissions', read(ASKED.list, args))
    },
    async 'permission show'(args: z.input<typeof ASKED.show>) {
      return state.call('showPermission', read(ASKED.show, args))
    },
    async 'permission withdraw'(args: z.input<typeof ASKED.withdraw>) {
      const { permission, type, reason, channel } = read(ASKED.withdraw, args)
      const act = await state.call<ActResult>('act', {
        permission,
        type,
        details: {
          actorRole: type === 'withdrawn_by_subject' ? 'data_subject' : 'operator',
          actor: operator,
          channel,
          ...(reason !== undefined && { reason }),
        },
        now: now(),
      })
      await context.onActs([act])
      return act
    },
    'permission reconcile'() {
      if (!context.reconcile) throw new Error('the data holder is asked by a running gate: start it first (ecluse serve)')
      return context.reconcile()
    },
    async 'permission link'(args: z.input<typeof ASKED.show>) {
      const { permission } = read(ASKED.show, args)
      if (!context.link)
        throw new Error('a link leads to pages of a running gate: add the section portal, and start the gate (ecluse serve)')
      const { url, expiresAt } = await context.link(permission, operator)
      return { url, expiresAt: rfc3339(expiresAt) }
    },
    async 'client add'(args: z.input<typeof ASKED.client>) {
      const { client } = read(ASKED.client, args)
      declared(client)
      return state.call('addCredential', { client, rotate: false, now: now() })
    },
    async 'client rotate'(args: z.input<typeof ASKED.client>) {
      const { client } = read(ASKED.client, args)
      declared(client)
      const credential = await state.call('addCredential', { client, rotate: true, now: now() })
      await context.onClient(client as ClientId)
      return credential
    },
    async 'token issue'(args: z.input<typeof ASKED.issue>) {
      const { client, permissions = null, ttlSeconds = context.tokenTtlSeconds(), readable } = read(ASKED.issue, args)
      const purpose = declared(client)
      if (readable && permissions === null) throw new Error('a readable token names its meters: name the permissions that it is for')
      const until = (now() + ttlSeconds * 1000) as Millis
      const value = readable && readableToken(await metersOf(permissions ?? []), now(), until, randomBytes(32))
      const order = { client, purpose, permissions, ttlSeconds, ...(value !== false && { value }), now: now() }
      const issued = await state.call<IssuedToken>('issueToken', order)
      return { token: issued.token, id: issued.id, client: issued.client, expiresAt: new Date(issued.expiresAt).toISOString() }
    },
    async 'token list'(args: z.input<typeof ASKED.tokens>) {
      return state.call('listTokens', read(ASKED.tokens, args))
    },
    async 'token revoke'(args: z.input<typeof ASKED.revoke>) {
      const { token } = read(ASKED.revoke, args)
      const { hash, client } = await state.call<{ hash: Uint8Array; client: string }>('revokeToken', { token, now: now() })
      await context.onToken(hash)
      return { revoked: true, client }
    },
    async 'subject erase'(args: z.input<typeof ASKED.erase>) {
      const { meter, ground } = read(ASKED.erase, args)
      const result = await state.call<{ keys: number; ended: readonly ActResult[] }>('erase', {
        meter: meterOf(meter),
        ground,
        by: operator,
        now: now(),
      })
      await context.onActs(result.ended)
      await drained()
      return { erasedSubjects: result.keys, endedPermissions: result.ended.length }
    },
    async 'subject restrict'(args: z.input<typeof ASKED.restrict>) {
      const { meter, ground, lift } = read(ASKED.restrict, args)
      const result = await state.call<{ keys: number; moved: readonly ActResult[] }>('restrict', {
        meter: meterOf(meter),
        on: !lift,
        ground,
        by: operator,
        now: now(),
      })
      await context.onActs(result.moved)
      return { subjects: result.keys, permissions: result.moved.length }
    },
    /**
     * Whoever opens sealed fields begins here: the reading is on record before its first page. What it gives is good for
     * the pages of this one selection.
     */
    async 'audit begin'(args: z.input<typeof ASKED.begin>) {
      const asked = read(ASKED.begin, args)
      const { size } = await drainedJournal(state)
      const { entry, ticket } = await state.call<{ entry: string; ticket: string }>('recordReading', {
        select: selection(asked.select),
        as: 'read',
        by: operator,
        why: reasonOf(asked.why),
        now: now(),
      })
      return { recordedAs: entry, by: operator, ticket, size }
    },
    async 'audit page'(args: z.input<typeof ASKED.page>): Promise<Page> {
      const { ticket, from, limit } = read(ASKED.page, args)
      const page = await state.call<Page | undefined>('disclose', { ticket, from, limit: Math.min(Math.max(1, limit), MOST_IN_PAGE) })
      if (!page) throw new Error('this reading is not on record (or too many others were begun since): begin again')
      return page
    },
    'audit tags': async (args: z.input<typeof ASKED.tags>) => state.call('tagKeys', read(ASKED.tags, args)),
    'audit rows': async (args: z.input<typeof ASKED.rows>) => state.call('exportRows', read(ASKED.rows, args)),
    'audit policies': () => state.call('policies', {}),
    'audit drain': () => drainedJournal(state),
    /** Right after a restore, by the command that put the copy back. */
    async restored(args: z.input<typeof ASKED.restored>) {
      const { madeAt, trust } = read(ASKED.restored, args)
      let suspended = 0
      for (let some = trust ? 0 : MOST_AT_ONCE; some === MOST_AT_ONCE; suspended += some)
        some = await state.call<number>('suspendAll', { reason: `restored from a copy of ${madeAt}`, most: MOST_AT_ONCE, now: now() })
      return { origin: state.gauges.origin, suspended }
    },
    'audit logs': () => state.call('logs', {}),
    /** Where the files of a log are that show it, those of other gates too, as far as they were shown. */
    async 'audit show'(args: z.input<typeof ASKED.shown>) {
      const { log } = read(ASKED.shown, args)
      let shown = await state.call<Shown>('showLog', { log })
      while (shown.next !== null) shown = await state.call<Shown>('showLog', { log, next: shown.next })
      const { folder, vkey, size } = shown
      return { folder, vkey, size }
    },
    /** By its name, or its number in the log that is written now: its position among all logs. */
    async 'audit entry'(args: z.input<typeof ASKED.entry>) {
      const { entry } = read(ASKED.entry, args)
      return { n: (await state.call<number | undefined>('entryPosition', { name: entry })) ?? null }
    },
    async 'audit exported'(args: z.input<typeof ASKED.exported>) {
      const { select: selected, why, audience, manifest, entries } = read(ASKED.exported, args)
      const { entry } = await state.call<{ entry: string }>('recordReading', {
        manifest,
        entries,
        select: selection(selected),
        why: reasonOf(why),
        ...(audience !== undefined && { audience: reasonOf(audience) }),
        as: 'exported',
        by: operator,
        now: now(),
      })
      return { recordedAs: entry }
    },
    async 'audit sign-pack'(args: z.input<typeof ASKED.sign>) {
      return { note: await state.call<string>('signPack', read(ASKED.sign, args)) }
    },
    async 'audit attachment'(args: z.input<typeof ASKED.attachment>) {
      const { ticket, permission, sha256 } = read(ASKED.attachment, args)
      const known = await state.call<Page | undefined>('disclose', { ticket, from: 0, limit: 1 })
      if (!known) throw new Error('this reading is not on record (or too many others were begun since): begin again')
      const bytes = await state.call<Uint8Array | undefined>('readAttachment', { permission, sha256 })
      return bytes === undefined ? null : Buffer.from(bytes).toString('base64')
    },
    /** What a described request would be decided on: the caller's permissions on the meter and the policy in force. */
    async 'explain facts'(args: z.input<typeof ASKED.facts>) {
      const asked = read(ASKED.facts, args)
      const meter = meterOf(asked.meter)
      const { permissions } = await state.call<Views>('views', { client: asked.client, meter })
      return { permissions, meter, document: context.document(), now: now() }
    },
  }
  function selection(asked: z.output<typeof select>): Selection {
    if ('meter' in asked) return { meter: meterOf(asked.meter) }
    if (!('entries' in asked)) return asked
    return { entries: asked.entries, ...(asked.context !== undefined && { context: asked.context }) }
  }
}

const MOST_IN_PAGE = 1000
/** Acts of one transaction. */
const MOST_AT_ONCE = 500

/** Stands in the evidence for good, though sealed: whoever is erased later must not be named by it. */
function reasonOf(why: string): string {
  if (typeof why !== 'string' || why.trim() === '' || why.length > 500) throw new Error('say why, in 1 to 500 characters')
  if (/\d{8}|@/.test(why)) throw new Error('the reason outlives the people it is about: name no meter, telephone number or address in it')
  return why
}

/** Waits until every row is an entry, and shown in a checkpoint. */
async function drainedJournal(state: StateClient): Promise<{ readonly size: number }> {
  for (let waited = 0; waited < 60_000; waited += 20) {
    if (await state.call<boolean>('drained', {})) return { size: state.gauges.entries }
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  throw new Error('the journal was not sealed within a minute: see the log of the gate')
}
