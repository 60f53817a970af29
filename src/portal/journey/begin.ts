/**
 * Where journeys begin on our own pages: the services that ask (home), a token for a program that one pastes it into,
 * the addresses of Enedis's consent page for clients whose base URL was changed to ours, and the proof of a meter for
 * the person's page.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { ClientId } from '../../domain/permission.ts'
import { parisDay } from '../../domain/time.ts'
import type { ClientSettings } from '../../settings/shape.ts'
import { html } from '../../web/html.ts'
import type { Shown } from '../frame.ts'
import type { Rooms } from '../portal.ts'
import type { Visit } from '../visit.ts'
import { shorter } from './journey.ts'
import { CLOSED } from './problems.ts'
import type { JourneyDesk } from './routes.ts'
import { singleValues } from './routes.ts'

export function beginRoutes(app: FastifyInstance, rooms: Rooms, desk: JourneyDesk): void {
  const { parts, visits, frame } = rooms
  const asking = (): readonly ClientSettings[] => [...parts.clients().values()].filter((c) => c.ask && !c.disabled)

  app.get('/', (request, reply) => {
    const visit = visits.of(request, reply)
    return frame.show(reply, visit, homePage(visit, asking()))
  })

  app.get('/consent/new', async (request, reply) => {
    const visit = visits.of(request, reply)
    const client = asking().find((c) => c.id === singleValues(request.query)?.get('client'))
    if (!client) return frame.problem(reply, visit, 404, NO_SERVICE)
    return begin(request, reply, visit, () => desk.begin(visit, { is: 'page' }, client, {}))
  })

  app.get('/me/enedis', (request, reply) => {
    const visit = visits.of(request, reply)
    return begin(request, reply, visit, () => desk.signIn(visit))
  })

  for (const generation of ['v1', 'v2'] as const) {
    app.get(`/dataconnect/${generation}/oauth2/authorize`, async (request, reply) => {
      const visit = visits.of(request, reply)
      const asked = authorizeOf(singleValues(request.query), parts.clients(), parisDay(parts.now()))
      if ('error' in asked) return enedisError(reply, asked.error, asked.description)
      const { client, redirectUri, state, duration } = asked
      return begin(request, reply, visit, () =>
        desk.begin(visit, { is: 'data_connect', generation, redirectUri, state }, client, { duration }),
      )
    })
  }

  async function begin(
    request: FastifyRequest,
    reply: FastifyReply,
    visit: Visit,
    start: () => Promise<string | undefined>,
  ): Promise<FastifyReply> {
    if (!parts.ready()) return frame.problem(reply, visit, 503, CLOSED)
    if (!desk.admits(request)) return frame.problem(reply.header('Retry-After', '600'), visit, 429, TOO_MANY)
    const to = await start()
    return to === undefined ? frame.problem(reply, visit, 404, NO_SERVICE) : reply.redirect(to, 303)
  }
}

type Authorize =
  | { readonly client: ClientSettings; readonly redirectUri: string; readonly state: string | null; readonly duration: string }
  | { readonly error: string; readonly description: string }

/**
 * As Enedis's own page takes it: `client_id`, `response_type=code`, `duration`, `state` of at most 100 characters; the
 * `redirect_uri` that some clients send must be one of those registered, and the first of them counts without it.
 */
function authorizeOf(
  query: ReadonlyMap<string, string> | undefined,
  clients: ReadonlyMap<ClientId, ClientSettings>,
  today: ReturnType<typeof parisDay>,
): Authorize {
  const refuse = (description: string, error = 'invalid_request'): Authorize => ({ error, description })
  if (!query) return refuse('duplicate_parameter')
  const client = clients.get((query.get('client_id') ?? '') as ClientId)
  // Nowhere is anybody sent for a client that is not known, or to an address that is not its own.
  if (!client?.ask || client.disabled) return refuse('client_not_allowed', 'access_denied')
  const wanted = query.get('redirect_uri')
  const redirectUri = wanted === undefined ? client.oauth.redirectUris[0] : client.oauth.redirectUris.find((uri) => uri === wanted)
  if (redirectUri === undefined) return refuse('invalid_redirect_uri')
  if (query.get('response_type') !== 'code') return refuse('missing_parameter')
  const state = query.get('state') ?? null
  if (state !== null && state.length > 100) return refuse('invalid_state')
  if (!query.has('duration')) return refuse('missing_parameter')
  const duration = shorter(client.ask.validity, query.get('duration'), today)
  return duration === undefined ? refuse('invalid_duration_format') : { client, redirectUri, state, duration }
}

function enedisError(reply: FastifyReply, error: string, description: string): FastifyReply {
  return reply
    .code(error === 'access_denied' ? 403 : 400)
    .headers({ 'Content-Type': 'application/json', 'Cache-Control': 'no-store' })
    .send(JSON.stringify({ error, error_description: description }))
}

function homePage({ language }: Visit, clients: readonly ClientSettings[]): Shown {
  const fr = language === 'fr'
  return {
    title: { fr: 'Vos données d’énergie, avec votre accord', en: 'Your energy data, with your permission' },
    path: '/',
    body: html`<h1>${fr ? 'Vos données d’énergie, avec votre accord' : 'Your energy data, with your permission'}</h1>
      <p>
        ${
          fr
            ? 'Ce portail laisse passer vers un service les seules données de votre compteur que vous avez autorisées, et consigne chaque lecture.'
            : 'This portal lets a service read only the data of your meter that you have allowed, and records each reading.'
        }
      </p>
      <h2>${fr ? 'Services qui demandent votre accord' : 'Services that ask for your permission'}</h2>
      ${
        clients.length === 0
          ? html`<p>${fr ? 'Aucun pour le moment.' : 'None for the moment.'}</p>`
          : clients.map(
              (client) =>
                html`<section class="card" aria-label="${client.name}">
                  <h3>${client.name}</h3>
                  <p>${client.ask?.body ?? ''}</p>
                  <p>
                    <a class="button" href="/consent/new?client=${client.id}">${fr ? 'Voir ce qu’il demande' : 'See what it asks for'}</a>
                  </p>
                </section>`,
            )
      }
      <h2>${fr ? 'Voir, vérifier, retirer' : 'See, check, withdraw'}</h2>
      <p>
        ${
          fr
            ? 'Qui peut lire vos données, qui les a lues et quand ; retirer un accord en un geste.'
            : 'Who may read your data, who did and when; withdraw in one step.'
        }
      </p>
      <p><a class="button" href="/me">${fr ? 'Mes autorisations' : 'My permissions'}</a></p>`,
  }
}

const NO_SERVICE = {
  title: { fr: 'Ce service ne demande rien', en: 'This service asks for nothing' },
  what: { fr: 'Aucun service de ce nom ne demande d’accord ici.', en: 'No service of this name asks for a permission here.' },
  help: { fr: 'La liste des services est sur la page d’accueil.', en: 'The list of services is on the home page.' },
  next: { href: '/', text: { fr: 'Accueil', en: 'Home' } },
} as const
const TOO_MANY = {
  title: { fr: 'Trop de demandes', en: 'Too many requests' },
  what: { fr: 'Trop de demandes ont été ouvertes depuis votre adresse.', en: 'Too many requests were opened from your address.' },
  help: { fr: 'Réessayez dans dix minutes.', en: 'Try again in ten minutes.' },
} as const
