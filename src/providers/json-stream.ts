/**
 * JSON (RFC 8259) read as it arrives, in memory that does not grow with the body: one token, the keys of the objects
 * that are open, and the stack of containers, each with a limit.
 *
 * Strict, because what two readers may read in two ways cannot be said to be consented to: UTF-8 only and without a
 * byte order mark, no trailing text, no duplicate member names anywhere (RFC 7493 § 2.3), nothing that JSON.parse
 * would refuse. What is within the limits is handed on exactly as JSON.parse would have read it, however it is cut; of names
 * that look like integers, which no API here has, the order is not told.
 */

import { isUtf8 } from 'node:buffer'

/** Takes what is read, in order. Each method says whether to go on; after `false` nothing more is handed on. */
export interface JsonSink {
  open(array: boolean): boolean
  close(array: boolean): boolean
  key(name: string): boolean
  scalar(value: string | number | boolean | null): boolean
  /** A whole object of a list, where it is there; undefined where it is wanted in pieces, as all else is. */
  item?(value: Readonly<Record<string, unknown>>): boolean | undefined
}

/** Containers inside each other. */
export const MAX_DEPTH = 24
/** UTF-16 units of a name or a text. */
const MAX_TEXT = 4096
/** Characters of a number. */
const MAX_NUMBER = 64
/** Members of one object. */
const MAX_KEYS = 64

const NUMBER = /^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$/
const LITERALS: ReadonlyMap<string, boolean | null> = new Map<string, boolean | null>([
  ['true', true],
  ['false', false],
  ['null', null],
])
const ESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  '\\': '\\',
  '/': '/',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
}

type Expect = 'value' | 'item or end' | 'key or end' | 'key' | 'colon' | 'comma or end' | 'nothing'
type Token = 'none' | 'text' | 'escape' | 'unicode' | 'number' | 'literal'

/** Reads text in pieces, cut anywhere. */
export class JsonStream {
  readonly #sink: JsonSink
  /** For each open container: `null` for an array, the names read so far for an object. */
  readonly #open: (string[] | null)[] = []
  #expect: Expect = 'value'
  #token: Token = 'none'
  #text = ''
  #unicode = ''
  #ok = true
  /** A bit for each depth at which a list of the text at hand has items that are not read at once. */
  #inPieces = 0

  constructor(sink: JsonSink) {
    this.#sink = sink
  }

  /** False from the first character that cannot be part of what is accepted, or when the sink stopped. */
  push(text: string): boolean {
    this.#inPieces = 0
    for (let at = 0; this.#ok && at < text.length;) at = this.#token === 'none' ? this.#structure(text, at) : this.#within(text, at)
    return this.#ok
  }

  /** Whether what was pushed is one complete value. */
  end(): boolean {
    if (this.#ok && this.#token === 'number') this.#finishNumber()
    return this.#ok && this.#token === 'none' && this.#expect === 'nothing'
  }

  #structure(text: string, at: number): number {
    const code = text.charCodeAt(at)
    if (code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09) return at + 1
    const expect = this.#expect
    switch (code) {
      case 0x22: // "
        if (expect !== 'value' && expect !== 'item or end' && expect !== 'key' && expect !== 'key or end') return this.#fail()
        this.#token = 'text'
        this.#text = ''
        return at + 1
      case 0x2c: // ,
        if (expect !== 'comma or end') return this.#fail()
        this.#expect = this.#open.at(-1) === null ? 'value' : 'key'
        return at + 1
      case 0x3a: // :
        if (expect !== 'colon') return this.#fail()
        this.#expect = 'value'
        return at + 1
      case 0x7b: // {
        return this.#items(text, at) ?? this.#begin(false, at)
      case 0x5b: // [
        return this.#begin(true, at)
      case 0x7d: // }
      case 0x5d: // ]
        return this.#finish(code === 0x5d, at)
      default:
        if (expect !== 'value' && expect !== 'item or end') return this.#fail()
        this.#token = code === 0x2d || (code >= 0x30 && code <= 0x39) ? 'number' : 'literal'
        this.#text = ''
        return at
    }
  }

  /**
   * The items of a list that are whole in this text, read at once: the same as their characters one by one, in a fraction of
   * the time. Where they end, or undefined where they are not proved to be good.
   */
  #items(text: string, at: number): number | undefined {
    if (this.#open.at(-1) !== null || (this.#expect !== 'value' && this.#expect !== 'item or end')) return undefined
    const depth = this.#open.length
    if ((this.#inPieces & (1 << depth)) !== 0) return undefined
    const close = text.indexOf(']', at)
    const end = text.lastIndexOf('}', close === -1 ? text.length : close) + 1
    const proved = end <= at ? undefined : parseProved(`[${text.slice(at, end)}]`, depth - 1)
    if (!proved) {
      // Where items hold lists, each would be tried in vain; the lists in them are still read at once.
      this.#inPieces |= 1 << depth
      return undefined
    }
    const items = proved.value as readonly unknown[]
    this.#ok = items.every((item) => feedItem(item, this.#sink))
    this.#expect = 'comma or end'
    return end
  }

  #begin(array: boolean, at: number): number {
    if ((this.#expect !== 'value' && this.#expect !== 'item or end') || this.#open.length >= MAX_DEPTH) return this.#fail()
    this.#open.push(array ? null : [])
    this.#expect = array ? 'item or end' : 'key or end'
    this.#ok = this.#sink.open(array)
    return at + 1
  }

  #finish(array: boolean, at: number): number {
    const names = this.#open.at(-1)
    const mayEnd = this.#expect === 'comma or end' || this.#expect === (array ? 'item or end' : 'key or end')
    if (names === undefined || (names === null) !== array || !mayEnd) return this.#fail()
    this.#open.pop()
    this.#expect = this.#open.length === 0 ? 'nothing' : 'comma or end'
    this.#ok = this.#sink.close(array)
    return at + 1
  }

  #within(text: string, at: number): number {
    switch (this.#token) {
      case 'text':
        return this.#inText(text, at)
      case 'escape':
        return this.#inEscape(text, at)
      case 'unicode':
        return this.#inUnicode(text, at)
      case 'number':
        return this.#inNumber(text, at)
      default:
        return this.#inLiteral(text, at)
    }
  }

  #inText(text: string, at: number): number {
    let end = at
    for (; end < text.length; end++) {
      const code = text.charCodeAt(end)
      if (code === 0x22 || code === 0x5c) break
      if (code < 0x20) return this.#fail()
    }
    this.#text += text.slice(at, end)
    if (this.#text.length > MAX_TEXT) return this.#fail()
    if (end === text.length) return end
    if (text.charCodeAt(end) === 0x5c) this.#token = 'escape'
    else this.#finishText()
    return end + 1
  }

  #inEscape(text: string, at: number): number {
    const letter = text.charAt(at)
    if (letter === 'u') {
      this.#token = 'unicode'
      this.#unicode = ''
      return at + 1
    }
    const meant = ESCAPES[letter]
    if (meant === undefined) return this.#fail()
    this.#text += meant
    this.#token = 'text'
    return at + 1
  }

  #inUnicode(text: string, at: number): number {
    const letter = text.charAt(at)
    if (!/^[0-9A-Fa-f]$/.test(letter)) return this.#fail()
    this.#unicode += letter
    if (this.#unicode.length === 4) {
      this.#text += String.fromCharCode(Number.parseInt(this.#unicode, 16))
      this.#token = 'text'
    }
    return at + 1
  }

  #inNumber(text: string, at: number): number {
    let end = at
    for (; end < text.length; end++) {
      const code = text.charCodeAt(end)
      // Digits, sign, point, exponent: the pattern decides once all of it is there.
      if (!((code >= 0x30 && code <= 0x39) || code === 0x2d || code === 0x2b || code === 0x2e || code === 0x65 || code === 0x45)) break
    }
    this.#text += text.slice(at, end)
    if (this.#text.length > MAX_NUMBER) return this.#fail()
    if (end < text.length) this.#finishNumber()
    return end
  }

  #inLiteral(text: string, at: number): number {
    this.#text += text.charAt(at)
    const value = LITERALS.get(this.#text)
    if (value !== undefined) this.#value(value)
    else if (this.#text.length > 4) return this.#fail()
    return at + 1
  }

  #finishNumber(): void {
    if (NUMBER.test(this.#text)) this.#value(Number(this.#text))
    else this.#fail()
  }

  #finishText(): void {
    if (this.#expect !== 'key' && this.#expect !== 'key or end') {
      this.#value(this.#text)
      return
    }
    const names = this.#open.at(-1)
    if (!names || names.length >= MAX_KEYS || names.includes(this.#text)) {
      this.#fail()
      return
    }
    names.push(this.#text)
    this.#token = 'none'
    this.#expect = 'colon'
    this.#ok = this.#sink.key(this.#text)
  }

  #value(value: string | number | boolean | null): void {
    this.#token = 'none'
    this.#expect = this.#open.length === 0 ? 'nothing' : 'comma or end'
    this.#ok = this.#sink.scalar(value)
  }

  #fail(): number {
    this.#ok = false
    return Number.POSITIVE_INFINITY
  }
}

/**
 * The same reading of a text that is there as a whole, several times faster: JSON.parse, then proof that the text holds
 * nothing that JSON.parse passes over in silence (duplicate names) or that the limits forbid. What is not proved is
 * undefined; {@link JsonStream} then says where it goes wrong.
 *
 * @param depth containers around it
 */
export function parseProved(text: string, depth = 0): { readonly value: unknown } | undefined {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined // not JSON: the caller refuses it, or reads it again to see how far it is good
  }
  const names = namesInValue(value, depth)
  if (Number.isNaN(names)) return undefined
  // Written again it is the same text: nothing was passed over. So it is with most answers, and this is the faster proof.
  if (JSON.stringify(value) === text || namesInText(text) === names) return { value }
  return undefined
}
/** Member names written in a text that is known to be JSON, or undefined where a number is longer than the limit. */
function namesInText(text: string): number | undefined {
  let names = 0
  let last = 0
  for (let start = text.indexOf('"'); start !== -1; start = text.indexOf('"', last)) {
    if (holdsLongNumber(text, last, start)) return undefined
    let end = text.indexOf('"', start + 1)
    while (isEscaped(text, end)) end = text.indexOf('"', end + 1)
    last = end + 1
    while (text.charCodeAt(last) <= 0x20) last++
    if (text.charCodeAt(last) === 0x3a) names++
  }
  return holdsLongNumber(text, last, text.length) ? undefined : names
}

function holdsLongNumber(text: string, from: number, until: number): boolean {
  return until - from > MAX_NUMBER && /[-+.0-9eE]{65}/.test(text.slice(from, until))
}

function isEscaped(text: string, quote: number): boolean {
  let backslashes = 0
  while (text.charCodeAt(quote - 1 - backslashes) === 0x5c) backslashes++
  return backslashes % 2 === 1
}

/** Member names in the value; NaN, which equals nothing, where a limit is passed or a name may be another one. */
function namesInValue(value: unknown, depth: number): number {
  if (typeof value === 'string') return value.length > MAX_TEXT ? Number.NaN : 0
  if (typeof value !== 'object' || value === null) return 0
  if (depth >= MAX_DEPTH) return Number.NaN
  let names = 0
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) names += namesInValue(value[i], depth + 1)
    return names
  }
  let own = 0
  // Made by JSON.parse, it has no members but its own: without a list of their names there is less to throw away.
  for (const name in value) {
    own += 1
    // V8 may read a name that is written with an escape as another one, with a backslash in it, if it met that one in an
    // earlier text (nodejs/node#63785): such names are read character by character.
    if (own > MAX_KEYS || name.length > MAX_TEXT || name.includes('\\')) return Number.NaN
    names += namesInValue((value as Readonly<Record<string, unknown>>)[name], depth + 1)
  }
  return names + own
}

/** Hands a parsed value to a sink in the order of its text (names that look like integers come first: no API here has any). */
export function feed(value: unknown, sink: JsonSink): boolean {
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' || value === null) return sink.scalar(value)
  if (typeof value !== 'object') return false
  if (Array.isArray(value)) {
    if (!sink.open(true)) return false
    for (let i = 0; i < value.length; i++) if (!feedItem(value[i], sink)) return false
    return sink.close(true)
  }
  if (!sink.open(false)) return false
  for (const name in value) {
    if (!sink.key(name) || !feed((value as Readonly<Record<string, unknown>>)[name], sink)) return false
  }
  return sink.close(false)
}

function feedItem(value: unknown, sink: JsonSink): boolean {
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
  const taken = isObject ? sink.item?.(value as Readonly<Record<string, unknown>>) : undefined
  return taken ?? feed(value, sink)
}

/** Bodies up to here are kept and read as a whole. */
export const WHOLE_UNTIL = 64 * 1024

/** Reads a body in chunks of bytes: as a whole while it is short, as a stream from {@link WHOLE_UNTIL} on. */
export class JsonBody {
  readonly #sink: JsonSink
  /** Made for what is longer, or not good as a whole. */
  #stream: JsonStream | undefined
  #decoder: TextDecoder | undefined
  #kept: Uint8Array[] | undefined = []
  #length = 0

  constructor(sink: JsonSink) {
    this.#sink = sink
  }

  push(chunk: Uint8Array): boolean {
    if (!this.#kept) return this.#read(this.#decode(chunk, true))
    this.#kept.push(chunk)
    this.#length += chunk.length
    if (this.#length <= WHOLE_UNTIL) return true
    const kept = this.#kept
    this.#kept = undefined
    return kept.every((each) => this.push(each))
  }

  end(): boolean {
    if (!this.#kept) return this.#read(this.#decode(new Uint8Array(), false)) && this.#stream?.end() === true
    const [first] = this.#kept
    const bytes =
      this.#kept.length === 1 && first ? Buffer.from(first.buffer, first.byteOffset, first.byteLength) : Buffer.concat(this.#kept)
    if (!isUtf8(bytes)) return false
    const text = bytes.toString()
    const proved = parseProved(text)
    if (proved) return feed(proved.value, this.#sink)
    // Not good as a whole. As a stream it is read up to the fault, so that a wrong meter before it is told as such.
    return this.#read(text) && this.#stream?.end() === true
  }

  #read(text: string): boolean {
    this.#stream ??= new JsonStream(this.#sink)
    return this.#stream.push(text)
  }

  #decode(chunk: Uint8Array, more: boolean): string {
    this.#decoder ??= new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
    try {
      return this.#decoder.decode(chunk, { stream: more })
    } catch {
      return '\u0000' // not UTF-8: a NUL then ends the reading, because none is allowed anywhere in JSON
    }
  }
}
