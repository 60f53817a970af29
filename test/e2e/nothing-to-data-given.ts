/**
 * What the tests «from nothing to data and back» begin with: a gate with the clients that people really run, in front of a
 * simulated Enedis on whose page people share; and people, in browsers, who give and withdraw.
 *
 * A meter is given once in each house: Enedis dates a share by the day, and of two claims of one share on one day the
 * gate cannot know which is the holder's.
 */
import { meteringData } from '../clients/data-connect-proxy.ts'
import type { Reading, Told } from '../clients/http.ts'
import { ask } from '../clients/http.ts'
import type { Sandbox } from '../../src/sandbox/sandbox.ts'
import { today } from '../harness/settings.ts'
import type { GateHandle } from '../harness/gate.ts'
import type { Tree } from '../harness/settings.ts'
import type { Page, Walker } from '../harness/walker.ts'
import { formOf, mainOf, walker } from '../harness/walker.ts'
import { recorded, ticked, tokenOn } from './journey-given.ts'

/** The id that is written into the plugin. */
export const PLUGIN = 'd198fd52-61c0-4b77-8725-06a1ef90da9f'
export const HOMEY = 'hmey_prod_0123456789abcdef'
export const EDDIE = 'eddie'
/** As the one before, told by its operator's choice that there is no such data where a series was not given. */
export const EDDIE_MILD = 'eddie-mild'
export const MODERN = 'modern'
export const CONSO = 'home-assistant'
/** As the one before, but asks for a month only. */
export const CONSO_SHORT = 'home-assistant-short'
export const V1 = 'consometers'
const backTo = (client: string): string => `https://${client}.example/callback`
export const V1_CALLBACK = backTo(V1)

/** Days before today that the lines of the clients reach back to. */
export const HISTORY = 30
export const LONG = 400

type Line = readonly [kind: string, finest: string, days: number, direction?: 'injection']
/** In this order they are the boxes l1, l2, … of each page. */
const ASKED: Readonly<Record<string, readonly Line[]>> = {
  [PLUGIN]: [
    ['load_curve', 'PT30M', HISTORY],
    ['max_power', 'P1D', LONG],
    ['load_curve', 'PT30M', HISTORY, 'injection'],
  ],
  [HOMEY]: [
    ['daily_energy', 'P1D', HISTORY],
    ['contract_data', 'TOTAL', HISTORY],
  ],
  [EDDIE]: [
    ['load_curve', 'PT30M', HISTORY],
    ['daily_energy', 'P1D', HISTORY],
  ],
  [EDDIE_MILD]: [
    ['load_curve', 'PT30M', HISTORY],
    ['daily_energy', 'P1D', HISTORY],
  ],
  [MODERN]: [
    ['load_curve', 'PT30M', HISTORY],
    ['daily_energy', 'P1D', HISTORY],
  ],
  [CONSO]: [
    ['daily_energy', 'P1D', LONG],
    ['load_curve', 'PT30M', HISTORY],
  ],
  [CONSO_SHORT]: [
    ['daily_energy', 'P1D', HISTORY],
    ['load_curve', 'PT30M', HISTORY],
  ],
  [V1]: [
    ['load_curve', 'PT30M', HISTORY],
    ['daily_energy', 'P1D', HISTORY],
  ],
}
const ALL = ['l1', 'l2', 'l3'] as const
const PUBLIC: ReadonlySet<string> = new Set([PLUGIN, HOMEY, CONSO, CONSO_SHORT])

export function realClients(tree: Tree): void {
  tree['clients'] = Object.entries(ASKED).map(([id, lines]) => ({
    id,
    name: `Client ${id}`,
    purpose: PUBLIC.has(id) ? 'home_automation' : 'self_view',
    oauth: PUBLIC.has(id) ? { public: true, rotate_refresh: false } : { redirect_uris: [backTo(id)] },
    ...(id === EDDIE_MILD && { denial_style: 'domoticz' }),
    limits: { requests_per_second: 100_000, concurrency: 1000 },
    ask: {
      body: `Body of ${id}`,
      contact: 'dpo@client.example',
      validity: 'P1Y',
      retention: { fr: 'Un an', en: 'One year' },
      lines: lines.map(([kind, finest, days, direction]) => ({
        kind,
        finest,
        history_days: days,
        ...(direction && { direction }),
        why: { fr: 'Pour vous le montrer.', en: 'To show it to you.' },
      })),
    },
  }))
}

export interface People {
  browser(): Walker
  /** From the page that a device shows to the end. */
  givesTo(browser: Walker, page: string, meter: string, lines?: readonly string[]): Promise<Page>
  /** The way of a service that sends people to Enedis's page: where the browser is sent back to. */
  authorizes(browser: Walker, address: string, meter: string, lines?: readonly string[]): Promise<string>
  /** Begins on the gate's own page: the token to paste. */
  copiesToken(browser: Walker, client: string, meter: string, lines?: readonly string[]): Promise<string>
  /** From the page that asks to Enedis's, and back to the address of the gate, which nobody has followed yet. */
  accepts(browser: Walker, asked: Page, meter: string, lines?: readonly string[]): Promise<string>
  /** From «mes autorisations», in the browser that gave. */
  withdraws(browser: Walker, client: string, meter: string): Promise<void>
}

/** @param at where the gate is now: it may be another one after a restart, at the same address */
export function peopleOf(at: () => GateHandle, sandbox: Sandbox): People {
  const people: People = {
    browser: () => walker([at().url, sandbox.url]),
    async accepts(browser, asked, meter, lines = ALL) {
      // Whoever shared it before has taken that back.
      sandbox.revoke(meter)
      const enedis = await browser.submit(asked, ticked(lines))
      const page = await browser.post(enedis, [
        ['meter', meter],
        ['decision', 'accept'],
      ])
      const to = page.headers.get('location')
      if (to === null) throw new Error(`Enedis's page sent nobody back: ${page.status} ${mainOf(page)}`)
      return to
    },
    async givesTo(browser, page, meter, lines) {
      const asked = await browser.submit(await browser.get(page), [['mine', 'yes']])
      const done = await browser.get(await people.accepts(browser, asked, meter, lines))
      if (done.status !== 200) throw new Error(`nothing was given: ${done.status} ${mainOf(done)}`)
      return done
    },
    async authorizes(browser, address, meter, lines) {
      const done = await browser.get(await people.accepts(browser, await browser.get(address), meter, lines))
      if (done.left === undefined) throw new Error(`the service is not told: ${done.status} ${mainOf(done)}`)
      return done.left
    },
    async copiesToken(browser, client, meter, lines) {
      const asked = await browser.get(`${at().url}/consent/new?client=${client}`)
      const done = await browser.get(await people.accepts(browser, asked, meter, lines))
      const token = tokenOn(done)
      if (token === '') throw new Error(`no token is shown: ${done.status} ${mainOf(done)}`)
      return token
    },
    async withdraws(browser, client, meter) {
      const mine = await browser.get(`${at().url}/me`)
      const id = await permissionOf(at(), client, meter)
      if (!mine.text.includes(`href="/me/${id}"`)) throw new Error(`the person does not see it: ${mainOf(mine)}`)
      const page = await browser.get(`${at().url}/me/${id}`)
      const form = [0, 1, 2].find((n) => formOf(page, n).action.endsWith('/withdraw'))
      const done = await browser.submit(page, [], {}, form)
      if (!done.url.endsWith('/withdrawn') || done.status !== 200) throw new Error(`not withdrawn: ${done.status} ${mainOf(done)}`)
    },
  }
  return people
}

/** The one that is in force. */
export async function permissionOf(gate: GateHandle, client: string, meter: string): Promise<string> {
  const found = (await recorded(gate)).find((p) => p.client === client && p.content.meter === `prm:${meter}` && p.status === 'active')
  if (!found) throw new Error(`no permission of ${client} in force on this meter`)
  return found.id
}

export const days = (from: number, until: number): string[] => Array.from({ length: until - from }, (_, i) => today(from + i))

/** What the app for Homey asks. */
export function readHomey(base: string, access: string, meter: string): Promise<Told> {
  const query = new URLSearchParams({ usage_point_id: meter, start: today(-5), end: today(0) }).toString()
  return ask(`${base}/data/proxy/metering_data_dc/v5/daily_consumption?${query}`, { headers: { Authorization: `Bearer ${access}` } })
}

/** What Consometers' proxy asks. */
export function readV1(base: string, access: string, meter: string): Promise<Reading> {
  return meteringData({ base, token: () => Promise.resolve(access) }, 'consumption_load_curve', meter, today(-5), today(0))
}

/** A person who gives as soon as a page is shown, while the device waits. */
export function meanwhile(gives: (page: string) => Promise<unknown>): {
  readonly show: (page: string) => void
  readonly wait: (ms: number) => Promise<unknown>
  readonly waited: number[]
} {
  let giving: Promise<unknown> = Promise.resolve()
  const waited: number[] = []
  return {
    waited,
    show: (page) => void (giving = gives(page)),
    async wait(ms) {
      waited.push(ms)
      await giving
    },
  }
}
