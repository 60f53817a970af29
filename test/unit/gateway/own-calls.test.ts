/** Whether what the data holder lists is all of it: an answer with a hole in it is no word about who is missing there. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Pool } from 'undici'
import type { UsagePointId } from '../../../src/domain/meter.ts'
import type { AccountId } from '../../../src/domain/permission.ts'
import type { Shares } from '../../../src/domain/share.ts'
import type { Holder } from '../../../src/gateway/holder.ts'
import type { OwnCalls } from '../../../src/gateway/own-calls.ts'
import { ownCallsOf } from '../../../src/gateway/own-calls.ts'
import { loggerTo } from '../../../src/runtime/logger.ts'
import { NOW } from '../../given.ts'

const ACCOUNT = 'main' as AccountId
const METERS = ['prm:10000000000001' as UsagePointId]
const row = (id: number): object => ({
  id: String(id),
  pointId: '10000000000001',
  dateDebut: '2026-10-06',
  dateFin: '2029-10-05',
  etatCode: 'ACTIF',
  mesuresTypeCode: 'CDC',
  soutirage: true,
  injection: false,
  autorisation: { autorisationId: 4815 },
})
const page = (total: number, ...ids: readonly number[]): object => ({ nbTotalServices: total, serviceSouscrit: ids.map(row) })

let pages: readonly object[] = []
const enedis = createServer((message, res) => {
  let text = ''
  message.on('data', (piece: Buffer) => {
    text += piece.toString()
  })
  message.on('end', () => {
    const asked = JSON.parse(text) as { readonly page: number }
    res.end(JSON.stringify(pages[asked.page - 1] ?? pages.at(-1)))
  })
})
let pool: Pool
beforeAll(async () => {
  await new Promise<void>((resolve) => void enedis.listen(0, '127.0.0.1', resolve))
  pool = new Pool(`http://127.0.0.1:${(enedis.address() as AddressInfo).port}`)
})
afterAll(async () => {
  await pool.close()
  enedis.close()
})

const outcomes: number[] = []
/** Places of the account that these calls hold, and the most that they held. */
const places = { now: 0, most: 0 }
function ask(...answered: readonly object[]): Promise<Shares> {
  pages = answered
  return calling().shares(ACCOUNT, { meters: METERS }, 'reconciliation', AbortSignal.timeout(5000))
}
function calling(): OwnCalls {
  const holder = {
    account: ACCOUNT,
    pool,
    slots: {
      take() {
        places.now += 1
        places.most = Math.max(places.most, places.now)
        return Promise.resolve(true)
      },
      free() {
        places.now -= 1
      },
    },
    settings: { connections: 8, timeouts: { totalSeconds: 5 } },
    authorization: () => Promise.resolve('Bearer token'),
    drop: () => false,
  } as unknown as Holder
  return ownCallsOf({
    route: {
      id: 'enedis-data-connect',
      holders: new Map([[ACCOUNT, holder]]),
      quota: {
        reserve: () => ({ ok: true, take: () => Promise.resolve(true), release: () => undefined }),
        recall: () => undefined,
        left: () => [],
        hold: () => undefined,
      },
    },
    intent: () => Promise.resolve({ n: 1 }),
    outcome: ({ services }) => Promise.resolve(outcomes.push(services)),
    ready: () => true,
    holderError: () => {
      throw new Error('every answer of this holder is 200')
    },
    now: () => NOW,
    newId: () => 'id',
    log: loggerTo('error', 'test', { write: () => true } as never),
  })
}

test('pages that make up the total are all of it', async () => {
  expect(await ask(page(3, 1, 2), page(3, 3))).toMatchObject({ is: 'shares', services: [{ id: '1' }, { id: '2' }, { id: '3' }] })
  expect(await ask(page(0))).toStrictEqual({ is: 'shares', services: [] })
  outcomes.length = 0
  await ask(page(3, 1, 2), page(3, 3))
  expect(outcomes).toStrictEqual([2, 1])
})

test.each<[string, readonly object[]]>([
  ['a page is empty before the total is reached', [page(3, 1, 2), page(3)]],
  ['nothing is listed of what there is said to be', [page(3)]],
  ['the first page comes again and again', [page(3, 1, 2), page(3, 1, 2)]],
  ['a row comes twice, and another one has not come', [page(4, 1, 2), page(4, 2, 3)]],
  ['the total falls between two pages: a row may have moved to the page before', [page(4, 1, 2), page(3, 3)]],
  ['more is listed than there is said to be', [page(1, 1, 2)]],
])('no word about anybody: %s', async (_name, answered) => {
  expect(await ask(...answered)).toMatchObject({ is: 'unknown' })
})

test('however many ask at once, three quarters of the connections stay with clients, and all are answered', async () => {
  pages = [page(1, 1)]
  places.most = 0
  const calls = calling()
  const asked = Array.from({ length: 30 }, () => calls.shares(ACCOUNT, { meters: METERS }, 'journey', AbortSignal.timeout(5000)))
  expect(new Set((await Promise.all(asked)).map(({ is }) => is))).toStrictEqual(new Set(['shares']))
  expect(places).toStrictEqual({ now: 0, most: 2 })
  // Who gives up while it waits holds nothing.
  const waits = calls.shares(ACCOUNT, { meters: METERS }, 'journey', AbortSignal.abort())
  expect([await waits, places.now]).toMatchObject([{ is: 'unknown' }, 0])
  expect(await calls.shares(ACCOUNT, { meters: METERS }, 'journey', AbortSignal.timeout(5000))).toMatchObject({ is: 'shares' })
})
