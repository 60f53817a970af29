/**
 * WebSocket on open routes: only where a route says so, with the gate's own handshake on both sides, bounded in number,
 * silence and memory, and ended with the gate.
 */
import { createHash } from 'node:crypto'
import type { Socket } from 'node:net'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { answer } from '../../harness/holder.ts'
import type { Script, SeenRequest } from '../../harness/holder.ts'
import type { WireAnswer } from '../../harness/wire.ts'
import { headerOf, wire } from '../../harness/wire.ts'
import { counted, head, until } from './given.ts'
import type { OpenGate } from './open-given.ts'
import { anOpenGate, ask, get, lineTo, namesIn, openGateOfTest, RECORDS, told } from './open-given.ts'

const KEY = 'dGhlIHNhbXBsZSBub25jZQ=='
const ACCEPT = 's3pPLMBiTxaQ9kYGzzhZRbK+xOo='
const SOCKET = { id: 'live', path: '/open/live', websocket: true, subprotocols: ['graphql-ws', 'mqtt'], max_sockets: 2 }
const times = { timeouts: { headers_seconds: 1, idle_seconds: 1 } }

let open: OpenGate
beforeAll(async () => {
  open = await anOpenGate(SOCKET)
})
afterAll(async () => {
  await open.gate.stop()
  await open.portal.close()
})
beforeEach(async () => {
  await until(() => open.portal.open === 0, 2000)
  open.portal.calls.length = 0
  open.portal.script = echo()
  open.gate.log.length = 0
})

function upgrade(target = '/open/live/x', ...lines: readonly string[]): string {
  return get(target, 'Connection: Upgrade', 'Upgrade: websocket', `Sec-WebSocket-Key: ${KEY}`, 'Sec-WebSocket-Version: 13', ...lines)
}

/** A portal that accepts the handshake and gives back each byte. */
function echo(...headers: readonly string[]): Script {
  return (request, socket) => {
    accept(request, socket, ...headers)
    socket.on('data', (chunk: Buffer) => socket.write(chunk))
  }
}
function accept({ head: seen }: SeenRequest, socket: Socket, ...headers: readonly string[]): void {
  const key = /^sec-websocket-key: (.*)$/im.exec(seen)?.[1] ?? ''
  const sum = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
  socket.write(
    head('HTTP/1.1 101 Switching Protocols', 'Upgrade: websocket', 'Connection: Upgrade', `Sec-WebSocket-Accept: ${sum}`, ...headers),
  )
}
const reasonOf = (answered: WireAnswer): unknown[] => [answered.status, headerOf(answered, 'ecluse-reason')]

test('bytes pass both ways, and of the headers on either side only the handshake', async () => {
  open.portal.script = echo('Set-Cookie: a=1', 'Server: them', 'X-Canary: 1')
  const line = await lineTo(open)
  line.send(
    upgrade('/open/live/x?a=b+c', 'Origin: https://evil.test', 'Cookie: s=1', 'Authorization: Bearer canary', 'X-Forwarded-For: 192.0.2.1'),
  )
  const answered = await line.next()
  expect(answered).toStrictEqual({
    status: 101,
    headers: [
      ['connection', 'Upgrade'],
      ['upgrade', 'websocket'],
      ['sec-websocket-accept', ACCEPT],
    ],
    body: '',
  })
  line.send('both')
  await until(() => line.rest() === 'both', 2000)
  const [call] = open.portal.calls
  expect(call?.target).toBe('/api/explore/v2.1/x?a=b%20c')
  expect(namesIn(call?.head ?? '')).toStrictEqual([
    'connection',
    'host',
    'sec-websocket-key',
    'sec-websocket-version',
    'upgrade',
    'user-agent',
  ])
  expect(await counted(open.gate, 'ecluse_open_sockets', { route: 'live' })).toBe(1)
  line.end()
  await until(() => open.portal.open === 0, 2000)
  await until(() => told(open).length === 1, 2000)
  expect(told(open)[0]).toMatchObject({ open: 'live', status: 101, outcome: 'left' })
  expect(await counted(open.gate, 'ecluse_open_sockets', { route: 'live' })).toBe(0)
})

test('what is sent together with the handshake arrives first', async () => {
  const line = await lineTo(open)
  line.send(`${upgrade()}early`)
  expect((await line.next()).status).toBe(101)
  line.send(' and late')
  await until(() => line.rest() === 'early and late', 2000)
})

test('of subprotocols those on the list are proposed, and the one chosen is told', async () => {
  open.portal.script = echo('Sec-WebSocket-Protocol: mqtt')
  const answered = await ask(
    open,
    upgrade('/open/live/x', 'Sec-WebSocket-Protocol: evil, mqtt', 'Sec-WebSocket-Extensions: permessage-deflate'),
  )
  expect([answered.status, headerOf(answered, 'sec-websocket-protocol')]).toStrictEqual([101, 'mqtt'])
  expect(open.portal.calls[0]?.head).toMatch(/^sec-websocket-protocol: mqtt\r?$/m)
  expect(open.portal.calls[0]?.head).not.toMatch(/extensions|evil/i)
})

test('where no route says so the wish is not heard: an open route answers as ever, a gated path too', async () => {
  const plain = await openGateOfTest()
  const answered = await ask(plain, upgrade('/open/grdf/x'))
  expect([answered.status, answered.body]).toStrictEqual([200, RECORDS])
  expect(plain.portal.calls[0]?.head.toLowerCase()).not.toMatch(/upgrade|websocket/)
  expect(reasonOf(await ask(open, upgrade('/metering_data_dc/v5/daily_consumption')))).toStrictEqual([401, 'token_invalid'])
  expect(open.portal.calls).toStrictEqual([])
})

test('a request without the wish is served on the same route', async () => {
  open.portal.script = (_request, socket) => answer(socket, 200, RECORDS, { Connection: 'close' })
  expect((await ask(open, get('/open/live/x'))).body).toBe(RECORDS)
})

const handshake = (...lines: readonly string[]): string => get('/open/live/x', 'Connection: Upgrade', ...lines)
test.each<[string, string, number, string]>([
  ['of another version', handshake('Upgrade: websocket', `Sec-WebSocket-Key: ${KEY}`, 'Sec-WebSocket-Version: 8'), 426, 'malformed'],
  ['without a version', handshake('Upgrade: websocket', `Sec-WebSocket-Key: ${KEY}`), 426, 'malformed'],
  ['without a key', handshake('Upgrade: websocket', 'Sec-WebSocket-Version: 13'), 400, 'malformed'],
  ['of a short key', handshake('Upgrade: websocket', 'Sec-WebSocket-Key: abc', 'Sec-WebSocket-Version: 13'), 400, 'malformed'],
  ['of another protocol', handshake('Upgrade: h2c', `Sec-WebSocket-Key: ${KEY}`, 'Sec-WebSocket-Version: 13'), 400, 'malformed'],
  ['of two keys', upgrade('/open/live/x', `Sec-WebSocket-Key: ${KEY}`), 400, 'malformed'],
  ['with a body', upgrade('/open/live/x', 'Content-Length: 5'), 400, 'malformed'],
  ['with chunks', upgrade('/open/live/x', 'Transfer-Encoding: chunked'), 400, 'malformed'],
  ['by POST', upgrade().replace('GET ', 'POST '), 405, 'unknown_route'],
  ['by a step up', upgrade('/open/live/../x'), 400, 'malformed'],
])('a handshake %s is refused, and nobody is called', async (_what, bytes, status, reason) => {
  const line = await lineTo(open)
  line.send(bytes)
  expect(reasonOf(await line.next())).toStrictEqual([status, reason])
  await line.closed()
  expect(open.portal.calls).toStrictEqual([])
})

test.each<[string, Script]>([
  ['answers instead', (_r, s) => answer(s, 200, 'canary', { 'Set-Cookie': 'a=1' })],
  ['redirects', (_r, s) => answer(s, 302, '', { Location: 'https://evil.test/' })],
  [
    'accepts another handshake',
    (_r, s) => void s.write(head('HTTP/1.1 101 X', 'Upgrade: websocket', 'Connection: Upgrade', 'Sec-WebSocket-Accept: AAAA')),
  ],
  ['changes to another protocol', (_r, s) => void s.write(head('HTTP/1.1 101 X', 'Upgrade: h2c', 'Connection: Upgrade'))],
  ['chooses what nobody proposed', echo('Sec-WebSocket-Protocol: mqtt')],
  ['adds an extension', echo('Sec-WebSocket-Extensions: permessage-deflate')],
])('a portal that %s gets no client', async (_what, script) => {
  open.portal.script = script
  const line = await lineTo(open)
  line.send(upgrade())
  const answered = await line.next()
  expect([...reasonOf(answered), headerOf(answered, 'set-cookie'), headerOf(answered, 'location')]).toStrictEqual([
    502,
    'holder_refused',
    undefined,
    undefined,
  ])
  expect(answered.body).not.toContain('canary')
  await line.closed()
  await until(() => open.portal.open === 0, 2000)
})

test('a portal that dies is told as down, one that is silent as late', async () => {
  const short = await openGateOfTest({ ...SOCKET, ...times })
  short.portal.script = (_request, socket) => socket.destroy()
  expect(reasonOf(await ask(short, upgrade()))).toStrictEqual([502, 'holder_down'])
  short.portal.script = () => undefined
  const line = await lineTo(short)
  line.send(upgrade())
  const drip = setInterval(() => line.send('x'), 100)
  const answered = await line.next(3000)
  clearInterval(drip)
  expect(reasonOf(answered)).toStrictEqual([504, 'holder_down'])
  await until(() => short.portal.open === 0, 2000)
})

test('so many at once and no more; one that ends makes room', async () => {
  const lines = await Promise.all([lineTo(open), lineTo(open)])
  for (const line of lines) line.send(upgrade())
  for (const line of lines) expect((await line.next()).status).toBe(101)
  expect(reasonOf(await ask(open, upgrade()))).toStrictEqual([503, 'quota_gate'])
  lines[0]?.end()
  await until(() => open.portal.open === 1, 2000)
  expect((await ask(open, upgrade())).status).toBe(101)
})

test('whoever ends, the other side is told: the client with all that came before', async () => {
  open.portal.script = (request, socket) => {
    accept(request, socket)
    socket.end('bye')
  }
  const line = await lineTo(open)
  line.send(upgrade())
  expect((await line.next()).status).toBe(101)
  await line.closed()
  expect(line.rest()).toBe('bye')

  open.portal.script = () => undefined
  const early = await wire(open.gate.port)
  early.send(upgrade())
  await until(() => open.portal.open === 1, 2000)
  early.end()
  await until(() => open.portal.open === 0, 1000)
})

test('where nothing passes it is closed, also where one side sends and the other reads nothing', async () => {
  const short = await openGateOfTest({ ...SOCKET, ...times })
  short.portal.script = (request, socket) => accept(request, socket)
  const line = await lineTo(short)
  line.send(upgrade())
  await line.next()
  await line.closed(3000)
  await until(() => short.portal.open === 0, 2000)

  let sent = 0
  short.portal.script = (request, socket) => {
    accept(request, socket)
    const piece = Buffer.alloc(65_536)
    const more = (): void => {
      while (!socket.destroyed && sent < 300_000_000) {
        sent += piece.byteLength
        if (!socket.write(piece)) return void socket.once('drain', more)
      }
    }
    more()
  }
  const deaf = await wire(short.gate.port)
  deaf.socket.pause()
  deaf.send(upgrade())
  await until(() => told(short).length === 2, 10_000)
  expect(told(short).map(({ outcome }) => outcome)).toStrictEqual(['idle', 'idle'])
  expect(sent).toBeLessThan(30_000_000)
  await until(() => short.portal.open === 0, 2000)
  deaf.end()
})

test('behind a request that is not answered yet the connection ends', async () => {
  open.portal.script = () => undefined
  const line = await lineTo(open)
  line.send(`${get('/open/live/first')}${upgrade('/open/live/second')}`)
  await line.closed()
  expect(open.portal.calls.filter(({ target }) => target.includes('second'))).toStrictEqual([])
})

test('a client that resets at any moment harms nobody', async () => {
  for (const wait of [0, 1, 5, 20]) {
    const line = await wire(open.gate.port)
    line.send(upgrade())
    await new Promise((resolve) => setTimeout(resolve, wait))
    line.socket.resetAndDestroy()
  }
  await until(() => open.portal.open === 0, 2000)
  expect((await ask(open, upgrade())).status).toBe(101)
})

test('the gate does not wait for them when it stops', async () => {
  const stopping = await anOpenGate(SOCKET)
  stopping.portal.script = echo()
  const line = await wire(stopping.gate.port)
  line.send(upgrade())
  await line.next()
  const deaf = await wire(stopping.gate.port)
  deaf.send(upgrade())
  await deaf.next()
  deaf.socket.pause()
  const from = performance.now()
  await stopping.gate.stop()
  expect(performance.now() - from).toBeLessThan(8000)
  await line.closed(1000)
  expect(told(stopping).map(({ outcome }) => outcome)).toStrictEqual(['stopped', 'stopped'])
  deaf.end()
  await stopping.portal.close()
})
