/** Debian's Chromium, and the context of somebody who visits: one language, no script, 320 px wide. */
import type { Browser, BrowserContext } from 'playwright-core'
import { chromium } from 'playwright-core'
import type { Language } from '../../src/web/language.ts'

const PROGRAM = '/usr/bin/chromium'
export const PHONE = { width: 320, height: 640 } as const
export const DESKTOP = { width: 1280, height: 800 } as const
const LOCALES: Readonly<Record<Language, string>> = { fr: 'fr-FR', en: 'en-GB' }

export function launch(): Promise<Browser> {
  // Chromium's own sandbox does not work for root, as who the tests run in a container.
  const args = process.getuid?.() === 0 ? ['--no-sandbox'] : []
  return chromium.launch({ executablePath: PROGRAM, args: [...args, '--disable-dev-shm-usage', '--disable-gpu', '--disable-lcd-text'] })
}

export function contextOf(browser: Browser, language: Language): Promise<BrowserContext> {
  return browser.newContext({
    javaScriptEnabled: false,
    locale: LOCALES[language],
    timezoneId: 'Europe/Paris',
    viewport: PHONE,
    colorScheme: 'light',
    acceptDownloads: true,
  })
}
