/** Pages of the portal: the frame with its links, and how they are sent. */
import type { FastifyReply } from 'fastify'
import type { Content } from '../web/html.ts'
import { html } from '../web/html.ts'
import type { Language, Said } from '../web/language.ts'
import { LANGUAGES } from '../web/language.ts'
import { pageHeaders, pageOf } from '../web/page.ts'
import type { PortalSettings } from './ports.ts'
import type { Visit } from './visit.ts'

export interface Shown {
  readonly title: Said
  readonly body: Content
  readonly status?: number
  /** Path and query of this page, for the link to the other language. Absent for the answer to a form. */
  readonly path?: string
  /** The page asks again by itself, and has a link to its own address with `STILL`, which stops that (WCAG 2.2.1). */
  readonly refresh?: { readonly seconds: number; readonly href: string }
  /** Other origins to which a form of this page leads. */
  readonly formTargets?: readonly string[]
}

const MINE: Said = { fr: 'Mes autorisations', en: 'My permissions' }
const SERVICES: Said = { fr: 'Services', en: 'Services' }

export interface Frame {
  show(reply: FastifyReply, visit: Visit, page: Shown): FastifyReply
  /** The text of a page as it is sent: what a person was shown is kept as proof. */
  text(visit: Visit, page: Shown): string
  /** Something went wrong that the person can do something about. */
  problem(reply: FastifyReply, visit: Visit, status: number, problem: Problem): FastifyReply
}
export interface Problem {
  readonly title: Said
  readonly what: Said
  readonly help: Said
  readonly next?: { readonly href: string; readonly text: Said }
}

export function frameOf(settings: PortalSettings): Frame {
  const frame: Frame = {
    text(visit, page) {
      const { language } = visit
      return pageOf({
        language,
        title: page.title[language],
        site: {
          name: settings.operator.name,
          home: '/',
          links: [
            { href: '/', text: SERVICES[language] },
            { href: '/me', text: MINE[language] },
          ],
        },
        body: page.body,
        ...(page.path !== undefined && { otherLanguage: otherLanguage(page.path, language) }),
      })
    },
    show(reply, visit, page) {
      void reply.code(page.status ?? 200).headers(pageHeaders(page.formTargets))
      // Never in the document: whoever reads slowly stops it by a link, and has the same page.
      if (page.refresh && !isStill(reply)) void reply.header('Refresh', `${page.refresh.seconds}; url=${page.refresh.href}`)
      return reply.send(frame.text(visit, page))
    },
    problem(reply, visit, status, { title, what, help, next }) {
      const { language } = visit
      const body = html`<h1>${title[language]}</h1>
        <div class="error" role="alert"><p>${what[language]}</p></div>
        <p>${help[language]}</p>
        ${next && html`<p><a class="button" href="${next.href}">${next.text[language]}</a></p>`}`
      return frame.show(reply, visit, { title, body, status })
    },
  }
  return frame
}

/** In the query of an address: this page does not reload by itself. */
export const STILL = 'reload=no'

function isStill({ request }: FastifyReply): boolean {
  return new URL(request.url, 'http://page.invalid').search.slice(1) === STILL
}

function otherLanguage(path: string, language: Language): string {
  const other = LANGUAGES.find((one) => one !== language) ?? 'fr'
  const url = new URL(path, 'http://page.invalid')
  url.searchParams.set('lang', other)
  return url.pathname + url.search
}
