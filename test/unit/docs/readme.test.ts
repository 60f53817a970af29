/** README, SECURITY, CONTRIBUTING and docs/ name only what is there: files, npm scripts, commands and their verbs. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'

const repository = join(import.meta.dirname, '..', '..', '..')
const read = (path: string): string => readFileSync(join(repository, path), 'utf8')
const docs = ['README.md', 'SECURITY.md', 'CONTRIBUTING.md', 'CHANGELOG.md', ...markdownIn('docs')]
const scripts = JSON.parse(read('package.json')).scripts as Record<string, string>

function markdownIn(folder: string): string[] {
  return readdirSync(join(repository, folder), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.md'))
    .map((path) => join(folder, path))
}

test.each(docs)('links of %s lead to files', (path) => {
  const links = [...read(path).matchAll(/\]\(([^)#]+)(?:#[^)]*)?\)/g)].map((m) => m[1] ?? '').filter((link) => !/^https?:/.test(link))
  expect(links.filter((link) => !existsSync(join(repository, dirname(path), link)))).toStrictEqual([])
})

test.each(docs)('paths of the repository in %s exist', (path) => {
  const named = [...read(path).matchAll(/\b((?:src|test|docs|config)\/[A-Za-z0-9_./*-]*)/g)].map((m) => (m[1] ?? '').replace(/[.,]$/, ''))
  expect(named.filter((one) => !one.includes('*') && !existsSync(join(repository, one)))).toStrictEqual([])
})

test.each(docs)('npm scripts in %s exist', (path) => {
  const named = [...read(path).matchAll(/npm run ([a-z-]+)/g)].map((m) => m[1] ?? '')
  expect(named.filter((name) => !(name in scripts))).toStrictEqual([])
})

const main = read('src/cli/main.ts')
const commands = [...main.matchAll(/^ {2}(\w+): \{ says/gm)].map((m) => m[1] ?? '')

test('the command line has commands', () => expect(commands.length).toBeGreaterThan(10))

test.each(docs)('commands in %s exist, with their verbs', (path) => {
  const named = [...read(path).matchAll(/(?:^|`|\$ |npx |exec <name> )ecluse ([a-z]+)(?: ([a-z]+))?/gm)].map((m) => ({
    name: m[1] ?? '',
    verb: m[2],
  }))
  const wrong = named.filter(({ name, verb }) => {
    if (!commands.includes(name)) return true
    const file = read(`src/cli/${name}.ts`)
    // Only commands that choose by a verb have one; an argument in small letters is none.
    return verb !== undefined && /\bverb\b/.test(file) && !file.includes(verb)
  })
  expect(wrong).toStrictEqual([])
})

test('the README’s promises are those of SECURITY and each has its command', () => {
  const table = read('README.md').split('## What is promised')[1]?.split('\n## ')[0] ?? ''
  const rows = table.split('\n').filter((line) => line.startsWith('| **'))
  expect(rows).toHaveLength(9)
  expect(rows.filter((row) => !row.includes('`npx vitest run'))).toStrictEqual([])
})
