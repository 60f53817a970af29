/**
 * What the fault tests ask of a state folder: that its log verifies from the published files alone, that all checkpoints
 * ever seen are prefixes of it, and what its entries say.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { emptyEdge, leafHash } from '../../src/evidence/log/merkle.ts'
import { parseCheckpoint } from '../../src/evidence/log/note.ts'
import type { VerifiedLog } from '../../src/evidence/verify.ts'
import { MISTAKES, verifyLog } from '../../src/evidence/verify.ts'
import { filesIn } from '../../src/evidence/verify/folder.ts'
import type { Entry } from '../harness/gate.ts'

export interface ReadLog extends VerifiedLog {
  readonly entries: readonly Entry[]
  /** Root of the first `size` entries, in base64. */
  rootAt(size: number): string | undefined
}

/** The one log of a state folder. Throws where it does not verify. `quiescent`: an open intent is a mistake too. */
export async function readLog(state: string, quiescent: boolean): Promise<ReadLog> {
  const folder = logFolderOf(state)
  const entries: Entry[] = []
  const edge = emptyEdge()
  const roots: string[] = []
  const verified = await verifyLog(filesIn(folder), {
    quiescent,
    onEntry(_n, bytes) {
      entries.push(JSON.parse(Buffer.from(bytes).toString()) as Entry)
      edge.append(leafHash(bytes))
      roots.push(Buffer.from(edge.root()).toString('base64'))
    },
  })
  if (!verified.ok) throw new Error(`${folder} does not verify: ${JSON.stringify(verified.at)}: ${MISTAKES[verified.why]}`)
  return { ...verified, entries, rootAt: (size) => roots[size - 1] }
}

export function logFolderOf(state: string): string {
  const [name, ...others] = readdirSync(join(state, 'log'))
  if (name === undefined || others.length > 0) throw new Error(`expected one log in ${state}`)
  return join(state, 'log', name)
}

export interface SeenCheckpoints {
  readonly count: number
  stop(): void
  /** Throws unless all that were ever shown are prefixes of this log. */
  expectPrefixesOf(log: ReadLog): void
}

/** Reads the checkpoint as any client of the log does, again and again, through crashes. */
export function watchCheckpoints(state: string): SeenCheckpoints {
  const seen = new Map<number, string>()
  const forks: string[] = []
  const look = (): void => {
    for (const name of namesIn(join(state, 'log'))) {
      const checkpoint = parseCheckpoint(textOf(join(state, 'log', name, 'checkpoint')) ?? '')
      if (!checkpoint) continue
      const root = Buffer.from(checkpoint.root).toString('base64')
      const before = seen.get(checkpoint.size)
      if (before !== undefined && before !== root) forks.push(`two checkpoints of size ${checkpoint.size}`)
      seen.set(checkpoint.size, root)
    }
  }
  const timer = setInterval(look, 20)
  return {
    get count() {
      return seen.size
    },
    stop() {
      clearInterval(timer)
    },
    expectPrefixesOf(log) {
      for (const [size, root] of seen)
        if (log.rootAt(size) !== root) forks.push(`the checkpoint of size ${size} is no prefix of the log of size ${log.size}`)
      if (forks.length > 0) throw new Error(`the log was forked: ${forks.join('; ')}`)
    },
  }
}

/** Gone, or on a disk that was just cut off: nothing was shown. */
function isGone(error: unknown): boolean {
  return ['ENOENT', 'EIO'].includes((error as NodeJS.ErrnoException).code ?? '')
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder)
  } catch (error) {
    if (isGone(error)) return []
    throw error
  }
}

function textOf(file: string): string | undefined {
  try {
    const note = readFileSync(file, 'utf8')
    return note.slice(0, note.indexOf('\n\n') + 1)
  } catch (error) {
    if (isGone(error)) return undefined
    throw error
  }
}

/** How often each text occurs. */
export function tally(texts: Iterable<string>): Map<string, number> {
  const counts = new Map<string, number>()
  for (const text of texts) counts.set(text, (counts.get(text) ?? 0) + 1)
  return counts
}
