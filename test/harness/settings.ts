/** Settings and permissions of a test's gate: everything on loopback and free ports, three clients, three purposes. */
import { randomBytes } from 'node:crypto'
import { stringify } from 'yaml'

/** The clients that the settings declare. */
export const CLIENTS = { viriya: 'self_view', office: 'solar_sizing', domoticz: 'home_automation' } as const
export type Client = keyof typeof CLIENTS

export const METER = '10000000000001'
export const OTHER_METER = '10000000000002'

export type Tree = { [key: string]: unknown }

/** The tree of a settings file; a test changes what it is about. */
export function settingsTree(holderUrl: string, state: string): Tree {
  const kinds = ['load_curve', 'daily_energy', 'max_power', 'index', 'contract_data', 'address', 'identity', 'contact']
  const purpose = (code: string): Tree => ({
    code,
    version: 1,
    label: { fr: code, en: code },
    grounds: ['consent', 'contract'],
    kinds,
    finest: 'PT30M',
  })
  return {
    instance: { name: 'gate.test.localhost', node: 'test', state },
    listeners: { gate: { port: 0 }, ops: { port: 0 } },
    providers: {
      'enedis-data-connect': {
        generation: '2026',
        url: holderUrl,
        allow_private: true,
        accounts: [
          {
            id: 'main',
            client_id: 'application',
            client_secret: { env: 'TEST_ENEDIS_SECRET' },
            quota: { per_second: 1000, per_hour: 1_000_000 },
          },
        ],
      },
    },
    clients: [
      { id: 'viriya', name: 'Viriya', purpose: 'self_view', limits: { requests_per_second: 100_000, concurrency: 1000 } },
      { id: 'office', name: 'Office', purpose: 'solar_sizing', refuses_narrowing: true },
      { id: 'domoticz', name: 'Domoticz', purpose: 'home_automation', denial_style: 'domoticz' },
    ],
    purposes: Object.values(CLIENTS).map(purpose),
    rules: [
      { id: 'measures', purpose: '*', kind: ['load_curve', 'daily_energy', 'max_power', 'index'], provider: '*', on_overrun: 'narrow' },
      { id: 'records', purpose: '*', kind: ['contract_data', 'address', 'identity', 'contact'], provider: '*' },
    ],
    evidence: {
      keys: { signing: { env: 'TEST_SIGNING_KEY' }, master: { env: 'TEST_MASTER_KEY' }, index: { env: 'TEST_INDEX_KEY' } },
      low_water_mb: 16,
    },
    logging: { level: 'warn' },
  }
}

export function settingsYaml(tree: Tree): string {
  return stringify(tree, { aliasDuplicateObjects: false })
}

/** Fresh secrets for the names that the tree uses. */
export function secretsOf(): Record<string, string> {
  const key = (): string => randomBytes(32).toString('hex')
  return { TEST_ENEDIS_SECRET: 'holder-client-secret-canary', TEST_SIGNING_KEY: key(), TEST_MASTER_KEY: key(), TEST_INDEX_KEY: key() }
}

export interface PermissionWish {
  readonly id: string
  readonly client?: Client
  /** The number of an electricity meter, or `pce:` and that of a gas one. */
  readonly meter?: string
  /** Where it is read, by the account of the same name. Enedis Data Connect, unless said otherwise. */
  readonly provider?: 'enedis-sge' | 'grdf-adict'
  /** What is open there already. */
  readonly rights?: readonly string[]
  /** To be opened there by the gate. */
  readonly order?: true
  /** Given on paper, by a form that the gate issues. */
  readonly mandate?: true
  /** Days of all its dated lines, `until` excluded. */
  readonly from?: string
  readonly until?: string
  readonly validFrom?: string
  readonly validUntil?: string
  readonly lines?: readonly Tree[]
  readonly holder?: { readonly kind: 'natural' | 'legal'; readonly reference: string; readonly name?: string }
}

/** One permission as `permission import --unverified` takes it: by default the half-hours and days of a year back. */
export function permissionTree(wish: PermissionWish): Tree {
  const client = wish.client ?? 'viriya'
  const purpose = CLIENTS[client]
  const from = wish.from ?? today(-365)
  const until = wish.until ?? today(365)
  const lines = wish.lines ?? [
    { kind: 'load_curve', direction: 'withdrawal', finest: 'PT30M', purpose, from, until },
    { kind: 'daily_energy', direction: 'withdrawal', finest: 'P1D', purpose, from, until },
  ]
  return {
    id: wish.id,
    meter: wish.meter?.includes(':') === true ? wish.meter : `prm:${wish.meter ?? METER}`,
    holder: wish.holder ?? { kind: 'natural', reference: `holder of ${wish.id}` },
    client,
    ground: { gdpr_basis: 'consent', sector_release: 'express_authorisation' },
    valid_from: wish.validFrom ?? '2026-01-01T00:00:00Z',
    valid_until: wish.validUntil ?? `${Number(today(0).slice(0, 4)) + 1}-01-01T00:00:00Z`,
    lines,
    ...(wish.mandate && { mandate: true }),
    bindings: [
      {
        provider: wish.provider ?? 'enedis-data-connect',
        account: wish.provider ?? 'main',
        ...(wish.order && { order: true }),
        ...(wish.rights && { rights: wish.rights.map((ref) => ({ ref })) }),
      },
    ],
  }
}

/** The day that it is in Paris, `offset` days later. */
export function today(offset: number): string {
  return Temporal.Now.plainDateISO('Europe/Paris').add({ days: offset }).toString()
}
