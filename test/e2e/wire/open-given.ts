/** A gate with open routes in front of a scripted portal on a raw socket, and what tests ask of it. */
import { onTestFinished } from 'vitest'
import type { TestGate } from '../../harness/gate.ts'
import { aGate } from '../../harness/gate.ts'
import type { FakeHolder, Script } from '../../harness/holder.ts'
import { answer, fakeHolder } from '../../harness/holder.ts'
import type { Tree } from '../../harness/settings.ts'
import type { Wire, WireAnswer } from '../../harness/wire.ts'
import { wire } from '../../harness/wire.ts'
import { head } from './given.ts'

export const DATASET = '/catalog/datasets/consommation-annuelle-de-gaz-par-iris-et-code-naf0/records'
export const RECORDS = JSON.stringify({ total_count: 1, results: [{ code_iris: '350010000', consommation_annuelle_en_mwh: 12.5 }] })
export const records: Script = (_request, socket) => answer(socket, 200, RECORDS)

export interface OpenGate {
  readonly gate: TestGate
  readonly portal: FakeHolder
}

/** Routes: /open/grdf (below /api/explore/v2.1), and what `more` says of it or adds. */
export async function anOpenGate(more: Tree = {}, others: readonly Tree[] = []): Promise<OpenGate> {
  const portal = await fakeHolder()
  portal.script = records
  const gate = await aGate({
    change(tree) {
      const route = { id: 'grdf', path: '/open/grdf', to: `${portal.url}/api/explore/v2.1`, allow_private: true, ...more }
      tree['open_routes'] = [route, ...others]
      tree['logging'] = { level: 'info' }
    },
  })
  return { gate, portal }
}

/** The same, stopped when the test ends. */
export async function openGateOfTest(more: Tree = {}, others: readonly Tree[] = []): Promise<OpenGate> {
  const open = await anOpenGate(more, others)
  onTestFinished(async () => {
    await open.gate.stop()
    await open.portal.close()
  })
  return open
}

export function get(target: string, ...lines: readonly string[]): string {
  return head(`GET ${target} HTTP/1.1`, 'Host: gate.test', ...lines)
}

/** A connection of its own, closed when the test ends. */
export async function lineTo({ gate }: OpenGate): Promise<Wire> {
  const line = await wire(gate.port)
  onTestFinished(() => line.end())
  return line
}

export async function ask(open: OpenGate, bytes: string): Promise<WireAnswer> {
  const line = await lineTo(open)
  line.send(bytes)
  const answered = await line.next()
  line.end()
  return answered
}

/** Lines of the log about open routes. */
export function told({ gate }: OpenGate): Readonly<Record<string, unknown>>[] {
  return gate.log.map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>).filter((line) => line['open'] !== undefined)
}

/** Names of the headers that the portal saw, in small letters, sorted. */
export function namesIn(requestHead: string): string[] {
  return requestHead
    .split('\r\n')
    .slice(1)
    .map((line) => line.split(':', 1)[0]?.toLowerCase() ?? '')
    .toSorted()
}
