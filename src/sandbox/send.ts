/**
 * How an answer of the simulated Enedis leaves: whole, as fast as it is read, or as some misbehaviour has it. Nothing is
 * made before the reader takes it, but for the first kilobytes, which tell whether a length can be announced.
 */
import type { ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import type { Misbehaviour } from './misbehave.ts'

const AT_ONCE = 32_768

export function sendText(res: ServerResponse, status: number, body: string, headers: Readonly<Record<string, string>> = {}): void {
  res.writeHead(status, { 'Content-Type': 'application/json', ...headers, 'Content-Length': String(Buffer.byteLength(body)) })
  res.end(body)
}

/** Resolves when all has been taken, or the reader has gone. */
export async function sendPieces(
  res: ServerResponse,
  pieces: Iterable<string>,
  headers: Readonly<Record<string, string>> = {},
): Promise<void> {
  const source = pieces[Symbol.iterator]()
  let first = ''
  for (;;) {
    const next = source.next()
    if (next.done === true) return sendText(res, 200, first, headers)
    first += next.value
    if (first.length > AT_ONCE) break
  }
  function* rest(): Generator<string> {
    yield first
    yield* { [Symbol.iterator]: () => source }
  }
  res.writeHead(200, { 'Content-Type': 'application/json', ...headers })
  await pipeline(Readable.from(rest()), res)
}

/** A right answer sent wrongly. Only for the kinds that concern the sending; the text may be long. */
export async function sendOddly(res: ServerResponse, odd: Misbehaviour, pieces: Iterable<string>): Promise<void> {
  switch (odd.kind) {
    case 'malformed': {
      const text = beginning(pieces)
      const middle = text.length >> 1
      return sendText(res, 200, `${text.slice(0, middle)}]}"}{,${text.slice(middle)}`)
    }
    case 'gzip': {
      const packed = gzipSync(beginning(pieces))
      res.writeHead(200, { 'Content-Type': 'application/json', 'Content-Encoding': 'gzip', 'Content-Length': String(packed.byteLength) })
      res.end(packed)
      return undefined
    }
    case 'octet_stream':
      return sendPieces(res, pieces, { 'Content-Type': 'application/octet-stream' })
    case 'cut':
    case 'stall':
      return sendHalf(res, odd, beginning(pieces))
    case 'drip':
      res.writeHead(200, { 'Content-Type': 'application/json' })
      return pipeline(Readable.from(drops(pieces, odd)), res)
    default:
      return sendPieces(res, pieces)
  }
}

/** Half of the text; then the end of the connection (`cut`) or nothing more (`stall`). */
async function sendHalf(res: ServerResponse, { kind, framing }: Misbehaviour, text: string): Promise<void> {
  const length = framing === 'length' ? { 'Content-Length': String(Buffer.byteLength(text)) } : {}
  if (framing === 'close') {
    res.useChunkedEncodingByDefault = false
    res.shouldKeepAlive = false
  }
  res.writeHead(200, { 'Content-Type': 'application/json', ...length })
  const half = text.slice(0, text.length >> 1)
  await new Promise((taken) => {
    res.once('close', taken)
    res.write(half, taken)
  })
  // Ended, not destroyed: what was written arrives, and the end of the connection after it.
  if (kind === 'cut') res.socket?.destroySoon()
}

async function* drops(pieces: Iterable<string>, { bytes, ms }: Misbehaviour): AsyncGenerator<string> {
  for (const piece of pieces) {
    for (let at = 0; at < piece.length; at += bytes) {
      yield piece.slice(at, at + bytes)
      await sleep(ms)
    }
  }
}

const LONG = 1_048_576

/** The text, or the first part of a very long one: a spoilt answer need not be whole. */
function beginning(pieces: Iterable<string>): string {
  let text = ''
  for (const piece of pieces) {
    text += piece
    if (text.length > LONG) break
  }
  return text
}
