import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import type { Reason } from '../../../src/domain/errors.ts'
import { isTemporary, REASONS } from '../../../src/domain/errors.ts'
import type { DenialStyle, HolderSays, Reply } from '../../../src/providers/adapter.ts'
import { FLAWS } from '../../../src/providers/enedis-data-connect/classify.ts'
import { dataConnect } from '../../../src/providers/enedis-data-connect/data-connect.ts'
import type { DataConnectForm } from '../../../src/providers/enedis-data-connect/series.ts'
import { FLAW_TEXTS, WORDINGS } from '../../../src/providers/enedis-data-connect/refusals.ts'

const adapter = dataConnect({ upstream: '2026' })
const V5: DataConnectForm = { generation: 'v5', series: 'consumption_curve' }
const Y2026: DataConnectForm = { generation: '2026', series: 'consumption_curve' }
const REASON_IDS = Object.keys(REASONS) as Reason[]
const STYLES: readonly DenialStyle[] = ['enedis', 'domoticz']

interface Body {
  readonly error?: string
  readonly error_description?: string
  readonly code?: string
  readonly message?: string
}
const bodyOf = (reply: Reply): Body => JSON.parse(reply.body) as Body
const codeOf = (reply: Reply): string => bodyOf(reply).error ?? bodyOf(reply).code ?? ''
const header = (reply: Reply, name: string): string | undefined => reply.headers.find(([n]) => n === name)?.[1]

test('a refusal as a v5 client reads it', () => {
  expect(adapter.refuse(V5, 'enedis', { reason: 'no_permission' })).toStrictEqual({
    status: 403,
    headers: [['Content-Type', 'application/json']],
    body:
      '{"error":"ADAM-DC-0008","error_description":"No consent can be found for this customer and this usage point.",' +
      '"reason":"no_permission","refused_by":"person","help":"Ask the holder of the meter for a permission"}',
  })
})

test('a refusal as a 2026 client reads it', () => {
  expect(adapter.refuse(Y2026, 'domoticz', { reason: 'no_permission' })).toStrictEqual({
    status: 404,
    headers: [['Content-Type', 'application/json']],
    body:
      '{"code":"no_data_found","message":"Pas de mesure trouvée pour ce point",' +
      '"reason":"no_permission","refused_by":"person","help":"Ask the holder of the meter for a permission"}',
  })
})

test('an unusable token is told in the spelling that DomoticzLinky looks for', () => {
  expect(adapter.refuse(V5, 'domoticz', { reason: 'token_expired' })).toStrictEqual({
    status: 401,
    headers: [
      ['Content-Type', 'application/json'],
      ['WWW-Authenticate', 'Bearer error="invalid_token"'],
    ],
    body: '{"error":"invalid_token","error_description":"The token has expired","reason":"token_expired","refused_by":"caller","help":"Obtain a new token"}',
  })
})

test('what may pass by itself is told with the time to wait', () => {
  expect(adapter.refuse(V5, 'enedis', { reason: 'too_often', retryAfterSeconds: 12.2 })).toStrictEqual({
    status: 429,
    headers: [
      ['Content-Type', 'application/json'],
      ['Retry-After', '13'],
    ],
    body: '{"error":"429","error_description":"The permission does not allow another reading yet","reason":"too_often","refused_by":"person","help":"Ask again later"}',
  })
})

describe('every reason, style and generation', () => {
  const cases = REASON_IDS.flatMap((reason) => STYLES.flatMap((style) => [V5, Y2026, null].map((form) => [reason, style, form] as const)))

  test.each(cases)('%s, %s, %o', (reason, style, form) => {
    const reply = adapter.refuse(form, style, { reason })
    expect(Object.keys(bodyOf(reply))).toStrictEqual([
      ...(form?.generation === '2026' ? ['code', 'message'] : ['error', 'error_description']),
      'reason',
      'refused_by',
      'help',
    ])
    expect(bodyOf(reply)).toMatchObject({ reason, refused_by: REASONS[reason].by, help: REASONS[reason].help })
    expect(isTemporary(reason)).toBe(reply.status === 429 || reply.status === 503)
    expect(/^[1-9][0-9]*$/.test(header(reply, 'Retry-After') ?? '')).toBe(isTemporary(reason))
    expect(header(reply, 'WWW-Authenticate') === undefined).toBe(reply.status !== 401)
    expect(reply.body).not.toContain('undefined')
  })

  test('in style domoticz a 403 means that the permission is over', () => {
    const over = REASON_IDS.filter((reason) => adapter.refuse(V5, 'domoticz', { reason }).status === 403)
    expect(over).toStrictEqual(['not_active', 'expired', 'withdrawn', 'holder_changed'])
  })
})

describe('a malformed request in the words of Enedis', () => {
  test.each([
    ['v5', 'order', 'Start date should be before end date.'],
    ['v5', 'future', 'The end date parameter must be earlier than the current date.'],
    ['v5', 'meter_missing', 'usage_point_id parameter is required.'],
    ['v5', 'meter_format', 'usage_point_id parameter must be 14 digits long.'],
    ['v5', 'start_format', 'Start date parameter must be in the format YYYY-MM-DD.'],
    ['2026', 'meter_missing', 'Le paramètre usage_point_id est obligatoire'],
    ['2026', 'start_missing', 'Le paramètre dateDebut est obligatoire'],
    ['v5', 'a flaw of another adapter', 'The request is malformed'],
  ] as const)('%s %s', (generation, flaw, text) => {
    const reply = adapter.refuse(generation === 'v5' ? V5 : Y2026, 'enedis', { reason: 'malformed', flaw })
    expect([reply.status, codeOf(reply)]).toStrictEqual([400, 'Invalid_request'])
    expect(bodyOf(reply).error_description ?? bodyOf(reply).message).toBe(text)
  })
})

const MEANS: readonly HolderSays['means'][] = [
  'no_data',
  'before_activation',
  'period_refused',
  'bad_request',
  'refused',
  'token_refused',
  'quota',
  'down',
]

describe("the holder's own refusals", () => {
  test('no readings', () => {
    expect(adapter.noData(V5, 'enedis')).toStrictEqual({
      status: 404,
      headers: [['Content-Type', 'application/json']],
      body: '{"error":"no_data_found","error_description":"no measure found for this usage point","reason":"no_data","refused_by":"holder","help":"Ask for other days"}',
    })
    expect(adapter.noData(Y2026, 'domoticz').body).toContain('{"code":"no_data_found","message":"Pas de mesure trouvée pour ce point"')
  })

  test("its code crosses with the documented text, never the holder's own", () => {
    const reply = adapter.passError(V5, 'enedis', 400, { says: { means: 'bad_request' }, code: 'ADAM-ERR0069' })
    expect([reply.status, bodyOf(reply)]).toMatchObject([
      400,
      { error: 'ADAM-ERR0069', error_description: 'Le sens de la mesure ne correspond pas pour le PRM demandé', refused_by: 'holder' },
    ])
    const unknown = adapter.passError(V5, 'enedis', 404, { says: { means: 'bad_request' }, code: 'NEW-1' })
    expect([unknown.status, bodyOf(unknown)]).toMatchObject([
      404,
      { error: 'NEW-1', error_description: 'The data holder refused the request.' },
    ])
  })

  test('a producer asked for consumption has no such series for DomoticzLinky', () => {
    expect(adapter.passError(V5, 'domoticz', 400, { says: { means: 'bad_request' }, code: 'ADAM-ERR0069' }).status).toBe(404)
  })

  test('a 403 about the consent never reaches the client as one', () => {
    for (const style of STYLES) {
      const reply = adapter.passError(V5, style, 403, { says: { means: 'refused' }, code: 'ADAM-DC-0008' })
      expect([reply.status, header(reply, 'Retry-After'), bodyOf(reply)]).toMatchObject([503, '3600', { reason: 'holder_refused' }])
    }
  })

  test('the wait of a quota is passed on', () => {
    const reply = adapter.passError(V5, 'enedis', 429, { says: { means: 'quota', retryAfterSeconds: 77 }, code: '900804' })
    expect([reply.status, header(reply, 'Retry-After')]).toStrictEqual([429, '77'])
  })
})

/** The tables of docs/errors.md, made from the code. */
function tables(): string {
  const cell = (reply: Reply): string => `${reply.status} \`${codeOf(reply)}\``
  const both = (of: (style: DenialStyle) => Reply): string => `${cell(of('enedis'))} | ${cell(of('domoticz'))}`
  const reasons = REASON_IDS.map((reason) => {
    const wait = header(adapter.refuse(V5, 'enedis', { reason }), 'Retry-After')
    const { by, help } = REASONS[reason]
    return `| \`${reason}\` | ${by} | ${both((style) => adapter.refuse(V5, style, { reason }))} | ${wait === undefined ? '' : `${wait} s`} | ${help} |`
  })
  const held = MEANS.map((means) => {
    const error = { says: { means }, code: means === 'bad_request' ? 'ADAM-ERR0069' : 'x' }
    return `| \`${means}\` | ${both((style) => adapter.passError(V5, style, 400, error))} |`
  })
  const texts: readonly (readonly [string, { readonly code: string; readonly v5?: string; readonly y2026?: string }])[] =
    Object.entries(WORDINGS)
  const words = texts.map(([, { code, v5, y2026 }]) => `| \`${code}\` | ${v5 ?? '*what is wrong*'} | ${y2026 ?? v5 ?? '*what is wrong*'} |`)
  const flaws = FLAWS.map((flaw) => `| ${FLAW_TEXTS[flaw].v5 ?? '–'} | ${FLAW_TEXTS[flaw].y2026 ?? '–'} |`)
  return [
    '| reason | who refused | style `enedis` | style `domoticz` | wait | what would help |\n| --- | --- | --- | --- | --- | --- |',
    ...reasons,
    '',
    '| Enedis means | style `enedis` | style `domoticz` |\n| --- | --- | --- |',
    ...held,
    '',
    '| code | text in v5 (`error`, `error_description`) | text in 2026 (`code`, `message`) |\n| --- | --- | --- |',
    ...words,
    '',
    '| malformed, in v5 | malformed, in 2026 |\n| --- | --- |',
    ...flaws,
  ].join('\n')
}

test('docs/errors.md holds the tables that the code gives', () => {
  const page = readFileSync(new URL('../../../docs/errors.md', import.meta.url), 'utf8')
  const written = page
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .join('\n')
  const made = tables()
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .join('\n')
  if (written !== made) console.error(tables())
  expect(written).toBe(made)
})

test('the codes are the same in both generations', () => {
  for (const reason of REASON_IDS) {
    for (const style of STYLES) {
      const [a, b] = [V5, Y2026].map((form) => adapter.refuse(form, style, { reason }))
      expect([a?.status, a && codeOf(a)]).toStrictEqual([b?.status, b && codeOf(b)])
    }
  }
})
