/** The same contracts on PostgreSQL, the real one. */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll } from 'vitest'
import type { AccessLog } from '../../src/evidence/access.ts'
import type { AccessAnswer, AccessBatches, AccessCall } from '../../src/evidence/access-batch.ts'
import { accessBatchesOn } from '../../src/evidence/access-batch.ts'
import { decrypt, encrypt } from '../../src/storage/keys.ts'
import { openPostgres } from '../../src/storage/postgres.ts'
import type { PostgresServer } from '../harness/postgres.ts'
import { postgresServer } from '../harness/postgres.ts'
import { accessContract } from './access.ts'
import { consentContract } from './consent.ts'
import { mandatesContract } from './mandates.ts'
import { registryContract } from './registry.ts'
import type { Stores } from './stores.ts'
import { storesOn } from './stores.ts'
import { ticketsContract } from './tickets.ts'
import { tokensContract } from './tokens.ts'

let server: PostgresServer
let schemas = 0
beforeAll(async () => {
  server = await postgresServer()
  await server.start()
})
afterAll(() => server.close())

const ROW_KEY = Buffer.alloc(32, 5)

/** Each call as a batch of its own. */
function oneByOne(batches: AccessBatches, common: AccessLog): AccessLog {
  const one = <T extends AccessAnswer>(call: AccessCall): T => batches.send(batches.of([call]))[0] as T
  return {
    ...common,
    intent: (args) => one({ is: 'intent', args }),
    outcome: (args) => one({ is: 'outcome', args }),
    refused: (args) => one({ is: 'refused', args }),
  }
}

function postgresStores(): Promise<Stores> {
  schemas += 1
  const store = openPostgres(server.settings(`contract_${schemas}`))
  return Promise.resolve(
    storesOn(store, {
      box: {
        seal: (text) => encrypt(ROW_KEY, Buffer.from(text), 'row').toString('base64'),
        open: (box) => decrypt(ROW_KEY, Buffer.from(box, 'base64'), 'row').toString(),
      },
      access: (journal, logs, tokenOf, common) =>
        oneByOne(
          accessBatchesOn(store.query, journal, logs, tokenOf, ({ args }) => args.now),
          common,
        ),
      // Written back and looked at as it lies there, its own log included.
      bytes() {
        server.sql('CHECKPOINT')
        return readdirSync(server.folder, { recursive: true, encoding: 'utf8' })
          .filter((name) => statSync(join(server.folder, name)).isFile())
          .map((name) => ({ name, bytes: readFileSync(join(server.folder, name)) }))
      },
      close: () => store.close(),
    }),
  )
}

registryContract('PostgreSQL', postgresStores)
tokensContract('PostgreSQL', postgresStores)
accessContract('PostgreSQL', postgresStores)
ticketsContract('PostgreSQL', postgresStores)
consentContract('PostgreSQL', postgresStores)
mandatesContract('PostgreSQL', postgresStores)
