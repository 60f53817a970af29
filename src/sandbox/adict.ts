/**
 * Simulated GRDF ADICT v2, on the same port as the simulated Enedis: the token calls, the data of invented points
 * (`adict-points.ts`), the rights to it, and the mails in which holders are asked. It remembers every call that it saw,
 * and misbehaves when it is told to.
 *
 * Whatever is refused before ADICT itself is asked has a body of ours, in the form of RFC 6749: what GRDF says there is
 * not known. Source: GRDF Swagger 1.6 of ADICT v2.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Day, Millis } from '../domain/time.ts'
import { parisDay } from '../domain/time.ts'
import type { RightCode } from './adict-codes.ts'
import { RIGHT_CODES, treatment } from './adict-codes.ts'
import { dataAnswer } from './adict-data.ts'
import { isMailPath, mailPage } from './adict-mail.ts'
import type { AdictMisbehaviour, AdictMisbehaviourInput } from './adict-misbehave.ts'
import { adictMischief, oddAnswer, oddLines, piecesOf } from './adict-misbehave.ts'
import type { AdictPoint } from './adict-points.ts'
import { ADICT_POINTS } from './adict-points.ts'
import { QUERY_ERRORS } from './adict-query.ts'
import type { AdictQuotas } from './adict-quotas.ts'
import { adictQuotaBook } from './adict-quotas.ts'
import type { Told } from './adict-rights-calls.ts'
import { declare, listAll, listSome, revoke, uploadProofs } from './adict-rights-calls.ts'
import type { Json } from './adict-right-text.ts'
import type { AdictOrder, AdictRight } from './adict-rights.ts'
import { rightsOf } from './adict-rights.ts'
import type { AdictRoute } from './adict-routes.ts'
import { adictRouteOf, isAdictPath } from './adict-routes.ts'
import type { AdictClient } from './adict-token.ts'
import { adictTokens } from './adict-token.ts'
import { isLoopback } from './receive.ts'
import { sendPieces, sendText } from './send.ts'
import { MAIL_PATH, visitOf } from './simulated-page.ts'

/** One call, as it arrived. The last two are known once it was answered. */
export interface AdictCall {
  /** From 1, in order of arrival. */
  readonly n: number
  readonly at: number
  readonly method: string
  readonly path: string
  /** As it was sent, without its question mark. */
  readonly query: string
  /** Of a data call its kind: `published`, `informative`, `injection`, `contract`, `technical`. */
  readonly call: string
  readonly pce?: string
  /** The id of the right that the path names. */
  readonly right?: string
  readonly from?: string
  readonly until?: string
  readonly traceparent?: string
  /** Of the authorization only the scheme. */
  readonly headers: Readonly<Record<string, string>>
  readonly misbehaved?: string
  status?: number
  /** False where either side hung up. */
  complete?: boolean
}

export interface AdictMail {
  readonly to: string
  readonly right: string
  readonly pce: string
  /** Where the holder decides, on the sandbox. */
  readonly path: string
}

/** What tests and the demo see and do of the simulated GRDF. */
export interface Adict {
  points(): readonly AdictPoint[]
  /** Of all clients, also those that are over, newest last. */
  rights(): readonly AdictRight[]
  /** A right that nobody needs to accept, unless it is ordered so. */
  order(order: AdictOrder): AdictRight
  /** The holder answers. This and the following are false where the right is not such that it can be done. */
  accept(id: string): boolean
  refuse(id: string): boolean
  /** The holder takes the right back. */
  revoke(id: string): boolean
  /** Somebody else holds the contract from today on; false where there is no such point. */
  moveOut(pce: string): boolean
  /** GRDF wants to see evidence, within 28 days unless it is said otherwise. */
  askProof(id: string, deadline?: Day): boolean
  /** GRDF has looked at it. */
  proof(id: string, outcome: 'ok' | 'ko'): boolean
  /** To whom GRDF has written, newest last. */
  mails(): readonly AdictMail[]
  calls(): readonly AdictCall[]
  misbehave(wanted: AdictMisbehaviourInput): void
  /** Forgets calls, misbehaviours and what was counted against quotas; tokens and rights stay as they are. */
  reset(): void
}

export interface AdictOptions {
  readonly clients: readonly AdictClient[]
  readonly quotas: AdictQuotas
  readonly now: () => number
}
export interface AdictServer {
  readonly handle: Adict
  takes(path: string): boolean
  take(message: IncomingMessage, url: URL, res: ServerResponse): Promise<void>
}

const NDJSON = { 'Content-Type': 'application/x-ndjson' }
const REMEMBERED_CALLS = 1_000_000
const MOST_TEXT = 262_144
/** Three files of 4 MB and what is around them; a fourth that is small is read as well, so that it can be counted. */
const MOST_PROOFS = 16 * 1_048_576

export function adictServer({ clients, quotas, now }: AdictOptions): AdictServer {
  const tokens = adictTokens(clients, now)
  const book = adictQuotaBook(quotas)
  const odd = adictMischief()
  const rights = rightsOf(
    clients.map(({ clientId }) => clientId),
    now,
  )
  const today = (): Day => parisDay(now() as Millis)
  const companyOf = (clientId: string): string => clients.find((client) => client.clientId === clientId)?.company ?? ''
  let seen: AdictCall[] = []
  let count = 0

  async function take(message: IncomingMessage, url: URL, res: ServerResponse): Promise<void> {
    if (isMailPath(url.pathname)) {
      if (!isLoopback(message)) return sendText(res, 403, '{"error":"loopback only"}')
      return mailPage(rights, companyOf, message, visitOf(message, url), res)
    }
    const route = adictRouteOf(url.pathname)
    const misbehaving = odd.next(route.is === 'data' ? route.pce : route.is === 'token' ? 'token' : 'rights')
    const call = remember(message, route, url, misbehaving)
    res.once('close', () => {
      if (res.headersSent) call.status = res.statusCode
      call.complete = res.writableFinished
    })
    const body = await readAtMost(message, route.is === 'proofs' ? MOST_PROOFS : MOST_TEXT)
    if (misbehaving?.kind === 'hang') return undefined
    if (misbehaving?.kind === 'status') {
      const text = `<html><body><h1>${misbehaving.status}</h1></body></html>`
      return sendText(res, misbehaving.status, text, { 'Content-Type': 'text/html' })
    }
    if (route.is === 'token') return token(message, url, body, res)
    const bearer = tokens.bearerOf(message)
    if (bearer.is === 'malformed') return refuse(res, 400, 'invalid_request', 'The Authorization header is malformed.')
    if (bearer.is === 'unknown') return unauthorized(res, route)
    const { client } = bearer
    if (!book.take(client.clientId, now())) return refuse(res, 429, 'quota_exceeded', 'Too many calls.')
    if (route.is === 'unknown') return refuse(res, 404, 'not_found', 'No such resource.')
    if (!route.methods.includes(message.method ?? '')) return refuse(res, 405, 'method_not_allowed', 'Method not allowed.')
    if ('pce' in route && route.pce === '') return refuse(res, 403, 'forbidden', 'id_pce is missing.')
    if (route.is === 'data') return data(route, client, url.searchParams, res, misbehaving)
    const told = await rightsCall(route, client, message, url.searchParams, body)
    if (route.is === 'list' && told.status === 200) {
      return send(res, piecesOf(misbehaving ? oddLines(told.lines, misbehaving) : told.lines, misbehaving), misbehaving)
    }
    return sendText(res, told.status, JSON.stringify(told.lines[0]))
  }

  async function rightsCall(
    route: Exclude<AdictRoute, { is: 'token' | 'data' | 'unknown' }>,
    client: AdictClient,
    message: IncomingMessage,
    query: URLSearchParams,
    body: Buffer | undefined,
  ): Promise<Told> {
    const { clientId } = client
    switch (route.is) {
      case 'declare':
        return declare(rights, clientId, route.pce, jsonOf(message, body), query, today())
      case 'list':
        return message.method === 'GET' ? listAll(rights, client, query) : listSome(rights, client, jsonOf(message, body) ?? {}, query)
      case 'revoke':
        return revoke(rights, clientId, route.right, jsonOf(message, body), query)
      case 'proofs':
        return uploadProofs(rights, clientId, route.right, message, body, query)
    }
  }

  function data(
    route: Extract<AdictRoute, { is: 'data' }>,
    client: AdictClient,
    query: URLSearchParams,
    res: ServerResponse,
    misbehaving: AdictMisbehaviour | undefined,
  ): Promise<void> | void {
    const said = dataAnswer({ pce: route.pce, kind: route.kind, query }, rights, client.clientId, today())
    if (said.is === 'invalid') return refuse(res, 400, 'invalid_request', QUERY_ERRORS[said.error])
    if (said.is === 'refused') return sendText(res, said.status, `${JSON.stringify(said.line)}\n`, NDJSON)
    return send(res, piecesOf(misbehaving ? oddAnswer(said, misbehaving) : said.lines, misbehaving), misbehaving)
  }

  function token(message: IncomingMessage, url: URL, body: Buffer | undefined, res: ServerResponse): void {
    const said = tokens.issue(message, url.searchParams, body?.toString('utf8'))
    if ('error' in said) return refuse(res, said.status, said.error, said.text)
    return sendText(res, 200, said.body)
  }

  function remember(message: IncomingMessage, route: AdictRoute, url: URL, misbehaving: AdictMisbehaviour | undefined): AdictCall {
    const headers: Record<string, string> = {}
    for (const [name, value] of Object.entries(message.headers)) {
      const text = Array.isArray(value) ? value.join(', ') : (value ?? '')
      headers[name] = name === 'authorization' ? (text.split(' ')[0] ?? '') : text
    }
    const [from, until] = [url.searchParams.get('date_debut'), url.searchParams.get('date_fin')]
    const call: AdictCall = {
      n: (count += 1),
      at: now(),
      method: message.method ?? '',
      path: url.pathname,
      query: url.search.slice(1),
      call: route.is === 'data' ? route.kind : route.is,
      ...('pce' in route && { pce: route.pce }),
      ...('right' in route && { right: route.right }),
      ...(from !== null && { from }),
      ...(until !== null && { until }),
      ...(headers['traceparent'] !== undefined && { traceparent: headers['traceparent'] }),
      headers,
      ...(misbehaving && { misbehaved: misbehaving.kind }),
    }
    if (seen.length >= REMEMBERED_CALLS) seen = seen.slice(REMEMBERED_CALLS / 2)
    seen.push(call)
    return call
  }

  const handle: Adict = {
    points: () => ADICT_POINTS,
    rights: () => rights.all(),
    order: (order) => rights.order(order),
    accept: (id) => rights.accept(id),
    refuse: (id) => rights.refuse(id),
    revoke: (id) => rights.revoke(id, 'holder'),
    moveOut: (pce) => rights.moveOut(pce),
    askProof: (id, deadline) => rights.askProof(id, deadline),
    proof: (id, outcome) => rights.judgeProof(id, outcome),
    mails: () =>
      rights
        .all()
        .flatMap(({ id, pce, email, mail }) => (mail === null ? [] : [{ to: email ?? '', right: id, pce, path: `${MAIL_PATH}/${mail}` }])),
    calls: () => seen,
    misbehave: (wanted) => odd.ask(wanted),
    reset() {
      seen = []
      odd.reset()
      book.reset()
    },
  }
  return { handle, takes: (path) => isAdictPath(path) || isMailPath(path), take }
}

/** The body that a JSON call has: undefined where there is none, and null, which no schema takes, where it is not JSON. */
function jsonOf(message: IncomingMessage, body: Buffer | undefined): unknown {
  if (body?.byteLength === 0) return undefined
  if (!body || !/^application\/json\b/i.test(message.headers['content-type'] ?? '')) return null
  try {
    return JSON.parse(body.toString('utf8')) as unknown
  } catch (error) {
    if (error instanceof SyntaxError) return null
    throw error
  }
}

/** Undefined where it is longer. */
async function readAtMost(message: IncomingMessage, most: number): Promise<Buffer | undefined> {
  const pieces: Buffer[] = []
  let size = 0
  for await (const piece of message as AsyncIterable<Buffer>) {
    size += piece.byteLength
    if (size <= most) pieces.push(piece)
  }
  return size <= most ? Buffer.concat(pieces) : undefined
}

function refuse(res: ServerResponse, status: number, error: string, text: string): void {
  sendText(res, status, JSON.stringify({ error, error_description: text } satisfies Json))
}

/** The list of rights has a code of its own for it. */
function unauthorized(res: ServerResponse, route: AdictRoute): void {
  const code: RightCode = 'list_unauthorized'
  if (route.is === 'list') return sendText(res, RIGHT_CODES[code].status, JSON.stringify(treatment(code)))
  return refuse(res, 401, 'invalid_token', 'The token is missing, unknown or expired.')
}

async function send(res: ServerResponse, pieces: Iterable<string>, odd: AdictMisbehaviour | undefined): Promise<void> {
  if (odd?.kind !== 'cut' || odd.framing === 'whole') return sendPieces(res, pieces, NDJSON)
  res.writeHead(200, NDJSON)
  await pipeline(Readable.from(pieces), res, { end: false })
  // Ended, not destroyed: what was written arrives, and the end of the connection after it.
  res.socket?.destroySoon()
}
