/** What a fuzz target is, and how one is driven. */
import { randomOf } from './random.ts'
import type { Random } from './random.ts'

export interface Target {
  readonly name: string
  readonly open: () => Promise<Fuzzed>
}
export interface Fuzzed {
  /** One case. Throws a {@link Finding}, or whatever the code under test threw. */
  readonly once: (random: Random) => Promise<void> | void
  /** What is only seen over many cases; gives a line about them. */
  readonly close: () => Promise<string>
}

/** Something that must never be; `input` is what brought it about. */
export class Finding extends Error {
  override readonly name = 'Finding'
  readonly input: string
  constructor(what: string, input: string | Uint8Array) {
    super(what)
    this.input = typeof input === 'string' ? input : Buffer.from(input).toString('latin1')
  }
}

export interface Ran {
  readonly cases: number
  readonly about: string
  readonly found?: { readonly seed: number; readonly error: unknown }
}

/** Cases of seeds `seed`, `seed + 1`, … until the time is over or `cases` are done; stops at the first finding. */
export async function drive(target: Target, seed: number, limits: { readonly seconds: number; readonly cases: number }): Promise<Ran> {
  const end = performance.now() + limits.seconds * 1000
  const fuzzed = await target.open()
  let cases = 0
  let current = seed
  // What is thrown outside the case (a callback of a socket, a promise nobody waits for) is a finding as well.
  const loose: unknown[] = []
  const onLoose = (error: unknown): void => void loose.push(error)
  process.on('uncaughtException', onLoose)
  process.on('unhandledRejection', onLoose)
  try {
    for (; cases < limits.cases && performance.now() < end; cases += 1) {
      current = seed + cases
      await fuzzed.once(randomOf(current))
      if (loose.length > 0) throw loose[0]
    }
    return { cases, about: await fuzzed.close() }
  } catch (error) {
    await fuzzed.close().catch(() => undefined)
    return { cases, about: '', found: { seed: current, error } }
  } finally {
    process.off('uncaughtException', onLoose)
    process.off('unhandledRejection', onLoose)
  }
}
