/**
 * Every reason for a refusal, as the real clients take it: the reply that the adapter gives, from a socket, into the
 * client's own loop. Which reasons may cost a client its token or its permission is written down here, one by one.
 */
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:http'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Reason } from '../../src/domain/errors.ts'
import { isTemporary, REASONS } from '../../src/domain/errors.ts'
import { day } from '../../src/domain/time.ts'
import type { Reply } from '../../src/providers/adapter.ts'
import { dataConnect } from '../../src/providers/enedis-data-connect/data-connect.ts'
import { domoticzLinky } from '../clients/domoticz-linky.ts'
import { eddie } from '../clients/eddie.ts'
import { firstImport } from '../clients/ha-linky.ts'
import { dayAfter } from '../clients/http.ts'
import { askMcp } from '../clients/mcp-server.ts'

const METER = '10000000000001'
const TODAY = '2026-11-20'
const REASON_IDS = Object.keys(REASONS) as Reason[]
/** What the gate says when the permission is over, and nothing else. */
const OVER: readonly Reason[] = ['not_active', 'expired', 'withdrawn', 'holder_changed']
const adapter = dataConnect({ upstream: '2026' })
const noWait = (): Promise<void> => Promise.resolve()

/** What each request is told; a request that the adapter does not understand is told so. */
let reason: Reason
let base: string
const server = createServer((message, res) => {
  const url = new URL(message.url ?? '', 'http://gate.invalid')
  const classified = adapter.classify({ method: message.method ?? '', path: url.pathname, query: new Map(url.searchParams) }, day(TODAY))
  const reply: Reply =
    classified.is === 'access' ? adapter.refuse(classified.form, 'native', { reason }) : { status: 599, headers: [], body: '' }
  res.writeHead(reply.status, reply.headers.flat())
  res.end(reply.body)
})
beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterAll(() => server.closeAllConnections())
afterAll(() => new Promise((resolve) => server.close(resolve)))

describe.each(REASON_IDS)('%s', (id) => {
  test(`makes DomoticzLinky ${OVER.includes(id) ? 'end' : 'keep its tokens'}`, async () => {
    reason = id
    const tokens = { access: 'a', type: 'Bearer' }
    const plugin = domoticzLinky({
      base,
      meter: METER,
      tokens,
      refresh: () => Promise.resolve(tokens),
      today: () => TODAY,
      days: 14,
      wait: noWait,
    })
    const cycle = await plugin.run()
    plugin.close()
    expect(plugin.heard.filter((line) => line.startsWith('599'))).toStrictEqual([])
    expect([cycle.ended, plugin.on]).toStrictEqual(OVER.includes(id) ? ['off', false] : ['failed', true])
  })

  test('makes EDDIE end its permission only where it does not pass by itself', async () => {
    reason = id
    const it = eddie({
      base,
      token: () => Promise.resolve('t'),
      usagePoint: METER,
      start: dayAfter(TODAY, -7),
      today: () => TODAY,
      wait: noWait,
    })
    await it.poll()
    if (isTemporary(id)) expect([it.status, it.next]).toStrictEqual(['ACCEPTED', dayAfter(TODAY, -7)])
    const { status } = adapter.refuse({ dialect: 'v5', series: 'consumption_curve' }, 'native', { reason: id })
    expect(it.status === 'REVOKED').toBe(status === 403)
  })

  test('leaves ha-linky and the MCP server with a body that they understand', async () => {
    reason = id
    const token = `x.${Buffer.from(JSON.stringify({ sub: [METER] })).toString('base64url')}.x`
    const { ended, warnings } = await firstImport({ base, token, prm: METER, today: TODAY })
    expect(ended).toBe(['period_outside', 'too_old', 'step_too_fine'].includes(id) ? 'complete' : 'warned')
    for (const { code, response } of warnings) expect(response).toMatchObject({ status: code, message: REASONS[id].title, reason: id })
    const asked = await askMcp({ base: `${base}/api`, token, prm: METER, wait: noWait }, 'daily_consumption', '2026-11-01', TODAY)
    const { status } = adapter.refuse({ dialect: 'conso', series: 'daily_consumption' }, 'native', { reason: id })
    expect(asked).toStrictEqual({ ok: false, status, tries: status === 503 ? 4 : 1 })
  })
})
