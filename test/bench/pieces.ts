/**
 * What single pieces of the gate cost, each by itself and on one thread: filtering an answer, sealing entries,
 * verifying a log, holding permissions. Real stores on a real disk, in a temporary folder.
 *
 * `node --expose-gc pieces.ts PERMISSIONS ENTRIES COPIES`; prints one JSON line.
 */
import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { decide } from '../../src/decide/decide.ts'
import type { Decision } from '../../src/domain/decision.ts'
import type { MeterId } from '../../src/domain/meter.ts'
import type { AccountId, ClientId, PermissionId } from '../../src/domain/permission.ts'
import { intentFields, outcomeFields } from '../../src/domain/record.ts'
import type { AccessRequest, Caller } from '../../src/domain/request.ts'
import type { Millis } from '../../src/domain/time.ts'
import { accessLogOn } from '../../src/evidence/access.ts'
import { leafHash } from '../../src/evidence/log/merkle.ts'
import { signerOf, vkeyOf } from '../../src/evidence/log/note.ts'
import { publisherOn } from '../../src/evidence/publish.ts'
import { sealerOn } from '../../src/evidence/sealer.ts'
import { filesIn } from '../../src/evidence/verify/folder.ts'
import { verifyLog } from '../../src/evidence/verify.ts'
import type { Draft } from '../../src/permissions/import.ts'
import { parseImport } from '../../src/permissions/import.ts'
import { lookups } from '../../src/permissions/cache.ts'
import { redisCache } from '../../src/permissions/redis.ts'
import { redisSeal } from '../../src/permissions/redis-seal.ts'
import type { Policy } from '../../src/domain/policy.ts'
import type { Registry, Views } from '../../src/permissions/registry.ts'
import { rightsOn } from '../../src/permissions/rights.ts'
import { operatorKeyOn } from '../../src/evidence/operator-key.ts'
import { permissionToken, registryOn } from '../../src/permissions/registry.ts'
import { tokensOn } from '../../src/permissions/tokens.ts'
import { dataConnect } from '../../src/providers/enedis-data-connect/data-connect.ts'
import { parseSettings } from '../../src/settings/settings.ts'
import { journalOf } from '../../src/storage/journal.ts'
import { logsOn } from '../../src/storage/logs.ts'
import { keyStore } from '../../src/storage/keys.ts'
import { openState } from '../../src/storage/sqlite.ts'
import { measure2026 } from '../harness/holder.ts'
import { redisServer } from '../harness/redis.ts'
import { METER, permissionTree, settingsTree, settingsYaml, today } from '../harness/settings.ts'
import { onPath } from '../system.ts'
import { halfHours } from '../unit/data-connect/given.ts'

export interface Pieces {
  readonly copyPerKb: number
  readonly filter: Readonly<Record<string, { readonly perKb: number; readonly perAnswer: number; readonly kb: number }>>
  readonly sealing: { readonly entries: number; readonly cpuMicros: number; readonly perSecond: number }
  /** Hashing the bytes of one entry as a leaf. */
  readonly hashMicros: number
  readonly verifying: { readonly entries: number; readonly perSecond: number }
  readonly memory: {
    readonly permissions: number
    readonly registryBytes: number
    readonly keysBytes: number
    /** Of the process that wrote them, beside what it had before. */
    readonly stateRssBytes: number
    /** Of one permission, with its key and its place in the server's table; undefined where no server is installed. */
    readonly redisBytes: number | undefined
  }
  readonly copies: {
    readonly permissions: number
    /** Of one, heap and buffers. */
    readonly bytes: number
    /** CPU of look-up and decision, with so many there: of one that lies packed, and of one asked lately. */
    readonly decisions: readonly { readonly permissions: number; readonly packedMicros: number; readonly recentMicros: number }[]
  }
}

const ORIGIN = 'bench.localhost/journal/2026'
const ASKED = {
  provider: 'enedis-data-connect',
  api: 'mesure_synchrone_auto',
  kind: 'daily_energy',
  direction: 'withdrawal',
  step: 'P1D',
} as const
/** Fewer than the gate has, so that those of a thousand lie packed too. */
const RECENT = 100
const permissionCount = Number(process.argv[2])
const entryCount = Number(process.argv[3])
const copyCount = Number(process.argv[4])
const folder = mkdtempSync(join(tmpdir(), 'ecluse-pieces-'))
try {
  process.stdout.write(`${JSON.stringify(await measured())}\n`)
} finally {
  rmSync(folder, { recursive: true, force: true })
}

async function measured(): Promise<Pieces> {
  const filter = filters()
  const log = await logPieces()
  return { ...filter, ...log, ...(await permissionsInMemory()) }
}

function filters(): Pick<Pieces, 'filter' | 'copyPerKb'> {
  const daily = measure2026('consommation_quotidienne', METER, today(-30), today(-2))
  const curve = curveOf(30, 1)
  const week = curveOf(10, 7)
  const cost = (series: string, body: string, from: string, until: string, rounds: number) => {
    const bytes = Buffer.from(body)
    const adapter = dataConnect({ upstream: '2026' })
    const path = `/mesure_synchrone_auto/v2/${series}`
    const query = new Map([
      ['pointId', METER],
      ['dateDebut', from],
      ['dateFin', until],
    ])
    const classified = adapter.classify({ method: 'GET', path, query }, today(0) as never)
    if (classified.is !== 'access') throw new Error('the bench asks for what is not served')
    const { access, form } = classified
    const part = {
      permission: 'p' as never,
      line: 'l' as never,
      period: access.period,
      how: 'direct',
      kind: access.kind,
      finest: access.kind === 'load_curve' ? 'PT5M' : 'P1D',
      averageUp: false,
      keepKinds: [],
    } as const
    const perAnswer = cpuOf(rounds, () => {
      const answer = adapter.answer(form, access, [part])
      const reader = answer.part(0)
      for (let at = 0; at < bytes.byteLength; at += 65_536) {
        const fed = reader.push(bytes.subarray(at, at + 65_536))
        if (!fed.ok) throw new Error(fed.why)
      }
      const fed = reader.end()
      if (!fed.ok || answer.close().length === 0) throw new Error('the answer of the bench does not pass')
    })
    const kb = bytes.byteLength / 1024
    return { perKb: perAnswer / kb, perAnswer, kb }
  }
  const copied = Buffer.from(week)
  return {
    copyPerKb: cpuOf(20_000, () => void Buffer.from(copied)) / (copied.byteLength / 1024),
    filter: {
      'four weeks of daily energy, 1 KB': cost('consommation_quotidienne', daily, today(-30), today(-2), 20_000),
      'a day of half-hours, read as a whole': cost('courbe_de_charge_consommation', curve, today(-9), today(-8), 10_000),
      'a week of ten-minute points, read as a whole': cost('courbe_de_charge_consommation', week, today(-9), today(-2), 1000),
      'the same six times over, as a stream': cost('courbe_de_charge_consommation', longer(week), today(-9), today(-2), 200),
    },
  }
}

function curveOf(minutes: number, count: number): string {
  const points = Array.from({ length: count }, (_, i) => halfHours(today(-9 + i), minutes))
    .flat()
    .map((d) => ({ v: '400', d, p: `PT${minutes}M`, n: 'B' }))
  const grandeur = [{ grandeurMetier: 'CONS', grandeurPhysique: 'PA', unite: 'W', calendrier: [], points }]
  const periode = { dateDebut: today(-9), dateFin: today(-9 + count) }
  return JSON.stringify({ idPrm: METER, etapeMetier: 'BRUT', modeCalcul: 'MESURE', periode, grandeur, contexte: [] })
}

function longer(body: string): string {
  const from = body.indexOf('"points":[') + 10
  const until = body.indexOf(']', from)
  return body.slice(0, until) + `,${body.slice(from, until)}`.repeat(5) + body.slice(until)
}

/** Microseconds of CPU for one call, after a warm-up of a fifth. */
function cpuOf(rounds: number, work: () => void): number {
  for (let i = 0; i < rounds / 5; i += 1) work()
  const before = process.cpuUsage()
  for (let i = 0; i < rounds; i += 1) work()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / rounds
}

/** What the rest of the gate has of permissions and clients, without a gate. */
function stores(name: string) {
  const state = openState(join(folder, name))
  const { db, atomically } = state
  const index = randomBytes(32)
  const keys = keyStore(state.keys, randomBytes(32))
  const logs = logsOn(db)
  const log = logs.add(ORIGIN, '', 'bench', 0 as Millis)
  const journal = journalOf(db, logs, log)
  const registry = registryOn(db, journal, keys, index, rightsOn(db, journal, keys, index, operatorKeyOn(db, keys)))
  const tokens = tokensOn(db, journal, keys)
  const access = accessLogOn(
    db,
    journal,
    (id) => permissionToken(index, id),
    (id) => keys.get(id) !== undefined,
  )
  const sealing = sealerOn(db, atomically, 'bench', keys, journal.read)
  const sealer = { seal: (most: number): number => sealing.seal(log, most) }
  const now = (): Millis => Date.now() as Millis
  const accepted = parseSettings(settingsYaml(settingsTree('http://127.0.0.1:1', folder)))
  if (!accepted.ok) throw new Error(JSON.stringify(accepted.mistakes))
  atomically(() => {
    journal.append({ clear: { t: 'log.opened', format: 'ecluse-evidence/v1', previous: null } }, now())
    journal.append({ clear: { t: 'log.config', policy: accepted.policyHash } }, now())
    tokens.syncClients({ clients: [{ id: 'viriya' as ClientId, disabled: false }], now: now() })
  })
  /** As `permission import --unverified` does it. */
  function admit({ id, version, content }: Draft): void {
    const details = { actorRole: 'operator', channel: 'api', unverified: true } as const
    registry.create(id, version, content, '', details, now())
    for (const type of ['request', 'file', 'activate'] as const) registry.act({ permission: id, type, details, now: now() })
  }
  function draftsOf(text: string): readonly Draft[] {
    if (!accepted.ok) return []
    const parsed = parseImport(text, {
      unverified: true,
      policy: accepted.policy,
      clients: new Map([['viriya', 'self_view']]),
      accounts: new Set(['enedis-data-connect/main']),
    })
    if (!parsed.ok) throw new Error(JSON.stringify(parsed.mistakes))
    return parsed.drafts
  }
  return { ...state, db, registry, tokens, access, sealer, atomically, admit, draftsOf, now, accepted }
}

async function logPieces(): Promise<Pick<Pieces, 'sealing' | 'hashMicros' | 'verifying'>> {
  const it = stores('log')
  it.atomically(() => it.draftsOf(JSON.stringify({ permissions: [permissionTree({ id: 'bench' })] })).forEach(it.admit))
  let issued: { readonly hash: Uint8Array } | undefined
  it.atomically(() => {
    const client = 'viriya' as ClientId
    issued = it.tokens.issue({ client, purpose: 'self_view' as never, permissions: null, ttlSeconds: 86_400, now: it.now() })
  })
  const hash = issued?.hash ?? Buffer.alloc(0)
  while (it.sealer.seal(512) > 0);

  const request: AccessRequest = {
    ...ASKED,
    meter: `prm:${METER}` as MeterId,
    period: { from: today(-30), until: today(-2) } as never,
  }
  const caller: Caller = { client: 'viriya' as ClientId, purpose: 'self_view' as never, set: 'all', refusesNarrowing: false }
  const { generation, permissions } = it.registry.views({ client: caller.client, meter: request.meter })
  const permission = permissions[0]
  const now = it.now()
  if (!it.accepted.ok || !permission) throw new Error('no permission to bench with')
  const decision: Decision = decide({ request, caller, permissions, policy: it.accepted.policy, now })
  if (decision.result === 'deny') throw new Error(`the bench is refused: ${decision.reason}`)
  const part = decision.parts[0]
  if (!part) throw new Error('no part')
  const { policyHash } = it.accepted
  function accessOnce(): void {
    if (decision.result === 'deny' || !part || !permission) return
    const context = { req: randomUUID(), request, caller, account: 'main' as AccountId, now, policy: policyHash }
    const intent = it.access.intent({
      fields: intentFields(context, decision, { part, index: 0, total: 1, call: 1 }, permissions),
      now: it.now(),
      tokenHash: hash,
      client: caller.client,
      meterToken: it.registry.meterToken(request.meter),
      generation,
      permission: { id: permission.id, version: permission.version, scopeHash: permission.scopeHash },
      injection: false,
      req: context.req,
      call: 1,
      first: null,
      recurrence: null,
    })
    if (intent.is !== 'recorded') throw new Error(`the bench is ${intent.why}`)
    const counts = { readings: 28, dropped: 0, first: today(-30), last: today(-3) }
    const digest = createHash('sha256').update(context.req).digest('base64url')
    const fields = outcomeFields({ result: 'delivered', status: 200, bytes: 1030, holderBytes: 1040, counts, ms: 3, code: null, digest })
    it.access.outcome({ intent: intent.n, fields, now: it.now(), delivered: true, asked: true, over: true })
  }
  const write = (entries: number): void => {
    for (let made = 0; made < entries; made += 256) it.atomically(() => Array.from({ length: 128 }).forEach(accessOnce))
  }
  write(2048)
  while (it.sealer.seal(128) > 0);
  write(entryCount)
  const before = process.cpuUsage()
  const started = performance.now()
  let sealed = 0
  for (let n = it.sealer.seal(128); n > 0; n = it.sealer.seal(128)) sealed += n
  const seconds = (performance.now() - started) / 1000
  const used = process.cpuUsage(before)

  const bytes = it.db.prepare('SELECT bytes FROM entry ORDER BY n DESC LIMIT 1').get()?.['bytes'] as Uint8Array
  const hashMicros = cpuOf(50_000, () => void leafHash(bytes))
  const signer = signerOf(ORIGIN, randomBytes(32))
  const published = join(folder, 'published')
  publisherOn(it.db, 0, published, signer).publish()
  const began = performance.now()
  const verified = await verifyLog(filesIn(published), { vkey: vkeyOf(signer) })
  const took = (performance.now() - began) / 1000
  if (!verified.ok) throw new Error(`the log of the bench does not verify: ${JSON.stringify(verified)}`)
  it.close()
  return {
    sealing: { entries: sealed, cpuMicros: (used.user + used.system) / sealed, perSecond: sealed / seconds },
    hashMicros,
    verifying: { entries: verified.size, perSecond: verified.size / took },
  }
}

async function permissionsInMemory(): Promise<Pick<Pieces, 'memory' | 'copies'>> {
  const collect = globalThis.gc
  if (!collect) throw new Error('run with --expose-gc')
  const it = stores('permissions')
  const wish = (i: number): unknown => {
    const meter = `3${String(i).padStart(13, '0')}`
    return permissionTree({ id: `m${i}`.replace(/(\d{6})(\d+)/, '$1-$2'), meter, holder: { kind: 'natural', reference: `person ${i}` } })
  }
  collect()
  const base = process.memoryUsage.rss()
  for (let i = 0; i < permissionCount; i += 1000) {
    const count = Math.min(1000, permissionCount - i)
    const drafts = it.draftsOf(JSON.stringify({ permissions: Array.from({ length: count }, (_, k) => wish(i + k)) }))
    // One commit for the keys of a thousand subjects: what is measured is what they hold, not how fast they come.
    it.keys.exec('BEGIN')
    it.atomically(() => drafts.forEach(it.admit))
    it.keys.exec('COMMIT')
    // Their acts are entries of the log, which is not what is measured.
    it.db.exec('DELETE FROM journal')
  }
  collect()
  const stateRssBytes = process.memoryUsage.rss() - base
  const tables = ['permission', 'act', 'generation', 'subject', 'attachment']
  const sizeOf = it.db.prepare(
    `SELECT sum(pgsize) AS bytes FROM dbstat WHERE name IN (SELECT name FROM sqlite_schema WHERE tbl_name IN (${tables.map((t) => `'${t}'`).join()}))`,
  )
  const registryBytes = Number(sizeOf.get()?.['bytes'])
  const keysBytes = Number(it.keys.prepare('SELECT sum(pgsize) AS bytes FROM dbstat').get()?.['bytes'])

  if (!it.accepted.ok) throw new Error('no policy to bench with')
  const copies = await localCopies(it.registry, it.accepted.policy, collect)
  const redisBytes = onPath('redis-server') ? await heldByRedis(it.registry, Math.min(permissionCount, 20_000)) : undefined
  it.close()
  return { copies, memory: { permissions: permissionCount, registryBytes, keysBytes, stateRssBytes, redisBytes } }
}

/** Bytes of one permission in a real Redis, as the gate puts it there. */
async function heldByRedis(registry: Registry, count: number): Promise<number> {
  const client = 'viriya' as ClientId
  const server = await redisServer()
  const settings = { url: server.url, ttlSeconds: 3600, commandTimeoutMs: 5000 }
  const cache = await redisCache(settings, {}, redisSeal(randomBytes(32)), { warn: () => undefined }, () => undefined)
  const asked = new Redis(server.url, { replyMapping: 'legacy' })
  const used = async (): Promise<number> => Number(/^used_memory:(\d+)/m.exec(await asked.info('memory'))?.[1])
  try {
    const before = await used()
    for (let i = 0; i < count; i += 1) {
      cache.putViews(client, meterAt(i), registry.views({ client, meter: meterAt(i) }))
      // What is written is waited for by reading it.
      if (i % 500 === 499 || i === count - 1) await cache.getViews(client, meterAt(i))
    }
    const after = await used()
    if ((await asked.dbsize()) !== count) throw new Error('Redis does not hold what the bench put there')
    return (after - before) / count
  } finally {
    asked.disconnect()
    await cache.close()
    await server.close()
  }
}

function meterAt(i: number): MeterId {
  return `prm:3${String(i).padStart(13, '0')}` as MeterId
}

/** The gate's local copies with so many meters in them: what each takes, and what a decision on one costs. */
async function localCopies(registry: Registry, policy: Policy, collect: () => unknown): Promise<Pieces['copies']> {
  const client = 'viriya' as ClientId
  const [given] = registry.views({ client, meter: meterAt(0) }).permissions
  if (!given) throw new Error('no permission to bench with')
  // As they come of the registry: of one purpose, each of its own person, days and moment.
  const views = (_client: ClientId, meter: MeterId): Promise<Views> => {
    const n = Number(meter.slice(5))
    const validFrom = (given.scope.validFrom + n * 997) as Millis
    const scope = { ...given.scope, validFrom, validUntil: (given.scope.validUntil + n * 997) as Millis }
    const one = { ...given, id: `m${n}-${n % 97}` as PermissionId, meter, scope, head: `${ORIGIN}/${3 * n}` }
    return Promise.resolve({ generation: 3 * n, permissions: [one] })
  }
  const source = { identify: () => Promise.resolve(undefined), views }
  const copies = lookups(source, undefined, { tokens: 1, recentViews: RECENT, packedViewBytes: 256 << 20 }, () => undefined)
  const caller: Caller = { client, purpose: 'self_view' as never, set: 'all', refusesNarrowing: false }
  const period = { from: today(-30), until: today(-2) } as never
  const decided = async (n: number): Promise<void> => {
    const meter = meterAt(n)
    const { permissions } = await copies.views(client, meter, false)
    const request: AccessRequest = { ...ASKED, meter, period }
    const decision = decide({ request, caller, permissions, policy, now: Date.now() as Millis })
    if (decision.result === 'deny') throw new Error(`the bench is refused: ${decision.reason}`)
  }
  const perDecision = async (rounds: number, which: (i: number) => number): Promise<number> => {
    for (let i = 0; i < rounds / 5; i += 1) await decided(which(i))
    const before = process.cpuUsage()
    for (let i = 0; i < rounds; i += 1) await decided(which(i))
    const { user, system } = process.cpuUsage(before)
    return (user + system) / rounds
  }
  const held = (): number => {
    collect()
    const { heapUsed, arrayBuffers } = process.memoryUsage()
    return heapUsed + arrayBuffers
  }
  const before = held()
  const decisions: { permissions: number; packedMicros: number; recentMicros: number }[] = []
  let count = 0
  for (const size of [1000, 10_000, 100_000, 1_000_000].filter((each) => each <= copyCount)) {
    for (; count < size; count += 1) await copies.views(client, meterAt(count), false)
    // A step that meets all of them, and none again before thousands of others.
    const packedMicros = await perDecision(20_000, (i) => (i * 7919 + 13) % size)
    decisions.push({ permissions: size, packedMicros, recentMicros: await perDecision(20_000, (i) => i % 100) })
  }
  return { permissions: count, bytes: (held() - before) / count, decisions }
}
