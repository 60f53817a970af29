/**
 * Says when the settings file may have changed; what it says now is for the reader, which validates it whole.
 *
 * The folder is watched, not the file: editors and Kubernetes replace a file rather than write into it, and a watch on a
 * replaced file sleeps for ever. A slow poll stands behind, because some file systems tell nothing, and because the file
 * may be a link into a folder that is swapped. A file that is being written is let come to rest first, within a limit:
 * under steady changes the signal still comes.
 */
import { realpathSync, statSync, watch, type BigIntStats, type FSWatcher } from 'node:fs'
import { realpath, stat } from 'node:fs/promises'
import { dirname } from 'node:path'

export interface WatchOptions {
  /** How long the file must rest before it is read; default 200. */
  readonly debounceMs?: number
  /** How often it is looked at where nothing is told; default 1000. */
  readonly pollMs?: number
  /** The watch was lost; the poll goes on. */
  readonly onWatchLost?: (error: Error) => void
}

/** How many rests a file that never rests is waited for. */
const PATIENCE = 5

/** Start it before the first reading, or a change in between is missed. `onChange` is also called when the file is gone. */
export function watchSettings(file: string, onChange: () => void, options: WatchOptions = {}): { close(): void } {
  const { debounceMs = 200, pollMs = 1000, onWatchLost } = options
  let told = firstMark(file)
  let closed = false
  let waiting: { mark: string; since: number; timer: NodeJS.Timeout } | undefined
  let looking = false
  let lookAgain = false

  const look = async (): Promise<void> => {
    // One look at a time; what happens meanwhile is looked at once more.
    if (looking) {
      lookAgain = true
      return
    }
    looking = true
    const now = await mark(file)
    looking = false
    if (closed) return
    settle(now)
    if (lookAgain) {
      lookAgain = false
      void look()
    }
  }

  const settle = (now: string): void => {
    if (now === told) {
      clearTimeout(waiting?.timer)
      waiting = undefined
      return
    }
    if (waiting?.mark === now) return
    const since = waiting?.since ?? performance.now()
    clearTimeout(waiting?.timer)
    const left = Math.max(0, since + PATIENCE * debounceMs - performance.now())
    waiting = { mark: now, since, timer: setTimeout(() => tell(now), Math.min(debounceMs, left)) }
  }

  const tell = (now: string): void => {
    waiting = undefined
    told = now
    onChange()
  }

  const watcher = watchFolder(dirname(file), () => void look(), onWatchLost)
  const poll = setInterval(() => void look(), pollMs)
  poll.unref()
  return {
    close: () => {
      closed = true
      clearInterval(poll)
      clearTimeout(waiting?.timer)
      watcher?.close()
    },
  }
}

function watchFolder(folder: string, onEvent: () => void, onLost: WatchOptions['onWatchLost']): FSWatcher | undefined {
  try {
    // Any event counts: a swapped link is told under the link's name, not the file's.
    const watcher = watch(folder, { persistent: false }, onEvent)
    watcher.on('error', (error) => {
      watcher.close()
      onLost?.(error)
    })
    return watcher
  } catch (error) {
    // No folder yet, or no watches left on this machine: the poll does it alone.
    onLost?.(error instanceof Error ? error : new Error('the folder cannot be watched'))
    return undefined
  }
}

async function mark(file: string): Promise<string> {
  try {
    const [path, stats] = await Promise.all([realpath(file), stat(file, { bigint: true })])
    return markOf(path, stats)
  } catch (error) {
    return gone(error)
  }
}

/** At once: a change right after the watch began must not become the state that it began with. */
function firstMark(file: string): string {
  try {
    return markOf(realpathSync(file), statSync(file, { bigint: true }))
  } catch (error) {
    return gone(error)
  }
}

/** Differs whenever the file is another one or was written: which file a link leads to, its inode, size and times. */
function markOf(path: string, stats: BigIntStats): string {
  return `${path} ${stats.dev} ${stats.ino} ${stats.size} ${stats.mtimeNs} ${stats.ctimeNs}`
}

/** That it cannot be read is a state like others: the reader will say why. */
function gone(error: unknown): string {
  return `gone ${(error as NodeJS.ErrnoException).code ?? ''}`
}
