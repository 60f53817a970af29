/**
 * What the schema refuses → sentences an operator can act on, each at its own place. An unknown key is a mistake of its
 * own, with the nearest known name; a value of the wrong type says how to write the right one.
 */
import * as z from 'zod'
import { didYouMean, shownKey, writePath, type Mistake, type Path } from './mistakes.ts'
import type { Tree } from './yaml.ts'

type Issue = z.core.$ZodIssue

/** A file of a megabyte of unknown keys is no misspelling, and a running gate reads it between two requests. */
const MOST_GUESSES = 50

export function mistakesOf(tree: Tree, schema: z.ZodType, issues: readonly Issue[], above: Path = []): Mistake[] {
  return issues.flatMap((issue) => {
    // Beside it stands the bound of the key itself: every number of the schema has one.
    if (issue.code === 'too_big' && issue.maximum === Number.MAX_SAFE_INTEGER) return []
    const path: Path = [...above, ...issue.path.filter((step) => typeof step !== 'symbol')]
    if (issue.code === 'unrecognized_keys') {
      const known = keysAt(schema, path)
      return issue.keys.map((key, i) => {
        const near = i < MOST_GUESSES ? didYouMean(key, known) : ''
        return tree.mistakeAt([...path, key], 'key', `unknown key '${shownKey(key)}'${near}`)
      })
    }
    if (issue.code === 'invalid_union' && issue.message === UNSET) {
      const inner = issue.errors.find((branch) => branch.some((i) => i.path.length > 0))
      if (inner) return mistakesOf(tree, schema, inner, path)
    }
    return [tree.mistakeAt(path, 'value', sentence(issue, valueAt(tree.value, path), tree.writtenAt(path), path))]
  })
}

// zod's own text where a union states no sentence of its own.
const UNSET = 'Invalid input'

function sentence(issue: Issue, found: unknown, written: string | undefined, path: Path): string {
  if (found === undefined && (issue.code === 'invalid_type' || issue.code === 'invalid_value' || issue.code === 'invalid_union')) {
    return `'${writePath(path.slice(-1))}' is missing`
  }
  switch (issue.code) {
    case 'invalid_type':
      return `expected ${TYPES[issue.expected] ?? issue.expected}, found ${describe(found)}${hint(issue.expected, found, written)}`
    case 'invalid_value':
      return choice(issue.values, found, written)
    case 'invalid_union':
      if (issue.message !== UNSET) return issue.message
      for (const flaw of issue.errors.flat()) {
        if (flaw.code === 'invalid_format') return `${flaw.message}; or a list of them, or '*'`
      }
      return choice(
        issue.errors.flatMap((branch) => branch.flatMap((i) => (i.code === 'invalid_value' ? i.values : []))),
        found,
        written,
      )
    case 'too_small':
      if (issue.origin === 'string') return 'expected some text'
      return issue.origin === 'array' ? 'expected at least one' : `must be at least ${issue.minimum}`
    case 'too_big':
      return issue.origin === 'string' ? `must have at most ${issue.maximum} characters` : `must be at most ${issue.maximum}`
    default:
      return issue.message
  }
}

const TYPES: Partial<Record<string, string>> = {
  string: 'text',
  int: 'a whole number',
  // Every number of the file is whole; zod says `number` until it has seen one.
  number: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a map of keys',
}

function describe(found: unknown): string {
  if (found === null) return 'nothing'
  if (Array.isArray(found)) return 'a list'
  if (typeof found === 'number') return 'a number'
  if (typeof found === 'boolean') return 'true or false'
  return typeof found === 'string' ? 'text' : 'a map of keys'
}

function hint(expected: string, found: unknown, written: string | undefined): string {
  if (found === null) return ': remove the key, or give it a value'
  if (expected === 'string' && written !== undefined) return `: put it in quotes, '${written}'`
  if (typeof found === 'string' && (expected === 'number' || expected === 'boolean')) return ': write it without quotes or unit'
  return ''
}

function choice(values: readonly unknown[], found: unknown, written: string | undefined): string {
  const names = values.map(String)
  const quote = written !== undefined && names.includes(written) ? `: put it in quotes, '${written}'` : ''
  const others = names.includes('*') ? ', or a list of them' : ''
  const near = typeof found === 'string' ? didYouMean(found, names) : ''
  return `expected one of ${names.map((n) => `'${n}'`).join(', ')}${others}${quote}${near}`
}

function valueAt(value: unknown, path: Path): unknown {
  return path.reduce<unknown>((inner, step) => {
    if (typeof inner !== 'object' || inner === null) return undefined
    return Object.hasOwn(inner, step) ? (inner as Record<string | number, unknown>)[step] : undefined
  }, value)
}

/** The keys that the schema knows at `path`. */
function keysAt(schema: z.ZodType, path: Path): readonly string[] {
  const bare = unwrap(schema)
  const [step, ...rest] = path
  if (bare instanceof z.ZodArray) return keysAt(bare.element as z.ZodType, rest)
  if (!(bare instanceof z.ZodObject)) return []
  const shape = bare.shape as Record<string, z.ZodType>
  if (step === undefined) return Object.keys(shape)
  const inner = Object.hasOwn(shape, step) ? shape[step] : undefined
  return inner ? keysAt(inner, rest) : []
}

function unwrap(schema: z.ZodType): z.ZodType {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault) {
    return unwrap(schema.def.innerType as z.ZodType)
  }
  return schema
}
