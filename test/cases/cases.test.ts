/**
 * Runs the decision cases of this folder, and those that are shipped for operators. Each states the answer and the
 * evidence. What holds of any case is asserted of each: a decision does not depend on the order of permissions nor on
 * those of others, can be made again from its input as JSON, and leaves nothing in clear that names meter or permission.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { parseCases, type Case } from '../../src/case-file.ts'
import { run } from '../../src/cli/policy.ts'
import { decide, weigh } from '../../src/decide/decide.ts'
import { bareMeter } from '../../src/domain/meter.ts'
import type { ClientId, PermissionId, PermissionView } from '../../src/domain/permission.ts'
import { REASONS } from '../../src/domain/errors.ts'
import { SUSPEND_CAUSES } from '../../src/domain/vocabulary.ts'
import { entriesOf, runCase } from '../../src/policy-cases.ts'
import { parseSettings } from '../../src/settings/settings.ts'

const root = join(import.meta.dirname, '..', '..')
const SETTINGS = join(root, 'test', 'fixtures', 'cases', 'settings.yaml')

function casesOf(folder: string, settings: string): { file: string; cases: readonly Case[] }[] {
  const read = parseSettings(readFileSync(settings, 'utf8'))
  if (!read.ok) throw new Error(`${settings}: ${JSON.stringify(read.mistakes)}`)
  return readdirSync(folder)
    .filter((name) => name.endsWith('.yaml'))
    .map((file) => {
      const parsed = parseCases(readFileSync(join(folder, file), 'utf8'), read.policy)
      if (!parsed.ok) throw new Error(`${file}: ${JSON.stringify(parsed.mistakes)}`)
      return { file, cases: parsed.cases }
    })
}

const own = casesOf(import.meta.dirname, SETTINGS)
const shipped = casesOf(join(root, 'config', 'cases'), join(root, 'config', 'ecluse.yaml'))
const all = [...own, ...shipped].flatMap(({ cases }) => cases)

describe.each([...own, ...shipped])('$file', ({ cases }) => {
  test.each(cases.map((c) => [c.name, c] as const))('%s', (_name, asked) => {
    expect(runCase(asked).differences).toStrictEqual([])
    const decision = decide(asked)

    // One for each reason that could make evidence and answer depend on more than the input.
    expect(decide({ ...asked, permissions: asked.permissions.toReversed() })).toStrictEqual(decision)
    expect(decide({ ...asked, permissions: [...strangersOf(asked), ...asked.permissions] })).toStrictEqual(decision)
    expect(decide(JSON.parse(JSON.stringify(asked)) as Case)).toStrictEqual(decision)
    expect(JSON.parse(JSON.stringify(decision))).toStrictEqual(decision)
    // What is explained is about the caller's own lines.
    const own = asked.permissions.filter((p) => p.scope.recipient === asked.caller.client && p.meter === asked.request.meter)
    expect(weigh(asked).lines.filter((l) => !own.some((p) => p.id === l.permission))).toStrictEqual([])

    const clear = JSON.stringify(entriesOf(asked, decision).map((entry) => entry.clear))
    expect(clear).not.toContain(bareMeter(asked.request.meter))
    for (const { id, head } of asked.permissions) {
      expect(clear).not.toContain(`"${id}"`)
      expect(clear).not.toContain(head)
    }
  })
})

/** The same permissions, of somebody else and on another meter. */
function strangersOf({ permissions, request }: Case): PermissionView[] {
  return permissions.flatMap((p) => {
    const id = `0-${p.id}` as PermissionId // before all others, so that it would be preferred
    const meter = request.meter.replace(/.$/, '9') as typeof request.meter
    return [
      { ...p, id, scope: { ...p.scope, recipient: 'stranger' as ClientId } },
      { ...p, id, meter },
    ]
  })
}

test('every case of this folder is exact: it states parts or reason, and the evidence', () => {
  for (const { file, cases } of own)
    for (const c of cases) {
      const { decision } = c
      const stated = c.exact && c.evidence !== undefined && (decision.result === 'deny' ? decision.reason : decision.parts) !== undefined
      expect.soft(stated, `${file}: ${c.name}`).toBe(true)
    }
})

test('every reason that decide can give has a case, and every cause of a suspension', () => {
  const source = ['consider', 'decide', 'reach'].map((name) => readFileSync(join(root, 'src', 'decide', `${name}.ts`), 'utf8')).join('\n')
  const given = Object.keys(REASONS).filter((reason) => new RegExp(`['"]${reason}['"]`).test(source))
  const shown = new Set(all.map((c) => c.decision.reason))
  expect(given.length).toBeGreaterThan(15)
  expect(given.filter((reason) => !shown.has(reason as keyof typeof REASONS))).toStrictEqual([])
  const causes = new Set(own.flatMap(({ cases }) => cases).flatMap((c) => c.permissions.map((p) => p.suspendCause)))
  expect(SUSPEND_CAUSES.filter((cause) => !causes.has(cause))).toStrictEqual([])
})

describe('ecluse policy test', () => {
  let folder: string
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'ecluse-cases-'))
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  /** What the command prints and how it exits; a folder with that one file, under the cases' own policy. */
  async function policyTest(text: string, ...words: string[]): Promise<{ exit: number; out: string }> {
    const file = join(folder, 'one.yaml')
    writeFileSync(file, text)
    const write = vi.spyOn(process.stdout, 'write').mockReturnValue(true)
    try {
      const exit = await run(['test', folder, ...words])
      return { exit, out: write.mock.calls.map(([chunk]) => String(chunk).replaceAll(file, 'one.yaml')).join('') }
    } finally {
      write.mockRestore()
    }
  }
  const withSettings = ['--config', SETTINGS]

  const REQUEST = `given:
  now: 2026-11-25T09:00:00.000Z
  request: { meter: 'prm:10000000000001', kind: daily_energy, days: 2026-10-01/2026-10-03 }
  caller: { client: viriya, purpose: self_view }
  permissions:
    p1:
      valid_from: 2026-01-01T00:00:00Z
      valid_until: 2027-01-01T00:00:00Z
      lines: { day: { kind: daily_energy, finest: P1D, days: 2026-10-02/2028-01-01 } }
cases:
  - name: half of it`

  test('a case that states only what matters to its author', async () => {
    const text = `${REQUEST}\n    decision: { result: narrow, days: [2026-10-02/2026-10-03] }\n`
    expect(await policyTest(text, ...withSettings)).toStrictEqual({ exit: 0, out: '1 passed, 0 failed\n' })
  })

  test('what differs is shown with its place, expected and actual', async () => {
    const text = `${REQUEST}
    decision: { result: allow, days: [2026-10-01/2026-10-03] }
    evidence: [{ t: access.intent, sent: 2026-10-01/2026-10-03, sealed: [permissions] }]
`
    expect(await policyTest(text, ...withSettings)).toStrictEqual({
      exit: 1,
      out: `one.yaml:11: half of it
  decision.result
    expected "allow"
    actual   "narrow"
  decision.days[0]
    expected "2026-10-01/2026-10-03"
    actual   "2026-10-02/2026-10-03"
  evidence[0].sent
    expected "2026-10-01/2026-10-03"
    actual   "2026-10-02/2026-10-03"
  evidence[0].sealed
    expected ["permissions"]
    actual   ["permissions","subject"]
0 passed, 1 failed
`,
    })
  })

  test('as JSON, for scripts', async () => {
    const text = `${REQUEST}\n    decision: { result: deny, reason: withdrawn }\n`
    const { exit, out } = await policyTest(text, ...withSettings, '--json')
    expect(exit).toBe(1)
    expect(JSON.parse(out)).toStrictEqual({
      ok: false,
      passed: 0,
      failed: 1,
      cases: [
        {
          file: expect.stringContaining('one.yaml') as string,
          name: 'half of it',
          line: 11,
          differences: [
            { at: 'decision.result', expected: 'deny', actual: 'narrow' },
            { at: 'decision.reason', expected: 'withdrawn' },
          ],
        },
      ],
    })
  })

  test('exactly: what is not stated must be absent, in the decision and in the entry', async () => {
    const text = `exact: true
${REQUEST}
    decision: { result: narrow, parts: [{ permission: p1, line: day, days: 2026-10-02/2026-10-03 }], obligations: [] }
    evidence: [{ t: access.intent, part: 1/1, sent: 2026-10-02/2026-10-03, sealed: [subject] }]
`
    const { exit, out } = await policyTest(text, ...withSettings)
    expect(exit).toBe(1)
    expect(out.split('\n').filter((line) => /^ {2}\S/.test(line))).toStrictEqual([
      '  decision.obligations',
      '  decision.rule',
      '  evidence[0].clear.basis',
      '  evidence[0].clear.dec.rules',
      '  evidence[0].clear.dec.obligations',
      '  evidence[0].sealed.permissions',
    ])
  })

  test('a file may bring its policy', async () => {
    const text = `policy:
  purposes: [{ code: self_view, version: 1, label: { fr: Voir, en: See }, grounds: [consent], kinds: [daily_energy], finest: P1D }]
  rules: [{ id: mine, purpose: self_view, kind: daily_energy, provider: '*', on_overrun: refuse }]
${REQUEST}
    decision: { result: deny, reason: period_outside, rule: mine, permitted: [2026-10-02/2026-10-03] }
`
    expect(await policyTest(text)).toStrictEqual({ exit: 0, out: '1 passed, 0 failed\n' })
  })

  const GOOD = `${REQUEST}\n    decision: { result: narrow }\n`
  test.each([
    [
      'without a policy',
      GOOD,
      [],
      'one.yaml:1:1: no policy to decide under: give the file a `policy` (purposes, rules, limits), or the command --config FILE',
    ],
    ['an unknown key', GOOD.replace('now:', 'noww:'), withSettings, "one.yaml:2:3: given.noww: unknown key 'noww', did you mean 'now'?"],
    ['a day that is none', GOOD.replace('10-03 }', '02-30 }'), withSettings, 'expected days, the last one excluded: 2026-10-01/2026-11-01'],
    ['a moment without its offset', GOOD.replace('09:00:00.000Z', '09:00:00'), withSettings, 'expected a moment with its offset'],
    ['a meter that is none', GOOD.replace('prm:1', 'prm:'), withSettings, 'expected a meter: prm: and 14 digits'],
    ['no moment', GOOD.replace(/ {2}now: .*\n/, ''), withSettings, "'now' is missing, here and in `given`"],
    [
      'a permission without validity',
      GOOD.replace(/ {6}valid_from: .*\n/, ''),
      withSettings,
      "permission 'p1' needs 'valid_from' and 'valid_until'",
    ],
    ['a line without days', GOOD.replace(', days: 2026-10-02/2028-01-01', ''), withSettings, "line 'day' has no 'days'"],
    [
      'an act that is not possible',
      `${GOOD}    permissions: { p1: { acts: [create, activate] } }\n`,
      withSettings,
      "'activate' is not possible on a permission that is draft",
    ],
    ['a rule that the policy lacks', `${GOOD}    policy: { rules: { other: { coarser: none } } }\n`, withSettings, "no rule 'other'"],
    ['not YAML', 'cases: [', withSettings, 'one.yaml:1:9: not YAML'],
    ['no case', 'cases: []', withSettings, 'one.yaml:1:8: cases: expected at least one'],
  ])('%s is a mistake with its place, and nothing runs', async (_name, text, words, sentence) => {
    const failed = await policyTest(text, ...words).catch((error: unknown) => error)
    expect(failed).toMatchObject({ name: 'CliError', exit: 2 })
    expect((failed as Error).message.replaceAll(join(folder, 'one.yaml'), 'one.yaml')).toContain(sentence)
  })

  test('another word than test, or settings with a mistake', async () => {
    await expect(run(['tests', folder])).rejects.toMatchObject({ exit: 2, message: 'ecluse policy test DIR [--config FILE] [--json]' })
    await expect(policyTest(GOOD, '--config', join(folder, 'none.yaml'))).rejects.toMatchObject({ exit: 2 })
    await expect(run(['test', join(root, 'src', 'decide'), ...withSettings])).rejects.toThrow('no case file (.yaml) here')
  })
})
