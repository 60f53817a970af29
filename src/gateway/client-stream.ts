/**
 * What the client gets, written once: held while it is small, so that a short answer goes out in one piece and a
 * failure can still be told in a status; streamed beyond that. The digest is over the bytes handed over. The last
 * bytes wait for `finish`, which is called only when the outcome is durable.
 */
import type { Hash } from 'node:crypto'
import { createHash, hash } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import type { Sink } from './forward.ts'

export interface ClientStream extends Sink {
  readonly bytes: number
  readonly started: boolean
  /** Its last bytes were handed over. */
  readonly complete: boolean
  digest(): string
  /** Adds to what `finish` will send, and counts it. */
  last(out: readonly string[]): void
  finish(): void
  /** The connection is broken off: a cut answer never looks whole. */
  cut(): void
}

const HELD_BYTES = 65_536

/** `closing`: whether the gate is about to stop, and wants its clients to come back on another connection. */
export function clientStream(res: ServerResponse, headers: readonly (readonly [string, string])[], closing: () => boolean): ClientStream {
  /** Of what has gone out, once something has: a short answer is digested in one go. */
  let gone: Hash | undefined
  let held: string[] = []
  let heldBytes = 0
  let bytes = 0
  let started = false
  let complete = false
  function take(out: readonly string[]): void {
    for (const text of out) {
      const size = Buffer.byteLength(text)
      bytes += size
      heldBytes += size
      held.push(text)
    }
  }
  const head = (): string[] => [...headers.flat(), ...(closing() ? ['Connection', 'close'] : [])]
  function flush(): void {
    if (heldBytes === 0 || res.destroyed) return
    if (!started) res.writeHead(200, head())
    started = true
    const text = held.join('')
    gone ??= createHash('sha256')
    gone.update(text)
    res.write(text)
    held = []
    heldBytes = 0
  }
  return {
    get bytes() {
      return bytes
    },
    get started() {
      return started
    },
    get complete() {
      return complete
    },
    get full() {
      return started && res.writableNeedDrain
    },
    onDrain(resume) {
      // Both are taken off again: a long answer pauses thousands of times.
      const once = (): void => {
        res.off('drain', once)
        res.off('close', once)
        resume()
      }
      res.once('drain', once)
      res.once('close', once)
    },
    push(out) {
      take(out)
      if (heldBytes > HELD_BYTES || started) flush()
    },
    last: take,
    digest: () => (gone ? gone.copy().update(held.join('')).digest('base64url') : hash('sha256', held.join(''), 'base64url')),
    finish() {
      if (res.destroyed) return
      complete = true
      if (!started) res.writeHead(200, [...head(), 'Content-Length', String(heldBytes)])
      // As a text it goes out in one write with the head.
      res.end(held.join(''))
    },
    cut() {
      res.destroy()
    },
  }
}
