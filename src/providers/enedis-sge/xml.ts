/**
 * XML as the gate takes it and gives it: a strict reading on saxes, and text written anew. Nothing is ever copied from
 * one to the other but values that a model knows.
 *
 * Refused wherever it stands: a document type, a processing instruction, CDATA, an attribute with a prefix (`xsi:type`,
 * `soap:mustUnderstand`), text beside elements; inside the root also comments, which split a value for some parsers and
 * not for others. Depth, counts and lengths are bounded. Source: OWASP XML Security; behaviours of saxes 6.
 */
import { SaxesParser } from 'saxes'

export interface XmlStart {
  readonly ns: string
  readonly name: string
  readonly attributes: ReadonlyMap<string, string>
}

/** What a reading is told of. `false` ends it. */
export interface XmlSink {
  open(start: XmlStart): boolean
  /** All the text of an element that has no elements in it, references resolved. */
  close(name: string, text: string): boolean
}

const MOST_DEPTH = 24
const MOST_ATTRIBUTES = 24
const MOST_NAME = 120
/** Of one text: an address is short, a reading shorter. */
const MOST_TEXT = 4096
const XSI = 'http://www.w3.org/2001/XMLSchema-instance'
const XMLNS = 'http://www.w3.org/2000/xmlns/'

/** Of what is written between two events: a name or a text that never ends is not waited for. */
const MOST_PENDING = 65_536
const PIECE = 4096

/** Reads a document that comes in pieces. After `false` nothing more may be written. */
export class XmlReader {
  readonly #parser = new SaxesParser({ xmlns: true, position: false })
  readonly #sink: XmlSink
  readonly #decoder = new TextDecoder('utf-8', { fatal: true })
  readonly #open: { readonly start: XmlStart; text: string; parent: boolean }[] = []
  #failed = false
  #ended = false
  #sinceEvent = 0

  constructor(sink: XmlSink) {
    this.#sink = sink
    const fail = (): void => {
      this.#failed = true
    }
    const parser = this.#parser
    parser.on('error', fail)
    parser.on('doctype', fail)
    parser.on('processinginstruction', fail)
    parser.on('cdata', fail)
    parser.on('comment', () => {
      if (this.#open.length > 0) fail()
    })
    parser.on('xmldecl', ({ encoding, version }) => {
      if (version !== '1.0' || (encoding !== undefined && encoding.toLowerCase() !== 'utf-8')) fail()
    })
    parser.on('text', (text) => {
      const inside = this.#open.at(-1)
      if (!inside) return
      // Between elements there is only space, however much of it: a list of readings has as much as it is long.
      if (!inside.parent) inside.text += text
      else if (text.trim() !== '') fail()
      if (inside.text.length > MOST_TEXT) fail()
    })
    parser.on('opentag', (tag) => {
      this.#sinceEvent = 0
      if (!this.#failed && !this.#begin(tag)) fail()
    })
    parser.on('closetag', () => {
      this.#sinceEvent = 0
      if (!this.#failed && !this.#finish()) fail()
    })
  }

  push(chunk: Uint8Array): boolean {
    try {
      // In pieces: what fails is not read further, what never ends is seen, and no text lives long enough to fill the heap.
      for (let i = 0; i < chunk.byteLength && !this.#failed; i += PIECE)
        this.#write(this.#decoder.decode(chunk.subarray(i, i + PIECE), { stream: true }))
    } catch (error) {
      if (!(error instanceof TypeError)) throw error
      this.#failed = true
    }
    return !this.#failed
  }

  end(): boolean {
    try {
      this.#write(this.#decoder.decode())
      if (!this.#failed) this.#parser.close()
    } catch (error) {
      if (!(error instanceof TypeError)) throw error
      this.#failed = true
    }
    return !this.#failed && this.#ended
  }

  #write(text: string): void {
    this.#sinceEvent += PIECE
    if (this.#sinceEvent > MOST_PENDING) this.#failed = true
    else this.#parser.write(text)
  }

  #begin(tag: {
    readonly local: string
    readonly uri: string
    readonly attributes: Readonly<
      Record<string, { readonly uri: string; readonly prefix: string; readonly local: string; readonly value: string }>
    >
  }): boolean {
    const parent = this.#open.at(-1)
    if (parent) {
      if (parent.text.trim() !== '') return false
      parent.text = ''
      parent.parent = true
    } else if (this.#ended) return false
    if (this.#open.length >= MOST_DEPTH || tag.local.length > MOST_NAME) return false
    const given = Object.values(tag.attributes)
    if (given.length > MOST_ATTRIBUTES) return false
    const attributes = given.length === 0 ? NO_ATTRIBUTES : new Map<string, string>()
    for (const { uri, prefix, local, value } of given) {
      if (uri === XMLNS || local === 'xmlns') continue
      // Where there is no value, an answer may say so; everything else with a prefix changes what an element means.
      if (uri === XSI && local === 'nil') continue
      if (prefix !== '' || value.length > MOST_TEXT) return false
      ;(attributes as Map<string, string>).set(local, value)
    }
    const start = { ns: tag.uri, name: tag.local, attributes }
    this.#open.push({ start, text: '', parent: false })
    return this.#sink.open(start)
  }

  #finish(): boolean {
    const closed = this.#open.pop()
    if (!closed) return false
    if (this.#open.length === 0) this.#ended = true
    return this.#sink.close(closed.start.name, closed.text)
  }
}

/** Most elements have none. */
const NO_ATTRIBUTES: ReadonlyMap<string, string> = new Map()

export interface XmlElement extends XmlStart {
  readonly children: readonly XmlElement[]
  readonly text: string
}

const MOST_ELEMENTS = 20_000

/** A small document, whole. Undefined where it is none that the gate takes. */
export function readXml(bytes: Uint8Array): XmlElement | undefined {
  const tree = new XmlTree()
  const reader = new XmlReader(tree)
  return reader.push(bytes) && reader.end() ? tree.root : undefined
}

/** Makes a tree of what is read. */
export class XmlTree implements XmlSink {
  root: XmlElement | undefined
  readonly #open: { readonly start: XmlStart; readonly children: XmlElement[] }[] = []
  #elements = 0

  open(start: XmlStart): boolean {
    this.#elements += 1
    this.#open.push({ start, children: [] })
    return this.#elements <= MOST_ELEMENTS
  }

  close(_name: string, text: string): boolean {
    const closed = this.#open.pop()
    if (!closed) return false
    const element = { ...closed.start, children: closed.children, text }
    const parent = this.#open.at(-1)
    if (parent) parent.children.push(element)
    else this.root = element
    return true
  }
}

const ESCAPES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }

export function escapeXml(text: string): string {
  return text.replace(/[&<>"]/g, (character) => ESCAPES[character] ?? character)
}

/** An element without namespace, as all local elements of SGE are. */
export function element(name: string, inside: string, attributes: Readonly<Record<string, string>> = {}): string {
  const written = Object.entries(attributes).map(([key, value]) => ` ${key}="${escapeXml(value)}"`)
  return `<${name}${written.join('')}>${inside}</${name}>`
}

export function leaf(name: string, text: string): string {
  return element(name, escapeXml(text))
}
