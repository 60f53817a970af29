/**
 * What changed between two settings, and whether a running gate can take it over. Paths are written as in the file, list
 * items by their id: `clients[viriya].purpose`.
 */
import { snakeKey, type Settings } from './shape.ts'

export interface SettingsDiff {
  /** Read anew for each request: clients, client limits, purposes, rules, limits of the data holders. */
  readonly reloadable: readonly string[]
  /** Sockets, keys, folders: built once, at start. */
  readonly needsRestart: readonly string[]
}

const RELOADABLE = /^(client_limits|clients|purposes|rules|shadow_policy)\b|^providers\.[^.]+\.limits\b/

export function diffSettings(before: Settings, after: Settings): SettingsDiff {
  const changed = [...new Set(differences(before, after, ''))]
  return {
    reloadable: changed.filter((path) => RELOADABLE.test(path)),
    needsRestart: changed.filter((path) => !RELOADABLE.test(path)),
  }
}

function differences(a: unknown, b: unknown, path: string): string[] {
  if (Array.isArray(a) && Array.isArray(b)) {
    const left = named(a)
    const right = named(b)
    if (left && right) return listDifferences(left, right, path)
    return JSON.stringify(a) === JSON.stringify(b) ? [] : [path]
  }
  if (isRecord(a) && isRecord(b)) {
    return [...new Set([...Object.keys(a), ...Object.keys(b)])].flatMap((key) =>
      differences(a[key], b[key], path === '' ? snakeKey(key) : `${path}.${snakeKey(key)}`),
    )
  }
  return Object.is(a, b) ? [] : [path]
}

function listDifferences(a: ReadonlyMap<string, unknown>, b: ReadonlyMap<string, unknown>, path: string): string[] {
  const common = [...a.keys()].filter((name) => b.has(name))
  const moved = [...b.keys()].filter((name) => a.has(name)).some((name, i) => name !== common[i])
  const inner = [...new Set([...a.keys(), ...b.keys()])].flatMap((name) => differences(a.get(name), b.get(name), `${path}[${name}]`))
  // The order of rules is their meaning. Elsewhere it has none, and saying so costs nothing.
  return moved ? [path, ...inner] : inner
}

/** Items by what names them, or undefined where nothing does. */
function named(items: readonly unknown[]): ReadonlyMap<string, unknown> | undefined {
  const byName = new Map<string, unknown>()
  for (const item of items) {
    if (!isRecord(item)) return undefined
    const name = item['id'] ?? item['code'] ?? item['kind']
    if (typeof name !== 'string') return undefined
    byName.set(name, item)
  }
  return byName
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
