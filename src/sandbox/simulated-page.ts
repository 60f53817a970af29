/**
 * The frame of the simulator's pages, each marked as simulated. The language is that of the browser, or the one that
 * begins the path (`/en/mon-compte`): the parameters of a consent page are counted, so that it cannot stand among them.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Content } from '../web/html.ts'
import { html } from '../web/html.ts'
import type { Language, Said } from '../web/language.ts'
import { languageOf } from '../web/language.ts'
import { pageHeaders, pageOf } from '../web/page.ts'

export interface Visit {
  readonly language: Language
  /** Without the language. */
  readonly path: string
  readonly query: URLSearchParams
  /** What stands before the paths of this visit's links and forms: a language that was chosen stays. */
  readonly prefix: '' | '/fr' | '/en'
}

export function visitOf(message: IncomingMessage, url: URL): Visit {
  const chosen = /^\/(fr|en)(?=\/)/.exec(url.pathname)?.[1]
  const prefix = chosen === 'fr' ? '/fr' : chosen === 'en' ? '/en' : ''
  const language = languageOf(chosen, message.headers['accept-language'])
  return { language, path: url.pathname.slice(prefix.length), query: url.searchParams, prefix }
}

/** The address of this very page. */
export function addressOf(visit: Visit, prefix: string = visit.prefix): string {
  return `${prefix}${visit.path}${visit.query.size > 0 ? `?${visit.query.toString()}` : ''}`
}

export interface SimulatedPage {
  readonly holder: 'enedis' | 'franceconnect' | 'grdf'
  readonly title: Said
  readonly body: Content
  /** Origins that a form of the page may lead to. */
  readonly formTargets?: readonly string[]
  readonly wide?: boolean
}

const NAMES: Readonly<Record<SimulatedPage['holder'], Said>> = {
  enedis: { fr: 'Enedis simulé', en: 'Simulated Enedis' },
  franceconnect: { fr: 'FranceConnect simulé', en: 'Simulated FranceConnect' },
  grdf: { fr: 'GRDF simulé', en: 'Simulated GRDF' },
}
const MARKED: Readonly<Record<SimulatedPage['holder'], Said>> = {
  enedis: {
    fr: 'Simulation : ceci n’est pas Enedis. Les personnes et les compteurs sont inventés, aucune donnée réelle n’est partagée.',
    en: 'Simulation: this is not Enedis. People and meters are invented, no real data is shared.',
  },
  franceconnect: {
    fr: 'Simulation : ceci n’est pas FranceConnect. Les personnes sont inventées, aucune identité réelle n’est transmise.',
    en: 'Simulation: this is not FranceConnect. People are invented, no real identity is passed on.',
  },
  grdf: {
    fr: 'Simulation : ceci n’est pas GRDF. Les personnes et les points sont inventés, aucune donnée réelle n’est partagée.',
    en: 'Simulation: this is not GRDF. People and points are invented, no real data is shared.',
  },
}
const ACCOUNT: Said = { fr: 'Mes partages (simulation)', en: 'My shares (simulation)' }
const MAILS: Said = { fr: 'Courriels (simulation)', en: 'Mails (simulation)' }

export function sendPage(res: ServerResponse, status: number, visit: Visit, page: SimulatedPage): void {
  const { language, prefix } = visit
  const [path, name] = page.holder === 'grdf' ? [MAIL_PATH, MAILS] : [ACCOUNT_PATH, ACCOUNT]
  const text = pageOf({
    language,
    title: page.title[language],
    site: {
      name: NAMES[page.holder][language],
      home: `${prefix}${path}`,
      links: [{ href: `${prefix}${path}`, text: name[language] }],
    },
    body: html`<p class="note">${MARKED[page.holder][language]}</p>
      <h1>${page.title[language]}</h1>
      ${page.body}`,
    otherLanguage: addressOf(visit, language === 'fr' ? '/en' : '/fr'),
    ...(page.wide === true && { wide: true }),
  })
  res.writeHead(status, { ...pageHeaders(page.formTargets), 'Content-Length': String(Buffer.byteLength(text)) })
  res.end(text)
}

export const ACCOUNT_PATH = '/mon-compte'
export const MAIL_PATH = '/adict/mail'

export function redirect(res: ServerResponse, to: string, parameters: Readonly<Record<string, string | undefined>> = {}): void {
  const target = new URL(to)
  for (const [name, value] of Object.entries(parameters)) if (value !== undefined) target.searchParams.append(name, value)
  res.writeHead(303, { Location: target.href, 'Cache-Control': 'no-store', 'Referrer-Policy': 'no-referrer', 'Content-Length': '0' }).end()
}
