/**
 * A data holder on a raw socket. It answers as Enedis 2026 does until a test gives it another script, and keeps every
 * byte that reached it: what the gate sent is compared as bytes, not as somebody's reading of them.
 */
import type { AddressInfo, Socket } from 'node:net'
import { createServer } from 'node:net'
import { halfHours } from '../unit/data-connect/given.ts'

export interface SeenRequest {
  /** Number of the connection, from 1. */
  readonly connection: number
  readonly method: string
  readonly target: string
  /** The head as it came, without the blank line. */
  readonly head: string
  readonly body: string
  readonly at: number
}
/** Answers one request on its socket. Whatever it does, or does not do, is the misbehaviour. */
export type Script = (request: SeenRequest, socket: Socket) => void

export interface FakeHolder {
  readonly url: string
  /** Everything but token calls, in the order of arrival. */
  readonly calls: SeenRequest[]
  readonly tokenCalls: SeenRequest[]
  /** For data calls, from now on. */
  script: Script
  tokenScript: Script
  /** Connections open now. */
  readonly open: number
  close(): Promise<void>
}

export const HOLDER_TOKEN = 'holder-application-token-canary'

export async function fakeHolder(): Promise<FakeHolder> {
  const sockets = new Set<Socket>()
  let connections = 0
  const holder = {
    calls: [] as SeenRequest[],
    tokenCalls: [] as SeenRequest[],
    script: ordinary as Script,
    tokenScript: giveToken as Script,
  }
  const server = createServer((socket) => {
    sockets.add(socket)
    const connection = (connections += 1)
    socket.once('close', () => sockets.delete(socket))
    // The gate hangs up when its client does: for a script that still writes, that is no fault.
    socket.on('error', () => socket.destroy())
    let text = ''
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1')
      for (let end = text.indexOf('\r\n\r\n'); end >= 0; end = text.indexOf('\r\n\r\n')) {
        const head = text.slice(0, end)
        const length = Number(/^content-length: *(\d+)$/im.exec(head)?.[1] ?? 0)
        if (text.length < end + 4 + length) return
        const body = text.slice(end + 4, end + 4 + length)
        text = text.slice(end + 4 + length)
        const [method = '', target = ''] = head.split(' ')
        const request = { connection, method, target, head, body, at: Date.now() }
        const isToken = target === '/oauth2/v3/token'
        ;(isToken ? holder.tokenCalls : holder.calls).push(request)
        ;(isToken ? holder.tokenScript : holder.script)(request, socket)
      }
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const given = {
    url: `http://127.0.0.1:${port}`,
    open: 0,
    close: () =>
      new Promise<void>((resolve) => {
        for (const socket of sockets) socket.destroy()
        server.close(() => resolve())
      }),
  }
  return Object.defineProperty(Object.assign(holder, given), 'open', { get: () => sockets.size })
}

export function answer(socket: Socket, status: number, body: string | Uint8Array, headers: Readonly<Record<string, string>> = {}): void {
  const bytes = Buffer.from(body)
  const all = { 'Content-Type': 'application/json', 'Content-Length': String(bytes.byteLength), ...headers }
  const head = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`)
  socket.write(Buffer.concat([Buffer.from(`HTTP/1.1 ${status} Status\r\n${head.join('')}\r\n`), bytes]))
}

export const giveToken: Script = (_request, socket) =>
  answer(socket, 200, JSON.stringify({ access_token: HOLDER_TOKEN, scope: 'default', token_type: 'Bearer', expires_in: 12_600 }))

/** What Enedis 2026 answers to the measure asked for: half-hours of 400 W, days of 9,600 Wh. What is shared it does not tell. */
export const ordinary: Script = ({ target }, socket) => {
  const url = new URL(target, 'http://holder.invalid')
  if (url.pathname.startsWith('/subscribed_services/')) return answer(socket, 503, '{}')
  const meter = url.searchParams.get('pointId') ?? ''
  const from = url.searchParams.get('dateDebut') ?? ''
  const until = url.searchParams.get('dateFin') ?? ''
  answer(socket, 200, measure2026(url.pathname.split('/').at(-1) ?? '', meter, from, until))
}

export function measure2026(series: string, meter: string, from: string, until: string): string {
  const days: string[] = []
  for (let on = Temporal.PlainDate.from(from); Temporal.PlainDate.compare(on, Temporal.PlainDate.from(until)) < 0; on = on.add({ days: 1 }))
    days.push(on.toString())
  const metier = series.includes('production') ? 'PROD' : 'CONS'
  const periode = { dateDebut: from, dateFin: until }
  if (series.startsWith('courbe')) {
    const points = days.flatMap((on) => halfHours(on).map((d) => ({ v: '400', d, p: 'PT30M', n: 'B' })))
    const grandeur = [{ grandeurMetier: metier, grandeurPhysique: 'PA', unite: 'W', calendrier: [], points }]
    return JSON.stringify({ idPrm: meter, etapeMetier: 'BRUT', modeCalcul: 'MESURE', periode, grandeur, contexte: [] })
  }
  const peak = series.startsWith('puissance')
  const points = days.map((d) => (peak ? { v: '4980', d: `${d} 19:32:10` } : { v: '9600', d }))
  const grandeur = [{ grandeurMetier: metier, grandeurPhysique: peak ? 'PMA' : 'EA', unite: peak ? 'VA' : 'Wh', points }]
  return JSON.stringify({ idPrm: meter, etapeMetier: 'BRUT', modeCalcul: 'DIFF.INDEX', pas: 'P1D', periode, grandeur })
}

/**
 * A curve of about `bytes` bytes, made while it is read and no faster: every point lies in the first day asked for.
 * `sent` tells, from outside, how much has gone into the socket.
 */
export function longCurve(bytes: number, sent: { bytes: number } = { bytes: 0 }): Script {
  return ({ target }, socket) => {
    const url = new URL(target, 'http://holder.invalid')
    const [meter, from, until] = ['pointId', 'dateDebut', 'dateFin'].map((name) => url.searchParams.get(name) ?? '')
    const point = `{"v":"400","d":"${from} 12:00:00","p":"PT30M","n":"B"}`
    const many = Buffer.from(`${point},`.repeat(1000))
    const days = `"periode":{"dateDebut":"${from}","dateFin":"${until}"}`
    const head = `{"idPrm":"${meter}","etapeMetier":"BRUT","modeCalcul":"MESURE",${days},"grandeur":[{"grandeurMetier":"CONS","grandeurPhysique":"PA","unite":"W","points":[`
    const tail = `${point}]}]}`
    let rounds = Math.ceil(bytes / many.byteLength)
    const length = head.length + rounds * many.byteLength + tail.length
    socket.write(`HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\n\r\n${head}`)
    const more = (): void => {
      for (; rounds > 0; rounds -= 1) {
        if (socket.destroyed) return
        sent.bytes += many.byteLength
        if (!socket.write(many)) {
          rounds -= 1
          socket.once('drain', more)
          return
        }
      }
      socket.write(tail)
    }
    more()
  }
}
