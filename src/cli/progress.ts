/** A bar on the terminal for what takes over a second; elsewhere, and for what is quicker, nothing. */
export interface Progress {
  tell(what: string, done: number, of: number): void
  done(): void
}

const AFTER_MS = 1000
const EVERY_MS = 100
const WIDTH = 30

export function progressOn(stream: NodeJS.WriteStream = process.stderr, now: () => number = () => performance.now()): Progress {
  const started = now()
  let last = 0
  let drawn = false
  return {
    tell(what, done, of) {
      const at = now()
      if (!stream.isTTY || at - started < AFTER_MS || at - last < EVERY_MS || of === 0) return
      last = at
      drawn = true
      const full = Math.floor((WIDTH * done) / of)
      stream.write(`\r\u001b[K${what} [${'#'.repeat(full)}${'.'.repeat(WIDTH - full)}] ${done}/${of}`)
    },
    done() {
      if (drawn) stream.write('\r\u001b[K')
    },
  }
}
