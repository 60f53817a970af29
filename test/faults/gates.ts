/**
 * `npm run gates [-- --on GROUND --seconds N --gates N --faults 'a;b']`: several gates on one PostgreSQL under load,
 * permissions given and withdrawn all the while, and faults in between. Whatever the fault: no intent is committed after a
 * withdrawal under it was confirmed, nothing acknowledged is lost, every call that the data holder saw has its intent,
 * every intent one outcome, every log verifies, and all gates serve again by themselves.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import type { OpenedEntry } from '../../src/evidence/opened.ts'
import { verifyPlace } from '../../src/evidence/verify/place.ts'
import type { OpenedReport } from '../../src/audit.ts'
import { openEntries } from '../../src/audit.ts'
import type { GateProcess } from '../harness/gate.ts'
import { aGateProcess, bearer } from '../harness/gate.ts'
import type { FakeHolder, Script } from '../harness/holder.ts'
import { fakeHolder, ordinary } from '../harness/holder.ts'
import type { PostgresServer } from '../harness/postgres.ts'
import { postgresTree } from '../harness/postgres.ts'
import { redisServer } from '../harness/redis.ts'
import { secretsOf, today } from '../harness/settings.ts'
import { clockOfPostgres, gateClocks } from './grounds/clock.ts'
import { disk, whyNoSmallDisk } from './grounds/disk.ts'
import type { Field, Terrain } from './grounds/ground.ts'
import { STATEMENT_TIMEOUT_MS } from './grounds/ground.ts'
import { network, whyNoNamespace } from './grounds/network.ts'
import { plain } from './grounds/plain.ts'
import { standby } from './grounds/standby.ts'
import type { Checked, SeenCall, Withdrawal, Written } from './union.ts'
import { checkUnion } from './union.ts'

export const TERRAINS: Readonly<Record<string, Terrain>> = {
  plain: { open: plain },
  standby: { open: standby },
  network: { open: network, whyNot: whyNoNamespace },
  'clocks of gates': { open: gateClocks },
  'clock of PostgreSQL': { open: clockOfPostgres },
  disk: { open: disk, whyNot: whyNoSmallDisk },
}

export interface CampaignOptions {
  readonly on?: string
  readonly gates: number
  /** At least; all breakages come, whatever it takes. */
  readonly seconds: number
  /** Absent: all of the ground. */
  readonly breakages?: readonly string[]
  /** Breaks the gates' own rule once all serve: the check must find it. */
  readonly plant?: (server: PostgresServer) => void
  /** Connections that ask at once. */
  readonly clients?: number
  readonly say: (line: string) => void
}
export interface CampaignCounts extends Checked {
  readonly answered: number
  readonly refused: number
  readonly unavailable: number
  /** Of these, by status and reason. */
  readonly reasons: Readonly<Record<string, number>>
  readonly calls: number
  readonly breakages: number
  /** Milliseconds, sorted. */
  readonly withdrawMs: readonly number[]
  /** After each fault, how long until every gate answered again. */
  readonly healMs: readonly number[]
}

const METERS = 6
/** On which nobody acts: by it is seen whether a gate decides. */
const STEADY = '40000000000000'

/** Takes a piece out of the statement in which the database records intents. Throws where it is not there. */
function without(piece: RegExp, by: string): (server: PostgresServer) => void {
  return (server) => {
    const text = server.sql("SELECT pg_get_functiondef('gates.access_batch'::regproc)")
    const changed = text.replace(piece, by)
    if (changed === text) throw new Error(`the statement holds no ${String(piece)}`)
    server.sql(`SET search_path = gates; ${changed}`)
  }
}
export const PLANTS = {
  'the locks': without(/IF lock_key\.alone THEN [^;]*; ELSE [^;]*; END IF;/, 'NULL;'),
  'the check of what the permission has become': without(
    /WHEN g\.value <> [\s\S]*?THEN 'generation'\s*WHEN p\.status <> 'active'[\s\S]*?THEN 'permission'/,
    '',
  ),
} as const

export async function gatesCampaign({
  on = 'plain',
  gates: count,
  seconds,
  breakages: wanted,
  plant,
  clients = 12,
  say,
}: CampaignOptions): Promise<CampaignCounts> {
  const folder = mkdtempSync(join(tmpdir(), 'ecluse-many-'))
  const terrain = TERRAINS[on]
  if (!terrain) throw new Error(`there is no ground «${on}»: ${Object.keys(TERRAINS).join(', ')}`)
  const ground = await terrain.open(count)
  const breakages = wanted ?? Object.keys(ground.breakages)
  const redis = await redisServer()
  const holder = await fakeHolder()
  holder.script = quick
  const gates: (GateProcess | undefined)[] = []
  const env = secretsOf()
  const withdrawals: Withdrawal[] = []
  const given: string[] = []
  const delivered: string[] = []
  const withdrawMs: number[] = []
  const live = new Map<number, string>()
  const tallies = { answered: 0, refused: 0, unavailable: 0 }
  let ended = false
  let token = ''
  let asked = 0
  let broken = 0
  const healMs: number[] = []
  const reasons: Record<string, number> = {}

  async function start(i: number): Promise<GateProcess> {
    const gate = await aGateProcess({
      holder,
      env: { ...env, ...ground.envOf?.(i) },
      folder: join(folder, `gate-${i}`),
      node: ground.nodeOf?.(i) ?? [],
      change(tree) {
        tree['instance'] = { ...(tree['instance'] as object), node: `gate-${i}` }
        const { host, port } = ground.addressOf(i)
        tree['storage'] = { postgres: { ...postgresTree(port, 'gates'), host, statement_timeout_ms: STATEMENT_TIMEOUT_MS } }
        tree['redis'] = { url: redis.url }
      },
    })
    gates[i] = gate
    return gate
  }
  const field: Field = {
    redis,
    gates,
    async restart(i) {
      gates[i] = undefined
      await start(i)
    },
  }
  const any = (): GateProcess | undefined => gates[Math.floor(Math.random() * count)]

  async function reader(): Promise<void> {
    while (!ended) {
      const gate = any()
      if (!gate || live.size === 0) {
        await sleep(5)
        continue
      }
      const meter = meterOf(Math.floor(Math.random() * METERS))
      asked += 1
      const from = -700 + (asked % 600)
      const until = from + 1 + Math.floor(asked / 600)
      const path = `/mesure_synchrone_auto/v2/consommation_quotidienne?pointId=${meter}&dateDebut=${today(from)}&dateFin=${today(until)}`
      try {
        const answer = await fetch(gate.url + path, { ...bearer(token), signal: AbortSignal.timeout(15_000) })
        await answer.text()
        if (answer.status === 200) {
          tallies.answered += 1
          delivered.push(answer.headers.get('audit-entry') ?? 'an answer without an entry')
        } else if (answer.status === 403) tallies.refused += 1
        else if ([429, 502, 503].includes(answer.status)) {
          tallies.unavailable += 1
          const why = `${answer.status} ${answer.headers.get('ecluse-reason') ?? ''}`
          reasons[why] = (reasons[why] ?? 0) + 1
          await sleep(10)
        } else throw new Error(`unexpected status ${answer.status}: ${String(answer.headers.get('ecluse-reason'))}`)
      } catch (error) {
        // Cut by a kill or by the gate: fetch has one error for it, and another for its patience.
        if (!(error instanceof TypeError) && (error as Error).name !== 'TimeoutError') throw error
      }
    }
  }
  /** Gives a permission on a meter through one gate, lets it be read, and takes it back through another. */
  async function giver(slot: number): Promise<void> {
    for (let i = 0; !ended; i += 1) {
      const id = `p-${slot}-${i}`
      const [gives, takes] = [any(), any()]
      if (!gives || !takes) {
        await sleep(20)
        continue
      }
      try {
        await gives.permit({ id, meter: meterOf(slot), from: today(-800), until: today(-2) })
        given.push(id)
        live.set(slot, id)
        await sleep(50 + Math.random() * 300)
        const began = performance.now()
        await takes.command('permission withdraw', { permission: id })
        withdrawals.push({ permission: id, returnedAt: Date.now() })
        withdrawMs.push(performance.now() - began)
      } catch (error) {
        // A gate that is gone, or a database that cannot be reached, did nothing or does not know: neither is a confirmation.
        if (
          !/cannot be reached|cannot do it now|no gate answers|wait for the state|ECONN|EPIPE|socket|is ended|exists already|too late|hang up/.test(
            String(error),
          )
        )
          throw error
        await sleep(50)
      }
    }
  }

  try {
    const first = await start(0)
    for (let i = 1; i < count; i += 1) await start(i)
    token = await first.token()
    await first.permit({ id: 'steady', meter: STEADY, from: today(-800), until: today(-2) })
    ground.server.sql(WATCH_WRITES)
    plant?.(ground.server)
    const load = [...Array.from({ length: clients }, reader), ...Array.from({ length: METERS }, (_, slot) => giver(slot))]
    let failed: unknown
    for (const each of load) each.catch((error: unknown) => (failed ??= error))
    const until = performance.now() + seconds * 1000
    while (performance.now() < until || broken < breakages.length) {
      await sleep(400 + Math.random() * 600)
      if (failed !== undefined) throw failed
      const name = breakages[broken % Math.max(1, breakages.length)]
      if (name === undefined) continue
      broken += 1
      const breakage = ground.breakages[name]
      if (!breakage) throw new Error(`there is no fault «${name}»: ${Object.keys(ground.breakages).join(', ')}`)
      await breakage(field)
      const took = await healed(gates, token, name)
      healMs.push(took)
      if (took > 2000) say(`«${name}»: ${Math.round(took)} ms until every gate decided again`)
      if (broken % 5 === 0)
        say(`${broken} faults, last: ${name}; ${tallies.answered} answered, ${withdrawals.length} withdrawn, ${holder.calls.length} calls`)
    }
    ended = true
    await Promise.all(load)
    if (failed !== undefined) throw failed
    for (const gate of gates)
      if (gate && (gate.child.exitCode ?? gate.child.signalCode) !== null) throw new Error(`a gate ended by itself: ${gate.output()}`)
    const entries = await everythingOpened(gates)
    for (const gate of gates) {
      const code = await gate?.stop()
      if (code !== 0) throw new Error(`a gate ended with ${String(code)}: ${gate?.output() ?? ''}`)
    }
    for (let i = 0; i < count; i += 1) await verified(join(folder, `gate-${i}`, 'state'))
    const checked = checkUnion({
      entries,
      withdrawals,
      calls: seen(holder),
      given,
      delivered,
      written: writtenBy(ground.server),
      clockMoved: ground.movesClock === true,
    })
    return {
      ...checked,
      ...tallies,
      calls: holder.calls.length,
      reasons,
      breakages: broken,
      withdrawMs: withdrawMs.toSorted((a, b) => a - b),
      healMs: healMs.toSorted((a, b) => a - b),
    }
  } finally {
    ended = true
    for (const gate of gates) if (gate && gate.child.exitCode === null && gate.child.signalCode === null) gate.child.kill('SIGKILL')
    await holder.close()
    await redis.close()
    await ground.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

const quick: Script = (request, socket) => {
  if (Math.random() < 0.7) ordinary(request, socket)
  else setTimeout(() => ordinary(request, socket), Math.random() * 40)
}

function meterOf(slot: number): string {
  return `3000000000000${slot}`
}

const HEALED_WITHIN_MS = 20_000

/** Until every gate decides again, whatever it decides. Throws where one does not. */
async function healed(gates: readonly (GateProcess | undefined)[], token: string, fault: string): Promise<number> {
  const began = performance.now()
  const path = `/mesure_synchrone_auto/v2/consommation_quotidienne?pointId=${STEADY}&dateDebut=${today(-9)}&dateFin=${today(-8)}`
  for (const gate of gates) {
    for (;;) {
      const status = await fetch((gate?.url ?? '') + path, { ...bearer(token), signal: AbortSignal.timeout(6000) })
        .then(async (answer) => {
          await answer.text()
          return answer.status
        })
        .catch(() => 0)
      if (status === 200) break
      if (performance.now() - began > HEALED_WITHIN_MS)
        throw new Error(`${HEALED_WITHIN_MS} ms after «${fault}» a gate does not decide (${status}): ${gate?.output().slice(-2000) ?? ''}`)
      await sleep(50)
    }
  }
  return performance.now() - began
}

/** All logs of the instance, opened through one gate once all have sealed what they had. */
async function everythingOpened(gates: readonly (GateProcess | undefined)[]): Promise<readonly OpenedEntry[]> {
  for (const gate of gates) await gate?.command('audit drain', {})
  const [gate] = gates
  if (!gate) throw new Error('no gate is left')
  const report: OpenedReport = await openEntries(gate.command, { all: true }, 'the check of a campaign')
  return report.entries
}

async function verified(state: string): Promise<void> {
  const answer = await verifyPlace(state, { quiescent: true })
  if (!answer.ok) throw new Error(`${state} does not verify: ${JSON.stringify(answer)}`)
}

function seen(holder: FakeHolder): SeenCall[] {
  return holder.calls
    .filter(({ target }) => target.includes('consommation_quotidienne'))
    .map(({ target, at }) => {
      const { searchParams: of } = new URL(target, 'http://holder.invalid')
      return { what: `daily_energy ${of.get('dateDebut')}/${of.get('dateFin')} prm:${of.get('pointId')}`, at }
    })
}

/** A row of the journal is gone once it is sealed: where and by which transaction it was written is kept beside, for the test alone. */
const WATCH_WRITES = `
SET search_path = gates;
CREATE TABLE watched (n bigint, xid xid8, place pg_lsn);
CREATE FUNCTION watch() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN INSERT INTO gates.watched VALUES (NEW.n, pg_current_xact_id(), pg_current_wal_insert_lsn()); RETURN NEW; END $$;
CREATE TRIGGER watch AFTER INSERT ON journal FOR EACH ROW EXECUTE FUNCTION watch();`

function writtenBy(server: PostgresServer): ReadonlyMap<string, Written> {
  const rows = server.sql(
    `SET search_path = gates; SELECT l.origin || '/' || (w.n % ${2 ** 40}), w.place - '0/0',
       (extract(epoch FROM pg_xact_commit_timestamp(w.xid::xid)) * 1000000)::bigint
     FROM watched w JOIN log l ON l.id = w.n / ${2 ** 40}`,
  )
  return new Map(
    rows
      .split('\n')
      .filter(Boolean)
      .map((row) => {
        const [name = '', place = '', at = ''] = row.split('|')
        return [name, { place: BigInt(place), committedAt: Number(at) }]
      }),
  )
}

if (process.argv[1] === import.meta.filename) {
  const { values } = parseArgs({
    options: {
      on: { type: 'string', default: 'plain' },
      seconds: { type: 'string', default: '60' },
      gates: { type: 'string', default: '2' },
      faults: { type: 'string' },
    },
  })
  const counts = await gatesCampaign({
    on: values.on,
    gates: Number(values.gates),
    seconds: Number(values.seconds),
    ...(values.faults !== undefined && { breakages: values.faults.split(';') }),
    say: (line) => void process.stdout.write(`${line}\n`),
  })
  const { withdrawMs, healMs, faults, ...others } = counts
  const spread = (list: readonly number[]): string =>
    [0.5, 0.99, 1].map((part) => `${(list[Math.min(list.length - 1, Math.floor(list.length * part))] ?? 0).toFixed(0)}`).join(' / ')
  process.stdout.write(
    `${JSON.stringify(others)}\nwithdraw, median / p99 / most: ${spread(withdrawMs)} ms; healed: ${spread(healMs)} ms\n${faults.length === 0 ? 'all of it holds' : faults.join('\n')}\n`,
  )
  process.exitCode = faults.length === 0 ? 0 : 1
}
