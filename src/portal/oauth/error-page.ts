/**
 * What a browser shows where an authorization cannot go on and may not be sent back either: the request names no client,
 * or an address that is not the client's.
 */
import type { KoaContextWithOIDC } from 'oidc-provider'
import type { Language, Said } from '../../web/language.ts'
import { languageOf } from '../../web/language.ts'
import type { Html } from '../../web/html.ts'
import { html } from '../../web/html.ts'
import { pageHeaders, pageOf } from '../../web/page.ts'

const TITLE: Said = { fr: 'Cette demande ne peut pas aboutir', en: 'This request cannot go on' }
const REASONS: Readonly<Record<string, Said>> = {
  invalid_client: {
    fr: 'Le service qui vous a envoyé ici n’est pas connu de cette passerelle.',
    en: 'The service that sent you here is not known to this gate.',
  },
  invalid_redirect_uri: {
    fr: 'L’adresse de retour donnée par le service n’est pas celle qu’il a déclarée. Par sécurité, vous n’y êtes pas renvoyé.',
    en: 'The return address given by the service is not the one that it declared. For your safety you are not sent there.',
  },
}
const OVER: Said = {
  fr: 'La demande est incomplète, ou son délai est passé. Rien n’a été accordé.',
  en: 'The request is incomplete, or its time is over. Nothing was granted.',
}
const NEXT: Said = {
  fr: 'Revenez au service et recommencez. Si le message revient, signalez-lui ce code :',
  en: 'Go back to the service and start again. If this message comes back, tell it this code:',
}

const WAIT_TITLE: Said = { fr: 'Un instant, s’il vous plaît', en: 'One moment, please' }
const WAIT: Said = {
  fr: 'La passerelle ne peut pas prendre de demande pour le moment. Rechargez cette page dans une minute : rien n’est perdu.',
  en: 'The gate cannot take requests at the moment. Reload this page in a minute: nothing is lost.',
}

export function errorPage(ctx: KoaContextWithOIDC, error: string, description: string | undefined): void {
  const asked = ctx.query['ui_locales']
  const language = languageOf(typeof asked === 'string' ? asked.slice(0, 2) : undefined, ctx.get('accept-language'))
  for (const [name, value] of Object.entries(pageHeaders())) ctx.set(name, value)
  // The description speaks to developers, in English.
  const body = html`<h1>${TITLE[language]}</h1>
    <p>${(REASONS[error] ?? OVER)[language]}</p>
    <p>${NEXT[language]} <code>${error}</code></p>
    ${description !== undefined && html`<p lang="en"><small>${description}</small></p>`}`
  ctx.body = framed(language, TITLE, body)
}

const MANY_TITLE: Said = { fr: 'Trop de demandes', en: 'Too many requests' }
const MANY: Said = {
  fr: 'Trop de demandes ont été ouvertes depuis votre adresse. Rechargez cette page dans dix minutes.',
  en: 'Too many requests were opened from your address. Reload this page in ten minutes.',
}

interface Told {
  readonly headers: Readonly<Record<string, string>>
  readonly text: string
}
/** While the state takes nothing. */
export const waitPage = (accept: string | undefined): Told => told(accept, WAIT_TITLE, WAIT)
export const manyPage = (accept: string | undefined): Told => told(accept, MANY_TITLE, MANY)

function told(accept: string | undefined, title: Said, what: Said): Told {
  const language = languageOf(undefined, accept)
  const body = html`<h1>${title[language]}</h1>
    <p>${what[language]}</p>`
  return { headers: pageHeaders(), text: framed(language, title, body) }
}

function framed(language: Language, title: Said, body: Html): string {
  return pageOf({ language, title: title[language], site: { name: 'Écluse', home: '/', links: [] }, body })
}
