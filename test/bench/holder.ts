/**
 * The data holder of the benchmark, as a process: whole answers are made once for each target and sent as bytes, so
 * that what is measured is the subject; `LONG_METER` is answered by a stream that is made while it is read.
 *
 * `node holder.ts`; prints its port as a line of JSON.
 */
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { HOLDER_TOKEN, longCurve, measure2026 } from '../harness/holder.ts'
import { halfHours } from '../unit/data-connect/given.ts'
import { LONG_BYTES, LONG_METER } from './traffic.ts'

const answers = new Map<string, Buffer>()

function answerTo(target: string): Buffer {
  const known = answers.get(target)
  if (known) return known
  const body = target === '/oauth2/v3/token' ? token() : measure(target)
  const head = `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n`
  const made = Buffer.from(head + body)
  answers.set(target, made)
  return made
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
      text = text.slice(end + 4 + length)
      const target = head.slice(head.indexOf(' ') + 1, head.indexOf(' HTTP/'))
      if (target.includes(LONG_METER)) long({ connection: 0, method: 'GET', target, head, body: '', at: 0 }, socket)
      else socket.write(answerTo(target))
    }
  })
})
server.listen(0, '127.0.0.1', () => process.stdout.write(`${JSON.stringify({ port: (server.address() as AddressInfo).port })}\n`))
