/**
 * Answers that are read as a whole, because what they say of a reading may stand after it, or because they are one
 * record: index and contract data. Memory is bounded by a limit on the body; what is longer is refused.
 */
import type { Counts, Fed, PartReader } from '../adapter.ts'
import { parseProved } from '../json-stream.ts'

/** Three years of daily index with ten registers are about 700 KB. */
export const WHOLE_BODY = 1024 * 1024

export type Read = { readonly ok: true; readonly text: string | undefined; readonly counts: Counts } | Extract<Fed, { readonly ok: false }>

export const NO_COUNTS: Counts = { readings: 0, dropped: 0, first: null, last: null }

/** Hands the parsed body to `read` once it is complete. `text` undefined: nothing in it may leave. */
export class WholeBody implements PartReader {
  readonly allTooFine = false
  counts = NO_COUNTS
  readonly #read: (value: unknown) => Read
  #chunks: Uint8Array[] = []
  #length = 0

  constructor(read: (value: unknown) => Read) {
    this.#read = read
  }

  push(chunk: Uint8Array): Fed {
    this.#length += chunk.length
    if (this.#length > WHOLE_BODY) {
      this.#chunks = []
      return { ok: false, why: 'held_too_long' }
    }
    this.#chunks.push(chunk)
    return { ok: true, out: [] }
  }

  end(): Fed {
    if (this.#length > WHOLE_BODY) return { ok: false, why: 'held_too_long' }
    const text = decode(Buffer.concat(this.#chunks))
    this.#chunks = []
    const proved = text === undefined ? undefined : parseProved(text)
    if (!proved) return { ok: false, why: 'unreadable' }
    const read = this.#read(proved.value)
    if (!read.ok) return read
    this.counts = read.counts
    return { ok: true, out: read.text === undefined ? [] : [read.text] }
  }
}

function decode(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return undefined // not UTF-8: unreadable
  }
}

export type Fields = Readonly<Record<string, unknown>>

export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
