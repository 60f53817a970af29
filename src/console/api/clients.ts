/** Clients and tokens in the admin API. Clients are declared in the settings; here they get what they prove themselves with. */
import type { ClientId } from '../../domain/permission.ts'
import type { ClientShown, ConsoleParts } from '../ports.ts'
import { DEFAULT_LIMIT, pageFrom, placeOf } from './cursor.ts'
import { tagOf } from './etag.ts'
import { Problem } from './problem.ts'
import type { ApiRoute } from './route.ts'
import { route } from './route.ts'
import * as s from './schemas.ts'

/** Without what changes by itself: a tag that the next token makes old would keep nobody from anything. */
function bodyOf({ id, name, purpose, disabled, credentials }: ClientShown) {
  return { id, name, purpose, disabled, credentials }
}

async function clientOf(parts: ConsoleParts, id: string): Promise<ReturnType<typeof bodyOf>> {
  const found = (await parts.clients.list()).find((one) => one.id === id)
  if (!found) throw new Problem('not_found', 'no client of the settings or of the registry has this id')
  return bodyOf(found)
}

export const CLIENT_ROUTES: readonly ApiRoute[] = [
  route({
    method: 'GET',
    path: '/v1/clients',
    id: 'listClients',
    summary: 'Clients in the order of their ids',
    tag: 'clients',
    role: 'auditor',
    params: s.nothing,
    query: s.listQuery,
    body: s.nothing,
    answers: { 200: { what: 'one page', schema: s.clientPage } },
    problems: [],
    async handle(parts, { query }) {
      const limit = query.limit ?? DEFAULT_LIMIT
      const after = placeOf(query.cursor, 'text') ?? ''
      const all = (await parts.clients.list()).filter(({ id }) => id > after)
      return { status: 200, body: pageFrom(all.map(bodyOf), limit, ({ id }) => id) }
    },
  }),
  route({
    method: 'GET',
    path: '/v1/clients/{client}',
    id: 'showClient',
    summary: 'One client',
    tag: 'clients',
    role: 'auditor',
    params: s.clientPath,
    query: s.nothing,
    body: s.nothing,
    answers: { 200: { what: 'the client', schema: s.client } },
    problems: ['not_found'],
    handle: async (parts, { params }) => ({ status: 200, body: await clientOf(parts, params.client) }),
  }),
  route({
    method: 'POST',
    path: '/v1/clients/{client}/credentials',
    id: 'addCredential',
    summary: 'A first credential; where there is one, a new one in its place, and its tokens end',
    tag: 'clients',
    role: 'operator',
    params: s.clientPath,
    query: s.nothing,
    body: s.nothing,
    answers: { 201: { what: 'the credential; its secret is shown this once', schema: s.credential } },
    problems: ['not_found', 'conflict'],
    ifMatch: 'required',
    async handle(parts, { by, params, ifMatch }) {
      const seen = await clientOf(parts, params.client)
      const stale = new Problem('precondition_failed', 'read the client again')
      if (ifMatch !== '*' && !ifMatch?.includes(tagOf(JSON.stringify(seen)))) throw stale
      const done = await parts.clients.credential(
        by,
        params.client as ClientId,
        seen.credentials.map(({ id }) => id),
      )
      if (done.is === 'stale') throw stale
      return { status: 201, body: { clientId: done.value.clientId, secret: done.value.secret } }
    },
  }),
  route({
    method: 'GET',
    path: '/v1/tokens',
    id: 'listTokens',
    summary: 'Consent tokens in the order of their ids; never the tokens themselves',
    tag: 'tokens',
    role: 'auditor',
    params: s.nothing,
    query: s.tokenQuery,
    body: s.nothing,
    answers: { 200: { what: 'one page', schema: s.tokenPage } },
    problems: [],
    async handle(parts, { query }) {
      const limit = query.limit ?? DEFAULT_LIMIT
      const found = await parts.tokens.list({ client: query.client, after: placeOf(query.cursor, 'text'), limit: limit + 1 })
      return { status: 200, body: pageFrom(found, limit, ({ id }) => id) }
    },
  }),
  route({
    method: 'POST',
    path: '/v1/tokens',
    id: 'issueToken',
    summary: 'Issues a consent token',
    tag: 'tokens',
    role: 'operator',
    params: s.nothing,
    query: s.nothing,
    body: s.tokenOrder,
    answers: { 201: { what: 'the token, shown this once', schema: s.issued } },
    problems: ['conflict', 'invalid'],
    handle: async (parts, { by, body }) => ({ status: 201, body: await parts.tokens.issue(by, body) }),
  }),
  route({
    method: 'DELETE',
    path: '/v1/tokens/{token}',
    id: 'revokeToken',
    summary: 'Revokes a token; one that is revoked stays so',
    tag: 'tokens',
    role: 'operator',
    params: s.tokenPath,
    query: s.nothing,
    body: s.nothing,
    answers: { 204: { what: 'revoked: no request can begin with it any more' } },
    problems: ['not_found'],
    async handle(parts, { by, params }) {
      await parts.tokens.revoke(by, params.token)
      return { status: 204 }
    },
  }),
]
