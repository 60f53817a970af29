/**
 * Redis for tests: the real server in a folder of its own, on a port that stays the same when it is killed and started
 * again, and one that answers by script what no real server would.
 */
import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import type { AddressInfo, Socket } from 'node:net'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

export interface RedisServer {
  readonly port: number
  readonly url: string
  readonly folder: string
  /** The dump that SAVE writes, and that the next start reads. */
  readonly dump: string
  readonly pid: number
  readonly running: boolean
  start(): Promise<void>
  /** SIGKILL: what was not saved is gone. */
  kill(): Promise<void>
  signal(name: 'SIGSTOP' | 'SIGCONT'): void
  close(): Promise<void>
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

export async function redisServer(given: readonly string[] | ((port: number) => readonly string[]) = []): Promise<RedisServer> {
  const port = await freePort()
  const args = typeof given === 'function' ? given(port) : given
  const folder = mkdtempSync(join(tmpdir(), 'ecluse-redis-'))
  let child: ChildProcess | undefined
  const abandon = (): void => void child?.kill('SIGKILL')
  const server: RedisServer = {
    port,
    url: `redis://127.0.0.1:${port}`,
    folder,
    dump: join(folder, 'dump.rdb'),
    get pid() {
      return child?.pid ?? 0
    },
    get running() {
      return child !== undefined && child.exitCode === null && child.signalCode === null
    },
    async start() {
      if (server.running) return
      const fixed = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', '', '--appendonly', 'no']
      child = spawn('redis-server', [...fixed, '--enable-debug-command', 'yes', ...args], { stdio: 'ignore' })
      endsWithUs(child)
      await listening(port)
    },
    async kill() {
      if (!child || !server.running) return
      const ended = once(child, 'exit')
      child.kill('SIGKILL')
      await ended
    },
    signal: (name) => void child?.kill(name),
    async close() {
      process.off('exit', abandon)
      await server.kill()
      rmSync(folder, { recursive: true, force: true })
    },
  }
  await server.start()
  return server
}

/** A test that fails before it ends its servers leaves none behind. */
export function endsWithUs(child: ChildProcess): void {
  if (running.size === 0) process.once('exit', () => running.forEach((each) => each.kill('SIGKILL')))
  running.add(child)
}
const running = new Set<ChildProcess>()

/** @param program what is to listen there */
export async function listening(port: number, program = 'redis-server'): Promise<void> {
  for (let tried = 0; tried < 200; tried += 1) {
    const socket = connect(port, '127.0.0.1')
    const answered = await Promise.race([once(socket, 'connect').then(() => true), once(socket, 'error').then(() => false)]).catch(
      () => false,
    )
    socket.destroy()
    if (answered) return
    await sleep(50)
  }
  throw new Error(`nothing listens on port ${port}: is ${program} installed?`)
}

/** What it answers to a command; undefined: nothing, for ever. */
export type Replies = (command: readonly string[], socket: Socket) => string | undefined

/** What a connecting client of ours needs to take a server for ready. */
export const HANDSHAKE: Replies = ([name = '', ...args]) => {
  switch (name.toUpperCase()) {
    case 'HELLO':
      return "-ERR unknown command 'HELLO'\r\n"
    case 'INFO':
      return bulk('redis_version:7.0.15\r\nloading:0\r\n')
    case 'SUBSCRIBE':
      return `*3\r\n${bulk('subscribe')}${bulk(args[0] ?? '')}:1\r\n`
    case 'PING':
      return '+PONG\r\n'
    default:
      return '+OK\r\n'
  }
}

export function bulk(text: string): string {
  return `$${Buffer.byteLength(text)}\r\n${text}\r\n`
}

/** Takes connections on `port` and answers by script. */
export async function fakeRedis(port: number, replies: Replies): Promise<{ readonly commands: string[][]; close(): Promise<void> }> {
  const commands: string[][] = []
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => socket.destroy())
    socket.once('close', () => sockets.delete(socket))
    let text = ''
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1')
      for (let read = readCommand(text); read; read = readCommand(text)) {
        text = text.slice(read.length)
        commands.push(read.command)
        const reply = replies(read.command, socket)
        if (reply !== undefined && !socket.destroyed) socket.write(reply, 'latin1')
      }
    })
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  return {
    commands,
    async close() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

/** The first whole command of what was received (RESP array of bulk strings). */
function readCommand(text: string): { readonly command: string[]; readonly length: number } | undefined {
  const head = /^\*(\d+)\r\n/.exec(text)
  if (!head) return undefined
  const command: string[] = []
  let at = head[0].length
  for (let i = 0; i < Number(head[1]); i += 1) {
    const size = /^\$(\d+)\r\n/.exec(text.slice(at, at + 20))
    if (!size) return undefined
    at += size[0].length
    const end = at + Number(size[1])
    if (text.length < end + 2) return undefined
    command.push(text.slice(at, end))
    at = end + 2
  }
  return { command, length: at }
}
