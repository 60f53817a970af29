/**
 * The frame of every page: language, title, skip link, navigation, landmarks. Pages work without script and load
 * nothing but the one stylesheet; the headers say so to the browser.
 */
import type { Content } from './html.ts'
import { html } from './html.ts'
import type { Language, Said } from './language.ts'
import { LANGUAGES } from './language.ts'
import { STYLE_PATH } from './style.ts'

export interface Page {
  readonly language: Language
  /** Of this page; the name of the site follows it. */
  readonly title: string
  readonly site: {
    readonly name: string
    readonly home: string
    readonly links: readonly { readonly href: string; readonly text: string }[]
  }
  readonly body: Content
  /** Path of this page in the other language; absent where a form's answer is shown, which has no address of its own. */
  readonly otherLanguage?: string
  /** Tables need more room than texts. */
  readonly wide?: boolean
  /** Seconds after which the browser asks again, of a page that waits for something. */
  readonly refresh?: { readonly seconds: number; readonly href: string }
}

const SKIP: Said = { fr: 'Aller au contenu', en: 'Skip to content' }
const NAVIGATION: Said = { fr: 'Navigation principale', en: 'Main navigation' }
const SPOKEN: Said = { fr: 'Français', en: 'English' }
const PRIVACY: Said = {
  fr: 'Cette page ne charge rien d’ailleurs et ne vous suit pas.',
  en: 'This page loads nothing from elsewhere and does not track you.',
}

export function pageOf(page: Page): string {
  const { language, site } = page
  const other = LANGUAGES.find((one) => one !== language) ?? 'fr'
  return html`<!doctype html>
    <html lang="${language}">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="robots" content="noindex" />
        ${page.refresh && html`<meta http-equiv="refresh" content="${page.refresh.seconds}; url=${page.refresh.href}" />`}
        <title>${page.title} – ${site.name}</title>
        <link rel="stylesheet" href="${STYLE_PATH}" />
        <link rel="icon" href="data:," />
      </head>
      <body class="${page.wide === true ? 'wide' : 'text'}">
        <a class="skip" href="#content">${SKIP[language]}</a>
        <header class="site">
          <a class="brand" href="${site.home}">${site.name}</a>
          <nav aria-label="${NAVIGATION[language]}">
            <ul>
              ${site.links.map(({ href, text }) => html`<li><a href="${href}">${text}</a></li>`)}
              ${page.otherLanguage !== undefined && html`<li><a href="${page.otherLanguage}" hreflang="${other}" lang="${other}">${SPOKEN[other]}</a></li>`}
            </ul>
          </nav>
        </header>
        <main id="content" tabindex="-1">${page.body}</main>
        <footer class="site"><p>${PRIVACY[language]}</p></footer>
      </body>
    </html> `.text
}

/**
 * Of every page. Nothing is loaded but from here, nothing is framed, no form is sent elsewhere than `formTargets` say.
 * Chromium holds every redirect that follows a form to them as well, and where a target sends people next (a page of its
 * own to sign in, an application's other host) is not for us to know: one on https opens https.
 */
export function pageHeaders(formTargets: readonly string[] = []): Readonly<Record<string, string>> {
  const targets = new Set(formTargets.map((target) => (target.startsWith('https:') ? 'https:' : target)))
  const policy = [
    "default-src 'none'",
    "style-src 'self'",
    "img-src 'self' data:",
    `form-action 'self'${[...targets].map((target) => ` ${target}`).join('')}`,
    "frame-ancestors 'none'",
    "base-uri 'none'",
  ]
  return {
    'Content-Type': 'text/html; charset=utf-8',
    'Content-Security-Policy': policy.join('; '),
    'X-Frame-Options': 'DENY',
    'X-Content-Type-Options': 'nosniff',
    // Forms name where they come from, to us alone.
    'Referrer-Policy': 'same-origin',
    'Cross-Origin-Opener-Policy': 'same-origin',
    'Cross-Origin-Resource-Policy': 'same-origin',
    'Permissions-Policy': 'camera=(), geolocation=(), microphone=(), payment=(), usb=()',
    'Cache-Control': 'no-store',
  }
}
