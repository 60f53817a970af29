/** `ecluse permission import FILE | schema | list | show ID | mandate ID | withdraw ID | link ID | reconcile`. */
import { readFile, writeFile } from 'node:fs/promises'
import { dirname, isAbsolute, join, normalize } from 'node:path'
import { importJsonSchema } from '../permissions/import-schema.ts'
import { documentsOf } from '../permissions/import-text.ts'
import type { Reconciled } from '../reconcile.ts'
import { INSTANCE_OPTIONS, withState } from './instance.ts'
import type { Words } from './words.ts'
import { CliError, print, wordsOf } from './words.ts'

type Imported =
  | { readonly ok: true; readonly created: readonly string[]; readonly unchanged: readonly string[] }
  | { readonly ok: false; readonly mistakes: readonly { readonly where: string; readonly message: string }[] }

export async function run(given: readonly string[]): Promise<number> {
  const words = wordsOf(
    given,
    ['json', 'dry-run', 'unverified'],
    [...INSTANCE_OPTIONS, 'client', 'status', 'act', 'reason', 'channel', 'out'],
  )
  const [verb, what] = words.rest
  if (verb === 'import' && what !== undefined) return importFile(words, what)
  if (verb === 'schema') {
    process.stdout.write(`${JSON.stringify(importJsonSchema(), null, 2)}\n`)
    return 0
  }
  if (verb === 'list') return list(words)
  if (verb === 'show' && what !== undefined) {
    const record = await withState(words, (call) => call('permission show', { permission: what }))
    print(words.flag('json'), record, () => JSON.stringify(record, null, 2))
    return 0
  }
  if (verb === 'mandate' && what !== undefined) return mandate(words, what)
  if (verb === 'link' && what !== undefined) {
    const link = await withState(words, (call) => call<{ url: string; expiresAt: string }>('permission link', { permission: what }))
    print(words.flag('json'), link, () => `${link.url}\nfor the person of ${what}: works once, until ${link.expiresAt}`)
    return 0
  }
  if (verb === 'reconcile') return reconcile(words)
  if (verb === 'withdraw' && what !== undefined) {
    const optional = Object.fromEntries(
      Object.entries({ type: words.option('act'), reason: words.option('reason'), channel: words.option('channel') }).filter(
        ([, v]) => v !== undefined,
      ),
    )
    const act = await withState(words, (call) =>
      call<{ status: string; entry: string }>('permission withdraw', { permission: what, ...optional }),
    )
    print(words.flag('json'), act, () => `${what} has ended (${act.entry}): no further read can start, reads under way are cut`)
    return 0
  }
  throw new CliError(
    'ecluse permission import FILE [--dry-run] [--unverified] | schema | list [--client ID] [--status S] | show ID | mandate ID [--out FILE] | withdraw ID [--act A] [--reason TEXT] [--channel C] | link ID | reconcile',
  )
}

/** Writes the form that its holder signs; never over another file. */
async function mandate(words: Words, permission: string): Promise<number> {
  const { file, form } = await withState(words, (call) => call<{ file: string; form: string }>('permission mandate', { permission }))
  const out = words.option('out') ?? file
  await writeFile(out, Buffer.from(form, 'base64'), { flag: 'wx', mode: 0o600 }).catch((error: unknown) => {
    throw new CliError(`${out} cannot be written: ${error instanceof Error ? error.message : ''}`)
  })
  print(words.flag('json'), { file: out }, () => `${out}: to be signed by the holder, and handed in on its page or in the console`)
  return 0
}

/** Asks the data holder, which only a running gate can do. */
async function reconcile(words: Words): Promise<number> {
  const result = await withState(words, (call) => call<Reconciled>('permission reconcile', {}))
  print(words.flag('json'), result, () =>
    [
      `${result.permissions} permissions compared with the data holder, ${result.acts.length} changed, ${result.unknownRights} shares that nothing here rests on`,
      ...result.acts.map((act) => `${act.permission}  ${act.status}${act.endReason === null ? '' : ` (${act.endReason})`}  ${act.entry}`),
      ...(result.unanswered > 0 ? [`no word about ${result.unanswered} meters: nothing was changed for them`] : []),
      ...(result.badDay ? ['many shares have disappeared at once: none of these permissions was ended; look at the data holder'] : []),
    ].join('\n'),
  )
  return 0
}

async function importFile(words: Words, file: string): Promise<number> {
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    throw new CliError(`${file} cannot be read: ${error instanceof Error ? error.message : ''}`)
  })
  const documents: Record<string, string> = {}
  for (const name of documentsOf(text)) {
    const bytes = await readBeside(file, name)
    if (bytes !== undefined) documents[name] = bytes.toString('base64')
  }
  const args = { text, documents, dryRun: words.flag('dry-run'), unverified: words.flag('unverified') }
  const result = await withState(words, (call) => call<Imported>('permission import', args))
  print(words.flag('json'), result, () =>
    result.ok
      ? `${result.created.length} ${args.dryRun ? 'would be created' : 'created'}, ${result.unchanged.length} unchanged`
      : result.mistakes.map((m) => `${file}: ${m.where}: ${m.message}`).join('\n'),
  )
  return result.ok ? 0 : 1
}

/**
 * A document lies in the folder of its import or below: a file that somebody sent must not pick up others of this machine.
 * One that is not there is told with the other mistakes, by who checks the import.
 */
async function readBeside(file: string, name: string): Promise<Buffer | undefined> {
  if (isAbsolute(name) || normalize(name).split('/')[0] === '..')
    throw new CliError(`the document ${name} must lie in the folder of ${file} or below`, 1)
  try {
    return await readFile(join(dirname(file), name))
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw new CliError(`the document ${name} cannot be read: ${error instanceof Error ? error.message : ''}`)
  }
}

async function list(words: Words): Promise<number> {
  const client = words.option('client')
  const status = words.option('status')
  const rows = await withState(words, async (call) => {
    const all: {
      readonly id: string
      readonly client: string
      readonly status: string
      readonly endReason: string | null
      readonly validUntil: string
    }[] = []
    for (let after = ''; ;) {
      const page = await call<typeof all>('permission list', {
        after,
        limit: 1000,
        ...(client !== undefined && { client }),
        ...(status !== undefined && { status }),
      })
      all.push(...page)
      if (page.length < 1000) return all
      after = page.at(-1)?.id ?? ''
    }
  })
  print(
    words.flag('json'),
    rows,
    () =>
      rows
        .map((p) => `${p.id}  ${p.client}  ${p.status}${p.endReason === null ? '' : ` (${p.endReason})`}  until ${p.validUntil}`)
        .join('\n') || 'no permissions',
  )
  return 0
}
