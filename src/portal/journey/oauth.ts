/**
 * Where an OAuth client, or a device without a browser, begins a consent journey and is told of its end. The OAuth server
 * knows what is asked and who is answered; the journey knows the person and Enedis.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Day } from '../../domain/time.ts'
import { html } from '../../web/html.ts'
import type { Problem } from '../frame.ts'
import type { DeviceView } from '../oauth/device.ts'
import type { Asked, Given as GivenToClient } from '../oauth/ports.ts'
import type { OAuthServer } from '../oauth/server.ts'
import { JOURNEY } from '../oauth/server.ts'
import type { Rooms } from '../portal.ts'
import type { Visit } from '../visit.ts'
import type { AskedLine, Journey, Origin } from './journey.ts'
import { CLOSED, NOT_OURS } from './problems.ts'
import type { Ending, JourneyDesk } from './routes.ts'
import { singleValues } from './routes.ts'

/** What a journey leaves for the address at which the OAuth server's own cookie is sent. */
type Left = { readonly is: 'given'; readonly given: GivenToClient } | { readonly is: 'refused' }
const LEFT = 'oauth-return'
const LEFT_SECONDS = 600

export function oauthEnding({ parts }: Rooms): Ending {
  async function leave({ origin }: Journey, left: Left): Promise<{ readonly to?: string }> {
    if (origin.is !== 'oauth') return {}
    await parts.state.call('ticketPut', {
      kind: LEFT,
      id: origin.uid,
      payload: JSON.stringify(left),
      ttlSeconds: LEFT_SECONDS,
      now: parts.now(),
    })
    return { to: `${JOURNEY}/${origin.uid}/return` }
  }
  return {
    targets: ({ origin }) => (origin.is === 'oauth' ? origin.targets : []),
    given: (journey, { bundle, permissions }) => leave(journey, { is: 'given', given: { bundle, permissions } }),
    refused: (journey) => leave(journey, { is: 'refused' }),
  }
}

export function deviceEnding(oauth: OAuthServer): Ending {
  return {
    targets: () => [],
    async given({ origin }, { bundle, permissions }) {
      return origin.is === 'device' && (await oauth.device.granted(origin.link, { bundle, permissions })) === 'over' ? { over: true } : {}
    },
    async refused({ origin }) {
      if (origin.is === 'device') await oauth.device.refused(origin.link)
      return {}
    },
  }
}

export function oauthRoutes(app: FastifyInstance, rooms: Rooms, oauth: OAuthServer, desk: JourneyDesk): void {
  const { parts, visits, frame } = rooms

  async function begin(reply: FastifyReply, visit: Visit, asked: Asked, origin: Origin): Promise<FastifyReply> {
    const client = parts.clients().get(asked.client)
    const to = client && (await desk.begin(visit, origin, client, { lines: linesOf(asked) }))
    return to === undefined ? frame.problem(reply, visit, 404, NO_REQUEST) : reply.redirect(to, 303)
  }
  const uidOf = (request: FastifyRequest): string => (request.params as { readonly uid: string }).uid

  app.get(`${JOURNEY}/:uid`, async (request, reply) => {
    const visit = visits.of(request, reply)
    if (!parts.ready()) return frame.problem(reply, visit, 503, CLOSED)
    if (!desk.admits(request)) return frame.problem(reply.header('Retry-After', '600'), visit, 429, TOO_MANY)
    const asked = await oauth.details(request.raw, reply.raw, uidOf(request))
    if (!asked) return frame.problem(reply, visit, 404, NO_REQUEST)
    return begin(reply, visit, asked, { is: 'oauth', uid: asked.uid, targets: asked.formTargets })
  })

  app.get(`${JOURNEY}/:uid/return`, async (request, reply) => {
    const visit = visits.of(request, reply)
    const uid = uidOf(request)
    // Only the browser whose authorization it is has the cookie with which this ends, and uses up what was left for it.
    const text = (await oauth.details(request.raw, reply.raw, uid))
      ? await parts.state.call<string | null>('ticketTake', { kind: LEFT, id: uid, now: parts.now() })
      : null
    if (text === null) return frame.problem(reply, visit, 404, NO_REQUEST)
    const left = JSON.parse(text) as Left
    reply.hijack()
    const done =
      left.is === 'given' ? await oauth.granted(request.raw, reply.raw, uid, left.given) : await oauth.refused(request.raw, reply.raw, uid)
    if (!done) reply.raw.writeHead(409, { 'Content-Length': '0', 'Cache-Control': 'no-store' }).end()
    return reply
  })

  app.get('/device', async (request, reply) => {
    const visit = visits.of(request, reply)
    const code = singleValues(request.query)?.get('code') ?? singleValues(request.query)?.get('user_code') ?? ''
    if (code === '') return frame.show(reply, visit, codePage(rooms, visit, '', undefined))
    return answer(reply, visit, code, await oauth.device.view(code, parts.placeOf(request.raw)))
  })
  app.post('/device', async (request, reply) => {
    const visit = visits.of(request, reply)
    if (!visits.isOurs(visit, request)) return frame.problem(reply, visit, 403, NOT_OURS)
    if (!parts.ready()) return frame.problem(reply, visit, 503, CLOSED)
    const body = request.body as Readonly<Record<string, unknown>>
    const code = typeof body['code'] === 'string' ? body['code'] : ''
    if (body['mine'] !== 'yes') return answer(reply, visit, code, await oauth.device.view(code, parts.placeOf(request.raw)))
    const confirmed = await oauth.device.confirm(code, parts.placeOf(request.raw))
    if (!('link' in confirmed)) return answer(reply, visit, code, confirmed)
    return begin(reply, visit, confirmed.asked, { is: 'device', link: confirmed.link })
  })
  function answer(reply: FastifyReply, visit: Visit, typed: string, view: DeviceView): FastifyReply {
    if (view.is === 'too_many') return frame.problem(reply.header('Retry-After', '600'), visit, 429, TOO_MANY)
    if (view.is === 'unknown') return frame.show(reply, visit, codePage(rooms, visit, typed, 'unknown'))
    return frame.show(reply, visit, confirmPage(rooms, visit, view))
  }
}

function linesOf({ client, lines }: Asked): readonly AskedLine[] {
  return lines.map((line, i) => ({
    id: `l${i + 1}`,
    client: line.for ?? client,
    purpose: line.purpose,
    kind: line.kind,
    direction: line.direction,
    finest: line.finest,
    historyDays: line.historyDays,
    recurrence: line.recurrence,
    why: line.why,
    ...(line.data && { days: { from: line.data.from as Day, until: line.data.until as Day } }),
  }))
}

/** @param wrong the code that was typed is none, or no longer */
function codePage({ visits }: Rooms, visit: Visit, typed: string, wrong: 'unknown' | undefined) {
  const fr = visit.language === 'fr'
  return {
    title: { fr: 'Relier un appareil', en: 'Connect a device' },
    path: '/device',
    status: wrong ? 422 : 200,
    body: html`<h1>${fr ? 'Relier un appareil' : 'Connect a device'}</h1>
      ${
        wrong &&
        html`<div class="error" role="alert" id="wrong">
          <p>
            ${
              fr
                ? 'Ce code n’est pas valable, ou ne l’est plus. Vérifiez-le, ou demandez-en un nouveau à votre appareil.'
                : 'This code is not valid, or no longer. Check it, or ask your device for a new one.'
            }
          </p>
        </div>`
      }
      <p>
        ${
          fr
            ? 'Votre appareil ou votre logiciel affiche un code de huit lettres. Saisissez-le ici.'
            : 'Your device or program shows a code of eight letters. Type it here.'
        }
      </p>
      <form method="post" action="/device">
        ${visits.field(visit)}
        <label class="field" for="code"
          >${fr ? 'Code' : 'Code'}
          <input
            type="text"
            id="code"
            name="code"
            value="${typed}"
            autocomplete="off"
            autocapitalize="characters"
            spellcheck="false"
            maxlength="20"
            required
            ${wrong && html`aria-invalid="true" aria-describedby="wrong"`}
          />
        </label>
        <div class="actions"><button type="submit">${fr ? 'Continuer' : 'Continue'}</button></div>
      </form>`,
  }
}

function confirmPage({ visits }: Rooms, visit: Visit, { userCode, asked }: Extract<DeviceView, { is: 'found' }>) {
  const fr = visit.language === 'fr'
  return {
    title: { fr: 'Est-ce votre appareil ?', en: 'Is this your device?' },
    path: `/device?code=${userCode}`,
    body: html`<h1>${fr ? 'Est-ce votre appareil ?' : 'Is this your device?'}</h1>
      <p>
        ${fr ? 'Ce code a été demandé par' : 'This code was asked for by'} <strong>${asked.clientName}</strong>${fr ? ' :' : ':'}
        <code>${userCode}</code>
      </p>
      <p>
        ${
          fr
            ? 'Continuez seulement si votre propre appareil affiche ce code en ce moment. Si quelqu’un vous l’a envoyé, arrêtez-vous : il lirait vos données.'
            : 'Go on only if your own device shows this code right now. If somebody sent it to you, stop: they would read your data.'
        }
      </p>
      <form method="post" action="/device">
        ${visits.field(visit)}<input type="hidden" name="code" value="${userCode}" />
        <div class="actions">
          <button type="submit" name="mine" value="yes">${fr ? 'Oui, c’est le mien' : 'Yes, it is mine'}</button>
          <a class="button plain" href="/">${fr ? 'Non' : 'No'}</a>
        </div>
      </form>`,
  }
}

const NO_REQUEST: Problem = {
  title: { fr: 'Cette demande est terminée', en: 'This request is over' },
  what: {
    fr: 'Aucune demande d’autorisation n’est ouverte dans ce navigateur. Rien n’est accordé.',
    en: 'No request for authorization is open in this browser. Nothing is given.',
  },
  help: { fr: 'Recommencez depuis le service qui vous a envoyé ici.', en: 'Start again from the service that sent you here.' },
}
const TOO_MANY: Problem = {
  title: { fr: 'Trop de tentatives', en: 'Too many attempts' },
  what: { fr: 'Trop de tentatives sont venues de votre adresse.', en: 'Too many attempts came from your address.' },
  help: { fr: 'Réessayez dans dix minutes.', en: 'Try again in ten minutes.' },
}
