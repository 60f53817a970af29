/**
 * YAML text → plain data, and for each value the place where it was written.
 *
 * Reads the part of YAML 1.2 that says one thing to every reader: one document, maps with text keys, lists, scalars of
 * the core schema. Anchors, aliases, merge keys, tags and directives are mistakes: they make a file say what is not
 * written at its place (and aliases make it large: the «billion laughs»). What the parser only warns of is a mistake too.
 * Source: YAML 1.2.2 § 10.3 (core schema); github.com/eemeli/yaml.
 */
import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument, type Node, type ParsedNode, type Scalar } from 'yaml'
import { shownKey, writePath, type Mistake, type Path } from './mistakes.ts'

export const MAX_BYTES = 1_048_576
const MAX_DEPTH = 32

/** Where something stands: `key` where a map's entry begins, `value` where its value does. */
export interface Tree {
  readonly value: unknown
  mistakeAt(path: Path, at: 'key' | 'value', message: string): Mistake
  /** How a scalar that is not text was written, or undefined. */
  writtenAt(path: Path): string | undefined
  /** Numbers written in a form that readers may take for another number. */
  readonly oddNumbers: readonly { readonly path: Path; readonly message: string }[]
}

interface Spot {
  readonly key: number
  readonly value: number
  readonly written?: string
}

/** `tree` is absent where the text cannot be read at all; mistakes that leave the tree readable come beside it. */
export function readTree(text: string): { readonly tree?: Tree; readonly mistakes: readonly Mistake[] } {
  const whole = (message: string) => ({ mistakes: [{ line: 1, column: 1, path: '', message }] })
  if (Buffer.byteLength(text) > MAX_BYTES) return whole('the file is larger than 1 MiB')
  const lines = new LineCounter()
  // Our own check of duplicate keys is linear; the parser's compares each key with each other.
  const document = parseDocument(text, {
    version: '1.2',
    schema: 'core',
    strict: true,
    stringKeys: true,
    uniqueKeys: false,
    prettyErrors: false,
    // 'silent' would hide a second document.
    logLevel: 'error',
    lineCounter: lines,
  })
  const at = (offset: number) => {
    const { line, col } = lines.linePos(Math.min(offset, text.length))
    return { line: Math.max(line, 1), column: Math.max(col, 1) }
  }
  const problems = [...document.errors, ...document.warnings.filter((w) => w.code !== 'TAG_RESOLVE_FAILED')]
  if (problems.length > 0) {
    return { mistakes: problems.map((p) => ({ ...at(p.pos[0]), path: '', message: SYNTAX[p.code] ?? `not YAML: ${p.message}` })) }
  }
  if (document.contents === null) return whole('the file is empty')

  const walk = new Walk()
  const value = walk.read(document.contents, [], document.contents.range[0])
  if (document.directives.yaml.explicit || Object.keys(document.directives.tags).length > 1) {
    walk.flaws.unshift({ path: [], offset: 0, message: 'a directive (%) is not read here: remove the line' })
  }
  const mistakes = walk.flaws.map((f) => ({ ...at(f.offset), path: writePath(f.path), message: f.message }))
  const tree: Tree = {
    value,
    oddNumbers: walk.oddNumbers,
    writtenAt: (path) => walk.spots.get(keyOf(path))?.written,
    mistakeAt: (path, which, message) => {
      // What is missing has no place of its own: it is told where its parent stands.
      let known: Path = path
      while (known.length > 0 && !walk.spots.has(keyOf(known))) known = known.slice(0, -1)
      const spot = walk.spots.get(keyOf(known))
      const offset = known.length < path.length || which === 'key' ? spot?.key : spot?.value
      return { ...at(offset ?? 0), path: writePath(path), message }
    },
  }
  return { tree, mistakes }
}

/** Our own sentence wherever the parser's would repeat what stands in the file: that may be a secret, and mistakes are logged. */
const SYNTAX: Partial<Record<string, string>> = {
  UNEXPECTED_TOKEN: 'not YAML: something is not expected here; text with : # | > { [ or quotes in it goes in quotes itself',
  BAD_DQ_ESCAPE: 'not YAML: no such escape after \\ in double quotes: use single quotes, or write \\\\',
  BAD_SCALAR_START: 'not YAML: text that begins with this character goes in quotes',
  BAD_PROP_ORDER: 'not YAML: an anchor or a tag in a wrong place, and neither is read here',
  BAD_DIRECTIVE: 'a directive (%) is not read here: remove the line',
  BAD_ALIAS: 'an alias (*) or anchor (&) is not read here: write the value out',
  BAD_COLLECTION_TYPE: "a tag (!) is not read here: write text in quotes, as '12'",
  TAG_RESOLVE_FAILED: "a tag (!) is not read here: write text in quotes, as '12'",
  NON_STRING_KEY: 'a key must be text',
  MULTIPLE_DOCS: 'one document only: a second one begins here',
}

function keyOf(path: Path): string {
  return JSON.stringify(path)
}

class Walk {
  readonly spots = new Map<string, Spot>()
  readonly flaws: { path: Path; offset: number; message: string }[] = []
  readonly oddNumbers: { path: Path; message: string }[] = []

  /** @param key offset of the entry that holds the node */
  read(node: ParsedNode | Node | null, path: Path, key: number): unknown {
    const offset = node?.range?.[0] ?? key
    this.spots.set(keyOf(path), { key, value: offset })
    if (path.length > MAX_DEPTH) return this.flaw(path, offset, `nested deeper than ${MAX_DEPTH} levels`)
    if (node === null) return null
    if (isAlias(node)) return this.flaw(path, offset, 'an alias (*) is not read here: write the value out')
    if (isScalar(node) || isMap(node) || isSeq(node)) {
      if (node.anchor !== undefined) this.flaw(path, offset, 'an anchor (&) is not read here: write the value out where it is needed')
      if (node.tag !== undefined) this.flaw(path, offset, "a tag (!) is not read here: write text in quotes, as '12'")
    }
    if (isMap(node)) return this.map(node.items, path)
    if (isSeq(node)) return node.items.map((item, i) => this.item(item, [...path, i], offset))
    return isScalar(node) ? this.scalar(node, path, key, offset) : this.flaw(path, offset, 'cannot be read')
  }

  private item(item: unknown, path: Path, offset: number): unknown {
    const node = item as Node | null // a parsed list holds nodes only
    return this.read(node, path, node?.range?.[0] ?? offset)
  }

  private map(items: readonly { key: unknown; value: unknown }[], path: Path): unknown {
    // Without prototype: `__proto__` and `constructor` are keys like others, and unknown ones.
    const result = Object.create(null) as Record<string, unknown>
    for (const { key, value } of items) {
      const name = String((key as Scalar).value) // `stringKeys` refused all that is not text
      const offset = (key as Node).range?.[0] ?? 0
      const inner = [...path, name]
      if (name === '<<') this.flaw(inner, offset, 'a merge key (<<) is not read here: write the keys out')
      else if (Object.hasOwn(result, name)) this.flaw(inner, offset, `'${shownKey(name)}' is written twice in the same place`)
      else result[name] = this.read(value as Node | null, inner, offset)
    }
    return result
  }

  private scalar(node: Scalar, path: Path, key: number, offset: number): unknown {
    const { value, source } = node
    if (typeof value === 'string') {
      if (hasControl(value)) this.flaw(path, offset, 'a control character is not accepted in text')
      return value
    }
    const written = source ?? String(value)
    this.spots.set(keyOf(path), { key, value: offset, written })
    if (typeof value === 'number' && !/^-?(0|[1-9]\d*)(\.\d+)?$/.test(written)) {
      this.oddNumbers.push({ path, message: `'${written}' is not a plain decimal number: it would be read as ${value}` })
    }
    return value
  }

  private flaw(path: Path, offset: number, message: string): undefined {
    this.flaws.push({ path, offset, message })
    return undefined
  }
}

/** C0 (save tab and line feed), DEL, C1, and the two line separators that only some readers break lines at. */
function hasControl(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if ((code < 32 && code !== 9 && code !== 10) || (code >= 127 && code <= 159) || code === 0x2028 || code === 0x2029) return true
  }
  return false
}
