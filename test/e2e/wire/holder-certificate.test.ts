/**
 * The gate in front of a data holder that takes nobody without a client certificate, as Enedis SGE does: which
 * certificate it shows, what comes where it is none or another's, and a renewal without a restart. The gate is a process
 * of its own; the holder notes whose certificate each request came under.
 */
import { X509Certificate } from 'node:crypto'
import { copyFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo, Server } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import type { GateProcess } from '../../harness/gate.ts'
import { aGateProcess, bearer, removeFolder } from '../../harness/gate.ts'
import type { Tree } from '../../harness/settings.ts'
import { today } from '../../harness/settings.ts'
import { fixture, PATHS, POINT } from '../../unit/enedis-sge/given.ts'
import type { Authority, Certificate } from './certificates.ts'
import { anAuthority } from './certificates.ts'
import { recordedBy } from './given.ts'

let ours: Authority
let theirs: Authority
beforeAll(() => {
  ours = anAuthority()
  theirs = anAuthority()
})
afterAll(() => {
  ours.remove()
  theirs.remove()
})

const HERE = 'IP:127.0.0.1'
const dated = (name: string): string =>
  fixture(name).replaceAll('2025-11-01', today(-10)).replaceAll('2025-11-02', today(-9)).replaceAll('2026-03-01', today(-8))

interface Seen {
  readonly fingerprint: string
  readonly authorization: string | undefined
}
/** Answers whoever shows a certificate of its authority, on a connection of its own each time. `refused` counts the handshakes that failed. */
async function aHolder(authority: Authority): Promise<{ readonly url: string; readonly seen: Seen[]; readonly refused: () => number }> {
  const seen: Seen[] = []
  let refused = 0
  const own = ours.sign(`holder${Math.random()}`, { names: HERE })
  const server: Server = createServer({ ...own.pem, ca: authority.pem, requestCert: true, rejectUnauthorized: true }, (message, res) => {
    const shown = (message.socket as TLSSocket).getPeerX509Certificate()
    seen.push({ fingerprint: shown?.fingerprint256 ?? 'none', authorization: message.headers.authorization })
    message.resume().once('end', () => {
      res.writeHead(200, { 'Content-Type': 'text/xml; charset=utf-8', Connection: 'close' })
      res.end(dated('cmd-v3-response-energie'))
    })
  }).on('tlsClientError', () => (refused += 1))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  return { url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`, seen, refused: () => refused }
}

async function aGateTo(url: string, account: Tree): Promise<{ readonly gate: GateProcess; readonly ask: () => Promise<Told> }> {
  const gate = await aGateProcess({
    holderUrl: url,
    change(tree) {
      ;(tree['providers'] as Tree)['enedis-sge'] = {
        url,
        ca: ours.file,
        allow_private: true,
        accounts: [
          {
            id: 'enedis-sge',
            login: 'operateur.sge@example.org',
            contract: '1234567',
            quota: { per_second: 1000, per_hour: 1_000_000 },
            ...account,
          },
        ],
      }
    },
  })
  onTestFinished(async () => {
    await gate.stop()
    removeFolder(gate)
  })
  const line = { kind: 'daily_energy', direction: 'withdrawal', finest: 'P1D', purpose: 'self_view', from: today(-20), until: today(0) }
  await gate.permit({ id: 'soap', meter: POINT, provider: 'enedis-sge', lines: [line] })
  const { headers } = bearer(await gate.token())
  const ask = async (): Promise<Told> => {
    const answer = await fetch(gate.url + PATHS['cmd-v3'], {
      method: 'POST',
      headers: { ...headers, 'Content-Type': 'text/xml; charset=utf-8', SOAPAction: '""' },
      body: dated('cmd-v3-request-energie'),
    })
    const text = await answer.text()
    const code = /<resultat code="(\w+)">/.exec(text)?.[1]
    return { status: answer.status, reason: answer.headers.get('ecluse-reason'), code, readings: text.match(/<v>/g)?.length ?? 0 }
  }
  return { gate, ask }
}
interface Told {
  readonly status: number
  readonly reason: string | null
  readonly code: string | undefined
  readonly readings: number
}
const GIVEN: Told = { status: 200, reason: null, code: undefined, readings: 2 }
const DOWN: Told = { status: 500, reason: 'holder_down', code: 'ECL503', readings: 0 }

/** Files of their own, as they are installed and later replaced. */
function installed({ certificate, key }: Certificate): { readonly certificate: string; readonly key: string } {
  const files = { certificate: `${certificate}.installed`, key: `${key}.installed` }
  copyFileSync(certificate, files.certificate)
  copyFileSync(key, files.key)
  return files
}
const fingerprintOf = ({ pem }: Certificate): string => new X509Certificate(pem.cert).fingerprint256

test('the holder sees the certificate of the account, and that alone', async () => {
  const holder = await aHolder(theirs)
  const mine = theirs.sign('account', { names: 'DNS:gate.test' })
  const { ask } = await aGateTo(holder.url, { tls: installed(mine) })
  expect(await ask()).toStrictEqual(GIVEN)
  expect(holder.seen).toStrictEqual([{ fingerprint: fingerprintOf(mine), authorization: undefined }])
})

test('a user and a password go with it where the settings have them', async () => {
  const holder = await aHolder(theirs)
  const mine = theirs.sign('account-basic', { names: 'DNS:gate.test' })
  const basic = { user: 'operateur', password: { env: 'TEST_ENEDIS_SECRET' } }
  const { ask } = await aGateTo(holder.url, { tls: installed(mine), basic })
  expect(await ask()).toStrictEqual(GIVEN)
  const authorization = `Basic ${Buffer.from('operateur:holder-client-secret-canary').toString('base64')}`
  expect(holder.seen).toStrictEqual([{ fingerprint: fingerprintOf(mine), authorization }])
})

test.each<[string, () => Certificate | undefined]>([
  ['no certificate', () => undefined],
  ['a certificate of another authority', () => ours.sign('stranger', { names: 'DNS:gate.test' })],
  ['a certificate that has ended', () => theirs.sign('ended', { names: 'DNS:gate.test', days: -1 })],
])('with %s nothing comes, and the client is told that the holder is down', async (_name, shown) => {
  const holder = await aHolder(theirs)
  const own = shown()
  const { gate, ask } = await aGateTo(holder.url, own ? { tls: installed(own) } : {})
  const entries = await recordedBy(gate, async () => expect(await ask()).toStrictEqual(DOWN))
  expect(holder.seen).toStrictEqual([])
  expect(holder.refused()).toBe(1)
  expect(entries).toMatchObject([{ t: 'access.intent' }, { t: 'access.outcome', holderBytes: 0, bytes: 0 }])
})

test('a renewed certificate is shown from the next connection on, without a restart; half renewed, nobody is called', async () => {
  const holder = await aHolder(theirs)
  const [first, second] = ['first', 'second'].map((name) => theirs.sign(name, { names: 'DNS:gate.test' })) as [Certificate, Certificate]
  const files = installed(first)
  const { gate, ask } = await aGateTo(holder.url, { tls: files })
  expect(await ask()).toStrictEqual(GIVEN)

  // There is no key; then the certificate is there and its key is still the old one.
  rmSync(files.key)
  const entries = await recordedBy(gate, async () => expect(await ask()).toStrictEqual(DOWN))
  expect(entries).toMatchObject([{ t: 'access.intent' }, { t: 'access.outcome', result: 'not_sent', holderBytes: 0, bytes: 0 }])
  copyFileSync(second.certificate, files.certificate)
  copyFileSync(first.key, files.key)
  expect(await ask()).toStrictEqual(DOWN)

  copyFileSync(second.key, files.key)
  expect(await ask()).toStrictEqual(GIVEN)
  expect(holder.seen.map(({ fingerprint }) => fingerprint)).toStrictEqual([fingerprintOf(first), fingerprintOf(second)])
  expect(holder.refused()).toBe(0)
  expect(gate.child.exitCode).toBeNull()
})
