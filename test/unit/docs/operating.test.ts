/** docs/operating.md says what is so: its keys, metrics, dependencies, commands and blocks are compared with the code. */
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parse } from 'yaml'
import { metricsOf } from '../../../src/runtime/metrics.ts'
import { diffSettings } from '../../../src/settings/diff.ts'
import type { Settings } from '../../../src/settings/shape.ts'
import { parseSettings, settingsJsonSchema } from '../../../src/settings/settings.ts'
import type { TestGate } from '../../harness/gate.ts'
import { aGate } from '../../harness/gate.ts'

const root = new URL('../../../', import.meta.url)
const read = (path: string): string => readFileSync(new URL(path, root), 'utf8')
const text = read('docs/operating.md')

const section = (title: string): string =>
  text.split(/^#{2,3} /m).find((part) => part.startsWith(`${title}\n`)) ?? expect.unreachable(`no section ${title}`)
const block = (language: string): string =>
  new RegExp(`^\`\`\`${language}\n([\\s\\S]*?)^\`\`\``, 'm').exec(text)?.[1] ?? expect.unreachable(`no block ${language}`)
const rows = (part: string): string[][] =>
  part
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .slice(2)
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    )
const quoted = (cell: string): string[] => [...cell.matchAll(/`([^`]+)`/g)].map((m) => m[1] ?? '')

interface Node {
  readonly properties?: Readonly<Record<string, Node>>
  readonly items?: Node
}
function keyPaths(node: Node, above = ''): string[] {
  const inner = node.items ? keyPaths(node.items, above) : []
  const own = Object.entries(node.properties ?? {}).flatMap(([key, child]) => {
    const path = above === '' ? key : `${above}.${key}`
    return [path, ...keyPaths(child, path)]
  })
  return [...inner, ...own]
}
const known = keyPaths(settingsJsonSchema() as Node)
const sections = known.filter((path) => !path.includes('.'))

test('every key that is named exists', () => {
  const inText = [...text.replaceAll(/^```[\s\S]*?^```/gm, '').matchAll(/`([a-z_]+(?:\.[a-z0-9_-]+)*)(?:: [^`]*)?`/g)]
    .map((m) => m[1] ?? '')
    .filter((name) => sections.includes(name.split('.')[0] ?? '') && !/\.(db|key|sock|yaml)$/.test(name))
  expect(inText.length).toBeGreaterThan(15)
  expect(inText.filter((name) => !known.includes(name) && name !== 'redis')).toStrictEqual([])
  const inBlocks = [...text.matchAll(/\b((?:evidence|listeners|instance|providers)\.[a-z_.-]*[a-z])\b/g)].map((m) => m[1] ?? '')
  expect(inBlocks.filter((name) => !known.includes(name) && !name.endsWith('.md'))).toStrictEqual([])
})

test('the metrics are those of the code, with their labels', () => {
  const documented = Object.fromEntries(rows(section('Metrics')).map(([name = '', labels = '']) => [quoted(name)[0], quoted(labels)]))
  const real = Object.fromEntries(
    Object.values(metricsOf()).flatMap((metric) =>
      'name' in metric ? [[metric.name as string, 'labelNames' in metric ? (metric.labelNames as string[]) : []]] : [],
    ),
  )
  expect(Object.keys(documented).toSorted()).toStrictEqual(Object.keys(real).toSorted())
  expect(documented).toStrictEqual(real)
})

let gate: TestGate
beforeAll(async () => {
  gate = await aGate()
})
afterAll(() => gate.stop())

test('the dependencies are those of /readyz', async () => {
  const { ready, ...checks } = (await (await fetch(`${gate.ops}/readyz`)).json()) as Record<string, unknown>
  expect(ready).toBe(true)
  expect(
    rows(section('Health'))
      .map(([name = '']) => quoted(name)[0])
      .toSorted(),
  ).toStrictEqual(Object.keys(checks).toSorted())
})

test('what a running gate takes over is what it says, and nothing else', () => {
  const parsed = parseSettings(read('config/ecluse.yaml'))
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.mistakes))
  const named = quoted(section('Settings').split('when the file')[0] ?? '')
  expect(named).toStrictEqual(['clients', 'client_limits', 'purposes', 'rules', 'providers.enedis-data-connect.limits'])
  const { settings } = parsed
  const dc = settings.providers['enedis-data-connect']
  const without = (change: Partial<Settings>): string[] => diffSettings(settings, { ...settings, ...change }).needsRestart.map(String)
  expect(
    without({
      clients: settings.clients.slice(1),
      clientLimits: { ...settings.clientLimits, concurrency: 1 },
      purposes: settings.purposes.slice(1),
      rules: settings.rules.slice(1),
      providers: { ...settings.providers, 'enedis-data-connect': { ...dc, limits: dc.limits.slice(1) } },
    }),
  ).toStrictEqual([])
  expect(without({ tokens: { ...settings.tokens, ttlSeconds: 61 } })).toStrictEqual(['tokens.ttl_seconds'])
})

test('every command that is named exists, with the options it is given', () => {
  const commands = new Set([...read('src/cli/main.ts').matchAll(/^ {2}([a-z]+): \{ says:/gm)].map((m) => m[1]))
  const named = [...text.matchAll(/`ecluse ([a-z]+)|^ecluse ([a-z]+) /gm)].map((m) => m[1] ?? m[2] ?? '')
  expect(named.length).toBeGreaterThan(8)
  expect(named.filter((name) => !commands.has(name))).toStrictEqual([])
  for (const option of ['drain-ms', 'grace-ms']) expect(read('src/cli/serve.ts')).toContain(`'${option}'`)
  const defaults = { 'drain-ms': 5000, 'grace-ms': 60_000 }
  for (const [option, ms] of Object.entries(defaults)) {
    expect(section('Stop').replaceAll('\n', ' ')).toMatch(new RegExp(`\`--${option}\`[ ,(]+${ms}\\)`))
    const constant = option.replace('-', '_').toUpperCase()
    expect(Number(new RegExp(`const ${constant} = ([\\d_]+)`).exec(read('src/cli/serve.ts'))?.[1]?.replaceAll('_', ''))).toBe(ms)
  }
})

test('no block before the gate logs a path or a query', () => {
  const nginx = block('nginx')
  const variables = [...(/log_format ecluse '([^']+)'/.exec(nginx)?.[1] ?? '').matchAll(/\$(\w+)/g)].map((m) => m[1])
  expect(variables).toStrictEqual([
    'time_iso8601',
    'request_method',
    'status',
    'body_bytes_sent',
    'request_time',
    'sent_http_ecluse_reason',
    'sent_http_audit_entry',
  ])
  expect(nginx).toMatch(/access_log \S+ ecluse;/)
  expect(nginx).toMatch(/error_log \S+ emerg;/)
  const { accessLog } = parse(block('yaml')) as {
    accessLog: { fields: { defaultMode: string; names: Record<string, string>; headers: { defaultMode: string } } }
  }
  expect([accessLog.fields.defaultMode, accessLog.fields.headers.defaultMode]).toStrictEqual(['drop', 'drop'])
  expect(Object.keys(accessLog.fields.names).filter((name) => /path|line|addr|host|query|url/i.test(name))).toStrictEqual([])
})

test('the unit gives the gate the time that its drain and grace take, and reloads by SIGHUP', () => {
  const unit = Object.fromEntries([...block('ini').matchAll(/^(\w+)=(.*)$/gm)].map((m) => [m[1], m[2]]))
  expect(Number(unit['TimeoutStopSec'])).toBeGreaterThan(65 + 15)
  expect(unit).toMatchObject({ ExecReload: '/bin/kill -HUP $MAINPID', RestartPreventExitStatus: '2', StateDirectoryMode: '0700' })
  expect(unit['ExecStart']).toMatch(/ecluse serve --config \/etc\/ecluse\/ecluse\.yaml$/)
})

test('sentences that it quotes are sentences of the code', () => {
  const code = [
    'src/state.ts',
    'src/state-start.ts',
    'src/main.ts',
    'src/storage/sqlite.ts',
    'src/storage/keys.ts',
    'src/settings/secret.ts',
    'src/ops/control.ts',
  ]
    .map(read)
    .join('\n')
  for (const [sentence = ''] of rows(section('When it does not start'))) {
    for (const piece of sentence.split('…').map((one) => one.trim())) expect(code).toContain(piece)
  }
  expect(code).toContain('an older copy of ecluse.db was restored. Signing on would fork the log')
  expect(code).toContain('was written by a newer ecluse')
})
