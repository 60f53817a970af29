/** A secret in the file is refused, wherever it stands, with the sentence that says where to put it. */
import { expect, test } from 'vitest'
import { parseSettings } from '../../../src/settings/settings.ts'
import { edited, told } from './given.ts'

const SECRET = 'a secret is never written in this file: write {file: PATH} (a file with mode 0600) or {env: NAME}'

test.each<[name: string, from: string, to: string, mistakes: string[]]>([
  // Secrets.
  [
    'a secret in its own place',
    '{ env: ENEDIS_SECRET }',
    'hunter2',
    [`10:24 providers.enedis-data-connect.accounts[0].client_secret: ${SECRET}`],
  ],
  [
    'a secret of digits',
    '{ env: ENEDIS_SECRET }',
    '12345678',
    [`10:24 providers.enedis-data-connect.accounts[0].client_secret: ${SECRET}`],
  ],
  ['a secret as a key of evidence', '{ file: signing.key }', 'bm90IGEga2V5', [`44:14 evidence.keys.signing: ${SECRET}`]],
  ['a secret under a key of its own', 'refuses_narrowing: true', 'password: hunter2', [`18:15 clients[1].password: ${SECRET}`]],
  ['a private key anywhere', 'name: Viriya', 'name: "-----BEGIN PRIVATE KEY-----"', [`13:11 clients[0].name: ${SECRET}`]],
  [
    'both places of a secret',
    '{ env: ENEDIS_SECRET }',
    '{ env: A, file: b }',
    [`10:24 providers.enedis-data-connect.accounts[0].client_secret: ${SECRET}`],
  ],
  [
    'a secret missing',
    '        client_secret: { env: ENEDIS_SECRET }\n',
    '',
    ["8:9 providers.enedis-data-connect.accounts[0].client_secret: 'client_secret' is missing"],
  ],
  [
    'a password in a URL',
    'evidence:',
    'redis: { url: redis://u:hunter2@cache:6379 }\nevidence:',
    ['42:15 redis.url: no user name or password in a URL: write them under their own keys, the password as {file: PATH} or {env: NAME}'],
  ],
  [
    'a user name in a URL',
    'https://gw',
    'https://me@gw',
    [
      '6:10 providers.enedis-data-connect.url: no user name or password in a URL: write them under their own keys, the password as {file: PATH} or {env: NAME}',
    ],
  ],
])('%s', (_name, from, to, mistakes) => {
  expect(told(parseSettings(edited([from, to])))).toStrictEqual(mistakes)
})

test('no sentence repeats a secret that was written in the file', () => {
  const text = edited(
    ['{ env: ENEDIS_SECRET }', 'hunter2-a'],
    ['{ env: INDEX_KEY }', '{ key: hunter2-b }'],
    ['refuses_narrowing: true', 'token: hunter2-c'],
    ['https://gw', 'https://me:hunter2-d@gw'],
  )
  const mistakes = told(parseSettings(text))
  expect(mistakes).toHaveLength(4)
  expect(mistakes.join()).not.toContain('hunter2')
})

// Where the parser itself gives up, it likes to quote what it stumbled on.
const CANARY = 'zQ9/canary+Secret='
test.each([
  `|${CANARY}`,
  `>-${CANARY}`,
  `"\\${CANARY}"`,
  `"${CANARY}`,
  `'${CANARY}`,
  `@${CANARY}`,
  `\`${CANARY}`,
  `!${CANARY} x`,
  `!!int ${CANARY}`,
  `*${CANARY}`,
  `&${CANARY} &b x`,
  `{ ${CANARY}: 1 }`,
  `{ file: ${CANARY}, ${CANARY}: ${CANARY} }`,
  `[${CANARY}`,
  `]${CANARY}`,
  `%${CANARY}`,
  `"a" ${CANARY}`,
  `${CANARY}: ${CANARY}`,
  `${CANARY}: a: b`,
  `? ${CANARY}`,
  `- ${CANARY}`,
  `\n  ${CANARY}`,
  `\n${CANARY}`,
  `\n%${CANARY} 1\n---`,
  `\n--- ${CANARY}`,
  `\t${CANARY}\n\t- ${CANARY}`,
])('what stands in place of a secret is not repeated, however broken it is: %j', (written) => {
  const mistakes = told(parseSettings(edited(['{ env: ENEDIS_SECRET }', written])))
  expect(mistakes).not.toStrictEqual([])
  expect(mistakes.join('\n').toLowerCase()).not.toContain('canary')
})
