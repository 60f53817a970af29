/**
 * What every page is held to. In the visitor's own browser, which runs no script: one language, one heading, no sideways
 * scrolling in either width. In a second one, where axe-core can run, the same document: no violation of WCAG 2.2 A and
 * AA or of best practice, in light and dark; every control by the tab key in the order of the page, the focus visible.
 */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { DESKTOP, PHONE } from './chromium.ts'
import type { Sight } from './visitor.ts'

const IN_PAGE = readFileSync(join(import.meta.dirname, 'in-page.js'), 'utf8')
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']

export interface Lens {
  /** What axe-core finds wrong with a document, in this width. */
  violations(url: string, text: string, size: typeof PHONE | typeof DESKTOP): Promise<readonly string[]>
  /** What the tab key does not come to, or comes to unseen, in that same document. */
  byKeyboard(): Promise<readonly string[]>
  /** What of its text cannot be told from its ground, where the browser asks for dark pages. */
  tooDark(url: string, text: string): Promise<readonly string[]>
  close(): Promise<void>
}

interface Violation {
  readonly id: string
  readonly nodes: readonly { readonly target: readonly string[]; readonly failureSummary: string }[]
}

/** A page that may run script, and is given documents as they were sent to one that may not. */
export async function lensOf(browser: Browser): Promise<Lens> {
  const context = await browser.newContext({ bypassCSP: true, viewport: PHONE })
  await context.addInitScript({ content: AXE })
  const page = await context.newPage()
  let document = ''
  await page.route('**/*', (route) =>
    route.request().isNavigationRequest() ? route.fulfill({ body: document, contentType: 'text/html; charset=utf-8' }) : route.continue(),
  )
  const run = async (options: object, scheme: string): Promise<readonly string[]> => {
    const found = await page.evaluate<readonly Violation[]>(
      `axe.run(document, ${JSON.stringify({ ...options, resultTypes: ['violations'] })}).then((all) => all.violations)`,
    )
    return found.flatMap(({ id, nodes }) =>
      nodes.map(({ target, failureSummary }) => `axe ${id} (${scheme}) at ${target.join(' ')}: ${failureSummary.replaceAll(/\s+/g, ' ')}`),
    )
  }
  const open = async (url: string, text: string, size: typeof PHONE | typeof DESKTOP, colorScheme: 'light' | 'dark'): Promise<void> => {
    document = text
    await page.setViewportSize(size)
    await page.emulateMedia({ colorScheme })
    // Without its fragment, which moves the focus.
    await page.goto(url.split('#')[0] ?? url)
  }
  return {
    async violations(url, text, size) {
      await open(url, text, size, 'light')
      return run({ runOnly: { type: 'tag', values: TAGS }, rules: { 'target-size': { enabled: true } } }, 'light')
    },
    async byKeyboard() {
      const stops = await inPage<number>(page, 'listen()')
      for (let pressed = 0; pressed < stops; pressed += 1) await page.keyboard.press('Tab')
      return page.evaluate<readonly string[]>('walked()')
    },
    async tooDark(url, text) {
      await open(url, text, DESKTOP, 'dark')
      return run({ runOnly: { type: 'rule', values: ['color-contrast', 'link-in-text-block'] } }, 'dark')
    },
    close: () => context.close(),
  }
}

/** Everything that is wrong with a page, in sentences. */
export async function faultsOf(sight: Omit<Sight, 'name'> & { readonly name: string }, lens: Lens): Promise<readonly string[]> {
  const { page, language, url, text } = sight
  const faults = [...(await inPage<readonly string[]>(page, `structure('${language}')`))]
  await page.setViewportSize(DESKTOP)
  faults.push(...(await inPage<readonly string[]>(page, 'overflow()')))
  await page.setViewportSize(PHONE)
  faults.push(...(await inPage<readonly string[]>(page, 'overflow()')))
  // What does not depend on the words is looked at in one language: between the two, every page in both widths and schemes.
  if (language === 'fr') faults.push(...(await lens.violations(url, text, PHONE)), ...(await lens.byKeyboard()))
  else faults.push(...(await lens.violations(url, text, DESKTOP)), ...(await lens.tooDark(url, text)))
  return faults.map((fault) => `${sight.name} (${language}): ${fault}`)
}

function inPage<T>(page: Page, call: string): Promise<T> {
  return page.evaluate<T>(`${IN_PAGE}\ninPage.${call}`)
}
