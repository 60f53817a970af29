/** Where a page begins, as clients carry it around: opaque to them, and no more than a place in an order. */
import { Problem } from './problem.ts'

export const DEFAULT_LIMIT = 50

export function cursorOf(place: string | number): string {
  return Buffer.from(JSON.stringify([place])).toString('base64url')
}

export function placeOf(cursor: string | undefined, kind: 'text'): string | undefined
export function placeOf(cursor: string | undefined, kind: 'number'): number | undefined
export function placeOf(cursor: string | undefined, kind: 'text' | 'number'): string | number | undefined {
  if (cursor === undefined) return undefined
  const place = read(cursor)
  if (kind === 'text' && typeof place === 'string') return place
  if (kind === 'number' && Number.isSafeInteger(place) && Number(place) >= 0) return Number(place)
  throw new Problem('malformed', undefined, { errors: [{ at: 'query.cursor', detail: 'expected the `next` of an earlier answer' }] })
}

function read(cursor: string): unknown {
  try {
    const value: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString())
    return Array.isArray(value) ? value[0] : undefined
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

/** One item more than is shown was asked for: whether there is a next page is known without counting. */
export function pageFrom<T>(
  items: readonly T[],
  limit: number,
  placeIn: (item: T) => string,
): { items: readonly T[]; next: string | null } {
  const shown = items.slice(0, limit)
  const last = shown.at(-1)
  return { items: shown, next: items.length > limit && last !== undefined ? cursorOf(placeIn(last)) : null }
}
