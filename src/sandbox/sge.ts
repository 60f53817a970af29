/**
 * Simulated Enedis SGE Tiers, on the same port as the simulated Data Connect, under `/sge`: the SOAP services by which a
 * third party reads measures and records, looks for meters, and opens, stops and lists access services, on invented
 * meters (`sge-points.ts`). It remembers every call that it saw, and misbehaves when it is told to.
 *
 * It takes nothing but what the schema allows, so that a gate which writes its envelopes anew is held to the letter. It
 * knows its accounts by the login in the message, and by HTTP Basic where an account has it; a client certificate is not
 * asked for. What is refused before SGE is asked has a page of HTML, as its front has.
 * Source: WSDL files of SGE Tiers as lowatt-enedis ships them, samples of consometers/sge-tiers.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Day, Millis } from '../domain/time.ts'
import { parisDay } from '../domain/time.ts'
import { readBody } from './receive.ts'
import type { Asked, Echo, Said } from './sge-answer.ts'
import { answerEnvelope, fault, faultEnvelope } from './sge-answer.ts'
import type { SgeCall } from './sge-calls.ts'
import { factsOf, headersOf, loginOf } from './sge-calls.ts'
import { detailedMeasures } from './sge-detailed.ts'
import type { Message } from './sge-envelope.ts'
import { receive, SOAP } from './sge-envelope.ts'
import type { SgeMisbehaviour, SgeMisbehaviourInput } from './sge-misbehave.ts'
import { leafOf, oddEnvelope, prologOf, sgeMischief } from './sge-misbehave.ts'
import type { Operation } from './sge-operations.ts'
import { isSgePath, operationAt } from './sge-operations.ts'
import { listServices, openOneService, openServices, stopOneService, stopServices } from './sge-orders.ts'
import type { SgePoint } from './sge-points.ts'
import { SGE_POINTS, sgePointOf } from './sge-points.ts'
import { billedMeasures, searchPoints, technicalRecord } from './sge-records.ts'
import { sendPage, sendXml } from './sge-send.ts'
import type { SgeSubscription } from './sge-subscriptions.ts'
import { subscriptions } from './sge-subscriptions.ts'
import { parseXml, textOf, xmlPieces } from './sge-xml.ts'

/** Whom Enedis knows; a message is an account's by its login, or by HTTP Basic where any account has it. */
export interface SgeAccount {
  readonly login: string
  readonly contratId: string
  readonly basic?: { readonly user: string; readonly password: string }
}
/** Known to everybody, since what it opens is invented. */
export const DEFAULT_SGE_ACCOUNT: SgeAccount = { login: 'operateur.sge@example.org', contratId: '1234567' }

/** What tests and the demo see and do of the simulated SGE. */
export interface Sge {
  points(): readonly SgePoint[]
  /** Access services of all parties, also those that are over, newest last. */
  services(): readonly SgeSubscription[]
  calls(): readonly SgeCall[]
  misbehave(wanted: SgeMisbehaviourInput): void
  /** While it is down, each call is a 503. */
  down(is: boolean): void
  /** Forgets calls, misbehaviours and the outage; access services stay as they are. */
  reset(): void
}
export interface SgeOptions {
  readonly accounts: readonly SgeAccount[]
  readonly now: () => number
}
export interface SgeServer {
  readonly handle: Sge
  takes(path: string): boolean
  take(message: IncomingMessage, url: URL, res: ServerResponse): Promise<void>
}

const REMEMBERED_CALLS = 1_000_000

export function sgeServer({ accounts, now }: SgeOptions): SgeServer {
  const today = (): Day => parisDay(now() as Millis)
  const services = subscriptions(today)
  const odd = sgeMischief()
  let isDown = false
  let seen: SgeCall[] = []
  let count = 0

  async function take(message: IncomingMessage, url: URL, res: ServerResponse): Promise<void> {
    const operation = operationAt(url.pathname)
    const source = await readBody(message)
    const body = source === undefined ? undefined : operationIn(source)
    const misbehaving = isDown ? undefined : odd.next(operation?.service ?? '', body && textOf(body, 'pointId'))
    const call = remember(message, url, operation, body && factsOf(body), misbehaving)
    res.once('close', () => {
      if (res.headersSent) call.status = res.statusCode
      call.complete = res.writableFinished
    })
    if (isDown) return sendPage(res, 503)
    // A wrong address is refused as a wrong certificate is.
    if (!operation) return sendPage(res, 403)
    if (message.method !== 'POST') return sendPage(res, 405, { Allow: 'POST' })
    if (misbehaving && (await misbehaveWhole(res, misbehaving))) return undefined
    const basic = basicOf(message)
    if (basic === 'refused') return sendPage(res, 401, { 'WWW-Authenticate': 'Basic realm="sge"' })
    const echo = { pointId: body && textOf(body, 'pointId'), login: body && loginOf(body) }
    const said = answerTo(operation, message.headers['content-type'] ?? '', source, basic, misbehaving)
    call.code = said.is === 'answer' ? 'SGT200' : said.code
    return send(res, operation, said, echo, misbehaving)
  }

  /** The account that the header names, if accounts are known by it. */
  function basicOf(message: IncomingMessage): SgeAccount | 'refused' | undefined {
    if (accounts.every(({ basic }) => !basic)) return undefined
    const given = /^Basic ([\w+/]+=*)$/i.exec(message.headers.authorization ?? '')?.[1]
    const pair = Buffer.from(given ?? '', 'base64').toString('utf8')
    return accounts.find(({ basic }) => basic && pair === `${basic.user}:${basic.password}`) ?? 'refused'
  }

  function answerTo(
    operation: Operation,
    contentType: string,
    source: string | undefined,
    basic: SgeAccount | undefined,
    misbehaving: SgeMisbehaviour | undefined,
  ): Said {
    if (misbehaving?.kind === 'fault' || misbehaving?.kind === 'fault_without_erreur') return fault(misbehaving.code)
    const received = receive(operation, contentType, source)
    if (received.is === 'malformed') return fault('SGT562', received.where)
    const account = accountOf(received.message, basic)
    if (typeof account === 'string') return fault('SGT400', account)
    const { body } = received.message
    const asked: Asked = { body, contratId: account.contratId, today: today() }
    if (operation.service === 'RP') return searchPoints(asked)
    const point = sgePointOf(textOf(body, 'pointId') ?? '')
    return point ? answerAbout(operation, { ...asked, point }, misbehaving) : fault('SGT401')
  }

  function answerAbout(operation: Operation, asked: Asked & { readonly point: SgePoint }, misbehaving?: SgeMisbehaviour): Said {
    switch (operation.service) {
      case 'CMD':
        return detailedMeasures('v3', asked, services, misbehaving)
      case 'CMD_V2':
        return detailedMeasures('v2', asked, services, misbehaving)
      case 'CM':
        return billedMeasures(asked, misbehaving)
      case 'CDTC':
        return technicalRecord(asked, misbehaving)
      case 'RP':
        return searchPoints(asked)
      case 'RSA':
        return listServices(asked, services)
      case 'SAD':
        return openServices(asked, services)
      case 'ASAD':
        return stopServices(asked, services)
      case 'CADM':
        return openOneService(asked, services)
      case 'CASSM':
        return stopOneService(asked, services)
    }
  }

  /** Whose the message is: its logins and its contract must be those of one account; else which of them are not. */
  function accountOf({ body, entete }: Message, basic: SgeAccount | undefined): SgeAccount | string {
    const login = loginOf(body)
    const account = basic ?? accounts.find((one) => one.login === login)
    if (!account || account.login !== login) return 'login'
    const said = entete && textOf(entete, 'loginDemandeur')
    if (said !== undefined && said !== login) return 'entete/infoDemandeur/loginDemandeur'
    return (textOf(body, 'contratId') ?? account.contratId) === account.contratId ? account : 'contratId'
  }

  function send(
    res: ServerResponse,
    operation: Operation,
    said: Said,
    echo: Echo,
    misbehaving: SgeMisbehaviour | undefined,
  ): Promise<void> {
    const right =
      said.is === 'answer' ? answerEnvelope(operation, said, echo) : faultEnvelope(said, echo, misbehaving?.kind === 'fault_without_erreur')
    const envelope = misbehaving ? oddEnvelope(right, operation, misbehaving) : right
    return sendXml(res, said.is === 'answer' ? 200 : 500, xmlPieces(envelope, prologOf(misbehaving), leafOf(misbehaving)), misbehaving)
  }

  function remember(
    message: IncomingMessage,
    url: URL,
    operation: Operation | undefined,
    facts: Partial<SgeCall> | undefined,
    misbehaving: SgeMisbehaviour | undefined,
  ): SgeCall {
    const headers = headersOf(message)
    const call: SgeCall = {
      n: (count += 1),
      at: now(),
      method: message.method ?? '',
      path: url.pathname,
      ...(operation && { service: operation.service }),
      ...facts,
      ...(headers['traceparent'] !== undefined && { traceparent: headers['traceparent'] }),
      headers,
      ...(misbehaving && { misbehaved: misbehaving.kind }),
    }
    if (seen.length >= REMEMBERED_CALLS) seen = seen.slice(REMEMBERED_CALLS / 2)
    seen.push(call)
    return call
  }

  const handle: Sge = {
    points: () => SGE_POINTS,
    services: () => services.all(),
    calls: () => seen,
    misbehave: (wanted) => odd.ask(wanted),
    down(is) {
      isDown = is
    },
    reset() {
      seen = []
      isDown = false
      odd.reset()
    },
  }
  return { handle, takes: isSgePath, take }
}

/** The first element in the Body, of whatever was sent. */
function operationIn(source: string): ReturnType<typeof parseXml> {
  return parseXml(source)?.children.find(({ uri, name }) => uri === SOAP && name === 'Body')?.children[0]
}

/** True where nothing of an answer is left to send. */
async function misbehaveWhole(res: ServerResponse, asked: SgeMisbehaviour): Promise<boolean> {
  switch (asked.kind) {
    case 'hang':
      return true
    case 'reset':
      res.socket?.resetAndDestroy()
      return true
    case 'delay':
      await sleep(asked.ms)
      return false
    case 'status':
      res.writeHead(asked.status ?? 503, { 'Content-Length': '0' }).end()
      return true
    case 'html':
      sendPage(res, asked.status ?? 500)
      return true
    default:
      return false
  }
}
