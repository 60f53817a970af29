/**
 * Peers on loopback for the characterisation tests: a server that answers byte for byte what a test says and keeps what it
 * was sent, and a client that writes raw bytes. Both are closed when the test that opened them ends.
 */
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { onTestFinished } from 'vitest'

export interface RawServer {
  readonly port: number
  readonly origin: string
  /** All that was received, over all connections, as Latin-1 text. */
  received(): string
  connections(): number
  /** Resolves when one of the connections was closed by the other side, in order or not. */
  readonly left: Promise<void>
}

export async function rawServer(answer: (socket: Socket, received: string) => void): Promise<RawServer> {
  const sockets: Socket[] = []
  const left = Promise.withResolvers<void>()
  let whole = ''
  const server = createServer((socket) => {
    sockets.push(socket)
    let own = ''
    socket.setEncoding('latin1')
    // A reset by the peer is what many of these tests provoke: `close` tells of it.
    socket.on('error', () => undefined)
    socket.on('end', () => left.resolve())
    socket.on('close', () => left.resolve())
    socket.on('data', (chunk: string) => {
      own += chunk
      whole += chunk
      answer(socket, own)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return { port, origin: `http://127.0.0.1:${port}`, received: () => whole, connections: () => sockets.length, left: left.promise }
}

/** Answers each request once its head is whole with these bytes. */
export const answering =
  (...parts: readonly string[]) =>
  (socket: Socket, received: string): void => {
    if (received.endsWith('\r\n\r\n') || /\r\n\r\n/.test(received)) for (const part of parts) socket.write(part, 'latin1')
  }

/** Sends raw bytes and returns what came back until the server closed or `waitMs` passed without an end. */
export async function rawExchange(
  port: number,
  bytes: string,
  waitMs: number,
): Promise<{ readonly answer: string; readonly closed: boolean }> {
  const socket = connect(port, '127.0.0.1')
  onTestFinished(() => void socket.destroy())
  let answer = ''
  socket.setEncoding('latin1').on('data', (chunk: string) => (answer += chunk))
  socket.on('error', () => undefined)
  const closed = once(socket, 'close').then(() => true)
  socket.write(bytes, 'latin1')
  const state = await Promise.race([closed, sleep(waitMs, false)])
  return { answer, closed: state }
}

/** A port of loopback on which nothing listens. */
export async function closedPort(): Promise<number> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
