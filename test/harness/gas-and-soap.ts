/** A gate in front of all three simulated data holders, as the end-to-end tests of gas and SOAP have it. */
import type { Sandbox } from '../../src/sandbox/sandbox.ts'
import { startSandbox } from '../../src/sandbox/sandbox.ts'
import type { Tree } from './settings.ts'

const FAST = { perSecond: 100_000, perHour: 1_000_000 }
export const LOGIN = 'operateur.sge@example.org'
const SECRET = 'holder-client-secret-canary'
/** By which the simulated SGE knows the operator, beside what the gate sends. */
export const SGE_BASIC = `Basic ${Buffer.from(`${LOGIN}:${SECRET}`).toString('base64')}`

export function allHolders(): Promise<Sandbox> {
  return startSandbox({
    port: 0,
    quotas: { v5: FAST, '2026': FAST },
    credentials: [{ clientId: 'application', secret: SECRET }],
    adictCredentials: [{ clientId: 'gas-application', secret: SECRET, company: 'EXEMPLE' }],
    adictQuotas: { perSecond: 100_000, perDay: 1_000_000 },
    sgeAccounts: [{ login: LOGIN, contratId: '1234567', basic: { user: LOGIN, password: SECRET } }],
  })
}

/** For what makes a gate: its settings know GRDF and SGE as well, each with one account of the same name, and one rule for all. */
export function withGasAndSoap(url: string): (tree: Tree) => void {
  return (tree) => {
    const secret = { env: 'TEST_ENEDIS_SECRET' }
    Object.assign(tree['providers'] as Tree, {
      'grdf-adict': {
        url,
        token_url: `${url}/oauth2/aus5y2ta2uEHjCWIR417/v1/token`,
        allow_private: true,
        accounts: [
          { id: 'grdf-adict', client_id: 'gas-application', client_secret: secret, quota: { per_second: 1000, per_day: 1_000_000 } },
        ],
      },
      'enedis-sge': {
        url,
        allow_private: true,
        accounts: [
          {
            id: 'enedis-sge',
            login: LOGIN,
            contract: '1234567',
            basic: { user: LOGIN, password: secret },
            quota: { per_second: 1000, per_hour: 1_000_000 },
          },
        ],
      },
    })
    for (const purpose of tree['purposes'] as Tree[])
      purpose['kinds'] = [...(purpose['kinds'] as string[]), 'published_reading', 'technical_data']
    tree['rules'] = [{ id: 'all', purpose: '*', kind: '*', provider: '*' }]
    ;(tree['clients'] as Tree[])[0]!['identifies_by'] = ['bearer', 'basic', 'path']
  }
}
