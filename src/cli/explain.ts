/** `ecluse explain`: why a described request is or was decided as it is. Exit 0 granted or explained, 1 refused. */
import { entriesNamed } from '../audit.ts'
import type { Described, EntryExplained, Explanation } from '../explain.ts'
import { explainDescribed, explainEntry } from '../explain.ts'
import { INSTANCE_OPTIONS, withState } from './instance.ts'
import type { Words } from './words.ts'
import { CliError, print, wordsOf } from './words.ts'

const DESCRIBED = ['direction', 'step', 'from', 'until', 'now', 'provider'] as const
const USAGE = `ecluse explain --client C --meter M --kind K [--direction D] [--step S] [--from DAY --until DAY] [--now INSTANT] [--permissions ID,ID]
       ecluse explain --entry ORIGIN/N [--why TEXT]`

export async function run(given: readonly string[]): Promise<number> {
  const words = wordsOf(given, ['json'], [...INSTANCE_OPTIONS, 'entry', 'why', 'client', 'meter', 'kind', 'permissions', ...DESCRIBED])
  if (words.rest.length > 0) throw new CliError(USAGE)
  const entry = words.option('entry')
  if (entry === undefined) return described(words)
  const why = words.option('why') ?? 'a decision explained (ecluse explain)'
  const told = await withState(words, async (call) => {
    await call('audit drain', {})
    const [n] = await entriesNamed(call, [entry])
    if (n === undefined) throw new CliError(USAGE)
    return explainEntry(call, n, why)
  })
  print(words.flag('json'), told, () => entryText(told))
  return 0
}

async function described(words: Words): Promise<number> {
  const permissions = words.option('permissions')?.split(',')
  const request: Described = {
    client: words.need('client'),
    meter: words.need('meter'),
    kind: words.need('kind'),
    ...(permissions && { permissions }),
    ...Object.fromEntries(DESCRIBED.flatMap((name) => (words.option(name) === undefined ? [] : [[name, words.option(name)]]))),
  }
  const told = await withState(words, (call) => explainDescribed(call, request))
  print(words.flag('json'), told, () => text(told))
  return told.decision.result === 'deny' ? 1 : 0
}

function entryText({ entry, stage, onRecord, explanation, why, recordedAs }: EntryExplained): string {
  const head = `${entry}: ${onRecord.result ?? 'no decision'}${onRecord.reason === null ? '' : ` (${onRecord.reason})`}, settled by ${stage}`
  return [head, explanation === null ? (why ?? '') : text(explanation), `this reading is on record as ${recordedAs}`].join('\n')
}

function text({ decision, rule, lines, fact, help, now }: Explanation): string {
  const result = decision.result === 'deny' ? `denied: ${decision.reason}` : `${decision.result === 'narrow' ? 'narrowed' : 'allowed'}`
  return [
    `${result} at ${now}`,
    `because ${fact}`,
    ...(help === null ? [] : [`what would help: ${help}`]),
    `rule: ${rule === null ? 'none' : `${rule.id} (overrun: ${rule.onOverrun})`}`,
    lines.length === 0 ? 'no line was considered' : 'lines considered:',
    ...lines.map(
      (l) =>
        `${l.decided ? ' * ' : '   '}${l.permission} ${l.line}: ${l.why === null ? 'open' : `${l.stage}: ${l.why}`}${l.days.length > 0 ? ` [${l.days.join(', ')}]` : ''}${l.opensAgain === null ? '' : ` opens again at ${l.opensAgain}`}`,
    ),
  ].join('\n')
}
