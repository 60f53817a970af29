/** YAML that says one thing here and another elsewhere is refused; so is what is too large, too deep or cut. */
import { expect, test } from 'vitest'
import { parseSettings } from '../../../src/settings/settings.ts'
import { edited, SMALL, told } from './given.ts'

test.each<[name: string, from: string, to: string, mistakes: string[]]>([
  // YAML that says one thing here and another there.
  [
    'a key written twice',
    'name: Viriya',
    'name: Viriya\n    name: Other',
    ["14:5 clients[0].name: 'name' is written twice in the same place"],
  ],
  [
    'an unknown tag',
    'name: Viriya',
    'name: !x Viriya',
    ["13:14 clients[0].name: a tag (!) is not read here: write text in quotes, as '12'"],
  ],
  ['a known tag', 'name: Viriya', 'name: !!str 12', ["13:17 clients[0].name: a tag (!) is not read here: write text in quotes, as '12'"]],
  ['an alias', 'name: Office', 'name: *v', ['16:11 clients[1].name: an alias (*) is not read here: write the value out']],
  [
    'an anchor',
    'name: Viriya',
    'name: &v Viriya',
    ['13:14 clients[0].name: an anchor (&) is not read here: write the value out where it is needed'],
  ],
  [
    'a merge key',
    'name: Viriya',
    '<<: {}\n    name: Viriya',
    ['13:5 clients[0].<<: a merge key (<<) is not read here: write the keys out'],
  ],
  ['a directive', 'instance:', '%YAML 1.1\n---\ninstance:', ['1:1 : a directive (%) is not read here: remove the line']],
  ['a second document', 'evidence:', '---\nevidence:', ['42:1 : one document only: a second one begins here']],
  ['a key that is a list', 'name: Viriya', '? [a]\n    : b\n    name: Viriya', ['13:7 : a key must be text']],
  ['a control character', 'name: Viriya', 'name: "Viriya\\u0007"', ['13:11 clients[0].name: a control character is not accepted in text']],
  [
    'a control character of C1',
    'name: Viriya',
    'name: "Viriya\\x9b"',
    ['13:11 clients[0].name: a control character is not accepted in text'],
  ],
  ['a line separator', 'name: Viriya', 'name: "Viriya\\L"', ['13:11 clients[0].name: a control character is not accepted in text']],
  [
    'a tab as indent',
    '  name: gate',
    '\tname: gate',
    [
      '2:1 : not YAML: Tabs are not allowed as indentation',
      '2:8 : not YAML: Nested mappings are not allowed in compact mappings',
      '2:8 : not YAML: Implicit keys need to be on a single line',
    ],
  ],
])('%s', (_name, from, to, mistakes) => {
  expect(told(parseSettings(edited([from, to])))).toStrictEqual(mistakes)
})

test.each<[name: string, text: string, mistake: string]>([
  ['nothing', '', '1:1 : the file is empty'],
  ['comments only', '# nothing\n', '1:1 : the file is empty'],
  ['a text', 'hello', '1:1 : expected a map of keys, found text'],
  ['more than 1 MiB', `# ${'x'.repeat(1_048_576)}\n${SMALL}`, '1:1 : the file is larger than 1 MiB'],
  ['nested too deep', `instance: ${'['.repeat(40)}${']'.repeat(40)}`, `1:43 instance${'[0]'.repeat(32)}: nested deeper than 32 levels`],
])('a file that holds %s', (_name, text, mistake) => {
  expect(told(parseSettings(text))).toContain(mistake)
})

test('an alias bomb is refused at its first alias, at once', () => {
  const bomb = [
    'a: &a [x,x,x,x,x,x,x,x,x]',
    ...'bcdefghij'.split('').map((c, i) => `${c}: &${c} [${`*${'abcdefghi'[i]},`.repeat(9)}]`),
  ].join('\n')
  const mistakes = told(parseSettings(bomb))
  expect(mistakes).toContain('2:8 b[0]: an alias (*) is not read here: write the value out')
})

test('80,000 keys are read in linear time and each told', () => {
  const keys = Array.from({ length: 80_000 }, (_, i) => `k${i}: 1`).join('\n')
  const parsed = parseSettings(keys)
  expect(parsed.ok ? 0 : parsed.mistakes.filter((m) => m.message.startsWith('unknown key')).length).toBe(80_000)
}, 60_000)
