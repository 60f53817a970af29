/**
 * What of a header crosses an open route: a list for each direction, and nothing else. No credential, no cookie, no word
 * of who asks or through whom; hop-by-hop headers are each side's own, so that naming one of ours in `Connection` takes
 * nothing away.
 */
import type { IncomingHttpHeaders } from 'node:http'

type Headers = Record<string, string>

const ASKED = ['accept', 'accept-encoding', 'accept-language', 'if-modified-since', 'if-none-match'] as const
const ANSWERED = [
  'age',
  'cache-control',
  'content-disposition',
  'content-encoding',
  'content-language',
  'content-type',
  'date',
  'etag',
  'expires',
  'last-modified',
  'retry-after',
  'vary',
  'x-ratelimit-limit',
  'x-ratelimit-remaining',
  'x-ratelimit-reset',
] as const

/**
 * What is not of the gate stands on the gate's origin, beside the pages for people: nothing of it may run there, be read
 * as another type, or lay hands on their session.
 */
const INERT: Headers = {
  'Content-Security-Policy': "default-src 'none'; sandbox",
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
}
const PRINTABLE = /^[\x20-\x7e]{1,1024}$/

export function askedHeaders(host: string, from: IncomingHttpHeaders): Headers {
  // Without one of its own, node:http would let the portal choose a coding that the client cannot read.
  return { host, 'accept-encoding': 'identity', ...picked(ASKED, from), 'user-agent': 'ecluse' }
}

/** Framing is the gate's own: the length is that of the body which is passed on, byte for byte. */
export function answeredHeaders(from: IncomingHttpHeaders): Headers {
  const length = from['content-length']
  const framed = length !== undefined && from['transfer-encoding'] === undefined
  return { ...picked(ANSWERED, from), ...INERT, ...(framed && { 'content-length': length }) }
}

/** The first half of RFC 6455 § 4.2.1; extensions are not proposed, because the gate can bound none of them. */
export function upgradeHeaders(host: string, key: string, subprotocols: readonly string[]): Headers {
  return {
    host,
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': key,
    ...(subprotocols.length > 0 && { 'sec-websocket-protocol': subprotocols.join(', ') }),
    'user-agent': 'ecluse',
  }
}

function picked(names: readonly string[], from: IncomingHttpHeaders): Headers {
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = Object.hasOwn(from, name) ? from[name] : undefined
      return typeof value === 'string' && PRINTABLE.test(value) ? [[name, value]] : []
    }),
  )
}
