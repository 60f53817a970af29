/** Requests under way, found by what may end them: a permission, a token, a client, or the stop of the gate. A cut reaches them at once. */
export interface UnderWay {
  add(keys: readonly string[], cut: (why: CutWhy) => void): () => void
  cut(key: string): number
  /** Nobody took anything back: the gate gives them no more time. */
  cutAll(): void
  readonly count: number
  /** By what those under way may be ended. */
  keys(): readonly string[]
}

type CutWhy = 'withdrawn' | 'timeout'

export const underWayKey = {
  permission: (id: string): string => `p:${id}`,
  token: (hash: string): string => `t:${hash}`,
  client: (id: string): string => `c:${id}`,
}

export function underWay(): UnderWay {
  const byKey = new Map<string, Set<(why: CutWhy) => void>>()
  let count = 0
  return {
    get count() {
      return count
    },
    add(keys, cut) {
      count += 1
      for (const key of keys) {
        const set = byKey.get(key)
        if (set) set.add(cut)
        else byKey.set(key, new Set([cut]))
      }
      return () => {
        count -= 1
        for (const key of keys) {
          const set = byKey.get(key)
          set?.delete(cut)
          if (set?.size === 0) byKey.delete(key)
        }
      }
    },
    cut(key) {
      const cuts = [...(byKey.get(key) ?? [])]
      for (const cut of cuts) cut('withdrawn')
      return cuts.length
    },
    keys: () => [...byKey.keys()],
    cutAll() {
      for (const cut of new Set([...byKey.values()].flatMap((set) => [...set]))) cut('timeout')
    },
  }
}
