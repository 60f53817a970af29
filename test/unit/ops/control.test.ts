/** The control socket: who reaches it, what it does with what is no command, and what its callers learn of a gate that is gone. */
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import type { Server } from 'node:net'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { callControl, controlSocketOf, serveControl } from '../../../src/ops/control.ts'

let folder = ''
let served: { close(): Promise<void> } | undefined
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ecluse-control-'))
})
afterEach(async () => {
  await served?.close()
  served = undefined
  rmSync(folder, { recursive: true, force: true })
})

const COMMANDS = {
  echo: (args: { readonly text: string }) => Promise.resolve(args),
  fail: () => Promise.reject(new Error('the sentence of the refusal')),
}
async function serve(): Promise<void> {
  served = await serveControl(folder, COMMANDS as Parameters<typeof serveControl>[1])
}

test('a command is answered, its refusal too, and what it returns survives the way', async () => {
  await serve()
  const args = { text: 'é\u2028"\n\u0000' }
  expect(await callControl(folder, 'echo', args)).toStrictEqual({ ok: true, value: args })
  expect(await callControl(folder, 'fail', {})).toStrictEqual({ ok: false, error: 'the sentence of the refusal' })
})

test.each(['nothing', 'constructor', '__proto__', 'toString', ''])('no command is found by the name %j', async (name) => {
  await serve()
  expect(await callControl(folder, name, {})).toMatchObject({
    ok: false,
    error: expect.stringContaining('this gate has no command') as string,
  })
})

test('only its owner reaches it, whatever the umask', async () => {
  const before = process.umask(0)
  await serve().finally(() => process.umask(before))
  expect((statSync(controlSocketOf(folder)).mode & 0o777).toString(8)).toBe('600')
  expect(process.umask()).toBe(before)
})

test('many lines on one connection, cut anywhere, and lines that are no JSON', async () => {
  await serve()
  const lines = ['{"command":"echo","args":{"text":"a"}}', 'no json', 'null', '[]', '{"command":"echo","args":{"text":"é"}}']
  const bytes = Buffer.from(`${lines.join('\n')}\n`)
  const answers = await new Promise<string[]>((resolve) => {
    const socket = connect(controlSocketOf(folder))
    let text = ''
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk
      if (text.split('\n').length === lines.length + 1) {
        socket.destroy()
        resolve(text.trimEnd().split('\n'))
      }
    })
    for (const byte of bytes) socket.write(Uint8Array.of(byte))
  })
  expect(answers.map((one) => (JSON.parse(one) as { ok: boolean }).ok).toSorted()).toStrictEqual([false, false, false, true, true])
  expect(await callControl(folder, 'echo', { text: 'still here' })).toMatchObject({ ok: true })
})

test('no gate, and the socket that a killed one left behind: undefined, and the next gate takes its place', async () => {
  expect(await callControl(folder, 'echo', {})).toBeUndefined()
  // As after kill -9: the name is there, and nobody listens.
  const left: Server = createServer()
  await new Promise<void>((resolve) => left.listen(join(folder, 'left'), resolve))
  writeFileSync(controlSocketOf(folder), '')
  expect(await callControl(folder, 'echo', {})).toBeUndefined()
  await new Promise((resolve) => left.close(resolve))
  await serve()
  expect(await callControl(folder, 'echo', { text: 'x' })).toMatchObject({ ok: true })
  await served?.close()
  served = undefined
  expect(existsSync(controlSocketOf(folder))).toBe(false)
})

test('a gate that takes the connection and says nothing: an error in time, where one is set', async () => {
  const silent = createServer((socket) => socket.resume())
  await new Promise<void>((resolve) => silent.listen(controlSocketOf(folder), resolve))
  await expect(callControl(folder, 'echo', {}, 200)).rejects.toThrow('the gate does not answer on its control socket')
  await new Promise((resolve) => silent.close(resolve))
})

test('a gate that goes away in the middle of a command is an error, not an answer', async () => {
  const rude = createServer((socket) => socket.once('data', () => socket.destroy()))
  await new Promise<void>((resolve) => rude.listen(controlSocketOf(folder), resolve))
  await expect(callControl(folder, 'echo', {})).rejects.toThrow('closed the control socket without an answer')
  await new Promise((resolve) => rude.close(resolve))
})

test('a state folder whose path is too long for a socket says so', async () => {
  const deep = join(folder, 'x'.repeat(100))
  mkdirSync(deep)
  await expect(serveControl(deep, {})).rejects.toThrow(
    /^the path of the control socket, .*, is longer than 103 bytes: choose a shorter state folder$/,
  )
})

test('the folder is closed again after a socket that others could have reached', async () => {
  await serve()
  chmodSync(controlSocketOf(folder), 0o666)
  await served?.close()
  await serve()
  expect((statSync(controlSocketOf(folder)).mode & 0o777).toString(8)).toBe('600')
})
