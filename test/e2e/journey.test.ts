/**
 * A consent from the question to the read and its end, through a browser, the gate and the simulated Enedis: what is on
 * record after it, act by act, document by document, entry by entry.
 */
import { createHash } from 'node:crypto'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Entry } from '../harness/gate.ts'
import { bearer, curve } from '../harness/gate.ts'
import { today } from '../harness/settings.ts'
import type { Page } from '../harness/walker.ts'
import { mainOf } from '../harness/walker.ts'
import type { House, Recorded } from './journey-given.ts'
import {
  aHouse,
  APPLICATION,
  BIG_ID,
  BOTH_WAYS,
  CALLBACK,
  DAYS_ONLY,
  HOUSE,
  PRODUCER,
  recorded,
  REVOKES,
  THREE,
  ticked,
  tokenOn,
} from './journey-given.ts'

const execute = promisify(execFile)
const main = join(import.meta.dirname, '..', '..', 'src', 'cli', 'main.ts')

const sha256 = (bytes: string | Buffer): string => createHash('sha256').update(bytes).digest('hex')
const daily = (meter: string): string =>
  `/mesure_synchrone_auto/v2/consommation_quotidienne?pointId=${meter}&dateDebut=${today(-5)}&dateFin=${today(-2)}`

describe.each(['v2', 'v1'] as const)('with the consent page %s', (generation) => {
  let house: House
  beforeAll(async () => {
    house = await aHouse(generation)
  })
  afterAll(() => house.stop())

  describe('a person ticks days and half-hours, not what is fed in and not advice', () => {
    let done: Page
    let asked: Page
    let mine: Recorded
    let before: number
    let entries: readonly Entry[]
    const documents = new Map<string, Buffer>()
    beforeAll(async () => {
      const { gate } = house
      before = Date.now()
      const browser = house.browser()
      asked = await browser.get(`${gate.url}/consent/new?client=viriya`)
      const enedis = await browser.submit(asked, ticked(['l1', 'l2']))
      done = await browser.get((await house.accepted(browser, enedis, BIG_ID)).href)
      entries = await gate.entries()
      const all = await recorded(gate)
      if (all.length !== 1 || !all[0]) throw new Error(`${all.length} permissions on record`)
      mine = all[0]
      for (const { kind, sha256: hash } of mine.attachments) documents.set(kind, await documentOf(hash))
    })
    async function documentOf(hash: string): Promise<Buffer> {
      const { gate } = house
      const numbers = entries.filter((e) => e.t.startsWith('consent.')).map((e) => e.n)
      const { ticket } = await gate.command<{ ticket: string }>('audit begin', { select: { entries: numbers }, why: 'the test reads it' })
      const text = await gate.command<string | null>('audit attachment', { ticket, permission: mine.id, sha256: hash })
      return Buffer.from(text ?? '', 'base64')
    }

    test('is told so, with a token and a receipt', () => {
      expect(done.status).toBe(200)
      expect(done.way.at(-1)).toMatch(/\/consent\/[A-Za-z0-9_-]{32}\/check$/)
      expect(mainOf(done)).toContain('Viriya peut lire ce que vous avez coché')
      expect(tokenOn(done)).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+$/)
      expect(mainOf(done)).toContain(`/receipts/${mine.id}`)
    })

    test('has a permission of what was ticked, and no more', () => {
      expect(mine).toMatchObject({ client: 'viriya', status: 'active', endReason: null })
      const { content } = mine
      expect(content.meter).toBe(`prm:${BIG_ID}`)
      expect(
        content.scope.lines.map(({ id, kind, direction, finest, data }) => ({ id, kind, direction, finest, from: data.from })),
      ).toStrictEqual([
        { id: 'l1', kind: 'daily_energy', direction: 'withdrawal', finest: 'P1D', from: today(-365) },
        { id: 'l2', kind: 'load_curve', direction: 'withdrawal', finest: 'PT30M', from: today(-60) },
      ])
      expect(content['unverified']).toBe(false)
      expect(content.identity).toStrictEqual({ method: 'dso_account', strength: 'S3' })
      expect(content['holderMatch']).toStrictEqual({ method: 'dso_asserted', result: 'exact' })
      expect(content.bindings).toStrictEqual([{ provider: 'enedis-data-connect', account: 'main', ready: true }])
      // Beyond what a double holds: digit by digit as Enedis numbers it.
      expect(content.share.authorisation).toBe('9007199254740993')
      expect(content.holder.reference).toBe('enedis:main:9007199254740993')
      const year = (Date.parse(mine.validUntil) - before) / 86_400_000
      expect(year).toBeGreaterThan(363)
      expect(year).toBeLessThan(367)
    })

    test('has its acts in order, each by who did it and when it happened', () => {
      expect(mine.acts.map(({ type, status, details }) => [type, status, details.role])).toStrictEqual([
        ['create', 'draft', 'gate'],
        ['request', 'requested', 'gate'],
        ['send', 'awaiting_confirmation', 'gate'],
        ['give', 'awaiting_check', 'contract_holder'],
        ['activate', 'active', 'gate'],
      ])
      expect(mine.acts.every(({ details }) => details.channel === 'web')).toBe(true)
      const [create, request, send, give, activate] = mine.acts.map(({ details }) => Date.parse(details.occurredAt ?? ''))
      expect(create).toBe(request)
      expect([request, give, send, activate]).toStrictEqual([request, give, send, activate].toSorted((a, b) => (a ?? 0) - (b ?? 0)))
      expect(request).toBeGreaterThanOrEqual(before)
      expect(activate).toBeLessThanOrEqual(Date.now())
      expect(mine.attachments.map((a) => a.kind).toSorted()).toStrictEqual(['dso_redirect_trace', 'receipt', 'ui_capture'])
    })

    test('has the page that was shown, but for the secret of its form', () => {
      const page = documents.get('ui_capture')?.toString() ?? ''
      expect(page).toBe(asked.text.replace(/<input type="hidden" name="form" value="[^"]*" \/>/, ''))
      expect(page).not.toContain('name="form"')
      expect(mine.content.notice).toStrictEqual({ id: 'viriya/ask', version: '7', sha256: sha256(page), language: 'fr' })
    })

    test('has the trace of the redirect: what was ticked, what came back, what Enedis said', () => {
      const trace = JSON.parse(documents.get('dso_redirect_trace')?.toString() ?? '') as {
        readonly ticked: readonly { readonly id: string }[]
        readonly services: readonly { readonly meter: string; readonly kind: string; readonly authorisation: string }[]
        readonly [more: string]: unknown
      }
      const { state } = Object.fromEntries(new URL(done.way[0] ?? '').searchParams)
      expect(trace).toMatchObject({ generation, duration: 'P1Y', stateSha256: sha256(state ?? '') })
      expect(trace['callback']).toStrictEqual(generation === 'v2' ? { authorisation: '9007199254740993' } : { meters: [`prm:${BIG_ID}`] })
      expect(trace.ticked.map((l) => l.id)).toStrictEqual(['l1', 'l2'])
      expect(new Set(trace.services.map((s) => s.kind))).toStrictEqual(new Set(['load_curve', 'daily_energy', 'index', 'max_power']))
      expect(trace.services.every((s) => s.meter === `prm:${BIG_ID}` && s.authorisation === '9007199254740993')).toBe(true)
      expect(JSON.stringify(trace)).not.toContain(state)
    })

    test('has a receipt with every field that ISO/IEC TS 27560 asks for', () => {
      const receipt = JSON.parse(documents.get('receipt')?.toString() ?? '') as Record<string, unknown>
      for (const field of [
        'schema_version',
        'record_id',
        'pii_principal_id',
        'privacy_notice',
        'language',
        'dpv:hasProcess',
        'pii_controllers',
        'storage_locations',
        'retention_period',
        'jurisdiction',
        'recipient_third_parties',
        'withdrawal_method',
        'events',
        '@context',
      ])
        expect([field, receipt[field] ?? null]).not.toStrictEqual([field, null])
      expect(receipt).toMatchObject({
        schema_version: 'https://w3id.org/dpv/schema/dpv-27560#receipt-eu-gdpr',
        record_id: mine.id,
        pii_principal_id: mine.content.holder.reference,
        privacy_notice: { id: 'viriya/ask', version: '7', sha256: mine.content.notice.sha256 },
        language: 'fr',
        recipient_third_parties: ['Hébergeur <b>Exemple</b>'],
        withdrawal_method: `${house.gate.url}/me`,
        pii_controllers: [{ name: 'Viriya SAS', contact: 'dpo@viriya.example', party_type: 'dpv:DataController' }],
        'dpv:hasProcess': [
          { 'dpv:hasPersonalData': 'daily_energy', 'dpv:hasLegalBasis': 'eu-gdpr:A6-1-a', 'ext:granularity': 'P1D' },
          { 'dpv:hasPersonalData': 'load_curve', 'dpv:hasLegalBasis': 'eu-gdpr:A6-1-a', 'ext:granularity': 'PT30M' },
        ],
        events: [
          { event_type: 'dpv:ConsentGiven', event_state: 'given', entity_id: mine.content.holder.reference },
          { event_state: 'active', entity_id: 'Enedis' },
        ],
      })
      const activated = entries.find((e) => e.t === 'consent.activate')
      expect(receipt['ext:scopeHash']).toBe(activated?.['scope'] ?? activated?.['scope_hash'] ?? receipt['ext:scopeHash'])
      expect(receipt['ext:scopeHash']).toMatch(/^sha256:[0-9a-f]{64}$/)
      for (const { event_time: at } of receipt['events'] as { event_time: string }[])
        expect(new Date(at).getTime()).toBeGreaterThanOrEqual(before - 1)
    })

    test('is in the log: the acts, and what the gate itself asked Enedis, each question with its one outcome', () => {
      expect(entries.filter((e) => e.t.startsWith('consent.')).map((e) => e.t)).toStrictEqual([
        'consent.create',
        'consent.request',
        'consent.send',
        'consent.give',
        'consent.activate',
      ])
      const intents = entries.filter((e) => e.t === 'admin.intent')
      const outcomes = entries.filter((e) => e.t === 'admin.outcome')
      expect(intents).toHaveLength(1)
      expect(intents[0]).toMatchObject({
        purpose: 'permission_admin',
        api: 'subscribed_services',
        dso: 'enedis-data-connect/main',
        why: 'journey',
      })
      expect(outcomes.map((e) => e['intent'])).toStrictEqual(intents.map((e) => e.n))
      expect(outcomes[0]).toMatchObject({ result: 'delivered', status: 200, services: 4 })
      const text = JSON.stringify(entries) + house.gate.log.join('')
      for (const secret of [BIG_ID, '9007199254740993', tokenOn(done)]) expect(text).not.toContain(secret)
    })

    test('lets its client read what was ticked, and nothing else', async () => {
      const { gate } = house
      const token = await gate.token('viriya')
      const ask = async (path: string, with_: string) => (await fetch(gate.url + path, bearer(with_))).status
      expect(await ask(daily(BIG_ID), token)).toBe(200)
      expect(await ask(daily(BIG_ID), tokenOn(done))).toBe(200)
      expect(await ask(curve(BIG_ID, today(-20), today(-18)), token)).toBe(200)
      const peak = `/mesure_synchrone_auto/v2/puissance_conso_max_quotidienne?pointId=${BIG_ID}&dateDebut=${today(-5)}&dateFin=${today(-2)}`
      expect(await ask(peak, token)).not.toBe(200)
      expect(await ask(daily(BIG_ID), await gate.token('office'))).toBe(403)
      expect(await ask(daily(HOUSE), token)).toBe(403)
    })

    test('ends when it is withdrawn, and the token with it', async () => {
      const { gate } = house
      await gate.command('permission withdraw', { permission: mine.id })
      expect((await fetch(gate.url + daily(BIG_ID), bearer(tokenOn(done)))).status).not.toBe(200)
      expect((await fetch(gate.url + daily(BIG_ID), bearer(await gate.token('viriya')))).status).toBe(403)
    })

    test('leaves a log that verifies', async () => {
      const { gate } = house
      await gate.entries()
      const { stdout } = await execute(process.execPath, [main, 'audit', 'verify', gate.state])
      expect(stdout).toContain('verified')
    })
  })

  test('advice is a permission of the client whose purpose it is, with its own receipt', async () => {
    const had = new Set((await recorded(house.gate)).map((p) => p.id))
    await house.gives(house.browser(), [PRODUCER], ['l3', 'l4'])
    // The meter feeds in only: what was ticked of its consumption is not shared, and nobody gets it.
    const made = (await recorded(house.gate)).filter((p) => !had.has(p.id))
    expect(made.map((p) => [p.client, p.content.scope.lines.map((l) => l.direction)])).toStrictEqual([['viriya', ['injection']]])
    await house.gives(house.browser(), [BOTH_WAYS], ['l1', 'l3', 'l4'])
    const both = (await recorded(house.gate)).filter((p) => p.content.meter === `prm:${BOTH_WAYS}`)
    expect(both.map((p) => [p.client, p.content.scope.lines.map((l) => l.id)]).toSorted()).toStrictEqual([
      ['office', ['l4']],
      ['viriya', ['l1', 'l3']],
    ])
    expect(new Set(both.map((p) => p.content['bundleId'])).size).toBe(1)
    expect(both.every((p) => p.attachments.some((a) => a.kind === 'receipt'))).toBe(true)
  })

  test('a meter without a curve gives the days alone', async () => {
    await house.gives(house.browser(), [DAYS_ONLY])
    const [made] = (await recorded(house.gate)).filter((p) => p.content.meter === `prm:${DAYS_ONLY}`)
    expect(made?.content.scope.lines.map((l) => l.kind)).toStrictEqual(['daily_energy'])
  })

  test('what is deleted at Enedis right after it was given gives nothing', async () => {
    const page = await house.gives(house.browser(), [REVOKES])
    expect(mainOf(page)).toContain('Enedis enregistre votre partage')
    expect((await recorded(house.gate)).filter((p) => p.content.meter === `prm:${REVOKES}`)).toStrictEqual([])
  })

  test.each([
    ['v2', HOUSE],
    ['v1', '30000000000002'],
  ] as const)('a client that speaks Data Connect %s is sent back with what Enedis confirmed', async (speaks, meter) => {
    const browser = house.browser()
    const start = `/dataconnect/${speaks}/oauth2/authorize?client_id=viriya&response_type=code&state=of-the-client&duration=P6M`
    const end = await house.gives(browser, [meter], ['l1'], start)
    const left = new URL(end.left ?? '')
    expect(left.origin + left.pathname).toBe(CALLBACK)
    const [made] = (await recorded(house.gate)).filter((p) => p.content.meter === `prm:${meter}`)
    expect(Object.fromEntries(left.searchParams)).toStrictEqual(
      speaks === 'v2'
        ? { autorisation_id: made?.content.share.authorisation, state: 'of-the-client' }
        : { code: expect.stringMatching(/^[\w-]{20,}$/), usage_point_id: meter, state: 'of-the-client' },
    )
    const half = (Date.parse(made?.validUntil ?? '') - Date.now()) / 86_400_000
    expect(half).toBeGreaterThan(175)
    expect(half).toBeLessThan(190)
  })

  test('of several meters the person says which', async () => {
    if (generation === 'v2') {
      for (const meter of THREE) house.sandbox.share({ prm: meter, clientId: APPLICATION.clientId })
      house.sandbox.revoke(THREE[0])
    }
    const browser = house.browser()
    const choice = await house.gives(browser, generation === 'v1' ? THREE : [THREE[0]], ['l1'])
    expect(mainOf(choice)).toContain('Quels compteurs')
    expect(mainOf(choice)).not.toContain('checked')
    for (const meter of THREE) expect(mainOf(choice)).toContain(meter)
    const none = await browser.submit(choice, [])
    expect([none.status, mainOf(none).includes('role="alert"')]).toStrictEqual([422, true])
    expect((await recorded(house.gate)).some((p) => p.content.meter === `prm:${THREE[1]}`)).toBe(false)
    const end = await browser.submit(none, [
      ['meter', `prm:${THREE[1]}`],
      ['meter', `prm:${THREE[2]}`],
    ])
    expect(end.status).toBe(200)
    const made = (await recorded(house.gate)).filter((p) => THREE.some((meter) => p.content.meter === `prm:${meter}`))
    expect(made.map((p) => p.content.meter).toSorted()).toStrictEqual([`prm:${THREE[1]}`, `prm:${THREE[2]}`])
  })

  test('every question of the gate has one outcome, in the end', async () => {
    const entries = await house.gate.entries()
    const intents = entries.filter((e) => e.t === 'admin.intent').map((e) => e.n)
    const outcomes = entries.filter((e) => e.t === 'admin.outcome').map((e) => Number(e['intent']))
    expect(outcomes.toSorted((a, b) => a - b)).toStrictEqual(intents)
  })
})
