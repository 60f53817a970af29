/** A small file that is accepted without a warning, and what tests do with it: edit it, and print what is told of it. */
import { readFileSync } from 'node:fs'
import type { ParsedSettings } from '../../../src/settings/settings.ts'

export const SMALL = readFileSync(new URL('../../fixtures/settings/small.yaml', import.meta.url), 'utf8')

/** The small file with each `from`, which must occur once, replaced. */
export function edited(...edits: readonly (readonly [from: string, to: string])[]): string {
  return edits.reduce((text, [from, to]) => {
    if (text.split(from).length !== 2) throw new Error(`'${from}' must occur once`)
    return text.replace(from, () => to)
  }, SMALL)
}

/** Mistakes, or the warnings of what is accepted, as `line:column path: message`. */
export function told(parsed: ParsedSettings): string[] {
  return (parsed.ok ? parsed.warnings : parsed.mistakes).map((m) => `${m.line}:${m.column} ${m.path}: ${m.message}`)
}
