/**
 * The consent-free doors: what is under the path of an open route goes to the portal of open data that the settings name
 * for it, and nowhere else. Nobody is identified, no evidence is written, and no credential crosses; each request is told
 * in the log as `open`, without its query, and counted.
 *
 * It stands behind the canonical reading, and its target is built from that reading. How often one visitor may ask is
 * bounded as it is for strangers.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Reason } from '../../domain/errors.ts'
import { REASONS } from '../../domain/errors.ts'
import type { Canonical } from '../canonical.ts'
import { canonicalOf } from '../canonical.ts'
import type { Gate } from '../ports.ts'
import { write } from '../respond.ts'
import type { Carrier, Ended } from './carrier.ts'
import { carrierTo } from './carrier.ts'
import { askedHeaders } from './headers.ts'
import { placesOf } from './places.ts'
import type { OpenRoute } from './route.ts'
import { isBelow, targetOf } from './route.ts'
import type { SocketEnded, Sockets } from './socket.ts'
import { hangUp, socketsOn } from './socket.ts'

export type OpenParts = Pick<Gate, 'refusals' | 'metrics' | 'underWay' | 'placeOf' | 'now' | 'log' | 'draining' | 'maxTarget'>

export interface OpenDoor {
  serves(path: string): boolean
  /** Answers a request that `canonicalOf` found canonical. */
  handle(canonical: Canonical, message: IncomingMessage, res: ServerResponse): Promise<void>
  /** Whether a route lets its clients change to WebSocket; anywhere else the wish is not heard. */
  upgrades(message: IncomingMessage): boolean
  upgrade(message: IncomingMessage, socket: Duplex, head: Buffer): void
  /** The gate stops: WebSockets, which end by themselves at no time, end now. */
  drain(): void
  close(): void
}

interface Door {
  readonly route: OpenRoute
  readonly carrier: Carrier
  readonly sockets: Sockets
}
interface Refused {
  readonly status: number
  readonly reason: Reason
  readonly headers?: readonly (readonly [string, string])[]
}

const ANSWERS: Partial<Readonly<Record<SocketEnded, Refused>>> = {
  down: { status: 502, reason: 'holder_down' },
  timeout: { status: 504, reason: 'holder_down' },
  redirect: { status: 502, reason: 'holder_refused' },
  too_large: { status: 502, reason: 'holder_refused' },
  refused: { status: 502, reason: 'holder_refused' },
}
const FLOOD: Refused = { status: 429, reason: 'quota_gate', headers: [['Retry-After', '60']] }
const FULL: Refused = { status: 503, reason: 'quota_gate', headers: [['Retry-After', '10']] }
const NO_TARGET: Refused = { status: 400, reason: 'malformed', headers: [['Connection', 'close']] }

export function openDoor(routes: readonly OpenRoute[], parts: OpenParts): OpenDoor {
  const doors = routes.map((route): Door => {
    const carrier = carrierTo(route)
    return { route, carrier, sockets: socketsOn(route, carrier.proxy) }
  })
  const doorOf = (path: string): Door | undefined => doors.find(({ route }) => isBelow(route, path))
  const places = placesOf(parts.now)

  /** What is refused before anybody is asked: counted with the strangers, whom the minute's summary tells of. */
  function stranger(message: IncomingMessage, { route }: Door, canonical: Canonical): Refused | undefined {
    if (places.exceeded(parts.placeOf(message), route.requestsPerMinute)) return counted(FLOOD)
    if (canonical.wire.method !== 'GET') return counted({ status: 405, reason: 'unknown_route', headers: [['Allow', 'GET']] })
    return undefined
  }
  function counted(refused: Refused): Refused {
    parts.refusals.stranger(refused.reason)
    parts.metrics.strangers.inc({ reason: refused.reason })
    return refused
  }
  function told({ id }: OpenRoute, outcome: SocketEnded | 'upgraded', status: number, bytes: number, since: number): void {
    parts.metrics.openRequests.inc({ route: id, result: outcome })
    parts.metrics.openBytes.inc({ route: id }, bytes)
    parts.log.info({ open: id, outcome, status, bytes, ms: Math.round(performance.now() - since) }, 'open data')
  }

  async function handle(canonical: Canonical, message: IncomingMessage, res: ServerResponse): Promise<void> {
    const door = doorOf(canonical.wire.path)
    if (!door) return refuse(parts, res, counted({ status: 404, reason: 'unknown_route' }))
    const refused = stranger(message, door, canonical)
    if (refused) return refuse(parts, res, refused)
    const { route, carrier } = door
    const target = targetFor(route, message, canonical, parts.maxTarget)
    if (target === undefined) return refuse(parts, res, counted(NO_TARGET))
    const since = performance.now()
    const stop = new AbortController()
    const leave = parts.underWay.add([`open:${route.id}`], () => stop.abort('stopped' satisfies Ended))
    res.once('close', () => {
      if (!res.writableFinished) stop.abort('left' satisfies Ended)
    })
    try {
      const headers = askedHeaders(new URL(route.url).host, message.headers)
      const { ended, status, bytes } = await carrier.carry({ target, headers, message, res, stop, closing: parts.draining() })
      const answer = ANSWERS[ended]
      const shown = res.headersSent ? status : (answer?.status ?? status)
      told(route, ended, shown, bytes, since)
      if (res.headersSent || res.destroyed) return
      if (answer) refuse(parts, res, answer)
      else res.destroy()
    } finally {
      leave()
    }
  }

  function upgrade(message: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', () => socket.destroy())
    const canonical = canonicalOf(
      { method: message.method ?? '', target: message.url ?? '', httpVersion: message.httpVersion, rawHeaders: message.rawHeaders },
      parts.maxTarget,
    )
    if ('status' in canonical) return refuseSocket(socket, counted({ status: canonical.status, reason: 'malformed' }))
    const door = doorOf(canonical.wire.path)
    if (!door?.route.websocket || parts.draining()) return refuseSocket(socket, counted({ status: 503, reason: 'unknown_route' }))
    const refused = stranger(message, door, canonical) ?? flawOf(message) ?? (door.sockets.open >= door.route.maxSockets ? FULL : undefined)
    if (refused) return refuseSocket(socket, refused)
    const target = targetFor(door.route, message, canonical, parts.maxTarget)
    if (target === undefined) return refuseSocket(socket, counted(NO_TARGET))
    const { route, sockets } = door
    const since = performance.now()
    const subprotocols = proposed(message, route)
    const key = message.headers['sec-websocket-key'] ?? ''
    const leave = parts.underWay.add([`open:${route.id}`], () => socket.destroy())
    sockets.begin({ target, key, subprotocols, message, socket, head }, (ended, bytes, answered) => {
      leave()
      parts.metrics.openSockets.set({ route: route.id }, sockets.open)
      told(route, ended, answered ? 101 : (ANSWERS[ended]?.status ?? 0), bytes, since)
      if (!answered) refuseSocket(socket, ANSWERS[ended] ?? { status: 503, reason: 'holder_down' })
    })
    parts.metrics.openSockets.set({ route: route.id }, sockets.open)
  }

  return {
    serves: (path) => doorOf(path) !== undefined,
    handle,
    upgrades: ({ url = '' }) => doorOf(url.split('?', 1)[0] ?? '')?.route.websocket === true,
    upgrade,
    drain() {
      for (const { sockets } of doors) sockets.stop()
    },
    close() {
      for (const { carrier } of doors) carrier.close()
    },
  }
}

/**
 * A space is written `+` by half of all clients, and both portals read it so, as forms do; only here, because a gated path
 * has no value in which a space could stand.
 */
function targetFor(route: OpenRoute, message: IncomingMessage, { wire }: Canonical, most: number): string | undefined {
  const { url = '', method = '', httpVersion, rawHeaders } = message
  const mark = url.indexOf('?')
  if (mark < 0 || !url.includes('+', mark)) return targetOf(route, wire.path, wire.query)
  const spaced = `${url.slice(0, mark)}${url.slice(mark).replaceAll('+', '%20')}`
  const read = canonicalOf({ method, target: spaced, httpVersion, rawHeaders }, most + 2 * (url.length - mark))
  return 'status' in read ? undefined : targetOf(route, read.wire.path, read.wire.query)
}

/** RFC 6455 § 4.2.1; `canonicalOf` has seen that each header is there once. */
function flawOf({ headers }: IncomingMessage): Refused | undefined {
  if (headers.upgrade?.toLowerCase() !== 'websocket' || !/^[A-Za-z0-9+/]{22}==$/.test(headers['sec-websocket-key'] ?? '')) return NO_TARGET
  if (headers['sec-websocket-version'] === '13') return undefined
  return { status: 426, reason: 'malformed', headers: [['Sec-WebSocket-Version', '13']] }
}

function proposed({ headers }: IncomingMessage, { subprotocols }: OpenRoute): readonly string[] {
  const named = (headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim())
  return named.filter((name, i) => subprotocols.includes(name) && named.indexOf(name) === i)
}

/** RFC 9457. The sentences are those of `docs/errors.md`; nothing of the request or the portal is echoed. */
function problem({ status, reason }: Refused): { readonly body: string; readonly headers: readonly (readonly [string, string])[] } {
  const { by, title, help } = REASONS[reason]
  return {
    body: JSON.stringify({ type: `urn:ecluse:problem:${reason}`, title, status, reason, refused_by: by, help }),
    headers: [
      ['Content-Type', 'application/problem+json'],
      ['Cache-Control', 'no-store'],
      ['Ecluse-Reason', reason],
      ['Ecluse-Refused-By', by],
    ],
  }
}

function refuse(parts: OpenParts, res: ServerResponse, refused: Refused): void {
  const { body, headers } = problem(refused)
  write(parts, res, refused.status, [...headers, ...(refused.headers ?? [])], body)
}

function refuseSocket(socket: Duplex, refused: Refused): void {
  if (!socket.writable) return void socket.destroy()
  const { body, headers } = problem(refused)
  const all = [...headers, ...(refused.headers ?? []), ['Connection', 'close'], ['Content-Length', String(Buffer.byteLength(body))]]
  const names = new Map(all.map(([name = '', value = '']) => [name, value]))
  const head = [...names].map(([name, value]) => `${name}: ${value}\r\n`).join('')
  socket.write(`HTTP/1.1 ${refused.status} ${STATUS_CODES[refused.status] ?? 'Refused'}\r\n${head}\r\n${body}`)
  hangUp(socket)
}
