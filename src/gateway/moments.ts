/** Moments in the order in which they came, of which the oldest are forgotten: hundreds of thousands of them in an hour. */
export interface Moments {
  readonly count: number
  /** The i-th of those that are left. */
  at(i: number): number | undefined
  add(moment: number): void
  /** All up to this one, and it too. */
  forget(until: number): void
  clear(): void
}

export function moments(): Moments {
  let list: number[] = []
  /** What stands before it is forgotten: moving the rest up for each that goes would cost as much as there are. */
  let first = 0
  return {
    get count() {
      return list.length - first
    },
    at: (i) => list[first + i],
    add: (moment) => void list.push(moment),
    forget(until) {
      while ((list[first] ?? Infinity) <= until) first += 1
      if (first * 2 <= list.length) return
      list = list.slice(first)
      first = 0
    },
    clear() {
      list = []
      first = 0
    },
  }
}
