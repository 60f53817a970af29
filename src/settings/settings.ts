/**
 * A settings file → settings, the compiled policy and its hash, or all of its mistakes at once, each with line and column.
 *
 * The same function checks (`ecluse check`), starts and reloads: what one accepts, the others do. Pure but for
 * `readSettings`, which reads the file. Nothing is half accepted: with one mistake there are no settings.
 */
import { open } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import * as z from 'zod'
import type { Policy } from '../domain/policy.ts'
import { contradictions, doubts, type Parts } from './cross-checks.ts'
import { mistakesOf } from './issues.ts'
import type { Mistake, Path } from './mistakes.ts'
import { openRouteSchema } from './open-routes.ts'
import { policyDocument, policyHash, type PolicyDocument } from './policy-document.ts'
import { clientSchema, purposeSchema, ruleSchema, settingsSchema } from './schema.ts'
import { secretsWritten, type Environment } from './secret.ts'
import { toSettings, type Settings } from './shape.ts'
import { MAX_BYTES, readTree, type Tree } from './yaml.ts'

export type ParsedSettings =
  | {
      readonly ok: true
      readonly settings: Settings
      readonly policy: Policy
      readonly document: PolicyDocument
      /** `sha256:` and 64 hexadecimal digits, of the document. */
      readonly policyHash: string
      readonly warnings: readonly Mistake[]
    }
  | { readonly ok: false; readonly mistakes: readonly Mistake[] }

export interface Origin {
  /** Where the text comes from; relative paths in it are taken from its folder. */
  readonly file?: string
  /** Where secrets named by `env` are looked for; a missing one is a warning. Absent: not looked for. */
  readonly env?: Environment
}

export function parseSettings(text: string, { file, env }: Origin = {}): ParsedSettings {
  const { tree, mistakes: unreadable } = readTree(text)
  if (!tree) return refused(unreadable)
  const parsed = settingsSchema.safeParse(tree.value)
  const parts = partsOf(tree.value)
  const found = [
    ...unreadable,
    // Before the schema speaks: it would say that the key is unknown, not that a secret lies open.
    ...secretsWritten(tree.value).map((s) => tree.mistakeAt(s.path, 'value', s.message)),
    ...(parsed.success ? [] : mistakesOf(tree, settingsSchema, parsed.error.issues)),
    ...tree.oddNumbers.map((n) => tree.mistakeAt(n.path, 'value', n.message)),
    ...contradictions(parts).map((f) => tree.mistakeAt(f.path, 'value', f.message)),
  ]
  if (found.length > 0 || !parsed.success) return refused(found)
  const settings = toSettings(parsed.data, file === undefined ? undefined : dirname(resolve(file)))
  const document = policyDocument(settings)
  const warnings = [...doubts(parts).map((f) => tree.mistakeAt(f.path, 'value', f.message)), ...(env ? unset(tree, env) : [])]
  return { ok: true, settings, policy: document.policy, document, policyHash: policyHash(document), warnings: inOrder(warnings) }
}

/** Like {@link parseSettings}, of a file. One that cannot be read is a mistake, not an exception. */
export async function readSettings(file: string, env: Environment): Promise<ParsedSettings> {
  const unreadable = (message: string) => refused([{ line: 1, column: 1, path: '', message }])
  let bytes: Uint8Array
  try {
    bytes = await readCapped(file)
  } catch (error) {
    return unreadable(`cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown error'})`)
  }
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return unreadable('not UTF-8 text')
  }
  return parseSettings(text, { file, env })
}

/** The published JSON Schema (2020-12) of the file. What only code can compare is not in it. */
export function settingsJsonSchema(): Record<string, unknown> {
  return { ...z.toJSONSchema(settingsSchema, { io: 'input', target: 'draft-2020-12' }), title: 'Écluse settings' }
}

async function readCapped(file: string): Promise<Uint8Array> {
  const handle = await open(file, 'r')
  try {
    // One byte more than is accepted, so that the parser sees that it is too much; a file that grows is not followed.
    const buffer = Buffer.alloc(MAX_BYTES + 1)
    let size = 0
    for (;;) {
      const { bytesRead } = await handle.read(buffer, size, buffer.length - size)
      size += bytesRead
      if (bytesRead === 0 || size === buffer.length) return buffer.subarray(0, size)
    }
  } finally {
    await handle.close()
  }
}

function refused(mistakes: readonly Mistake[]): ParsedSettings {
  // Of several sentences about the same thing the first is the most useful.
  const paths = new Set<string>()
  const kept = mistakes.filter((m) => {
    if (m.path === '') return true
    if (paths.has(m.path)) return false
    paths.add(m.path)
    return true
  })
  return { ok: false, mistakes: inOrder(kept) }
}

function inOrder(mistakes: readonly Mistake[]): readonly Mistake[] {
  return mistakes.toSorted((a, b) => a.line - b.line || a.column - b.column)
}

/** Each section by itself, so that a mistake in one leaves the others to be compared. */
function partsOf(value: unknown): Parts {
  const root = typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
  const { listeners, providers, evidence, storage, redis, portal, console } = settingsSchema.shape
  const section = <T>(schema: z.ZodType<T>, key: string): T | undefined => schema.safeParse(root[key]).data
  const list = <T>(schema: z.ZodType<T>, key: string): (T | undefined)[] => {
    const items = root[key]
    return Array.isArray(items) ? items.map((item: unknown) => schema.safeParse(item).data) : []
  }
  const read = {
    listeners: section(listeners, 'listeners'),
    providers: section(providers, 'providers'),
    evidence: section(evidence, 'evidence'),
    storage: section(storage, 'storage'),
    redis: section(redis, 'redis'),
    portal: section(portal, 'portal'),
    console: section(console, 'console'),
    codes: Array.isArray(root['purposes']) ? root['purposes'].map((row: unknown) => codeOf(row)) : undefined,
  }
  return {
    ...(read.listeners && { listeners: read.listeners }),
    ...(read.providers && { providers: read.providers }),
    ...(read.evidence && { evidence: read.evidence }),
    ...(read.storage && { storage: read.storage }),
    ...(read.redis && { redis: read.redis }),
    ...(read.portal && { portal: read.portal }),
    ...(read.console && { console: read.console }),
    ...(read.codes && { codes: read.codes }),
    clients: list(clientSchema, 'clients'),
    purposes: list(purposeSchema, 'purposes'),
    rules: list(ruleSchema, 'rules'),
    open: list(openRouteSchema, 'open_routes'),
  }
}

function codeOf(row: unknown): string {
  const code = typeof row === 'object' && row !== null && 'code' in row ? row.code : undefined
  return typeof code === 'string' ? code : ''
}

/** Secrets that the environment should carry and does not. */
function unset(tree: Tree, env: Environment): Mistake[] {
  const search = (value: unknown, path: Path): Mistake[] => {
    if (typeof value !== 'object' || value === null) return []
    const entries: [string | number, unknown][] = Array.isArray(value) ? [...value.entries()] : Object.entries(value)
    return entries.flatMap(([step, inner]) => {
      const here = [...path, step]
      if (step !== 'env' || typeof inner !== 'string') return search(inner, here)
      return env[inner] === undefined ? [tree.mistakeAt(here, 'value', `environment variable ${inner} is not set here`)] : []
    })
  }
  return search(tree.value, [])
}

export { formatMistakes, type Mistake } from './mistakes.ts'
