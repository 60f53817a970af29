/** Clients, their credentials and their tokens. What is secret is shown once, in the answer to the form that made it. */
import type { ClientId } from '../../domain/permission.ts'
import type { Html } from '../../web/html.ts'
import { html } from '../../web/html.ts'
import type { ClientShown } from '../ports.ts'
import { Refusal } from '../ports.ts'
import type { Flaw, PageRoute, Shown, Visit } from './visit.ts'
import { facts, flawNotice, form, mayChange, moreLink, page, redirect, seg, table, textField, when, withQuery } from './visit.ts'

const ON_PAGE = 50

async function list(visit: Visit): Promise<Shown> {
  const { parts, say } = visit
  const clients = await parts.clients.list()
  const title = say({ fr: 'Clients', en: 'Clients' })
  return page(
    title,
    table(
      title,
      [
        say({ fr: 'Nom', en: 'Name' }),
        say({ fr: 'Identifiant', en: 'Id' }),
        say({ fr: 'Finalité', en: 'Purpose' }),
        say({ fr: 'État', en: 'State' }),
        say({ fr: 'Identifiants secrets', en: 'Credentials' }),
        say({ fr: 'Jetons valables', en: 'Live tokens' }),
      ],
      clients.map((one) => [
        html`<a href="/clients/${seg(one.id)}">${one.name}</a>`,
        one.id,
        one.purpose ?? '–',
        stateOf(visit, one),
        one.credentials.length,
        one.liveTokens,
      ]),
    ),
  )
}

function stateOf({ say }: Visit, { purpose, disabled }: ClientShown): string {
  if (purpose === null) return say({ fr: 'retiré des réglages', en: 'gone from the settings' })
  return disabled ? say({ fr: 'désactivé', en: 'disabled' }) : say({ fr: 'actif', en: 'enabled' })
}

async function clientOf({ parts, params }: Visit): Promise<ClientShown> {
  const client = (await parts.clients.list()).find(({ id }) => id === params['client'])
  if (!client) throw new Refusal('not_found', 'there is no such client')
  return client
}

async function show(visit: Visit, flaw?: Flaw): Promise<Shown> {
  const { parts, say, query } = visit
  const client = await clientOf(visit)
  const found = await parts.tokens.list({ client: client.id, after: query['after'], limit: ON_PAGE + 1 })
  const tokens = found.slice(0, ON_PAGE)
  const here = `/clients/${seg(client.id)}`
  const next = found.length > ON_PAGE ? withQuery(here, { after: tokens.at(-1)?.id }) : null
  const title = say({ fr: 'Jetons de consentement', en: 'Consent tokens' })
  return page(
    client.name,
    html`${flawNotice(visit, flaw)}
      ${facts([
        [say({ fr: 'Identifiant', en: 'Id' }), client.id],
        [say({ fr: 'Finalité', en: 'Purpose' }), client.purpose ?? '–'],
        [say({ fr: 'État', en: 'State' }), stateOf(visit, client)],
        ...client.credentials.map(
          ({ id, createdAt }) => [say({ fr: 'Secret', en: 'Credential' }), html`<code>${id}</code>, ${when(visit, createdAt)}`] as const,
        ),
      ])}
      <p><a href="${withQuery('/permissions', { client: client.id })}">${say({ fr: 'Ses autorisations', en: 'Its permissions' })}</a></p>
      ${mayChange(visit) && client.purpose !== null && credentialForm(visit, client)}
      <h2 id="tokens">${title}</h2>
      ${
        tokens.length === 0
          ? html`<p>${say({ fr: 'Aucun.', en: 'None.' })}</p>`
          : table(
              title,
              [
                say({ fr: 'Jeton', en: 'Token' }),
                say({ fr: 'Autorisations', en: 'Permissions' }),
                say({ fr: 'Expire', en: 'Expires' }),
                say({ fr: 'État', en: 'State' }),
              ],
              tokens.map((token) => [
                html`<code>${token.id}</code>`,
                token.permissions === 'all' ? say({ fr: 'toutes', en: 'all' }) : token.permissions,
                when(visit, token.expiresAt),
                token.revoked
                  ? say({ fr: 'révoqué', en: 'revoked' })
                  : mayChange(visit)
                    ? form(
                        visit,
                        `${here}/tokens/${seg(token.id)}/revocation`,
                        html`${say({ fr: 'valable', en: 'live' })}`,
                        html`<button class="stop" aria-label="${say({ fr: 'Révoquer le jeton', en: 'Revoke the token' })} ${token.id}">
                          ${say({ fr: 'Révoquer', en: 'Revoke' })}
                        </button>`,
                      )
                    : say({ fr: 'valable', en: 'live' }),
              ]),
            )
      }
      ${moreLink(visit, next)} ${mayChange(visit) && client.purpose !== null && tokenForm(visit, client, flaw)}`,
    flaw ? { status: 422 } : {},
  )
}

function credentialForm(visit: Visit, { id, credentials }: ClientShown): Html {
  const { say } = visit
  const rotates = credentials.length > 0
  return form(
    visit,
    `/clients/${seg(id)}/credentials`,
    html`<input type="hidden" name="known" value="${credentials.map((one) => one.id).join(' ')}" /> ${
        rotates &&
        html`<p>
          ${say({
            fr: 'Un nouveau secret remplace l’ancien aussitôt, et tous ses jetons prennent fin.',
            en: 'A new secret replaces the old one at once, and all of its tokens end.',
          })}
        </p>`
      }`,
    rotates
      ? html`<button class="stop">${say({ fr: 'Remplacer le secret', en: 'Replace the credential' })}</button>`
      : html`<button>${say({ fr: 'Créer un secret', en: 'Make a credential' })}</button>`,
  )
}

function tokenForm(visit: Visit, { id }: ClientShown, flaw?: Flaw): Html {
  const { say, form: sent } = visit
  return html`<h2 id="issue">${say({ fr: 'Émettre un jeton', en: 'Issue a token' })}</h2>
    ${form(
      visit,
      `/clients/${seg(id)}/tokens`,
      textField('permissions', say({ fr: 'Pour quelles autorisations ?', en: 'For which permissions?' }), {
        flaw,
        value: sent['permissions'] ?? '',
        hint: say({
          fr: 'identifiants séparés par des virgules ; vide : toutes celles du client',
          en: 'ids with commas between; empty: all that the client holds',
        }),
        max: 5000,
      }),
      html`<button>${say({ fr: 'Émettre', en: 'Issue' })}</button>`,
    )}`
}

async function credential(visit: Visit): Promise<Shown> {
  const { parts, operator, form: sent, say } = visit
  const { id } = await clientOf(visit)
  const known = (sent['known'] ?? '').split(' ').filter((one) => one !== '')
  const done = await parts.clients.credential(operator, id as ClientId, known)
  if (done.is === 'stale') throw new Refusal('conflict', 'the credentials of this client changed meanwhile: open its page again')
  return once(visit, id, say({ fr: 'Nouveau secret', en: 'New credential' }), done.value.secret)
}

async function issue(visit: Visit): Promise<Shown> {
  const { parts, operator, form: sent, say } = visit
  const { id } = await clientOf(visit)
  const permissions = (sent['permissions'] ?? '')
    .split(',')
    .map((one) => one.trim())
    .filter((one) => one !== '')
  try {
    const issued = await parts.tokens.issue(operator, { client: id, ...(permissions.length > 0 && { permissions }) })
    return once(visit, id, say({ fr: 'Nouveau jeton', en: 'New token' }), issued.token)
  } catch (error) {
    if (!(error instanceof Refusal) || error.code !== 'conflict') throw error
    const sentence = say({
      fr: 'Ce client est désactivé, ou n’a pas toutes ces autorisations.',
      en: 'This client is disabled, or does not hold all of these permissions.',
    })
    return show(visit, { field: 'permissions', sentence })
  }
}

function once({ say }: Visit, client: string, title: string, secret: string): Shown {
  return page(
    title,
    html`<p>${say({ fr: 'Affiché cette seule fois.', en: 'Shown this once.' })}</p>
      <pre id="secret">${secret}</pre>
      <p><a href="/clients/${seg(client)}">${say({ fr: 'Retour au client', en: 'Back to the client' })}</a></p>`,
  )
}

async function revoke({ parts, operator, params }: Visit): Promise<Shown> {
  await parts.tokens.revoke(operator, params['token'] ?? '')
  return redirect(`/clients/${seg(params['client'] ?? '')}`)
}

export const CLIENT_PAGES: readonly PageRoute[] = [
  { method: 'GET', path: '/clients', role: 'auditor', handle: list },
  { method: 'GET', path: '/clients/:client', role: 'auditor', handle: (visit) => show(visit) },
  { method: 'POST', path: '/clients/:client/credentials', role: 'operator', handle: credential },
  { method: 'POST', path: '/clients/:client/tokens', role: 'operator', handle: issue },
  { method: 'POST', path: '/clients/:client/tokens/:token/revocation', role: 'operator', handle: revoke },
]
