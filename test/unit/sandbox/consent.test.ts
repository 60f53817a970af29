/** The consent pages and the account of the simulated Enedis, as a browser without script meets them. */
import { request } from 'node:http'
import { describe, expect, test } from 'vitest'
import { addDays, addMonths } from '../../../src/domain/time.ts'
import { accept, aClient, aVisitor, CALLBACK, consentPage, CURVE_V5, DAILY_V5, HOUSE, REFUSE, TODAY, v5 } from './given.ts'

const CURVE_HOUSE = '30000000000001'
const DAYS_ONLY = '30000000000003'
const FIRST_OF_THREE = '30000000000009'
const ANOTHER_OF_THREE = '30000000000011'
const parameters = (to: URL | undefined): unknown => to && [to.origin + to.pathname, Object.fromEntries(to.searchParams)]

describe.each(['v1', 'v2'] as const)('the consent page of %s', (generation) => {
  test.each([
    ['no client', { client_id: undefined }, 400, 'missing_parameter'],
    ['no response type', { response_type: undefined }, 400, 'missing_parameter'],
    ['an empty duration', { duration: '' }, 400, 'missing_parameter'],
    ['another response type', { response_type: 'token' }, 400, 'invalid_response_type'],
    ['a state of 101 characters', { state: 'x'.repeat(101) }, 400, 'invalid_state'],
    ['hours', { duration: 'PT5H' }, 400, 'invalid_duration_format'],
    ['a bare P', { duration: 'P' }, 400, 'invalid_duration_format'],
    ['no day at all', { duration: 'P0D' }, 400, 'invalid_duration_format'],
    ['units in the wrong order', { duration: 'P1M1Y' }, 400, 'invalid_duration_format'],
    ['a day over three years', { duration: 'P3Y1D' }, 400, 'maximum_duration_exceeded'],
    ['37 months', { duration: 'P37M' }, 400, 'maximum_duration_exceeded'],
    ['an unknown client', { client_id: 'somebody-else' }, 403, 'unknown_client'],
    ['an unexpected argument', { scope: 'openid' }, 404, 'The requested URL was rejected.'],
  ])('refuses %s', async (_name, fields, status, said) => {
    const { see } = await aVisitor()
    const page = await see(consentPage(generation, fields))
    expect(page.status).toBe(status)
    expect(page.text).toContain(`<code>${said}</code>`)
    expect(page.text).not.toContain('<form')
  })

  test.each(['P6M', 'P1Y', 'P36M', 'P3Y', 'P1Y4M', 'P1095D', 'P156W', 'P1D'])('takes a duration of %s', async (duration) => {
    const { see } = await aVisitor()
    expect(await see(consentPage(generation, { duration, state: 'x'.repeat(100) }))).toMatchObject({ status: 200 })
  })

  test('refuses the same parameter twice', async () => {
    const { see } = await aVisitor()
    expect((await see(`${consentPage(generation)}&duration=P1Y`)).status).toBe(404)
  })

  test('is in French and in English, marked as simulated, without script, and sends its form to the application only', async () => {
    const { see } = await aVisitor()
    const target = consentPage(generation)
    const french = await see(target)
    const english = await see(`/en${target}`)
    const browser = await see(target, { headers: { 'Accept-Language': 'en-GB,fr;q=0.5' } })
    expect([french, english, browser].map(({ text }) => /<html lang="(..)">/.exec(text)?.[1])).toStrictEqual(['fr', 'en', 'en'])
    expect(french.text).toContain('ceci n’est pas Enedis')
    expect(english.text).toContain('this is not Enedis')
    expect(english.text).toContain('action="/en/dataconnect/')
    expect(french.text).not.toMatch(/<script|style="|onclick/)
    expect(french.headers.get('content-security-policy')).toContain("form-action 'self' http: https:;")
    const style = await see('/assets/ecluse.css')
    expect([style.status, style.headers.get('content-type')]).toStrictEqual([200, 'text/css; charset=utf-8'])
  })

  test('opens no page for an application without a callback address', async () => {
    const { get } = await aClient()
    const page = await get(consentPage(generation))
    expect(page.status).toBe(403)
    expect(page.text).toContain('<code>no_redirect_uri_registered</code>')
  })

  test('asks again when nothing was chosen, and ties the mistake to the choice', async () => {
    const { send, sandbox } = await aVisitor()
    const page = await send(consentPage(generation), accept())
    expect([page.status, page.to]).toStrictEqual([400, undefined])
    expect(page.text).toMatch(/role="alert" id="mistake"/)
    expect(page.text).toMatch(/<fieldset aria-describedby="mistake">/)
    expect(sandbox.shares('demo-application').filter((share) => share.state !== 'untouched')).toStrictEqual([])
  })

  test.each([
    ['a meter that its holder cannot share', accept('10000000000013')],
    ['a meter that is not there', accept('99999999999999')],
    ['no decision', [['meter', CURVE_HOUSE]] as const],
    [
      'another decision',
      [
        ['decision', 'maybe'],
        ['meter', CURVE_HOUSE],
      ] as const,
    ],
  ])('shares nothing for %s', async (_name, fields) => {
    const { send, services } = await aVisitor()
    const page = await send(consentPage(generation), fields)
    expect([page.status, page.to]).toStrictEqual([400, undefined])
    expect((await services({ pointId: [CURVE_HOUSE] })).list).toStrictEqual([])
  })

  test('can be unavailable', async () => {
    const { send, sandbox } = await aVisitor()
    sandbox.misbehave({ meter: 'consent', kind: 'status', status: 503 })
    expect((await send(consentPage(generation), accept(CURVE_HOUSE))).status).toBe(503)
    expect((await send(consentPage(generation), accept(CURVE_HOUSE))).status).toBe(303)
  })

  test('is not answered under a name that is not loopback', async () => {
    const { sandbox } = await aVisitor()
    const status = await new Promise((resolve, reject) => {
      const asked = request(`${sandbox.url}${consentPage(generation)}`, { headers: { Host: 'rebound.example' } }, (answer) => {
        answer.resume()
        resolve(answer.statusCode)
      })
      asked.on('error', reject).end()
    })
    expect(status).toBe(403)
  })
})

describe('v2', () => {
  test('a person accepts: the authorisation comes back, and no meter; then the data is there', async () => {
    const { send, get, services } = await aVisitor()
    expect((await get(v5(CURVE_V5, undefined, undefined, CURVE_HOUSE))).status).toBe(403)
    const { status, to } = await send(consentPage('v2'), accept(CURVE_HOUSE))
    expect(status).toBe(303)
    expect(parameters(to)).toStrictEqual([CALLBACK, { autorisation_id: expect.stringMatching(/^\d+$/), state: 'a-state' }])
    expect((await get(v5(CURVE_V5, undefined, undefined, CURVE_HOUSE))).status).toBe(200)
    const { list } = await services({ autorisationId: Number(to?.searchParams.get('autorisation_id')) })
    expect(list.map((s) => [s.pointId, s.mesuresTypeCode, s.etatCode, s.dateDebut, s.dateFin])).toStrictEqual(
      ['CDC', 'ENERGIE', 'IDX', 'PMAX'].map((kind) => [CURVE_HOUSE, kind, 'ACTIF', TODAY, addDays(addMonths(TODAY, 12), -1)]),
    )
  })

  test('a person refuses, and nothing is shared', async () => {
    const { send, services } = await aVisitor()
    const { to } = await send(consentPage('v2'), [...REFUSE, ['meter', CURVE_HOUSE]])
    expect(parameters(to)).toStrictEqual([
      CALLBACK,
      { error: 'invalid_request', error_description: 'demande_non_aboutie', state: 'a-state' },
    ])
    expect((await services({ pointId: [CURVE_HOUSE] })).list).toStrictEqual([])
  })

  test('two meters at once are not shared', async () => {
    const { send } = await aVisitor()
    expect((await send(consentPage('v2'), accept(FIRST_OF_THREE, ANOTHER_OF_THREE))).status).toBe(400)
  })

  test('a meter that is shared already fails on the page; deleted and given again it has the same authorisation', async () => {
    const { send, see, get } = await aVisitor()
    const first = (await send(consentPage('v2'), accept(CURVE_HOUSE))).to?.searchParams.get('autorisation_id')
    const again = await send(consentPage('v2'), accept(CURVE_HOUSE))
    expect([again.status, again.to]).toStrictEqual([409, undefined])
    expect(again.text).toContain('déjà partagé')
    expect(again.text).toContain('href="/mon-compte"')

    const account = await see('/mon-compte')
    expect(account.text).toContain(`value="${CURVE_HOUSE}"`)
    const deleted = await send('/mon-compte', [
      ['prm', CURVE_HOUSE],
      ['application', 'demo-application'],
    ])
    expect([deleted.status, deleted.to?.pathname]).toStrictEqual([303, '/mon-compte'])
    expect((await see(deleted.to!.pathname + deleted.to!.search)).text).toContain('Le partage est supprimé.')
    expect((await get(v5(CURVE_V5, undefined, undefined, CURVE_HOUSE))).status).toBe(403)
    const twice = await send('/mon-compte', [
      ['prm', CURVE_HOUSE],
      ['application', 'demo-application'],
    ])
    expect(twice.to?.search).toBe('?deleted=no')

    const given = await send(consentPage('v2'), accept(CURVE_HOUSE))
    expect(given.to?.searchParams.get('autorisation_id')).toBe(first)
    expect((await get(v5(CURVE_V5, undefined, undefined, CURVE_HOUSE))).status).toBe(200)
  })

  test('one holder has one authorisation for all meters', async () => {
    const { send, services } = await aVisitor()
    const ids = new Set<string | null | undefined>()
    for (const prm of [FIRST_OF_THREE, ANOTHER_OF_THREE]) {
      ids.add((await send(consentPage('v2'), accept(prm))).to?.searchParams.get('autorisation_id'))
    }
    expect(ids.size).toBe(1)
    const { list } = await services({ autorisationId: Number([...ids][0]), mesureTypeCode: ['ENERGIE'] })
    expect(list.map((s) => s.pointId)).toStrictEqual([FIRST_OF_THREE, ANOTHER_OF_THREE])
  })

  test('an authorisation is a whole number of 64 bits, exact', async () => {
    const { send, services } = await aVisitor()
    const { to } = await send(consentPage('v2'), accept('30000000000006'))
    expect(to?.searchParams.get('autorisation_id')).toBe('9007199254740993')
    const asked = await services('{"comptage":false,"autorisationId":9007199254740993}')
    expect(asked.text).toContain('"autorisationId":9007199254740993,')
    expect(asked.list).toHaveLength(4)
    expect((await services('{"comptage":false,"autorisationId":9007199254740992}')).list).toStrictEqual([])
  })

  test('who revokes right after giving, and who always refuses', async () => {
    const { send, services, get } = await aVisitor()
    const { to } = await send(consentPage('v2'), accept('30000000000012'))
    const autorisationId = Number(to?.searchParams.get('autorisation_id'))
    expect((await services({ autorisationId })).list).toStrictEqual([])
    expect((await services({ autorisationId, etatCode: ['SUPPRIME'] })).list).toHaveLength(4)
    expect((await get(v5(DAILY_V5, undefined, undefined, '30000000000012'))).status).toBe(403)
    const refused = await send(consentPage('v2'), accept('30000000000013'))
    expect(refused.to?.searchParams.get('error')).toBe('invalid_request')
  })

  test('told to, what the person sends comes to nothing', async () => {
    const { send, sandbox, services } = await aVisitor()
    sandbox.misbehave({ meter: 'consent', kind: 'error' })
    const { to } = await send(consentPage('v2'), accept(CURVE_HOUSE))
    expect(parameters(to)).toStrictEqual([CALLBACK, { error: 'server_error', error_description: 'demande_non_aboutie', state: 'a-state' }])
    expect((await services({ pointId: [CURVE_HOUSE] })).list).toStrictEqual([])
    expect((await send(consentPage('v2'), accept(CURVE_HOUSE))).to?.searchParams.has('autorisation_id')).toBe(true)
  })
})

describe('v1', () => {
  test('one or several meters of one customer come back with a code', async () => {
    const { send, get } = await aVisitor()
    const { to } = await send(consentPage('v1', { redirect_uri: 'https://elsewhere.example/' }), accept(FIRST_OF_THREE, ANOTHER_OF_THREE))
    expect(parameters(to)).toStrictEqual([
      CALLBACK,
      { code: expect.stringMatching(/^[\w-]{27}$/), state: 'a-state', usage_point_id: `${FIRST_OF_THREE};${ANOTHER_OF_THREE}` },
    ])
    expect((await get(v5(DAILY_V5, undefined, undefined, ANOTHER_OF_THREE))).status).toBe(200)
    expect((await get(v5(DAILY_V5, undefined, undefined, '30000000000010'))).status).toBe(403)
  })

  test('meters of two customers are not shared together', async () => {
    const { send } = await aVisitor()
    expect((await send(consentPage('v1'), accept(FIRST_OF_THREE, CURVE_HOUSE))).status).toBe(400)
  })

  test('state may be absent, and then does not come back', async () => {
    const { send } = await aVisitor()
    const { to } = await send(consentPage('v1', { state: undefined }), accept(DAYS_ONLY))
    expect([...(to?.searchParams.keys() ?? [])]).toStrictEqual(['code', 'usage_point_id'])
  })

  test('a refusal, a failure, and the customer who always refuses', async () => {
    const { send, sandbox } = await aVisitor()
    const refused = { code: '403', error: 'access_denied', error_description: 'authorization_request_refused' }
    expect(parameters((await send(consentPage('v1'), REFUSE)).to)).toStrictEqual([CALLBACK, { ...refused, state: 'a-state' }])
    expect(parameters((await send(consentPage('v1'), accept('30000000000013'))).to)).toStrictEqual([CALLBACK, refused])
    sandbox.misbehave({ meter: 'consent', kind: 'error' })
    expect(parameters((await send(consentPage('v1'), accept(CURVE_HOUSE))).to)).toStrictEqual([
      CALLBACK,
      { code: '500', error: 'server_error', error_description: 'lincs-internal-server-error', state: 'a-state' },
    ])
  })

  test.each([
    ['0', ['30000000000001']],
    ['3', ['30000000000004', '30000000000005']],
    ['7', [FIRST_OF_THREE, '30000000000010', ANOTHER_OF_THREE]],
  ])('a state that ends in %s picks its customer beforehand, and no other', async (digit, prms) => {
    const { see } = await aVisitor()
    const picked = (text: string): unknown => [...text.matchAll(/value="(\d{14})"[^>]* checked/g)].map((m) => m[1])
    expect(picked((await see(consentPage('v1', { state: `x${digit}` }))).text)).toStrictEqual(prms)
    expect(picked((await see(consentPage('v2', { state: `x${digit}` }))).text)).toStrictEqual([])
  })

  test('giving again replaces the share', async () => {
    const { send, services } = await aVisitor()
    await send(consentPage('v1'), accept(CURVE_HOUSE))
    expect((await send(consentPage('v1', { duration: 'P1M' }), accept(CURVE_HOUSE))).status).toBe(303)
    const { list } = await services({ pointId: [CURVE_HOUSE], mesureTypeCode: ['CDC'] })
    expect(list.map((s) => s.dateFin)).toStrictEqual([addDays(addMonths(TODAY, 1), -1)])
  })
})

test('the account keeps the language that was chosen', async () => {
  const { send, see } = await aVisitor()
  expect((await see('/en/mon-compte')).text).toContain('action="/en/mon-compte"')
  const { to } = await send('/en/mon-compte', [
    ['prm', HOUSE],
    ['application', 'demo-application'],
  ])
  expect(to?.pathname).toBe('/en/mon-compte')
  expect((await see(`${to!.pathname}${to!.search}`)).text).toContain('The share is deleted.')
})

test('a meter that is shared from the start can be deleted, and given again', async () => {
  const { send, get } = await aVisitor()
  expect((await send(consentPage('v2'), accept(HOUSE))).status).toBe(409)
  await send('/mon-compte', [
    ['prm', HOUSE],
    ['application', 'demo-application'],
  ])
  expect((await get(v5(CURVE_V5))).status).toBe(403)
  const { to } = await send(consentPage('v2'), accept(HOUSE))
  expect(to?.searchParams.get('autorisation_id')).toBe('481516212')
  expect((await get(v5(CURVE_V5))).status).toBe(200)
})
