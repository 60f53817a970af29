/** A simulated Enedis at a fixed moment, with quotas out of the way, and what a client of it does. */
import { connect } from 'node:net'
import { onTestFinished } from 'vitest'
import type { Day } from '../../../src/domain/time.ts'
import { addDays, day } from '../../../src/domain/time.ts'
import type { Sandbox, SandboxOptions } from '../../../src/sandbox/sandbox.ts'
import { DEFAULT_APPLICATION, startSandbox } from '../../../src/sandbox/sandbox.ts'

export const TODAY = day('2026-11-25')
export const NOW = Date.UTC(2026, 10, 25, 9)
export const HOUSE = '10000000000001'
const WIDE = { perSecond: 1_000_000, perHour: 1_000_000 }

export interface Client {
  readonly sandbox: Sandbox
  readonly token: string
  get(
    target: string,
    headers?: Readonly<Record<string, string>>,
  ): Promise<{ readonly status: number; readonly text: string; readonly headers: Headers }>
}

export async function aClient(options: Partial<SandboxOptions> = {}): Promise<Client> {
  const sandbox = await startSandbox({ port: 0, now: () => NOW, quotas: { v5: WIDE, '2026': WIDE }, ...options })
  onTestFinished(() => sandbox.close())
  const token = await aToken(sandbox)
  return {
    sandbox,
    token,
    async get(target, headers = {}) {
      const answer = await fetch(`${sandbox.url}${target}`, {
        headers: { Authorization: `Bearer ${token}`, ...headers },
        redirect: 'manual',
      })
      return { status: answer.status, text: await answer.text(), headers: answer.headers }
    },
  }
}

export async function aToken(sandbox: Sandbox): Promise<string> {
  const { clientId, secret } = DEFAULT_APPLICATION
  const form = new URLSearchParams({ grant_type: 'client_credentials', client_id: clientId, client_secret: secret })
  const answer = await fetch(`${sandbox.url}/oauth2/v3/token`, { method: 'POST', body: form })
  const { access_token: token } = (await answer.json()) as { access_token: string }
  return token
}

export const CURVE_V5 = '/metering_data_clc/v5/consumption_load_curve'
export const CURVE_2026 = '/mesure_synchrone_auto/v2/courbe_de_charge_consommation'
export const DAILY_V5 = '/metering_data_dc/v5/daily_consumption'
export const DAILY_2026 = '/mesure_synchrone_auto/v2/consommation_quotidienne'

export function v5(path: string, from: string = addDays(TODAY, -2), until: string = TODAY, meter = HOUSE): string {
  return `${path}?usage_point_id=${meter}&start=${from}&end=${until}`
}
export function y2026(path: string, from: string = addDays(TODAY, -2), until: string = TODAY, meter = HOUSE, more = ''): string {
  return `${path}?pointId=${meter}&dateDebut=${from}&dateFin=${until}${more}`
}
export const back = (days: number): Day => addDays(TODAY, -days)

/** Sends a request on a socket of its own and gives all that comes back, until the other side ends or `ms` are over. */
export function onTheWire(
  { sandbox, token }: Client,
  target: string,
  ms = 500,
): Promise<{ readonly text: string; readonly bytes: Buffer; readonly ended: 'closed' | 'reset' | 'open'; readonly after: number }> {
  return new Promise((resolve) => {
    const { hostname, port } = new URL(sandbox.url)
    const began = performance.now()
    const pieces: Buffer[] = []
    const socket = connect(Number(port), hostname, () => {
      socket.write(`GET ${target} HTTP/1.1\r\nHost: ${hostname}:${port}\r\nAuthorization: Bearer ${token}\r\n\r\n`)
    })
    const done = (ended: 'closed' | 'reset' | 'open') => (): void => {
      clearTimeout(timer)
      socket.destroy()
      const bytes = Buffer.concat(pieces)
      resolve({ text: bytes.toString('latin1'), bytes, ended, after: performance.now() - began })
    }
    const timer = setTimeout(done('open'), ms)
    socket.on('data', (piece: Buffer) => pieces.push(piece))
    socket.once('end', done('closed'))
    socket.once('error', done('reset'))
  })
}

export const APPLICATION = DEFAULT_APPLICATION.clientId
export const CALLBACK = 'http://127.0.0.1:9/callback'

/** A simulated Enedis whose application has a callback address, and a browser without cookies that follows nothing. */
export async function aVisitor(options: Partial<SandboxOptions> = {}): Promise<Client & Visitor> {
  const client = await aClient(options)
  client.sandbox.register(APPLICATION, CALLBACK)
  const { url } = client.sandbox
  const see = async (target: string, init: RequestInit = {}): Promise<Seen> => {
    const answer = await fetch(`${url}${target}`, { redirect: 'manual', ...init })
    const location = answer.headers.get('location')
    return {
      status: answer.status,
      text: await answer.text(),
      headers: answer.headers,
      ...(location !== null && { to: new URL(location, url) }),
    }
  }
  return {
    ...client,
    see,
    send: (target, fields) => see(target, { method: 'POST', body: new URLSearchParams([...fields].map(([name, value]) => [name, value])) }),
    async services(asked) {
      const answer = await fetch(`${url}/subscribed_services/v1`, {
        method: 'POST',
        headers: { Authorization: `Bearer ${client.token}`, 'Content-Type': 'application/json' },
        body: typeof asked === 'string' ? asked : JSON.stringify({ comptage: false, ...asked }),
      })
      const text = await answer.text()
      const { serviceSouscrit: list = [] } = JSON.parse(text) as { serviceSouscrit?: readonly Service[] }
      return { status: answer.status, text, list }
    },
  }
}

export interface Seen {
  readonly status: number
  readonly text: string
  readonly headers: Headers
  /** Where it redirects to. */
  readonly to?: URL
}
export interface Service {
  readonly pointId: string
  readonly mesuresTypeCode: string
  readonly injection: boolean
  readonly etatCode: string
  readonly dateDebut: string
  readonly dateFin: string
  readonly autorisation: { readonly autorisationId: number }
}
export interface Visitor {
  see(target: string, init?: RequestInit): Promise<Seen>
  send(target: string, fields: Iterable<readonly [string, string]>): Promise<Seen>
  /** Asks the subscribed services: a body as it is, or filters. */
  services(
    asked: string | Readonly<Record<string, unknown>>,
  ): Promise<{ readonly status: number; readonly text: string; readonly list: readonly Service[] }>
}

const V1_PAGE = '/dataconnect/v1/oauth2/authorize'
const V2_PAGE = '/dataconnect/v2/oauth2/authorize'
export function consentPage(generation: 'v1' | 'v2', fields: Readonly<Record<string, string | undefined>> = {}): string {
  const all = { client_id: APPLICATION, response_type: 'code', state: 'a-state', duration: 'P1Y', ...fields }
  const given = Object.entries(all).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]]))
  return `${generation === 'v1' ? V1_PAGE : V2_PAGE}?${new URLSearchParams(given).toString()}`
}
export const accept = (...prms: readonly string[]): readonly (readonly [string, string])[] => [
  ['decision', 'accept'],
  ...prms.map((prm) => ['meter', prm] as const),
]
export const REFUSE: readonly (readonly [string, string])[] = [['decision', 'refuse']]
