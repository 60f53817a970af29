/**
 * What the simulated FranceConnect remembers: services, codes (30 s, good once), access tokens (60 s) and sessions of
 * browsers (30 min, sliding). In memory, of one started simulator.
 */
import { randomBytes } from 'node:crypto'
import type { FrancePerson } from './france-connect-persons.ts'
import type { FranceConnectClient, FranceRequest } from './france-connect-request.ts'

const CODE_MS = 30_000
export const TOKEN_SECONDS = 60
const SESSION_MS = 30 * 60_000
const MOST = 100_000

export interface Grant {
  readonly request: FranceRequest
  readonly person: FrancePerson
  /** When the person signed in, in UTC milliseconds. */
  readonly authTime: number
}
export interface Session {
  readonly person: FrancePerson
  readonly authTime: number
}

export interface FranceDesk {
  register(client: FranceConnectClient): void
  clientOf(id: string): FranceConnectClient | undefined
  giveCode(grant: Grant): string
  /** Good once: asked a second time, the token that it gave is good no longer. */
  takeCode(code: string): Grant | undefined
  giveToken(grant: Grant, code: string): string
  grantOf(token: string): Grant | undefined
  openSession(session: Session): string
  sessionOf(id: string | undefined): Session | undefined
  endSession(id: string | undefined): void
}

export function franceDesk(now: () => number): FranceDesk {
  const clients = new Map<string, FranceConnectClient>()
  const codes = timed<Grant>(now, CODE_MS)
  const tokens = timed<Grant>(now, TOKEN_SECONDS * 1000)
  const sessions = timed<Session>(now, SESSION_MS)
  const tokenOfCode = timed<string>(now, TOKEN_SECONDS * 1000)
  return {
    register(client) {
      clients.set(client.clientId, client)
    },
    clientOf: (id) => clients.get(id),
    giveCode: (grant) => codes.add(grant),
    takeCode(code) {
      const grant = codes.get(code)
      codes.delete(code)
      const given = tokenOfCode.get(code)
      if (given !== undefined) tokens.delete(given)
      return grant
    },
    giveToken(grant, code) {
      const token = tokens.add(grant)
      tokenOfCode.set(code, token)
      return token
    },
    grantOf: (token) => tokens.get(token),
    openSession: (session) => sessions.add(session),
    sessionOf(id) {
      const session = id === undefined ? undefined : sessions.get(id)
      if (id !== undefined && session) sessions.set(id, session)
      return session
    },
    endSession(id) {
      if (id !== undefined) sessions.delete(id)
    },
  }
}

/** Values under random names, each for so long, its end excluded. */
function timed<T>(now: () => number, ms: number) {
  const kept = new Map<string, { readonly value: T; readonly until: number }>()
  const set = (name: string, value: T): void => {
    const oldest = kept.size >= MOST ? kept.keys().next().value : undefined
    if (oldest !== undefined) kept.delete(oldest)
    kept.set(name, { value, until: now() + ms })
  }
  return {
    set,
    add(value: T): string {
      const name = randomBytes(32).toString('base64url')
      set(name, value)
      return name
    },
    get(name: string): T | undefined {
      const found = kept.get(name)
      if (found && found.until <= now()) kept.delete(name)
      return found && found.until > now() ? found.value : undefined
    },
    delete: (name: string): boolean => kept.delete(name),
  }
}
