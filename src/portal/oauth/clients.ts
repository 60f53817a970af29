/**
 * A client of the settings as oidc-provider knows clients. Secrets are not among it: only their hashes are anywhere, and
 * the registry compares them. A client's public keys are read from its file when the file changes.
 */
import { randomBytes } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import type { AdapterPayload } from 'oidc-provider'
import { detailType } from './details.ts'
import type { OAuthClient } from './ports.ts'

export const DEVICE_GRANT = 'urn:ietf:params:oauth:grant-type:device_code'

/**
 * Stands where oidc-provider wants a secret. Nothing is compared with it (`compareClientSecret` asks the registry), and
 * nobody knows it: were it ever used, no secret would fit.
 */
const NO_SECRET = randomBytes(32).toString('base64url')

export function clientMetadata(client: OAuthClient, issuer: string, keysOf: KeySets): AdapterPayload {
  const { oauth } = client
  const method = oauth.public ? 'none' : oauth.jwks === undefined ? 'client_secret_basic' : 'private_key_jwt'
  const redirects = client.ask !== undefined && oauth.redirectUris.length > 0
  const grants = [
    ...(oauth.public ? [] : ['client_credentials']),
    ...(client.ask === undefined ? [] : ['refresh_token', DEVICE_GRANT]),
    ...(redirects ? ['authorization_code'] : []),
  ]
  return {
    client_id: client.id,
    client_name: client.name,
    grant_types: grants,
    response_types: redirects ? ['code'] : [],
    response_modes: ['query'],
    redirect_uris: redirects ? [...oauth.redirectUris] : [],
    application_type: 'web',
    authorization_details_types: [detailType(issuer)],
    token_endpoint_auth_method: method,
    ...(method === 'client_secret_basic' && { client_secret: NO_SECRET }),
    ...(oauth.jwks !== undefined && !oauth.public && { jwks: keysOf(oauth.jwks) }),
  } as AdapterPayload
}

export type KeySets = (file: string) => unknown

/** Reads again what has changed on disk. A file that cannot be read is an error: its client cannot prove who it is. */
export function keySets(): KeySets {
  const known = new Map<string, { readonly stamp: string; readonly keys: unknown }>()
  return (file) => {
    const { mtimeMs, size } = statSync(file)
    const stamp = `${mtimeMs} ${size}`
    const before = known.get(file)
    if (before?.stamp === stamp) return before.keys
    const keys: unknown = JSON.parse(readFileSync(file, 'utf8'))
    known.set(file, { stamp, keys })
    return keys
  }
}
