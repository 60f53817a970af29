/**
 * Clients that prove who they are by a TLS certificate: the gate's own listener has asked for it and seen the proof of
 * its key, so that only the certificate of this very connection counts. What a header says of one is a word of anybody's.
 */
import { X509Certificate } from 'node:crypto'
import { request } from 'node:https'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Entry, GateProcess } from '../../harness/gate.ts'
import { aGateProcess, removeFolder } from '../../harness/gate.ts'
import type { FakeHolder } from '../../harness/holder.ts'
import { fakeHolder } from '../../harness/holder.ts'
import type { Tree } from '../../harness/settings.ts'
import { today } from '../../harness/settings.ts'
import type { Authority, Certificate } from './certificates.ts'
import { anAuthority } from './certificates.ts'
import { recordedBy, TARGET } from './given.ts'

type Name = 'viriya' | 'ended' | 'office' | 'unnamed' | 'unknown'
let authority: Authority
let shown: Readonly<Record<Name, Certificate>>
let holder: FakeHolder
let gate: GateProcess

beforeAll(async () => {
  authority = anAuthority()
  const sign = (name: string, days?: number): Certificate =>
    authority.sign(name, { names: 'DNS:client.test', ...(days !== undefined && { days }) })
  shown = { viriya: sign('viriya'), ended: sign('ended', -1), office: sign('office'), unnamed: sign('unnamed'), unknown: sign('unknown') }
  const listener = authority.sign('gate', { names: 'IP:127.0.0.1' })
  holder = await fakeHolder()
  gate = await aGateProcess({
    holder,
    change(tree) {
      const listeners = tree['listeners'] as Record<string, Tree>
      const tls = { certificate: listener.certificate, key: listener.key, client_certificates: true }
      listeners['gate'] = { ...listeners['gate'], tls }
      const [viriya, office, domoticz] = tree['clients'] as [Tree, Tree, Tree]
      Object.assign(viriya, { identifies_by: ['bearer', 'certificate'], certificates: [sha256(shown.viriya), sha256(shown.ended)] })
      Object.assign(office, { identifies_by: ['certificate'], certificates: [sha256(shown.office)] })
      // Its certificate is known, and is no way of its own.
      Object.assign(domoticz, { certificates: [sha256(shown.unnamed)] })
    },
  })
  await gate.permit({ id: 'p1', from: today(-100), until: today(-10) })
})
afterAll(async () => {
  await gate.stop()
  removeFolder(gate)
  await holder.close()
  authority.remove()
})

function sha256({ pem }: Certificate): string {
  return new X509Certificate(pem.cert).fingerprint256.replaceAll(':', '').toLowerCase()
}

interface Told {
  readonly status: number
  readonly reason: string | undefined
}
/** Asks under a certificate, or under none, on a connection of its own. */
function ask(name: Name | null, headers: Readonly<Record<string, string>> = {}): Promise<Told> {
  const proof = name === null ? {} : shown[name].pem
  return new Promise((resolve, reject) => {
    const asked = request(
      { host: '127.0.0.1', port: gate.port, path: TARGET, ca: authority.pem, agent: false, headers, ...proof },
      (answer) => {
        const reason = answer.headers['ecluse-reason']
        answer
          .resume()
          .once('end', () => resolve({ status: answer.statusCode ?? 0, reason: typeof reason === 'string' ? reason : undefined }))
      },
    )
    asked.once('error', reject)
    asked.end()
  })
}
const STRANGER: Told = { status: 401, reason: 'token_invalid' }

/** Nobody is asked, and a stranger has no entry. */
async function isAStranger(told: () => Promise<Told>): Promise<void> {
  const calls = holder.calls.length
  expect(await recordedBy(gate, async () => expect(await told()).toStrictEqual(STRANGER))).toStrictEqual([])
  expect(holder.calls).toHaveLength(calls)
}

test('a certificate that the settings know is its client: what that one may read comes', async () => {
  const entries: readonly Entry[] = await recordedBy(gate, async () =>
    expect(await ask('viriya')).toStrictEqual({ status: 200, reason: undefined }),
  )
  expect(entries).toMatchObject([{ t: 'access.intent', client: 'viriya' }, { t: 'access.outcome' }])
})

test('the certificate of another client is that other client, who may read nothing here', async () => {
  const calls = holder.calls.length
  const entries = await recordedBy(gate, async () => expect(await ask('office')).toStrictEqual({ status: 403, reason: 'no_permission' }))
  expect(entries).toMatchObject([{ t: 'access.refused', client: 'office' }])
  expect(holder.calls).toHaveLength(calls)
})

test.each<[string, Name | null]>([
  ['no certificate', null],
  ['a certificate that nobody knows, of the same authority', 'unknown'],
  ['the certificate of a client that does not identify by it', 'unnamed'],
  ['a known certificate that has ended', 'ended'],
])('%s is a stranger', async (_what, name) => {
  await isAStranger(() => ask(name))
})

test('beside a credential a certificate counts for nothing', async () => {
  await isAStranger(() => ask('viriya', { Authorization: 'Bearer nobody-knows-it' }))
  await isAStranger(() => ask('viriya', { Authorization: 'Negotiate abc' }))
})

test.each<[string, (known: Certificate) => Readonly<Record<string, string>>]>([
  ['X-Client-Cert', ({ pem }) => ({ 'X-Client-Cert': encodeURIComponent(pem.cert) })],
  ['X-SSL-Cert', ({ pem }) => ({ 'X-SSL-Cert': pem.cert.trim().replaceAll('\n', ' ') })],
  ['X-SSL-Client-Cert', ({ pem }) => ({ 'X-SSL-Client-Cert': encodeURIComponent(pem.cert), 'X-SSL-Client-Verify': 'SUCCESS' })],
  ['X-SSL-Client-SHA256', (known) => ({ 'X-SSL-Client-SHA256': sha256(known), 'X-Client-Cert-SHA256': sha256(known) })],
  [
    'X-Forwarded-Client-Cert',
    (known) => ({ 'X-Forwarded-Client-Cert': `Hash=${sha256(known)};Cert="${encodeURIComponent(known.pem.cert)}";Subject="CN=viriya"` }),
  ],
  ['Client-Cert (RFC 9440)', ({ pem }) => ({ 'Client-Cert': `:${new X509Certificate(pem.cert).raw.toString('base64')}:` })],
])('%s does nothing, under no certificate or under that of nobody', async (_name, headers) => {
  await isAStranger(() => ask(null, headers(shown.viriya)))
  await isAStranger(() => ask('unknown', headers(shown.viriya)))
})

test('nor does it lend another client’s name to one that is known', async () => {
  const header = { 'X-Forwarded-Client-Cert': `Hash=${sha256(shown.viriya)}`, 'X-Client-Cert': encodeURIComponent(shown.viriya.pem.cert) }
  expect(await ask('office', header)).toStrictEqual({ status: 403, reason: 'no_permission' })
})
