/** What a line of the operational log can hold, whatever it is given; and that its reader can stop or go away. */
import { spawn } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { expect, test } from 'vitest'
import type { LogFields } from '../../../src/runtime/logger.ts'
import { loggerTo, outputToFile, outputToStream, sparingly } from '../../../src/runtime/logger.ts'

const CANARY = 'canary-9f3a'

/** The only line that is written, as JSON text. */
function line(fields: object, sentence = 'a sentence'): string {
  const lines: string[] = []
  loggerTo('info', 'gate-1', { write: (text) => void lines.push(text) }).error(fields as LogFields, sentence)
  expect(lines).toHaveLength(1)
  return lines[0] ?? ''
}

test('a line is one JSON object with the fixed keys and what the list names', () => {
  const mistake = { line: 3, column: 5, path: 'clients[0].id', message: 'expected text' }
  const fields = {
    account: 'main',
    failures: 2,
    url: 'http://127.0.0.1:1',
    policy: 'sha256:ab',
    mistakes: [mistake],
    needsRestart: ['instance.state'],
  }
  const written = line(fields)
  const { time, ...rest } = JSON.parse(written) as Record<string, unknown>
  expect(rest).toStrictEqual({ level: 50, node: 'gate-1', ...fields, msg: 'a sentence' })
  expect(time).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/)
  expect(written.endsWith('}\n')).toBe(true)
})

test('no field can stand in for level, time, msg or node, nor stand beside them under another name', () => {
  const written = line({ level: CANARY, time: CANARY, msg: CANARY, node: CANARY, headers: { authorization: CANARY }, [CANARY]: 1 })
  expect(written).not.toContain(CANARY)
  for (const key of ['level', 'time', 'msg', 'node']) expect(written.split(`"${key}":`)).toHaveLength(2)
})

test('a field of another type is not written', () => {
  const deep = { account: { toJSON: () => CANARY }, failures: CANARY, url: [CANARY], mistakes: CANARY, needsRestart: [{ a: CANARY }] }
  expect(line(deep)).not.toContain(CANARY)
})

test('no character breaks a line, anywhere: C0, C1, the Unicode separators, marks that turn the direction of writing', () => {
  const written = line({ account: 'a\nb\r\u0000\u001b[31m\u0085\u2028\u2029\u202ec' })
  expect(JSON.parse(written)).toMatchObject({ account: 'a\ufffdb\ufffd\ufffd\ufffd[31m\ufffd\ufffd\ufffd\ufffdc' })
  expect(written.slice(0, -1)).toMatch(/^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}]*$/u)
})

test('long text and long lists are cut', () => {
  const written = line({ account: 'x'.repeat(10_000), needsRestart: Array.from({ length: 1000 }, () => 'y'.repeat(9_000)) })
  expect(written.length).toBeLessThan(60_000)
})

test('a sentence is not a format', () => {
  expect(JSON.parse(line({ account: 'main' }, '100 %s %j %d'))).toMatchObject({ msg: '100 %s %j %d' })
})

test('an error is its class, code and status, and the place in our source; its message and properties stay out', () => {
  const error = Object.assign(
    new TypeError(`${CANARY}\n    at evil (/x/src/evil/evil.ts:1:1)`, {
      cause: Object.assign(new RangeError(CANARY), { code: 'EINNER', stack: CANARY }),
    }),
    {
      code: 'ECONNRESET',
      status: 401,
      headers: { authorization: CANARY },
      config: { url: CANARY },
    },
  )
  error.stack = `${error.name}: ${error.message}\n    at ${CANARY} (node:internal/x:1:1)\n    at f (file:///opt/ecluse/src/gateway/holder.ts:12:3)\n    at g (/opt/ecluse/src/main.ts:1:1)`
  const written = line({ err: error })
  expect(written).not.toContain(CANARY)
  expect((JSON.parse(written) as { err: unknown }).err).toStrictEqual({
    name: 'TypeError',
    code: 'ECONNRESET',
    status: 401,
    at: 'src/gateway/holder.ts:12:3',
    cause: { name: 'RangeError', code: 'EINNER' },
  })
})

test.each([
  ['text that was thrown', CANARY, { name: 'string' }],
  ['an object that was thrown', { message: CANARY, name: CANARY }, { name: 'object' }],
  [
    'names and codes that are sentences',
    Object.assign(new Error(CANARY), { name: `a ${CANARY}`, code: `b ${CANARY}`, stack: CANARY }),
    { name: 'Error' },
  ],
])('%s', (_what, thrown, expected) => {
  const written = line({ err: thrown })
  expect(written).not.toContain(CANARY)
  expect((JSON.parse(written) as { err: unknown }).err).toStrictEqual(expected)
})

test('the message of an error that is logged does not become the sentence', () => {
  expect(JSON.parse(line({ err: new Error(CANARY) }, 'a sentence'))).toMatchObject({ msg: 'a sentence' })
})

test('a reader that is slow: what waits is bounded, the rest is counted, and later lines come through', async () => {
  const pipe = new PassThrough({ highWaterMark: 1 })
  const output = outputToStream(pipe, 100)
  for (let i = 0; i < 30; i++) output.write('123456789\n')
  expect(output.dropped).toBe(20)
  let read = 0
  pipe.on('data', (chunk: Buffer) => (read += chunk.byteLength))
  while (read < 100) await new Promise((resolve) => setImmediate(resolve))
  output.write('123456789\n')
  while (read < 110) await new Promise((resolve) => setImmediate(resolve))
  expect(output.dropped).toBe(20)
})

test('a disk that is full: each line that is lost is counted, and none of them throws', () => {
  const full = openSync('/dev/full', 'w')
  try {
    const output = outputToFile(full)
    const log = loggerTo('info', 'gate-1', output)
    log.info('one')
    log.info('two')
    expect(log.dropped).toBe(2)
  } finally {
    closeSync(full)
  }
})

test('into a file every line is whole and there at once', () => {
  const folder = mkdtempSync(join(tmpdir(), 'ecluse-log-'))
  const fd = openSync(join(folder, 'log'), 'w')
  try {
    const log = loggerTo('info', 'gate-1', outputToFile(fd))
    for (let i = 0; i < 10; i++) log.info({ failures: i }, 'a sentence')
    const lines = readFileSync(join(folder, 'log'), 'utf8').trimEnd().split('\n')
    expect(lines.map((one) => (JSON.parse(one) as { failures: number }).failures)).toStrictEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    expect(log.dropped).toBe(0)
  } finally {
    closeSync(fd)
    rmSync(folder, { recursive: true })
  }
})

// Of a process of its own: standard output as it really is, a pipe.
const WRITER = `
  const { loggerTo } = await import(${JSON.stringify(new URL('../../../src/runtime/logger.ts', import.meta.url).href)})
  const log = loggerTo('info', 'gate-1')
  for (let i = 0; i < 4000; i++) {
    log.info({ why: 'x'.repeat(450) }, 'a sentence')
    if (i % 100 === 0) await new Promise((resolve) => setTimeout(resolve, 1))
  }
  process.stderr.write('dropped ' + log.dropped, () => process.exit(0))
`
test.each([
  ['stops reading', false],
  ['goes away', true],
])('a process whose reader %s ends by itself and counts what was lost', async (_what, goesAway) => {
  const child = spawn(process.execPath, ['--input-type=module', '-e', WRITER], { stdio: ['ignore', 'pipe', 'pipe'] })
  if (goesAway) child.stdout.destroy()
  else child.stdout.pause()
  let told = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (told += text))
  const code = await new Promise((resolve) => child.once('exit', resolve))
  child.stdout.destroy()
  expect([code, told]).toStrictEqual([0, expect.stringMatching(/^dropped \d{3,4}$/)])
})

test('where one cause fails every request, one line in ten seconds says how often; other errors are all told', () => {
  const lines: string[] = []
  let now = 0
  const written = loggerTo('info', 'gate-1', { write: (text) => void lines.push(text) })
  const log = sparingly(
    written,
    (error) => error instanceof RangeError,
    () => now,
  )
  const told = () => lines.splice(0).map((each) => JSON.parse(each) as { readonly msg: string; readonly failures?: number })
  for (let i = 0; i < 50; i += 1) log.error({ err: new RangeError('full') }, 'not now')
  log.error({ err: new TypeError('other') }, 'a fault of ours')
  log.error('a sentence alone')
  expect(told()).toMatchObject([{ msg: 'not now', failures: 1 }, { msg: 'a fault of ours' }, { msg: 'a sentence alone' }])
  now = 9_999
  log.error({ err: new RangeError('full') }, 'not now')
  now = 10_000
  log.error({ err: new RangeError('full') }, 'not now')
  expect(told()).toMatchObject([{ msg: 'not now', failures: 51 }])
})
