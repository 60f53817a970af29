/**
 * Carries requests of one open route through http-proxy-3, so that nothing of what the package does by itself reaches
 * the wire. What was measured of it, and where it ends here (`docs/adr/0012`, a test for each):
 *
 * - it forwards every header it is shown: it is shown a request of our own, made of `headers.ts` and `route.ts`;
 * - it normalises and parses targets, and throws where it cannot: it gets one that a parser leaves as it is, and is told
 *   to send it so (`toProxy`);
 * - it sends a chunked DELETE as two requests, and skips its events on `Expect`: it sees GET without a body, and no `Expect`;
 * - it leaves a client waiting whose answer broke off, and keeps a `trailer` header whose trailers it drops: the answer
 *   is passed on here (`selfHandleResponse`);
 * - it opens a connection for each call: it is given an agent;
 * - it follows redirects and decodes bodies where it uses fetch: it never does, not by a variable of the environment either.
 */
import type { ClientRequest, IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createProxyServer } from 'http-proxy-3'
import type { ProxyServer } from 'http-proxy-3'
import type { Slots } from '../slots.ts'
import { slotsOf } from '../slots.ts'
import { answeredHeaders } from './headers.ts'
import type { OpenRoute } from './route.ts'
import { agentTo, locationOf } from './route.ts'

/** How a request ended. `passed`: the whole answer of the portal, whatever it says. `left`: its client hung up. */
export type Ended = 'passed' | 'down' | 'timeout' | 'redirect' | 'too_large' | 'broken' | 'slow' | 'left' | 'stopped'

export interface Carried {
  readonly ended: Ended
  /** Of the portal; 0 where it gave none. */
  readonly status: number
  readonly bytes: number
}

export interface Asked {
  readonly target: string
  readonly headers: Record<string, string>
  readonly message: IncomingMessage
  readonly res: ServerResponse
  /** Aborted with the word for how it ended. */
  readonly stop: AbortController
  readonly closing: boolean
}

export interface Carrier {
  readonly proxy: ProxyServer
  /** Once it resolves, an answer has gone out or been broken off; where none has begun, the caller gives one. */
  carry(asked: Asked): Promise<Carried>
  close(): void
}

/** What is told to whom the answer never came. */
class Unanswered extends Error {
  override readonly name = 'Unanswered'
  readonly ended: Ended
  /** A connection kept from before was closed meanwhile: nobody has looked at the request. */
  readonly stale: boolean
  constructor(ended: Ended, stale = false) {
    super(ended)
    this.ended = ended
    this.stale = stale
  }
}

interface Watcher {
  began(outgoing: ClientRequest): void
  answered(answer: IncomingMessage): void
}

/** What the calls of a route share. */
interface Way {
  readonly route: OpenRoute
  readonly proxy: ProxyServer
  readonly slots: Slots
  /** By the request that the package was shown. */
  readonly watchers: WeakMap<IncomingMessage, Watcher>
}

export function carrierTo(route: OpenRoute): Carrier {
  // The first makes the package send everything by fetch: redirects followed, bodies decoded, calls that nobody can end.
  if (process.env['FORCE_FETCH_PATH'] !== undefined) throw new Error('FORCE_FETCH_PATH changes how open routes are served: unset it')
  if (/(?:^|[\s,])(?:\*|http-proxy-3)/.test(process.env['DEBUG'] ?? ''))
    throw new Error('DEBUG would write what is asked on open routes to standard error: unset it')
  const agent = agentTo(route)
  const watchers = new WeakMap<IncomingMessage, Watcher>()
  const proxy = createProxyServer({
    target: new URL(route.url).origin,
    agent,
    toProxy: true,
    prependPath: false,
    selfHandleResponse: true,
    followRedirects: false,
    xfwd: false,
    connectTimeout: route.timeouts.connectSeconds * 1000,
  })
  proxy.on('proxyReq', (outgoing, request) => watchers.get(request)?.began(outgoing))
  proxy.on('proxyRes', (answer, request) => watchers.get(request)?.answered(answer))
  // Each call has a callback of its own; without a listener here an error ends the process.
  proxy.on('error', () => undefined)
  const way: Way = { route, proxy, slots: slotsOf(route.connections), watchers }
  return { proxy, carry: (asked) => carry(way, asked), close: () => agent.destroy() }
}

async function carry(way: Way, asked: Asked): Promise<Carried> {
  const { stop, res } = asked
  const total = setTimeout(() => stop.abort('timeout'), way.route.timeouts.totalSeconds * 1000)
  let taken = false
  try {
    // Not the queue of the agent: what waits there could not be ended.
    taken = await way.slots.take(stop.signal)
    if (!taken) throw new Unanswered(stop.signal.reason as Ended)
    const answer = await answerTo(way, asked).catch((error: unknown) => {
      if (error instanceof Unanswered && error.stale && !res.destroyed) return answerTo(way, asked)
      throw error
    })
    return await passOn(way.route, answer, asked)
  } catch (error) {
    if (error instanceof Unanswered) return { ended: error.ended, status: 0, bytes: 0 }
    throw error
  } finally {
    clearTimeout(total)
    if (taken) way.slots.free()
  }
}

/** The answer of the portal as soon as its head is there. Rejects with {@link Unanswered}, and the call has then ended. */
function answerTo({ route, proxy, watchers }: Way, { target, headers, message, res, stop }: Asked): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    let outgoing: ClientRequest | undefined
    let settled = false
    const timer = setTimeout(() => fail('timeout'), route.timeouts.headersSeconds * 1000)
    const onStop = (): void => fail(stop.signal.reason as Ended)
    const settle = (): boolean => {
      if (settled) return false
      clearTimeout(timer)
      stop.signal.removeEventListener('abort', onStop)
      settled = true
      return true
    }
    const fail = (ended: Ended, stale = false): void => {
      if (!settle()) return
      outgoing?.destroy()
      reject(new Unanswered(ended, stale))
    }
    if (stop.signal.aborted) return onStop()
    stop.signal.addEventListener('abort', onStop, { once: true })
    const request = requestOf(message, target, headers)
    watchers.set(request, {
      began(started) {
        outgoing = started
        // An answer that is none, such as a 101 that nobody asked for, ends it without an error.
        started.once('close', () => fail('down'))
        if (settled) started.destroy()
      },
      answered: (answer) => void (settle() ? resolve(answer) : answer.destroy()),
    })
    try {
      proxy.web(request, res, {}, (error: Error & { code?: string }) => {
        fail(isLate(error) ? 'timeout' : 'down', error.code === 'ECONNRESET' && outgoing?.reusedSocket === true)
      })
    } catch {
      fail('down')
    }
  })
}

export function isLate({ code }: { readonly code?: string }): boolean {
  return code === 'ECONNECT_TIMEOUT' || code === 'ETIMEDOUT'
}

/** What the package reads of a request, and nothing that a client wrote. */
export function requestOf({ socket }: IncomingMessage, url: string, headers: Record<string, string>): IncomingMessage {
  return Object.assign(Readable.from([], { objectMode: false }), {
    method: 'GET',
    url,
    headers,
    httpVersion: '1.1',
    httpVersionMajor: 1,
    httpVersionMinor: 1,
    socket,
    connection: socket,
  }) as unknown as IncomingMessage
}

async function passOn(route: OpenRoute, answer: IncomingMessage, { target, res, stop, closing }: Asked): Promise<Carried> {
  const status = answer.statusCode ?? 0
  const refused = (ended: Ended): Carried => {
    answer.destroy()
    return { ended, status, bytes: 0 }
  }
  const moved = status >= 300 && status < 400 && status !== 304
  const location = moved ? locationOf(route, target, answer.headers.location ?? '') : undefined
  if (moved && location === undefined) return refused('redirect')
  if (Number(answer.headers['content-length'] ?? 0) > route.maxAnswerBytes) return refused('too_large')
  if (stop.signal.aborted) return refused(stop.signal.reason as Ended)

  const headers = answeredHeaders(answer.headers)
  // Neither has a body, whatever the portal says of its length.
  if (status === 204 || status === 304) delete headers['content-length']
  res.writeHead(status, { ...headers, ...(location !== undefined && { location }), ...(closing && { connection: 'close' }) })
  const passed = { bytes: 0 }
  try {
    await pipeline(answer, metered(route, stop, passed), res, { signal: stop.signal })
    return { ended: 'passed', status, bytes: passed.bytes }
  } catch {
    // `pipeline` has destroyed both sides: an answer that was cut never looks whole.
    return { ended: stop.signal.aborted ? (stop.signal.reason as Ended) : 'broken', status, bytes: passed.bytes }
  }
}

/** Counts what passes, and tells a portal that has gone quiet from a client that reads nothing. */
function metered({ timeouts, maxAnswerBytes }: OpenRoute, stop: AbortController, passed: { bytes: number }) {
  return async function* (answer: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    const wait = (ended: Ended, seconds: number): NodeJS.Timeout => setTimeout(() => stop.abort(ended), seconds * 1000)
    let timer = wait('timeout', timeouts.bodySeconds)
    try {
      for await (const chunk of answer) {
        clearTimeout(timer)
        passed.bytes += chunk.byteLength
        if (passed.bytes > maxAnswerBytes) {
          stop.abort('too_large')
          return
        }
        // Until the client has taken it: the next piece is not asked for before.
        timer = wait('slow', timeouts.slowClientSeconds)
        yield chunk
        clearTimeout(timer)
        timer = wait('timeout', timeouts.bodySeconds)
      }
    } finally {
      clearTimeout(timer)
    }
  }
}
