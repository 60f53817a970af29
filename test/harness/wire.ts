/** Raw bytes to a gate and back: what a careful client would never send, and what came in return, read strictly. */
import type { Socket } from 'node:net'
import { connect } from 'node:net'

export interface WireAnswer {
  readonly status: number
  /** Names in lower case, in order. */
  readonly headers: readonly (readonly [string, string])[]
  readonly body: string
}

export interface Wire {
  readonly socket: Socket
  send(bytes: string | Uint8Array): void
  /** The next whole answer on this connection; rejects if it is cut, or does not come in time. */
  next(timeoutMs?: number): Promise<WireAnswer>
  /** Resolves when the other side has closed; rejects if it does not in time. */
  closed(timeoutMs?: number): Promise<void>
  /** Everything received and not yet taken as an answer. */
  readonly rest: () => string
  end(): void
}

export function headerOf(answer: WireAnswer, name: string): string | undefined {
  return answer.headers.find(([n]) => n === name.toLowerCase())?.[1]
}

export async function wire(port: number): Promise<Wire> {
  const socket = connect({ host: '127.0.0.1', port })
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve)
    socket.once('error', reject)
  })
  let buffer = ''
  let closed = false
  const waiting = new Set<() => void>()
  const wake = (): void => {
    for (const each of waiting) each()
  }
  socket.on('data', (chunk: Buffer) => {
    buffer += chunk.toString('latin1')
    wake()
  })
  socket.on('error', () => socket.destroy())
  socket.once('close', () => {
    closed = true
    wake()
  })
  function until<T>(test: () => T | undefined, what: string, timeoutMs: number): Promise<T> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => done(() => reject(new Error(`${what} did not come in ${timeoutMs} ms; got ${JSON.stringify(buffer.slice(0, 300))}`))),
        timeoutMs,
      )
      const look = (): void => {
        const found = test()
        if (found !== undefined) done(() => resolve(found))
        else if (closed) done(() => reject(new Error(`${what} did not come: closed after ${JSON.stringify(buffer.slice(0, 300))}`)))
      }
      const done = (act: () => void): void => {
        clearTimeout(timer)
        waiting.delete(look)
        act()
      }
      waiting.add(look)
      look()
    })
  }
  return {
    socket,
    send: (bytes) => void socket.write(bytes),
    next: (timeoutMs = 5000) =>
      until(
        () => {
          const read = readAnswer(buffer)
          if (!read) return undefined
          buffer = buffer.slice(read.length)
          return read.answer
        },
        'an answer',
        timeoutMs,
      ),
    closed: (timeoutMs = 5000) => until(() => (closed ? true : undefined), 'the end of the connection', timeoutMs).then(() => undefined),
    rest: () => buffer,
    end: () => socket.destroy(),
  }
}

function readAnswer(text: string): { readonly answer: WireAnswer; readonly length: number } | undefined {
  const end = text.indexOf('\r\n\r\n')
  if (end < 0) return undefined
  const [first = '', ...lines] = text.slice(0, end).split('\r\n')
  const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(first)?.[1])
  const headers = lines.map((line) => {
    const colon = line.indexOf(':')
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()] as const
  })
  const value = (name: string): string | undefined => headers.find(([n]) => n === name)?.[1]
  if (value('transfer-encoding') === 'chunked') {
    let body = ''
    for (let at = end + 4; ;) {
      const line = text.indexOf('\r\n', at)
      if (line < 0) return undefined
      const size = Number.parseInt(text.slice(at, line), 16)
      if (text.length < line + 2 + size + 2) return undefined
      body += text.slice(line + 2, line + 2 + size)
      at = line + 2 + size + 2
      if (size === 0) return { answer: { status, headers, body }, length: at }
    }
  }
  const length = Number(value('content-length') ?? 0)
  if (text.length < end + 4 + length) return undefined
  return { answer: { status, headers, body: text.slice(end + 4, end + 4 + length) }, length: end + 4 + length }
}
