/**
 * Several gates on one machine that listen on one port: each a process of its own, with a name, a state folder and a log of its
 * own, on the one PostgreSQL. This process holds the socket, starts them again where they end, tells how they do, and hands
 * commands to one of them. It decides nothing and sees no request.
 *
 * All of them accept on the same socket (measured against the two other ways: docs/adr/0020). Replaced one after the other, each
 * takes no more connections, answers what it has, and ends. A worker reads the settings itself when it starts: none is started
 * on a file that this process could not go on with.
 */
import type { Worker } from 'node:cluster'
import cluster from 'node:cluster'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Readiness, Standing } from './ops/health.ts'
import { serveHealth } from './ops/health.ts'
import { callControl, serveControl } from './ops/control.ts'
import type { Numbers } from './ops/scrape.ts'
import { scrapeOf } from './ops/scrape.ts'
import { folderOfWorker } from './instance.ts'
import type { Accepted, ReadSettings } from './reload.ts'
import type { Logger } from './runtime/logger.ts'
import { diffSettings } from './settings/diff.ts'
import type { Settings } from './settings/shape.ts'
import { ownFolder } from './storage/sqlite.ts'

/** What a worker tells when it takes requests, and what it is told to make room for another. */
export const READY = 'ready'
export const LEAVE = 'leave'
/** The number of a worker, in its environment. */
export const WORKER = 'ECLUSE_WORKER'

/** Why this instance cannot have so many workers; undefined where it can. */
export function hindrance({ storage, redis }: Settings, workers: number): string | undefined {
  if (workers < 2 || workers > 64) return '--workers takes 2 to 64; without it there is one gate'
  if (!storage?.postgres) return 'a state folder has one owner: workers need storage.postgres, which they share'
  if (!redis) return 'workers share the quotas at the data holders by a Redis: add the section redis'
  if (redis.gates < workers) return `redis.gates says ${redis.gates}, and these are ${workers} already: count the gates of all machines`
  return undefined
}

export interface Workers {
  readonly url: string
  /** Takes over changed settings; where a running gate cannot, by replacing the workers. */
  reload(): Promise<readonly string[]>
  /** Each worker gives way to a new one, one after the other. */
  replace(): Promise<void>
  /** Resolves when all have ended, with the exit code that tells how. */
  stop(): Promise<0 | 1>
}

export interface WorkersOptions {
  readonly count: number
  readonly accepted: Accepted
  readonly read: ReadSettings
  readonly log: Logger
  /** How long one that is to end may take, its own grace included; then it is killed. */
  readonly endMs: number
}

interface Place {
  readonly number: number
  readonly folder: string
  worker: Worker | undefined
  ready: boolean
  /** It is being replaced or stopped: that it ends is no accident. */
  leaving: boolean
  failures: number
}

/** How long one look at all workers waits for each, and how long a command does. */
const LOOK_MS = 2000
const COMMAND_MS = 10_000
/** Whoever waits five minutes for the clock of the machine is still given time. */
const START_WITHIN_MS = 360_000
const LONGEST_PAUSE_MS = 30_000
/** Whoever has served so long did start. */
const STEADY_MS = 60_000

/** Rejects where not all of them start. */
export async function startWorkers({ count, accepted, read, log, endMs }: WorkersOptions): Promise<Workers> {
  const { instance, listeners } = accepted.settings
  let inForce = accepted.settings
  /** From the moment when all have started until they are to stop: one that ends meanwhile is started again. */
  let serving = false
  cluster.schedulingPolicy = cluster.SCHED_NONE
  const owned = ownFolder(instance.state)
  await using opened = new AsyncDisposableStack()
  opened.defer(() => owned.release())
  const places = Array.from({ length: count }, (_, i): Place => ({
    number: i + 1,
    folder: folderOfWorker(instance.state, i + 1),
    worker: undefined,
    ready: false,
    leaving: false,
    failures: 0,
  }))
  opened.defer(async () => void (await Promise.all(places.map((place) => end(place)))))
  let url = ''

  /** Resolves with whether it takes requests now. */
  async function start(place: Place): Promise<boolean> {
    const worker = cluster.fork({ [WORKER]: String(place.number) })
    const begun = performance.now()
    place.worker = worker
    place.leaving = false
    // At the first start a database that is away is waited for; later the others serve, and wait for this one's turn.
    const late = serving ? setTimeout(() => tooLate(place, 'is not ready'), START_WITHIN_MS) : undefined
    const ended = new Promise<false>((resolve) => {
      worker.once('exit', (code: number | null, signal: string | null) => {
        clearTimeout(late)
        place.worker = undefined
        place.ready = false
        resolve(false)
        if (place.leaving || !serving) return
        log.error({ worker: place.number, exit: code ?? undefined, signal: signal ?? undefined }, 'a worker has ended: it is started again')
        if (performance.now() - begun > STEADY_MS) place.failures = 0
        void again(place)
      })
    })
    worker.on('error', (error) => log.error({ worker: place.number, err: error }, 'a worker cannot be spoken to'))
    const ready = new Promise<true>((resolve) => {
      worker.on('message', (told: { readonly is?: string; readonly url?: string }) => {
        if (told.is !== READY) return
        clearTimeout(late)
        url = told.url ?? url
        place.ready = true
        resolve(true)
      })
    })
    return Promise.race([ready, ended])
  }
  async function again(place: Place): Promise<void> {
    do {
      place.failures += 1
      await sleep(Math.min(LONGEST_PAUSE_MS, 250 * 2 ** place.failures), undefined, { ref: false })
      // What it would start on is looked at first; what keeps it from starting is in the log.
    } while (serving && place.worker === undefined && 'refused' in (await startable()))
    if (serving && place.worker === undefined) await start(place)
  }
  function tooLate({ number, worker }: Place, what: string): void {
    log.error({ worker: number }, `a worker ${what} in time: it is killed`)
    worker?.process.kill('SIGKILL')
  }
  /** @param how as `LEAVE`: connections go to the others at once; absent, all of them stop */
  async function end(place: Place, how?: typeof LEAVE): Promise<number> {
    const { worker } = place
    place.leaving = true
    place.ready = false
    // Between an end that nobody asked for and the next start.
    if (!worker) return place.failures > 0 ? 1 : 0
    const gone = once(worker, 'exit') as Promise<[number | null, string | null]>
    // Whether it was heard shows in its end, for which there is a limit.
    if (how === LEAVE && worker.isConnected()) worker.send(LEAVE, () => undefined)
    else worker.process.kill('SIGTERM')
    const late = setTimeout(() => tooLate(place, 'did not end'), endMs)
    const [code, signal] = await gone
    clearTimeout(late)
    // Asked before it listened to anybody: it had begun nothing.
    return signal === 'SIGTERM' ? 0 : (code ?? 1)
  }

  /** The file as it is now, where this process can go on with it; else why not, which is logged. */
  async function startable(): Promise<{ readonly settings: Settings } | { readonly refused: readonly string[] }> {
    const next = await read()
    if (!next.ok) {
      log.error({ mistakes: next.mistakes }, 'the settings file is not taken: the policy in force stays')
      return { refused: next.mistakes.map((m) => `${m.line}:${m.column}: ${m.message}`) }
    }
    const own = diffSettings(inForce, next.settings).needsRestart.filter((path) => /^(instance|logging|listeners\.ops)\b/.test(path))
    const hindered = hindrance(next.settings, count)
    const refused = [...own.map((path) => `${path}: needs a restart of all workers at once`), ...(hindered === undefined ? [] : [hindered])]
    if (refused.length === 0) return { settings: next.settings }
    log.error({ why: refused.join('; ') }, 'the settings file is not taken: the policy in force stays')
    return { refused }
  }
  let turn: Promise<unknown> = Promise.resolve()
  /** Settings are read and workers replaced by one at a time: whoever comes next sees what came of it. */
  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const next = turn.then(work)
    turn = next.catch(() => undefined)
    return next
  }
  /** Ends at the first that does not start, so that the others go on serving. */
  async function replaceAll(settings: Settings): Promise<void> {
    for (const place of places) {
      if (!serving) return
      const code = await end(place, LEAVE)
      if (code !== 0) log.error({ worker: place.number, exit: code }, 'a worker did not end in order: its next start takes up what it left')
      // Asked to stop meanwhile: nobody would end the new one.
      if (!serving) return
      if (!(await start(place))) throw new Error(`worker ${place.number} does not start: see the log; the others are as they were`)
    }
    inForce = settings
    log.info('every worker was replaced')
  }
  const replace = (): Promise<void> =>
    inTurn(async () => {
      const next = await startable()
      if ('refused' in next) throw new Error(`nothing was replaced: ${next.refused.join('; ')}`)
      await replaceAll(next.settings)
    })
  const reload = (): Promise<readonly string[]> =>
    inTurn(async () => {
      const next = await startable()
      if ('refused' in next) return next.refused
      if (diffSettings(inForce, next.settings).needsRestart.length > 0) {
        await replaceAll(next.settings)
        return []
      }
      inForce = next.settings
      const said = await ofAll<readonly string[]>('reload', COMMAND_MS)
      return [...new Set(said.flatMap(({ number, value, failed }) => value ?? [`worker ${number}: ${failed}`]))]
    })

  async function toOne(name: string, args: unknown): Promise<unknown> {
    const place = places.find(({ ready }) => ready)
    const said = place && (await callControl(place.folder, name, args))
    if (!said) throw new Error('no worker is ready: see the log')
    if (!said.ok) throw new Error(said.error ?? 'the worker refused')
    return said.value
  }
  interface Said<T> {
    readonly number: number
    readonly value?: T
    readonly failed?: string
  }
  /** Of those that are ready: one that starts meanwhile reads and looks by itself. */
  function ofAll<T>(name: string, ms: number): Promise<readonly Said<T>[]> {
    return Promise.all(
      places
        .filter(({ ready }) => ready)
        .map(async ({ number, folder }): Promise<Said<T>> => {
          try {
            const said = await callControl(folder, name, {}, ms)
            return said?.ok ? { number, value: said.value as T } : { number, failed: said?.error ?? 'does not answer' }
          } catch (error) {
            return { number, failed: error instanceof Error ? error.message : 'does not answer' }
          }
        }),
    )
  }
  const valuesOf = async <T>(name: string): Promise<readonly T[]> =>
    (await ofAll<T>(name, LOOK_MS)).flatMap(({ value }) => (value === undefined ? [] : [value]))
  async function confirmClock(): Promise<unknown> {
    const said = await ofAll('clock confirm', COMMAND_MS)
    const failed = said.filter((one) => one.failed !== undefined).map((one) => `worker ${one.number}: ${one.failed}`)
    if (failed.length > 0 || said.length === 0) throw new Error(failed.join('; ') || 'no worker is ready: see the log')
    return said[0]?.value
  }
  async function readiness(): Promise<Readiness> {
    const all = await valuesOf<Readiness>('readiness')
    const names = new Set(all.flatMap(({ checks }) => Object.keys(checks)))
    const worst = (name: string): Standing => ORDER.find((standing) => all.some(({ checks }) => checks[name] === standing)) ?? 'off'
    return {
      ready: serving && all.some(({ ready }) => ready),
      checks: {
        ...Object.fromEntries([...names].map((name) => [name, worst(name)])),
        ...Object.fromEntries(places.map(({ number, ready }): [string, Standing] => [`worker-${number}`, ready ? 'ok' : 'down'])),
      },
    }
  }

  const started = await Promise.all(places.map(start))
  if (started.includes(false)) throw new Error('not all workers started: see what they said')
  const health = await serveHealth(listeners.ops, readiness, async () => scrapeOf(await valuesOf<Numbers>('numbers')))
  opened.defer(() => health.close())
  const control = await serveControl(instance.state, { reload, replace, 'clock confirm': confirmClock }, toOne)
  log.info({ url, ops: health.url, workers: count }, 'the gate is ready')
  opened.move()
  serving = true
  for (const place of places) if (place.worker === undefined) void again(place)
  async function stop(): Promise<0 | 1> {
    serving = false
    const codes = await Promise.all(places.map((place) => end(place)))
    await control.close()
    await health.close()
    owned.release()
    return codes.every((code) => code === 0) ? 0 : 1
  }
  let stopped: Promise<0 | 1> | undefined
  return { url, reload, replace, stop: () => (stopped ??= stop()) }
}

/** The worst first. */
const ORDER: readonly Standing[] = ['down', 'stale', 'slow', 'ok', 'off']
