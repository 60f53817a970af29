/** What operators do to a gate that serves: change its settings, stop it, look at it, lose its log. Real processes, under load. */
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect as connectTls } from 'node:tls'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { parse, stringify } from 'yaml'
import { RIGHT_STATES } from '../../src/domain/vocabulary.ts'
import { REASONS } from '../../src/domain/errors.ts'
import { OUTCOMES } from '../../src/domain/record.ts'
import { startSandbox } from '../../src/sandbox/sandbox.ts'
import type { GateHandle, GateProcess } from '../harness/gate.ts'
import { aGateProcess, bearer, curve, removeFolder } from '../harness/gate.ts'
import type { FakeHolder } from '../harness/holder.ts'
import { answer, fakeHolder, measure2026, ordinary } from '../harness/holder.ts'
import type { Tree } from '../harness/settings.ts'
import { METER, OTHER_METER, today } from '../harness/settings.ts'
import { headerOf, wire } from '../harness/wire.ts'

const main = join(import.meta.dirname, '..', '..', 'src', 'cli', 'main.ts')
const tlsFile = (name: string): string => join(import.meta.dirname, '..', 'fixtures', 'tls', name)

let holder: FakeHolder
const gates: GateProcess[] = []
beforeEach(async () => {
  holder = await fakeHolder()
})
afterEach(async () => {
  for (const gate of gates.splice(0)) {
    if (gate.child.exitCode === null && gate.child.signalCode === null) await gate.kill()
    removeFolder(gate)
  }
  await holder.close()
})

async function start(args: readonly string[] = [], change?: (tree: Tree) => void): Promise<GateProcess> {
  const gate = await aGateProcess({ holder, args, ...(change && { change }) })
  gates.push(gate)
  return gate
}
const treeOf = (gate: GateHandle): Tree => parse(readFileSync(gate.config, 'utf8')) as Tree
const readyz = async (gate: GateHandle): Promise<{ status: number; body: Record<string, unknown> }> => {
  const said = await fetch(`${gate.ops}/readyz`)
  return { status: said.status, body: (await said.json()) as Record<string, unknown> }
}
const metricsText = async (gate: GateHandle): Promise<string> => (await fetch(`${gate.ops}/metrics`)).text()
const metric = async (gate: GateHandle, name: string): Promise<number> =>
  Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(await metricsText(gate))?.[1])
/** Waits for what a gate does by itself, within the time in which it must. */
async function until<T>(look: () => T | Promise<T>, is: (value: T) => boolean, ms = 8000): Promise<T> {
  for (const end = performance.now() + ms; ;) {
    const value = await look()
    if (is(value) || performance.now() > end) return value
    await sleep(20)
  }
}
const configOf = async (gate: GateHandle): Promise<unknown> => (await readyz(gate)).body['config']
const logLines = (gate: GateProcess): Record<string, unknown>[] =>
  gate
    .output()
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Record<string, unknown>)

/** Replaces the file in one step, as an editor or a deployment does. */
function replace(file: string, text: string): void {
  writeFileSync(`${file}.new`, text)
  renameSync(`${file}.new`, file)
}

test('settings that change ten times a second under load: each answer and its entry follow one policy, the same', async () => {
  // Each refusal with an entry of its own.
  const gate = await start([], (tree) => (tree['client_limits'] = { refusals_per_minute: 100_000 }))
  await gate.permit({ id: 'p1', from: today(-100), until: today(-10) })
  const token = await gate.token()
  const narrowing = treeOf(gate)
  const refusing = structuredClone(narrowing)
  ;(refusing['rules'] as Tree[])[0] = { ...(refusing['rules'] as Tree[])[0], on_overrun: 'refuse' }
  const texts = [stringify(refusing), stringify(narrowing)]

  let over = false
  const seen: { status: number; entry: string }[] = []
  const clients = Array.from({ length: 6 }, async (_, i) => {
    // Twelve days are two calls to the holder: a change comes between them, too.
    const path = i % 2 === 0 ? curve(METER, today(-12), today(-8)) : curve(METER, today(-22), today(-8))
    while (!over) {
      const said = await fetch(gate.url + path, bearer(token))
      await said.arrayBuffer()
      seen.push({ status: said.status, entry: said.headers.get('audit-entry') ?? '' })
    }
  })
  const ways: ((text: string, i: number) => void)[] = [
    (text) => replace(gate.config, text),
    (text) => writeFileSync(gate.config, text),
    (text, i) => {
      // As Kubernetes does: a link to a link whose folder is swapped.
      const folder = join(gate.folder, `..${i}`)
      mkdirSync(folder)
      writeFileSync(join(folder, 'ecluse.yaml'), text)
      symlinkSync(`..${i}`, join(gate.folder, '..data_tmp'))
      renameSync(join(gate.folder, '..data_tmp'), join(gate.folder, '..data'))
      symlinkSync(join('..data', 'ecluse.yaml'), `${gate.config}.new`)
      renameSync(`${gate.config}.new`, gate.config)
    },
  ]
  for (let i = 0; i < 40; i++) {
    ways[i % 3]?.(texts[i % 2] ?? '', i)
    if (i % 4 === 0) gate.child.kill('SIGHUP')
    await sleep(100)
  }
  // A busy machine may have taken only the last of them so far.
  const taken = async (): Promise<number> => (await gate.entries()).filter((e) => e.t === 'log.config').length
  for (let i = 40; i < 80 && (await taken()) <= 2; i++) {
    ways[i % 3]?.(texts[i % 2] ?? '', i)
    await sleep(500)
  }
  over = true
  await Promise.all(clients)
  await until(
    () => configOf(gate),
    (config) => config === 'ok',
  )

  const entries = await gate.entries()
  const hashes = [...new Set(entries.filter((e) => e.t === 'log.config').map((e) => String(e['policy'])))]
  expect(hashes).toHaveLength(2)
  expect(entries.filter((e) => e.t === 'log.config').length).toBeGreaterThan(2)
  const statusUnder = new Map([
    [hashes[0], 200],
    [hashes[1], 403],
  ])
  expect(seen.length).toBeGreaterThan(50)
  expect(new Set(seen.map((s) => s.status))).toStrictEqual(new Set([200, 403]))
  const byNumber = new Map(entries.map((e) => [e.n, e]))
  const mixed = seen.filter(({ status, entry }) => {
    const first = byNumber.get(Number(entry.split('/').at(-1)))
    // Every entry of the request, not only the first: all its calls under the policy that it began with.
    const all = entries.flatMap((e) => (e['req'] === first?.['req'] && e['dec'] !== undefined ? [(e['dec'] as Tree)['policy']] : []))
    return all.length === 0 || all.some((policy) => statusUnder.get(String(policy)) !== status)
  })
  expect(mixed).toStrictEqual([])
  expect(await gate.stop()).toBe(0)
})

test('a file that is broken, cut, or gone changes nothing but its own standing; a good one is taken again', async () => {
  const gate = await start()
  await gate.permit({ id: 'p1' })
  const token = await gate.token()
  const good = readFileSync(gate.config, 'utf8')
  const answers = async (): Promise<number> => (await fetch(gate.url + curve(METER, today(-20), today(-18)), bearer(token))).status
  const spoilt: [string, () => void, string][] = [
    [
      'mistakes',
      () => replace(gate.config, `${good.replace('denial_style: domoticz', 'denial_style: domotics')}nmae: 1\n`),
      "did you mean 'domoticz'",
    ],
    [
      'a secret in it',
      () =>
        replace(
          gate.config,
          good.replace('{ env: TEST_ENEDIS_SECRET }', 'canary-in-the-yaml').replace('env: TEST_ENEDIS_SECRET', 'canary-in-the-yaml'),
        ),
      'a secret is never written',
    ],
    ['half written', () => truncateSync(gate.config, Math.floor(good.length / 2)), ''],
    ['deleted', () => unlinkSync(gate.config), 'cannot be read (ENOENT)'],
    ['empty', () => writeFileSync(gate.config, ''), 'the file is empty'],
  ]
  for (const [, spoil, sentence] of spoilt) {
    const before = logLines(gate).length
    spoil()
    expect(
      await until(
        () => configOf(gate),
        (config) => config === 'stale',
      ),
    ).toBe('stale')
    expect((await readyz(gate)).status).toBe(200)
    expect(await metric(gate, 'ecluse_config_stale')).toBe(1)
    expect(await answers()).toBe(200)
    const line = await until(
      () =>
        logLines(gate)
          .slice(before)
          .find((one) => 'mistakes' in one),
      (found) => found !== undefined,
    )
    expect(line).toMatchObject({ level: 50, msg: 'the settings file is not taken: the policy in force stays' })
    const mistakes = (line?.['mistakes'] ?? []) as { line: number; column: number; message: string }[]
    expect(mistakes.map((m) => m.message).join()).toContain(sentence)
    expect(mistakes.filter((m) => !(m.line > 0) || !(m.column > 0))).toStrictEqual([])
    replace(gate.config, good)
    expect(
      await until(
        () => configOf(gate),
        (config) => config === 'ok',
      ),
    ).toBe('ok')
    expect(await metric(gate, 'ecluse_config_stale')).toBe(0)
  }
  expect(gate.output()).not.toContain('canary-in-the-yaml')
  expect(await gate.stop()).toBe(0)
})

test('a key that needs a restart keeps the whole file from being taken, and is named', async () => {
  const gate = await start()
  const token = await gate.token('office')
  const tree = treeOf(gate)
  ;(tree['listeners'] as { gate: Tree }).gate['idle_seconds'] = 90
  tree['clients'] = (tree['clients'] as Tree[]).filter(({ id }) => id !== 'office')
  replace(gate.config, stringify(tree))
  expect(
    await until(
      () => configOf(gate),
      (config) => config === 'stale',
    ),
  ).toBe('stale')
  const line = logLines(gate).find((one) => 'needsRestart' in one && (one['needsRestart'] as string[]).length > 0)
  expect(line?.['needsRestart']).toStrictEqual(['listeners.gate.idle_seconds'])
  // The client that the file takes out is a client still.
  const said = await fetch(gate.url + curve(METER, today(-20), today(-18)), bearer(token))
  expect([said.status, said.headers.get('ecluse-reason')]).toStrictEqual([403, 'no_permission'])
  expect(await gate.command('reload', {})).toStrictEqual(['listeners.gate.idle_seconds: needs restart'])
  expect(await gate.stop()).toBe(0)
})

test('a client that is taken out is refused from then on, and its call under way is cut within a second', async () => {
  const gate = await start()
  await gate.permit({ id: 'p1' })
  const [viriya, office] = [await gate.token(), await gate.token('office')]
  const path = curve(METER, today(-20), today(-18))
  expect((await fetch(gate.url + path, bearer(office))).status).toBe(403)
  // The head and half a body, and then nothing.
  let hanging = false
  holder.script = ({ target }, socket) => {
    const body = measure2026('courbe', METER, today(-20), today(-18))
    const head = `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`
    socket.write(head + body.slice(0, body.length / 2))
    hanging = target.includes(METER)
  }
  const under = fetch(gate.url + path, bearer(viriya)).then(
    async (said) => `${said.status} ${(await said.text()).length > 0 ? said.headers.get('ecluse-reason') : ''}`,
  )
  const ended = under.catch(() => 'cut').then((how) => ({ how, at: performance.now() }))
  await until(() => hanging, Boolean)
  const tree = treeOf(gate)
  tree['clients'] = (tree['clients'] as Tree[]).filter(({ id }) => id !== 'viriya')
  replace(gate.config, stringify(tree))
  expect(await gate.command('reload', {})).toStrictEqual([])
  const returned = performance.now()
  const calls = holder.calls.length
  const said = await fetch(gate.url + path, bearer(viriya))
  expect([said.status, said.headers.get('ecluse-reason')]).toStrictEqual([401, 'client_disabled'])
  const { how, at } = await ended
  expect(how).toMatch(/^(cut|401 client_disabled)$/)
  expect(at - returned).toBeLessThan(1000)
  expect(holder.calls).toHaveLength(calls)
  const outcome = (await gate.entries()).find((e) => e.t === 'access.outcome')
  expect(outcome).toMatchObject({ result: 'withdrawn' })
  expect(await gate.stop()).toBe(0)
})

test('the certificate of the listener is read again on SIGHUP; a broken one keeps the one in force', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'ecluse-tls-'))
  const [certificate, key] = [join(folder, 'chain.pem'), join(folder, 'key.pem')]
  copyFileSync(tlsFile('server.pem'), certificate)
  copyFileSync(tlsFile('server.key'), key)
  const gate = await start([], (tree) => {
    ;(tree['listeners'] as { gate: Tree }).gate['tls'] = { certificate, key }
  })
  const shown = (): Promise<string> =>
    new Promise((resolve, reject) => {
      const socket = connectTls({ port: gate.port, host: '127.0.0.1', rejectUnauthorized: false }, () => {
        resolve(socket.getPeerCertificate().valid_to.slice(-8, -4))
        socket.destroy()
      })
      socket.once('error', reject)
    })
  expect(await shown()).toBe('2120')
  expect(await metric(gate, 'ecluse_certificate_not_after_seconds')).toBe(Date.UTC(2120, 0, 1) / 1000)
  copyFileSync(tlsFile('expired.pem'), certificate)
  gate.child.kill('SIGHUP')
  expect(await until(shown, (year) => year === '2021')).toBe('2021')
  writeFileSync(certificate, 'no certificate')
  gate.child.kill('SIGHUP')
  expect(
    await until(
      () => configOf(gate),
      (config) => config === 'stale',
    ),
  ).toBe('stale')
  expect(await shown()).toBe('2021')
  unlinkSync(certificate)
  expect(await metric(gate, 'ecluse_certificate_not_after_seconds')).toBe(0)
  copyFileSync(tlsFile('server.pem'), certificate)
  gate.child.kill('SIGHUP')
  expect(
    await until(
      () => configOf(gate),
      (config) => config === 'ok',
    ),
  ).toBe('ok')
  expect(await shown()).toBe('2120')
  expect(await gate.stop()).toBe(0)
  rmSync(folder, { recursive: true })
})

/** A client that keeps its connection, and comes back on another when it is told to. */
async function poll(
  gate: GateHandle,
  token: string,
  path: string,
  goesOn: () => boolean,
): Promise<{ asked: number; failed: string[]; closed: number }> {
  const done = { asked: 0, failed: [] as string[], closed: 0 }
  const text = `GET ${path} HTTP/1.1\r\nHost: gate\r\nAuthorization: Bearer ${token}\r\n\r\n`
  let line = await wire(gate.port)
  while (goesOn()) {
    done.asked += 1
    try {
      line.send(text)
      const said = await line.next(10_000)
      if (said.status !== 200) done.failed.push(`status ${said.status}`)
      if (headerOf(said, 'connection') === 'close') {
        done.closed += 1
        await line.closed()
        if (goesOn()) line = await wire(gate.port)
      }
    } catch (error) {
      done.failed.push(String(error))
      return done
    }
  }
  line.end()
  return done
}

test('SIGTERM under load: /readyz is red first, the listener stays, and no request of a client that leaves in time fails', async () => {
  const gate = await start(['--drain-ms', '3000'])
  await gate.permit({ id: 'p1' })
  const token = await gate.token()
  // One download that takes longer than the drain, and ends well.
  const body = measure2026('courbe', METER, today(-30), today(-24))
  holder.script = (seen, socket) => {
    if (!seen.target.includes(today(-30))) return ordinary(seen, socket)
    socket.write(`HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`)
    const pieces = Array.from({ length: 10 }, (_, i) => body.slice((i * body.length) / 10, ((i + 1) * body.length) / 10))
    const drip = setInterval(() => {
      const piece = pieces.shift()
      if (piece === undefined) clearInterval(drip)
      else socket.write(piece)
    }, 450)
  }
  const long = fetch(gate.url + curve(METER, today(-30), today(-24)), bearer(token)).then(async (said) => ({
    status: said.status,
    text: await said.text(),
  }))
  let leave = false
  const clients = Array.from({ length: 8 }, () => poll(gate, token, curve(METER, today(-20), today(-18)), () => !leave))
  await sleep(1000)
  const ended = new Promise<number | null>((resolve) => gate.child.once('exit', resolve))
  gate.child.kill('SIGTERM')
  const red = await until(
    () => readyz(gate),
    ({ status }) => status === 503,
    1000,
  )
  expect(red).toMatchObject({ status: 503, body: { ready: false, listener: 'down', evidence: 'ok' } })
  expect((await fetch(`${gate.ops}/livez`)).status).toBe(200)
  // The load balancer notices now, and a second later sends nobody any more.
  await sleep(1000)
  leave = true
  const told = await Promise.all(clients)
  expect(told.flatMap((one) => one.failed)).toStrictEqual([])
  expect(told.reduce((sum, one) => sum + one.asked, 0)).toBeGreaterThan(50)
  for (const one of told) expect(one.closed).toBeGreaterThan(0)
  const { status, text } = await long
  expect([status, (JSON.parse(text) as { grandeur: [{ points: unknown[] }] }).grandeur[0].points.length]).toStrictEqual([200, 6 * 48])
  expect(await ended).toBe(0)

  const again = await aGateProcess({ holder, folder: gate.folder, env: gate.env })
  gates.push(again)
  const entries = await again.entries()
  expect(entries.filter((e) => e['result'] === 'interrupted')).toStrictEqual([])
  expect(entries.filter((e) => e.t === 'access.outcome')).toHaveLength(entries.filter((e) => e.t === 'access.intent').length)
}, 60_000)

test('a download that outlives the grace is cut, recorded as timed out, and the gate still ends by itself', async () => {
  const gate = await start(['--grace-ms', '700'])
  await gate.permit({ id: 'p1' })
  const token = await gate.token()
  holder.script = (_seen, socket) =>
    void socket.write('HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n{"idPrm"')
  const line = await wire(gate.port)
  line.send(`GET ${curve(METER, today(-20), today(-18))} HTTP/1.1\r\nHost: gate\r\nAuthorization: Bearer ${token}\r\n\r\n`)
  await until(
    () => holder.calls.length,
    (calls) => calls === 1,
  )
  const started = performance.now()
  expect(await gate.stop()).toBe(0)
  expect(performance.now() - started).toBeLessThan(8000)
  const again = await aGateProcess({ holder, folder: gate.folder, env: gate.env })
  gates.push(again)
  expect((await again.entries()).filter((e) => e.t === 'access.outcome')).toMatchObject([{ result: 'timeout' }])
  line.end()
})

/** Makes the gate write about ten kilobytes into its log, again and again. */
async function flood(gate: GateProcess, times: number): Promise<void> {
  const good = readFileSync(gate.config, 'utf8')
  replace(gate.config, `${good}${Array.from({ length: 100 }, (_, i) => `${'unknown'.repeat(5)}${i}: 1\n`).join('')}`)
  for (let i = 0; i < times; i++) await gate.command('reload', {})
  replace(gate.config, good)
  await gate.command('reload', {})
}

test('a reader of the log that stops: requests are answered and recorded, lines are lost and counted, and the gate ends', async () => {
  const gate = await start()
  await gate.permit({ id: 'p1' })
  const token = await gate.token()
  gate.child.stdout?.pause()
  await flood(gate, 250)
  expect(await metric(gate, 'ecluse_log_lines_dropped_total')).toBeGreaterThan(0)
  for (let i = 0; i < 20; i++) expect((await fetch(gate.url + curve(METER, today(-20), today(-18)), bearer(token))).status).toBe(200)
  expect((await gate.entries()).filter((e) => e['result'] === 'delivered')).toHaveLength(20)
  expect(await metric(gate, 'ecluse_evidence_lost_total')).toBe(0)
  const started = performance.now()
  expect(await gate.stop()).toBe(0)
  expect(performance.now() - started).toBeLessThan(10_000)
}, 60_000)

test('a reader of the log that goes away (EPIPE) takes nothing with it', async () => {
  const gate = await start()
  await gate.permit({ id: 'p1' })
  const token = await gate.token()
  gate.child.stdout?.destroy()
  await flood(gate, 3)
  expect((await fetch(gate.url + curve(METER, today(-20), today(-18)), bearer(token))).status).toBe(200)
  expect(await metric(gate, 'ecluse_log_lines_dropped_total')).toBeGreaterThan(0)
  expect(await gate.stop()).toBe(0)
})

test('numbers after every kind of request: fed, and no label that a caller could choose', async () => {
  const gate = await start()
  await gate.permit({ id: 'p1', from: today(-100), until: today(-10) })
  const token = await gate.token()
  const ask = (path: string, init: RequestInit = bearer(token)): Promise<number> => fetch(gate.url + path, init).then((said) => said.status)
  expect(await ask(curve(METER, today(-20), today(-18)))).toBe(200)
  expect(await ask(curve(METER, today(-12), today(-8)))).toBe(200)
  expect(await ask(curve(OTHER_METER, today(-20), today(-18)))).toBe(403)
  // Only the ops listener tells how the gate does.
  for (const path of ['/livez', '/readyz', '/metrics']) expect(await ask(path)).toBe(404)
  const odd = ['x'.repeat(40), '10000000000009', '%E2%80%A8', 'a"b', 'a\\b', 'NaN']
  for (const text of odd) {
    await ask(`/${encodeURIComponent(text)}?${encodeURIComponent(text)}=1`)
    await ask(curve(encodeURIComponent(text), today(-20), today(-18)))
    await ask(`/mesure_synchrone_auto/v2/${encodeURIComponent(text)}?pointId=${METER}`, {
      headers: { authorization: `Bearer ${encodeURIComponent(text)}` },
    })
    await ask(curve(METER, today(-20), today(-18)), { ...bearer(token), method: 'PATCH' })
    const line = await wire(gate.port)
    line.send(`GET /${text} HTTP/1.1\r\nHost: ${text}\r\nX-${text}: 1\r\n\r\n`)
    await line.closed(300).catch(() => line.end())
  }
  holder.script = (_seen, socket) =>
    answer(socket, 404, JSON.stringify({ error: odd[0], error_description: odd[1] }), { 'X-Odd': odd[0] ?? '' })
  await ask(curve(METER, today(-20), today(-18)))
  await gate.entries()

  const text = await metricsText(gate)
  const results = ['allow', 'narrow', 'deny', 'cut', ...OUTCOMES, 'local', 'shared', 'registry', 'hit', 'miss', 'forged', 'fault']
  const closed: Record<string, readonly string[]> = {
    result: results,
    reason: [...Object.keys(REASONS), 'no_data', 'before_activation', 'period_refused', 'bad_request', 'unparsed', 'token_call'],
    provider: ['enedis-data-connect'],
    account: ['main'],
    what: ['token', 'views'],
    state: RIGHT_STATES,
    le: ['0.0005', '0.001', '0.002', '0.005', '0.01', '0.02', '0.05', '0.1', '0.2', '0.5', '1', '2', '5', '10', '30', '120', '+Inf'],
  }
  const apis = new Set<string>()
  for (const line of text.split('\n').filter((one) => one !== '' && !one.startsWith('#'))) {
    const [, labels = ''] = /^[a-z_]+(?:\{(.*)\})? \S+$/.exec(line) ?? expect.unreachable(`not a line of Prometheus: ${line}`)
    for (const [, name = '', value = ''] of labels.matchAll(/([a-z]+)="([^"]*)"/g)) {
      if (name === 'api') apis.add(value)
      else expect(closed[name] ?? [`no label ${name}`], line).toContain(value)
    }
  }
  expect([...apis].join()).toMatch(/^[a-z0-9_/-]+$/)
  expect(text).not.toMatch(/(?<![\d.])\d{14}(?!\d)/)
  for (const one of odd.slice(0, 2)) expect(text).not.toContain(one)
  const value = (name: string): number => Number(new RegExp(`^${name.replaceAll(/[{}]/g, '\\$&')} (\\S+)$`, 'm').exec(text)?.[1])
  expect(value('ecluse_decisions_total{result="allow"}')).toBe(1)
  expect(value('ecluse_decisions_total{result="narrow"}')).toBe(1)
  expect(value('ecluse_decisions_total{result="deny",reason="no_permission"}')).toBe(2)
  expect(value('ecluse_decisions_total{result="deny",reason="bad_request"}')).toBe(1)
  expect(value('ecluse_journal_commit_seconds_count')).toBeGreaterThan(3)
  expect(value('ecluse_holder_seconds_count{provider="enedis-data-connect"}')).toBe(3)
  expect(value(`ecluse_quota_left{account="main",api="${[...apis][0] ?? ''}"}`)).toBe(1_000_000 - 3)
  expect(value('ecluse_ready')).toBe(1)
  expect(value('ecluse_disk_free_bytes')).toBeGreaterThan(0)
  expect(value('ecluse_permissions_expiring')).toBeGreaterThanOrEqual(0)
  expect(value('ecluse_log_entries')).toBe((await gate.entries()).length)
  expect([value('ecluse_sealing_backlog_rows'), value('ecluse_sealing_backlog_seconds')]).toStrictEqual([0, 0])
  expect(value('ecluse_evidence_lost_total')).toBe(0)
  expect((await readyz(gate)).body).toStrictEqual({
    ready: true,
    evidence: 'ok',
    sealing: 'ok',
    disk: 'ok',
    clock: 'ok',
    redis: 'off',
    config: 'ok',
    listener: 'ok',
    'enedis-data-connect': 'ok',
  })
  expect(await gate.stop()).toBe(0)
})

async function cli(words: readonly string[], env: Record<string, string> = {}): Promise<{ code: number | null; out: string; err: string }> {
  const child = spawn(process.execPath, [main, ...words], { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  let [out, err] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text))
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
  return { code, out, err }
}

test('init, check, doctor, serve, client add, a token: with nothing but the commands that init names', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'ecluse-new-'))
  const sandbox = await startSandbox({ port: 0 })
  try {
    const made = await cli(['init', join(folder, 'gate'), '--name', 'gate.town.example', '--sandbox', sandbox.url])
    expect([made.code, made.err]).toStrictEqual([0, ''])
    const file = join(folder, 'gate', 'ecluse.yaml')
    for (const command of ['check', 'doctor --config', 'serve --config']) expect(made.out).toContain(`ecluse ${command} ${file}`)
    // Other tests may have the usual ports.
    writeFileSync(file, readFileSync(file, 'utf8').replaceAll(/^( +port): \d+$/gm, '$1: 0'))
    expect(await cli(['check', file])).toMatchObject({
      code: 0,
      err: '',
      out: expect.stringContaining('is good; policy sha256:') as string,
    })
    const doctor = await cli(['doctor', '--config', file])
    expect(doctor).toMatchObject({ code: 0, err: '' })
    expect(doctor.out).toMatch(/\nok {4}enedis-data-connect: account main gets an application token \(\d+ ms\)\n/)
    expect(doctor.out).toMatch(/\n\d+ ok, \d+ to look at, 0 failed\n$/)

    const serve = spawn(process.execPath, [main, 'serve', '--config', file, '--drain-ms', '0'], { stdio: ['ignore', 'pipe', 'inherit'] })
    const ended = new Promise<number | null>((resolve) => serve.once('exit', resolve))
    const url = await new Promise<string>((resolve, reject) => {
      serve.once('exit', (code) => reject(new Error(`the gate ended with ${code} before it was ready`)))
      createInterface({ input: serve.stdout }).on('line', (line) => {
        const at = (JSON.parse(line) as { url?: string }).url
        if (at !== undefined) resolve(at)
      })
    })
    const added = await cli(['client', 'add', 'city-dashboard', '--config', file, '--json'])
    const { clientId, secret } = JSON.parse(added.out) as { clientId: string; secret: string }
    const form = new URLSearchParams({ grant_type: 'client_credentials', client_id: clientId, client_secret: secret })
    const token = await fetch(`${url}/oauth2/v3/token`, { method: 'POST', body: form })
    expect(token.status).toBe(200)
    const { access_token: access } = (await token.json()) as { access_token: string }
    const said = await fetch(url + curve(METER, today(-20), today(-18)), bearer(access))
    expect([said.status, said.headers.get('ecluse-reason')]).toStrictEqual([403, 'no_permission'])
    serve.kill('SIGTERM')
    expect(await ended).toBe(0)

    const again = await cli(['init', join(folder, 'gate')])
    expect([again.code, again.out]).toStrictEqual([1, ''])
    expect(again.err).toContain('is there already, so nothing was written')
  } finally {
    await sandbox.close()
    rmSync(folder, { recursive: true, force: true })
  }
}, 60_000)

test('doctor ends with 1 where something fails and with 2 where it has nothing to look at, and --json says the same', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'ecluse-new-'))
  await cli(['init', folder])
  const file = join(folder, 'ecluse.yaml')
  writeFileSync(
    file,
    readFileSync(file, 'utf8')
      .replace(/url: https:.*/, `url: ${holder.url}`)
      .replace('allow_private: false', 'allow_private: true'),
  )
  const text = await cli(['doctor', '--config', file])
  expect(text.code).toBe(1)
  expect(text.out).toContain('\nfail  secrets: account main has the placeholders that ecluse init made\n      → write client_id')
  const json = await cli(['doctor', '--json'], { ECLUSE_CONFIG: file })
  expect(json).toMatchObject({ code: 1, err: '' })
  const { ok, findings } = JSON.parse(json.out) as { ok: boolean; findings: { standing: string }[] }
  expect([ok, findings.filter((f) => f.standing === 'fail').length]).toStrictEqual([false, text.out.split('\nfail ').length - 1])
  expect((await cli(['doctor', '--config', join(folder, 'nothing.yaml')])).code).toBe(1)
  expect(await cli(['doctor'])).toMatchObject({ code: 2, out: '', err: expect.stringContaining('--config FILE') as string })
  rmSync(folder, { recursive: true })
})

test('doctor asks a real Redis, with the right password and a wrong one', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'ecluse-redis-'))
  const port = await freePort()
  const server = spawn(
    'redis-server',
    [
      '--port',
      String(port),
      '--bind',
      '127.0.0.1',
      '--save',
      '',
      '--appendonly',
      'no',
      '--dir',
      folder,
      '--requirepass',
      'canary-password',
    ],
    { stdio: 'ignore' },
  )
  try {
    const made = await cli(['init', join(folder, 'gate'), '--sandbox', holder.url])
    expect(made.code).toBe(0)
    const file = join(folder, 'gate', 'ecluse.yaml')
    writeFileSync(
      file,
      `${readFileSync(file, 'utf8')}\nredis:\n  url: redis://127.0.0.1:${port}\n  password: { env: REDIS_PASSWORD }\n  command_timeout_ms: 5000\n`,
    )
    const line = async (password: string): Promise<string | undefined> => {
      const { out } = await cli(['doctor', '--config', file], { REDIS_PASSWORD: password })
      expect(out).not.toContain(password)
      return out.split('\n').find((one) => / redis: /.test(one))
    }
    await until(
      () => line('canary-password'),
      (one) => one?.startsWith('ok') ?? false,
    )
    expect(await line('canary-password')).toMatch(new RegExp(`^ok {4}redis: 127\\.0\\.0\\.1:${port} answers in [\\d.]+ ms$`))
    expect(await line('canary-wrong')).toBe(`warn  redis: 127.0.0.1:${port} refuses (WRONGPASS)`)
  } finally {
    server.kill('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  }
})

test('a start that fails half-way ends with 2, says why, and leaves the state folder to the next', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'ecluse-new-'))
  const taken = createServer()
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
  const { port } = taken.address() as AddressInfo
  const file = join(folder, 'ecluse.yaml')
  expect((await cli(['init', folder, '--sandbox', holder.url])).code).toBe(0)
  const text = readFileSync(file, 'utf8').replaceAll(/^( +port): \d+$/gm, '$1: 0')
  // The gate's own listener is the last thing that is opened, the ops listener the last but one.
  for (const section of ['gate', 'ops']) {
    writeFileSync(file, text.replace(new RegExp(`(\n {2}${section}:[^]*?port): 0`), `$1: ${port}`))
    const said = await cli(['serve', '--config', file])
    expect(said).toMatchObject({ code: 2, err: `ecluse: listen EADDRINUSE: address already in use 127.0.0.1:${port}\n` })
    expect((await cli(['doctor', '--config', file])).out).toContain('ok    lock: no gate runs, and the folder is free')
  }
  await new Promise((resolve) => taken.close(resolve))
  rmSync(folder, { recursive: true })
})

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
