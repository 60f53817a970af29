/**
 * Somebody who walks through the demo with a browser. The walks are written once, in words that hold in either language;
 * what is done at each page, a check or a picture, is the eye's business.
 *
 * Whatever the browser asks for goes to the demo's own servers, and what a page loads comes from its own: the rest is
 * noted as wrong.
 */
import type { Browser, Page, Response } from 'playwright-core'
import type { Demo } from '../../src/demo.ts'
import type { Language } from '../../src/web/language.ts'
import type { PageName, Site } from './catalogue.ts'
import { contextOf } from './chromium.ts'

/** A page as it came: the address it has, and the text of the document. */
export interface Sight {
  readonly name: PageName
  readonly language: Language
  readonly page: Page
  readonly url: string
  readonly text: string
}
export type Eye = (sight: Sight) => Promise<void>

export interface Visitor {
  readonly page: Page
  readonly demo: Demo
  readonly language: Language
  /** Looks at the page that is open. */
  see(name: PageName): Promise<void>
  /** Follows a link or presses a button, and waits for the page that comes. */
  press(selector: string): Promise<void>
  go(url: string): Promise<void>
  /** Presses what brings a file, and gives its name and bytes. */
  fetches(selector: string): Promise<{ readonly name: string; readonly bytes: Buffer }>
  /** The words on the open page. */
  text(selector?: string): Promise<string>
  /** HTTP status of the open page. */
  status(): number
  /** A word to the simulated Enedis. */
  tell(command: string, order: unknown): Promise<void>
  /** Another browser: no cookie of this one's. */
  another(): Promise<Visitor>
  close(): Promise<void>
}

export interface Visiting {
  readonly browser: Browser
  readonly demo: Demo
  readonly language: Language
  readonly eye: Eye
  /** Is told of each request that should not be. */
  readonly wrong: (what: string) => void
}

const PATIENCE_MS = 20_000
const SERVERS: Readonly<Record<Site, (demo: Demo) => string>> = {
  portal: ({ gate }) => gate,
  console: (demo) => demo.console,
  sample: ({ application }) => application,
  enedis: ({ sandbox }) => sandbox,
  grdf: ({ sandbox }) => sandbox,
  franceconnect: ({ sandbox }) => sandbox,
}

export async function visitor(visiting: Visiting): Promise<Visitor> {
  const { browser, demo, language, eye, wrong } = visiting
  const context = await contextOf(browser, language)
  context.setDefaultTimeout(PATIENCE_MS)
  const own = new Set([demo.gate, demo.sandbox, demo.application, demo.console])
  const page = await context.newPage()
  let last: Response | undefined
  page.on('response', (response) => {
    if (response.request().isNavigationRequest() && (response.status() < 300 || response.status() >= 400)) last = response
  })
  page.on('request', (request) => {
    const { origin } = new URL(request.url())
    if (request.url().startsWith('data:')) return
    if (!own.has(origin)) wrong(`a request elsewhere: ${origin}`)
    // Our pages name themselves to their own server alone: without that, what is asked for is another's.
    if (!request.isNavigationRequest() && !(request.headers()['referer'] ?? '').startsWith(`${origin}/`))
      wrong(`${request.resourceType()} of another origin: ${request.url()}`)
  })
  page.on('console', (message) => {
    if (message.type() === 'error' && !/status of [45]\d\d/.test(message.text())) wrong(`the browser complains: ${message.text()}`)
  })
  const others: Visitor[] = []

  return {
    page,
    demo,
    language,
    async see(name) {
      const site = name.slice(0, name.indexOf('-'))
      if (new URL(page.url()).origin !== SERVERS[site as Site](demo)) throw new Error(`${name} was expected, not ${page.url()}`)
      await eye({ name, language, page, url: page.url(), text: (await last?.text()) ?? '' })
    },
    async press(selector) {
      await Promise.all([page.waitForEvent('domcontentloaded'), page.locator(selector).first().click()])
      await page.waitForLoadState('load')
    },
    async go(url) {
      await page.goto(url)
    },
    async fetches(selector) {
      const [download] = await Promise.all([page.waitForEvent('download'), page.locator(selector).first().click()])
      const pieces: Buffer[] = []
      for await (const piece of (await download.createReadStream()) as AsyncIterable<Buffer>) pieces.push(piece)
      return { name: download.suggestedFilename(), bytes: Buffer.concat(pieces) }
    },
    text: (selector = 'main') => page.locator(selector).first().innerText(),
    status: () => last?.status() ?? 0,
    async tell(command, order) {
      const answer = await fetch(`${demo.sandbox}/_sandbox/${command}`, { method: 'POST', body: JSON.stringify(order) })
      if (!answer.ok) throw new Error(`the simulated Enedis did not take ${command}: ${await answer.text()}`)
    },
    async another() {
      const other = await visitor(visiting)
      others.push(other)
      return other
    },
    async close() {
      for (const other of others) await other.close()
      await context.close()
    },
  }
}
