/** The files that are shipped: accepted as they stand, every key explained, and the JSON Schema that editors check them by. */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { DATA_KINDS } from '../../../src/domain/vocabulary.ts'
import { formatMistakes, readSettings, settingsJsonSchema } from '../../../src/settings/settings.ts'
import { settingsSchema } from '../../../src/settings/schema.ts'

const path = (name: string) => fileURLToPath(new URL(`../../../config/${name}`, import.meta.url))
const text = (name: string) => readFileSync(path(name), 'utf8')
const DEMO_ENV = {
  ECLUSE_DEMO_ENEDIS_SECRET: 'a',
  ECLUSE_DEMO_GRDF_SECRET: 'g',
  ECLUSE_DEMO_SIGNING_KEY: 'b',
  ECLUSE_DEMO_MASTER_KEY: 'c',
  ECLUSE_DEMO_INDEX_KEY: 'd',
  ECLUSE_DEMO_FRANCECONNECT_SECRET: 'e',
  ECLUSE_DEMO_CONSOLE_SECRET: 'f',
}

async function loaded(name: string, env = {}) {
  const parsed = await readSettings(path(name), env)
  if (!parsed.ok) throw new Error(formatMistakes(name, parsed.mistakes))
  return parsed
}

test('ecluse.yaml is accepted without a warning, and holds the whole register in both languages', async () => {
  const { settings, warnings } = await loaded('ecluse.yaml')
  expect(warnings).toStrictEqual([])
  expect(settings.purposes.map((p) => p.code)).toStrictEqual([
    'self_view',
    'advice',
    'home_automation',
    'flexibility',
    'solar_sizing',
    'acc_study',
    'acc_operation',
    'acc_billing',
    'building_mgmt',
    'renovation_mv',
    'quote',
    'territory_dashboard',
    'fuel_poverty',
    'research',
    'altruism',
    'marketing',
    'resale',
    'permission_admin',
    'audit',
  ])
  expect(settings.purposes.filter(({ label }) => label.fr === label.en)).toStrictEqual([])
})

test('what ecluse.yaml shows in comments is accepted too', async () => {
  const uncommented = text('ecluse.yaml')
    .replaceAll(/^( *)# (tls:|ca: \/|origin: |redis:)/gm, '$1$2')
    .replaceAll(/^( *)# {3}((?:certificate|key|url|username|password|ttl_seconds|tls|command_timeout_ms|gates): )/gm, '$1  $2')
  const keys = settingsSchema.parse(parse(uncommented))
  expect([keys.redis?.username, keys.redis?.gates]).toStrictEqual(['ecluse', 2])
  expect(keys.listeners.gate.tls?.key).toBe('/etc/ecluse/tls/key.pem')
  expect(keys.providers['enedis-data-connect'].ca).toBe('/etc/ecluse/enedis-ca.pem')
  expect(keys.evidence.origin).toBe('gate.example.fr/journal/2027')
})

test('every key that the schema knows stands in ecluse.yaml, in use or in a comment', () => {
  const written = new Set([...text('ecluse.yaml').matchAll(/^ *(?:# +|- )?([a-z_-]+):|[{,] ([a-z_]+):/gm)].map((m) => m[1] ?? m[2]))
  const missing = keysOf(settingsJsonSchema()).filter((key) => !written.has(key))
  // A secret is found by file or by env; the head of the file explains both.
  expect(missing).toStrictEqual(['env'])
})

test('every key of ecluse.yaml has a comment before it or beside it; in a list, in the first item that has the key', () => {
  const lines = text('ecluse.yaml').split('\n')
  const explained = new Set<string>()
  const above: { indent: number; key: string }[] = []
  const bare = lines.flatMap((line, i) => {
    const [, indent = '', dash = '', key = ''] = /^( *)(- )?([a-z_-]+):/.exec(line) ?? []
    if (key === '') return []
    const depth = indent.length + dash.length
    while ((above.at(-1)?.indent ?? -1) >= depth) above.pop()
    above.push({ indent: depth, key })
    const keyPath = above.map((a) => a.key).join('.')
    if (/ # /.test(line) || /^ *#/.test(lines[i - 1] ?? '')) explained.add(keyPath)
    return explained.has(keyPath) ? [] : [`${i + 1}: ${keyPath}`]
  })
  expect(bare).toStrictEqual([])
  expect(explained.size).toBeGreaterThan(70)
})

test('demo.yaml is on loopback, takes every secret from the environment, and shows two denial styles', async () => {
  const { settings, warnings } = await loaded('demo.yaml', DEMO_ENV)
  expect(warnings.map((w) => w.message)).toStrictEqual(["no rule speaks of 'resale': every request of 'broker' is refused"])
  expect([settings.listeners.gate.address, settings.listeners.ops.address]).toStrictEqual(['127.0.0.1', '127.0.0.1'])
  expect(new URL(settings.providers['enedis-data-connect'].url).hostname).toBe('127.0.0.1')
  expect(text('demo.yaml')).not.toMatch(/^[^#]*\bfile:/m)
  expect(new Set(settings.clients.map((c) => c.denialStyle))).toStrictEqual(new Set(['native', 'domoticz']))
  expect(new Set(settings.clients.map((c) => c.purpose)).size).toBe(settings.purposes.length)
})

test('the rules of demo.yaml narrow for one client, refuse for another, and know nothing of a third', async () => {
  const { policy, document } = await loaded('demo.yaml', DEMO_ENV)
  const overrun = (purpose: string) => policy.rules.find((r) => r.purpose === purpose && r.kind === 'load_curve')?.onOverrun
  expect([overrun('self_view'), overrun('home_automation'), overrun('solar_sizing'), overrun('resale')]).toStrictEqual([
    'narrow',
    'narrow',
    'refuse',
    undefined,
  ])
  expect(document.clients.find((c) => c.id === 'solar-office')?.refusesNarrowing).toBe(true)
})

test.each(['ecluse.yaml', 'demo.yaml'])('the JSON Schema knows the sections of %s, and asks for none that it lacks', (name) => {
  const schema = settingsJsonSchema() as { properties: Record<string, unknown>; required: string[]; additionalProperties: unknown }
  const sections = Object.keys(parse(text(name)) as object)
  expect(sections.filter((s) => !Object.hasOwn(schema.properties, s))).toStrictEqual([])
  expect(schema.required.filter((s) => !sections.includes(s))).toStrictEqual([])
  expect(schema.additionalProperties).toBe(false)
})

test('the JSON Schema names itself, closes its lists and explains every key', () => {
  const schema = settingsJsonSchema()
  expect(schema['$schema']).toBe('https://json-schema.org/draft/2020-12/schema')
  expect(schema['title']).toBe('Écluse settings')
  expect(JSON.stringify(schema)).toContain(JSON.stringify(DATA_KINDS))
  expect(undescribed(schema, '')).toStrictEqual([])
})

interface Node {
  readonly description?: string | undefined
  readonly properties?: Readonly<Record<string, Node>> | undefined
  readonly items?: Node | undefined
  readonly anyOf?: readonly Node[] | undefined
}

function keysOf(node: Node): string[] {
  const inner = [...(node.items ? [node.items] : []), ...(node.anyOf ?? [])].flatMap(keysOf)
  const own = Object.entries(node.properties ?? {}).flatMap(([key, child]) => [key, ...keysOf(child)])
  return [...new Set([...own, ...inner])]
}

function undescribed(node: Node, at: string): string[] {
  const inner = [...(node.items ? [node.items] : []), ...(node.anyOf ?? [])].flatMap((child) => undescribed(child, at))
  const own = Object.entries(node.properties ?? {}).flatMap(([key, child]) => {
    const here = `${at}.${key}`
    return [...(child.description === undefined ? [here] : []), ...undescribed(child, here)]
  })
  return [...own, ...inner]
}
