/**
 * The evidence as the console shows it: entries in clear, proofs made from the published files as an outsider would make
 * them, readings and packs through the auditor's own commands, and accesses counted by day.
 */
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { exportPack } from './audit.ts'
import type { Call } from './audit.ts'
import { ask, callAs, told } from './console-calls.ts'
import type { Accesses, Begun, Evidence, PackOrder, ProvedEntry } from './console/ports.ts'
import { Refusal } from './console/ports.ts'
import type { Json } from './domain/canonical.ts'
import { logOf, numberOf } from './domain/position.ts'
import type { Day, Millis } from './domain/time.ts'
import { addDays, parisDay, startOfDay } from './domain/time.ts'
import type { Browsed, BrowsePage, DayCount, Place } from './evidence/browse.ts'
import type { Page } from './evidence/disclose.ts'
import { inclusionProof, leafHash, verifyInclusion } from './evidence/log/merkle.ts'
import { openNote, parseCheckpoint } from './evidence/log/note.ts'
import { proofText } from './evidence/log/proof.ts'
import { hashesFromTiles } from './evidence/log/tiles.ts'
import { openEntry } from './evidence/opened.ts'
import { readIfThere } from './evidence/verify/folder.ts'
import { explainEntry } from './explain.ts'
import type { CommandContext } from './ops/commands.ts'
import { commandsOn } from './ops/commands.ts'
import type { StateClient } from './storage/rpc.ts'

interface LogThere {
  readonly id: number
  readonly origin: string
}

export function evidenceOn(context: CommandContext): Evidence {
  const call = ask(context.state)
  const shownAt = (log: number) => told(() => commandsOn(context)['audit show']({ log }))
  const drain = (): Promise<unknown> => told(() => commandsOn(context)['audit drain']())
  async function one(n: number): Promise<Browsed> {
    const found = (await call<Browsed | null>('oneEntry', { n })) ?? (await drain().then(() => call<Browsed | null>('oneEntry', { n })))
    if (!found) throw new Refusal('not_found', `the log has no entry ${numberOf(n)}`)
    return found
  }
  return {
    get origin() {
      return context.state.gauges.origin
    },
    async latest({ from, until, ...filter }) {
      const moments = { from: from && startOfDay(from), until: until && startOfDay(until) }
      return call<BrowsePage>('latestEntries', { ...filter, ...moments })
    },
    one,
    async checkpoint() {
      await drain()
      const current = (await call<readonly LogThere[]>('logs', {})).find(({ origin }) => origin === context.state.gauges.origin)
      if (!current) throw new Refusal('not_found', 'no log is written')
      const { folder, vkey } = await shownAt(current.id)
      return { checkpoint: (await shownLog(folder, vkey)).checkpoint, vkey }
    },
    async proof(n) {
      // Shown in a checkpoint, so that there is something to prove it against.
      await drain()
      const browsed = await one(n)
      const { folder, vkey } = await shownAt(logOf(n))
      return proofOf(folder, vkey, browsed)
    },
    begin: (by, select, why) => callAs(context, by)<Begun>('audit begin', { select, why }),
    async page(ticket, from, limit) {
      const page = await told(() => commandsOn(context)['audit page']({ ticket, from, limit }) as Promise<Page>)
      return { opened: page.opened.map(openEntry), next: page.next }
    },
    explain: (by, n, why) => told(() => explainEntry(callAs(context, by), n, why)),
    export: (by, order, file, onProgress) => told(() => exportAs(callAs(context, by), order, file, onProgress)),
  }
}

async function exportAs(
  call: Call,
  { select, audience, title, why }: PackOrder,
  out: string,
  onProgress: (done: number, of: number) => void,
) {
  const scope = { ...(select as unknown as { readonly [key: string]: Json }), title } // plain data
  const done = await exportPack(call, { select, scope, why: `${title}: ${why}`, for: audience, out, onProgress })
  const { size } = await stat(out)
  return {
    file: out,
    bytes: size,
    entries: done.packs.reduce((sum, { manifest }) => sum + manifest.entries, 0),
    manifest: done.packs.map(({ manifestHash }) => manifestHash).join(', '),
    recordedAs: done.packs.map(({ recordedAs }) => recordedAs).join(', '),
  }
}

interface ShownLog {
  readonly checkpoint: string
  readonly size: number
  readonly root: Uint8Array
}

async function shownLog(log: string, vkey: string): Promise<ShownLog> {
  const checkpoint = (await readIfThere(join(log, 'checkpoint')))?.toString() ?? ''
  const note = openNote(checkpoint, [vkey])
  const parsed = note.ok ? parseCheckpoint(note.text) : undefined
  if (!parsed) throw new Refusal('conflict', `the checkpoint in ${log} does not carry the signature of this log: it was changed`)
  return { checkpoint, size: parsed.size, root: parsed.root }
}

/** From the published files, as an outsider would make it; what they say is then held against the signed root. */
async function proofOf(log: string, vkey: string, { n: position, name, entry }: Browsed): Promise<ProvedEntry> {
  const { checkpoint, size, root } = await shownLog(log, vkey)
  const n = numberOf(position)
  if (n >= size) throw new Refusal('unavailable', `entry ${n} is not shown in a checkpoint yet: ask again`)
  const leaf = leafHash(Buffer.from(entry))
  const path = await inclusionProof(
    n,
    size,
    hashesFromTiles((file) => readIfThere(join(log, file)), size),
  )
  const base64 = (hash: Uint8Array): string => Buffer.from(hash).toString('base64')
  return {
    n: position,
    name,
    entry,
    leaf: base64(leaf),
    size,
    root: base64(root),
    path: path.map(base64),
    checkpoint,
    vkey,
    file: proofText({ index: n, proof: path, checkpoint, extra: null }),
    verified: verifyInclusion(n, size, leaf, path, root),
  }
}

const DAYS_SHOWN = 30
/** How long one page waits for the count; what is left is counted on, and shown the next time. */
const WAIT_MS = 300

interface Tally {
  readonly days: readonly DayCount[]
  readonly next: Place
  readonly done: boolean
}

/**
 * Counts accesses by day from the log itself, a piece at a time between the requests, and from where it stopped the last
 * time. What it holds are sums.
 */
export function accessesOn(state: StateClient, now: () => Millis): () => Promise<Accesses> {
  const call = ask(state)
  const sums = new Map<Day, { calls: number; refused: number }>()
  let after: Place | undefined
  let counting: Promise<void> | undefined
  async function count(): Promise<void> {
    after ??= { at: startOfDay(addDays(parisDay(now()), 1 - DAYS_SHOWN)), n: -1 }
    for (let done = false; !done;) {
      const piece: Tally = await call<Tally>('tallyEntries', { after })
      for (const { day, calls, refused } of piece.days) {
        const sum = sums.get(day) ?? { calls: 0, refused: 0 }
        sums.set(day, { calls: sum.calls + calls, refused: sum.refused + refused })
      }
      after = piece.next
      done = piece.done
    }
  }
  return async () => {
    const running = (counting ??= count().finally(() => {
      counting = undefined
    }))
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<true>((resolve) => {
      timer = setTimeout(() => resolve(true), WAIT_MS)
    })
    // Looked at where it is waited for; where nobody waits any more, the next page begins it again and is told.
    running.catch(() => undefined)
    const isLate = await Promise.race([running.then(() => false), late]).finally(() => clearTimeout(timer))
    const today = parisDay(now())
    const days = Array.from({ length: DAYS_SHOWN }, (_, i) => addDays(today, i + 1 - DAYS_SHOWN))
    for (const day of sums.keys()) if (day < (days[0] ?? day)) sums.delete(day)
    return { days: days.map((day) => ({ day, ...(sums.get(day) ?? { calls: 0, refused: 0 }) })), counting: isLate }
  }
}
