/**
 * XML as the simulated SGE reads and writes it. What is read becomes a small tree of qualified names; a DOCTYPE and a
 * processing instruction, which SOAP 1.1 § 3 forbids, make it no tree at all. What is written is made piece by piece
 * while it is read: an answer of any length never sits in memory.
 */
import type { SaxesTagNS } from 'saxes'
import { SaxesParser } from 'saxes'

export interface XmlElement {
  readonly uri: string
  readonly name: string
  /** Without the declarations of namespaces. */
  readonly attributes: readonly { readonly uri: string; readonly name: string; readonly value: string }[]
  readonly children: readonly XmlElement[]
  /** What stands directly in it, comments left out, CDATA as what it means. */
  readonly text: string
}

const XMLNS = 'http://www.w3.org/2000/xmlns/'
/** No request is a third as deep; who reads the tree does so by recursion, and the parser's time grows with the square of it. */
const DEEPEST = 40

interface Open extends XmlElement {
  readonly children: XmlElement[]
  text: string
}

/** Undefined where it is not well-formed, or holds what SOAP does not allow. */
export function parseXml(source: string): XmlElement | undefined {
  const parser = new SaxesParser({ xmlns: true, position: false })
  const path: Open[] = []
  let root: XmlElement | undefined
  const refused = new Error('not what SOAP allows')
  const fail = (): never => {
    throw refused
  }
  const add = (text: string): void => {
    const open = path.at(-1)
    if (open) open.text += text
  }
  parser.on('error', fail)
  parser.on('doctype', fail)
  parser.on('processinginstruction', fail)
  parser.on('xmldecl', ({ version, encoding = 'UTF-8' }) => {
    if (version !== '1.0' || encoding.toUpperCase() !== 'UTF-8') fail()
  })
  parser.on('text', add)
  parser.on('cdata', add)
  parser.on('opentag', (tag) => {
    if (path.length >= DEEPEST) fail()
    const open = opened(tag)
    path.at(-1)?.children.push(open)
    root ??= open
    path.push(open)
  })
  parser.on('closetag', () => path.pop())
  try {
    parser.write(source).close()
  } catch (error) {
    if (error === refused) return undefined
    throw error
  }
  return root
}

function opened({ uri, local, attributes }: SaxesTagNS): Open {
  const others = Object.values(attributes).filter((one) => one.uri !== XMLNS)
  return {
    uri,
    name: local,
    attributes: others.map((one) => ({ uri: one.uri, name: one.local, value: one.value })),
    children: [],
    text: '',
  }
}

/** The first element of an unqualified name, the element itself left out; in the order of the text. */
export function find(element: XmlElement, name: string): XmlElement | undefined {
  for (const child of element.children) {
    const found = child.uri === '' && child.name === name ? child : find(child, name)
    if (found) return found
  }
  return undefined
}

/** Its text, without blanks around it. */
export function textOf(element: XmlElement, name: string): string | undefined {
  return find(element, name)?.text.trim()
}

/** Of a text that fits `xs:boolean`. */
export function isTrue(element: XmlElement, name: string): boolean {
  return /^(true|1)$/.test(textOf(element, name) ?? '')
}

/** An element to be written: with text, with elements in it, or with neither. */
export interface Written {
  /** With its prefix, if it has one. */
  readonly name: string
  readonly attributes?: Readonly<Record<string, string>>
  readonly content: string | Iterable<Written>
}

export function written(name: string, content: string | Iterable<Written>, attributes?: Readonly<Record<string, string>>): Written {
  return { name, content, ...(attributes && { attributes }) }
}

/** Elements of text, in this order; those without a value are left out. */
export function leaves(texts: Readonly<Record<string, string | undefined>>): Written[] {
  const all: Written[] = []
  for (const name of Object.keys(texts)) {
    const text = texts[name]
    if (text !== undefined) all.push({ name, content: text })
  }
  return all
}

/** A code as SGE has it nearly everywhere: in an attribute, its label within. */
export function coded(name: string, code: string, libelle: string): Written {
  return written(name, leaves({ libelle }), { code })
}

export function escaped(text: string): string {
  if (!/[&<>"]/.test(text)) return text
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}

const BATCH = 8192

/** The whole document in pieces of some kilobytes. `leaf` writes the text of an element that has no others. */
export function* xmlPieces(
  root: Written,
  prolog: string = '<?xml version="1.0" encoding="UTF-8"?>\n',
  leaf: (text: string) => string = escaped,
): Generator<string> {
  const out = { text: prolog }
  yield* pieces(root, out, leaf)
  yield out.text
}

function* pieces(element: Written, out: { text: string }, leaf: (text: string) => string): Generator<string> {
  const { name, content } = element
  if (typeof content === 'string') {
    out.text += leafText(element, content, leaf)
    return
  }
  out.text += openTag(element, '>')
  for (const child of content) {
    // Most of a long answer are leaves: a generator for each of them takes as long as all the rest.
    if (typeof child.content === 'string') out.text += leafText(child, child.content, leaf)
    else yield* pieces(child, out, leaf)
    if (out.text.length > BATCH) {
      yield out.text
      out.text = ''
    }
  }
  out.text += `</${name}>`
}

function leafText(element: Written, content: string, leaf: (text: string) => string): string {
  return content === '' ? openTag(element, '/>') : `${openTag(element, '>')}${leaf(content)}</${element.name}>`
}

function openTag({ name, attributes }: Written, end: string): string {
  if (!attributes) return `<${name}${end}`
  return Object.entries(attributes).reduce((text, [key, value]) => `${text} ${key}="${escaped(value)}"`, `<${name}`) + end
}
