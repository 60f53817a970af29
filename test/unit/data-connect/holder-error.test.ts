import { describe, expect, test } from 'vitest'
import type { Millis } from '../../../src/domain/time.ts'
import { dataConnect } from '../../../src/providers/enedis-data-connect/data-connect.ts'

const NOW = Date.UTC(2026, 6, 17, 4, 59, 0) as Millis
const { holderError } = dataConnect({ upstream: '2026' })
const v5 = (error: string, text: string): string =>
  JSON.stringify({ error, error_description: text, error_uri: 'https://bluecoder.enedis.fr/api-doc/consulter-souscrire' })
const y2026 = (code: string, message: string): string => JSON.stringify({ code, message })

// prettier-ignore
const ROWS: readonly (readonly [number, string, string, string])[] = [
  [404, v5('no_data_found', 'no measure found for this usage point'), 'no_data', 'no_data_found'],
  [404, v5('STM-ERR-0000020', ''), 'no_data', 'STM-ERR-0000020'],
  [404, v5('STM-ERR-0000014', ''), 'no_data', 'STM-ERR-0000014'],
  [404, y2026('404', 'Pas de mesure trouvée pour ce point'), 'no_data', '404'],
  [404, y2026('Pas de mesure trouvée pour ce point.', ''), 'no_data', 'no_data_found'],
  [400, v5('ADAM-ERR0123', "The requested period cannot be anterior to the meter's last activation date"), 'before_activation', 'ADAM-ERR0123'],
  [400, y2026('', "The requested period cannot be anterior to the meter's last activation date."), 'before_activation', 'ADAM-ERR0123'],
  [400, v5('ADAM-ERR0125', 'The start date must be greater than the history deadline.'), 'bad_request', 'ADAM-ERR0125'],
  [400, v5('ADAM-DC-0015', ''), 'bad_request', 'ADAM-DC-0015'],
  [400, v5('ADAM-ERR0069', 'Le sens de la mesure ne correspond pas pour le PRM demandé'), 'bad_request', 'ADAM-ERR0069'],
  [400, v5('Invalid_request', 'Start date should be before end date.'), 'bad_request', 'Invalid_request'],
  [404, y2026('404', 'PRM non existant'), 'bad_request', '404'],
  [400, v5('ADAM-ERR0061', ''), 'refused', 'ADAM-ERR0061'],
  [400, v5('ADAM-ERR0075', ''), 'refused', 'ADAM-ERR0075'],
  [403, v5('ADAM-DC-0008', 'No consent can be found for this customer and this usage point.'), 'refused', 'ADAM-DC-0008'],
  [403, v5('ADAM_DC_0008', ''), 'refused', 'ADAM_DC_0008'],
  [400, v5('ADAM-DC-0007', "Le client n'est pas titulaire du point demandé."), 'refused', 'ADAM-DC-0007'],
  [400, v5('Invalid_request', "Le client n'est pas titulaire du point demandé."), 'refused', 'Invalid_request'],
  [403, y2026('403', 'Le client n’est pas autorisé pour le point demandé'), 'refused', '403'],
  [403, v5('unauthorized_user', 'user is not authorized to access this resource'), 'refused', 'unauthorized_user'],
  [404, v5('STM-ERR-0000019', 'Unknown or unauthorized user.'), 'refused', 'STM-ERR-0000019'],
  [403, v5('something-new', 'x'), 'refused', 'something-new'],
  [403, v5('ADAM-DC-0009', 'The start date of the request must be greater than the consent start date.'), 'period_refused', 'ADAM-DC-0009'],
  [401, '{"fault":{"code":900901,"message":"Invalid Credentials","description":"x"}}', 'token_refused', '900901'],
  [403, '{"fault":{"code":900902,"message":"Missing Credentials"}}', 'token_refused', '900902'],
  [401, '', 'token_refused', 'HTTP_401'],
  [403, '{"code":"900908","message":"API Subscription validation failed"}', 'down', '900908'],
  [500, v5('technical_error', 'Technical error. Please try later.'), 'down', 'technical_error'],
  [500, v5('ADAM-DC-0500', ''), 'down', 'ADAM-DC-0500'],
  [500, y2026('500', "Problème technique dans l'interrogation du SI coeur"), 'down', '500'],
  [503, '', 'down', 'HTTP_503'],
  [404, '<html>blocked</html>', 'down', 'HTTP_404'],
  [403, '<html>blocked</html>', 'down', 'HTTP_403'],
  [400, '{}', 'down', 'HTTP_400'],
  [302, '{"error":"x"}', 'down', 'x'],
  [400, '[{"code":"ADAM-ERR0123","message":"x"},{"code":"y","message":"z"}]', 'before_activation', 'ADAM-ERR0123'],
  [400, '[]', 'down', 'HTTP_400'],
  [500, '[1]', 'down', 'HTTP_500'],
]

test.each(ROWS)('%d %s', (status, body, means, code) => {
  expect(holderError(status, body, null, NOW)).toStrictEqual({ says: { means }, code })
})

describe('the code', () => {
  test.each([
    ['a script', '<script>alert(1)</script>\r\nX: y'],
    ['a sentence', 'M. Dupont, PRM 10000000000001'],
    ['a word with a full stop', 'Dupont.'],
    ['a meter', '10000000000001'],
    ['a meter behind a word', 'PRM-10000000000001'],
    ['a telephone number', '0612345678'],
    ['more than 64 characters', 'a'.repeat(65)],
    ['nothing', ''],
  ])('is the status where the holder gives %s in its place', (_name, given) => {
    expect(holderError(400, v5(given, ''), null, NOW).code).toBe('HTTP_400')
  })
})

describe('quota', () => {
  const throttled = (next: string): string =>
    JSON.stringify({ code: '900804', message: 'Message throttled out', description: 'x', nextAccessTime: next })
  test.each([
    ['old body', 429, '{"error":"429","error_description":"Quota Q3 reached"}', null, undefined],
    ['a code with another status', 500, '{"fault":{"code":900807,"message":"Message throttled out"}}', null, undefined],
    ['text of 2026', 400, y2026('x', 'SLA dépassé'), null, undefined],
    ['429 says it all', 429, '', null, undefined],
    ['next access', 429, throttled('2026-Jul-17 05:00:00+0000 UTC'), null, 60],
    ['next access in the past', 429, throttled('2026-Jul-17 04:00:00+0000 UTC'), null, 1],
    ['next access far away', 429, throttled('2027-Jul-17 05:00:00+0000 UTC'), null, 86_400],
    ['next access of no calendar', 429, throttled('2026-Xyz-17 05:00:00+0000 UTC'), null, undefined],
    ['next access in another form', 429, throttled('tomorrow'), null, undefined],
    ['seconds', 429, '', '17', 17],
    ['zero seconds', 429, '', '0', 1],
    ['a date', 429, '', 'Fri, 17 Jul 2026 05:00:00 GMT', 60],
    ['the header before the body', 429, throttled('2026-Jul-17 05:00:00+0000 UTC'), '5', 5],
    ['nonsense', 429, '', '-1', undefined],
  ])('%s', (_name, status, body, retryAfter, seconds) => {
    const says = seconds === undefined ? { means: 'quota' } : { means: 'quota', retryAfterSeconds: seconds }
    expect(holderError(status, body, retryAfter, NOW).says).toStrictEqual(says)
  })
})
