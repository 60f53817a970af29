/**
 * Several gates on one machine that listen on one port: each a process of its own, with a name, a state folder and a log of its
 * own, on the one PostgreSQL. This process holds the socket, starts them again where they end, tells how they do, and hands
 * commands to one of them. It decides nothing and sees no request.
 *
 * All of them accept on the same socket (measured against the two other ways: docs/adr/0020). Replaced one after the other, each
 * takes no more connections, answers what it has, and ends; what is told to it of a connection goes with it nowhere else.
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

const ASK_MS = 2000
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
    const ended = new Promise<false>((resolve) => {
      worker.once('exit', (code: number | null, signal: string | null) => {
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
        url = told.url ?? url
        place.ready = true
        resolve(true)
      })
    })
    return Promise.race([ready, ended])
  }
  async function again(place: Place): Promise<void> {
    place.failures += 1
    await sleep(Math.min(LONGEST_PAUSE_MS, 250 * 2 ** place.failures), undefined, { ref: false })
    if (serving && place.worker === undefined) await start(place)
  }
  /** @param how as `LEAVE`: connections go to the others at once; absent, all of them stop */
  async function end(place: Place, how?: typeof LEAVE): Promise<number> {
    const { worker } = place
    place.leaving = true
    place.ready = false
    if (!worker) return 0
    const gone = once(worker, 'exit') as Promise<[number | null, string | null]>
    // Whether it was heard shows in its end, for which there is a limit.
    if (how === LEAVE && worker.isConnected()) worker.send(LEAVE, () => undefined)
    else worker.process.kill('SIGTERM')
    const late = setTimeout(() => {
      log.error({ worker: place.number }, 'a worker did not end in time: it is killed')
      worker.process.kill('SIGKILL')
    }, endMs)
    const [code, signal] = await gone
    clearTimeout(late)
    // Asked before it listened to anybody: it had begun nothing.
    return signal === 'SIGTERM' ? 0 : (code ?? 1)
  }
  let turn: Promise<unknown> = Promise.resolve()
  /** One replacement at a time; it ends at the first that does not start, so that the others go on serving. */
  function replace(): Promise<void> {
    const next = turn.then(async () => {
      for (const place of places) {
        if (!serving) return
        await end(place, LEAVE)
        // Asked to stop meanwhile: nobody would end the new one.
        if (!serving) return
        if (await start(place)) continue
        throw new Error(`worker ${place.number} does not start: see the log; the others are as they were`)
      }
      log.info('every worker was replaced')
    })
    turn = next.catch(() => undefined)
    return next
  }
  async function reload(): Promise<readonly string[]> {
    const next = await read()
    if (!next.ok) {
      log.error({ mistakes: next.mistakes }, 'the settings file is not taken: the policy in force stays')
      return next.mistakes.map((m) => `${m.line}:${m.column}: ${m.message}`)
    }
    const { needsRestart } = diffSettings(inForce, next.settings)
    const ours = needsRestart.filter((path) => /^(instance|logging|listeners\.ops)\b/.test(path))
    const refused = [
      ...ours.map((path) => `${path}: needs a restart of all workers at once`),
      ...[hindrance(next.settings, count) ?? []].flat(),
    ]
    if (refused.length > 0) {
      log.error({ why: refused.join('; ') }, 'the settings file is not taken: the policy in force stays')
      return refused
    }
    if (needsRestart.length === 0) return (await toAll<readonly string[]>('reload')).flat()
    await replace()
    inForce = next.settings
    return []
  }

  async function toOne(name: string, args: unknown): Promise<unknown> {
    const place = places.find(({ ready }) => ready)
    const said = place && (await callControl(place.folder, name, args))
    if (!said) throw new Error('no worker is ready: see the log')
    if (!said.ok) throw new Error(said.error ?? 'the worker refused')
    return said.value
  }
  /** Of those that are ready; one that gives no answer in time is left out. */
  async function toAll<T>(name: string): Promise<T[]> {
    const said = await Promise.all(
      places.filter(({ ready }) => ready).map(({ folder }) => callControl(folder, name, {}, ASK_MS).catch(() => undefined)),
    )
    return said.flatMap((answer) => (answer?.ok ? [answer.value as T] : []))
  }
  async function readiness(): Promise<Readiness> {
    const all = await toAll<Readiness>('readiness')
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
  const health = await serveHealth(listeners.ops, readiness, async () => scrapeOf(await toAll<Numbers>('numbers')))
  opened.defer(() => health.close())
  const control = await serveControl(
    instance.state,
    {
      reload,
      replace,
      'clock confirm': async () => (await toAll('clock confirm'))[0],
    },
    toOne,
  )
  log.info({ url, ops: health.url, workers: count }, 'the gate is ready')
  opened.move()
  serving = true
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
