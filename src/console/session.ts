/**
 * Who is signed in. A session lives on our side under 256 random bits, which are all that the browser holds; it ends at
 * a fixed time, at sign-out, and a sign-in never takes over an id that was there before (session fixation).
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import type { ConsoleSettings, ConsoleTickets, Operator } from './ports.ts'
import { ROLES } from './ports.ts'

export interface Session {
  readonly operator: Operator
  /** Digest of what let the operator in: with another secret, provider or list of roles in the settings it is over. */
  readonly ground: string
  /** In each form; it dies with the session. */
  readonly csrf: string
}

export interface Sessions {
  open(operator: Operator, replacing: string | undefined): Promise<{ readonly id: string; readonly session: Session }>
  of(id: string | undefined): Promise<Session | undefined>
  close(id: string): Promise<void>
}

export function sessionsOn(tickets: ConsoleTickets, settings: Pick<ConsoleSettings, 'sessionMinutes' | 'bootstrap' | 'oidc'>): Sessions {
  const { bootstrap, oidc } = settings
  const grounds = {
    oidc: oidc && digest(JSON.stringify([oidc.issuer, oidc.clientId, oidc.roleClaim, oidc.operators, oidc.auditors])).toString('base64url'),
    bootstrap: bootstrap === undefined ? undefined : digest(bootstrap).toString('base64url'),
  }
  const groundOf = ({ id }: Operator): string | undefined => grounds[id.startsWith('oidc:') ? 'oidc' : 'bootstrap']
  return {
    async open(operator, replacing) {
      if (isId(replacing)) await tickets.drop('console', replacing)
      const id = randomBytes(32).toString('base64url')
      const session: Session = { operator, ground: groundOf(operator) ?? '', csrf: randomBytes(32).toString('base64url') }
      await tickets.put('console', id, JSON.stringify(session), settings.sessionMinutes * 60)
      return { id, session }
    },
    async of(id) {
      if (!isId(id)) return undefined
      const found = await tickets.get('console', id)
      if (!found) return undefined
      const session = JSON.parse(found.payload) as Session
      const { operator, ground } = session
      return ROLES.includes(operator.role) && ground === groundOf(operator) ? session : undefined
    },
    close: (id) => (isId(id) ? tickets.drop('console', id) : Promise.resolve()),
  }
}

function isId(id: string | undefined): id is string {
  return id !== undefined && /^[A-Za-z0-9_-]{43}$/.test(id)
}

/** Takes the same time wherever the two differ, and however long each is. */
export function isEqual(given: string, expected: string): boolean {
  return timingSafeEqual(digest(given), digest(expected))
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

export interface Cookies {
  readonly session: string
  /** Of a visitor that is not signed in yet: ties the sign-in form to this browser. */
  readonly visit: string
  /** Of a sign-in that is under way at the provider. */
  readonly signIn: string
  readonly language: string
  readonly secure: boolean
}

/** `__Host-`: no other host, path or plain connection can set one of them. Browsers take the prefix over https only. */
export function cookiesOf(secure: boolean): Cookies {
  const prefix = secure ? '__Host-' : ''
  return {
    session: `${prefix}ecluse-console`,
    visit: `${prefix}ecluse-visit`,
    signIn: `${prefix}ecluse-sign-in`,
    language: `${prefix}ecluse-console-language`,
    secure,
  }
}
