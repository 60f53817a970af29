/** What of the simulator a browser is shown: which path is which page, under its language or not, and the stylesheet. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { STYLE, STYLE_PATH } from '../web/style.ts'
import type { AccountDesk } from './account-page.ts'
import { accountPage } from './account-page.ts'
import type { ConsentDesk } from './consent-pages.ts'
import { consentGenerationOf, consentPage } from './consent-pages.ts'
import type { FranceConnectServer } from './france-connect.ts'
import { FRANCE_PATH } from './france-connect.ts'
import { isLoopback } from './receive.ts'
import { sendText } from './send.ts'
import { ACCOUNT_PATH, visitOf } from './simulated-page.ts'

const STANDALONE = [STYLE_PATH, ACCOUNT_PATH]

/** Of an address with or without its language. */
export function isPage(path: string): boolean {
  const bare = path.replace(/^\/(fr|en)(?=\/)/, '')
  return STANDALONE.includes(bare) || isConsentPage(path) || bare.startsWith(`${FRANCE_PATH}/`)
}
export function isConsentPage(path: string): boolean {
  return consentGenerationOf(path.replace(/^\/(fr|en)(?=\/)/, '')) !== undefined
}

export function pages(desk: ConsentDesk & AccountDesk, france: FranceConnectServer) {
  return async (message: IncomingMessage, url: URL, res: ServerResponse, fails: boolean): Promise<void> => {
    if (!isLoopback(message)) return sendText(res, 403, '{"error":"loopback only"}')
    const visit = visitOf(message, url)
    if (visit.path === STYLE_PATH) return sendText(res, 200, STYLE, { 'Content-Type': 'text/css; charset=utf-8' })
    if (visit.path.startsWith(`${FRANCE_PATH}/`)) return france.take(message, visit, res)
    const generation = consentGenerationOf(visit.path)
    return generation ? consentPage(desk, generation, message, visit, res, fails) : accountPage(desk, message, visit, res)
  }
}
