import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import type { Reason } from '../../../src/domain/errors.ts'
import { isTemporary, REASONS } from '../../../src/domain/errors.ts'
import type { DenialStyle, HolderSays, Reply } from '../../../src/providers/adapter.ts'
import { FLAWS } from '../../../src/providers/enedis-data-connect/classify.ts'
import { dataConnect } from '../../../src/providers/enedis-data-connect/data-connect.ts'
import type { DataConnectForm } from '../../../src/providers/enedis-data-connect/dialects.ts'
import { DIALECT_IDS, DIALECTS } from '../../../src/providers/enedis-data-connect/dialects.ts'
import { FLAW_TEXTS, WORDINGS } from '../../../src/providers/enedis-data-connect/refusals.ts'

const adapter = dataConnect({ upstream: '2026' })
const V5: DataConnectForm = { dialect: 'v5', series: 'consumption_curve' }
const Y2026: DataConnectForm = { dialect: '2026', series: 'consumption_curve' }
const CONSO: DataConnectForm = { dialect: 'conso', series: 'daily_consumption' }
const FORMS = [...DIALECT_IDS.map((dialect): DataConnectForm => ({ dialect, series: 'consumption_curve' })), null]
const REASON_IDS = Object.keys(REASONS) as Reason[]
const STYLES = ['enedis', 'domoticz', 'conso'] as const satisfies readonly DenialStyle[]

interface Words {
  readonly error?: string
  readonly error_description?: string
  readonly code?: string
  readonly message?: string
}
type Body = Omit<Words, 'error'> & { readonly error?: string | Words }
const bodyOf = (reply: Reply): Body => JSON.parse(reply.body) as Body
/** What Enedis itself would have said, whatever is around it. */
const wordsOf = (reply: Reply): Words => {
  const body = bodyOf(reply)
  return typeof body.error === 'object' ? body.error : ({ ...body, ...(body.error !== undefined && { error: body.error }) } as Words)
}
const codeOf = (reply: Reply): string => wordsOf(reply).error ?? wordsOf(reply).code ?? ''
const textOf = (reply: Reply): string => wordsOf(reply).error_description ?? wordsOf(reply).message ?? ''
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

test('a refusal as a client of Conso API reads it', () => {
  expect(adapter.refuse(CONSO, 'native', { reason: 'no_permission' })).toStrictEqual({
    status: 401,
    headers: [
      ['Content-Type', 'application/json'],
      ['WWW-Authenticate', 'Bearer error="invalid_token"'],
    ],
    body:
      '{"status":401,"message":"No permission covers this meter for you",' +
      '"error":{"error":"ADAM-DC-0008","error_description":"No consent can be found for this customer and this usage point."},' +
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

describe('every reason, style and dialect', () => {
  const cases = REASON_IDS.flatMap((reason) =>
    ([...STYLES, 'native'] as const).flatMap((style) => FORMS.map((form) => [reason, style, form] as const)),
  )

  test.each(cases)('%s, %s, %o', (reason, style, form) => {
    const reply = adapter.refuse(form, style, { reason })
    const ours = ['reason', 'refused_by', 'help']
    const { speaks, body } = DIALECTS[form?.dialect ?? 'v5']
    const around = body === 'conso' ? ['status', 'message', 'error'] : []
    const words = speaks === '2026' ? ['code', 'message'] : ['error', 'error_description']
    expect(Object.keys(bodyOf(reply))).toStrictEqual([...(around.length > 0 ? around : words), ...ours])
    if (around.length > 0) {
      expect(bodyOf(reply)).toMatchObject({ status: reply.status, message: REASONS[reason].title })
      expect(Object.keys(wordsOf(reply))).toStrictEqual(words)
    }
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

describe('the style conso', () => {
  const conso = (reason: Reason): Reply => adapter.refuse(CONSO, 'native', { reason })

  test('401 is a token that is none, or that does not open the meter: 403 is another series, or the end', () => {
    const at = (status: number): Reason[] => REASON_IDS.filter((reason) => conso(reason).status === status)
    expect(at(401)).toStrictEqual([
      'no_permission',
      'meter_not_covered',
      'purpose_missing',
      'token_unbound',
      'token_invalid',
      'token_expired',
      'client_disabled',
    ])
    expect(at(403)).toStrictEqual([
      'not_active',
      'expired',
      'withdrawn',
      'kind_not_covered',
      'direction_not_covered',
      'purpose_mismatch',
      'recipient_mismatch',
      'chain_broken',
      'holder_changed',
      'onward_sharing_forbidden',
      'aggregate_too_small',
      'rule_missing',
    ])
  })

  test.each([
    [
      'no day of the permission',
      conso('period_outside'),
      400,
      "The requested period cannot be anterior to the meter's last activation date",
    ],
    ['too old', conso('too_old'), 400, 'The start date must be greater than the history deadline.'],
    ['no data', adapter.noData(CONSO, 'native'), 404, 'no measure found for this usage point'],
    ['too fine', conso('step_too_fine'), 404, 'no measure found for this usage point'],
    [
      'before activation',
      adapter.passError(CONSO, 'native', 400, { says: { means: 'before_activation' }, code: 'ADAM-ERR0123' }),
      400,
      "The requested period cannot be anterior to the meter's last activation date",
    ],
    [
      'before the consent, by the holder',
      adapter.passError(CONSO, 'native', 403, { says: { means: 'period_refused' }, code: 'ADAM-DC-0009' }),
      400,
      "The requested period cannot be anterior to the meter's last activation date",
    ],
    [
      'too old, by the holder',
      adapter.passError(CONSO, 'native', 400, { says: { means: 'bad_request' }, code: 'ADAM-DC-0016' }),
      400,
      'The start date must be greater than the history deadline.',
    ],
  ])('ends an import of ha-linky in its own words: %s', (_what, reply, status, text) => {
    expect([reply.status, textOf(reply)]).toStrictEqual([status, text])
    expect(bodyOf(reply)).toMatchObject({ status, error: { error_description: text } })
  })

  test('a method that Conso API does not have is told which there are', () => {
    const reply = adapter.refuse(CONSO, 'native', { reason: 'malformed', flaw: 'method' })
    expect([reply.status, header(reply, 'Allow'), textOf(reply)]).toStrictEqual([405, 'GET, OPTIONS', 'Only the method GET is served.'])
  })

  test('its parameters are called by its names', () => {
    const flawed = (flaw: string): string => textOf(adapter.refuse(CONSO, 'native', { reason: 'malformed', flaw }))
    expect([flawed('meter_missing'), flawed('order')]).toStrictEqual([
      'prm parameter is required.',
      'Start date should be before end date.',
    ])
  })
})

test.each(FORMS.filter((form) => form !== null))('native is the style of the server whose path is called: %o', (form) => {
  const { style } = DIALECTS[form.dialect]
  for (const reason of REASON_IDS) expect(adapter.refuse(form, 'native', { reason })).toStrictEqual(adapter.refuse(form, style, { reason }))
  for (const means of MEANS) {
    const error = { says: { means }, code: 'ADAM-ERR0069' }
    expect(adapter.passError(form, 'native', 400, error)).toStrictEqual(adapter.passError(form, style, 400, error))
  }
  expect(adapter.refuse(null, 'native', { reason: 'unknown_route' })).toStrictEqual(
    adapter.refuse(null, 'enedis', { reason: 'unknown_route' }),
  )
})

test('on the paths of the device flow one refused series erases no token, on those of Enedis it is 403', () => {
  const status = (dialect: DataConnectForm['dialect']): number =>
    adapter.refuse({ dialect, series: 'production_curve' }, 'native', { reason: 'direction_not_covered' }).status
  expect(DIALECT_IDS.map((dialect) => [dialect, status(dialect)])).toStrictEqual([
    ['2026', 403],
    ['v5', 403],
    ['v4', 403],
    ['device_v5', 404],
    ['device_2026', 404],
    ['conso', 403],
  ])
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
  const each = (of: (style: DenialStyle) => Reply): string => STYLES.map((style) => cell(of(style))).join(' | ')
  const reasons = REASON_IDS.map((reason) => {
    const wait = header(adapter.refuse(V5, 'enedis', { reason }), 'Retry-After')
    const { by, help } = REASONS[reason]
    return `| \`${reason}\` | ${by} | ${each((style) => adapter.refuse(V5, style, { reason }))} | ${wait === undefined ? '' : `${wait} s`} | ${help} |`
  })
  const held = MEANS.map((means) => {
    const error = { says: { means }, code: means === 'bad_request' ? 'ADAM-ERR0069' : 'x' }
    return `| \`${means}\` | ${each((style) => adapter.passError(V5, style, 400, error))} |`
  })
  const texts: readonly (readonly [string, { readonly code: string; readonly v5?: string; readonly y2026?: string }])[] =
    Object.entries(WORDINGS)
  const words = texts.map(([, { code, v5, y2026 }]) => `| \`${code}\` | ${v5 ?? '*what is wrong*'} | ${y2026 ?? v5 ?? '*what is wrong*'} |`)
  const flaws = FLAWS.map((flaw) => {
    const { v5, y2026, conso } = FLAW_TEXTS[flaw]
    const parametersOfEnedis = /^(person|step|quantity)_/.test(flaw)
    return `| ${v5 ?? '–'} | ${y2026 ?? '–'} | ${conso ?? (parametersOfEnedis ? '–' : (v5 ?? '–'))} |`
  })
  return [
    '| reason | who refused | style `enedis` | style `domoticz` | style `conso` | wait | what would help |\n| --- | --- | --- | --- | --- | --- | --- |',
    ...reasons,
    '',
    '| Enedis means | style `enedis` | style `domoticz` | style `conso` |\n| --- | --- | --- | --- |',
    ...held,
    '',
    '| code | text in v5 (`error`, `error_description`) | text in 2026 (`code`, `message`) |\n| --- | --- | --- |',
    ...words,
    '',
    '| malformed, in v5 | malformed, in 2026 | malformed, in Conso API |\n| --- | --- | --- |',
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

test('the codes are the same in all dialects: the style alone chooses', () => {
  for (const reason of REASON_IDS) {
    for (const style of STYLES) {
      const told = FORMS.map((form) => adapter.refuse(form, style, { reason }))
      expect(new Set(told.map((reply) => `${reply.status} ${codeOf(reply)}`)).size).toBe(1)
    }
  }
})
