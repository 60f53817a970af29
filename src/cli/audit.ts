/** `ecluse audit verify | open | replay | export`: what an auditor asks of the evidence. */
import { readFile } from 'node:fs/promises'
import type { ExportOrder } from '../audit.ts'
import { entriesNamed, exportPack, openEntries, replayPack, replayState } from '../audit.ts'
import type { Selection } from '../evidence/disclose.ts'
import { parsePolicy, policyOf } from '../evidence/log/policy.ts'
import type { TrustPolicy } from '../evidence/log/policy.ts'
import type { RefusedPlace, VerifiedPlace } from '../evidence/verify/place.ts'
import { absentLogs, readDisclosed, readTagKeys, verifyPlace } from '../evidence/verify/place.ts'
import type { ReplayReport } from '../replay.ts'
import type { Call } from './instance.ts'
import { INSTANCE_OPTIONS, withState } from './instance.ts'
import { progressOn } from './progress.ts'
import type { Words } from './words.ts'
import { CliError, print, wordsOf } from './words.ts'

const USAGE = `ecluse audit verify DIR [DIR …] [--vkey KEY | --policy FILE] [--disclosures FILE] [--tags FILE] [--quiescent]
       ecluse audit open (--entry N | --meter M | --client C) --why TEXT
       ecluse audit replay [--entry N | --meter M | --client C | --all] [--why TEXT] | --pack DIR
       ecluse audit export --out FILE.zip (--entry N | --meter M | --client C | --all) --why TEXT [--for WHO]`
const SCOPE = ['entry', 'meter', 'client'] as const

export async function run(given: readonly string[]): Promise<number> {
  const [verb = '', ...rest] = given
  switch (verb) {
    case 'verify':
      return verify(wordsOf(rest, ['json', 'quiescent'], ['vkey', 'policy', 'disclosures', 'tags']))
    case 'open':
      return open(wordsOf(rest, ['json'], [...INSTANCE_OPTIONS, ...SCOPE, 'why']))
    case 'replay':
      return replay(wordsOf(rest, ['json', 'all'], [...INSTANCE_OPTIONS, ...SCOPE, 'why', 'pack']))
    case 'export':
      return makeExport(wordsOf(rest, ['json', 'all'], [...INSTANCE_OPTIONS, ...SCOPE, 'why', 'for', 'out']))
    default:
      throw new CliError(USAGE)
  }
}

async function verify(words: Words): Promise<number> {
  const folders = words.rest
  if (folders.length === 0) throw new CliError(USAGE)
  const vkeys = words.all('vkey')
  const policy = words.option('policy')
  if (vkeys.length > 0 && policy !== undefined) throw new CliError('give --vkey or --policy, not both')
  const disclosures = words.option('disclosures')
  const tags = words.option('tags')
  const progress = progressOn()
  const started = performance.now()
  const places: VerifiedPlace[] = []
  let refused: RefusedPlace | undefined
  for (const folder of folders) {
    const answer = await verifyPlace(folder, {
      ...(vkeys.length > 0 && { policy: policyOf(...vkeys) }),
      ...(policy !== undefined && { policy: await readPolicy(policy) }),
      ...(disclosures !== undefined && { disclosed: await readDisclosed(disclosures) }),
      ...(tags !== undefined && { tagKeys: await readTagKeys(tags) }),
      quiescent: words.flag('quiescent'),
      onProgress: (log, entries, size) => progress.tell(log, entries, size),
    })
    if (answer.ok) places.push(answer)
    else refused ??= answer
  }
  progress.done()
  const seconds = Math.round(performance.now() - started) / 1000
  const absent = absentLogs(places)
  // Who hands over several logs hands over all of the instance: one that the others name and that is not there is hidden.
  if (folders.length > 1 && absent[0] !== undefined)
    refused ??= {
      ok: false,
      at: { log: absent[0] },
      why: 'log_hidden',
      says: 'another log names it as one of the same instance, and it was not handed over',
    }
  const whole = refused ?? (folders.length === 1 ? places[0] : { ok: true, places })
  print(words.flag('json'), { ...whole, ...(refused === undefined && { absent }), seconds }, () => {
    if (refused === undefined) return verifiedText(places, absent, seconds)
    const { log, file, entry } = refused.at
    const where = [log, file, entry === undefined ? undefined : `entry ${entry}`].filter((part) => part !== undefined).join(': ')
    return `does not verify: ${where}: ${refused.says}`
  })
  return refused === undefined ? 0 : 1
}

async function readPolicy(file: string): Promise<TrustPolicy> {
  const parsed = parsePolicy(await readFile(file))
  if (!parsed.ok) throw new CliError(`${file}:${parsed.line}: ${parsed.why}`)
  return parsed.policy
}

function verifiedText(places: readonly VerifiedPlace[], absent: readonly string[], seconds: number): string {
  const others = absent.map((origin) => `not handed over, of the same instance: ${origin}`)
  return [...places.flatMap(placeText), ...others, `${seconds} s`].join('\n')
}

function placeText({ logs, disclosed, pack }: VerifiedPlace): readonly string[] {
  const lines = logs.flatMap((log) => [
    `verified: ${log.origin}`,
    `  ${log.size} entries${log.notOurs > 0 ? ` (${log.notOurs} of another writer, not read)` : ''}, ${log.checkpoints} kept checkpoints, root ${log.root}`,
    ...(log.firstAt === null ? [] : [`  from ${log.firstAt} to ${log.lastAt}, ${log.openIntents} calls without an outcome`]),
    ...Object.entries(log.types).map(([type, count]) => `  ${String(count).padStart(8)} ${type}`),
    log.trust === 'given'
      ? '  under the key that was given'
      : `  under the key that the log itself names, ${log.vkey}: compare it with one that came by another way`,
    ...(log.witnessed === null ? [] : [`  seen by enough witnesses up to entry ${log.witnessed}; what follows has only the log's word`]),
  ])
  if (pack)
    lines.push(
      `pack ${pack.pack}: ${pack.files} files, ${pack.entries} entries with their proofs, ${pack.fields} sealed fields open, ${pack.unopened} entries not open, ${pack.documents} documents, ${pack.policies} policies`,
      pack.complete > 0
        ? `  complete: no entry about these ${pack.complete} subjects is missing`
        : '  whether entries are missing is not shown: the pack holds no tag key',
    )
  if (disclosed) {
    lines.push(`disclosed: ${disclosed.entries} entries, ${disclosed.fields} fields, ${disclosed.erased} entries erased`)
    for (const { entries, undisclosed } of disclosed.tagged)
      lines.push(`  tag key: ${entries} entries bear it, ${undisclosed} of them not disclosed`)
  }
  return lines
}

async function selectionOf(words: Words, call: Call): Promise<Selection> {
  const entries = words.all('entry').flatMap((text) => text.split(','))
  const meter = words.option('meter')
  const client = words.option('client')
  const given = [entries.length > 0, meter !== undefined, client !== undefined, words.flag('all')].filter(Boolean).length
  if (given !== 1) throw new CliError(`which entries? give one of --entry, --meter, --client${words.flag('all') ? '' : ', --all'}`)
  if (meter !== undefined) return { meter: meter as never }
  if (client !== undefined) return { client }
  if (entries.length === 0) return { all: true }
  await call('audit drain', {})
  return { entries: await entriesNamed(call, entries) }
}

async function open(words: Words): Promise<number> {
  const why = words.need('why')
  const report = await withState(words, async (call) => openEntries(call, await selectionOf(words, call), why))
  print(words.flag('json'), report, () => {
    const lines = report.entries.flatMap((entry) => [
      entry.name,
      `  ${JSON.stringify(entry.record)}`,
      ...Object.entries(entry.fields).map(([name, value]) => `  ${name}: ${JSON.stringify(value)}`),
      ...(entry.seal === 'erased' ? [`  its sealed fields are erased: ${erasedText(report.erasures)}`] : []),
    ])
    return [...lines, `${report.entries.length} entries; this reading is on record as ${report.recordedAs}`].join('\n')
  })
  return report.entries.length === 0 ? 1 : 0
}

function erasedText(erasures: readonly { readonly entry: string; readonly at: string }[]): string {
  if (erasures.length === 0) return 'their key is gone, and no erasure is on record'
  const [first] = erasures
  if (erasures.length === 1 && first) return `subject erased on ${first.at}, ${first.entry}`
  return `subject erased by one of ${erasures.length} erasures on record since, from ${first?.entry} on`
}

async function replay(words: Words): Promise<number> {
  const pack = words.option('pack')
  const report = await (pack === undefined
    ? withState(words, async (call) => {
        const scoped = SCOPE.some((name) => words.option(name) !== undefined)
        const select = scoped || words.flag('all') ? await selectionOf(words, call) : ({ all: true } as const)
        return replayState(call, select, words.option('why') ?? 'decisions made again (ecluse audit replay)')
      })
    : replayPack(pack))
  print(words.flag('json'), report, () => replayText(report))
  return report.ok ? 0 : 1
}

function replayText({ same, different, notRecomputable }: ReplayReport): string {
  return [
    ...different.map(({ entry, why }) => `${entry}: decided otherwise: ${why}`),
    `${same} ${same === 1 ? 'decision' : 'decisions'} made again with the same result, ${different.length} with another one`,
    ...Object.entries(notRecomputable).map(([why, count]) => `${count} not recomputable: ${why}`),
  ].join('\n')
}

async function makeExport(words: Words): Promise<number> {
  const out = words.need('out')
  const why = words.need('why')
  const scope = Object.fromEntries(
    [...SCOPE.map((name) => [name, words.all(name)] as const), ['all', words.flag('all') ? ['true'] : []] as const].filter(
      ([, v]) => v.length > 0,
    ),
  )
  const progress = progressOn()
  const done = await withState(words, async (call) => {
    const order: ExportOrder = {
      select: await selectionOf(words, call),
      scope,
      why,
      for: words.option('for') ?? null,
      out,
      onProgress: (at, of) => progress.tell(out, at, of),
    }
    return exportPack(call, order)
  })
  progress.done()
  print(words.flag('json'), done, () =>
    [
      ...done.packs.flatMap(({ manifest, manifestHash, files, recordedAs }) => [
        `${done.file}: pack ${manifest.pack}, ${manifest.entries} entries, ${files} files, log ${manifest.origin} of ${manifest.size} entries`,
        `manifest ${manifestHash}, on record as ${recordedAs}`,
      ]),
      "It holds personal data. Its reader needs the log's key by another way than this file: README.txt says how to check it.",
    ].join('\n'),
  )
  return 0
}
