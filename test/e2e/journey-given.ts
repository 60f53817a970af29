/** A gate with pages for people, in front of a simulated Enedis on whose page people share: what the tests of consent journeys begin with. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Sandbox } from '../../src/sandbox/sandbox.ts'
import { startSandbox } from '../../src/sandbox/sandbox.ts'
import type { GateHandle, GateOptions, GateProcess, TestGate } from '../harness/gate.ts'
import { aGate, aGateProcess } from '../harness/gate.ts'
import type { Tree } from '../harness/settings.ts'
import type { Page, Walker } from '../harness/walker.ts'
import { walker } from '../harness/walker.ts'

export type ConsentGeneration = 'v1' | 'v2'

export const APPLICATION = { clientId: 'application', secret: 'holder-client-secret-canary' } as const
const wide = { perSecond: 1000, perHour: 1_000_000 }
export const WIDE = { v5: wide, '2026': wide }
/** Where viriya wants its people back; nobody listens there. */
export const CALLBACK = 'https://viriya.example/callback'

/** Meters of the simulated Enedis that nobody has shared yet, each of another person but the last three. */
export const HOUSE = '30000000000001'
export const DAYS_ONLY = '30000000000003'
export const BIG_ID = '30000000000006'
export const PRODUCER = '30000000000007'
export const BOTH_WAYS = '30000000000008'
export const REVOKES = '30000000000012'
export const REFUSES = '30000000000013'
export const THREE = ['30000000000009', '30000000000010', '30000000000011'] as const

const line = (kind: string, finest: string, more: Tree = {}): Tree => ({
  kind,
  finest,
  history_days: 365,
  why: { fr: `Pour vous le montrer (${kind}).`, en: `To show it to you (${kind}).` },
  ...more,
})
/** l1 daily, l2 half-hourly, l3 fed in daily, l4 advice of another client. */
export const LINES: readonly Tree[] = [
  line('daily_energy', 'P1D'),
  line('load_curve', 'PT30M', { history_days: 60 }),
  line('daily_energy', 'P1D', { direction: 'injection' }),
  line('daily_energy', 'P1D', { for: 'office', why: { fr: 'Pour dimensionner des panneaux.', en: 'To size panels.' } }),
]

export function withPortal(port: number, sandbox: string, generation: ConsentGeneration): (tree: Tree) => void {
  return (tree) => {
    tree['listeners'] = { gate: { port }, ops: { port: 0 } }
    tree['portal'] = {
      url: `http://127.0.0.1:${port}`,
      operator: { name: 'Écluse du test', contact: 'exploitant@test.example', address: '1 rue du Test, 75000 Paris' },
      account: 'main',
      consent: { url: sandbox, generation },
      journey_minutes: 5,
    }
    const [viriya, ...others] = tree['clients'] as Tree[]
    const ask: Tree = {
      body: 'Viriya SAS',
      contact: 'dpo@viriya.example',
      notice: 7,
      validity: 'P1Y',
      retention: { fr: 'Trois ans', en: 'Three years' },
      recipients: ['Hébergeur <b>Exemple</b>'],
      lines: LINES,
    }
    tree['clients'] = [{ ...viriya, oauth: { redirect_uris: [CALLBACK] }, ask }, ...others]
  }
}

export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

export interface House {
  readonly sandbox: Sandbox
  readonly gate: TestGate
  /** Another person's browser. */
  browser(): Walker
  /** From the gate's page to Enedis's, with these boxes ticked. */
  toEnedis(browser: Walker, lines?: readonly string[], start?: string): Promise<Page>
  /** The callback of whoever accepts there, not yet followed. */
  accepted(browser: Walker, enedis: Page, ...meters: readonly string[]): Promise<URL>
  /** The whole way; the page at its end. */
  gives(browser: Walker, meters: readonly string[], lines?: readonly string[], start?: string): Promise<Page>
  stop(): Promise<void>
}

export async function aHouse(
  generation: ConsentGeneration,
  options: Pick<GateOptions, 'change'> & { readonly now?: () => number } = {},
): Promise<House> {
  const [port, sandbox] = [
    await freePort(),
    await startSandbox({ port: 0, credentials: [APPLICATION], quotas: WIDE, ...(options.now && { now: options.now }) }),
  ]
  const portal = withPortal(port, sandbox.url, generation)
  const gate = await aGate({
    holderUrl: sandbox.url,
    change(tree) {
      portal(tree)
      options.change?.(tree)
    },
  })
  sandbox.register(APPLICATION.clientId, `${gate.url}/consent/callback`)
  return {
    sandbox,
    gate,
    ...waysOf(gate, sandbox),
    async stop() {
      await gate.stop()
      await gate.holder.close()
      await sandbox.close()
    },
  }
}

export function waysOf({ url }: Pick<GateHandle, 'url'>, sandbox: Sandbox): Pick<House, 'browser' | 'toEnedis' | 'accepted' | 'gives'> {
  const ways: Pick<House, 'browser' | 'toEnedis' | 'accepted' | 'gives'> = {
    browser: () => walker([url, sandbox.url]),
    async toEnedis(browser, lines = ['l1', 'l2'], start = '/consent/new?client=viriya') {
      const asked = await browser.get(url + start)
      return browser.submit(asked, ticked(lines))
    },
    async accepted(browser, enedis, ...meters) {
      const page = await browser.post(enedis, [...meters.map((meter) => ['meter', meter] as const), ['decision', 'accept']])
      const to = page.headers.get('location')
      if (to === null) throw new Error(`Enedis's page sent nobody back: ${page.status} ${page.text}`)
      return new URL(to)
    },
    async gives(browser, meters, lines, start) {
      return browser.get((await ways.accepted(browser, await ways.toEnedis(browser, lines, start), ...meters)).href)
    },
  }
  return ways
}

export function ticked(lines: readonly string[]): readonly (readonly [string, string])[] {
  return [...lines.map((id) => ['line', id] as const), ['answer', 'go']]
}

/** A gate as a process of its own on a port that it keeps, to be started again on its folder. */
export function aProcess(port: number, sandbox: Sandbox, before?: GateProcess): Promise<GateProcess> {
  return aGateProcess({
    holderUrl: sandbox.url,
    change: withPortal(port, sandbox.url, 'v2'),
    ...(before && { folder: before.folder, env: before.env }),
  })
}

export const tokenOn = (page: Page): string => /<pre id="the-token">\s*([^<\s]+)/.exec(page.text)?.[1] ?? ''

/** What the registry has on a permission. */
export interface Recorded {
  readonly id: string
  readonly client: string
  readonly status: string
  readonly endReason: string | null
  readonly validFrom: string
  readonly validUntil: string
  readonly content: {
    readonly meter: string
    readonly holder: { readonly reference: string }
    readonly scope: {
      readonly validUntil: number
      readonly lines: readonly {
        readonly id: string
        readonly kind: string
        readonly direction: string
        readonly finest: string
        readonly data: { readonly from: string; readonly until: string }
      }[]
    }
    readonly bindings: readonly unknown[]
    readonly notice: { readonly id: string; readonly version: string; readonly sha256: string; readonly language: string }
    readonly identity: { readonly method: string; readonly strength: string }
    readonly share: { readonly authorisation: string; readonly services: readonly string[] }
    readonly [more: string]: unknown
  }
  readonly acts: readonly {
    readonly type: string
    readonly at: string
    readonly status: string
    readonly entry: string
    readonly details: { readonly role: string; readonly channel: string; readonly occurredAt?: string; readonly reason?: string }
  }[]
  readonly attachments: readonly { readonly sha256: string; readonly kind: string; readonly mediaType: string; readonly bytes: number }[]
}

/** Every permission there is, oldest first. */
export async function recorded(gate: GateHandle): Promise<readonly Recorded[]> {
  const all = await gate.command<readonly { readonly id: string }[]>('permission list', { limit: 1000 })
  const full = await Promise.all(all.map(({ id }) => gate.command<Recorded>('permission show', { permission: id })))
  return full.toSorted((a, b) => (a.validFrom < b.validFrom ? -1 : 1))
}
