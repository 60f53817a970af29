/** A simulated GRDF at a fixed moment, with quotas out of the way, and what a third party does with it. */
import { onTestFinished } from 'vitest'
import { day } from '../../../src/domain/time.ts'
import { BOILER_PCE, HOUSE_PCE } from '../../../src/sandbox/adict-points.ts'
import type { AdictClient, Sandbox, SandboxOptions } from '../../../src/sandbox/sandbox.ts'
import { ADICT_TOKEN_PATH, DEFAULT_ADICT_CLIENT, startSandbox } from '../../../src/sandbox/sandbox.ts'
import { NOW } from './given.ts'

export { HOUSE_PCE, BOILER_PCE }
export const MONTHLY = '99000000000002'
export const HALF_YEARLY = '99000000000003'
export const BIOGAS = 'GI990002'
export const FLAT = '99000000000004'
export const NEW = '99000000000005'
export const PATCHY = '99000000000006'
export const OTHER_POSTCODE = '99000000000007'
export const ENDED = '99000000000008'
export const SHOP = '99000000000009'
export const HOUSE_RIGHT = '00000000-0000-4000-8000-000000000001'
export const OTHER_CLIENT: AdictClient = { clientId: 'another', secret: 'another-secret', company: 'AUTRE TIERS' }

export interface Heard {
  readonly status: number
  readonly text: string
  /** The answer as objects, one of each line. */
  readonly lines: readonly any[] // oxlint-disable-line typescript/no-explicit-any -- what a line holds is what the tests are about
  readonly type: string | null
}
export interface ThirdParty {
  readonly sandbox: Sandbox
  readonly clock: { now: number }
  readonly token: string
  send(method: string, target: string, init?: RequestInit): Promise<Heard>
  get(target: string): Promise<Heard>
  put(pce: string, body: unknown): Promise<Heard>
  list(filters?: unknown): Promise<Heard>
  /** The same simulated GRDF, as somebody else sees it. */
  as(client: AdictClient): Promise<ThirdParty>
}

export async function aThirdParty(options: Partial<SandboxOptions> = {}): Promise<ThirdParty> {
  const clock = { now: NOW }
  const sandbox = await startSandbox({
    port: 0,
    now: () => clock.now,
    adictCredentials: [DEFAULT_ADICT_CLIENT, OTHER_CLIENT],
    adictQuotas: { perSecond: 1_000_000, perDay: 1_000_000 },
    ...options,
  })
  onTestFinished(() => sandbox.close())
  return seenBy(sandbox, clock, DEFAULT_ADICT_CLIENT)
}

async function seenBy(sandbox: Sandbox, clock: { now: number }, client: AdictClient): Promise<ThirdParty> {
  const { access_token: token } = JSON.parse((await askToken(sandbox, form(client))).text) as { access_token: string }
  const send = async (method: string, target: string, init: RequestInit = {}): Promise<Heard> =>
    heard(
      await fetch(`${sandbox.url}${target}`, {
        method,
        redirect: 'manual',
        ...init,
        headers: { Authorization: `Bearer ${token}`, ...(init.headers as Record<string, string> | undefined) },
      }),
    )
  const json = (body: unknown): RequestInit => ({ headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) })
  return {
    sandbox,
    clock,
    token,
    send,
    get: (target) => send('GET', target),
    put: (pce, body) => send('PUT', `/adict/v2/pce/${pce}/droit_acces`, json(body)),
    list: (filters) =>
      filters === undefined ? send('GET', '/adict/v2/droits_acces') : send('POST', '/adict/v2/droits_acces', json(filters)),
    as: (other) => seenBy(sandbox, clock, other),
  }
}

async function heard(answer: Response): Promise<Heard> {
  const text = await answer.text()
  return { status: answer.status, text, lines: linesOf(text), type: answer.headers.get('content-type') }
}

/** The objects of a text that has one on each line; none where it is no such text. */
// oxlint-disable-next-line typescript/no-explicit-any -- as above
export function linesOf(text: string): readonly any[] {
  try {
    return text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as unknown)
  } catch {
    return []
  }
}

export function form({ clientId, secret }: AdictClient = DEFAULT_ADICT_CLIENT): Record<string, string> {
  return { grant_type: 'client_credentials', client_id: clientId, client_secret: secret, scope: '/adict/v2' }
}

export async function askToken(
  sandbox: Sandbox,
  fields: Record<string, string> | string,
  headers: Record<string, string> = {},
  path: string = ADICT_TOKEN_PATH,
): Promise<{ readonly status: number; readonly text: string }> {
  const answer = await fetch(`${sandbox.url}${path}`, { method: 'POST', body: new URLSearchParams(fields), headers })
  return { status: answer.status, text: await answer.text() }
}

export const KINDS = {
  published: 'donnees_consos_publiees',
  informative: 'donnees_consos_informatives',
  injection: 'donnees_injections_publiees',
  contract: 'donnees_contractuelles',
  technical: 'donnees_techniques',
} as const

export function data(kind: keyof typeof KINDS, pce: string, query = ''): string {
  return `/adict/v2/pce/${pce}/${KINDS[kind]}${query === '' ? '' : `?${query}`}`
}
export const days = (from: string, until: string): string => `date_debut=${from}&date_fin=${until}`
export const window = (from: string, until: string) => ({ dataFrom: day(from), dataUntil: day(until) })
