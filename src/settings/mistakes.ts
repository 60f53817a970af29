/** What is wrong with a settings file, where, and in a sentence that says what to do. No value of the file is echoed, save numbers, booleans and identifiers. */
export interface Mistake {
  /** From 1. */
  readonly line: number
  /** From 1, in UTF-16 units. */
  readonly column: number
  /** As `clients[0].purpose`; empty for the whole file. */
  readonly path: string
  readonly message: string
}

export type Path = readonly (string | number)[]

/** `file:line:column: message`, one line each, as compilers write them: editors jump to it. */
export function formatMistakes(file: string, mistakes: readonly Mistake[]): string {
  return mistakes.map((m) => `${file}:${m.line}:${m.column}: ${m.path === '' ? '' : `${m.path}: `}${m.message}`).join('\n')
}

export function writePath(path: Path): string {
  return path.map((step, i) => (typeof step === 'number' ? `[${step}]` : `${i === 0 ? '' : '.'}${shownKey(step)}`)).join('')
}

/** A key as it is told: one that cannot be a key of ours may be anything, a secret too, and is not repeated. */
export function shownKey(key: string): string {
  return /^(<<|[A-Za-z_][\w-]{0,39})$/.test(key) ? key : '…'
}

/** `, did you mean 'x'?`, or nothing where no candidate is near. */
export function didYouMean(word: string, candidates: readonly string[]): string {
  const limit = Math.max(1, Math.floor(word.length / 3))
  const nearest = candidates
    .map((candidate) => ({ candidate, distance: editDistance(word.toLowerCase(), candidate, limit) }))
    .filter((c) => c.distance <= limit)
    .toSorted((a, b) => a.distance - b.distance)[0]
  return nearest ? `, did you mean '${nearest.candidate}'?` : ''
}

/** Letters to insert, drop or change, or swap with the next one; anything above `limit` once that is certain. */
function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) > limit) return limit + 1
  let before: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const change = (last[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      const swap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] ? (before[j - 2] ?? 0) + 1 : Infinity
      row.push(Math.min(change, swap, (last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1))
    }
    before = last
    last = row
  }
  return last[b.length] ?? Infinity
}
