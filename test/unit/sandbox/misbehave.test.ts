/** What the simulated Enedis does wrong when it is told to, seen on the wire; and that it is told on loopback only. */
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gunzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { ERROR_IDS, ERRORS, errorBody } from '../../../src/sandbox/errors.ts'
import type { MisbehaviourInput } from '../../../src/sandbox/sandbox.ts'
import { sendPieces } from '../../../src/sandbox/send.ts'
import type { Client } from './given.ts'
import { aClient, aToken, back, CURVE_2026, CURVE_V5, DAILY_V5, HOUSE, NOW, onTheWire, TODAY, v5, y2026 } from './given.ts'

const OTHER = '10000000000002'

async function misbehaving(wanted: Partial<MisbehaviourInput> & Pick<MisbehaviourInput, 'kind'>): Promise<Client> {
  const client = await aClient()
  client.sandbox.misbehave({ meter: '*', ...wanted })
  return client
}
const bodyOf = (text: string): string => text.slice(text.indexOf('\r\n\r\n') + 4)
const headOf = (text: string): string => text.slice(0, text.indexOf('\r\n\r\n'))
async function whole(): Promise<string> {
  return (await (await aClient()).get(v5(CURVE_V5))).text
}

test('hang: nothing comes, and the connection stays open', async () => {
  const client = await misbehaving({ kind: 'hang' })
  expect(await onTheWire(client, v5(CURVE_V5), 300)).toMatchObject({ text: '', ended: 'open' })
  await expect.poll(() => client.sandbox.calls()).toMatchObject([{ misbehaved: 'hang', complete: false }])
  expect(client.sandbox.calls()[0]).not.toHaveProperty('status')
})

test('reset: the connection is broken before a byte', async () => {
  expect(await onTheWire(await misbehaving({ kind: 'reset' }), v5(CURVE_V5))).toMatchObject({ text: '', ended: 'reset' })
})

test.each([
  ['chunked', /transfer-encoding: chunked/i, /content-length/i],
  ['length', /content-length: \d+/i, /transfer-encoding/i],
  ['close', /connection: close/i, /content-length|transfer-encoding/i],
] as const)('cut, %s: half of the body, then the end of the connection', async (framing, has, lacks) => {
  const { text, ended } = await onTheWire(await misbehaving({ kind: 'cut', framing }), v5(CURVE_V5), 2000)
  expect(ended).toBe('closed')
  expect(headOf(text)).toMatch(/^HTTP\/1\.1 200/)
  expect(headOf(text)).toMatch(has)
  expect(headOf(text)).not.toMatch(lacks)
  const right = await whole()
  const body = framing === 'chunked' ? bodyOf(text).replaceAll(/^[0-9a-f]+\r\n|\r\n$/g, '') : bodyOf(text)
  expect(body).toBe(right.slice(0, right.length >> 1))
  if (framing === 'length') expect(headOf(text)).toContain(`Content-Length: ${right.length}`)
  // No last chunk: whoever looks sees that it is not whole.
  expect(text.endsWith('0\r\n\r\n')).toBe(false)
})

test('stall: half of the body, and then nothing for ever', async () => {
  const { text, ended } = await onTheWire(await misbehaving({ kind: 'stall', framing: 'length' }), v5(CURVE_V5), 400)
  expect(ended).toBe('open')
  expect(bodyOf(text)).toHaveLength((await whole()).length >> 1)
})

test('drip: the same body, drop by drop', async () => {
  const client = await misbehaving({ kind: 'drip', bytes: 1000, ms: 20 })
  const began = performance.now()
  expect((await client.get(v5(CURVE_V5))).text).toBe(await whole())
  expect(performance.now() - began).toBeGreaterThan(120)
})

test('delay: the same answer, later', async () => {
  const client = await misbehaving({ kind: 'delay', ms: 150 })
  const began = performance.now()
  expect((await client.get(v5(CURVE_V5))).text).toBe(await whole())
  expect(performance.now() - began).toBeGreaterThan(145)
})

test('malformed: framed as it should be, and no JSON', async () => {
  const { status, text } = await (await misbehaving({ kind: 'malformed' })).get(v5(CURVE_V5))
  expect(status).toBe(200)
  expect(() => JSON.parse(text) as unknown).toThrow(SyntaxError)
  expect(text.slice(0, 100)).toBe((await whole()).slice(0, 100))
})

test('gzip: compressed, though nobody asked for it', async () => {
  const { bytes, text } = await onTheWire(await misbehaving({ kind: 'gzip' }), v5(CURVE_V5), 300)
  expect(headOf(text)).toMatch(/content-encoding: gzip/i)
  expect(gunzipSync(bytes.subarray(bytes.indexOf('\r\n\r\n') + 4)).toString()).toBe(await whole())
})

test('wrong_meter: right readings under another number', async () => {
  const client = await aClient()
  const right = await client.get(v5(CURVE_V5))
  client.sandbox.misbehave({ meter: HOUSE, kind: 'wrong_meter', times: 2 })
  const { text } = await client.get(v5(CURVE_V5))
  expect(text).not.toContain(HOUSE)
  expect(text.replace(/"usage_point_id":"[0-9]{14}"/, `"usage_point_id":"${HOUSE}"`)).toBe(right.text)
  expect((await client.get(`/situation_contrat_auto/v1/${HOUSE}`)).text).not.toContain(HOUSE)
})

test('outside_days: readings of days before and after, under the heading that was asked for', async () => {
  const { text } = await (await misbehaving({ kind: 'outside_days' })).get(v5(DAILY_V5, back(4), back(2)))
  const { meter_reading: told } = JSON.parse(text)
  expect([told.start, told.end]).toStrictEqual([back(4), back(2)])
  expect(told.interval_reading.map((r: { date: string }) => r.date)).toStrictEqual([7, 6, 5, 4, 3, 2, 1, 0].map(back))
})

test('outside_days of registers: openings of days before and after', async () => {
  const { text } = await (
    await misbehaving({ kind: 'outside_days' })
  ).get(y2026('/mesure_synchrone_auto/v2/index_consommation', back(4), back(2)))
  const { periode, contexte } = JSON.parse(text)
  expect(periode).toStrictEqual({ dateDebut: back(4), dateFin: back(2) })
  const { valeur } = contexte[0].grandeur[0].cadranTotalisateur
  expect(valeur.map((v: { d: string }) => v.d.slice(0, 10))).toStrictEqual([7, 6, 5, 4, 3, 2, 1, 0, -1].map(back))
})

test('finer_step: ten minutes where there are half-hours', async () => {
  const { text } = await (await misbehaving({ kind: 'finer_step' })).get(v5(CURVE_V5, back(1), TODAY))
  const { interval_reading: readings } = JSON.parse(text).meter_reading
  expect(readings).toHaveLength(144)
  expect(new Set(readings.map((r: { interval_length: string }) => r.interval_length))).toStrictEqual(new Set(['PT10M']))
  // And half-hours again after it.
  expect((await (await aClient()).get(v5(CURVE_V5, back(1), TODAY))).text).toContain('"PT30M"')
})

test('extra_unit: a second quantity in 2026, another in its place in v5; other_unit: another in both', async () => {
  const units = async (kind: 'extra_unit' | 'other_unit') => {
    const client = await aClient()
    client.sandbox.misbehave({ meter: '*', kind, times: 2 })
    const older = JSON.parse((await client.get(v5(CURVE_V5))).text)
    const newer = JSON.parse((await client.get(y2026(CURVE_2026))).text)
    return [older.meter_reading.reading_type.unit, newer.grandeur.map((g: { unite: string }) => g.unite)]
  }
  expect(await units('extra_unit')).toStrictEqual(['VArh', ['VArh', 'W']])
  expect(await units('other_unit')).toStrictEqual(['VArh', ['VArh']])
})

test('endless: megabytes of points of the days asked for', async () => {
  const { status, text } = await (await misbehaving({ kind: 'endless', megabytes: 4 })).get(v5(CURVE_V5))
  expect(status).toBe(200)
  expect(text.length).toBeGreaterThan(4 * 1_048_576)
  const { interval_reading: readings } = JSON.parse(text).meter_reading
  expect(new Set(readings.map((r: { date: string }) => r.date)).size).toBe(96)
})

test('what nobody reads is not made', async () => {
  let made = 0
  function* pieces(): Generator<string> {
    for (; made < 20_000; made += 1) yield 'x'.repeat(8192)
  }
  const server = createServer((_message, res) => void sendPieces(res, pieces()).catch(() => undefined))
  await new Promise<void>((resolve) => server.listen({ host: '127.0.0.1', port: 0 }, resolve))
  const { port } = server.address() as AddressInfo
  const asked = request({ host: '127.0.0.1', port }, (answer) => answer.pause())
  asked.end()
  asked.on('error', () => undefined) // it is destroyed below
  // What the sockets of the machine hold, and then no more: it stands still.
  let before = -1
  await expect
    .poll(
      () => {
        const still = made > 4 && made === before
        before = made
        return still
      },
      { interval: 200, timeout: 8000 },
    )
    .toBe(true)
  expect(made).toBeLessThan(4000)
  asked.destroy()
  server.close()
})

test('empty_object, html, octet_stream, redirect and status are what they say', async () => {
  const get = async (wanted: Partial<MisbehaviourInput> & Pick<MisbehaviourInput, 'kind'>) => {
    const { status, text, headers } = await (await misbehaving(wanted)).get(v5(CURVE_V5))
    return { status, text, type: headers.get('content-type'), to: headers.get('location') }
  }
  expect(await get({ kind: 'empty_object' })).toMatchObject({ status: 200, text: '{}' })
  expect(await get({ kind: 'html' })).toMatchObject({ status: 404, type: 'text/html' })
  expect(await get({ kind: 'octet_stream' })).toMatchObject({ status: 200, text: await whole(), type: 'application/octet-stream' })
  expect(await get({ kind: 'redirect' })).toMatchObject({ status: 302, to: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+\//) })
  expect(await get({ kind: 'status', status: 504 })).toMatchObject({ status: 504, text: '' })
})

test.each(ERROR_IDS)('error %s comes on demand, in both generations', async (error) => {
  const client = await aClient()
  client.sandbox.misbehave({ meter: '*', kind: 'error', error, times: 2 })
  const soon = NOW + (error === 'throttled' ? 1000 : 60_000)
  for (const [target, generation] of [
    [v5(CURVE_V5), 'v5'],
    [y2026(CURVE_2026), '2026'],
  ] as const) {
    const { status, text } = await client.get(target)
    expect({ status, text }).toStrictEqual({ status: ERRORS[error].status, text: errorBody(error, generation, soon).body })
  }
})

test('the token call misbehaves only when it is named', async () => {
  const { sandbox } = await misbehaving({ kind: 'status', status: 500 })
  await expect(aToken(sandbox)).resolves.toMatch(/^[\w-]{32}$/)
  sandbox.misbehave({ meter: 'token', kind: 'malformed' })
  await expect(aToken(sandbox)).rejects.toThrow(SyntaxError)
  await expect(aToken(sandbox)).resolves.toMatch(/^[\w-]{32}$/)
})

test('so many times, for that meter, and in the order in which it was told', async () => {
  const { sandbox, get } = await aClient()
  sandbox.misbehave({ meter: OTHER, kind: 'status', status: 500 })
  sandbox.misbehave({ meter: HOUSE, kind: 'status', status: 502, times: 2 })
  sandbox.misbehave({ meter: '*', kind: 'status', status: 503 })
  const statuses: number[] = []
  for (const meter of [HOUSE, HOUSE, HOUSE, HOUSE, OTHER, OTHER]) statuses.push((await get(v5(CURVE_V5, back(2), TODAY, meter))).status)
  expect(statuses).toStrictEqual([502, 502, 503, 200, 500, 200])
})

test('it is told over HTTP too, and says what is wrong with an order', async () => {
  const { sandbox, get } = await aClient()
  const tell = async (body: string) => {
    const answer = await fetch(`${sandbox.url}/_sandbox/misbehave`, { method: 'POST', body })
    return { status: answer.status, text: await answer.text() }
  }
  expect(await tell('{"meter":"*","kind":"status","status":418}')).toMatchObject({ status: 200 })
  expect((await get(v5(CURVE_V5))).status).toBe(418)
  expect((await tell('{"meter":"12","kind":"hang"}')).status).toBe(400)
  const wrong = await tell('{"meter":"*","kind":"explode"}')
  expect(wrong.status).toBe(400)
  expect(wrong.text).toContain('hang')
  expect((await tell('not JSON')).status).toBe(400)
  expect((await fetch(`${sandbox.url}/_sandbox/nothing`)).status).toBe(404)
})

test('what tells it is not answered under a name that is not loopback, as a page in a browser would use', async () => {
  const client = await aClient()
  const { hostname, port } = new URL(client.sandbox.url)
  expect(hostname).toBe('127.0.0.1')
  const status = (host: string) =>
    new Promise((resolve, reject) => {
      const asked = request({ hostname, port, path: '/_sandbox/reset', method: 'POST', headers: { Host: host } }, (answer) => {
        answer.resume()
        resolve(answer.statusCode)
      })
      asked.on('error', reject)
      asked.end()
    })
  await client.get(v5(CURVE_V5))
  expect(await status('rebound.example')).toBe(403)
  expect(client.sandbox.calls()).toHaveLength(1)
  expect(await status(`localhost:${port}`)).toBe(200)
  expect(client.sandbox.calls()).toHaveLength(0)
})

test('a reader who leaves ends the answer, and close leaves nothing open', async () => {
  const client = await misbehaving({ kind: 'endless', megabytes: 512 })
  const abort = new AbortController()
  const answer = await fetch(`${client.sandbox.url}${v5(CURVE_V5)}`, {
    headers: { Authorization: `Bearer ${client.token}` },
    signal: abort.signal,
  })
  expect(answer.status).toBe(200)
  abort.abort()
  await expect.poll(() => client.sandbox.calls()[0]?.complete).toBe(false)
  client.sandbox.misbehave({ meter: '*', kind: 'hang' })
  const hanging = fetch(`${client.sandbox.url}${v5(CURVE_V5)}`, { headers: { Authorization: `Bearer ${client.token}` } })
  await expect.poll(() => client.sandbox.calls().length).toBe(2)
  await client.sandbox.close()
  await expect(hanging).rejects.toThrow('fetch failed')
})
