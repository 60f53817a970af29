/**
 * A signed mandate on its way through the person's page: what a browser sends, and what no browser would. What is not
 * taken leaves no document and no act.
 */
import { once } from 'node:events'
import { connect } from 'node:net'
import { gzipSync } from 'node:zlib'
import { zipSync } from 'fflate'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { MOST_PAPER_BYTES } from '../../src/domain/paper.ts'
import { identityRoom } from '../../src/portal/identity/routes.ts'
import { personRoom } from '../../src/portal/person/routes.ts'
import type { PermissionRecord } from '../../src/permissions/record.ts'
import type { Scanned } from '../../src/runtime/scan.ts'
import { aPdf, aPng } from '../harness/papers.ts'
import type { Answer, Browser, TestPortal } from '../harness/portal.ts'
import { aPortal } from '../harness/portal.ts'

const FORM = aPdf('the form')
const SIGNED = aPdf('signed by hand')
let house: TestPortal
let ada: Browser
let field: string
let next = 0
let mandate: string
let word: Scanned | Promise<Scanned> = 'clean'
let scans = 0

beforeAll(async () => {
  house = await aPortal({
    rooms: (parts) => {
      Object.assign(parts, { scan: () => ((scans += 1), Promise.resolve(word)) })
      return [personRoom(undefined), identityRoom(undefined)]
    },
  })
})
afterAll(() => house.close())

beforeEach(async () => {
  word = 'clean'
  mandate = `mandate-${(next += 1)}`
  await house.permit({ id: mandate, provider: 'enedis-sge', mandate: true, holder: { kind: 'natural', reference: mandate, name: 'Ada' } })
  await house.state.client.call('issueMandate', { permission: mandate, form: FORM, now: Date.now() })
  ada = await house.visitor(mandate)
  field = fieldOf(await ada.get(`/me/${mandate}`))
})

const fieldOf = (page: Answer): string => /name="form" value="([^"]+)"/.exec(page.text)?.[1] ?? ''
const shown = (): Promise<PermissionRecord> => house.state.client.call('showPermission', { permission: mandate })
const untouched = async (): Promise<void> => {
  const { status, attachments } = await shown()
  expect(status).toBe('awaiting_confirmation')
  expect(attachments.map(({ kind }) => kind)).toStrictEqual(['mandate_form'])
}

type Part = readonly [name: string, value: string] | readonly [name: string, bytes: Buffer, file: string, type?: string]
async function send(parts: readonly Part[], headers: Readonly<Record<string, string>> = {}, browser = ada): Promise<Answer> {
  const form = new FormData()
  for (const [name, value, file, type = 'application/pdf'] of parts) {
    if (typeof value === 'string') form.append(name, value)
    else form.append(name, new Blob([new Uint8Array(value)], { type }), file ?? '')
  }
  const cookie = [...browser.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
  const answer = await fetch(`${house.url}/me/${mandate}/mandate`, {
    method: 'POST',
    redirect: 'manual',
    body: form,
    headers: { cookie, origin: new URL(house.url).origin, 'sec-fetch-site': 'same-origin', 'accept-language': 'en', ...headers },
  })
  const bytes = Buffer.from(await answer.arrayBuffer())
  return { status: answer.status, headers: answer.headers, text: bytes.toString(), bytes }
}
const whole = (file: Buffer = SIGNED): readonly Part[] => [
  ['form', field],
  ['signed', file, 'x.pdf'],
]

describe('what is taken', () => {
  test('the signed mandate with what supports it; the names of the files are kept nowhere', async () => {
    const canary = 'Ada-Lovelace-canary.pdf'
    const answer = await send([
      ['form', field],
      ['signed', SIGNED, canary],
      ['power', aPng(10, 10), 'power.png', 'image/png'],
      ['bill', Buffer.alloc(0), ''],
    ])
    expect([answer.status, answer.headers.get('location')]).toStrictEqual([303, `/me/${mandate}`])
    const { status, attachments, acts } = await shown()
    expect(status).toBe('awaiting_check')
    expect(attachments.map(({ kind, mediaType }) => [kind, mediaType]).toSorted()).toStrictEqual([
      ['mandate_form', 'application/pdf'],
      ['representation_power', 'image/png'],
      ['signed_mandate', 'application/pdf'],
    ])
    expect(acts.at(-1)).toMatchObject({ type: 'give', details: { role: 'contract_holder', channel: 'web' } })
    expect(house.told.at(-1)).toMatchObject({ permission: mandate, status: 'awaiting_check' })
    house.secret.add(canary)
    expect((await ada.get(`/me/${mandate}`)).text).toContain('The operator checks them')
  })
  test('the form is downloaded as it was issued', async () => {
    const answer = await ada.get(`/me/${mandate}/mandate.pdf`)
    expect(answer.bytes.equals(FORM)).toBe(true)
    expect(answer.headers.get('content-type')).toBe('application/pdf')
    expect(answer.headers.get('content-security-policy')).toContain('sandbox')
    expect(answer.headers.get('cache-control')).toBe('no-store')
  })
  test('what it is, and not what the browser says that it is', async () => {
    await send([
      ['form', field],
      ['signed', aPng(10, 10), 'x.pdf', 'application/pdf'],
    ])
    expect((await shown()).attachments.find(({ kind }) => kind === 'signed_mandate')?.mediaType).toBe('image/png')
  })
})

describe('what is not taken, and says so', () => {
  test.each([
    ['no document', () => [['form', field]] as readonly Part[], 'Choose the signed document'],
    ['the blank form', () => whole(FORM), 'This is the blank form'],
    ['an archive', () => whole(Buffer.from(zipSync({ 'x.pdf': SIGNED }))), 'Archives are not opened'],
    ['a bomb', () => whole(gzipSync(Buffer.alloc(50_000_000))), 'Archives are not opened'],
    ['a picture that unfolds to four gigapixels', () => whole(aPng(65_000, 65_000)), 'too large'],
    ['a page with a script', () => whole(Buffer.from('<script>alert(1)</script>')), 'Send a PDF'],
    ['a document of more than 4 MB', () => whole(Buffer.alloc(MOST_PAPER_BYTES + 1, '%')), 'more than 4 MB'],
    ['the same document twice', () => [...whole(), ['power', SIGNED, 'y.pdf']] as readonly Part[], 'chosen twice'],
    ['a fourth document', () => [...whole(), ...['power', 'bill', 'more'].map((n): Part => [n, aPdf(n), n])], 'too many'],
    ['a document of a field of its own', () => [...whole(), ['receipt', aPdf('r'), 'r.pdf']] as readonly Part[], 'Send a PDF'],
    ['a field twice', () => [['form', field], ...whole()] as readonly Part[], 'damaged'],
  ])('%s', async (_what, parts, sentence) => {
    const answer = await send(parts())
    expect(answer.status).toBe(422)
    expect(answer.text).toContain('role="alert"')
    expect(answer.text).toContain(sentence)
    await untouched()
  })
  test.each([
    ['malware', 'infected', 'The malware scanner refused'],
    ['what the scanner could not look at', 'unknown', 'could not be scanned'],
  ] as const)('%s', async (_what, said, sentence) => {
    word = said
    const answer = await send(whole())
    expect([answer.status, answer.text.includes(sentence)]).toStrictEqual([422, true])
    await untouched()
  })
  test('a second one, once the first was taken', async () => {
    await send(whole())
    const answer = await send([
      ['form', field],
      ['signed', aPdf('another'), 'x.pdf'],
    ])
    expect(answer.status).toBe(422)
    expect((await shown()).attachments).toHaveLength(2)
  })
})

describe('what comes from elsewhere', () => {
  test.each([
    ['no token', () => [['signed', SIGNED, 'x.pdf']] as readonly Part[], {}],
    [
      'a token of another browser',
      () =>
        [
          ['form', 'A'.repeat(43)],
          ['signed', SIGNED, 'x.pdf'],
        ] as readonly Part[],
      {},
    ],
    [
      'its token behind its file',
      () =>
        [
          ['signed', SIGNED, 'x.pdf'],
          ['form', field],
        ] as readonly Part[],
      {},
    ],
    ['a page of another site', () => whole(), { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' }],
  ])('%s: refused before a byte of it is looked at', async (_what, parts, headers) => {
    scans = 0
    const answer = await send(parts(), headers)
    expect(answer.status).toBe(403)
    expect(scans).toBe(0)
    await untouched()
  })
  test('who is not signed in, or sees other permissions', async () => {
    expect((await send(whole(), {}, house.browser())).text).toContain('href="/me/enedis"')
    const mine = mandate
    await house.permit({ id: `other-${mine}`, holder: { kind: 'natural', reference: `other ${mine}` } })
    const other = await house.visitor(`other-${mine}`)
    expect((await send(whole(), {}, other)).status).toBe(404)
    await untouched()
  })
})

describe('what breaks', () => {
  test.each([
    ['no multipart', { 'content-type': 'application/x-www-form-urlencoded' }, 'form=x'],
    ['no boundary', { 'content-type': 'multipart/form-data' }, '--x\r\n\r\n--x--'],
    [
      'a body that ends in the middle',
      { 'content-type': 'multipart/form-data; boundary=x' },
      '--x\r\nContent-Disposition: form-data; name="signed"; filename="a"\r\n\r\nhalf',
    ],
  ])('%s', async (_what, headers, body) => {
    const cookie = [...ada.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const answer = await fetch(`${house.url}/me/${mandate}/mandate`, { method: 'POST', body, headers: { cookie, ...headers } })
    expect([403, 415, 422]).toContain(answer.status)
    await untouched()
  })
  test('a browser that goes away half-way: its place is free again', async () => {
    const cookie = [...ada.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const { port } = new URL(house.url)
    for (let n = 0; n < 4; n += 1) {
      const socket = connect(Number(port), '127.0.0.1')
      socket.on('error', () => undefined)
      await once(socket, 'connect')
      socket.write(
        `POST /me/${mandate}/mandate HTTP/1.1\r\nHost: ${new URL(house.url).host}\r\nCookie: ${cookie}\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: 900000\r\n\r\n--x\r\nContent-Disposition: form-data; name="form"\r\n\r\n${field}\r\n--x\r\nContent-Disposition: form-data; name="signed"; filename="a"\r\n\r\nhalf`,
      )
      await new Promise((resolve) => setTimeout(resolve, 50))
      socket.destroy()
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    await untouched()
    expect((await send(whole())).status).toBe(303)
  })
  test('more than two at once wait; nothing of theirs is read', async () => {
    let go: (one: Scanned) => void = () => undefined
    word = new Promise<Scanned>((resolve) => (go = resolve))
    const first = [send(whole()), send(whole())]
    await new Promise((resolve) => setTimeout(resolve, 200))
    const third = await send(whole())
    expect([third.status, third.headers.get('retry-after')]).toStrictEqual([503, '30'])
    go('clean')
    const statuses = (await Promise.all(first)).map(({ status }) => status)
    // One of them was taken, and only one.
    expect(statuses.toSorted()).toStrictEqual([303, 422])
    expect((await shown()).attachments).toHaveLength(2)
  })
})
