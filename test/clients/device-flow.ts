/**
 * How a program without a browser comes by its tokens on the device flow's routes, and renews them.
 *
 * As DomoticzLinky 2.6.0 does it, from its `plugin.py` and from measurements: the first poll comes ten seconds after the
 * code, on the connection that it has; where the server has closed that one meanwhile it gives up, to begin in an hour with
 * another code. `invalid_grant`, `invalid_request` and `unauthorized` make it switch itself off. The app for Homey
 * (`tests/e2e` of c-fevre/homey.enedis.connect.proxy) speaks the same, but opens a connection whenever it needs one.
 */
import { Agent } from 'node:http'
import type { Told } from './http.ts'
import { ask, fieldsOf } from './http.ts'

export interface Tokens {
  readonly access: string
  readonly type: string
  readonly refresh: string
  /** Milliseconds. */
  readonly expiresAt: number
  /** As they were first named: kept for ever and repeated at each refresh. */
  readonly meters: string
}

export type Linked =
  | { readonly is: 'linked'; readonly tokens: Tokens }
  /** Begins in an hour, with another code. */
  | { readonly is: 'later'; readonly why: string }
  /** Begins never again by itself. */
  | { readonly is: 'off' }

export interface DeviceFlowOptions {
  readonly base: string
  readonly clientId: string
  readonly headers: Readonly<Record<string, string>>
  /** True: what the plugin of Domoticz does where its connection is closed. */
  readonly holdsConnection: boolean
  /** Shows a person where to go. */
  readonly show: (page: string) => void
  readonly wait: (ms: number) => Promise<unknown>
}

export interface DeviceFlow {
  link(): Promise<Linked>
  /** `off`: told that its grant is none. Undefined: it did not work out, the tokens are kept. */
  refresh(tokens: Tokens): Promise<Tokens | 'off' | undefined>
  /** Path, status and error of every answer, in order. */
  readonly heard: readonly string[]
  readonly connections: ReadonlySet<number | undefined>
  close(): void
}

/** What the answers to one request come to. */
type Said =
  | { readonly is: 'given'; readonly fields: Readonly<Record<string, unknown>> }
  | { readonly is: 'pending' }
  | Exclude<Linked, { is: 'linked' }>

const GRANT = 'urn:ietf:params:oauth:grant-type:device_code'
const HEARTBEAT_MS = 10_000
const TRIES = 3
const OFF: ReadonlySet<unknown> = new Set(['unauthorized', 'invalid_grant', 'invalid_request'])

export function deviceFlow(options: DeviceFlowOptions): DeviceFlow {
  const { base, clientId, holdsConnection } = options
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const heard: string[] = []
  const connections = new Set<number | undefined>()

  async function post(path: string, form: Readonly<Record<string, string>>): Promise<Told | undefined> {
    const body = new URLSearchParams(form).toString()
    const headers = { ...options.headers, 'Content-Length': String(body.length) }
    const told = await ask(base + path, { method: 'POST', headers, body, ...(holdsConnection && { agent }) }).catch(() => undefined)
    if (told && holdsConnection) connections.add(told.connection)
    const error = told && fieldsOf(told.text)['error']
    heard.push(told ? `${path} ${told.status}${typeof error === 'string' ? ` ${error}` : ''}` : `${path} cut`)
    return told
  }
  const closed = (): boolean => holdsConnection && Object.keys(agent.freeSockets).length === 0

  /** Three tries, ten seconds apart, of whatever does not say that it is over. */
  async function token(form: Readonly<Record<string, string>>): Promise<Said> {
    for (let tried = 1; ; tried += 1) {
      const told = await post('/device/token', { client_id: clientId, ...form })
      if (!told && holdsConnection) return { is: 'later', why: 'no answer' }
      const fields = fieldsOf(told?.text ?? '')
      const { error } = fields
      if (error === 'authorization_pending') return { is: 'pending' }
      if (OFF.has(error)) return { is: 'off' }
      if (told?.status === 200 && ['access_token', 'refresh_token', 'token_type', 'expires_in'].every((name) => name in fields))
        return { is: 'given', fields }
      if (tried === TRIES) return { is: 'later', why: typeof error === 'string' ? error : `${told?.status}` }
      await options.wait(HEARTBEAT_MS)
    }
  }

  function tokensOf(fields: Readonly<Record<string, unknown>>, meters: string): Tokens {
    return {
      access: String(fields['access_token']),
      type: String(fields['token_type']),
      refresh: String(fields['refresh_token']),
      expiresAt: Date.now() + Number(fields['expires_in']) * 1000,
      meters,
    }
  }

  return {
    heard,
    connections,
    async link() {
      const told = await post('/device/code', { client_id: clientId })
      const { device_code: code, user_code: user } = fieldsOf(told?.text ?? '')
      if (told?.status !== 200 || typeof code !== 'string' || typeof user !== 'string') return { is: 'later', why: 'no code' }
      options.show(`${base}/device?code=${user}`)
      for (;;) {
        await options.wait(HEARTBEAT_MS)
        if (closed()) return { is: 'later', why: 'the connection was closed' }
        const said = await token({ grant_type: GRANT, device_code: code })
        if (said.is === 'given') return { is: 'linked', tokens: tokensOf(said.fields, String(said.fields['usage_points_id'])) }
        if (said.is !== 'pending') return said
      }
    },
    async refresh(tokens) {
      const said = await token({ grant_type: 'refresh_token', usage_points_id: tokens.meters, refresh_token: tokens.refresh })
      if (said.is === 'off') return 'off'
      return said.is === 'given' ? tokensOf(said.fields, tokens.meters) : undefined
    },
    close: () => agent.destroy(),
  }
}
