/** What comes in to the simulated Enedis: bodies, capped, and who names it by which address. */
import type { IncomingMessage } from 'node:http'

const MAX_BODY = 131_072

/** Undefined where it is too long. */
export async function readBody(message: IncomingMessage): Promise<string | undefined> {
  const pieces: Buffer[] = []
  let size = 0
  for await (const piece of message as AsyncIterable<Buffer>) {
    size += piece.byteLength
    if (size <= MAX_BODY) pieces.push(piece)
  }
  return size <= MAX_BODY ? Buffer.concat(pieces).toString('utf8') : undefined
}

/** Undefined where it is none, or too long. */
export async function readForm(message: IncomingMessage): Promise<URLSearchParams | undefined> {
  const body = await readBody(message)
  const isForm = /^application\/x-www-form-urlencoded\b/i.test(message.headers['content-type'] ?? '')
  return message.method === 'POST' && isForm && body !== undefined ? new URLSearchParams(body) : undefined
}

/** A page in a browser may reach loopback under a name of its own; it is not answered. */
export function isLoopback(message: IncomingMessage): boolean {
  return /^(127\.0\.0\.1|localhost|\[::1\])(:\d+)?$/.test(message.headers.host ?? '')
}
