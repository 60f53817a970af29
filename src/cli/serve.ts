/**
 * `ecluse serve --config FILE [--workers N]`: the gate. SIGHUP reads the settings again; SIGTERM and SIGINT finish and stop.
 * With workers, SIGUSR2 replaces them one after the other.
 */
import cluster from 'node:cluster'
import { startGate } from '../main.ts'
import type { Accepted } from '../reload.ts'
import { halt } from '../runtime/halt.ts'
import type { Logger } from '../runtime/logger.ts'
import { loggerTo } from '../runtime/logger.ts'
import { settingsOfWorker } from '../instance.ts'
import { readSettings } from '../settings/settings.ts'
import { StateBroken } from '../state-thread.ts'
import { hindrance, LEAVE, READY, startWorkers, WORKER } from '../workers.ts'
import { settingsOf } from './instance.ts'
import { CliError, wordsOf } from './words.ts'

/** A load balancer that asks every few seconds has seen `/readyz` red by then. */
const DRAIN_MS = 5000
/** Then requests under way have this long to end by themselves. */
const GRACE_MS = 60_000
/** And the journal to be sealed, and shown. */
const SEAL_MS = 15_000
const LAST_WORDS_MS = 2000

interface Served {
  readonly accepted: Accepted
  readonly file: string
  readonly log: Logger
  readonly drainMs: number
  readonly graceMs: number
}

export async function run(given: readonly string[]): Promise<number> {
  const words = wordsOf(given, [], ['config', 'drain-ms', 'grace-ms', 'workers'])
  const { file, accepted } = await settingsOf(words)
  const { instance, logging } = accepted.settings
  const served = { file, drainMs: words.number('drain-ms', DRAIN_MS), graceMs: words.number('grace-ms', GRACE_MS) }
  const asked = words.number('workers', 1)
  if (words.option('workers') === undefined) return gate({ ...served, accepted, log: loggerTo(logging.level, instance.node) })
  const hindered = hindrance(accepted.settings, asked)
  if (hindered !== undefined) throw new CliError(hindered)
  if (cluster.isPrimary) return supervised(asked, { ...served, accepted, log: loggerTo(logging.level, instance.node) })
  const number = Number(process.env[WORKER])
  // Not for what this one starts.
  delete process.env[WORKER]
  const own = settingsOfWorker(accepted, number)
  // Whoever started it is listened to, which alone must not keep it when it has ended.
  return gate({ ...served, accepted: own, log: loggerTo(logging.level, own.settings.instance.node) }, number).finally(() =>
    process.channel?.unref(),
  )
}

async function gate({ accepted, file, log, drainMs, graceMs }: Served, worker?: number): Promise<number> {
  const starting = startGate({ accepted, file, worker, env: process.env, log, drainMs, graceMs, onFatal: stopForGood })
  // From the first moment: a SIGHUP that comes before the gate is ready must not end it. Why a reading failed is in the log.
  process.on('SIGHUP', () => void starting.then((running) => running.reload()).catch(() => undefined))
  const asked = askedToStop()
  const running = await Promise.race([starting, asked])
  // Asked to stop before it was ready: nobody was served, and the next start recovers from wherever this one was.
  if (typeof running === 'string') process.exit(0)
  if (worker !== undefined) process.send?.({ is: READY, url: running.url })
  const how = await asked
  await running.stop(how === LEAVE ? 'leaving' : undefined).catch((error: unknown) => {
    if (error instanceof StateBroken) stopForGood(error.message)
    throw error
  })
  // Whoever reads our output may have stopped reading: what it never takes must not keep the process.
  setTimeout(() => process.exit(0), LAST_WORDS_MS).unref()
  return 0
}

async function supervised(count: number, { accepted, file, log, drainMs, graceMs }: Served): Promise<number> {
  const starting = startWorkers({ count, accepted, read: () => readSettings(file, process.env), log, endMs: drainMs + graceMs + SEAL_MS })
  const told = (error: unknown): void => log.error({ err: error }, 'the workers were not all replaced')
  process.on('SIGHUP', () => void starting.then((workers) => workers.reload()).catch(told))
  process.on('SIGUSR2', () => void starting.then((workers) => workers.replace()).catch(told))
  const asked = askedToStop()
  const workers = await Promise.race([starting, asked])
  // Asked to stop before all of them served: they end with this process, as they would if it were killed.
  if (typeof workers === 'string') process.exit(0)
  await asked
  return workers.stop()
}

function askedToStop(): Promise<'asked' | typeof LEAVE> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => resolve('asked'))
    if (cluster.isWorker) process.on('message', (message) => message === LEAVE && resolve(LEAVE))
  })
}

/** Nothing more may be written, so nothing is closed: the next start recovers from what is on disk. */
function stopForGood(why: string): never {
  process.stderr.write(`ecluse: the gate stops, because its evidence can no longer be written: ${why}\n`)
  return halt(1)
}
