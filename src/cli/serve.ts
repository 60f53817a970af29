/** `ecluse serve --config FILE`: the gate. SIGHUP reads the settings again; SIGTERM and SIGINT finish and stop. */
import { startGate } from '../main.ts'
import { loggerTo } from '../runtime/logger.ts'
import { settingsOf } from './instance.ts'
import { wordsOf } from './words.ts'

/** A load balancer that asks every few seconds has seen `/readyz` red by then. */
const DRAIN_MS = 5000

export async function run(given: readonly string[]): Promise<number> {
  const words = wordsOf(given, [], ['config', 'drain-ms'])
  const { file, accepted } = await settingsOf(words)
  const log = loggerTo(accepted.settings.logging.level, accepted.settings.instance.node)
  return new Promise((resolve, reject) => {
    startGate({
      accepted,
      file,
      env: process.env,
      log,
      drainMs: words.number('drain-ms', DRAIN_MS),
      // Nothing more may be written, so nothing is closed tidily: the next start recovers from what is on disk.
      onFatal: (why) => {
        process.stderr.write(`ecluse: the gate stops, because its evidence can no longer be written: ${why}\n`)
        process.exit(1)
      },
    }).then((gate) => {
      const stop = (): void => void gate.stop().then(() => resolve(0), reject)
      process.on('SIGTERM', stop)
      process.on('SIGINT', stop)
      process.on(
        'SIGHUP',
        () => void gate.reload().catch((error: unknown) => log.error({ err: error }, 'the settings could not be read again')),
      )
    }, reject)
  })
}
