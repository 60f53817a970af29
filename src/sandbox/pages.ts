/** What of the simulator a browser is shown: which path is which page, under its language or not, and the stylesheet. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { STYLE, STYLE_PATH } from '../web/style.ts'
import type { AccountDesk } from './account-page.ts'
import { accountPage } from './account-page.ts'
import type { ConsentDesk } from './consent-pages.ts'
import { consentGenerationOf, consentPage } from './consent-pages.ts'
import { isLoopback } from './receive.ts'
import { sendText } from './send.ts'
import { ACCOUNT_PATH, visitOf } from './simulated-page.ts'

/** Of the whole address, with or without its language. */
export function isPage(path: string): boolean {
  const bare = path.replace(/^\/(fr|en)(?=\/)/, '')
  return path === STYLE_PATH || bare === ACCOUNT_PATH || consentGenerationOf(bare) !== undefined
}

export function pages(desk: ConsentDesk & AccountDesk) {
  return async (message: IncomingMessage, url: URL, res: ServerResponse, fails: boolean): Promise<void> => {
    if (!isLoopback(message)) return sendText(res, 403, '{"error":"loopback only"}')
    if (url.pathname === STYLE_PATH) return sendText(res, 200, STYLE, { 'Content-Type': 'text/css; charset=utf-8' })
    const visit = visitOf(message, url)
    const generation = consentGenerationOf(visit.path)
    return generation ? consentPage(desk, generation, message, visit, res, fails) : accountPage(desk, message, visit, res)
  }
}
