/** What the entries of a log say of each other, in the layout whose every field is known. */
import { expect, test } from 'vitest'
import { FORMAT, recordCheck } from '../../../src/evidence/verify/records.ts'

type Entry = Record<string, unknown>
const POLICY = 'sha256:one'
const digest = (letter: string): string => letter.repeat(43)
const tag = { n: 'n'.repeat(22), k: 'k'.repeat(22) }
const dec = { stage: 'decide', now: '2026-11-25T10:00:00.000Z', result: 'allow', obligations: [], rules: ['r'], policy: POLICY }
const asked = {
  client: 'c',
  purpose: 'p',
  kind: 'load_curve',
  direction: 'withdrawal',
  step: 'recorded',
  asked: '2026-01-01/2026-01-20',
  dec,
}
const intent = (n: number, part: string, call: number, sent: string): Entry => ({
  t: 'access.intent',
  n,
  req: 'r1',
  call,
  part,
  sent,
  ...asked,
  tags: [tag],
})
const outcome = (n: number, of: number, call: number): Entry => ({
  t: 'access.outcome',
  n,
  req: 'r1',
  call,
  intent: of,
  result: 'delivered',
})

/** A small log: a permission's act, a request of two parts with a retry, a refusal. */
const LOG: readonly Entry[] = [
  { t: 'log.opened', n: 0, format: FORMAT },
  { t: 'log.config', n: 1, policy: POLICY },
  {
    t: 'consent.activate',
    n: 2,
    act: 'activate',
    status: 'active',
    client: 'c',
    _sd: [digest('a'), digest('b')],
    _sd_alg: 'sha-256',
    tags: [tag],
  },
  intent(3, '1/2', 1, '2026-01-01/2026-01-08'),
  outcome(4, 3, 1),
  intent(5, '1/2', 2, '2026-01-01/2026-01-08'),
  outcome(6, 5, 2),
  intent(7, '2/2', 3, '2026-01-08/2026-01-15'),
  outcome(8, 7, 3),
  { t: 'access.refused', n: 9, req: 'r2', client: 'c', dec: { ...dec, result: 'deny', reason: 'expired' } },
  { t: 'access.intent', n: 10, req: 'r3', call: 1, part: '1/1', ...asked, kind: 'identity', asked: null, sent: null },
]

function check(log: readonly Entry[]): string | undefined {
  const records = recordCheck()
  for (const [n, entry] of log.entries()) {
    const why = records.take(n, Buffer.from(JSON.stringify({ v: 1, at: `2026-11-25T10:00:00.${String(n).padStart(3, '0')}Z`, ...entry })))
    if (why) return `${n}: ${why}`
  }
  return undefined
}
const changed = (n: number, change: Entry): readonly Entry[] => LOG.with(n, { ...LOG[n], ...change })

test('a log in which all agrees', () => {
  expect(check(LOG)).toBeUndefined()
})

test.each([
  ['a part beyond the last', 7, { part: '3/2' }, 'bad_part'],
  ['a part of none', 7, { part: '0/2' }, 'bad_part'],
  ['no part', 7, { part: undefined }, 'bad_part'],
  ['a request that begins at its second part', 3, { part: '2/2' }, 'bad_part'],
  ['a part left out', 5, { part: '3/3', req: 'r1' }, 'unlike_its_request'],
  ['a call number used again', 5, { call: 1 }, 'bad_part'],
  ['a call number left out', 5, { call: 3 }, 'bad_part'],
  ['another number of parts', 7, { part: '2/3' }, 'unlike_its_request'],
  ['another result within one request', 7, { dec: { ...dec, result: 'narrow' } }, 'unlike_its_request'],
  ['other days asked for within one request', 7, { asked: '2026-01-01/2026-01-21' }, 'unlike_its_request'],
  ['another client within one request', 7, { client: 'd' }, 'unlike_its_request'],
  ['days before those asked for', 7, { sent: '2025-12-31/2026-01-02' }, 'sent_outside_asked'],
  ['days after those asked for', 7, { sent: '2026-01-19/2026-01-21' }, 'sent_outside_asked'],
  ['days turned round', 7, { sent: '2026-01-10/2026-01-09' }, 'sent_outside_asked'],
  ['days of a kind that has none', 10, { sent: '2026-01-01/2026-01-02' }, 'sent_outside_asked'],
  ['no days of a kind that has some', 3, { sent: null }, 'sent_outside_asked'],
  ['an intent that was denied', 3, { dec: { ...dec, result: 'deny' } }, 'bad_decision'],
  ['an intent without a decision', 3, { dec: undefined }, 'bad_decision'],
  ['a decision without its instant', 3, { dec: { ...dec, now: '2026-11-25' } }, 'bad_decision'],
  ['a refusal that allows', 9, { dec: { ...dec, result: 'allow' } }, 'bad_decision'],
  ['a policy that nothing puts in force', 9, { dec: { ...dec, result: 'deny', policy: 'sha256:two' } }, 'unknown_policy'],
  ['a policy put in force after its decision', 1, { policy: 'sha256:two' }, 'unknown_policy'],
  ['an outcome of no known result', 8, { result: 'fine' }, 'bad_outcome'],
  ['an act under the name of another', 2, { act: 'suspend' }, 'bad_act'],
  ['an act that leads to no state', 2, { status: 'happy' }, 'bad_act'],
  ['digests out of order', 2, { _sd: [digest('b'), digest('a')] }, 'bad_seal'],
  ['a digest twice', 2, { _sd: [digest('a'), digest('a')] }, 'bad_seal'],
  ['a digest that is none', 2, { _sd: ['a'] }, 'bad_seal'],
  ['digests of another hash', 2, { _sd_alg: 'md5' }, 'bad_seal'],
  ['digests without their hash', 2, { _sd_alg: undefined }, 'bad_seal'],
  ['no digest at all', 2, { _sd: [] }, 'bad_seal'],
  ['a tag that is none', 2, { tags: [{ n: 'n', k: 'k' }] }, 'bad_seal'],
  ['tags that are no list', 2, { tags: tag }, 'bad_seal'],
])('refused: %s', (_name, n, change, why) => {
  expect(check(changed(n, change))).toMatch(new RegExp(`^\\d+: ${why}$`))
})

test('a decision that an act overtook is made once more, from its first part on', () => {
  const again = [
    ...LOG.slice(0, 5),
    { ...intent(5, '1/1', 2, '2026-01-01/2026-01-08'), asked: '2026-01-01/2026-01-08' },
    ...LOG.slice(9).map((e, i) => ({ ...e, n: 6 + i })),
  ]
  expect(check(again)).toBeUndefined()
})

test('a log of an older or newer layout is read for numbers, times and pairs only', () => {
  const other = changed(7, { part: '9/2' }).with(0, { t: 'log.opened', n: 0, format: 'ecluse-evidence/v9' })
  expect(check(other)).toBeUndefined()
})
