/** Seeded randomness: the same seed gives the same case, on any machine. */

export interface Random {
  /** From 0 to `below`, excluded. */
  int(below: number): number
  /** True once in so many times. */
  oneIn(times: number): boolean
  pick<T>(from: readonly T[]): T
  bytes(length: number): Buffer
  /** Text of any characters: letters, controls, quotes, surrogates, other scripts. */
  text(most: number): string
  digits(length: number): string
}

/** mulberry32 (public domain): 32 bits of state are plenty for telling cases apart. */
export function randomOf(seed: number): Random {
  let state = seed >>> 0
  function next(): number {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
  const int = (below: number): number => Math.floor(next() * below)
  const random: Random = {
    int,
    oneIn: (times) => int(times) === 0,
    pick(from) {
      const picked = from[int(from.length)]
      if (picked === undefined) throw new RangeError('nothing to pick from')
      return picked
    },
    bytes: (length) => Buffer.from(Array.from({ length }, () => int(256))),
    text: (most) =>
      Array.from({ length: int(most + 1) }, () =>
        int(8) === 0 ? random.pick(ODD) : String.fromCharCode(int(3) === 0 ? int(0x10000) : 0x20 + int(0x5f)),
      ).join(''),
    digits: (length) => Array.from({ length }, () => String(int(10))).join(''),
  }
  return random
}

const ODD = [
  '\0',
  '\r\n',
  '\n',
  '"',
  '\\',
  '\u2028',
  '\ud800',
  '\u{1f600}',
  '\ufeff',
  '%00',
  '..',
  '//',
  '__proto__',
  '{',
  '[',
  '&',
  '=',
  ';',
]

/** Cuts, doubles, swaps and overwrites pieces of a text. Pieces of `others` may be put in. */
export function mangled(random: Random, text: string, others: readonly string[] = []): string {
  let now = text
  for (let i = 1 + random.int(3); i > 0; i -= 1) {
    const at = random.int(now.length + 1)
    const length = random.oneIn(3) ? random.int(now.length - at + 1) : random.int(12)
    const piece = now.slice(at, at + length)
    const before = now.slice(0, at)
    const after = now.slice(at + length)
    switch (random.int(7)) {
      case 0:
        now = before + after
        break
      case 1:
        now = before + piece + piece + after
        break
      case 2:
        now = before + random.text(8) + after
        break
      case 3:
        now = before + (others.length > 0 ? random.pick(others) : random.text(3)) + now.slice(at)
        break
      case 4:
        now = before
        break
      case 5:
        now = before + piece.toUpperCase() + after
        break
      default:
        now = before + piece.split('').toReversed().join('') + after
    }
  }
  return now
}

/** The bytes in pieces, cut anywhere. */
export function pieces(random: Random, bytes: Buffer, most = 6): readonly Buffer[] {
  const cuts = Array.from({ length: random.int(most) }, () => random.int(bytes.length + 1)).toSorted((a, b) => a - b)
  return [0, ...cuts].map((from, i) => bytes.subarray(from, cuts[i] ?? bytes.length))
}
