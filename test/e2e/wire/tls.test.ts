/**
 * TLS on both sides: the listener's certificate is changed in place, and offers HTTP/1.1 alone; a data holder that
 * cannot prove who it is gets nothing, neither a credential nor a word about a meter.
 */
import { copyFileSync, writeFileSync } from 'node:fs'
import { Agent, request } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { connect as connectTcp, createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { TLSSocket, TlsOptions } from 'node:tls'
import { connect, createServer as createTlsServer } from 'node:tls'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import type { TestGate } from '../../harness/gate.ts'
import { aGate, aGateProcess, bearer, removeFolder } from '../../harness/gate.ts'
import type { FakeHolder } from '../../harness/holder.ts'
import { fakeHolder } from '../../harness/holder.ts'
import type { Tree } from '../../harness/settings.ts'
import { secretsOf, today } from '../../harness/settings.ts'
import { headerOf, wire } from '../../harness/wire.ts'
import type { Authority, Certificate } from './certificates.ts'
import { anAuthority } from './certificates.ts'
import { accesses, ask, counted, isServed, recordedBy, TARGET } from './given.ts'

const HERE = 'IP:127.0.0.1,DNS:localhost'
let ours: Authority
let theirs: Authority
let good: Certificate
beforeAll(() => {
  ours = anAuthority()
  theirs = anAuthority()
  good = ours.sign('good', { names: HERE })
})
afterAll(() => {
  ours.remove()
  theirs.remove()
})

const providerOf = (tree: Tree): Tree => (tree['providers'] as Record<string, Tree>)['enedis-data-connect'] ?? {}

/** The scripted holder behind TLS. `heard` counts what came through a finished handshake. */
interface TlsHolder {
  url: string
  readonly holder: FakeHolder
  readonly sockets: ReadonlySet<Socket>
  readonly heard: () => number
  /** Another certificate for the connections to come. */
  readonly change: (options: TlsOptions) => void
  /** Connections are accepted, and nothing comes of them. */
  hangs: boolean
}
async function holderOverTls(options: TlsOptions): Promise<TlsHolder> {
  const holder = await fakeHolder()
  const sockets = new Set<Socket>()
  let heard = 0
  const behind = createTlsServer(options, (socket) => {
    const to = connectTcp(Number(new URL(holder.url).port), '127.0.0.1')
    socket.on('data', (chunk: Buffer) => (heard += chunk.byteLength))
    socket.on('error', () => to.destroy())
    to.on('error', () => socket.destroy())
    socket.pipe(to).pipe(socket)
  })
  behind.on('tlsClientError', () => undefined)
  const front: TlsHolder = { url: '', holder, sockets, heard: () => heard, change: (other) => behind.setSecureContext(other), hangs: false }
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => socket.destroy())
    if (!front.hangs) behind.emit('connection', socket)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  front.url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy()
    server.close()
    await holder.close()
  })
  return front
}

async function gateBefore(url: string, ca: string | undefined): Promise<{ readonly gate: TestGate; readonly token: string }> {
  const gate = await aGate({
    holderUrl: url,
    change(tree) {
      Object.assign(providerOf(tree), { timeouts: { connect_seconds: 1 } }, ca === undefined ? {} : { ca })
    },
  })
  onTestFinished(() => gate.stop())
  await gate.permit({ id: 'p1', from: today(-100), until: today(-10) })
  return { gate, token: await gate.token() }
}

test('a holder that proves who it is is called', async () => {
  const front = await holderOverTls(good.pem)
  const { gate, token } = await gateBefore(front.url, ours.file)
  const line = await wire(gate.port)
  await isServed(line, token)
  line.end()
  expect(front.holder.calls).toHaveLength(1)
})

test.each<[string, () => TlsOptions, () => string | undefined]>([
  ['signed by another authority', () => theirs.sign('other', { names: HERE }).pem, () => ours.file],
  ['signed by an authority of ours that the settings do not name', () => good.pem, () => undefined],
  ['signed by itself', () => ours.selfSigned('self', HERE).pem, () => ours.file],
  ['that has expired', () => ours.sign('expired', { names: HERE, days: -1 }).pem, () => ours.file],
  ['for another name', () => ours.sign('elsewhere', { names: 'DNS:enedis.test,IP:127.0.0.2' }).pem, () => ours.file],
  [
    'that is good, with TLS 1.1 alone',
    () => ({ ...good.pem, minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'ALL:@SECLEVEL=0' }),
    () => ours.file,
  ],
])('a holder with a certificate %s gets nothing', async (_name, options, ca) => {
  const front = await holderOverTls(options())
  const { gate, token } = await gateBefore(front.url, ca())
  const entries = await recordedBy(gate, async () => {
    const line = await wire(gate.port)
    line.send(ask(token))
    const told = await line.next()
    expect([told.status, headerOf(told, 'ecluse-reason')]).toStrictEqual([503, 'holder_down'])
    line.end()
  })
  expect(front.sockets.size).toBeGreaterThan(0)
  expect(front.heard()).toBe(0)
  expect([front.holder.tokenCalls.length, front.holder.calls.length]).toStrictEqual([0, 0])
  expect(entries).toMatchObject([{ t: 'access.refused', dec: { stage: 'holder', reason: 'holder_down' } }])
})

test.each([
  ['whose handshake never ends', 'hangs'],
  ['whose certificate turns bad', 'lies'],
])('a holder %s, after the token: recorded as not sent', async (_name, how) => {
  const front = await holderOverTls(good.pem)
  const { gate, token } = await gateBefore(front.url, ours.file)
  const line = await wire(gate.port)
  await isServed(line, token)
  const before = front.heard()
  if (how === 'hangs') front.hangs = true
  else front.change(theirs.sign('late', { names: HERE }).pem)
  for (const socket of front.sockets) socket.destroy()
  await sleep(50)
  const entries = await recordedBy(gate, async () => {
    line.send(ask(token))
    const told = await line.next(6000)
    expect([told.status, headerOf(told, 'ecluse-reason')]).toStrictEqual([503, 'holder_down'])
  })
  expect(entries).toMatchObject([{ t: 'access.intent' }, { t: 'access.outcome', result: 'not_sent', holderBytes: 0, bytes: 0 }])
  expect(front.heard()).toBe(before)
  line.end()
})

test('variables of the environment name no proxy and weaken no check', async () => {
  let trapped = 0
  const trap = createServer((socket) => {
    trapped += 1
    socket.destroy()
  })
  await new Promise<void>((resolve) => trap.listen(0, '127.0.0.1', resolve))
  const proxy = `http://127.0.0.1:${(trap.address() as AddressInfo).port}`
  const names = ['HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY', 'http_proxy', 'https_proxy', 'all_proxy']
  const holder = await fakeHolder()
  const gate = await aGateProcess({
    holder,
    env: { ...secretsOf(), ...Object.fromEntries(names.map((name) => [name, proxy])), NO_PROXY: '', no_proxy: '', NODE_USE_ENV_PROXY: '1' },
  })
  await gate.permit({ id: 'p1', from: today(-100), until: today(-10) })
  const answered = await fetch(gate.url + TARGET, bearer(await gate.token()))
  expect(answered.status).toBe(200)
  await answered.text()
  expect([holder.tokenCalls.length, holder.calls.length, trapped]).toStrictEqual([1, 1, 0])
  await gate.stop()
  removeFolder(gate)
  trap.close()
  await holder.close()
})

test('with NODE_TLS_REJECT_UNAUTHORIZED=0 no gate starts', async () => {
  const holder = await fakeHolder()
  await expect(aGateProcess({ holder, env: { ...secretsOf(), NODE_TLS_REJECT_UNAUTHORIZED: '0' } })).rejects.toThrow(
    /NODE_TLS_REJECT_UNAUTHORIZED=0 turns off the check of certificates: unset it/,
  )
  expect([holder.tokenCalls.length, holder.calls.length]).toStrictEqual([0, 0])
  await holder.close()
})

interface TlsGate {
  readonly gate: TestGate
  readonly token: string
  readonly files: { readonly certificate: string; readonly key: string }
}
async function gateOverTls(change: (tree: Tree) => void = () => undefined): Promise<TlsGate> {
  const first = ours.sign(`first${Math.random()}`, { names: HERE })
  const files = { certificate: first.certificate, key: first.key }
  const gate = await aGate({
    change(tree) {
      const listeners = tree['listeners'] as Record<string, Tree>
      listeners['gate'] = { ...listeners['gate'], tls: files }
      change(tree)
    },
  })
  onTestFinished(() => gate.stop())
  await gate.permit({ id: 'p1', from: today(-100), until: today(-10) })
  return { gate, token: await gate.token(), files }
}
function tlsTo(port: number, options: object = {}): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, ca: ours.pem, ...options }, () => resolve(socket))
    socket.once('error', reject)
  })
}
function status(port: number, token: string, agent: Agent): Promise<{ readonly status: number; readonly serial: string }> {
  return new Promise((resolve, reject) => {
    const asked = request(
      { host: '127.0.0.1', port, path: TARGET, ca: ours.pem, agent, headers: { authorization: `Bearer ${token}` } },
      (answered) => {
        const serial = (answered.socket as TLSSocket).getPeerCertificate().serialNumber
        answered.resume().once('end', () => resolve({ status: answered.statusCode ?? 0, serial }))
      },
    )
    asked.once('error', reject)
    asked.end()
  })
}

test('over TLS 1.2 and 1.3 HTTP/1.1 alone is offered, and nothing older is spoken', async () => {
  const { gate, token } = await gateOverTls()
  expect(gate.url).toMatch(/^https:/)
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    const socket = await tlsTo(gate.port, { ALPNProtocols: ['h2', 'http/1.1'], minVersion: version, maxVersion: version })
    expect([socket.alpnProtocol, socket.getProtocol()]).toStrictEqual(['http/1.1', version])
    socket.destroy()
  }
  const before = await counted(gate, 'ecluse_strangers_total', { reason: 'unparsed' })
  await expect(tlsTo(gate.port, { ALPNProtocols: ['h2'] })).rejects.toThrow(/no application protocol/i)
  await expect(tlsTo(gate.port, { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'ALL:@SECLEVEL=0' })).rejects.toThrow(
    /protocol version|alert/i,
  )
  // Plain HTTP where TLS is spoken: no answer, no call, and the next client is served.
  const plain = await wire(gate.port)
  plain.send(ask(token))
  await plain.closed()
  expect(plain.rest()).not.toContain('HTTP/1.1 2')
  expect(await counted(gate, 'ecluse_strangers_total', { reason: 'unparsed' })).toBe(before + 3)
  expect(await accesses(gate)).toStrictEqual([])
  expect((await status(gate.port, token, new Agent())).status).toBe(200)
})

test('a handshake that does not come is not waited for', async () => {
  const { gate } = await gateOverTls((tree) => {
    const listeners = tree['listeners'] as Record<string, Tree>
    listeners['gate'] = { ...listeners['gate'], limits: { headers_seconds: 1 } }
  })
  const line = await wire(gate.port)
  await line.closed(4000)
  const slow = await wire(gate.port)
  slow.send(Buffer.from([0x16, 0x03, 0x01]))
  await slow.closed(4000)
  expect(slow.rest()).toBe('')
})

test('a new certificate is taken in place, under load; a broken one is not', async () => {
  const { gate, token, files } = await gateOverTls()
  const kept = new Agent({ keepAlive: true, maxSockets: 2 })
  const serials = new Set<string>()
  const statuses = new Set<number>()
  let running = true
  const load = Promise.all(
    [kept, undefined].map(async (agent) => {
      while (running) {
        const told = await status(gate.port, token, agent ?? new Agent())
        statuses.add(told.status)
        serials.add(told.serial)
      }
    }),
  )
  const serialNow = async (): Promise<string> => (await status(gate.port, token, new Agent())).serial
  const first = await serialNow()
  const next = ours.sign(`next${Math.random()}`, { names: HERE })
  copyFileSync(next.certificate, files.certificate)
  copyFileSync(next.key, files.key)
  expect(await gate.gate.reload()).toStrictEqual([])
  const second = await serialNow()
  expect(second).not.toBe(first)

  // A half-written file, then a key that is not the certificate's: the one in force stays, and the gate says so.
  writeFileSync(files.certificate, next.pem.cert.slice(0, 200))
  await gate.gate.reload()
  expect(await serialNow()).toBe(second)
  copyFileSync(ours.sign(`third${Math.random()}`, { names: HERE }).certificate, files.certificate)
  await gate.gate.reload()
  expect(await serialNow()).toBe(second)
  expect(gate.log.filter((each) => each.includes('the certificate of the listener is not taken'))).toHaveLength(2)
  expect(await (await fetch(`${gate.ops}/readyz`)).text()).toContain('"config":"stale"')

  running = false
  await load
  kept.destroy()
  expect([...statuses]).toStrictEqual([200])
  expect(serials).toStrictEqual(new Set([first, second]))
})
