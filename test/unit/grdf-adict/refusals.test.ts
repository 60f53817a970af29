/** Refusals in GRDF's shape, and what GRDF's own mean by their status. */
import { expect, test } from 'vitest'
import type { Reason } from '../../../src/domain/errors.ts'
import { isTemporary, REASONS } from '../../../src/domain/errors.ts'
import type { Millis } from '../../../src/domain/time.ts'
import { adapter, accessTo, days } from './given.ts'

const { form } = accessTo('donnees_consos_publiees', days('2026-01-01', '2026-02-01'))
const NOW = Date.parse('2026-11-26T10:00:00Z') as Millis
const read = (body: string) =>
  JSON.parse(body) as { statut_restitution: { code: string; message: string }; reason: string; refused_by: string }

test.each(Object.keys(REASONS) as Reason[])(
  '%s has a code of seven digits; what passes by itself is 429 or 503 and says when',
  (reason) => {
    for (const about of [form, null]) {
      const { status, headers, body } = adapter.refuse(about, 'native', { reason })
      expect(read(body).statut_restitution.code).toMatch(/^[0-9]{7}$/)
      expect(read(body)).toMatchObject({ reason, refused_by: REASONS[reason].by })
      expect(body.endsWith('}\n')).toBe(true)
      const waits = headers.some(([name]) => name === 'Retry-After')
      expect(waits).toBe(status === 429 || status === 503)
      if (isTemporary(reason)) expect([429, 503]).toContain(status)
      expect(status).not.toBe(200)
    }
  },
)

test.each([
  ['kind_not_covered', undefined, '1000009'],
  ['malformed', 'point_format', '1000005'],
  ['malformed', 'future', '1000016'],
  ['withdrawn', undefined, '1000014'],
  ['expired', undefined, '1000001'],
  ['holder_changed', undefined, '1000000'],
  ['no_permission', undefined, '1000002'],
  ['meter_not_covered', undefined, '1000002'],
] as const)('%s %s is %s, as GRDF says it', (reason, flaw, code) => {
  expect(read(adapter.refuse(form, 'native', { reason, ...(flaw && { flaw }) }).body).statut_restitution.code).toBe(code)
})

test('the two families have a code each', () => {
  const informative = accessTo('donnees_consos_informatives', days('2026-01-01', '2026-02-01')).form
  expect(read(adapter.refuse(informative, 'native', { reason: 'kind_not_covered' }).body).statut_restitution.code).toBe('1000010')
  expect(
    read(adapter.refuse(accessTo('donnees_techniques', null).form, 'native', { reason: 'kind_not_covered' }).body).statut_restitution.code,
  ).toBe('9000004')
})

const told = (code: string) => JSON.stringify({ statut_restitution: { code, message: 'x' } })
test.each([
  [400, told('1000005'), 'bad_request', '1000005'],
  [403, told('1000002'), 'refused', '1000002'],
  [403, '<html></html>', 'down', '403'],
  [403, '', 'down', '403'],
  [404, '{}', 'down', '404'],
  [404, told('1000008'), 'no_data', '1000008'],
  [401, '', 'token_refused', '401'],
  [500, told('2000000'), 'down', '2000000'],
  [500, told('1000002'), 'down', '1000002'],
  [503, '', 'down', '503'],
  [504, '', 'down', '504'],
  [400, 'non', 'bad_request', '400'],
  [302, '', 'down', '302'],
  [429, '', 'quota', '429'],
])('%i with %s means %s', (status, body, means, code) => {
  expect(adapter.holderError(status, body, null, NOW)).toStrictEqual({ says: { means }, code })
})

test('429 says when', () => {
  expect(adapter.holderError(429, '', '30', NOW).says).toStrictEqual({ means: 'quota', retryAfterSeconds: 30 })
  expect(adapter.holderError(429, '', 'Thu, 26 Nov 2026 10:01:00 GMT', NOW).says).toStrictEqual({ means: 'quota', retryAfterSeconds: 60 })
})

test.each([
  ['no_data', 404, 'no_data'],
  ['before_activation', 404, 'no_data'],
  ['period_refused', 400, 'period_refused'],
  ['bad_request', 400, 'bad_request'],
  ['refused', 503, 'holder_refused'],
  ['token_refused', 503, 'holder_down'],
  ['down', 503, 'holder_down'],
  ['quota', 429, 'quota_holder'],
] as const)('%s is passed on as %i %s', (means, status, reason) => {
  const reply = adapter.passError(form, 'native', 200, { says: { means }, code: '1000002' })
  expect([reply.status, read(reply.body).reason]).toStrictEqual([status, reason])
})
