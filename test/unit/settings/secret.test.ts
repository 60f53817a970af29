/** A secret is read from where the settings say, or it is said why not, without a word of its content. */
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { SecretError, secretOf } from '../../../src/settings/secret.ts'

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ecluse-secret-'))
})
afterAll(() => rm(folder, { recursive: true }))

async function fileOf(content: string | Uint8Array, mode = 0o600): Promise<string> {
  const file = join(folder, `${Math.random()}`)
  await writeFile(file, content)
  await chmod(file, mode)
  return file
}

test.each<[content: string, secret: string]>([
  ['hunter2', 'hunter2'],
  ['hunter2\n', 'hunter2'],
  ['hunter2\r\n', 'hunter2'],
  ['hunter2\n\n', 'hunter2\n'],
  [' hunter2 ', ' hunter2 '],
])('a file with %j holds %j', async (content, secret) => {
  expect(await secretOf({ file: await fileOf(content) }, {})).toBe(secret)
})

test('a closed file is read through a link, as orchestrators mount them', async () => {
  const link = join(folder, 'link')
  await symlink(await fileOf('hunter2', 0o400), link)
  expect(await secretOf({ file: link }, {})).toBe('hunter2')
})

test.each<[content: string | Uint8Array, mode: number, message: (file: string) => string]>([
  ['', 0o600, (file) => `secret file ${file} is empty: write the secret into it`],
  ['\n', 0o600, (file) => `secret file ${file} is empty: write the secret into it`],
  [Uint8Array.of(0xff, 0xfe), 0o600, (file) => `secret file ${file} is not UTF-8 text`],
  ['x'.repeat(65_537), 0o600, (file) => `secret file ${file} is larger than 64 KiB`],
  ['hunter2', 0o640, (file) => `secret file ${file} can be reached by others (mode 0640): chmod 600 it`],
  ['hunter2', 0o604, (file) => `secret file ${file} can be reached by others (mode 0604): chmod 600 it`],
  ['hunter2', 0o620, (file) => `secret file ${file} can be reached by others (mode 0620): chmod 600 it`],
])('row %#: a file that is refused', async (content, mode, message) => {
  const file = await fileOf(content, mode)
  await expect(secretOf({ file }, {})).rejects.toThrow(new SecretError(message(file)))
})

test('a missing file and a folder are refused', async () => {
  const missing = join(folder, 'missing')
  await expect(secretOf({ file: missing }, {})).rejects.toThrow(new SecretError(`secret file ${missing} cannot be opened (ENOENT)`))
  const inner = join(folder, 'inner')
  await mkdir(inner, { mode: 0o700 })
  await expect(secretOf({ file: inner }, {})).rejects.toThrow(new SecretError(`secret file ${inner} is not a regular file`))
})

test('a variable is taken as it is; unset, empty and inherited names are refused', async () => {
  expect(await secretOf({ env: 'A' }, { A: 'hunter2\n' })).toBe('hunter2\n')
  await expect(secretOf({ env: 'A' }, {})).rejects.toThrow(new SecretError('environment variable A is not set: set it to the secret'))
  await expect(secretOf({ env: 'A' }, { A: ' ' })).rejects.toThrow(new SecretError('environment variable A is empty: set it to the secret'))
  await expect(secretOf({ env: 'toString' }, {})).rejects.toThrow(
    new SecretError('environment variable toString is not set: set it to the secret'),
  )
})
