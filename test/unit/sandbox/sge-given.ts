/** A simulated SGE on the day of the examples, and what a third party sends it. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import type { Sandbox, SandboxOptions } from '../../../src/sandbox/sandbox.ts'
import { startSandbox } from '../../../src/sandbox/sandbox.ts'
import type { SgeServiceName } from '../../../src/sandbox/sge-operations.ts'
import { OPERATIONS } from '../../../src/sandbox/sge-operations.ts'
import type { XmlElement } from '../../../src/sandbox/sge-xml.ts'
import { find, parseXml } from '../../../src/sandbox/sge-xml.ts'

export const SGE_TODAY = '2026-04-02'
export const SGE_NOW = Date.UTC(2026, 3, 2, 9)
export const LOGIN = 'operateur.sge@example.org'
export const HOUSE = '99999000000017'
export const PANELS = '99999000000025'
export const TOWN_HALL = '99999000000033'
export const WORKSHOP = '99999000000041'
export const NEW_FLAT = '99999000000058'

export interface SgeHeard {
  readonly status: number
  readonly text: string
  readonly headers: Headers
  /** Of the result, in the header or in the fault. */
  readonly code: string | undefined
}
export interface Sender {
  readonly sandbox: Sandbox
  readonly clock: { now: number }
  send(service: SgeServiceName, envelope: string, headers?: Readonly<Record<string, string>>): Promise<SgeHeard>
}

export async function aSender(options: Partial<SandboxOptions> = {}): Promise<Sender> {
  const clock = { now: SGE_NOW }
  const sandbox = await startSandbox({ port: 0, now: () => clock.now, ...options })
  onTestFinished(() => sandbox.close())
  return {
    sandbox,
    clock,
    async send(service, envelope, headers = {}) {
      const answer = await fetch(`${sandbox.url}${pathOf(service)}`, {
        method: 'POST',
        headers: { 'Content-Type': 'text/xml; charset=utf-8', SOAPAction: '""', ...headers },
        body: envelope,
      })
      const text = await answer.text()
      return { status: answer.status, text, headers: answer.headers, code: codeIn(text) }
    },
  }
}

export function pathOf(service: SgeServiceName): string {
  return OPERATIONS.find((operation) => operation.service === service)?.path ?? ''
}

export function codeIn(text: string): string | undefined {
  return /<resultat code="(\w+)">/.exec(text)?.[1]
}

const folder = join(import.meta.dirname, '..', '..', 'fixtures', 'sge')

/** An example, with some texts replaced; each of them must be there. */
export function example(name: string, replaced: Readonly<Record<string, string>> = {}): string {
  return Object.entries(replaced).reduce(
    (text, [from, to]) => {
      if (!text.includes(from)) throw new Error(`${name} has no ${from}`)
      return text.replaceAll(from, to)
    },
    readFileSync(join(folder, `${name}.xml`), 'utf8'),
  )
}

export type Demand = Partial<Record<'pointId' | 'type' | 'physique' | 'from' | 'until' | 'pas' | 'corrected' | 'sens' | 'cadre', string>>
export function cmd(wanted: Demand = {}): string {
  const { pointId = HOUSE, type = 'COURBE', physique = 'PA', from = '2026-03-02', until = '2026-03-09', pas } = wanted
  const { corrected = 'false', sens = 'SOUTIRAGE', cadre = 'ACCORD_CLIENT' } = wanted
  return `<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>
    <c:consulterMesuresDetailleesV3 xmlns:c="http://www.enedis.fr/sge/b2b/services/consultationmesuresdetaillees/common"><demande>
      <initiateurLogin>${LOGIN}</initiateurLogin><pointId>${pointId}</pointId><mesuresTypeCode>${type}</mesuresTypeCode>
      <grandeurPhysique>${physique}</grandeurPhysique><dateDebut>${from}</dateDebut><dateFin>${until}</dateFin>
      ${pas === undefined ? '' : `<mesuresPas>${pas}</mesuresPas>`}<mesuresCorrigees>${corrected}</mesuresCorrigees>
      <sens>${sens}</sens><cadreAcces>${cadre}</cadreAcces>
    </demande></c:consulterMesuresDetailleesV3></s:Body></s:Envelope>`
}

export function cadm(type: string, wanted: { readonly pointId?: string; readonly until?: string; readonly accord?: string } = {}): string {
  return example('cadm-v1-request', {
    '99999000000033': wanted.pointId ?? HOUSE,
    '2026-03-10': SGE_TODAY,
    '2028-12-31': wanted.until ?? '2028-12-31',
    '<typeDonnees>IDX': `<typeDonnees>${type}`,
    '<accord>true': `<accord>${wanted.accord ?? 'true'}`,
  })
}

/** All texts of an element of this name, in their order. */
export function all(text: string, name: string): string[] {
  return [...text.matchAll(new RegExp(`<${name}(?: [^>]*)?>([^<]*)</${name}>`, 'g'))].map((match) => match[1] ?? '')
}

export function rootOf(text: string): XmlElement {
  const root = parseXml(text)
  if (!root) throw new Error(`not XML: ${text.slice(0, 200)}`)
  return root
}

export function inside(text: string, name: string): XmlElement {
  const found = find(rootOf(text), name)
  if (!found) throw new Error(`no ${name}`)
  return found
}

/** The ways to all elements and attributes, each once, in the order in which they come first. */
export function ways(text: string): string[] {
  const found = new Set<string>()
  const visit = ({ uri, name, attributes, children }: XmlElement, above: string): void => {
    const way = `${above}/${uri === '' ? '' : `{${uri}}`}${name}`
    found.add(way)
    for (const attribute of attributes) found.add(`${way}/@${attribute.name}`)
    for (const child of children) visit(child, way)
  }
  visit(rootOf(text), '')
  return [...found]
}
