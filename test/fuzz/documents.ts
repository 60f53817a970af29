/** Random YAML into the reading of settings, and random JSON and CSV into that of imports. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { CSV_COLUMNS } from '../../src/permissions/import-text.ts'
import { parseImport } from '../../src/permissions/import.ts'
import type { ImportContext } from '../../src/permissions/import-check.ts'
import { parseSettings } from '../../src/settings/settings.ts'
import { permissionTree, settingsTree, settingsYaml } from '../harness/settings.ts'
import { aDate } from './days.ts'
import type { Random } from './random.ts'
import { mangled } from './random.ts'
import type { Target } from './target.ts'
import { Finding } from './target.ts'

const config = join(import.meta.dirname, '..', '..', 'config')
const YAMLS = [
  readFileSync(join(config, 'ecluse.yaml'), 'utf8'),
  readFileSync(join(config, 'demo.yaml'), 'utf8'),
  settingsYaml(settingsTree('http://127.0.0.1:8090', '/tmp/state')),
]
const YAML_WORDS = [
  '&a ',
  '*a',
  '!!binary ',
  '!!js/function ',
  '<<: *a',
  '? ',
  '- ',
  ': ',
  '|\n',
  '>-\n',
  '%YAML 1.1\n',
  '---\n',
  '...\n',
  '{',
  '[',
  '"',
  '0123',
  '1e999',
  '.inf',
  '.nan',
  '~',
  'null',
  'yes',
  '2026-01-01',
  '__proto__:',
  'constructor:',
  '\t',
  '# ',
  'password: hunter2\n',
  '&a [*a, *a]',
  '{x: &b [1,2], y: [*b,*b,*b]}',
  '!<tag:x> ',
  '99999999999999999999',
  '-0',
  '0x10',
  '0o7',
  "''",
]
/** Longer than this for one file is a hang: the largest file that is read has 1 MB. */
const SLOW_MS = 3000

export const settingsTarget: Target = {
  name: 'settings',
  open: () => {
    let accepted = 0
    return Promise.resolve({
      once(random) {
        const text = aSettingsFile(random)
        const started = performance.now()
        const parsed = parseSettings(text, { env: {} })
        if (performance.now() - started > SLOW_MS) throw new Finding('slow', text)
        if (parsed.ok) {
          accepted += 1
          const again = parseSettings(text, { env: {} })
          if (!again.ok || again.policyHash !== parsed.policyHash) throw new Finding('the same text twice gives another policy', text)
          return
        }
        if (parsed.mistakes.length === 0) throw new Finding('refused without a mistake', text)
        const lines = text.split('\n').length
        for (const { line, column, message } of parsed.mistakes)
          if (!(line >= 1 && line <= lines + 1 && column >= 1 && message !== ''))
            throw new Finding(`a mistake that is nowhere: ${line}:${column}`, text)
      },
      close: () => Promise.resolve(`${accepted} files were still settings`),
    })
  },
}

function aSettingsFile(random: Random): string {
  const text = random.pick(YAMLS)
  if (random.oneIn(12)) return random.text(400)
  const lines = text.split('\n')
  for (let i = random.int(4); i > 0; i -= 1) {
    const [a, b] = [random.int(lines.length), random.int(lines.length)]
    switch (random.int(5)) {
      case 0:
        lines.splice(a, 1 + random.int(3))
        break
      case 1:
        lines.splice(b, 0, lines[a] ?? '')
        break
      case 2:
        lines[a] = (lines[a] ?? '').replace(/: .*/, `: ${random.oneIn(2) ? random.pick(YAML_WORDS) : random.text(10)}`)
        break
      case 3:
        lines[a] = ' '.repeat(random.int(6)) + (lines[a] ?? '')
        break
      default:
        lines.splice(a, 0, ' '.repeat(random.int(8)) + random.pick(YAML_WORDS))
    }
  }
  const now = lines.join('\n')
  return random.oneIn(2) ? mangled(random, now, YAML_WORDS) : now
}

export const importTarget: Target = {
  name: 'import',
  open: () => {
    const settings = parseSettings(settingsYaml(settingsTree('http://127.0.0.1:8090', '/tmp/state')))
    if (!settings.ok) throw new Error('the settings of the fuzz have mistakes')
    const context: ImportContext = {
      unverified: true,
      policy: settings.policy,
      clients: new Map([
        ['viriya', 'self_view'],
        ['office', 'solar_sizing'],
      ]),
      accounts: new Set(['enedis-data-connect/main']),
    }
    let accepted = 0
    return Promise.resolve({
      once(random) {
        const text = random.oneIn(2) ? aJsonImport(random) : aCsvImport(random)
        const started = performance.now()
        const parsed = parseImport(text, { ...context, unverified: !random.oneIn(3) })
        if (performance.now() - started > SLOW_MS) throw new Finding('slow', text)
        if (!parsed.ok) {
          if (parsed.mistakes.length === 0 || parsed.mistakes.some((m) => m.where === '' && m.message === ''))
            throw new Finding('refused without a mistake', text)
          return
        }
        accepted += 1
        for (const { content } of parsed.drafts) {
          const { scope } = content
          const good =
            /^(prm:[0-9]{14}|pce:([0-9]{14}|GI[0-9]{6}))$/.test(content.meter) &&
            context.clients.has(scope.recipient) &&
            scope.validFrom < scope.validUntil &&
            scope.lines.length > 0 &&
            scope.lines.every((l) => !l.data || l.data.from < l.data.until)
          if (!good) throw new Finding('a permission that none can give', text)
        }
      },
      close: () => Promise.resolve(`${accepted} imports were still good`),
    })
  },
}

function aJsonImport(random: Random): string {
  const permissions = Array.from({ length: 1 + random.int(3) }, (_, i) => permissionTree({ id: `p${random.oneIn(6) ? 0 : i}` }))
  const tree = { permissions: permissions.map((p) => changed(random, p)) }
  const text = JSON.stringify(tree)
  return random.oneIn(3) ? mangled(random, text, ['{"__proto__":1}', ',', 'null', '1e999', '"\\ud800"']) : text
}

function changed(random: Random, value: unknown): unknown {
  if (random.oneIn(40))
    return random.pick<unknown>([null, '', 0, -1, 1e308, true, [], {}, aDate(random), random.text(20), random.digits(14), 'x'.repeat(300)])
  if (Array.isArray(value)) return value.flatMap((item) => (random.oneIn(30) ? [item, item] : [changed(random, item)]))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .filter(() => !random.oneIn(60))
      .map(([name, item]) => [random.oneIn(80) ? random.pick(['__proto__', 'constructor', random.text(6)]) : name, changed(random, item)]),
  )
}

const ROW: Readonly<Record<string, string>> = {
  id: 'p1',
  meter: 'prm:10000000000001',
  holder_kind: 'natural',
  holder_reference: 'somebody',
  client: 'viriya',
  gdpr_basis: 'consent',
  sector_release: 'express_authorisation',
  valid_from: '2026-01-01T00:00:00Z',
  valid_until: '2027-01-01T00:00:00Z',
  kind: 'load_curve',
  direction: 'withdrawal',
  finest: 'PT30M',
  purpose: 'self_view',
  from: '2026-01-01',
  until: '2026-12-01',
  provider: 'enedis-data-connect',
  account: 'main',
}

function aCsvImport(random: Random): string {
  const columns = CSV_COLUMNS.filter((name) => name in ROW || random.oneIn(6))
  const rows = Array.from({ length: 1 + random.int(3) }, () =>
    columns.map((name) => {
      const value = random.oneIn(25) ? random.pick([random.text(8), aDate(random), '"', '""', 'a"b', '\n']) : (ROW[name] ?? '')
      return /[",\n]/.test(value) && !random.oneIn(5) ? `"${value.replaceAll('"', '""')}"` : value
    }),
  )
  const text = [columns, ...rows].map((cells) => cells.join(',')).join(random.pick(['\n', '\r\n']))
  return random.oneIn(3) ? mangled(random, text, ['"', ',', '\n', '\r']) : text
}
