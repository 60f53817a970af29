import { expect, test } from 'vitest'
import { scanBy } from '../../../src/runtime/scan.ts'

const shell = (script: string): readonly string[] => ['/bin/sh', '-c', script]
/** As a scanner: it reads all, and looks for a mark. */
const LOOKS = shell('if grep -q EICAR; then exit 1; fi')

test.each([
  ['clean', LOOKS, 'a mandate', 'clean'],
  ['infected', LOOKS, 'X5O!P%@AP EICAR-STANDARD', 'infected'],
  ['one that cannot say', shell('cat >/dev/null; exit 2'), 'a mandate', 'unknown'],
  ['one that is missing', ['/nowhere/scanner'], 'a mandate', 'unknown'],
  ['one that is too slow', shell('exec sleep 30'), 'a mandate', 'unknown'],
  ['one that ends itself', shell('kill -9 $$'), 'a mandate', 'unknown'],
  ['one that has seen enough at once', shell('exit 1'), 'x'.repeat(4_000_000), 'infected'],
  ['one that wants no environment of ours', shell('test -z "$TEST_SECRET_OF_THE_GATE"'), 'a mandate', 'clean'],
])('%s', async (_what, command, text, expected) => {
  process.env['TEST_SECRET_OF_THE_GATE'] = 'canary'
  const why: string[] = []
  const scanned = await scanBy({ command, seconds: 1 }, (one) => why.push(one))(Buffer.from(text))
  expect(scanned).toBe(expected)
  expect(why).toHaveLength(expected === 'unknown' ? 1 : 0)
})
