/**
 * `open_routes`: doors without consent, to the open data that Enedis, GRDF and others publish, and the checks that keep
 * such a door from ever leading to data of one person. What opens by itself is asked about from both ends: the path must
 * lie beside everything that the gate serves, and the target must be no interface of anybody's meter.
 *
 * Hosts of the two data holders are refused unless they are known as open-data portals: an interface that is set up
 * tomorrow under a new name is closed from its first day. Source: public addresses of the portals
 * of Enedis, GRDF and ODRÉ.
 */
import { isIP } from 'node:net'
import * as z from 'zod'
import type { Path } from './mistakes.ts'
import { isLoopback, isPrivate } from './network.ts'
import { count, id, listenerUrl, path, whole } from './schema-parts.ts'
import type { Settings, Written } from './shape.ts'

const PLAIN = /^(\/[A-Za-z0-9_-][A-Za-z0-9_.-]*)+$/

const target = listenerUrl('')
  .superRefine((value, ctx) => {
    const { pathname } = URL.parse(value) ?? { pathname: '/' }
    // What a parser of URLs would change is not what was meant.
    if (pathname !== '/' && !(PLAIN.test(pathname) && value.endsWith(pathname)))
      ctx.addIssue({ code: 'custom', message: 'expected a path of letters, digits, dot, dash and underscore, such as /api/explore/v2.1' })
  })
  .describe('where its requests go: an https address, with the path below which all of them stay')

const timeouts = z
  .strictObject({
    connect_seconds: count(5, 1, 60, 'to connect'),
    headers_seconds: count(30, 1, 300, 'from the request to the first byte, TLS included'),
    body_seconds: count(30, 1, 300, 'between two pieces of an answer'),
    total_seconds: count(300, 1, 3600, 'for the whole request'),
    slow_client_seconds: count(60, 1, 600, 'how long a client may read nothing before it is cut'),
    idle_seconds: count(120, 1, 3600, 'how long nothing may pass on a WebSocket before it is closed'),
  })
  .describe('when to give up')
  .prefault({})

export const openRouteSchema = z.strictObject({
  id: id.describe('its name in logs and metrics'),
  path: z
    .string()
    .max(200)
    .regex(PLAIN, 'expected a path such as /open/grdf: letters, digits, dot, dash and underscore, no final slash')
    .describe('the path of the gate under which it opens; only GET passes'),
  to: target,
  ca: path('certificate authority of the portal, PEM, instead of the public ones').optional(),
  allow_private: z.boolean().default(false).describe('allow a private or loopback address: simulators only'),
  connections: count(16, 1, 1024, 'to the portal at once'),
  requests_per_minute: count(600, 1, 1_000_000, 'requests of one visitor in a minute'),
  timeouts,
  max_answer_bytes: count(268_435_456, 65_536, 4_294_967_296, 'largest answer; beyond it the client is cut'),
  websocket: z.boolean().default(false).describe('let clients change to WebSocket on this route'),
  subprotocols: z
    .array(z.string().regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$/, 'expected the name of a subprotocol'))
    .default([])
    .describe('subprotocols of WebSocket that a client may propose; others are left out'),
  max_sockets: whole(1, 10_000).default(100).describe('WebSockets open at once on this route'),
})
export type OpenRoute = z.output<typeof openRouteSchema>

/**
 * First parts of the paths that the gate serves itself, for people or in the place of a data holder, and of those that an
 * interface yet to come is likely to have. A test holds this against the lists of the adapters, portal and OAuth server.
 */
const TAKEN =
  /^(?:\.?well-known|with-token|v[0-9]+|api|data|oauth2?|openam|adict|metering_data\w*|customers?\w*|\w+_auto|subscribed_services|consent|device|me|receipts|link|assets|dataconnect|franceconnect|(?:consultation|recherche|commande|abonnement|affaire)\w*|mesures?\w*|droits?\w*|pce|prm)$/i

export function isTaken(path: string): boolean {
  return TAKEN.test(path.split('/')[1] ?? '')
}

const OF_DATA_HOLDERS = /(?:^|\.)(?:enedis|grdf|grdf-distribution)\.fr$/
const PORTALS = /^(?:www\.)?(?:open-?)?data\.(?:enedis|grdf)\.fr$/
/** Of others, that hand on what the data holders know of one person. */
const OF_PERSONS = /(?:^|\.)(?:boris\.sh|myelectricaldata\.fr)$/

/** Whether a host may know something of one person's meter. Names as `URL.hostname` writes them. */
export function isIndividual(hostname: string): boolean {
  // A final dot names the same host.
  const host = hostname.toLowerCase().replace(/\.+$/, '')
  return (OF_DATA_HOLDERS.test(host) && !PORTALS.test(host)) || OF_PERSONS.test(host)
}

/** A route as connections to it are made. */
export function asConnected(route: NonNullable<Settings['openRoutes']>[number]) {
  return { ...route, url: route.to, ca: route.ca, refusesAddress: route.allowPrivate ? undefined : isPrivate }
}

interface Finding {
  readonly path: Path
  readonly message: string
}
interface Parts {
  readonly providers?: Written['providers']
  readonly portal?: Written['portal']
  readonly console?: Written['console']
  readonly open?: readonly (OpenRoute | undefined)[]
}

/** What is wrong with routes, seen beside the rest of the file. */
export function openRoutes(parts: Parts): Finding[] {
  const routes = parts.open ?? []
  return routes.flatMap((route, i) =>
    route === undefined ? [] : [...named(routes, route, i), ...pathOf(routes, route, i), ...leads(parts, route, ['open_routes', i, 'to'])],
  )
}

function named(routes: readonly (OpenRoute | undefined)[], route: OpenRoute, i: number): Finding[] {
  const before = routes.findIndex((other) => other?.id === route.id)
  return before === i
    ? []
    : [{ path: ['open_routes', i, 'id'], message: `'${route.id}' is taken by open_routes[${before}]: choose another` }]
}

function pathOf(routes: readonly (OpenRoute | undefined)[], route: OpenRoute, i: number): Finding[] {
  const at: Path = ['open_routes', i, 'path']
  if (isTaken(route.path)) return [{ path: at, message: 'the gate serves paths that begin so itself: choose another, such as /open/…' }]
  const other = routes.findIndex((one, j) => j < i && one !== undefined && overlap(one.path, route.path))
  return other < 0 ? [] : [{ path: at, message: `overlaps the path of open_routes[${other}]: choose one beside it` }]
}

function overlap(a: string, b: string): boolean {
  return a === b || a.startsWith(`${b}/`) || b.startsWith(`${a}/`)
}

function leads(parts: Parts, { to, allow_private: allowed }: OpenRoute, at: Path): Finding[] {
  const { hostname } = new URL(to)
  if (isIndividual(hostname))
    return [{ path: at, message: 'leads to an interface for data of persons: an open route leads to open data only' }]
  const same = configured(parts).find(([, url]) => isSameHost(new URL(url), new URL(to)))
  if (same) return [{ path: at, message: `leads to the host of '${same[0]}': an open route leads to open data only` }]
  if (isPrivate(hostname))
    return allowed ? [] : [{ path: at, message: "a private address: set 'allow_private: true' if this is a simulator" }]
  // Which of the names above it belongs to could not be told.
  return isIP(hostname.replace(/^\[|\]$/g, '')) === 0 ? [] : [{ path: at, message: 'expected the name of a host, not an address' }]
}

/** Every address of the settings behind which somebody's data or session lies. */
function configured({ providers, portal, console }: Parts): (readonly [string, string])[] {
  const holders = Object.entries(providers ?? {}).flatMap(([name, holder]) => {
    const own = holder ? [[`providers.${name}.url`, holder.url] as const] : []
    return holder && 'token_url' in holder ? [...own, [`providers.${name}.token_url`, holder.token_url] as const] : own
  })
  const others = [
    ['portal.url', portal?.url],
    ['portal.consent.url', portal?.consent.url],
    ['portal.franceconnect.issuer', portal?.franceconnect?.issuer],
    ['console.oidc.issuer', console?.oidc?.issuer],
  ] as const
  return [...holders, ...others.flatMap(([name, url]) => (url === undefined ? [] : [[name, url] as const]))]
}

/** On one machine, simulators are told apart by their ports; anywhere else another port is the same body's machine. */
function isSameHost(a: URL, b: URL): boolean {
  const bare = (url: URL): string => url.hostname.toLowerCase().replace(/\.+$/, '')
  return isLoopback(a.hostname) && isLoopback(b.hostname) ? a.port === b.port : bare(a) === bare(b)
}
