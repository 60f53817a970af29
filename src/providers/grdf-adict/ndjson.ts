/**
 * Finds the objects in a body of one JSON object a line, as GRDF sends it: also glued together, written over several
 * lines, with carriage returns and stray bytes between them. Tolerant of what lies between objects, which leaves never;
 * each object itself must be whole JSON in UTF-8 without a name twice.
 */
import { isUtf8 } from 'node:buffer'
import { parseProved } from '../json-stream.ts'

/** The largest seen are 2 KB. */
export const MAX_OBJECT = 64 * 1024

const [QUOTE, BACKSLASH, OPEN, CLOSE] = [0x22, 0x5c, 0x7b, 0x7d]

export class Ndjson {
  readonly #take: (value: Readonly<Record<string, unknown>>) => boolean
  #kept: Uint8Array[] = []
  #length = 0
  #depth = 0
  #inText = false
  #escaped = false
  #objects = 0
  #strays = 0

  /** @param take is handed each object, and says whether to go on */
  constructor(take: (value: Readonly<Record<string, unknown>>) => boolean) {
    this.#take = take
  }

  /** False from the first object that is none, or is too long, or that was not taken. */
  push(chunk: Uint8Array): boolean {
    let begin = this.#depth > 0 ? 0 : -1
    for (let at = 0; at < chunk.length; at += 1) {
      const byte = chunk[at] as number
      if (this.#depth === 0) {
        if (byte !== OPEN) {
          if (byte > 0x20) this.#strays += 1
          continue
        }
        begin = at
        this.#depth = 1
        continue
      }
      if (this.#inText) {
        if (this.#escaped) this.#escaped = false
        else if (byte === BACKSLASH) this.#escaped = true
        else if (byte === QUOTE) this.#inText = false
        continue
      }
      if (byte === QUOTE) this.#inText = true
      else if (byte === OPEN) this.#depth += 1
      else if (byte === CLOSE) {
        this.#depth -= 1
        if (this.#depth > 0) continue
        if (!this.#keep(chunk.subarray(begin, at + 1)) || !this.#finish()) return false
        begin = -1
      }
    }
    return begin < 0 || this.#keep(chunk.subarray(begin))
  }

  /** Whether nothing was cut in its middle. A page of text without any object is no answer; nothing at all is one. */
  end(): boolean {
    return this.#depth === 0 && (this.#objects > 0 || this.#strays === 0)
  }

  #keep(piece: Uint8Array): boolean {
    this.#kept.push(piece)
    this.#length += piece.length
    return this.#length <= MAX_OBJECT
  }

  #finish(): boolean {
    const bytes = Buffer.concat(this.#kept)
    this.#kept = []
    this.#length = 0
    this.#objects += 1
    const proved = isUtf8(bytes) ? parseProved(bytes.toString()) : undefined
    return proved !== undefined && this.#take(proved.value as Readonly<Record<string, unknown>>)
  }
}
