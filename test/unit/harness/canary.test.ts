/** The search for what must not be found can find it. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { canaries } from '../../harness/canary.ts'

const folder = mkdtempSync(join(tmpdir(), 'ecluse-canary-'))
afterAll(() => rmSync(folder, { recursive: true }))

test('a canary in a file, however deep, is found, and only its first letters are told', () => {
  const secret = canaries()
  secret.add('10000000000001')
  mkdirSync(join(folder, 'deep', 'er'), { recursive: true })
  writeFileSync(join(folder, 'deep', 'er', 'page.db'), Buffer.from([0, 255, ...Buffer.from('x10000000000001'), 7]))
  expect(() => secret.searchFolder(folder)).toThrow(`${join(folder, 'deep', 'er', 'page.db')} holds "100000…" in clear`)
})

test('a canary in a text is found', () => {
  const secret = canaries()
  secret.add('a-token-of-a-client')
  expect(() => secret.searchText('the log', '{"msg":"a-token-of-a-client"}')).toThrow('the log holds "a-toke…" in clear')
  expect(() => secret.searchText('the log', '{"msg":"a-token"}')).not.toThrow()
})
