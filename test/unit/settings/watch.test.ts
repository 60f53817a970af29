/** Each way in which a settings file is replaced is noticed, and what comes at rest is what the reader then sees. */
import { appendFile, mkdir, mkdtemp, readFile, rename, rm, symlink, unlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { watchSettings, type WatchOptions } from '../../../src/settings/watch.ts'

let folder = ''
let file = ''
let seen: string[] = []
let watching: { close(): void } | undefined

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ecluse-watch-'))
  file = join(folder, 'ecluse.yaml')
  seen = []
})
afterEach(async () => {
  watching?.close()
  await rm(folder, { recursive: true, force: true })
})

/** Notes what the file says at each signal. */
function start(options: WatchOptions = {}): void {
  const note = async () => {
    seen.push(await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => error.code ?? 'unreadable'))
  }
  watching = watchSettings(file, () => void note(), { debounceMs: 40, ...options })
}

/** What the last signal showed: `content`, or whatever it was when time was up. */
async function latest(content: string): Promise<string | undefined> {
  for (const until = performance.now() + 5000; performance.now() < until && seen.at(-1) !== content;) await sleep(10)
  return seen.at(-1)
}

// The poll is off: what is noticed here, the watch noticed.
const told: WatchOptions = { pollMs: 3_600_000 }

test('written in place', async () => {
  await writeFile(file, 'old')
  start(told)
  await writeFile(file, 'new')
  expect(await latest('new')).toBe('new')
})

test('renamed over, twice: the second file is watched like the first', async () => {
  await writeFile(file, 'old')
  start(told)
  for (const content of ['second', 'third']) {
    await writeFile(`${file}.tmp`, content)
    await rename(`${file}.tmp`, file)
    expect(await latest(content)).toBe(content)
  }
})

test('swapped as Kubernetes does: a link to a link whose folder is replaced', async () => {
  const publish = async (version: string, content: string) => {
    await mkdir(join(folder, version))
    await writeFile(join(folder, version, 'ecluse.yaml'), content)
    await symlink(version, join(folder, '..data_tmp'))
    await rename(join(folder, '..data_tmp'), join(folder, '..data'))
  }
  await publish('..1', 'one')
  await symlink(join('..data', 'ecluse.yaml'), file)
  start(told)
  await publish('..2', 'two')
  expect(await latest('two')).toBe('two')
  await publish('..3', 'six')
  expect(await latest('six')).toBe('six')
})

test('a link into another folder, where the watch sees nothing: the poll does', async () => {
  const elsewhere = join(folder, 'elsewhere')
  await mkdir(elsewhere)
  await writeFile(join(elsewhere, 'real.yaml'), 'old')
  await symlink(join(elsewhere, 'real.yaml'), file)
  start({ pollMs: 50 })
  await writeFile(join(elsewhere, 'real.yaml'), 'new')
  expect(await latest('new')).toBe('new')
})

test('deleted, then made again', async () => {
  await writeFile(file, 'old')
  start(told)
  await unlink(file)
  expect(await latest('ENOENT')).toBe('ENOENT')
  await writeFile(file, 'again')
  expect(await latest('again')).toBe('again')
})

test('not there at first, nor its folder: the loss of the watch is told, and the poll finds the file', async () => {
  await rm(folder, { recursive: true })
  const lost: string[] = []
  start({ pollMs: 50, onWatchLost: (error) => lost.push(error.message) })
  expect(lost).toStrictEqual([expect.stringContaining('ENOENT')])
  await mkdir(folder)
  await writeFile(file, 'new')
  expect(await latest('new')).toBe('new')
})

test('written piece by piece: no signal before it rests', async () => {
  await writeFile(file, '')
  start({ ...told, debounceMs: 300 })
  for (const piece of ['a', 'b', 'c', 'd', 'e', 'f']) {
    await appendFile(file, piece)
    await sleep(100)
  }
  expect(await latest('abcdef')).toBe('abcdef')
  expect(seen).toStrictEqual(['abcdef'])
})

test('changed without rest: signals come all the same, and the last state is seen', async () => {
  await writeFile(file, 'start')
  start({ ...told, debounceMs: 100 })
  for (let i = 1; i <= 30; i++) {
    await writeFile(`${file}.tmp`, `change ${i}`)
    await rename(`${file}.tmp`, file)
    await sleep(50)
  }
  expect(seen.length).toBeGreaterThanOrEqual(1)
  expect(await latest('change 30')).toBe('change 30')
})

test('swapped and swapped back before it rests: no signal', async () => {
  await writeFile(join(folder, 'a'), 'a')
  await writeFile(join(folder, 'b'), 'b')
  const pointAt = async (target: string) => {
    await symlink(target, `${file}.tmp`)
    await rename(`${file}.tmp`, file)
  }
  await pointAt('a')
  start({ ...told, debounceMs: 400 })
  await pointAt('b')
  await sleep(100)
  await pointAt('a')
  await sleep(800)
  expect(seen).toStrictEqual([])
})

test('untouched, or touched beside: no signal; closed: none ever', async () => {
  await writeFile(file, 'old')
  start({ pollMs: 20 })
  await writeFile(join(folder, 'other.yaml'), 'x')
  await sleep(200)
  expect(seen).toStrictEqual([])
  watching?.close()
  await writeFile(file, 'new')
  await sleep(200)
  expect(seen).toStrictEqual([])
})
