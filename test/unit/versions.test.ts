/**
 * The machine may have another Node, and npm under an old Node picks older packages where a version is left open: what
 * runs must be what was tested.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const repository = join(import.meta.dirname, '..', '..')
const read = (path: string): Record<string, Record<string, string>> => JSON.parse(readFileSync(join(repository, path), 'utf8'))
const own = read('package.json')
const exact = /^\d+\.\d+\.\d+$/
const pinned = { ...own['dependencies'], ...own['devDependencies'], ...own['optionalDependencies'] }

test('the tests run on the Node that comes with the project', () => {
  expect(process.versions.node).toBe('26.10.0')
})

test('what Node 26 is needed for is there', async () => {
  expect(globalThis).toHaveProperty('Temporal.PlainDate')
  expect(await import('node:sqlite')).toHaveProperty('DatabaseSync')
})

test.each([
  ['undici', '8.13.1'],
  ['ioredis', '6.0.0'],
  ['http-proxy-3', '2.0.1'],
  ['jose', '6.2.18'],
  ['openid-client', '6.9.0'],
  ['pino', '10.4.0'],
  ['vitest', '5.1.1'],
  ['nock', '15.0.6'],
  ['zod', '4.6.7'],
  ['yaml', '2.9.1'],
  ['fast-check', '4.10.2'],
  ['typescript', '7.0.2'],
])('%s is %s', (name, version) => {
  expect(read(`node_modules/${name}/package.json`)).toMatchObject({ version })
})

test.each(Object.keys(pinned))('%s is pinned exactly, and locked at that version', (name) => {
  expect(pinned[name]).toMatch(exact)
  expect(read('package-lock.json')['packages']?.[`node_modules/${name}`]).toMatchObject({ version: pinned[name] })
})

test('each package that comes with a Node brings the same one', () => {
  const carried = Object.entries(own['optionalDependencies'] ?? {}).filter(([name]) => name.startsWith('node-linux-'))
  expect(carried.map(([, version]) => version)).toStrictEqual(['26.10.0', '26.10.0'])
})

test('no engine is enforced: npm ci under an older Node must work', () => {
  expect(own['engines']).toStrictEqual({ node: '>=26' })
  expect(() => readFileSync(join(repository, '.npmrc'))).toThrow('ENOENT')
})
