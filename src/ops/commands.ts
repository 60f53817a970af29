/**
 * What an operator may do to the state, by name: the control socket of a running gate and the command line without one
 * run this same table. Whatever ends or narrows something tells the caches and cuts what is under way before it answers.
 */
import { readFile } from 'node:fs/promises'
import { isAbsolute } from 'node:path'
import { parseMeter } from '../domain/meter.ts'
import type { MeterId } from '../domain/meter.ts'
import type { ClientId } from '../domain/permission.ts'
import type { Policy } from '../domain/policy.ts'
import type { Millis } from '../domain/time.ts'
import type { ActType } from '../domain/vocabulary.ts'
import type { Selection } from '../evidence/disclose.ts'
import type { ActResult } from '../permissions/registry.ts'
import type { IssuedToken } from '../permissions/tokens.ts'
import type { StateClient } from '../storage/rpc.ts'

export interface CommandContext {
  readonly state: StateClient
  readonly now: () => Millis
  readonly operator: string
  readonly policy: () => Policy
  readonly clients: () => ReadonlyMap<string, string>
  readonly accounts: () => readonly string[]
  readonly tokenTtlSeconds: () => number
  /** Caches, Redis and calls under way hear of each act before the command answers. */
  readonly onActs: (acts: readonly ActResult[]) => Promise<void>
  readonly onToken: (hash: Uint8Array) => Promise<void>
  readonly onClient: (client: ClientId) => Promise<void>
  readonly status: () => unknown
}

const WITHDRAWALS = [
  'withdrawn_by_subject',
  'revoked_by_operator',
  'revoked_by_controller',
  'revoked_by_dso',
  'terminated_by_recipient',
  'holder_changed',
  'invalidated',
] as const

export function commandsOn(context: CommandContext) {
  const { state, now, operator } = context
  function meterOf(text: string): MeterId {
    const meter = parseMeter(text) ?? parseMeter(`prm:${text}`)
    if (!meter) throw new Error('expected a meter: prm: and 14 digits, or pce: and 14 digits or GI and 6 digits')
    return meter
  }
  /** Waits until nothing is in clear any more and what was ordered is destroyed. */
  async function drained(): Promise<void> {
    for (let waited = 0; waited < 60_000; waited += 20) {
      if ((await state.call<boolean>('drained', {})) && (await state.call<number>('erasuresPending', {})) === 0) return
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    throw new Error('the erasure is ordered and not finished after a minute: the gate goes on with it, see its log')
  }
  return {
    status: () => Promise.resolve(context.status()),
    async 'permission import'(args: {
      readonly text: string
      readonly documents: Readonly<Record<string, string>>
      readonly dryRun: boolean
      readonly unverified: boolean
    }) {
      return state.call('importPermissions', {
        text: args.text,
        documents: Object.fromEntries(Object.entries(args.documents).map(([name, base64]) => [name, Buffer.from(base64, 'base64')])),
        dryRun: args.dryRun,
        now: now(),
        context: {
          unverified: args.unverified,
          policy: context.policy(),
          clients: [...context.clients()],
          accounts: context.accounts(),
        },
      })
    },
    'permission list': (args: { readonly client?: string; readonly status?: string; readonly after?: string; readonly limit?: number }) =>
      state.call('listPermissions', { ...args, limit: args.limit ?? 1000 }),
    'permission show': (args: { readonly permission: string }) => state.call('showPermission', args),
    async 'permission withdraw'(args: {
      readonly permission: string
      readonly type?: string
      readonly reason?: string
      readonly channel?: string
    }) {
      const type = WITHDRAWALS.find((t) => t === (args.type ?? 'withdrawn_by_subject'))
      if (!type) throw new Error(`the act must be one of ${WITHDRAWALS.join(', ')}`)
      const act = await state.call<ActResult>('act', {
        permission: args.permission,
        type: type satisfies ActType,
        details: {
          actorRole: type === 'withdrawn_by_subject' ? 'data_subject' : 'operator',
          actor: operator,
          channel: args.channel ?? 'api',
          ...(args.reason !== undefined && { reason: args.reason }),
        },
        now: now(),
      })
      await context.onActs([act])
      return act
    },
    'client add': (args: { readonly client: string }) => state.call('addCredential', { client: args.client, rotate: false, now: now() }),
    async 'client rotate'(args: { readonly client: string }) {
      const credential = await state.call('addCredential', { client: args.client, rotate: true, now: now() })
      await context.onClient(args.client as ClientId)
      return credential
    },
    async 'token issue'(args: { readonly client: string; readonly permissions?: readonly string[]; readonly ttlSeconds?: number }) {
      const purpose = context.clients().get(args.client)
      if (purpose === undefined) throw new Error(`the settings declare no client ${args.client}`)
      const ttlSeconds = args.ttlSeconds ?? context.tokenTtlSeconds()
      if (!Number.isSafeInteger(ttlSeconds) || ttlSeconds < 1 || ttlSeconds > 31_536_000)
        throw new Error('a token lives between one second and one year')
      const issued = await state.call<IssuedToken>('issueToken', {
        client: args.client,
        purpose,
        permissions: args.permissions ?? null,
        ttlSeconds,
        now: now(),
      })
      return { token: issued.token, id: issued.id, client: issued.client, expiresAt: new Date(issued.expiresAt).toISOString() }
    },
    'token list': (args: { readonly client?: string }) => state.call('listTokens', args),
    async 'token revoke'(args: { readonly token: string }) {
      const { hash, client } = await state.call<{ hash: Uint8Array; client: string }>('revokeToken', { token: args.token, now: now() })
      await context.onToken(hash)
      return { revoked: true, client }
    },
    async 'subject erase'(args: { readonly meter: string; readonly ground?: string }) {
      const result = await state.call<{ keys: number; ended: readonly ActResult[] }>('erase', {
        meter: meterOf(args.meter),
        ground: args.ground ?? 'art17_1_b',
        by: operator,
        now: now(),
      })
      await context.onActs(result.ended)
      await drained()
      return { erasedSubjects: result.keys, endedPermissions: result.ended.length }
    },
    async 'subject restrict'(args: { readonly meter: string; readonly ground?: string; readonly lift?: boolean }) {
      const result = await state.call<{ keys: number; moved: readonly ActResult[] }>('restrict', {
        meter: meterOf(args.meter),
        on: args.lift !== true,
        ground: args.ground ?? 'art18_1_d',
        by: operator,
        now: now(),
      })
      await context.onActs(result.moved)
      return { subjects: result.keys, permissions: result.moved.length }
    },
    /** Opens sealed fields; that it was done, and for what, is an entry of its own. */
    async 'audit open'(args: { readonly select: Selection; readonly why: string; readonly limit?: number }) {
      await drainedJournal(state)
      const opened = await state.call<readonly unknown[]>('disclose', {
        select: selection(args.select),
        from: 0,
        limit: args.limit ?? 1000,
      })
      const { entry } = await state.call<{ entry: string }>('note', {
        row: { clear: { t: 'evidence.read', by: operator, why: args.why, entries: opened.length } },
        now: now(),
      })
      return { recordedAs: entry, opened }
    },
    async 'audit rows'(args: { readonly from: number; readonly limit: number }) {
      return state.call('exportRows', args)
    },
    'audit policies': () => state.call('policies', {}),
    'audit drain': () => drainedJournal(state),
    async 'audit exported'(args: { readonly scope: string; readonly why: string; readonly manifest: string; readonly entries: number }) {
      return state.call('note', { row: { clear: { t: 'evidence.exported', by: operator, ...args } }, now: now() })
    },
    'audit sign': (args: { readonly text: string }) => state.call('sign', args),
    'audit tag-keys': (args: { readonly entries: readonly number[] }) => state.call('tagKeys', args),
    'audit attachment': async (args: { readonly permission: string; readonly sha256: string }) => {
      const bytes = await state.call<Uint8Array | undefined>('readAttachment', args)
      return bytes === undefined ? null : Buffer.from(bytes).toString('base64')
    },
  }
  function selection(select: Selection): Selection {
    return 'meter' in select ? { meter: meterOf(select.meter) } : select
  }
}

/** Waits until every row is an entry, and shown in a checkpoint. */
async function drainedJournal(state: StateClient): Promise<{ readonly size: number }> {
  for (let waited = 0; waited < 60_000; waited += 20) {
    if (await state.call<boolean>('drained', {})) return { size: state.gauges.entries }
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  throw new Error('the journal was not sealed within a minute: see the log of the gate')
}

/** Reads the documents that an import names, relative to its own folder, as base64 for the socket. */
export async function readDocuments(names: readonly string[], folder: string): Promise<Record<string, string>> {
  const documents: Record<string, string> = {}
  for (const name of names) documents[name] = (await readFile(isAbsolute(name) ? name : `${folder}/${name}`)).toString('base64')
  return documents
}
