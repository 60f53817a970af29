/**
 * A client of Data Connect as it is since 2026: sends people to the consent page v2, is given back an `autorisation_id`
 * and no meter, asks the subscribed services which meter that is (again while the list is empty), and reads the measures.
 * A 401 costs it its token, which it asks for anew; a 403 is the end for that meter; all else it tries again next time.
 *
 * Sources: c-fevre/homey.enedis.connect.proxy `Controller.php` and `tests/e2e`, GladysAssistant/gladys-gateway
 * `enedis` tests, bokub/conso-api `functions/auth`: each asks for the services in its own words, which are kept here.
 */
import type { ClientCredentials } from './http.ts'
import { ask, fieldsOf } from './http.ts'

/** How the list is asked for: the id as a number or as text; one of them with a slash at the end. */
export const QUESTIONS = {
  homey: {
    path: '/subscribed_services/v1',
    body: (id: string) => `{"autorisationId":${id},"comptage":false,"etatCode":["ACTIF","DEMANDE"],"serviceType":"ACCES"}`,
  },
  gladys: {
    path: '/subscribed_services/v1',
    body: (id: string) => JSON.stringify({ autorisationId: id, comptage: false, etatCode: ['ACTIF', 'DEMANDE'], serviceType: 'ACCES' }),
  },
  conso: {
    path: '/subscribed_services/v1/',
    body: (id: string) => `{"autorisationId":${id},"autorisation":true,"comptage":false,"serviceType":"ACCES"}`,
  },
} as const
export type Question = keyof typeof QUESTIONS

export const SERIES_2026 = {
  curve: 'courbe_de_charge_consommation',
  daily: 'consommation_quotidienne',
  production: 'courbe_de_charge_production',
} as const

export interface Point2026 {
  readonly d: string
  readonly v: string
}

export type Read2026 =
  | { readonly is: 'points'; readonly points: readonly Point2026[] }
  /** Nobody allows it, or no longer. */
  | { readonly is: 'denied'; readonly code: unknown }
  | { readonly is: 'none' }
  /** Asked again next time. */
  | { readonly is: 'later'; readonly why: string }

export interface Client2026 {
  authorizeAt(state: string): string
  /** The meters of an authorisation; it asks five times. */
  metersOf(authorisation: string, question?: Question): Promise<readonly string[]>
  read(series: keyof typeof SERIES_2026, meter: string, from: string, until: string): Promise<Read2026>
  /** How often it was given a token. */
  readonly tokens: number
  /** Forgets nothing of what it was given but its access token. */
  readonly held: string | undefined
}

const TRIES = 5
const BETWEEN_MS = 2000

export function client2026(options: ClientCredentials & { readonly wait: (ms: number) => Promise<unknown> }): Client2026 {
  const { base, clientId, secret } = options
  let held: { readonly token: string; readonly until: number } | undefined
  let tokens = 0

  async function token(): Promise<string> {
    if (held && Date.now() < held.until) return held.token
    const form = { grant_type: 'client_credentials', client_id: clientId, client_secret: secret }
    const told = await ask(`${base}/oauth2/v3/token`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams(form).toString(),
    })
    const { access_token: access, expires_in: seconds } = fieldsOf(told.text)
    if (told.status !== 200 || typeof access !== 'string') throw new Error(`no token: ${told.status}`)
    tokens += 1
    held = { token: access, until: Date.now() + Number(seconds) * 1000 }
    return access
  }
  /** Once more where the token was refused. */
  async function send(path: string, body?: string): ReturnType<typeof ask> {
    for (let tried = 1; ; tried += 1) {
      const told = await ask(base + path, {
        method: body === undefined ? 'GET' : 'POST',
        headers: {
          Authorization: `Bearer ${await token()}`,
          Accept: 'application/json',
          ...(body !== undefined && { 'Content-Type': 'application/json' }),
        },
        ...(body !== undefined && { body }),
      })
      if (told.status !== 401 || tried === 2) return told
      held = undefined
    }
  }

  return {
    get tokens() {
      return tokens
    },
    get held() {
      return held?.token
    },
    authorizeAt(state) {
      const query = new URLSearchParams({ client_id: clientId, response_type: 'code', state, duration: 'P1095D' })
      return `${base}/dataconnect/v2/oauth2/authorize?${query.toString()}`
    },
    async metersOf(authorisation, question = 'homey') {
      const { path, body } = QUESTIONS[question]
      for (let tried = 1; ; tried += 1) {
        const told = await send(path, body(authorisation))
        const list = fieldsOf(told.text)['serviceSouscrit']
        const rows = told.status === 200 && Array.isArray(list) ? (list as readonly { readonly pointId?: string }[]) : []
        const meters = [...new Set(rows.flatMap(({ pointId }) => pointId ?? []))]
        if (meters.length > 0 || tried === TRIES) return meters
        await options.wait(BETWEEN_MS)
      }
    },
    async read(series, meter, from, until) {
      const query = new URLSearchParams({ pointId: meter, dateDebut: from, dateFin: until })
      const told = await send(`/mesure_synchrone_auto/v2/${SERIES_2026[series]}?${query.toString()}`).catch(() => undefined)
      const body = fieldsOf(told?.text ?? '')
      if (told?.status === 200) {
        const [first] = body['grandeur'] as readonly { readonly points: readonly Point2026[] }[]
        return { is: 'points', points: first?.points ?? [] }
      }
      if (told?.status === 403) return { is: 'denied', code: body['code'] }
      return told?.status === 404 ? { is: 'none' } : { is: 'later', why: told ? `${told.status}` : 'no answer' }
    },
  }
}
