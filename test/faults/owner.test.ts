/** One owner of a state folder: a second one is told, commands go to the first, and what a dead one left is no lock. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { GateProcess } from '../harness/gate.ts'
import { aGateProcess, bearer, curve } from '../harness/gate.ts'
import type { FakeHolder } from '../harness/holder.ts'
import { fakeHolder } from '../harness/holder.ts'
import { METER, permissionTree, today } from '../harness/settings.ts'
import { readLog } from './evidence.ts'

const main = join(import.meta.dirname, '../../src/cli/main.ts')
let holder: FakeHolder
let folder: string
let gate: GateProcess
beforeEach(async () => {
  holder = await fakeHolder()
  folder = mkdtempSync(join(tmpdir(), 'ecluse-owner-'))
  gate = await aGateProcess({ holder, folder })
})
afterEach(async () => {
  await gate.kill()
  await holder.close()
  rmSync(folder, { recursive: true, force: true })
})

function ecluse(...words: readonly string[]): { readonly status: number | null; readonly stdout: string; readonly stderr: string } {
  return spawnSync(process.execPath, [main, ...words, '--config', gate.config], { encoding: 'utf8', env: { ...process.env, ...gate.env } })
}
const OWNED = (): string => `another process owns the state folder ${gate.state}: stop it, or use its control socket`

/** Every command that writes, in an order in which each can be done; `token` takes the place of the one issued. */
const WRITING = [
  ['client', 'add', 'viriya'],
  ['client', 'rotate', 'viriya'],
  ['permission', 'import', 'FILE', '--unverified'],
  ['token', 'issue', 'viriya'],
  ['token', 'revoke', 'TOKEN'],
  ['subject', 'restrict', METER],
  ['subject', 'restrict', METER, '--lift'],
  ['permission', 'withdraw', 'p2'],
  ['subject', 'erase', METER],
] as const

function runAllWriting(): void {
  const file = join(folder, 'permissions.json')
  writeFileSync(
    file,
    JSON.stringify({ permissions: [permissionTree({ id: 'p1' }), permissionTree({ id: 'p2', meter: '10000000000005' })] }),
  )
  let token = ''
  for (const words of WRITING) {
    const done = ecluse(...words.map((word) => (word === 'FILE' ? file : word === 'TOKEN' ? token : word)))
    expect(done, words.join(' ')).toMatchObject({ status: 0, stderr: '' })
    if (words[1] === 'issue') token = done.stdout.split('\n')[0] ?? ''
  }
}

test('a second gate does not start, says why, and leaves the first one as it is', async () => {
  await gate.permit({ id: 'p1' })
  const token = await gate.token()
  expect(ecluse('serve')).toMatchObject({ status: 2, stderr: `ecluse: ${OWNED()}\n` })
  const answer = await fetch(gate.url + curve(METER, today(-20), today(-18)), bearer(token))
  expect(answer.status).toBe(200)
  await answer.text()
  expect(existsSync(join(gate.state, 'control.sock'))).toBe(true)
  expect(await gate.stop()).toBe(0)
  await readLog(gate.state, true)
})

test('of two gates that start at once one is ready, the other is told', async () => {
  expect(await gate.stop()).toBe(0)
  const started = await Promise.allSettled([1, 2].map(() => aGateProcess({ holder, folder, env: gate.env })))
  const [ready, ...more] = started.flatMap((s) => (s.status === 'fulfilled' ? [s.value] : []))
  try {
    expect(more).toHaveLength(0)
    expect(started.map((s) => (s.status === 'rejected' ? String(s.reason) : '')).join('')).toContain(
      `ended with 2 before it was ready: ecluse: ${OWNED()}`,
    )
    expect(await ready?.stop()).toBe(0)
    await readLog(gate.state, true)
  } finally {
    for (const each of [ready, ...more]) await each?.kill()
  }
})

test('while a gate runs, every writing command goes through its socket', async () => {
  expect(statSync(join(gate.state, 'control.sock')).mode & 0o777).toBe(0o600)
  runAllWriting()
  expect(ecluse('clock', 'confirm')).toMatchObject({ status: 0 })
  expect(await gate.stop()).toBe(0)
  const log = await readLog(gate.state, true)
  // One owner wrote all of it: the log was recovered by nobody else.
  expect(log.types).toMatchObject({ 'log.opened': 1, 'erasure.performed': 1, 'consent.withdrawn_by_subject': 2 })
  expect(log.types['log.recovered']).toBeUndefined()
})

test('with a gate that died, its lock is free, its socket is no obstacle, and commands do the work themselves', async () => {
  await gate.kill()
  expect(existsSync(join(gate.state, 'control.sock'))).toBe(true)
  runAllWriting()
  gate = await aGateProcess({ holder, folder, env: gate.env })
  expect(await gate.command('status', {})).toMatchObject({ evidence: 'ok' })
  expect(await gate.stop()).toBe(0)
  expect(existsSync(join(gate.state, 'control.sock'))).toBe(false)
  await readLog(gate.state, true)
})

test('a folder that something else owns is told by every writing command, and left alone', async () => {
  await gate.kill()
  const source = `const { openState } = await import(${JSON.stringify(join(import.meta.dirname, '../../src/storage/sqlite.ts'))});
    openState(${JSON.stringify(gate.state)}); process.stdout.write('owned'); setInterval(() => {}, 1000)`
  const other = spawn(process.execPath, ['--input-type=module', '-e', source], { stdio: ['ignore', 'pipe', 'inherit'] })
  try {
    await once(other.stdout, 'data')
    const file = join(folder, 'permissions.json')
    writeFileSync(file, JSON.stringify({ permissions: [permissionTree({ id: 'p1' })] }))
    for (const words of WRITING)
      expect(ecluse(...words.map((word) => (word === 'FILE' ? file : word))), words.join(' ')).toMatchObject({
        status: 2,
        stdout: '',
        stderr: `ecluse: ${OWNED()}\n`,
      })
  } finally {
    other.kill('SIGKILL')
    await once(other, 'exit')
  }
  expect(ecluse('token', 'list')).toMatchObject({ status: 0 })
})
