/** A table of at most so many: the one used longest ago goes. Keys that an attacker chooses cannot grow it. */
export interface RecentlyUsed<T> {
  get(key: string): T | undefined
  set(key: string, value: T): void
  delete(key: string): void
  clear(): void
}

export function recentlyUsed<T>(most: number): RecentlyUsed<T> {
  const map = new Map<string, T>()
  return {
    get(key) {
      const value = map.get(key)
      if (value === undefined) return undefined
      map.delete(key)
      map.set(key, value)
      return value
    },
    set(key, value) {
      map.delete(key)
      if (map.size >= most) map.delete(map.keys().next().value ?? '')
      map.set(key, value)
    },
    delete: (key) => void map.delete(key),
    clear: () => map.clear(),
  }
}
