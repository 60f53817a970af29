/**
 * Who may import whom. A folder of `src/` sees what its row names and nothing else, so that the rule stays pure, adapters
 * have no sockets, and the request path reaches the stores only through what `main.ts` hands it.
 *
 * Found by reading the import lines of each file: static, dynamic, re-exported, and the files that start as workers
 * (`new URL('./x.ts', import.meta.url)`).
 */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { expect, test } from 'vitest'

const source = join(import.meta.dirname, '..', '..', 'src')

const PURE = ['domain', 'decide', 'providers']
const STORES = ['storage', 'permissions', 'evidence', 'settings']
const REQUEST_PATH = { values: [...PURE, 'runtime'], types: STORES }
/** What people see in a browser. */
const PAGES = { values: [...PURE, 'runtime', 'web'], types: STORES }

/** `values` may be imported, and of `types` only types. `(roots)` are the files directly in `src/`: they build everything. */
const TABLE: Readonly<Record<string, { readonly values: readonly string[]; readonly types?: readonly string[] } | 'everything'>> = {
  domain: { values: [] },
  decide: { values: ['domain'] },
  providers: { values: ['domain'] },
  storage: { values: ['domain'] },
  runtime: { values: ['domain'] },
  permissions: { values: ['domain', 'storage', 'runtime'] },
  evidence: { values: ['domain', 'storage'] },
  settings: { values: ['domain', 'decide'] },
  web: { values: ['domain'] },
  gateway: REQUEST_PATH,
  portal: PAGES,
  ops: REQUEST_PATH,
  console: { ...PAGES, types: [...STORES, 'ops'] },
  sandbox: { values: ['domain', 'web'] },
  cli: 'everything',
  '(roots)': 'everything',
}

/** Packages that open sockets or files, or read the clock, have no place where a decision must be replayable. */
const PURE_BUILTINS = /^node:(buffer|crypto|stream|string_decoder|util|assert)(\/|$)/

interface Import {
  readonly from: string
  readonly to: string
  readonly typeOnly: boolean
}

const imports = readdirSync(source, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts'))
  .flatMap((path) => importsOf(path, readFileSync(join(source, path), 'utf8')))

function importsOf(path: string, text: string): Import[] {
  const code = text.replace(/^\s*(\/\*[\s\S]*?\*\/|\/\/.*$)/gm, '')
  const statements = [...code.matchAll(/^\s*(?:import|export)(\s+type\b(?!\s+from\b|\s*,))?[^'"`;]*?\bfrom\s*(['"])([^'"]+)\2/gm)].map(
    (m) => ({
      typeOnly: m[1] !== undefined,
      target: m[3] ?? '',
    }),
  )
  const others = [
    ...code.matchAll(/^\s*import\s*(['"])([^'"]+)\1/gm),
    ...code.matchAll(/\bimport\(\s*(['"`])([^'"`]+)\1/g),
    ...code.matchAll(/(['"])(\.{1,2}\/[^'"\s]*\.ts)\1/g),
  ].map((m) => ({ typeOnly: false, target: m[2] ?? '' }))
  // A dynamic import or a worker's URL also matches as a quoted path: each target once.
  const seen = new Set(statements.map(({ target }) => target))
  return [...statements, ...others.filter(({ target }) => !seen.has(target) && seen.add(target))].map(({ typeOnly, target }) => ({
    from: path,
    to: target.startsWith('.') ? relative(source, resolve(source, dirname(path), target)) : target,
    typeOnly,
  }))
}

function folderOf(path: string): string {
  return path.includes('/') ? (path.split('/')[0] ?? '') : '(roots)'
}

const between = imports.filter(({ to }) => to.endsWith('.ts')).filter(({ from, to }) => folderOf(from) !== folderOf(to))

test('every folder of src/ has its row', () => {
  const folders = new Set(imports.map(({ from }) => folderOf(from)))
  expect([...folders].filter((folder) => !(folder in TABLE))).toStrictEqual([])
})

test.each(Object.keys(TABLE))('%s imports only what its row names', (folder) => {
  const row = TABLE[folder]
  if (row === undefined || row === 'everything') return
  const offending = between
    .filter(({ from }) => folderOf(from) === folder)
    .filter(({ to, typeOnly }) => !row.values.includes(folderOf(to)) && !(typeOnly && row.types?.includes(folderOf(to))))
  expect(offending.map(({ from, to, typeOnly }) => `${from} → ${to}${typeOnly ? ' (type)' : ''}`)).toStrictEqual([])
})

test('no file leaves src/', () => {
  expect(imports.filter(({ to }) => to.startsWith('..')).map(({ from, to }) => `${from} → ${to}`)).toStrictEqual([])
})

test('what must be pure uses no package, and of Node only what neither waits nor looks at the machine', () => {
  const offending = imports
    .filter(({ from }) => PURE.includes(folderOf(from)))
    .filter(({ to, typeOnly }) => !to.endsWith('.ts') && !typeOnly && !PURE_BUILTINS.test(to))
    // A parser without input or output of its own, in the one file that reads XML.
    .filter(({ from, to }) => !(to === 'saxes' && from === 'providers/enedis-sge/xml.ts'))
  expect(offending.map(({ from, to }) => `${from} → ${to}`)).toStrictEqual([])
})

test('folders form no cycle', () => {
  const edges = Map.groupBy(
    between.filter(({ from, to }) => folderOf(from) !== '(roots)' && folderOf(to) !== '(roots)'),
    ({ from }) => folderOf(from),
  )
  const reach = (folder: string, path: readonly string[]): readonly string[] | undefined => {
    if (path.includes(folder)) return [...path.slice(path.indexOf(folder)), folder]
    const next = new Set((edges.get(folder) ?? []).map(({ to }) => folderOf(to)))
    return [...next].map((one) => reach(one, [...path, folder])).find((found) => found !== undefined)
  }
  expect([...edges.keys()].map((folder) => reach(folder, [])).find((cycle) => cycle !== undefined)).toBeUndefined()
})

test('only cli/ imports the files directly in src/', () => {
  const offending = between.filter(({ from, to }) => folderOf(to) === '(roots)' && folderOf(from) !== 'cli')
  expect(offending.map(({ from, to }) => `${from} → ${to}`)).toStrictEqual([])
})

test('the reader of imports sees each kind of import', () => {
  const text = [
    "import type { A } from '../a/a.ts'",
    "import { b,\n  type B } from '../b/b.ts'",
    "export * from './c.ts'",
    "import '../d/d.ts'",
    "const e = await import('../e/e.ts')",
    "new Worker(new URL(import.meta.url.endsWith('.ts') ? '../f/f.ts' : '../f/f.js', import.meta.url))",
    "// import { g } from '../g/g.ts'",
    "import { type as h } from 'node:h'",
  ].join('\n')
  expect(importsOf('here/x.ts', text).map(({ to, typeOnly }) => `${to}${typeOnly ? ' (type)' : ''}`)).toStrictEqual([
    'a/a.ts (type)',
    'b/b.ts',
    'here/c.ts',
    'node:h',
    'd/d.ts',
    'e/e.ts',
    'f/f.ts',
  ])
})
