/** Permissions of the contract suites: as an import brings them, with everything that makes them provable. */
import type { AdmitArgs } from '../../src/permissions/admit.ts'
import type { ClientId, PermissionId, PurposeCode } from '../../src/domain/permission.ts'
import type { MeterId } from '../../src/domain/meter.ts'
import type { Policy, Purpose } from '../../src/domain/policy.ts'
import type { Millis } from '../../src/domain/time.ts'
import type { ImportContext } from '../../src/permissions/import-check.ts'
import type { Draft, Parsed } from '../../src/permissions/import.ts'
import { parseImport } from '../../src/permissions/import.ts'
import { NOW } from './stores.ts'
import type { Stores } from './stores.ts'

export const METER = 'prm:10000000000001' as MeterId
export const OTHER = 'prm:10000000000002' as MeterId
export const VIRIYA = 'viriya' as ClientId
export const OFFICE = 'office' as ClientId
export const DOCUMENT = Buffer.from('%PDF-1.7 signed by the holder of the meter')

const purpose = (code: string): Purpose => ({
  code: code as PurposeCode,
  version: 1,
  label: { fr: code, en: code },
  grounds: ['consent'],
  kinds: ['load_curve', 'daily_energy', 'contract_data', 'published_reading'],
  finest: 'PT30M',
})
export const POLICY: Policy = { rules: [], purposes: [purpose('self_view'), purpose('solar_sizing')], limits: [] }

export function aContext(change: Partial<ImportContext> = {}): ImportContext {
  return {
    unverified: false,
    policy: POLICY,
    clients: new Map([
      [VIRIYA, 'self_view'],
      [OFFICE, 'solar_sizing'],
    ]),
    accounts: new Set(['enedis-data-connect/main', 'grdf-adict/gas']),
    ...change,
  }
}

export type Tree = Record<string, unknown>

/** A line of half-hours of 2025. */
export function aLine(change: Tree = {}): Tree {
  return {
    kind: 'load_curve',
    direction: 'withdrawal',
    finest: 'PT30M',
    purpose: 'self_view',
    from: '2025-01-01',
    until: '2026-01-01',
    ...change,
  }
}

/** One permission of an import, with all that it needs to be verified. */
export function aTree(id: string, change: Tree = {}): Tree {
  return {
    id,
    meter: METER,
    holder: { kind: 'natural', reference: 'contract-holder-canary-77', name: 'Ada Lovelace-Canary' },
    client: VIRIYA,
    ground: { gdpr_basis: 'consent', sector_release: 'express_authorisation', contract_ref: 'C-REF-CANARY' },
    valid_from: '2026-01-01T00:00:00Z',
    valid_until: '2027-01-01T00:00:00Z',
    lines: [aLine()],
    notice: { id: 'notice-1', version: '2', sha256: 'a'.repeat(64), language: 'fr' },
    will: { channel: 'web', occurred_at: '2025-12-31T10:00:00Z' },
    identity: { method: 'franceconnect', strength: 'S2' },
    holder_match: { method: 'name', result: 'exact' },
    attachments: [{ kind: 'signed_mandate', file: 'mandate.pdf', media_type: 'application/pdf' }],
    bindings: [{ provider: 'enedis-data-connect', account: 'main' }],
    ...change,
  }
}

export function parse(trees: readonly Tree[], context: ImportContext = aContext()): Parsed {
  return parseImport(JSON.stringify({ permissions: trees }), context)
}

export function draftsOf(trees: readonly Tree[], context?: ImportContext): readonly Draft[] {
  const parsed = parse(trees, context)
  if (!parsed.ok) throw new Error(`the import of the test has mistakes: ${JSON.stringify(parsed.mistakes)}`)
  return parsed.drafts
}

export function imported(drafts: readonly Draft[], change: Partial<AdmitArgs> = {}): AdmitArgs {
  return { drafts, documents: { 'mandate.pdf': DOCUMENT }, dryRun: false, now: NOW, ...change }
}

/** Active permissions. */
export async function permit(stores: Stores, ...trees: readonly Tree[]): Promise<void> {
  const done = await stores.admit(imported(draftsOf(trees)))
  if (!done.ok) throw new Error(JSON.stringify(done.mistakes))
}

/** A permission that is a draft yet. */
export async function aDraft(stores: Stores, id: string, change: Tree = {}): Promise<PermissionId> {
  const [draft] = draftsOf([aTree(id, change)])
  if (!draft) throw new Error('no draft')
  await stores.registry.create(draft.id, draft.version, draft.content, 'hash', { actorRole: 'operator', channel: 'api' }, NOW)
  return draft.id
}

export async function declare(stores: Stores, now: Millis = NOW): Promise<void> {
  const clients = [VIRIYA, OFFICE].map((id) => ({ id, disabled: false }))
  await stores.tokens.syncClients({ clients, now })
}
