/** The ops listener by itself: what it answers to whom, and that a number that cannot be had does not take the others with it. */
import { connect } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import type { Readiness } from '../../../src/ops/health.ts'
import { serveHealth } from '../../../src/ops/health.ts'
import { numbersOf, scrapeOf } from '../../../src/ops/scrape.ts'
import { metricsOf } from '../../../src/runtime/metrics.ts'

let close: (() => Promise<void>) | undefined
afterEach(async () => {
  await close?.()
})

async function serve(readiness: Readiness = { ready: true, checks: { evidence: 'ok' } }, refresh = (): Promise<void> => Promise.resolve()) {
  const metrics = metricsOf()
  const health = await serveHealth(
    { address: '127.0.0.1', port: 0 },
    () => readiness,
    async () => scrapeOf([await numbersOf(metrics, refresh)]),
  )
  close = health.close
  return { url: health.url, metrics, get: (path: string, init?: RequestInit) => fetch(`${health.url}${path}`, init) }
}

test('/livez says that the process answers, whatever else is down', async () => {
  const { get } = await serve({ ready: false, checks: { evidence: 'down' } })
  const answer = await get('/livez')
  expect([answer.status, await answer.json()]).toStrictEqual([200, { live: true }])
})

test.each([
  [true, 200],
  [false, 503],
])('/readyz names each dependency: ready %s is %i', async (ready, status) => {
  const { get } = await serve({ ready, checks: { evidence: 'ok', redis: 'slow', config: 'stale' } })
  const answer = await get('/readyz')
  expect([answer.status, await answer.json()]).toStrictEqual([status, { ready, evidence: 'ok', redis: 'slow', config: 'stale' }])
  expect(answer.headers.get('cache-control')).toBe('no-store')
})

test('/metrics is the text that Prometheus reads', async () => {
  const { get, metrics } = await serve(undefined, () => {
    metrics.journalQueue.set(7)
    return Promise.resolve()
  })
  const answer = await get('/metrics')
  const text = await answer.text()
  expect(answer.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/)
  expect(text).toContain('\necluse_journal_queue 7\n')
  expect(text).toContain('\necluse_evidence_lost_total 0\n')
  expect(text).toContain('\necluse_metrics_failures_total 0\n')
})

test.each<[string, () => Promise<void>]>([
  ['fails', () => Promise.reject(new Error('no disk'))],
  ['never comes', () => new Promise(() => undefined)],
])('a number that %s leaves the others, and is counted', async (_how, refresh) => {
  const { get } = await serve(undefined, refresh)
  const answer = await get('/metrics', { signal: AbortSignal.timeout(5000) })
  expect(answer.status).toBe(200)
  expect(await answer.text()).toContain('\necluse_metrics_failures_total 1\n')
})

test.each(['POST', 'PUT', 'DELETE', 'HEAD', 'OPTIONS'])('%s is refused, with what is not', async (method) => {
  const { get } = await serve()
  const answer = await get('/livez', { method })
  expect([answer.status, answer.headers.get('allow')]).toStrictEqual([405, 'GET'])
})

test.each(['/', '/livez/', '/livez?x=1', '/metrics/../livez%2f', '/mesure_synchrone/v2/x/10000000000001', '/%E2%80%A8'])(
  'nothing else is here, and what was asked for is not repeated: %s',
  async (path) => {
    const { get } = await serve()
    const answer = await get(path)
    expect([answer.status, await answer.json()]).toStrictEqual([404, { error: 'here are /livez, /readyz and /metrics' }])
  },
)

test('what is not HTTP gets 400 and the end of its connection; the listener goes on', async () => {
  const { url, get } = await serve()
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  socket.write('\x16\x03\x01 10000000000001\r\n\r\n')
  let text = ''
  socket.setEncoding('latin1').on('data', (chunk: string) => (text += chunk))
  await new Promise((resolve) => socket.once('close', resolve))
  expect(text).toMatch(/^HTTP\/1\.1 400 /)
  expect(text).not.toContain('10000000000001')
  expect((await get('/livez')).status).toBe(200)
})

test('every metric has the prefix, a sentence, and labels from the closed list', async () => {
  const labels = new Set(['result', 'reason', 'rule', 'outcome', 'provider', 'account', 'api', 'what', 'state', 'route'])
  const all = await metricsOf().registry.getMetricsAsJSON()
  expect(all.length).toBeGreaterThan(15)
  for (const { name, help } of all) {
    expect(name).toMatch(/^ecluse_[a-z_]+$/)
    expect(help.length).toBeGreaterThan(10)
  }
  const named = Object.values(metricsOf()).flatMap((metric) => ('labelNames' in metric ? (metric.labelNames as string[]) : []))
  expect(new Set(named)).toStrictEqual(labels)
})
