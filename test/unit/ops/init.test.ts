/** What `ecluse init` makes: it loads without a word, belongs to its owner alone, and is never written over. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { initInstance, PLACEHOLDER_SECRET } from '../../../src/init.ts'
import { instanceKeys } from '../../../src/instance.ts'
import { secretOf } from '../../../src/settings/secret.ts'
import { readSettings } from '../../../src/settings/settings.ts'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ecluse-init-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const mode = (path: string): string => (statSync(path).mode & 0o777).toString(8)

test('settings that load without a warning, paths beside the file, three keys of 32 bytes that differ', async () => {
  const made = await initInstance(join(folder, 'new', 'gate'), { name: 'gate.town.example' })
  const read = await readSettings(made.settings, {})
  if (!read.ok) throw new Error(JSON.stringify(read.mistakes))
  expect(read.warnings).toStrictEqual([])
  expect(read.settings.instance).toMatchObject({ name: 'gate.town.example', state: join(folder, 'new', 'gate', 'state') })
  const keys = await instanceKeys(read.settings, {})
  expect(new Set(Object.values(keys).map((key: Uint8Array) => Buffer.from(key).toString('hex'))).size).toBe(3)
  const [account] = read.settings.providers['enedis-data-connect'].accounts
  expect(account && (await secretOf(account.clientSecret, {}))).toBe(PLACEHOLDER_SECRET)
  expect(readFileSync(made.settings, 'utf8')).not.toMatch(/example\.fr\/journal|\/etc\/ecluse|\/var\/lib/)
})

test('its owner alone reads the secrets and the state, whatever the umask', async () => {
  const before = process.umask(0)
  const made = await initInstance(folder, {}).finally(() => process.umask(before))
  expect([...made.keys, made.enedisSecret].map(mode)).toStrictEqual(['600', '600', '600', '600'])
  expect([join(folder, 'secrets'), join(folder, 'state')].map(mode)).toStrictEqual(['700', '700'])
})

test('every comment of the shipped settings is in it', async () => {
  const made = await initInstance(folder, {})
  // Sections that an instance begins without are comments as a whole; paths lie beside the file.
  const comments = (text: string): readonly string[] =>
    text
      .replaceAll('/etc/ecluse/', './')
      .split('\n')
      .filter((line) => /^ *#/.test(line))
      .map((line) => line.replace(/^[# ]*/, ''))
  const shipped = comments(readFileSync(new URL('../../../config/ecluse.yaml', import.meta.url), 'utf8'))
  const written = new Set(comments(readFileSync(made.settings, 'utf8')))
  expect(shipped.length).toBeGreaterThan(100)
  expect(shipped.filter((line) => !written.has(line))).toStrictEqual(['origin: gate.example.fr/journal/2027'])
})

test('two instances have no key in common', async () => {
  const keys = async (name: string) => (await initInstance(join(folder, name), {})).keys.map((key) => readFileSync(key, 'utf8'))
  expect(new Set([...(await keys('a')), ...(await keys('b'))]).size).toBe(6)
})

test('the name of the machine gives one that is accepted', async () => {
  expect((await initInstance(folder, {})).name).toMatch(/^[a-z0-9-]+(\.[a-z0-9-]+)+$/)
})

test.each(['ecluse.yaml', 'secrets/signing.key', 'secrets/master.key', 'secrets/index.key', 'secrets/enedis-client-secret'])(
  'where %s lies already nothing is written',
  async (file) => {
    mkdirSync(join(folder, 'secrets'))
    writeFileSync(join(folder, file), 'mine')
    await expect(initInstance(folder, {})).rejects.toThrow(`${join(folder, file)} is there already, so nothing was written`)
    expect(readFileSync(join(folder, file), 'utf8')).toBe('mine')
    expect(readdirSync(folder, { recursive: true }).toSorted()).toStrictEqual([...new Set(['secrets', file])].toSorted())
  },
)

test('a link that leads nowhere is not written through', async () => {
  symlinkSync(join(folder, 'elsewhere'), join(folder, 'ecluse.yaml'))
  await expect(initInstance(folder, {})).rejects.toThrow('is there already')
  expect(existsSync(join(folder, 'elsewhere'))).toBe(false)
})

test('a folder that holds other things is used, and they stay', async () => {
  writeFileSync(join(folder, 'notes.txt'), 'mine')
  await initInstance(folder, {})
  expect(readFileSync(join(folder, 'notes.txt'), 'utf8')).toBe('mine')
})

test('a name that is none is refused with its line, and nothing is written', async () => {
  await expect(initInstance(join(folder, 'x'), { name: 'Not A Name' })).rejects.toThrow(
    /ecluse\.yaml:\d+:\d+: instance\.name: expected a name/,
  )
  expect(existsSync(join(folder, 'x'))).toBe(false)
})

test('for the sandbox: its URL and application, and private addresses allowed; another URL than a loopback one is refused', async () => {
  const made = await initInstance(join(folder, 'a'), { sandbox: 'http://127.0.0.1:8090' })
  const read = await readSettings(made.settings, {})
  expect(read.ok && read.settings.providers['enedis-data-connect']).toMatchObject({
    url: 'http://127.0.0.1:8090',
    allowPrivate: true,
    accounts: [{ clientId: 'demo-application' }],
  })
  expect(readFileSync(made.enedisSecret, 'utf8')).toBe('demo-application-secret\n')
  await expect(initInstance(join(folder, 'b'), { sandbox: 'http://example.fr' })).rejects.toThrow('plain http is for loopback')
})

test('where no folder can be made the error says so', async () => {
  writeFileSync(join(folder, 'file'), 'mine')
  await expect(initInstance(join(folder, 'file', 'x'), {})).rejects.toThrow('ENOTDIR')
  expect(readFileSync(join(folder, 'file'), 'utf8')).toBe('mine')
})
