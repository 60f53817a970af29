/** What pages and API share while they run. */
import type { Attempts } from './attempts.ts'
import type { Oidc } from './oidc.ts'
import type { Packs } from './packs.ts'
import type { ConsoleParts } from './ports.ts'
import type { Cookies, Sessions } from './session.ts'

export interface Desk {
  readonly parts: ConsoleParts
  readonly packs: Packs
  readonly sessions: Sessions
  readonly cookies: Cookies
  readonly attempts: Attempts
  readonly oidc: Oidc | undefined
  /** Of the sign-in form: what ties it to the browser that was shown it. */
  visitToken(visit: string): string
  /** Scheme, host and port under which browsers reach us. */
  originOf(request: { readonly headers: { readonly host?: string | undefined } }): string
}
