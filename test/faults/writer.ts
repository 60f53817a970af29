/**
 * `writer.ts FOLDER`: owns a state folder as a gate does, and does nothing but write to it: rows that 16 callers wait for
 * at once, sealed, shown in a checkpoint several times a second. Each row that was acknowledged is a line on standard
 * output, `n id`, written only after its answer came. Ends with 1 when the state is gone for good, and says why.
 */
import { writeSync } from 'node:fs'
import type { Millis } from '../../src/domain/time.ts'
import { halt } from '../../src/runtime/halt.ts'
import { ownState } from '../../src/state-thread.ts'

const CALLERS = 16
const key = (byte: number): Uint8Array => Buffer.alloc(32, byte)
const [folder = '', most = 'Infinity'] = process.argv.slice(2)
const now = (): Millis => Date.now() as Millis

function die(why: string): never {
  process.stderr.write(`${why}\n`)
  return halt(1)
}

const state = await ownState(
  {
    folder,
    node: 'writer',
    origin: 'writer.test.localhost/journal/1',
    keys: { signing: key(1), master: key(2), index: key(3) },
    checkpointMs: 40,
    now: now(),
  },
  { rows: 10_000, bytes: 10_000_000, ageMs: 60_000 },
  die,
).catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : 'unknown'}\n`)
  return halt(2)
})
// Clients have keys: keys.db is written too.
await state.client.call('syncClients', { clients: [{ id: `client-${now()}`, disabled: false }], now: now() })
writeSync(1, 'ready\n')

let written = 0
async function caller(me: number): Promise<void> {
  for (let i = 0; written < Number(most); i += 1) {
    written += 1
    const id = `${process.pid}-${me}-${i}`
    const n = await state.client.call<number>('summary', { counts: { [id]: 1 }, now: now() })
    writeSync(1, `${n} ${id}\n`)
  }
}
try {
  await Promise.all(Array.from({ length: CALLERS }, (_, me) => caller(me)))
  await state.stop()
} catch (error) {
  die(error instanceof Error ? error.message : 'unknown')
}
