/** The same contracts on PostgreSQL, the real one. */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { PermissionId, PurposeCode } from '../../src/domain/permission.ts'
import { day } from '../../src/domain/time.ts'
import type { AccessLog } from '../../src/evidence/access.ts'
import type { AccessAnswer, AccessBatches, AccessCall } from '../../src/evidence/access-batch.ts'
import { accessBatchesOn } from '../../src/evidence/access-batch.ts'
import { decrypt, encrypt } from '../../src/storage/keys.ts'
import { openPostgres } from '../../src/storage/postgres.ts'
import { POSTGRES_MIGRATIONS } from '../../src/storage/postgres-schema.ts'
import type { PostgresServer } from '../harness/postgres.ts'
import { postgresServer } from '../harness/postgres.ts'
import { accessContract } from './access.ts'
import { answerStoreContract } from './answer-store.ts'
import { consentContract } from './consent.ts'
import { mandatesContract } from './mandates.ts'
import { registryContract } from './registry.ts'
import { aTree, declare, METER, permit, VIRIYA } from './given.ts'
import type { Stores } from './stores.ts'
import { NOW, storesOn } from './stores.ts'
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
  return Promise.resolve(storesIn(`contract_${schemas}`))
}

/** @param migrations those that the gate knows which opens it */
function storesIn(schema: string, migrations = POSTGRES_MIGRATIONS, origin?: string): Stores {
  const store = openPostgres(server.settings(schema), undefined, migrations)
  return storesOn(store, {
    ...(origin !== undefined && { origin }),
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
  })
}

describe('a gate of the version before, on tables that a newer one has migrated', () => {
  test('goes on serving, and what it ends takes with it what it does not know of', async () => {
    const before = storesIn('migrated', POSTGRES_MIGRATIONS.slice(0, -1))
    await declare(before)
    await permit(before, aTree('p-1'), aTree('p-2'))
    const after = storesIn('migrated', POSTGRES_MIGRATIONS, 'gate.test.localhost/journal/newer')
    expect(Number(server.sql('SELECT count(*) FROM migrated.migration'))).toBe(POSTGRES_MIGRATIONS.length)
    const kept = {
      version: 1,
      client: VIRIYA,
      meterToken: await after.registry.meterToken(METER),
      purpose: 'self_view' as PurposeCode,
      series: 's',
      now: NOW,
    }
    for (const permission of ['p-1', 'p-2'] as PermissionId[])
      await after.kept.keep({ ...kept, permission, days: [[day('2026-10-01'), {}]] })
    // It reads, records and acts as ever.
    expect((await before.registry.views({ client: VIRIYA, meter: METER })).permissions).toHaveLength(2)
    await permit(before, aTree('p-3'))
    await before.registry.act({
      permission: 'p-1' as PermissionId,
      type: 'withdrawn_by_subject',
      details: { actorRole: 'operator', channel: 'api' },
      now: NOW,
    })
    expect(server.sql('SELECT permission FROM migrated.kept_day')).toBe('p-2')
    // Started again it would know that the tables are newer, and that they still serve it.
    await storesIn('migrated', POSTGRES_MIGRATIONS.slice(0, -1), 'gate.test.localhost/journal/again').close()
    await before.close()
    await after.close()
  })

  test('does not start on tables that no longer serve it', () => {
    const needsBoth = [...POSTGRES_MIGRATIONS, { sql: 'SELECT 1', serves: POSTGRES_MIGRATIONS.length + 1 }]
    openPostgres(server.settings('too_new'), undefined, needsBoth).close()
    expect(() => openPostgres(server.settings('too_new'))).toThrow(
      `made by a newer ecluse (schema ${needsBoth.length}, this one knows ${POSTGRES_MIGRATIONS.length}): install that version`,
    )
  })
})

registryContract('PostgreSQL', postgresStores)
tokensContract('PostgreSQL', postgresStores)
accessContract('PostgreSQL', postgresStores)
ticketsContract('PostgreSQL', postgresStores)
answerStoreContract('PostgreSQL', postgresStores)
consentContract('PostgreSQL', postgresStores)
mandatesContract('PostgreSQL', postgresStores)
