/**
 * Reads an answer of SGE as it streams and hands its readings on, one by one, with what stands around them. What the
 * shape does not name does not exist for the gate, an element that comes twice where one is expected ends the answer, and
 * a meter that is named anywhere must be the one asked for.
 *
 * What surrounds a reading is written when the first reading under it may leave, and closed when another one needs
 * another surrounding: several answers become one, and an empty element is never left behind.
 */
import type { Counts, Fed, HolderError } from '../adapter.ts'
import type { Measured } from '../senml.ts'
import { SOAP } from './envelope.ts'
import type { QName } from './service.ts'
import { saidByFault } from './holder-says.ts'
import type { XmlSink, XmlStart } from './xml.ts'
import { element, escapeXml, leaf, XmlReader } from './xml.ts'

export type Why = Extract<Fed, { ok: false }>['why']

export type Shape =
  /** `keeps`: it is written where its element is. */
  | { readonly is: 'leaf'; readonly fits: RegExp; readonly keeps: boolean }
  /** Named by the attribute `code`; its label is text of anybody's and is not passed on. */
  | { readonly is: 'coded'; readonly keeps: boolean }
  /** Text of anybody's: the code beside it stands in its place. */
  | { readonly is: 'label'; readonly as: string }
  | { readonly is: 'branch'; readonly of: Shapes }
  | { readonly is: 'reading'; readonly of: Shapes }
export type Shapes = Readonly<Record<string, Shape>>

export type Fields = Readonly<Record<string, string>>
/** An element that is open: its leaves so far. */
export interface Around {
  readonly name: string
  readonly fields: Fields
  /** Those that are kept, written. */
  readonly leaves: string
}

/** Where a reading is put, and its text; `drop` where it does not leave. `measured`: the same for the one view, where it can be placed. */
export type Judged =
  | { readonly path: readonly Around[]; readonly text: string; readonly stamp: string; readonly measured: () => Measured | undefined }
  | 'drop'
  | Why

export interface Judge {
  /** `around`: from the first element in the answer's root inwards. */
  reading(read: Around, around: readonly Around[], root: Fields): readonly Judged[]
  /** What is still owed when the holder's answer is complete. */
  rest(): readonly Judged[]
  readonly tooFine: number
}

/** Where the readings of all parts are written. */
export interface ReadingSink {
  /** False where the reading has no place in it. */
  write(path: readonly Around[], text: string, root: Fields, measured: () => Measured | undefined): boolean
  take(): readonly string[]
}

/** In the form of Enedis's own answers. */
export class Merged implements ReadingSink {
  // As bytes: thousands of short texts that wait for the end of a piece would outlive their generation, and fill the heap.
  #bytes = Buffer.allocUnsafe(16_384)
  #length = 0
  #open: readonly Around[] = []
  #begun = false
  readonly #head: (root: Fields) => string
  #root: Fields = {}

  /** `head`: all before the first element around a reading, of the root's leaves as they came. */
  constructor(head: (root: Fields) => string) {
    this.#head = head
  }

  write(path: readonly Around[], text: string, root: Fields): boolean {
    if (!this.#begun) {
      this.#begun = true
      this.#root = root
      this.#put(this.#head(root))
    }
    let same = 0
    while (same < path.length && same < this.#open.length && isSame(path[same], this.#open[same])) same += 1
    this.#close(same)
    for (const { name, leaves } of path.slice(same)) this.#put(`<${name}>${leaves}`)
    this.#open = path
    this.#put(text)
    return true
  }

  take(): readonly string[] {
    const text = this.#bytes.toString('utf8', 0, this.#length)
    this.#length = 0
    return text === '' ? [] : [text]
  }

  /** Nothing where nothing was written. */
  end(tail: (root: Fields) => string): readonly string[] {
    if (!this.#begun) return []
    this.#close(0)
    this.#put(tail(this.#root))
    return this.take()
  }

  #put(text: string): void {
    const needed = this.#length + Buffer.byteLength(text)
    if (needed > this.#bytes.byteLength) {
      const larger = Buffer.allocUnsafe(2 * needed)
      this.#bytes.copy(larger, 0, 0, this.#length)
      this.#bytes = larger
    }
    this.#length += this.#bytes.write(text, this.#length)
  }

  #close(from: number): void {
    for (const { name } of this.#open.slice(from).toReversed()) this.#put(`</${name}>`)
    this.#open = this.#open.slice(0, from)
  }
}

function isSame(a: Around | undefined, b: Around | undefined): boolean {
  return a?.name === b?.name && a?.leaves === b?.leaves
}

interface Frame {
  readonly name: string
  readonly shape: Shape
  readonly seen: ReadonlySet<string>
  readonly fields: Record<string, string>
  leaves: string
}

const NOTHING_SEEN: ReadonlySet<string> = new Set()
const NO_FIELDS: Record<string, string> = Object.freeze({})

const METER_NAMES: ReadonlySet<string> = new Set(['pointId', 'prm', 'idPrm', 'prmId'])

/** One answer of the holder, read into the client's. */
export class AnswerPart implements XmlSink {
  readonly root: Record<string, string> = {}
  readonly #reader = new XmlReader(this)
  readonly #named: QName
  readonly #point: string
  readonly #judge: Judge
  readonly #merged: ReadingSink
  readonly #shapes: Shapes
  /** Elements outside the answer's root, from the envelope inwards. */
  readonly #outside: string[] = []
  readonly #frames: Frame[] = []
  /** Depth of what is passed over. */
  #skipped = 0
  #why: Why = 'unreadable'
  #rootSeen = false
  #inFault = false
  #faultCode: string | undefined
  #readings = 0
  #dropped = 0
  #weighed = 0
  #first: string | null = null
  #last: string | null = null

  constructor(named: QName, point: string, shapes: Shapes, judge: Judge, merged: ReadingSink) {
    this.#named = named
    this.#point = point
    this.#shapes = shapes
    this.#judge = judge
    this.#merged = merged
  }

  push(chunk: Uint8Array): Fed {
    return this.#reader.push(chunk) ? { ok: true, out: this.#merged.take() } : { ok: false, why: this.#why }
  }

  end(): Fed {
    if (!this.#reader.end() || !this.#rootSeen) return { ok: false, why: this.#why }
    for (const judged of this.#judge.rest()) if (!this.#deliver(judged)) return { ok: false, why: this.#why }
    return { ok: true, out: this.#merged.take() }
  }

  get counts(): Counts {
    return { readings: this.#readings, dropped: this.#dropped, first: this.#first, last: this.#last }
  }

  get allTooFine(): boolean {
    return this.#readings === 0 && this.#judge.tooFine > 0 && this.#judge.tooFine === this.#weighed
  }

  get said(): HolderError | undefined {
    return this.#faultCode === undefined ? undefined : saidByFault(this.#faultCode)
  }

  open(start: XmlStart): boolean {
    if (this.#skipped > 0) {
      this.#skipped += 1
      return true
    }
    const parent = this.#frames.at(-1)
    return parent ? this.#openInside(parent, start) : this.#openOutside(start)
  }

  close(name: string, text: string): boolean {
    if (METER_NAMES.has(name) && text.trim() !== this.#point) return this.#fail('other_meter')
    if (this.#skipped > 0) {
      this.#skipped -= 1
      return true
    }
    const frame = this.#frames.pop()
    if (!frame) {
      this.#outside.pop()
      return true
    }
    return this.#closeInside(frame, text)
  }

  #openOutside({ ns, name, attributes }: XmlStart): boolean {
    const depth = this.#outside.length
    this.#outside.push(name)
    if (depth === 0) return ns === SOAP && name === 'Envelope'
    const header = this.#outside[1] === 'Header'
    if (depth === 1) return ns === SOAP && (name === 'Header' || name === 'Body')
    // What the header acknowledges is not passed on; a meter that it names is looked at all the same.
    if (header) return true
    if (this.#inFault) {
      if (ns === '' && name === 'resultat' && this.#outside.includes('erreur')) this.#faultCode = attributes.get('code') ?? ''
      return true
    }
    if (depth !== 2 || this.#rootSeen) return false
    this.#rootSeen = true
    if (ns === SOAP && name === 'Fault') {
      this.#inFault = true
      this.#faultCode = ''
      return true
    }
    if (ns !== this.#named.ns || name !== this.#named.name) return false
    this.#outside.pop()
    this.#frames.push({ name, shape: { is: 'branch', of: this.#shapes }, seen: new Set(), fields: this.root, leaves: '' })
    return true
  }

  #openInside(parent: Frame, { ns, name, attributes }: XmlStart): boolean {
    const shapes = 'of' in parent.shape ? parent.shape.of : {}
    const shape = ns === '' && Object.hasOwn(shapes, name) ? shapes[name] : undefined
    if (!shape) {
      if (parent.shape.is !== 'coded' || name !== 'libelle') this.#dropped += 1
      this.#skipped = 1
      return true
    }
    if (shape.is === 'leaf' || shape.is === 'coded' || shape.is === 'label') {
      if (parent.seen.has(name)) return false
      ;(parent.seen as Set<string>).add(name)
    }
    const code = shape.is === 'coded' ? attributes.get('code') : undefined
    // Nothing stands inside a leaf: what is read most often costs least.
    const inside =
      'of' in shape ? { seen: new Set<string>(), fields: {} } : { seen: NOTHING_SEEN, fields: code === undefined ? NO_FIELDS : { code } }
    this.#frames.push({ name, shape, ...inside, leaves: '' })
    return true
  }

  #closeInside(frame: Frame, text: string): boolean {
    const parent = this.#frames.at(-1)
    const { shape, name } = frame
    if (shape.is === 'branch' || !parent) return true
    if (shape.is === 'reading') return this.#judged(frame)
    if (shape.is === 'label') {
      const code = parent.fields[shape.as]
      if (code !== undefined) parent.leaves += leaf(name, code)
      return true
    }
    const value = shape.is === 'coded' ? frame.fields['code'] : text
    const fits = value !== undefined && (shape.is === 'coded' ? /^[A-Za-z0-9_.-]{1,20}$/ : shape.fits).test(value)
    if (!fits) {
      this.#dropped += 1
      return true
    }
    parent.fields[name] = value
    if (shape.keeps) parent.leaves += shape.is === 'coded' ? coded(name, value) : leaf(name, value)
    return true
  }

  #judged(frame: Frame): boolean {
    const around = this.#frames.slice(1)
    this.#weighed += 1
    return this.#judge.reading(frame, around, this.root).every((one) => this.#deliver(one))
  }

  #deliver(judged: Judged): boolean {
    if (judged === 'drop') {
      this.#dropped += 1
      return true
    }
    if (typeof judged === 'string') return this.#fail(judged)
    const path = judged.path.map(({ name, fields, leaves }) => ({ name, fields, leaves }))
    if (!this.#merged.write(path, judged.text, this.root, judged.measured)) {
      this.#dropped += 1
      return true
    }
    this.#readings += 1
    this.#first ??= judged.stamp
    this.#last = judged.stamp
    return true
  }

  #fail(why: Why): boolean {
    this.#why = why
    return false
  }
}

export function coded(name: string, code: string): string {
  return element(name, `<libelle>${escapeXml(code)}</libelle>`, { code })
}
