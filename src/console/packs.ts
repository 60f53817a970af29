/**
 * Evidence packs that operators ordered: made one at a time, kept an hour, and then gone, because a pack holds in clear
 * what the evidence keeps sealed. The folder is emptied when the console starts and when it stops.
 */
import { randomUUID } from 'node:crypto'
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { ConsoleParts, Operator, PackMade, PackOrder } from './ports.ts'
import { Refusal } from './ports.ts'

export interface PackJob {
  readonly id: string
  readonly by: string
  readonly order: PackOrder
  readonly at: number
  readonly state:
    | { readonly is: 'waiting' }
    | { readonly is: 'running'; readonly done: number; readonly of: number }
    | { readonly is: 'made'; readonly made: PackMade }
    | { readonly is: 'failed'; readonly why: string | null }
}
export interface Packs {
  order(by: Operator, order: PackOrder): PackJob
  list(): readonly PackJob[]
  job(id: string): PackJob
  stop(): Promise<void>
}

const KEPT_MS = 3_600_000
const MOST = 8

export function packsOn(parts: Pick<ConsoleParts, 'packs' | 'evidence' | 'log' | 'now'>): Packs {
  const { packs: folder, evidence, log, now } = parts
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const jobs = new Map<string, PackJob>()
  const timers = new Map<string, NodeJS.Timeout>()
  let line: Promise<void> = Promise.resolve()
  let stopped = false
  const fileOf = (id: string): string => join(folder, `${id}.zip`)
  const set = (id: string, state: PackJob['state']): void => {
    const job = jobs.get(id)
    if (job) jobs.set(id, { ...job, state })
  }
  function forget(id: string): void {
    clearTimeout(timers.get(id))
    timers.delete(id)
    jobs.delete(id)
    rmSync(fileOf(id), { force: true })
  }
  async function make(id: string, by: Operator, order: PackOrder): Promise<void> {
    if (stopped || !jobs.has(id)) return
    set(id, { is: 'running', done: 0, of: 0 })
    try {
      const made = await evidence.export(by, order, fileOf(id), (done, of) => {
        // A stop waits for nobody's pack: what is half made is removed by who makes it.
        if (stopped) throw new Refusal('unavailable', 'the gate stops')
        set(id, { is: 'running', done, of })
      })
      set(id, { is: 'made', made })
    } catch (error) {
      const told = error instanceof Refusal ? error.message : null
      if (told === null) log.error({ err: error }, 'an evidence pack could not be made')
      set(id, { is: 'failed', why: told })
    }
    if (stopped) return
    timers.set(id, setTimeout(() => forget(id), KEPT_MS).unref())
  }
  return {
    order(by, order) {
      if (jobs.size >= MOST) {
        const oldest = [...jobs.values()].find(({ state }) => state.is === 'made' || state.is === 'failed')
        if (!oldest) throw new Refusal('unavailable', `${MOST} packs are being made: wait until one is there`)
        forget(oldest.id)
      }
      const job: PackJob = { id: randomUUID(), by: by.id, order, at: now(), state: { is: 'waiting' } }
      jobs.set(job.id, job)
      line = line.then(() => make(job.id, by, order))
      return job
    },
    list: () => [...jobs.values()].toReversed(),
    job(id) {
      const job = jobs.get(id)
      if (!job) throw new Refusal('not_found', 'there is no such pack, or it is gone: packs are kept an hour')
      return job
    },
    async stop() {
      stopped = true
      for (const timer of timers.values()) clearTimeout(timer)
      // The one under way is waited for: what it writes must not appear after the folder is emptied.
      await line
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
