/** What a command makes of a state that answers in part. */
import { expect, test } from 'vitest'
import type { CommandContext } from '../../../src/ops/commands.ts'
import { commandsOn } from '../../../src/ops/commands.ts'

const IDS = Array.from({ length: 25 }, (_, i) => `p${i}`)

/** @param second what the state does with the second piece of an import */
function importing(second: () => Promise<unknown>) {
  const told: unknown[] = []
  const pieces: { readonly ids: readonly string[]; readonly documents: readonly string[] }[] = []
  const call = (name: string, args: { drafts: { id: string }[]; documents: object }): Promise<unknown> => {
    if (name === 'checkImport')
      return Promise.resolve({ ok: true, fresh: IDS.map((id) => ({ id, attachments: [{ file: `${id}.pdf` }] })), unchanged: ['old'] })
    const ids = args.drafts.map(({ id }) => id)
    pieces.push({ ids, documents: Object.keys(args.documents) })
    if (pieces.length === 2) return second()
    return Promise.resolve({ ok: true, created: ids, unchanged: [], mandates: [], acts: ids })
  }
  const context = {
    state: { call },
    now: () => 0,
    document: () => ({ policy: {} }),
    clients: () => new Map(),
    accounts: () => [],
    onActs: (acts: readonly unknown[]) => Promise.resolve(void told.push(...acts)),
  } as unknown as CommandContext
  const documents = Object.fromEntries(IDS.map((id) => [`${id}.pdf`, 'AA==']))
  const run = (dryRun = false) => commandsOn(context)['permission import']({ text: '', documents, dryRun, unverified: false })
  return { run, told, pieces }
}

test('an import is brought in piece by piece, each with its own documents, and told as one', async () => {
  const { run, told, pieces } = importing(() =>
    Promise.resolve({ ok: true, created: IDS.slice(10, 20), unchanged: [], mandates: [], acts: ['x'] }),
  )
  expect(await run()).toStrictEqual({ ok: true, created: IDS, unchanged: ['old'] })
  expect(pieces.map(({ ids }) => ids)).toStrictEqual([IDS.slice(0, 10), IDS.slice(10, 20), IDS.slice(20)])
  for (const { ids, documents } of pieces) expect(documents).toStrictEqual(ids.map((id) => `${id}.pdf`))
  expect(told).toStrictEqual([...IDS.slice(0, 10), 'x', ...IDS.slice(20)])
})

test('a trial brings in nothing', async () => {
  const { run, told, pieces } = importing(() => Promise.reject(new Error('not asked for')))
  expect(await run(true)).toStrictEqual({ ok: true, created: IDS, unchanged: ['old'] })
  expect([told, pieces]).toStrictEqual([[], []])
})

test.each([
  ['a state that is lost', () => Promise.reject(new Error('the state is down')), 'the state is down'],
  [
    'an id that somebody else took meanwhile',
    () => Promise.resolve({ ok: false, mistakes: [{ where: 'permissions[10]', message: 'permission p10 exists with other content' }] }),
    'permission p10 exists with other content',
  ],
])('of %s it is told how far it came; what is in force is told to the caches', async (_what, second, why) => {
  const { run, told } = importing(second)
  await expect(run()).rejects.toThrow(`10 of 25 permissions are imported, the rest is not: import the same again to go on (${why})`)
  expect(told).toStrictEqual(IDS.slice(0, 10))
})
