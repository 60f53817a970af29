/** What the simulated SGE does wrong when it is told to, what it remembers of calls, and how it is told. */
import { createHash } from 'node:crypto'
import { request } from 'node:http'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { gunzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import type { SgeMisbehaviourInput } from '../../../src/sandbox/sandbox.ts'
import { SGE_WRONGS } from '../../../src/sandbox/sge-misbehave.ts'
import { parseXml } from '../../../src/sandbox/sge-xml.ts'
import type { Sender } from './sge-given.ts'
import { all, aSender, cadm, cmd, example, HOUSE, inside, LOGIN, NEW_FLAT, pathOf, ways } from './sge-given.ts'

async function misbehaving(wanted: SgeMisbehaviourInput): Promise<Sender> {
  const sender = await aSender()
  sender.sandbox.sge.misbehave(wanted)
  return sender
}
const RIGHT = cmd({ from: '2026-03-02', until: '2026-03-03' })
async function right(): Promise<string> {
  return (await (await aSender()).send('CMD', RIGHT)).text
}
async function odd(wanted: SgeMisbehaviourInput, envelope = RIGHT): Promise<string> {
  return (await (await misbehaving(wanted)).send('CMD', envelope)).text
}

/** All bytes that come on a connection of its own, until it ends or `ms` are over. */
function onTheWire(sandboxUrl: string, ms: number): Promise<{ head: string; bytes: Buffer; ended: 'whole' | 'broken' | 'open' }> {
  return new Promise((resolve) => {
    const pieces: Buffer[] = []
    let head = ''
    const done = (ended: 'whole' | 'broken' | 'open') => (): void => {
      clearTimeout(timer)
      asked.destroy()
      resolve({ head, bytes: Buffer.concat(pieces), ended })
    }
    const timer = setTimeout(done('open'), ms)
    const asked = request(
      `${sandboxUrl}${pathOf('CMD')}`,
      { method: 'POST', agent: false, headers: { 'Content-Type': 'text/xml' } },
      (answer) => {
        head = answer.rawHeaders.join(' ')
        answer.on('data', (piece: Buffer) => pieces.push(piece))
        answer.once('end', done('whole'))
        answer.once('error', done('broken'))
      },
    )
    asked.once('error', done('broken'))
    asked.end(RIGHT)
  })
}

test('another meter, in the answer, in the header and in a fault', async () => {
  const text = await odd({ kind: 'other_meter' })
  expect(all(text, 'pointId')).toStrictEqual(['99999000000025'])
  const { send } = await misbehaving({ kind: 'other_meter', times: 3 })
  const { text: record } = await send('CDTC', example('cdtc-v1-request'))
  expect(record).not.toContain(HOUSE)
  expect(record).toContain('<point id="99999000000025">')
  expect((await send('CMD', cmd({ cadre: 'SERVICE_ACCES' }))).text).not.toContain(HOUSE)
})

test('other days: three before and after, and billing periods of earlier holders', async () => {
  const stamps = all(await odd({ kind: 'other_days' }), 'd')
  expect([stamps[0], stamps.at(-1), stamps.length]).toStrictEqual(['2026-02-27 00:30:00', '2026-03-06 00:00:00', 7 * 48])
  const { send } = await misbehaving({ kind: 'other_days' })
  const { text } = await send('CM', example('cm-v11-request', { [HOUSE]: NEW_FLAT }))
  expect(all(text, 'dateDebut')[0]).toBe('2023-04-14')
})

test('another kind of data beside the right one, and a contract that nobody authorised', async () => {
  expect(all(await odd({ kind: 'other_family' }), 'grandeurPhysique')).toStrictEqual(['PA', 'EA'])
  const energy = cmd({ type: 'ENERGIE', physique: 'EA' })
  expect(all(await odd({ kind: 'other_family' }, energy), 'grandeurPhysique')).toStrictEqual(['EA', 'PMA'])
  const index = await odd({ kind: 'other_family' }, cmd({ type: 'INDEX', physique: 'EA' }))
  expect(all(index, 'grandeurPhysique')).toStrictEqual(['PA', 'EA'])
  const { send } = await misbehaving({ kind: 'other_family' })
  expect((await send('CDTC', example('cdtc-v1-request', { '<autorisationClient>true': '<autorisationClient>false' }))).text).toContain(
    'situationContractuelle',
  )
})

test.each([
  ['names', 'FUITE JEANNE', /\/grandeur\/points\/adresseInstallation\/numeroEtNomVoie$/],
  ['unknown_elements', 'FUITE INCONNUE', /\/grandeur\/elementInconnu\/secret$/],
] as const)('%s in the answer and in each element of it', async (kind, leak, way) => {
  const text = await odd({ kind })
  expect(text).toContain(leak)
  expect(ways(text).filter((one) => way.test(one))).toHaveLength(1)
  expect(text.split('</soapenv:Body>')[1]).not.toContain('FUITE')
  expect(all(text, 'd')).toStrictEqual(all(await right(), 'd'))
})

test('another operation’s answer, and two answers', async () => {
  expect(await odd({ kind: 'other_operation' })).toContain('<ns:autreOperationResponse ')
  const text = await odd({ kind: 'two_answers' })
  expect(text.split('<ns:consulterMesuresDetailleesResponseV3 ')).toHaveLength(3)
})

test.each([
  ['doctype', '<!DOCTYPE Envelope SYSTEM'],
  ['entity', '&dix;&fuite;'],
  ['undeclared_entity', '9999900&fuite;0000017'],
  ['comment', '<pointId>9999900<!-- 0 -->0000017</pointId>'],
  ['instruction', '<pointId>9999900<?fuite 0?>0000017</pointId>'],
  ['cdata', `<pointId><![CDATA[${HOUSE}]]></pointId>`],
] as const)('%s', async (kind, has) => {
  const text = await odd({ kind })
  expect(text).toContain(has)
  // What is well-formed all the same means the same.
  if (kind === 'comment' || kind === 'cdata') expect(inside(text, 'pointId').text).toBe(HOUSE)
  else expect(parseXml(text)).toBeUndefined()
})

test('a fault, one without tec:erreur, a page, and nothing but a status', async () => {
  const { send, sandbox } = await misbehaving({ kind: 'fault' })
  expect(await send('CMD', RIGHT)).toMatchObject({ status: 500, code: 'SGT500' })
  sandbox.sge.misbehave({ kind: 'fault_without_erreur', code: 'SGT401' })
  const bare = await send('CMD', RIGHT)
  expect({ status: bare.status, code: bare.code, faultstring: all(bare.text, 'faultstring') }).toStrictEqual({
    status: 500,
    code: undefined,
    faultstring: ['Point inexistant'],
  })
  sandbox.sge.misbehave({ kind: 'html' })
  const page = await send('CMD', RIGHT)
  expect([page.status, page.headers.get('content-type')]).toStrictEqual([500, 'text/html'])
  sandbox.sge.misbehave({ kind: 'status' })
  sandbox.sge.misbehave({ kind: 'status', status: 403 })
  expect(await send('CMD', RIGHT)).toMatchObject({ status: 503, text: '' })
  expect(await send('CMD', RIGHT)).toMatchObject({ status: 403, text: '' })
  expect(await send('CMD', RIGHT)).toMatchObject({ status: 200, text: await right() })
})

test.each(['chunked', 'length'] as const)('cut (%s): half of the answer, and the end of the connection', async (framing) => {
  const { sandbox } = await misbehaving({ kind: 'cut', framing })
  const { head, bytes, ended } = await onTheWire(sandbox.url, 5000)
  expect(ended).toBe('broken')
  expect(head.includes('Content-Length')).toBe(framing === 'length')
  const whole = await right()
  expect(bytes.toString()).toBe(whole.slice(0, Buffer.byteLength(whole) >> 1))
})

test('stall: half, then nothing; hang: nothing at all; reset: not even that', async () => {
  const { sandbox } = await misbehaving({ kind: 'stall', framing: 'length' })
  const { bytes, ended } = await onTheWire(sandbox.url, 300)
  expect({ ended, some: bytes.byteLength > 0 }).toStrictEqual({ ended: 'open', some: true })
  sandbox.sge.misbehave({ kind: 'hang' })
  expect(await onTheWire(sandbox.url, 300)).toMatchObject({ head: '', ended: 'open' })
  await expect.poll(() => sandbox.sge.calls().at(-1)).toMatchObject({ misbehaved: 'hang', complete: false })
  sandbox.sge.misbehave({ kind: 'reset' })
  expect(await onTheWire(sandbox.url, 5000)).toMatchObject({ head: '', ended: 'broken' })
})

test('delay: the right answer, later', async () => {
  const { send } = await misbehaving({ kind: 'delay', ms: 150 })
  const began = performance.now()
  expect((await send('CMD', RIGHT)).text).toBe(await right())
  expect(performance.now() - began).toBeGreaterThanOrEqual(145)
})

test('gzip that nobody asked for, and another type', async () => {
  const { send, sandbox } = await misbehaving({ kind: 'content_type', type: 'text/plain' })
  const plain = await send('CMD', RIGHT)
  expect([plain.headers.get('content-type'), plain.text]).toStrictEqual(['text/plain', await right()])
  sandbox.sge.misbehave({ kind: 'gzip' })
  const { head, bytes } = await onTheWire(sandbox.url, 5000)
  expect(head).toContain('Content-Encoding gzip')
  expect(gunzipSync(bytes).toString()).toBe(await right())
})

/** Bytes in use, garbage apart: what lies around of other tests tells nothing. */
function held(): number {
  setFlagsFromString('--expose-gc')
  ;(runInNewContext('gc') as () => void)()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

test('a huge answer is made while it is read, and ends as it should', async () => {
  const { sandbox } = await misbehaving({ kind: 'huge', megabytes: 100, times: 2 })
  const ask = () => fetch(`${sandbox.url}${pathOf('CMD')}`, { method: 'POST', headers: { 'Content-Type': 'text/xml' }, body: RIGHT })
  let [bytes, most, looked, end] = [0, 0, 0, Buffer.alloc(0)]
  const before = held()
  for await (const piece of (await ask()).body ?? []) {
    bytes += piece.byteLength
    end = Buffer.concat([end.subarray(-100), piece])
    if (bytes - looked < 10 * 1_048_576) continue
    looked = bytes
    most = Math.max(most, held() - before)
  }
  expect(bytes).toBeGreaterThan(80 * 1_048_576)
  expect(bytes).toBeLessThan(140 * 1_048_576)
  expect(end.toString()).toContain('</soapenv:Envelope>')
  expect(most).toBeLessThan(30 * 1_048_576)
  // Whoever leaves ends it.
  const abort = new AbortController()
  const left = await fetch(`${sandbox.url}${pathOf('CMD')}`, {
    method: 'POST',
    headers: { 'Content-Type': 'text/xml' },
    body: RIGHT,
    signal: abort.signal,
  })
  expect(left.status).toBe(200)
  abort.abort()
  await expect.poll(() => sandbox.sge.calls().at(-1)?.complete).toBe(false)
}, 30_000)

test('it misbehaves so often, about this service and that meter', async () => {
  const { send, sandbox } = await misbehaving({ kind: 'status', times: 2, service: 'CM' })
  sandbox.sge.misbehave({ kind: 'html', pointId: '99999000000025' })
  expect((await send('CMD', RIGHT)).status).toBe(200)
  const statuses = [1, 2, 3].map(async () => (await send('CM', example('cm-v11-request'))).status)
  expect((await Promise.all(statuses)).toSorted()).toStrictEqual([200, 503, 503])
  expect((await send('CMD', cmd({ pointId: '99999000000025' }))).status).toBe(500)
})

test('while it is down each call is a 503, and is remembered', async () => {
  const { send, sandbox } = await aSender()
  sandbox.sge.down(true)
  expect((await send('CMD', RIGHT)).status).toBe(503)
  expect((await send('SAD', example('sad-v1-request'))).status).toBe(503)
  expect(sandbox.sge.services()).toHaveLength(1)
  expect(sandbox.sge.calls()).toMatchObject([{ service: 'CMD', status: 503 }, { service: 'SAD' }])
  sandbox.sge.down(false)
  expect((await send('CMD', RIGHT)).status).toBe(200)
})

test('a call is remembered with what it says', async () => {
  const { send, sandbox } = await aSender()
  await send('CMD', RIGHT, { Authorization: 'Basic c2VjcmV0OnNlY3JldA==', traceparent: '00-1-2-01' })
  await send('SAD', example('sad-v1-request'))
  await send('CADM', cadm('CDC'))
  await send('RP', example('rp-v2-request'))
  await send('CMD', 'nonsense')
  await expect.poll(() => sandbox.sge.calls().every(({ complete }) => complete)).toBe(true)
  const [read, order, refused, search, nonsense] = sandbox.sge.calls()
  expect(read).toMatchObject({
    n: 1,
    method: 'POST',
    path: '/ConsultationMesuresDetaillees/v3.0',
    service: 'CMD',
    operation: 'consulterMesuresDetailleesV3',
    pointId: HOUSE,
    consent: { element: 'cadreAcces', value: 'ACCORD_CLIENT' },
    login: LOGIN,
    from: '2026-03-02',
    until: '2026-03-03',
    types: ['COURBE'],
    traceparent: '00-1-2-01',
    headers: { authorization: 'Basic', soapaction: '""' },
    code: 'SGT200',
    status: 200,
  })
  expect(order).toMatchObject({
    service: 'SAD',
    consent: { element: 'accord', value: 'true' },
    person: 'EXEMPLE Camille',
    contratId: '1234567',
    until: '2027-06-30',
    types: ['CDC', 'ENERGIE'],
    refExterne: 'CONSENT-2026-000118',
  })
  expect(refused).toMatchObject({ person: 'COMMUNE DE VILLE-EXEMPLE', types: ['CDC'], code: 'SGT570', status: 500 })
  expect(search).toMatchObject({ service: 'RP', person: 'EXEMPLE' })
  expect(search).not.toHaveProperty('pointId')
  expect(nonsense).toMatchObject({ service: 'CMD', code: 'SGT562' })
  expect(nonsense).not.toHaveProperty('operation')
  expect(JSON.stringify(sandbox.sge.calls())).not.toContain('c2VjcmV0')
})

test('it is told and asked over its controls, and a reset forgets all but the services', async () => {
  const { send, sandbox } = await aSender()
  const tell = async (name: string, body: unknown) =>
    (await fetch(`${sandbox.url}/_sandbox/${name}`, { method: 'POST', body: JSON.stringify(body) })).status
  const list = async (name: string): Promise<unknown> => (await fetch(`${sandbox.url}/_sandbox/${name}`)).json()
  expect(await tell('sge-misbehave', { kind: 'explode' })).toBe(400)
  expect(await tell('sge-misbehave', { kind: 'html' })).toBe(200)
  expect((await send('CADM', cadm('CDC'))).status).toBe(500)
  expect(sandbox.sge.services()).toHaveLength(1)
  expect((await send('CADM', cadm('CDC'))).status).toBe(200)
  expect(await list('sge-points')).toStrictEqual(sandbox.sge.points())
  expect(await list('sge-services')).toStrictEqual(sandbox.sge.services())
  expect(await list('sge-calls?after=1')).toMatchObject({ calls: [{ n: 2, service: 'CADM' }] })
  expect(await tell('sge-down', { down: true })).toBe(200)
  expect((await send('CMD', RIGHT)).status).toBe(503)
  sandbox.reset()
  expect((await send('CMD', RIGHT)).status).toBe(200)
  expect(sandbox.sge.calls()).toHaveLength(1)
  expect(sandbox.sge.services()).toHaveLength(2)
})

test('each misbehaviour has a name of its own, and the numbers of meters are those of none', async () => {
  expect(new Set(SGE_WRONGS).size).toBe(SGE_WRONGS.length)
  const { sandbox } = await aSender()
  const ids = sandbox.sge.points().map(({ pointId }) => pointId)
  expect(ids).toStrictEqual([...new Set(ids)])
  expect(ids.every((id) => /^99999000000\d{3}$/.test(id))).toBe(true)
})

test('the values are these, today and in every other run', async () => {
  const digest = createHash('sha256')
    .update(await right())
    .digest('hex')
  expect(digest.slice(0, 16)).toBe('e4bc68b3f733653b')
})
