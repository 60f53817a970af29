/**
 * Two gates that are asked the same, one without Redis and one with it: what clients are told is the same whatever
 * becomes of Redis, and what it costs is bounded.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis, type RedisOptions } from 'ioredis'
import { expect } from 'vitest'
import type { GateHandle, TestGate } from './gate.ts'
import { aGate, bearer, curve } from './gate.ts'
import type { Tree } from './settings.ts'
import { today } from './settings.ts'

/** After which the gates of tests ask the registry instead. */
export const TIMEOUT_MS = 50
/** What a broken Redis may add to an answer, by the median: a machine that others use stalls now and then. */
const COSTS_MS = 250

export interface Answer {
  readonly status: number
  readonly reason: string | null
  readonly narrowed: string | null
  readonly body: string
}
export interface TwoGates {
  readonly plain: TestGate
  readonly cached: TestGate
  /** Asks both, with new permissions and tokens, so that no copy of a gate's own answers; then compares. */
  same(): Promise<void>
  /** What `/readyz` of the second one says of Redis. */
  standing(): Promise<string>
  /** Within `ms` Redis is in use again, by itself. */
  recovers(ms?: number): Promise<void>
  stop(): Promise<void>
}

const STATUSES = [200, 200, 403, 200, 403, 200, 401]

export async function twoGates(redis: Tree, env: Record<string, string> = {}): Promise<TwoGates> {
  const plain = await aGate()
  const cached = await aGate({ change: withRedis(redis), env: { ...plain.env, ...env } })
  let serial = 0
  async function same(): Promise<void> {
    const n = (serial += 1)
    const [without, withIt] = [await scenario(plain, n), await scenario(cached, n)]
    expect(withIt.answers).toStrictEqual(without.answers)
    expect(withIt.answers.map((a) => a.status)).toStrictEqual(STATUSES)
    expect(withIt.ms - without.ms).toBeLessThan(COSTS_MS)
  }
  const standing = (): Promise<string> => redisStanding(cached)
  return {
    plain,
    cached,
    same,
    standing,
    async recovers(ms = 8000) {
      await until(async () => (await standing()) === 'ok', ms)
      const before = await results(cached)
      await same()
      const after = await results(cached)
      expect((after['miss'] ?? 0) - (before['miss'] ?? 0), 'it is asked again').toBeGreaterThan(0)
    },
    async stop() {
      await cached.stop()
      await plain.stop()
    },
  }
}

export async function ask(gate: GateHandle, token: string, path: string): Promise<{ readonly answer: Answer; readonly ms: number }> {
  const started = performance.now()
  const said = await fetch(gate.url + path, bearer(token))
  const body = await said.text()
  const answer = { status: said.status, reason: said.headers.get('ecluse-reason'), narrowed: said.headers.get('ecluse-narrowed'), body }
  return { answer, ms: performance.now() - started }
}

async function scenario(gate: TestGate, n: number): Promise<{ readonly answers: Answer[]; readonly ms: number }> {
  const meter = (i: number): string => `4${String(n).padStart(9, '0')}${String(i).padStart(4, '0')}`
  await gate.permit(
    { id: `given-${n}`, meter: meter(1), from: today(-100), until: today(-10) },
    { id: `ended-${n}`, meter: meter(2), from: today(-100), until: today(-10) },
  )
  const [first, second] = [await gate.token(), await gate.token()]
  const asked = [
    await ask(gate, first, curve(meter(1), today(-20), today(-18))),
    await ask(gate, second, curve(meter(1), today(-12), today(-8))),
    await ask(gate, first, curve(meter(3), today(-20), today(-18))),
    await ask(gate, first, curve(meter(2), today(-20), today(-18))),
  ]
  await gate.command('permission withdraw', { permission: `ended-${n}` })
  asked.push(await ask(gate, first, curve(meter(2), today(-20), today(-18))))
  await gate.permit({ id: `late-${n}`, meter: meter(3), from: today(-100), until: today(-10) })
  asked.push(await ask(gate, first, curve(meter(3), today(-20), today(-18))))
  await gate.command('token revoke', { token: first })
  asked.push(await ask(gate, first, curve(meter(1), today(-20), today(-18))))
  return { answers: asked.map((a) => a.answer), ms: asked.map((a) => a.ms).toSorted((a, b) => a - b)[3] ?? Infinity }
}

export function withRedis(redis: Tree): (tree: Tree) => void {
  return (tree) => {
    tree['redis'] = { command_timeout_ms: TIMEOUT_MS, ...redis }
  }
}

export async function redisStanding(gate: TestGate): Promise<string> {
  const ready = (await (await fetch(`${gate.ops}/readyz`)).json()) as Record<string, string>
  return ready['redis'] ?? ''
}

/** What look-ups in Redis gave, by the metrics. */
export async function results(gate: TestGate): Promise<Record<string, number>> {
  const text = await (await fetch(`${gate.ops}/metrics`)).text()
  return Object.fromEntries([...text.matchAll(/^ecluse_redis_total\{result="(\w+)"\} (\d+)$/gm)].map((m) => [m[1] ?? '', Number(m[2])]))
}

export const silent = { warn: () => undefined }

export function redisSettings(port: number) {
  return { url: `redis://127.0.0.1:${port}`, ttlSeconds: 60, commandTimeoutMs: 200 }
}

/** Whoever runs the server. */
export function anAdmin(port: number, options: Omit<RedisOptions, 'replyMapping'> = {}): Redis {
  const redis = new Redis({ port, host: '127.0.0.1', ...options })
  redis.on('error', () => undefined)
  return redis
}

export async function until(done: () => boolean | Promise<boolean>, ms = 5000): Promise<void> {
  const deadline = performance.now() + ms
  while (!(await done())) {
    if (performance.now() > deadline) throw new Error('what the test waits for did not come')
    await sleep(20)
  }
}
