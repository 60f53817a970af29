/** docs/evidence.md names every type of entry and every result that the code writes, and no other. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { OUTCOMES } from '../../../src/domain/record.ts'

const repository = join(import.meta.dirname, '..', '..', '..')
const text = readFileSync(join(repository, 'docs', 'evidence.md'), 'utf8')
const source = readdirSync(join(repository, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts'))
  .map((path) => readFileSync(join(repository, 'src', path), 'utf8'))
  .join('\n')

test('types of entries', () => {
  const table = text.split('| entry | when |')[1]?.split('\n\n')[0] ?? ''
  const told = [...table.matchAll(/^\|([^|]+)\|/gm)].flatMap((row) => [...(row[1] ?? '').matchAll(/`([a-z.<>_]+)`/g)].map((m) => m[1]))
  const written = new Set([...source.matchAll(/'((?:log|access|admin|erasure|restriction)\.[a-z]+)'/g)].map((m) => m[1]))
  const made = ['consent.<act>', 'evidence.read', 'evidence.exported']
  expect(source).toContain('t: `consent.${type}`')
  expect(source).toMatch(/`evidence\.\$\{\w+\}`/)
  expect(told.toSorted()).toStrictEqual([...written, ...made].toSorted())
})

test('results of a call', () => {
  const sentence = text.split('An outcome has one of these results:')[1]?.split('.\n')[0] ?? ''
  expect([...sentence.matchAll(/`([a-z_]+)`/g)].map((m) => m[1])).toStrictEqual([...OUTCOMES])
})
