/**
 * Texts that differ in little, kept small: what of a text is a number, a day or an id is written apart, in as few bytes
 * as it takes, and the rest of it, its form, is kept once for all texts that share it. What was packed reads back as the
 * same text, character for character, whatever was in it.
 *
 * A million permissions of one purpose have a few forms.
 */
import { dayNumber, dayOfNumber, parseDay } from '../domain/time.ts'

export interface Packing {
  /**
   * Undefined where the text cannot be kept small: it is too long, an id in it holds a quote or has more than 200 characters,
   * or its form is new and no more are kept. The bytes are overwritten by the next call.
   */
  pack(text: string): Uint8Array | undefined
  /** Of bytes that `pack` gave since the last `clear`. */
  unpack(bytes: Uint8Array): string
  clear(): void
  /** Texts of a new form are packed no more, until it is cleared. */
  readonly full: boolean
}

/** An id or a reference, by the name of its member; a day; a number that is exact in a double, without leading zeros. */
const FACTS = /((?<="(?:id|contractRef)":")[^"\\\ud800-\udfff]{0,200})|(\d{4}-\d\d-\d\d)|([1-9]\d{0,14})/g
/** What stands in a form for a fact. `JSON.stringify` writes none of them. */
const ID = '\u0001'
const DAY = '\u0002'
const NUMBER = '\u0003'
// oxlint-disable-next-line no-control-regex
const MARKS = /[\u0001-\u0003]/
const MOST_CHARACTERS = 8192
/** Forms come of what operators register: they are few, and a text whose form no other has gains nothing here. */
const MOST_FORMS = 4096
const FORM_BYTES = 2

interface Form {
  /** Before the first fact, between two, and after the last. */
  readonly literals: readonly string[]
  readonly marks: readonly string[]
}

export function packing(): Packing {
  const numbers = new Map<string, number>()
  const forms: Form[] = []
  // A number takes at most eight bytes, an id three for each character and two for its length; each is a character at least.
  const out = Buffer.allocUnsafe(8 * MOST_CHARACTERS)
  let end = 0

  function writeNumber(value: number): void {
    let rest = value
    for (; rest > 0x7f; rest = Math.floor(rest / 128)) out[end++] = (rest % 128) | 0x80
    out[end++] = rest
  }
  function writeId(text: string): void {
    writeNumber(Buffer.byteLength(text))
    end += out.write(text, end)
  }
  function formOf(literals: string[], marks: string[]): number | undefined {
    const name = literals.reduce((text, literal, i) => text + (marks[i - 1] ?? '') + literal)
    const known = numbers.get(name)
    if (known !== undefined || forms.length === MOST_FORMS) return known
    numbers.set(name, forms.length)
    return forms.push({ literals: literals.map(ownMemory), marks }) - 1
  }
  return {
    pack(text) {
      if (text.length > MOST_CHARACTERS || MARKS.test(text)) return undefined
      end = FORM_BYTES
      const literals: string[] = []
      const marks: string[] = []
      let from = 0
      for (const found of text.matchAll(FACTS)) {
        const [fact, id, written] = found
        const day = written === undefined ? undefined : parseDay(written)
        // Ten digits and dashes that are no day stay in the form.
        if (written !== undefined && day === undefined) continue
        // What identifies stays in no form: these are kept beyond the text that brought them.
        if (id !== undefined && text[found.index + id.length] !== '"') return undefined
        literals.push(text.slice(from, found.index))
        from = found.index + fact.length
        marks.push(id !== undefined ? ID : day !== undefined ? DAY : NUMBER)
        if (id !== undefined) writeId(id)
        else if (day !== undefined) writeNumber(dayNumber(day) + DAYS_BEFORE_1970)
        else writeNumber(Number(fact))
      }
      literals.push(text.slice(from))
      const form = formOf(literals, marks)
      if (form === undefined) return undefined
      out.writeUInt16LE(form)
      return out.subarray(0, end)
    },
    unpack(bytes) {
      const from = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
      let at = FORM_BYTES
      const readNumber = (): number => {
        for (let value = 0, place = 1; ; place *= 128) {
          const byte = from.readUInt8(at++)
          value += (byte & 0x7f) * place
          if (byte < 0x80) return value
        }
      }
      const readId = (): string => {
        const size = readNumber()
        at += size
        return from.toString('utf8', at - size, at)
      }
      const { literals = [], marks = [] } = forms[from.readUInt16LE()] ?? {}
      let text = literals[0] ?? ''
      for (const [i, mark] of marks.entries()) {
        if (mark === ID) text += readId()
        else if (mark === DAY) text += dayOfNumber(readNumber() - DAYS_BEFORE_1970)
        else text += String(readNumber())
        text += literals[i + 1] ?? ''
      }
      return text
    },
    get full() {
      return forms.length === MOST_FORMS
    },
    clear() {
      numbers.clear()
      forms.length = 0
    },
  }
}

/** V8 keeps the whole of a text for a piece of it, and with it what was deleted. */
function ownMemory(piece: string): string {
  return Buffer.from(piece, 'utf16le').toString('utf16le')
}

/** Days are told from 1900 on: their numbers are never negative. */
const DAYS_BEFORE_1970 = 25_567
