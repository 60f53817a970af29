/**
 * The control socket of a running gate: a unix socket in the state folder, mode 0600, one JSON line a request and one
 * an answer. Whoever may write to the folder may command; nothing else listens. Source of the idea: `docker exec`
 * works on a read-only root.
 */
import { chmodSync, existsSync, rmSync } from 'node:fs'
import type { Socket } from 'node:net'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'

export interface ControlAnswer {
  readonly ok: boolean
  readonly value?: unknown
  readonly error?: string
}
export type Commands = Readonly<Record<string, (args: never) => Promise<unknown>>>

const SOCKET = 'control.sock'
/** What the kernel takes (`sun_path`, without its final zero), less what other systems allow. */
const MAX_PATH = 103
const MAX_LINE = 256 * 1024 * 1024

export function controlSocketOf(stateFolder: string): string {
  return join(stateFolder, SOCKET)
}

/**
 * The caller owns the state folder: a socket that lies there is a dead gate's.
 *
 * @param otherwise takes every command that has no name here
 */
export async function serveControl(
  stateFolder: string,
  commands: Commands,
  otherwise?: (name: string, args: unknown) => Promise<unknown>,
): Promise<{ close(): Promise<void> }> {
  const path = controlSocketOf(stateFolder)
  if (Buffer.byteLength(path) > MAX_PATH)
    throw new Error(`the path of the control socket, ${path}, is longer than ${MAX_PATH} bytes: choose a shorter state folder`)
  rmSync(path, { force: true })
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    socket.on('error', () => socket.destroy())
    lines(socket, (line) => {
      void answer(line, commands, otherwise).then((reply) => {
        if (!socket.destroyed) socket.write(`${JSON.stringify(reply)}\n`)
      })
    })
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    // Between bind and chmod only the umask protects the socket: nobody else may connect, ever.
    const umask = process.umask(0o177)
    server.listen(path, resolve)
    process.umask(umask)
  })
  chmodSync(path, 0o600)
  return {
    async close() {
      for (const socket of sockets) socket.destroy()
      await new Promise<void>((resolve) => server.close(() => resolve()))
      rmSync(path, { force: true })
    },
  }
}

async function answer(line: string, commands: Commands, otherwise: Parameters<typeof serveControl>[2]): Promise<ControlAnswer> {
  try {
    const request = JSON.parse(line) as { readonly command?: unknown; readonly args?: unknown }
    const name = String(request.command)
    const command = Object.hasOwn(commands, name) ? commands[name] : undefined
    if (!command && otherwise) return { ok: true, value: await otherwise(name, request.args) }
    if (!command) return { ok: false, error: `this gate has no command ${JSON.stringify(name)}: is it another version?` }
    return { ok: true, value: await command(request.args as never) }
  } catch (error) {
    return { ok: false, error: error instanceof Error ? error.message : 'unknown' }
  }
}

/**
 * Undefined if no gate answers at the socket: the caller may then take the state folder itself. Rejects where one is there
 * and closes without an answer, or gives none within `timeoutMs` (absent: an erasure may take a minute).
 */
export function callControl(stateFolder: string, command: string, args: unknown, timeoutMs?: number): Promise<ControlAnswer | undefined> {
  const path = controlSocketOf(stateFolder)
  if (!existsSync(path)) return Promise.resolve(undefined)
  return new Promise((resolve, reject) => {
    const socket = connect(path)
    if (timeoutMs !== undefined)
      socket.setTimeout(timeoutMs, () => socket.destroy(new Error('the gate does not answer on its control socket')))
    socket.once('connect', () => socket.write(`${JSON.stringify({ command, args })}\n`))
    lines(socket, (line) => {
      socket.end()
      resolve(JSON.parse(line) as ControlAnswer)
    })
    socket.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNREFUSED' || error.code === 'ENOENT') resolve(undefined)
      else reject(error)
    })
    socket.once('close', () => reject(new Error('the gate closed the control socket without an answer: see its log')))
  })
}

function lines(socket: Socket, onLine: (line: string) => void): void {
  let chunks: Buffer[] = []
  let size = 0
  socket.on('data', (data: Buffer) => {
    let rest = data
    for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
      chunks.push(rest.subarray(0, end))
      rest = rest.subarray(end + 1)
      onLine(Buffer.concat(chunks).toString('utf8'))
      chunks = []
      size = 0
    }
    if (rest.length > 0) chunks.push(rest)
    size += rest.length
    if (size > MAX_LINE) socket.destroy()
  })
}
