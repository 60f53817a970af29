/**
 * Random bytes into the listener of a running gate: mutations of good requests that know their grammar, and plain noise,
 * cut anywhere, by clients that leave when they like, in front of a data holder that misbehaves now and then.
 *
 * After each batch: the process lives and serves the next good request; every connection has been answered or ended in
 * time; every data call that the holder saw has an intent, is of a meter that was granted and of days that were; every
 * intent has one outcome; no answer carries a meter or a value that was not granted, and none is a 500.
 */

import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Script } from '../harness/holder.ts'
import { answer, ordinary } from '../harness/holder.ts'
import type { Entry, TestGate } from '../harness/gate.ts'
import { aGate, bearer, curve } from '../harness/gate.ts'
import { METER, OTHER_METER, today } from '../harness/settings.ts'
import type { Random } from './random.ts'
import { mangled, pieces } from './random.ts'
import type { Target } from './target.ts'
import { Finding } from './target.ts'

const BATCH = 48
const ANSWER_MS = 300
const END_MS = 5000
const CANARY = '666999'
const FROM = today(-100)
const UNTIL = today(-10)

export const listenerTarget: Target = {
  name: 'listener',
  async open() {
    const gate = await aGate({
      change(tree) {
        tree['tokens'] = { ttl_seconds: 86_400 }
      },
    })
    await gate.permit({ id: 'p1', from: FROM, until: UNTIL })
    const credential = await gate.command<{ readonly clientId: string; readonly secret: string }>('client add', { client: 'viriya' })
    const words: Words = { token: await gate.token(), stranger: await gate.token('office'), ...credential }
    const seen: Seen = { entries: 0, calls: 0, open: new Map() }
    let answered = 0
    let granted = 0
    return {
      async once(random) {
        gate.holder.script = misbehaving(random)
        const inputs = Array.from({ length: BATCH }, () => anInput(random, words))
        const seeds = inputs.map(() => random.int(2 ** 31))
        const heard = await Promise.all(inputs.map((input, i) => oneConnection(gate.port, input, seeds[i] ?? 0)))
        gate.holder.script = ordinary
        for (const [i, text] of heard.entries()) {
          const statuses = [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map((m) => m[1])
          answered += statuses.length
          granted += statuses.filter((s) => s === '200').length
          const input = inputs[i] ?? Buffer.alloc(0)
          if (statuses.includes('500')) throw new Finding('answered with a 500', input)
          if (text.includes(CANARY) || text.includes(OTHER_METER)) throw new Finding('what was not granted reached a client', input)
        }
        await stillServes(gate, words.token, inputs)
        await everyCallIsOnRecord(gate, seen, inputs)
        const failed = gate.log.find((line) => /"a request failed"|"a request was broken off"|could not be recorded/.test(line))
        if (failed !== undefined) throw new Finding(`the log says ${failed}`, Buffer.concat(inputs))
        if (gate.fatal.length > 0) throw new Finding(`the gate stops: ${gate.fatal.join()}`, Buffer.concat(inputs))
      },
      async close() {
        await gate.stop()
        return `${answered} answers, ${granted} of them 200, ${seen.calls} calls of the holder, ${seen.entries} entries`
      },
    }
  },
}

interface Words {
  readonly token: string
  readonly stranger: string
  readonly clientId: string
  readonly secret: string
}
interface Seen {
  entries: number
  calls: number
  readonly open: Map<number, string>
}

/** Sends, waits for an answer, says that it is done, and expects the other side to be done soon after. */
async function oneConnection(port: number, input: Buffer, seed: number): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true })
  let text = ''
  let closed = false
  socket.on('error', () => socket.destroy())
  socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')))
  socket.once('close', () => (closed = true))
  await new Promise<void>((resolve) => {
    socket.once('connect', resolve)
    socket.once('close', () => resolve())
  })
  const style = seed % 8
  for (const piece of pieced(input, seed)) {
    if (closed) break
    socket.write(piece)
    if (seed % 3 === 0) await sleep(seed % 5)
  }
  if (style === 0) {
    // Leaves without a word, at some moment.
    await sleep(seed % 30)
    socket.destroy()
    return text
  }
  for (let waited = 0; waited < ANSWER_MS && !closed && !text.includes('\r\n\r\n'); waited += 10) await sleep(10)
  socket.end()
  for (let waited = 0; waited < END_MS && !closed; waited += 10) await sleep(10)
  if (closed) return text
  socket.destroy()
  throw new Finding(`a connection that hangs ${END_MS} ms after its client was done; heard ${JSON.stringify(text.slice(0, 200))}`, input)
}

function pieced(input: Buffer, seed: number): readonly Buffer[] {
  const count = 1 + (seed % 4)
  const size = Math.ceil(input.length / count)
  return size === 0 ? [] : Array.from({ length: count }, (_, i) => input.subarray(i * size, (i + 1) * size)).filter((p) => p.length > 0)
}

async function stillServes(gate: TestGate, token: string, inputs: readonly Buffer[]): Promise<void> {
  const served = await fetch(gate.url + curve(METER, today(-20), today(-18)), { ...bearer(token), signal: AbortSignal.timeout(5000) })
  await served.arrayBuffer()
  if (served.status !== 200) throw new Finding(`the next good request is answered with ${served.status}`, Buffer.concat(inputs))
}

/** Everything that the holder saw since the last batch, against everything that was recorded since. */
async function everyCallIsOnRecord(gate: TestGate, seen: Seen, inputs: readonly Buffer[]): Promise<void> {
  const all = Buffer.concat(inputs)
  // A call under way ends within its client's leaving; its outcome is then written.
  const entries = await settled(gate, seen)
  const intents = new Map<string, number>()
  for (const entry of entries) {
    if (entry.t === 'access.intent') {
      const key = String(entry['sent'])
      intents.set(key, (intents.get(key) ?? 0) + 1)
    }
  }
  for (const call of gate.holder.calls.splice(0)) {
    seen.calls += 1
    const { searchParams } = new URL(call.target, 'http://h.invalid')
    const [meter, from = '', until = ''] = ['pointId', 'dateDebut', 'dateFin'].map((name) => searchParams.get(name) ?? '')
    if (meter !== METER || from < FROM || until > UNTIL || !(from < until)) throw new Finding(`the holder saw ${call.target}`, all)
    const left = intents.get(`${from}/${until}`) ?? 0
    if (left === 0) throw new Finding(`the holder saw ${call.target}, and no intent is on record`, all)
    intents.set(`${from}/${until}`, left - 1)
    if (/authorization: Bearer (?!holder-application-token-canary\r?$)/im.test(call.head))
      throw new Finding(`the holder saw ${call.head}`, all)
  }
}

async function settled(gate: TestGate, seen: Seen): Promise<readonly Entry[]> {
  const entries: Entry[] = []
  for (let waited = 0; waited < 10_000; waited += 50) {
    const { size } = await gate.command<{ size: number }>('audit drain', {})
    if (size > seen.entries) {
      const rows = await gate.command<readonly { readonly entry: string }[]>('audit rows', {
        from: seen.entries,
        limit: size - seen.entries,
      })
      for (const row of rows) {
        const entry = JSON.parse(row.entry) as Entry
        entries.push(entry)
        if (entry.t === 'access.intent') seen.open.set(entry.n, String(entry['req']))
        if (entry.t === 'access.outcome' && !seen.open.delete(Number(entry['intent'])))
          throw new Finding(`outcome ${entry.n} closes no open intent`, '')
      }
      seen.entries += rows.length
    }
    if (seen.open.size === 0) return entries
    await sleep(50)
  }
  throw new Finding(`intent ${[...seen.open.keys()].join()} has no outcome after 10 s`, '')
}

function misbehaving(random: Random): Script {
  const whims = Array.from({ length: 64 }, () => random.int(16))
  let i = 0
  return (request, socket) => {
    const whim = whims[(i += 1) % whims.length]
    const { target } = request
    const url = new URL(target, 'http://h.invalid')
    switch (whim) {
      case 0:
        return void socket.destroy()
      case 1:
        return answer(socket, 200, `{"idPrm":"${OTHER_METER}","v":"${CANARY}"}`)
      case 2:
        return answer(socket, 500, `<html>${CANARY}</html>`)
      case 3:
        return answer(socket, 404, '{"error":"no_data_found","error_description":"no measure found for this usage point"}')
      case 4: {
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n{"idPrm":"')
        setTimeout(() => socket.destroy(), 20)
        return
      }
      case 5: {
        // Days that were not asked for, with a value of their own.
        const day = url.searchParams.get('dateDebut') ?? ''
        const points = [`{"v":"${CANARY}","d":"2020-01-01 12:00:00","p":"PT30M"}`, `{"v":"1","d":"${day} 12:00:00","p":"PT30M"}`]
        const quantity = `{"grandeurMetier":"CONS","grandeurPhysique":"PA","unite":"W","points":[${points.join()}]}`
        const days = `"periode":{"dateDebut":"${day}","dateFin":"${url.searchParams.get('dateFin')}"}`
        return answer(socket, 200, `{"idPrm":"${METER}","etapeMetier":"BRUT","canary":"${CANARY}",${days},"grandeur":[${quantity}]}`)
      }
      case 6:
        return void setTimeout(() => ordinary(request, socket), 40)
      default:
        return ordinary(request, socket)
    }
  }
}

const HEADERS = [
  'Content-Length: 5',
  'Content-Length: 0',
  'Content-Length: +1',
  'Content-Length: 5\r\nContent-Length: 6',
  'Transfer-Encoding: chunked',
  'Transfer-Encoding : chunked',
  'Transfer-Encoding: gzip, chunked',
  'Expect: 100-continue',
  'Expect: 200',
  'Connection: close',
  'Connection: keep-alive, X-Consent',
  'Connection: upgrade\r\nUpgrade: h2c',
  'Upgrade: websocket',
  'X-Forwarded-For: 1.2.3.4',
  'X_Under: 1',
  'Host: other',
  'Authorization: Bearer x',
  'Origin: https://a.example',
  'Trailer: Authorization',
  'TE: trailers',
  ' folded',
  'No-Colon',
  ': empty',
  'A: b\0c',
  'A: \xe9',
  'Accept: */*',
  'X-HTTP-Method-Override: POST',
  `A: ${'x'.repeat(20_000)}`,
  'Cookie: a=b',
  'Range: bytes=0-1',
]
const METHODS = [
  'GET',
  'GET',
  'GET',
  'GET',
  'POST',
  'PUT',
  'DELETE',
  'HEAD',
  'OPTIONS',
  'TRACE',
  'CONNECT',
  'PRI',
  'get',
  'G ET',
  'GET\t',
  '',
]
const BODIES = [
  '',
  '',
  '',
  'hello',
  '0\r\n\r\n',
  '5\r\nhello\r\n0\r\n\r\n',
  'GET / HTTP/1.1\r\nHost: a\r\n\r\n',
  'grant_type=client_credentials',
  '{"a":1}',
]

function anInput(random: Random, words: Words): Buffer {
  if (random.oneIn(20)) return random.bytes(1 + random.int(600))
  const requests = Array.from({ length: random.oneIn(4) ? 1 + random.int(4) : 1 }, () =>
    random.oneIn(6) ? aTokenCall(random, words) : aDataCall(random, words),
  )
  const text = requests.join(random.oneIn(10) ? '\r\n' : '')
  if (random.oneIn(3)) return Buffer.from(mangled(random, text, ['\r\n', '\n', '\r', ' ', ...HEADERS]), 'latin1')
  const bytes = Buffer.from(text, 'latin1')
  if (random.oneIn(6) && bytes.length > 0) bytes[random.int(bytes.length)] = random.int(256)
  return random.oneIn(10) ? Buffer.concat(pieces(random, bytes).toReversed()) : bytes
}

function aDataCall(random: Random, words: Words): string {
  const meter = random.pick([METER, METER, METER, METER, METER, METER, OTHER_METER, random.digits(14), '%31' + METER.slice(1)])
  const day = (): string => today(random.oneIn(8) ? random.int(200) - 150 : -90 + random.int(70))
  const [from = '', until = ''] = [day(), day()].toSorted()
  let target = random.pick([
    curve(meter, from, until),
    curve(meter, from, until),
    `/mesure_synchrone_auto/v2/consommation_quotidienne?pointId=${meter}&dateDebut=${from}&dateFin=${until}`,
    `/metering_data_clc/v5/consumption_load_curve?usage_point_id=${meter}&start=${from}&end=${until}`,
    `/metering_data_dc/v5/daily_consumption?start=${from}&end=${until}&usage_point_id=${meter}`,
    `/situation_contrat_auto/v1/${meter}`,
    '/subscribed_services/v1',
    '/',
  ])
  if (random.oneIn(5))
    target = random.pick([
      `http://evil${target}`,
      `/${target}`,
      `${target}#f`,
      target.replace('?', '?a=1&'),
      `${target}&pointId=${OTHER_METER}`,
      target.replaceAll('/', '%2f'),
      `/a/..${target}`,
      target.replace('v2', 'v2;x=y'),
      'http://[',
      '*',
      `${target}&x=${'y'.repeat(random.int(9000))}`,
    ])
  const token = random.pick([...Array.from({ length: 8 }, () => words.token), words.stranger, 'nobody', ''])
  const lines = [
    `${random.oneIn(4) ? random.pick(METHODS) : 'GET'} ${target} HTTP/${random.oneIn(20) ? random.pick(['1.0', '2.0', '0.9', '1.2', 'x']) : '1.1'}`,
    ...(random.oneIn(20) ? [] : ['Host: gate']),
    ...(random.oneIn(12)
      ? []
      : [`${random.pick(['Authorization', 'authorization'])}: ${random.pick(['Bearer', 'Bearer', 'bearer', 'Basic'])} ${token}`]),
    ...Array.from({ length: random.oneIn(2) ? random.int(3) : 0 }, () => random.pick(HEADERS)),
  ]
  return `${lines.join('\r\n')}\r\n\r\n${random.oneIn(5) ? random.pick(BODIES) : ''}`
}

function aTokenCall(random: Random, { clientId, secret }: Words): string {
  const form = `grant_type=client_credentials&client_id=${clientId}&client_secret=${random.oneIn(4) ? 'wrong' : secret}`
  const body = random.oneIn(3) ? mangled(random, form, ['&', '=', '%', '%zz', '&client_id=b']) : form
  const length = random.oneIn(6) ? random.int(9000) : Buffer.byteLength(body, 'latin1')
  const type = random.oneIn(8) ? random.text(10) : 'application/x-www-form-urlencoded'
  const more = random.oneIn(3) ? `${random.pick(HEADERS)}\r\n` : ''
  return `POST /oauth2/v3/token HTTP/1.1\r\nHost: gate\r\nContent-Type: ${type}\r\nContent-Length: ${length}\r\n${more}\r\n${body}`
}
