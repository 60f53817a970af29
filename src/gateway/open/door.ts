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
import type { Places } from './places.ts'
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
const GONE: Refused = { status: 503, reason: 'holder_down', headers: [['Retry-After', '10']] }
const NO_TARGET: Refused = { status: 400, reason: 'malformed', headers: [['Connection', 'close']] }

/** All routes, and what they share. */
interface Doors extends OpenParts {
  readonly doors: readonly Door[]
  readonly places: Places
}

export function openDoor(routes: readonly OpenRoute[], parts: OpenParts): OpenDoor {
  const doors = routes.map((route): Door => {
    const carrier = carrierTo(route)
    return { route, carrier, sockets: socketsOn(route, carrier.proxy) }
  })
  const all: Doors = { ...parts, doors, places: placesOf(parts.now) }
  return {
    serves: (path) => doorOf(all, path) !== undefined,
    handle: (canonical, message, res) => handle(all, canonical, message, res),
    upgrades: ({ url = '' }) => doorOf(all, url.split('?', 1)[0] ?? '')?.route.websocket === true,
    upgrade: (message, socket, head) => upgrade(all, message, socket, head),
    drain() {
      for (const { sockets } of doors) sockets.stop()
    },
    close() {
      for (const { carrier } of doors) carrier.close()
    },
  }
}

function doorOf({ doors }: Doors, path: string): Door | undefined {
  return doors.find(({ route }) => isBelow(route, path))
}

async function handle(all: Doors, canonical: Canonical, message: IncomingMessage, res: ServerResponse): Promise<void> {
  const door = doorOf(all, canonical.wire.path)
  const refused = door ? stranger(all, message, door, canonical) : { status: 404, reason: 'unknown_route' as const }
  const target = door && targetFor(door.route, message, canonical, all.maxTarget)
  if (!door || refused || target === undefined) return refuse(all, res, counted(all, refused ?? NO_TARGET))
  const { route, carrier } = door
  const since = performance.now()
  const stop = new AbortController()
  const leave = all.underWay.add([`open:${route.id}`], () => stop.abort('stopped' satisfies Ended))
  res.once('close', () => {
    if (!res.writableFinished) stop.abort('left' satisfies Ended)
  })
  try {
    const headers = askedHeaders(new URL(route.url).host, message.headers)
    const { ended, status, bytes } = await carrier.carry({ target, headers, message, res, stop, closing: all.draining() })
    const answer = ANSWERS[ended]
    tell(all, route, { ended, status: res.headersSent ? status : (answer?.status ?? status), bytes, since })
    if (res.headersSent || res.destroyed) return
    if (answer) refuse(all, res, answer)
    else res.destroy()
  } finally {
    leave()
  }
}

function upgrade(all: Doors, message: IncomingMessage, socket: Duplex, head: Buffer): void {
  socket.on('error', () => socket.destroy())
  const { method = '', url = '', httpVersion, rawHeaders } = message
  const canonical = canonicalOf({ method, target: url, httpVersion, rawHeaders }, all.maxTarget)
  if ('status' in canonical) return refuseSocket(socket, counted(all, { status: canonical.status, reason: 'malformed' }))
  const door = doorOf(all, canonical.wire.path)
  const refused = door ? (stranger(all, message, door, canonical) ?? flawOf(message) ?? noRoom(all, door)) : GONE
  const target = door && targetFor(door.route, message, canonical, all.maxTarget)
  if (!door || refused || target === undefined) return refuseSocket(socket, counted(all, refused ?? NO_TARGET))
  const { route, sockets } = door
  const since = performance.now()
  const key = message.headers['sec-websocket-key'] ?? ''
  const leave = all.underWay.add([`open:${route.id}`], () => socket.destroy())
  sockets.begin({ target, key, subprotocols: proposed(message, route), message, socket, head }, (ended, bytes, answered) => {
    leave()
    all.metrics.openSockets.set({ route: route.id }, sockets.open)
    tell(all, route, { ended, status: answered ? 101 : (ANSWERS[ended]?.status ?? 0), bytes, since })
    if (!answered) refuseSocket(socket, ANSWERS[ended] ?? GONE)
  })
  all.metrics.openSockets.set({ route: route.id }, sockets.open)
}

/** What is refused whoever asks, before anything of the request is looked at. */
function stranger({ places, placeOf }: Doors, message: IncomingMessage, { route }: Door, { wire }: Canonical): Refused | undefined {
  if (places.exceeded(placeOf(message), route.requestsPerMinute)) return FLOOD
  return wire.method === 'GET' ? undefined : { status: 405, reason: 'unknown_route', headers: [['Allow', 'GET']] }
}

function noRoom(all: Doors, { route, sockets }: Door): Refused | undefined {
  if (all.draining() || !route.websocket) return GONE
  return sockets.open >= route.maxSockets ? FULL : undefined
}

/** Nobody was asked: counted with the strangers, whom the minute's summary tells of. */
function counted({ refusals, metrics }: Doors, refused: Refused): Refused {
  refusals.stranger(refused.reason)
  metrics.strangers.inc({ reason: refused.reason })
  return refused
}

interface Told {
  readonly ended: SocketEnded
  readonly status: number
  readonly bytes: number
  readonly since: number
}
function tell({ metrics, log }: Doors, { id }: OpenRoute, { ended, status, bytes, since }: Told): void {
  metrics.openRequests.inc({ route: id, result: ended })
  metrics.openBytes.inc({ route: id }, bytes)
  log.info({ open: id, outcome: ended, status, bytes, ms: Math.round(performance.now() - since) }, 'open data')
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
