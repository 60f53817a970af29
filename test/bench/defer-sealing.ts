/**
 * Loaded before `ecluse serve` (`--import`): its state thread then puts sealing off until the load is over, so that the
 * cost of journal rows and that of sealing can be told apart. Nothing else of the gate is changed. Fails where the
 * constants of `src/state.ts` have other names.
 */
import { registerHooks } from 'node:module'

registerHooks({
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context)
    if (!url.endsWith('/src/state.ts')) return loaded
    const source = Buffer.from(loaded.source as Uint8Array).toString()
    const changed = source
      .replace(/^const SEAL_ROWS = \d+$/m, 'const SEAL_ROWS = 100_000_000')
      .replace(/^const SEAL_WAIT_MS = \d+$/m, 'const SEAL_WAIT_MS = 3_600_000')
    if (!changed.includes('SEAL_ROWS = 100_000_000') || !changed.includes('SEAL_WAIT_MS = 3_600_000')) {
      throw new Error('src/state.ts has no SEAL_ROWS or no SEAL_WAIT_MS')
    }
    return { ...loaded, source: changed }
  },
})
