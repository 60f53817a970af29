/** `ecluse serve --config FILE`: the gate. SIGHUP reads the settings again; SIGTERM and SIGINT finish and stop. */
import { startGate } from '../main.ts'
import { halt } from '../runtime/halt.ts'
import { loggerTo } from '../runtime/logger.ts'
import { StateBroken } from '../state-thread.ts'
import { settingsOf } from './instance.ts'
import { wordsOf } from './words.ts'

/** A load balancer that asks every few seconds has seen `/readyz` red by then. */
const DRAIN_MS = 5000
/** Then requests under way have this long to end by themselves. */
const GRACE_MS = 60_000
const LAST_WORDS_MS = 2000

export async function run(given: readonly string[]): Promise<number> {
  const words = wordsOf(given, [], ['config', 'drain-ms', 'grace-ms'])
  const { file, accepted } = await settingsOf(words)
  const log = loggerTo(accepted.settings.logging.level, accepted.settings.instance.node)
  const starting = startGate({
    accepted,
    file,
    env: process.env,
    log,
    drainMs: words.number('drain-ms', DRAIN_MS),
    graceMs: words.number('grace-ms', GRACE_MS),
    onFatal: stopForGood,
  })
  // From the first moment: a SIGHUP that comes before the gate is ready must not end it. Why a reading failed is in the log.
  process.on('SIGHUP', () => void starting.then((gate) => gate.reload()).catch(() => undefined))
  const asked = new Promise<'asked'>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => resolve('asked'))
  })
  const gate = await Promise.race([starting, asked])
  // Asked to stop before it was ready: nobody was served, and the next start recovers from wherever this one was.
  if (gate === 'asked') process.exit(0)
  await asked
  await gate.stop().catch((error: unknown) => {
    if (error instanceof StateBroken) stopForGood(error.message)
    throw error
  })
  // Whoever reads our output may have stopped reading: what it never takes must not keep the process.
  setTimeout(() => process.exit(0), LAST_WORDS_MS).unref()
  return 0
}

/** Nothing more may be written, so nothing is closed: the next start recovers from what is on disk. */
function stopForGood(why: string): never {
  process.stderr.write(`ecluse: the gate stops, because its evidence can no longer be written: ${why}\n`)
  return halt(1)
}
