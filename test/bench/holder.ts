/**
 * The data holders of the benchmark, as one process: whole answers are made once for each request and sent as bytes, so
 * that what is measured is the subject; `LONG_METER` is answered by a stream that is made while it is read. Gas and SOAP
 * are written by the simulators.
 *
 * `node holder.ts`; prints its port as a line of JSON.
 */
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { day, parisDay } from '../../src/domain/time.ts'
import type { Millis } from '../../src/domain/time.ts'
import { HOUSE_PCE, pointOf } from '../../src/sandbox/adict-points.ts'
import { lineOf, spansOf } from '../../src/sandbox/adict-readings.ts'
import { answerEnvelope } from '../../src/sandbox/sge-answer.ts'
import { detailedMeasures } from '../../src/sandbox/sge-detailed.ts'
import { operationAt } from '../../src/sandbox/sge-operations.ts'
import { SGE_POINTS } from '../../src/sandbox/sge-points.ts'
import { subscriptions } from '../../src/sandbox/sge-subscriptions.ts'
import { find, parseXml, textOf, xmlPieces } from '../../src/sandbox/sge-xml.ts'
import { HOLDER_TOKEN, longCurve, measure2026 } from '../harness/holder.ts'
import { halfHours } from '../unit/data-connect/given.ts'
import { GAS_TOKENS, LONG_BYTES, LONG_METER } from './traffic.ts'

const answers = new Map<string, Buffer>()

function answerTo(target: string, posted: string): Buffer {
  const asked = `${target} ${posted}`
  const known = answers.get(asked)
  if (known) return known
  const { type, body } = answerOf(target, posted)
  const head = `HTTP/1.1 200 OK\r\nContent-Type: ${type}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n`
  const made = Buffer.from(head + body)
  answers.set(asked, made)
  return made
}

function answerOf(target: string, posted: string): { readonly type: string; readonly body: string } {
  if (target === '/oauth2/v3/token' || target === GAS_TOKENS) return { type: 'application/json', body: token() }
  if (operationAt(target)) return { type: 'text/xml; charset=utf-8', body: soap(target, posted) }
  if (target.startsWith('/adict/')) return { type: 'application/x-ndjson', body: gas(target) }
  return { type: 'application/json', body: measure(target) }
}

function token(): string {
  return JSON.stringify({ access_token: HOLDER_TOKEN, scope: 'default', token_type: 'Bearer', expires_in: 12_600 })
}

function measure(target: string): string {
  const { pathname, searchParams } = new URL(target, 'http://holder.invalid')
  const [meter = '', from = '', until = ''] = ['pointId', 'dateDebut', 'dateFin'].map((name) => searchParams.get(name) ?? '')
  const series = pathname.split('/').at(-1) ?? ''
  if (!series.startsWith('courbe')) return measure2026(series, meter, from, until)
  // Ten-minute points: a week of them has 60 KB.
  const days: string[] = []
  for (let on = Temporal.PlainDate.from(from); on.toString() < until; on = on.add({ days: 1 })) days.push(on.toString())
  const points = days.flatMap((on) => halfHours(on, 10).map((d) => ({ v: '400', d, p: 'PT10M', n: 'B' })))
  const grandeur = [{ grandeurMetier: 'CONS', grandeurPhysique: 'PA', unite: 'W', calendrier: [], points }]
  const periode = { dateDebut: from, dateFin: until }
  return JSON.stringify({ idPrm: meter, etapeMetier: 'BRUT', modeCalcul: 'MESURE', periode, grandeur, contexte: [] })
}

/** The gas days of a house, a line for each. */
function gas(target: string): string {
  const { pathname, searchParams } = new URL(target, 'http://holder.invalid')
  const house = pointOf(HOUSE_PCE)
  if (!house) throw new Error('the simulated GRDF has no house')
  const point = { ...house, pce: pathname.split('/')[4] ?? '' }
  const [from, until] = [day(searchParams.get('date_debut') ?? ''), day(searchParams.get('date_fin') ?? '')]
  const spans = spansOf(point, 'informative', { from, until }, from)
  return spans.map((span) => `${JSON.stringify(lineOf(point, 'informative', { value: null, from, until }, span, null))}\n`).join('')
}

/** The detailed measures of a meter that has ten-minute points. */
function soap(target: string, posted: string): string {
  const operation = operationAt(target)
  const root = parseXml(posted)
  const body = root && find(root, 'demande')
  const tenMinutes = SGE_POINTS.find(({ step }) => step === 'PT10M')
  if (!operation || !body || !tenMinutes) throw new Error('the simulated SGE has nothing to say of what the bench asks for')
  const point = { ...tenMinutes, pointId: textOf(body, 'pointId') ?? '' }
  const today = parisDay(Date.now() as Millis)
  const said = detailedMeasures(
    'v3',
    { body, contratId: '', today, point },
    subscriptions(() => today),
  )
  if (said.is === 'fault') throw new Error(`the simulated SGE refused with ${said.code}`)
  return [...xmlPieces(answerEnvelope(operation, said, { pointId: point.pointId, login: undefined }))].join('')
}

const long = longCurve(LONG_BYTES)
const server = createServer({ noDelay: true }, (socket) => {
  let text = ''
  socket.on('error', () => socket.destroy())
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1')
    for (let end = text.indexOf('\r\n\r\n'); end >= 0; end = text.indexOf('\r\n\r\n')) {
      const head = text.slice(0, end)
      const length = head.startsWith('POST') ? Number(/^content-length: *(\d+)$/im.exec(head)?.[1] ?? 0) : 0
      if (text.length < end + 4 + length) return
      const posted = text.slice(end + 4, end + 4 + length)
      text = text.slice(end + 4 + length)
      const target = head.slice(head.indexOf(' ') + 1, head.indexOf(' HTTP/'))
      if (target.includes(LONG_METER)) long({ connection: 0, method: 'GET', target, head, body: '', at: 0 }, socket)
      else socket.write(answerTo(target, posted))
    }
  })
})
server.listen(0, '127.0.0.1', () => process.stdout.write(`${JSON.stringify({ port: (server.address() as AddressInfo).port })}\n`))
