/**
 * `npm run kills [N]`: kill -9 of the gate at random moments, under load and while it starts, again and again. Whatever
 * the moment: the log verifies, every call that the holder saw has its intent, every intent ends with one outcome,
 * every whole answer a client got was recorded as delivered, every withdrawal that was confirmed holds, and all
 * checkpoints ever shown are prefixes of one log.
 */
import type { ChildProcess } from 'node:child_process'
import { rmSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { GateProcess } from '../harness/gate.ts'
import { aGateProcess, bearer, curve } from '../harness/gate.ts'
import type { Script } from '../harness/holder.ts'
import { fakeHolder, ordinary } from '../harness/holder.ts'
import { METER, secretsOf, today } from '../harness/settings.ts'
import type { ReadLog } from './evidence.ts'
import { readLog, tally, watchCheckpoints } from './evidence.ts'

export interface KillCounts {
  readonly kills: number
  /** Of these, before the gate was ready. */
  readonly whileStarting: number
  readonly answered: number
  readonly calls: number
  readonly intents: number
  readonly interrupted: number
  readonly withdrawals: number
  readonly checkpoints: number
  readonly entries: number
}

const CLIENTS = 8

/** Throws on the first thing that does not hold. */
export async function killCampaign(kills: number, say: (line: string) => void): Promise<KillCounts> {
  const holder = await fakeHolder()
  holder.script = unhurried
  const env = secretsOf()
  const whole: { readonly entry: number; readonly sent: string | null }[] = []
  const withdrawn: string[] = []
  const spawned = new Set<ChildProcess>()
  let folder: string | undefined
  let serving: { readonly gate: GateProcess; readonly token: string } | undefined
  let whileStarting = 0
  let ended = false

  const start = (onSpawn?: (child: ChildProcess) => void): Promise<GateProcess> =>
    aGateProcess({
      holder,
      env,
      ...(folder !== undefined && { folder }),
      change: (tree) => {
        ;(tree['evidence'] as Record<string, unknown>)['low_water_mb'] = 16
      },
      onSpawn(child) {
        spawned.add(child)
        onSpawn?.(child)
      },
    })

  async function client(): Promise<void> {
    while (!ended) {
      const now = serving
      if (!now) {
        await sleep(5)
        continue
      }
      const ask = nextRequest()
      try {
        const answer = await fetch(now.gate.url + ask.path, bearer(now.token))
        await answer.text()
        const entry = Number(answer.headers.get('audit-entry')?.split('/').at(-1))
        if (answer.status === 200) whole.push({ entry, sent: ask.sent })
        else if (answer.status !== 503) throw new Error(`unexpected status ${answer.status} for ${ask.path}`)
      } catch (error) {
        // Cut by the kill: fetch has one error for it.
        if (!(error instanceof TypeError)) throw error
      }
    }
  }

  /** Imports a permission and withdraws it, as long as the gate lives. */
  async function withdrawer(): Promise<void> {
    let i = 0
    while (!ended) {
      const now = serving
      if (!now) {
        await sleep(5)
        continue
      }
      i += 1
      const id = `gone-${i}`
      try {
        await now.gate.permit({ id, meter: `2000000000${String(i).padStart(4, '0')}` })
        await now.gate.command('permission withdraw', { permission: id })
        withdrawn.push(id)
      } catch (error) {
        if (now === serving && now.gate.child.exitCode === null && now.gate.child.signalCode === null) throw error
      }
    }
  }

  try {
    const first = await start()
    folder = first.folder
    await first.permit({ id: 'p1', from: today(-700), until: today(-10) })
    const token = await first.token()
    const seen = watchCheckpoints(first.state)
    serving = { gate: first, token }
    const load = [...Array.from({ length: CLIENTS }, client), withdrawer()]
    let failed: unknown
    for (const each of load) each.catch((error: unknown) => (failed ??= error))
    let gate: GateProcess = first
    for (let kill = 1; kill <= kills; kill += 1) {
      // Most soon, some once the gate is warm.
      await sleep(Math.random() ** 2 * 1500)
      if (failed !== undefined) throw failed
      serving = undefined
      await gate.kill()
      await readLog(gate.state, false)
      if (Math.random() < 0.2 && kill < kills) {
        if (await killedWhileStarting(start)) {
          whileStarting += 1
          kill += 1
          await readLog(gate.state, false)
        }
      }
      gate = await start()
      serving = { gate, token }
      const log = await readLog(gate.state, false)
      if (kill % 10 === 0) say(`${kill} kills: ${holder.calls.length} calls seen, ${log.size} entries verified`)
    }
    await sleep(300)
    ended = true
    await Promise.all(load)
    const list = await gate.command<readonly { id: string; status: string }[]>('permission list', { limit: 10_000 })
    const code = await gate.stop()
    if (code !== 0) throw new Error(`the last gate ended with ${code}: ${gate.output()}`)
    seen.stop()
    const log = await readLog(gate.state, true)
    seen.expectPrefixesOf(log)
    const status = new Map(list.map((p) => [p.id, p.status]))
    const lost = withdrawn.filter((id) => status.get(id) !== 'ended')
    if (lost.length > 0) throw new Error(`withdrawals that were confirmed do not hold: ${lost.join()}`)
    const counts = compare(log, holder.calls, whole)
    return { kills, whileStarting, answered: whole.length, withdrawals: withdrawn.length, checkpoints: seen.count, ...counts }
  } finally {
    ended = true
    for (const child of spawned) if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
    await holder.close()
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true })
  }
}

/** Whether the kill came before the gate was ready; if not, it is let go on. */
async function killedWhileStarting(start: (onSpawn: (child: ChildProcess) => void) => Promise<GateProcess>): Promise<boolean> {
  let spawned: ChildProcess | undefined
  const starting = start((child) => {
    spawned = child
  })
  const timer = setTimeout(() => spawned?.kill('SIGKILL'), 300 + Math.random() * 900)
  try {
    const gate = await starting
    await gate.kill()
    return true
  } catch (error) {
    if (!String(error).includes('ended with SIGKILL')) throw error
    return true
  } finally {
    clearTimeout(timer)
  }
}

/** Most answer at once; some take a while, and some are cut in two. */
const unhurried: Script = (request, socket) => {
  const luck = Math.random()
  if (luck < 0.4) ordinary(request, socket)
  else setTimeout(() => ordinary(request, socket), luck * 60)
}

let asked = 0
/** Days of which each run from one to another is asked for once; now and then half-hours in several parts. */
function nextRequest(): { readonly path: string; readonly sent: string | null } {
  asked += 1
  if (asked % 12 === 0) {
    const from = -690 + (asked % 600)
    return { path: curve(METER, today(from), today(from + 30)), sent: null }
  }
  const from = -700 + (asked % 600)
  const until = from + 1 + Math.floor(asked / 600)
  const path = `/mesure_synchrone_auto/v2/consommation_quotidienne?pointId=${METER}&dateDebut=${today(from)}&dateFin=${today(until)}`
  return { path, sent: `${today(from)}/${today(until)}` }
}

function compare(
  log: ReadLog,
  calls: readonly { readonly target: string }[],
  whole: readonly { readonly entry: number; readonly sent: string | null }[],
): Pick<KillCounts, 'calls' | 'intents' | 'interrupted' | 'entries'> {
  const intents = log.entries.filter((e) => e.t === 'access.intent')
  const outcomes = log.entries.filter((e) => e.t === 'access.outcome')
  const recorded = tally(intents.map((e) => `${String(e['kind'])} ${String(e['sent'])}`))
  for (const [what, count] of tally(calls.map(({ target }) => describe(target))))
    if (count > (recorded.get(what) ?? 0))
      throw new Error(`the holder saw ${count} calls for ${what}, ${recorded.get(what) ?? 0} have an intent`)
  const ofIntent = Map.groupBy(outcomes, (e) => e['intent'])
  for (const { n } of intents)
    if (ofIntent.get(n)?.length !== 1) throw new Error(`intent ${n} has ${ofIntent.get(n)?.length ?? 0} outcomes`)
  const ofRequest = Map.groupBy(intents, (e) => e['req'])
  for (const { entry, sent } of whole) {
    const first = log.entries[entry]
    if (first?.t !== 'access.intent' || (sent !== null && first['sent'] !== sent))
      throw new Error(`a client got a whole answer under entry ${entry}, which is ${JSON.stringify(first)}`)
    const last = ofRequest.get(first['req'])?.at(-1)
    const result = ofIntent.get(last?.n)?.[0]?.['result']
    if (result !== 'delivered') throw new Error(`a client got a whole answer under entry ${entry}; recorded is ${String(result)}`)
  }
  const interrupted = outcomes.filter((e) => e['result'] === 'interrupted').length
  const told = log.entries.filter((e) => e.t === 'log.recovered').reduce((sum, e) => sum + Number(e['interrupted']), 0)
  if (told !== interrupted) throw new Error(`${interrupted} outcomes are «interrupted», the recoveries tell of ${told}`)
  return { calls: calls.length, intents: intents.length, interrupted, entries: log.size }
}

/** A call that the holder saw, in the words of an intent. */
function describe(target: string): string {
  const url = new URL(target, 'http://holder.invalid')
  const kind = url.pathname.includes('courbe') ? 'load_curve' : 'daily_energy'
  return `${kind} ${url.searchParams.get('dateDebut') ?? ''}/${url.searchParams.get('dateFin') ?? ''}`
}

if (import.meta.main) {
  const started = Date.now()
  const counts = await killCampaign(Number(process.argv[2] ?? 120), (line) => process.stdout.write(`${line}\n`))
  process.stdout.write(`${JSON.stringify(counts)}\nheld, in ${Math.round((Date.now() - started) / 1000)} s\n`)
}
