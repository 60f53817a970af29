/**
 * The settings in force, and how a changed file takes their place: whole or not at all. Only clients, purposes, rules and
 * limits may change in a running gate; anything else, and any mistake, leaves what is in force and is said.
 */
import type { Json } from './domain/canonical.ts'
import { canonicalJson } from './domain/canonical.ts'
import type { ClientId } from './domain/permission.ts'
import type { Millis } from './domain/time.ts'
import type { Policy } from './domain/policy.ts'
import type { Live } from './gateway/ports.ts'
import type { Logger } from './runtime/logger.ts'
import { diffSettings } from './settings/diff.ts'
import type { Environment } from './settings/secret.ts'
import type { ParsedSettings } from './settings/settings.ts'
import { readSettings } from './settings/settings.ts'
import type { StateClient } from './storage/rpc.ts'

export type Accepted = Extract<ParsedSettings, { ok: true }>

/** Reads the settings that this gate would run on if it started now. */
export type ReadSettings = () => Promise<ParsedSettings>

export interface InForce {
  readonly accepted: Accepted
  readonly live: Live
  /** The file on disk is not what is in force. */
  readonly stale: boolean
  /** Puts policy and clients on record; before the first request, and once only. */
  begin(): Promise<void>
  /** Reads the file again. Gives what keeps it from being taken, if anything does; one at a time, the last word last. */
  reload(): Promise<readonly string[]>
}

export function inForce(
  first: Accepted,
  /** Absent for settings that are no file. */
  read: ReadSettings | undefined,
  env: Environment,
  state: StateClient,
  onClientOff: (id: ClientId) => Promise<void>,
  now: () => Millis,
  log: Logger,
  reloadCertificate: () => void,
  /** The policy that is evaluated beside the one in force, or none. */
  onShadow: (policy: Policy | undefined) => void,
): InForce {
  let accepted = first
  let live = liveOf(first)
  let stale = false
  let reloading: Promise<readonly string[]> = Promise.resolve([])

  /** A policy is on record before its first decision. */
  async function record({ policyHash: hash, document }: Accepted): Promise<void> {
    await state.call('policy', { hash, body: canonicalJson(document as unknown as Json), now: now() })
  }
  /** One that cannot be read is told, and nothing is evaluated beside: it decides nothing, so the gate goes on. */
  async function readShadow({ settings }: Accepted): Promise<void> {
    if (settings.shadowPolicy === undefined) return onShadow(undefined)
    const other = await readSettings(settings.shadowPolicy, env)
    if (!other.ok) log.error({ mistakes: other.mistakes }, 'the shadow policy has mistakes: it is not evaluated')
    onShadow(other.ok ? other.policy : undefined)
  }
  async function syncClients({ settings }: Accepted): Promise<void> {
    const clients = settings.clients.map(({ id, disabled }) => ({ id, disabled }))
    const off = await state.call<readonly ClientId[]>('syncClients', { clients, now: now() })
    for (const id of off) await onClientOff(id)
  }
  async function readAgain(): Promise<readonly string[]> {
    if (!read) return []
    const next = await read()
    const mistakes = next.ok ? [] : next.mistakes
    const needsRestart = next.ok ? diffSettings(accepted.settings, next.settings).needsRestart : []
    stale = mistakes.length > 0 || needsRestart.length > 0
    // By itself: a certificate that cannot be read keeps the one in force, and the settings are read all the same.
    try {
      reloadCertificate()
    } catch (error) {
      stale = true
      log.error({ err: error }, 'the certificate of the listener is not taken: the one in force stays')
    }
    if (!next.ok || needsRestart.length > 0) {
      log.error({ mistakes, needsRestart }, 'the settings file is not taken: the policy in force stays')
      return [...mistakes.map((m) => `${m.line}:${m.column}: ${m.message}`), ...needsRestart.map((path) => `${path}: needs restart`)]
    }
    if (next.policyHash !== accepted.policyHash) await record(next)
    // First: whoever is disabled by the new settings is so before anything is decided on them.
    await syncClients(next)
    // From here on new requests are decided on the new policy; those under way keep theirs.
    accepted = next
    live = liveOf(next)
    await readShadow(next)
    log.info({ policy: next.policyHash }, 'the settings were read again')
    return []
  }
  return {
    get accepted() {
      return accepted
    },
    get live() {
      return live
    },
    get stale() {
      return stale
    },
    async begin() {
      await record(first)
      await syncClients(first)
      await readShadow(first)
    },
    reload() {
      reloading = reloading.then(readAgain, readAgain).catch((error: unknown) => {
        stale = true
        log.error({ err: error }, 'the settings could not be read again')
        throw error
      })
      return reloading
    },
  }
}

function liveOf({ settings, policy, policyHash }: Accepted): Live {
  return {
    policy,
    policyHash,
    clients: new Map(settings.clients.map((client) => [client.id, client])),
    tokenTtlSeconds: settings.tokens.ttlSeconds,
    tokensPerCredential: settings.tokens.perCredentialCap,
  }
}
