/**
 * The one reading of a request to the OAuth server. The body is read here, within a size and a time, once; a parameter
 * given twice is refused; and what oidc-provider is handed is a request made of what was understood, with the headers
 * that are named here and no others.
 */
import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'

const MAX_BODY = 32_768
const BODY_MS = 5000
/** Headers that mean something to the OAuth server. */
const PASSED = ['authorization', 'cookie', 'accept-language', 'origin', 'access-control-request-method', 'access-control-request-headers']

export type Form = ReadonlyMap<string, string>
export interface Fault {
  readonly status: 400 | 408 | 413 | 415
  readonly why: string
}

export async function readForm(message: IncomingMessage): Promise<Form | Fault> {
  const type = message.headers['content-type'] ?? ''
  if (!/^application\/x-www-form-urlencoded( *;.*)?$/i.test(type))
    return { status: 415, why: 'The content type must be application/x-www-form-urlencoded.' }
  if (Number(message.headers['content-length'] ?? 0) > MAX_BODY) return { status: 413, why: 'The body is too long.' }
  const body = await bodyOf(message)
  if (body === 'too_long') return { status: 413, why: 'The body is too long.' }
  if (body === undefined) return { status: 408, why: 'The body did not come.' }
  return parametersOf(body.toString('latin1')) ?? { status: 400, why: 'A parameter stands in the body twice.' }
}

/** Undefined where a parameter stands there twice, even with the same value. */
export function parametersOf(text: string): Form | undefined {
  const form = new Map<string, string>()
  for (const [name, value] of new URLSearchParams(text)) {
    if (form.has(name)) return undefined
    form.set(name, value)
  }
  return form
}

function bodyOf(message: IncomingMessage): Promise<Buffer | 'too_long' | undefined> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = []
    let size = 0
    const timer = setTimeout(() => resolve(undefined), BODY_MS)
    const done = (value: Buffer | 'too_long' | undefined): void => {
      clearTimeout(timer)
      resolve(value)
    }
    message.on('data', (chunk: Buffer) => {
      size += chunk.byteLength
      if (size > MAX_BODY) done('too_long')
      else chunks.push(chunk)
    })
    message.once('end', () => done(Buffer.concat(chunks)))
    message.once('close', () => done(undefined))
  })
}

/** A request as oidc-provider reads them, of the same connection. */
export function requestAs(message: IncomingMessage, method: string, target: string, host: string, form?: Form): IncomingMessage {
  const body = form ? Buffer.from(new URLSearchParams([...form]).toString()) : undefined
  const headers: Record<string, string> = {
    host,
    accept: method === 'GET' ? 'text/html' : 'application/json',
    ...(body && { 'content-type': 'application/x-www-form-urlencoded', 'content-length': String(body.byteLength) }),
  }
  for (const name of PASSED) {
    const value = message.headers[name]
    if (typeof value === 'string') headers[name] = value
  }
  const { socket } = message
  // Node's own request is a readable with these on it; oidc-provider and koa look at nothing else.
  return Object.assign(Readable.from(body ? [body] : [], { objectMode: false }), {
    method,
    url: target,
    headers,
    rawHeaders: Object.entries(headers).flat(),
    httpVersion: '1.1',
    httpVersionMajor: 1,
    httpVersionMinor: 1,
    socket,
    connection: socket,
  }) as unknown as IncomingMessage
}
