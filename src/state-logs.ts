/**
 * The logs that this process writes: one, and for a while two when the year turns, because what began in the old one
 * ends there. Each has its own origin and key; all keys come from the one signing seed of the instance, so that any of its
 * gates can finish the log of one that is gone.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Json } from './domain/canonical.ts'
import { positionOf } from './domain/position.ts'
import type { Millis } from './domain/time.ts'
import type { StateOptions } from './state.ts'
import type { NoteSigner } from './evidence/log/note.ts'
import { openNote, parseCheckpoint, signerOf, vkeyOf } from './evidence/log/note.ts'
import type { Copying, Publisher, Shown } from './evidence/publish.ts'
import { copyShown, publisherOn } from './evidence/publish.ts'
import type { Sealer } from './evidence/sealer.ts'
import { writeDurably } from './storage/files.ts'
import type { Journal, JournalRow } from './storage/journal.ts'
import { derive } from './storage/keys.ts'
import type { LogOnRecord, Logs } from './storage/logs.ts'
import type { Database } from './storage/database.ts'
import { Refused } from './storage/rpc.ts'

export interface OwnLog {
  readonly id: number
  readonly origin: string
  readonly vkey: string
  readonly signer: NoteSigner
  readonly folder: string
  readonly publisher: Publisher
  readonly openedAt: Millis
  /** Position of the first entry that is not sealed. */
  sealedUpTo: number
}

/** So long what began in the log of the year before may end there. */
const OVERLAP_MS = 900_000

export interface OwnLogs {
  readonly current: OwnLog
  readonly all: readonly OwnLog[]
  /** Rows that wait to be sealed. */
  backlog(): number
  /** Entries of the current log that are sealed. */
  readonly entries: number
  /** Seals up to `most` rows; gives how many. */
  seal(most: number): number
  publish(): void
  /** Whether every row is an entry and shown in a checkpoint. */
  drained(): boolean
  /**
   * Inside a transaction: goes on in a new log of this name (with a number behind it, where another gate has taken it),
   * which names all others. False where that is the log written now.
   */
  turnTo(origin: string, now: Millis): boolean
  /** Inside a transaction: ends logs of before in which nothing is under way any more. Gives how many. */
  closeEnded(args: { readonly now: Millis }): number
  /** Inside a transaction: names logs that other gates have opened since, so that one that is hidden shows. */
  noteOthers(args: { readonly now: Millis }): void
  /**
   * Where a log is shown, and how much of it; one that another gate writes is copied first, a piece at a time: `next` goes on
   * where it is not null.
   */
  show(args: { readonly log: number; readonly next?: Copying }): Shown
  /** Writes the log of a gate that is gone to its end. */
  adopt(log: LogOnRecord): void
  /** After a rollback, and after a connection that broke: only what is on record counts. */
  reload(): void
}

/** The key of a new log. */
export function newSigner(seed: Uint8Array, origin: string): NoteSigner {
  return signerOf(origin, derive(seed, `ecluse log/${origin}/v1`))
}

/** That of one which is there: the seed itself for what an earlier version opened. */
export function signerFor(seed: Uint8Array, origin: string, vkey: string | null): NoteSigner {
  const signer = [signerOf(origin, seed), newSigner(seed, origin)].find((each) => vkey === null || vkeyOf(each) === vkey)
  if (!signer) throw new Error(`the signing key is not the one of the log ${origin}: give that one (evidence.keys.signing)`)
  return signer
}

export function folderOfLog(state: string, origin: string): string {
  return join(state, 'log', origin.slice(origin.lastIndexOf('/') + 1))
}

export function ownLogsOn(
  db: Database,
  logs: Logs,
  journal: Journal,
  sealer: Sealer,
  { folder, node, keys: { signing: seed } }: Pick<StateOptions, 'folder' | 'node' | 'keys'>,
  first: LogOnRecord,
): OwnLogs {
  const open = db.prepare('SELECT 1 FROM open_intent WHERE n >= ? AND n < ? LIMIT 1')
  const waiting = db.prepare('SELECT min(n) AS first FROM journal WHERE n >= ? AND n < ?')
  const opened: OwnLog[] = [own(first)]
  /** The first row that waits; where none does, the one that comes next. */
  function waitingFrom(id: number): number {
    const first = waiting.get(positionOf(id, 0), positionOf(id + 1, 0))?.['first'] ?? null
    return first === null ? journal.next(id) : Number(first)
  }
  function own({ id, origin, vkey, openedAt }: LogOnRecord): OwnLog {
    const signer = signerFor(seed, origin, vkey)
    const path = folderOfLog(folder, origin)
    return {
      id,
      origin,
      vkey: vkeyOf(signer),
      signer,
      openedAt,
      folder: path,
      publisher: publisherOn(db, id, path, signer),
      sealedUpTo: waitingFrom(id),
    }
  }
  const current = (): OwnLog => opened.at(-1) as OwnLog // there is always one
  /** Other logs that were found here, and whether that is surely on record: see {@link OwnLogs.noteOthers}. */
  const noted = new Set<number>()
  let noting: readonly number[] = []
  const shown = (log: OwnLog): boolean => log.publisher.shown === journal.next(log.id) - positionOf(log.id, 0)
  const all: OwnLogs = {
    get current() {
      return current()
    },
    all: opened,
    backlog: () => opened.reduce((sum, log) => sum + journal.next(log.id) - log.sealedUpTo, 0),
    get entries() {
      return current().sealedUpTo - positionOf(current().id, 0)
    },
    seal(most) {
      let sealed = 0
      for (const log of opened) {
        const count = sealer.seal(log, most - sealed)
        log.sealedUpTo += count
        sealed += count
        if (sealed >= most) break
      }
      return sealed
    },
    publish() {
      for (const log of opened.slice()) {
        showKey(log)
        log.publisher.publish()
        // Closed, and its last entry is shown: nothing is left to do for it.
        if (log !== current() && shown(log) && logs.all().some(({ id, closedAt }) => id === log.id && closedAt !== null)) {
          journal.leave(log.id)
          opened.splice(opened.indexOf(log), 1)
        }
      }
    },
    drained: () => opened.every(shown),
    turnTo(base, now) {
      const before = current()
      if (isOf(base, before.origin)) return false
      const origin = freeName(logs, base)
      const signer = newSigner(seed, origin)
      const added = logs.add(origin, vkeyOf(signer), node, now)
      journal.turnTo(added)
      opened.push(own(added))
      journal.append(openedRow(current(), { origin: before.origin, size: before.publisher.shown }, logs), now)
      return true
    },
    closeEnded({ now }) {
      if (now - current().openedAt < OVERLAP_MS) return 0
      const isOpen = new Set(logs.all().flatMap(({ id, closedAt }) => (closedAt === null ? [id] : [])))
      const ended = opened.slice(0, -1).filter(({ id }) => isOpen.has(id) && !open.get(positionOf(id, 0), positionOf(id + 1, 0)))
      for (const log of ended) {
        journal.append({ clear: { t: 'log.closed', next: current().origin } }, now, log.id)
        logs.close(log.id, now)
      }
      return ended.length
    },
    noteOthers({ now }) {
      for (const id of noting) noted.add(id)
      const { id: own, openedAt } = current()
      const fresh = logs.all().filter((log) => log.id !== own && log.openedAt >= openedAt && !noted.has(log.id))
      noting = fresh.map(({ id }) => id)
      if (fresh.length > 0) journal.append({ clear: { t: 'log.joined', logs: fresh.map(({ origin, vkey }) => ({ origin, vkey })) } }, now)
    },
    show({ log: id, next }) {
      const own = opened.find((log) => log.id === id)
      if (own) return { folder: own.folder, vkey: own.vkey, size: own.publisher.shown, next: null }
      const log = logs.all().find((other) => other.id === id)
      if (!log) throw new Refused(`there is no log ${id}`)
      const vkey = log.vkey ?? ''
      const written = folderOfLog(folder, log.origin)
      // Written here once and closed, it is whole; beside what is published lies nothing that this gate does not write.
      const path = keyIn(written) === vkey ? written : join(folder, 'copies', String(id))
      const sizeOf = (checkpoint: string): number => {
        const note = openNote(checkpoint, [vkey])
        return note.ok ? (parseCheckpoint(note.text)?.size ?? 0) : 0
      }
      const copied = copyShown(db, id, path, sizeOf, next)
      if (copied !== undefined && copied !== 'whole') return { folder: path, vkey, size: 0, next: copied }
      showKey({ folder: path, vkey })
      return { folder: path, vkey, size: copied === undefined ? 0 : shownIn(path, sizeOf), next: null }
    },
    adopt(log) {
      journal.join(log.id)
      opened.unshift(own(log))
    },
    reload() {
      noting = []
      const known = new Set(logs.all().map(({ id }) => id))
      for (const log of opened.filter(({ id }) => !known.has(id))) {
        opened.splice(opened.indexOf(log), 1)
        journal.leave(log.id)
      }
      journal.turnTo(current())
      journal.reload()
      for (const log of opened) log.sealedUpTo = waitingFrom(log.id)
    },
  }
  return all
}

/** The first entry of a log: it names the other logs of the instance, so that one that is hidden shows. */
export function openedRow(
  { id, vkey }: Pick<OwnLog, 'id' | 'vkey'>,
  previous: { readonly origin: string; readonly size: number } | null,
  logs: Logs,
  /** When the copy was made from which the state was put back. */
  restored?: string,
): JournalRow {
  const others = logs.all().filter((log) => log.id !== id)
  const named = others.map(({ origin, vkey: key, closedAt }): Json => ({ origin, vkey: key, closed: closedAt !== null }))
  return {
    clear: {
      t: 'log.opened',
      format: 'ecluse-evidence/v1',
      vkey,
      previous,
      ...(restored !== undefined && { restored }),
      ...(named.length > 0 && { logs: named }),
    },
  }
}

/** Whether an origin is this one, or this one with a number behind it. */
function isOf(base: string, origin: string): boolean {
  return origin === base || (origin.startsWith(`${base}-`) && /^\d+$/.test(origin.slice(base.length + 1)))
}

/** `base`, or the first of `base-2`, `base-3` … that no log here has. */
export function freeName(logs: Logs, base: string): string {
  const taken = new Set(logs.all().map(({ origin }) => origin))
  if (!taken.has(base)) return base
  let number = 2
  while (taken.has(`${base}-${number}`)) number += 1
  return `${base}-${number}`
}

/** Whose log lies in a folder: two origins may end alike. */
function keyIn(folder: string): string | undefined {
  const file = join(folder, 'vkey.txt')
  return existsSync(file) ? readFileSync(file, 'utf8').trim() : undefined
}

function shownIn(folder: string, sizeOf: (checkpoint: string) => number): number {
  return sizeOf(readFileSync(join(folder, 'checkpoint'), 'utf8'))
}

const shownKeys = new Set<string>()

/** Beside the log, for whoever has no better place to take it from. */
function showKey({ folder, vkey }: Pick<OwnLog, 'folder' | 'vkey'>): void {
  if (shownKeys.has(folder)) return
  writeDurably(join(folder, 'vkey.txt'), Buffer.from(`${vkey}\n`), 0o644)
  writeDurably(join(folder, 'policy.txt'), Buffer.from(`log ${vkey}\nquorum none\n`), 0o644)
  shownKeys.add(folder)
}
