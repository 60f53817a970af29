/**
 * One open route: where it stands, where it leads, and the agent that makes its connections. The origin comes from the
 * settings alone; a name that leads to a private address is not connected to (`holder.ts` says why).
 */
import type { AgentOptions } from 'node:https'
import { Agent as TlsAgent } from 'node:https'
import { Agent } from 'node:http'
import type { HolderSettings } from '../holder.ts'
import { connectTo } from '../holder.ts'

export interface OpenRoute extends HolderSettings {
  readonly id: string
  /** Of the gate. Everything below it is the route's, and nothing beside it. */
  readonly path: string
  readonly requestsPerMinute: number
  readonly websocket: boolean
  readonly subprotocols: readonly string[]
  readonly maxSockets: number
  readonly timeouts: HolderSettings['timeouts'] & { readonly idleSeconds: number }
}

/** How long a connection that nobody uses is kept; portals close theirs after five seconds and more. */
const IDLE_MS = 4000

export function isBelow(route: OpenRoute, path: string): boolean {
  return path === route.path || path.startsWith(`${route.path}/`)
}

/** Throws where the settings name a private address and do not allow one. */
export function agentTo(route: OpenRoute): Agent {
  const { origin, protocol } = new URL(route.url)
  const options: AgentOptions = {
    ...(connectTo(origin, route) as AgentOptions),
    keepAlive: true,
    maxSockets: route.connections,
    timeout: IDLE_MS,
  }
  return protocol === 'https:' ? new TlsAgent(options) : new Agent(options)
}

/**
 * The target of the outgoing request, built from the one reading of the incoming one: what the client wrote is never
 * copied. Undefined where a parser of URLs, such as http-proxy-3 or the portal has, would read another target in it.
 *
 * @param path as `canonicalOf` gives it, below the route's own
 * @param query with decoded values
 */
export function targetOf(route: OpenRoute, path: string, query: ReadonlyMap<string, string>): string | undefined {
  const base = new URL(route.url)
  const below = path.slice(route.path.length)
  const under = base.pathname === '/' ? '' : base.pathname
  const pairs = [...query].map(([name, value]) => `${name}=${escaped(value)}`)
  const target = `${under}${below === '' && under === '' ? '/' : below}${pairs.length === 0 ? '' : `?${pairs.join('&')}`}`
  const read = new URL(target, base.origin)
  const same = read.origin === base.origin && `${read.pathname}${read.search}` === target
  return same && (under === '' || read.pathname === under || read.pathname.startsWith(`${under}/`)) ? target : undefined
}

function escaped(value: string): string {
  return encodeURIComponent(value).replaceAll("'", '%27')
}

/**
 * Where a redirect of the portal leads, as the gate says it: a path of the same route, or undefined where it leads out
 * of it. It is not followed.
 */
export function locationOf(route: OpenRoute, target: string, location: string): string | undefined {
  const base = new URL(route.url)
  const to = location === '' ? null : URL.parse(location, new URL(target, base.origin))
  const under = base.pathname === '/' ? '' : base.pathname
  if (!to || to.origin !== base.origin || to.username !== '' || to.password !== '') return undefined
  if (to.pathname !== under && !to.pathname.startsWith(`${under}/`)) return undefined
  const said = `${route.path}${to.pathname.slice(under.length)}${to.search}`
  return /^[\x21-\x7e]{1,4096}$/.test(said) && !/\/\/|[\\%]|\/\.\.?(?:\/|$)/.test(to.pathname) ? said : undefined
}
