/**
 * Simulated Enedis Data Connect on loopback, both generations on one port: the consent pages and the customer's account,
 * the token call, the measures, the contracts, the subscribed services, quotas and refusals, with invented meters
 * (`meters.ts`) and what people share of them (`shares.ts`). It remembers every data call that it
 * saw, so that evidence can be held against it, and misbehaves when it is told to. Beside it, under other paths, stands
 * the simulated GRDF (`adict.ts`) and the simulated SGE (`sge.ts`).
 *
 * It never stands for the real holder: it listens on 127.0.0.1 only, and what tells it to misbehave is answered only to
 * a caller that names it by a loopback address. Data of a day is there from midnight on, which is earlier than Enedis is.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Day, Millis } from '../domain/time.ts'
import { parisDay } from '../domain/time.ts'
import type { Adict } from './adict.ts'
import { adictServer } from './adict.ts'
import type { AdictQuotas } from './adict-quotas.ts'
import { GRDF_QUOTAS } from './adict-quotas.ts'
import type { AdictClient } from './adict-token.ts'
import { DEFAULT_ADICT_CLIENT } from './adict-token.ts'
import type { Application, TokenDesk } from './applications.ts'
import { DEFAULT_APPLICATION, tokenDesk } from './applications.ts'
import { control } from './control.ts'
import type { ErrorId } from './errors.ts'
import { errorBody } from './errors.ts'
import type { FranceConnect } from './france-connect.ts'
import { franceConnect } from './france-connect.ts'
import type { FranceConnectClient } from './france-connect-request.ts'
import type { Misbehaviour, MisbehaviourInput } from './misbehave.ts'
import { isEmpty, mischief, textOf } from './misbehave.ts'
import { isConsentPage, isPage, pages } from './pages.ts'
import type { Quotas } from './quotas.ts'
import { ENEDIS_QUOTAS, quotaBook } from './quotas.ts'
import type { Generation } from './readings.ts'
import { readBody } from './receive.ts'
import type { Answer, Route } from './routes.ts'
import { answerTo, named, routeOf } from './routes.ts'
import { sendOddly, sendPieces, sendText } from './send.ts'
import { NO_SERVICES, subscribedServices } from './services.ts'
import type { Sge, SgeAccount } from './sge.ts'
import { DEFAULT_SGE_ACCOUNT, sgeServer } from './sge.ts'
import type { MeasureKind, Share, ShareOrder } from './shares.ts'
import { sharesOf } from './shares.ts'

export type { Adict, AdictCall, AdictMail } from './adict.ts'
export type { AdictMisbehaviourInput } from './adict-misbehave.ts'
export type { AdictQuotas } from './adict-quotas.ts'
export type { AdictOrder, AdictRight } from './adict-rights.ts'
export { ADICT_PATH } from './adict-routes.ts'
export type { AdictClient } from './adict-token.ts'
export { ADICT_OLD_TOKEN_PATH, ADICT_SCOPE, ADICT_TOKEN_PATH, DEFAULT_ADICT_CLIENT } from './adict-token.ts'
export type { Application } from './applications.ts'
export { DEFAULT_APPLICATION } from './applications.ts'
export type { FranceConnect } from './france-connect.ts'
export type { FranceConnectClient } from './france-connect-request.ts'
export { DEFAULT_SERVICE } from './france-connect-request.ts'
export type { FranceWrong } from './france-connect-wrong.ts'
export type { MisbehaviourInput } from './misbehave.ts'
export type { Sge, SgeAccount } from './sge.ts'
export { DEFAULT_SGE_ACCOUNT } from './sge.ts'
export type { SgeCall } from './sge-calls.ts'
export type { SgeMisbehaviourInput } from './sge-misbehave.ts'
export type { SgePoint } from './sge-points.ts'
export type { SgeSubscription } from './sge-subscriptions.ts'
export type { MeasureKind, Share, ShareOrder } from './shares.ts'

export interface SandboxOptions {
  /** 0 picks a free one. */
  readonly port: number
  readonly now?: () => number
  readonly quotas?: Quotas
  readonly credentials?: readonly Application[]
  /** A service that the simulated FranceConnect knows from the start. */
  readonly franceConnect?: FranceConnectClient
  /** The third parties of the simulated GRDF; the first has rights from the start. */
  readonly adictCredentials?: readonly AdictClient[]
  readonly adictQuotas?: AdictQuotas
  /** Whom the simulated SGE knows. */
  readonly sgeAccounts?: readonly SgeAccount[]
}

/** One call to a data path, as it arrived. The last two are known once it was answered. */
export interface SeenCall {
  /** From 1, in order of arrival. */
  readonly n: number
  readonly at: number
  readonly method: string
  readonly path: string
  readonly generation: Generation
  readonly meter?: string
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

export interface Sandbox {
  readonly url: string
  readonly franceConnect: FranceConnect
  readonly adict: Adict
  readonly sge: Sge
  calls(): readonly SeenCall[]
  misbehave(wanted: MisbehaviourInput): void
  /** Says where people come back to from the consent page, as an application does on Enedis's portal. */
  register(clientId: string, redirectUri: string): void
  /** As if a person had given it, in the page or otherwise; a share in force of the same meter is replaced. */
  share(order: ShareOrder): Share
  /** All shares with an application, also those that are over, newest last. */
  shares(clientId: string): readonly Share[]
  /** The person deletes the share of a meter, with every application. This and the next are false where there was none in force. */
  revoke(prm: string): boolean
  /** The share was over yesterday. */
  expire(prm: string): boolean
  /** One kind of data is no longer shared. */
  stop(prm: string, kind: MeasureKind): boolean
  /** Somebody else holds the contract: the data paths say so, and the services no longer tell of the share. */
  changeHolder(prm: string): boolean
  /** The next so many answers of the subscribed services are empty lists. */
  delayServices(times: number): void
  /** Forgets calls, misbehaviours, delays and what was counted against quotas; tokens and shares stay as they are. */
  reset(): void
  close(): Promise<void>
}

const TOKEN_PATH = '/oauth2/v3/token'
const REVOKE_PATH = '/oauth2/v3/revoke'
const REMEMBERED_CALLS = 1_000_000

export async function startSandbox(options: SandboxOptions): Promise<Sandbox> {
  const now = options.now ?? Date.now
  const applications = options.credentials ?? [DEFAULT_APPLICATION]
  const quotas = options.quotas ?? ENEDIS_QUOTAS
  const desk = tokenDesk(applications, now)
  const book = quotaBook()
  const odd = mischief()
  const redirects = new Map(applications.map(({ clientId, redirectUri }) => [clientId, redirectUri]))
  const shares = sharesOf(
    applications.map(({ clientId }) => clientId),
    now,
  )
  const today = (): Day => parisDay(now() as Millis)
  const france = await franceConnect(() => url, now)
  if (options.franceConnect) france.handle.register(options.franceConnect)
  const showPages = pages(
    {
      shares,
      today,
      applications: () => [...redirects.keys()],
      isApplication: (clientId) => redirects.has(clientId),
      redirectUriOf: (clientId) => redirects.get(clientId),
    },
    france,
  )
  const adict = adictServer({
    clients: options.adictCredentials ?? [DEFAULT_ADICT_CLIENT],
    quotas: options.adictQuotas ?? GRDF_QUOTAS,
    now,
  })
  const sge = sgeServer({ accounts: options.sgeAccounts ?? [DEFAULT_SGE_ACCOUNT], now })
  let seen: SeenCall[] = []
  let count = 0
  let delayed = 0
  const handle: Omit<Sandbox, 'url' | 'close'> = {
    franceConnect: france.handle,
    adict: adict.handle,
    sge: sge.handle,
    calls: () => seen,
    misbehave: (wanted) => odd.ask(wanted),
    register(clientId, redirectUri) {
      if (!redirects.has(clientId)) throw new RangeError('no such application')
      redirects.set(clientId, new URL(redirectUri).href)
    },
    share(order) {
      if (!redirects.has(order.clientId)) throw new RangeError('no such application')
      shares.revoke(order.prm, order.clientId)
      return shares.give(order)
    },
    shares: (clientId) => shares.of(clientId),
    revoke: (prm) => shares.revoke(prm),
    expire: (prm) => shares.expire(prm),
    stop: (prm, kind) => shares.stop(prm, kind),
    changeHolder: (prm) => shares.changeHolder(prm),
    delayServices(times) {
      delayed = times
    },
    reset() {
      seen = []
      delayed = 0
      odd.reset()
      book.reset()
      france.handle.reset()
      adict.handle.reset()
      sge.handle.reset()
    },
  }

  async function take(message: IncomingMessage, res: ServerResponse): Promise<void> {
    const url = URL.parse(message.url ?? '', 'http://sandbox')
    if (!url) return refuse(res, 'no_resource', 'v5')
    if (url.pathname.startsWith('/_sandbox/')) return control(sandbox, message, url, res)
    if (adict.takes(url.pathname)) return adict.take(message, url, res)
    if (sge.takes(url.pathname)) return sge.take(message, url, res)
    if (isPage(url.pathname)) return page(message, url, res)
    if (url.pathname === TOKEN_PATH || url.pathname === REVOKE_PATH) return token(desk, message, url.pathname, res, odd.next('token'))
    const route = routeOf(url.pathname)
    const about = named(route, url.searchParams)
    const misbehaving = odd.next(route.wanted.is === 'services' ? 'services' : (about.meter ?? ''))
    const call = remember(message, route, about, url.pathname, misbehaving)
    res.once('close', () => {
      if (res.headersSent) call.status = res.statusCode
      call.complete = res.writableFinished
    })
    const body = await readBody(message)
    if (misbehaving && (await misbehaveWhole(res, misbehaving, route.generation))) return undefined
    const admitted = admit(message, route)
    if ('error' in admitted) return refuse(res, admitted.error, route.generation)
    const said =
      route.wanted.is === 'services' && message.method === 'POST'
        ? services(body, admitted.application)
        : answerTo(route, message.method ?? '', url.searchParams, today(), { application: admitted.application, shares })
    if (said.is === 'refused') return refuse(res, said.error, route.generation)
    if (isEmpty(said)) return refuse(res, 'no_data', route.generation)
    const pieces = textOf(said, route.generation, misbehaving)
    return misbehaving ? sendOddly(res, misbehaving, pieces) : sendPieces(res, pieces)
  }

  async function page(message: IncomingMessage, url: URL, res: ServerResponse): Promise<void> {
    const misbehaving = message.method === 'POST' && isConsentPage(url.pathname) ? odd.next('consent') : undefined
    if (misbehaving && misbehaving.kind !== 'error' && (await misbehaveWhole(res, misbehaving, 'v5'))) {
      message.resume()
      return undefined
    }
    return showPages(message, url, res, misbehaving?.kind === 'error')
  }

  function remember(
    message: IncomingMessage,
    route: Route,
    about: ReturnType<typeof named>,
    path: string,
    misbehaving: Misbehaviour | undefined,
  ): SeenCall {
    const headers: Record<string, string> = {}
    for (const [name, value] of Object.entries(message.headers)) {
      const text = Array.isArray(value) ? value.join(', ') : (value ?? '')
      headers[name] = name === 'authorization' ? (text.split(' ')[0] ?? '') : text
    }
    const call: SeenCall = {
      n: (count += 1),
      at: now(),
      method: message.method ?? '',
      path,
      generation: route.generation,
      ...about,
      ...(headers['traceparent'] !== undefined && { traceparent: headers['traceparent'] }),
      headers,
      ...(misbehaving && { misbehaved: misbehaving.kind }),
    }
    if (seen.length >= REMEMBERED_CALLS) seen = seen.slice(REMEMBERED_CALLS / 2)
    seen.push(call)
    return call
  }

  /** What the API gateway says before the application is asked. */
  function admit(message: IncomingMessage, route: Route): { readonly application: string } | { readonly error: ErrorId } {
    const bearer = /^Bearer +(\S+)$/i.exec(message.headers.authorization ?? '')?.[1]
    if (bearer === undefined) return { error: 'token_missing' }
    const application = desk.applicationOf(bearer)
    if (application === undefined) return { error: 'token_invalid' }
    const taken = book.take(application, route.api, quotas[route.generation], now())
    if (!taken.ok) {
      if (route.generation === '2026') return { error: 'throttled' }
      return { error: taken.over === 'second' ? 'quota_second' : 'quota_hour' }
    }
    // Since January 2026 a GET that announces a form is refused.
    const form = message.method === 'GET' && /^application\/x-www-form-urlencoded/i.test(message.headers['content-type'] ?? '')
    return form ? { error: 'form_expected' } : { application }
  }

  function services(body: string | undefined, application: string): Answer {
    const said = body === undefined ? undefined : subscribedServices(body, today(), shares.of(application))
    if (!said) return { is: 'refused', error: 'unexpected' }
    if (!said.ok) return { is: 'refused', error: said.error }
    if (delayed === 0) return { is: 'text', text: said.body }
    delayed -= 1
    return { is: 'text', text: NO_SERVICES }
  }

  function refuse(res: ServerResponse, id: ErrorId, generation: Generation): void {
    const { status, body } = errorBody(id, generation, now() + (id === 'throttled' ? 1000 : 60_000))
    sendText(res, status, body)
  }

  /** True where nothing of a right answer is left to send. */
  async function misbehaveWhole(res: ServerResponse, asked: Misbehaviour, generation: Generation): Promise<boolean> {
    switch (asked.kind) {
      case 'hang':
        return true
      case 'reset':
        res.socket?.resetAndDestroy()
        return true
      case 'delay':
        await sleep(asked.ms)
        return false
      case 'error':
        refuse(res, asked.error, generation)
        return true
      case 'status':
        res.writeHead(asked.status, { 'Content-Length': '0' }).end()
        return true
      case 'redirect':
        res.writeHead(302, { Location: `${url}/_sandbox/redirected`, 'Content-Length': '0' }).end()
        return true
      case 'html':
        sendText(res, 404, '<html><body>The requested URL was rejected.</body></html>', { 'Content-Type': 'text/html' })
        return true
      case 'empty_object':
        sendText(res, 200, '{}')
        return true
      default:
        return false
    }
  }

  async function token(
    tokens: TokenDesk,
    message: IncomingMessage,
    path: string,
    res: ServerResponse,
    misbehaving: Misbehaviour | undefined,
  ): Promise<void> {
    const body = await readBody(message)
    if (misbehaving && (await misbehaveWhole(res, misbehaving, 'v5'))) return undefined
    const said = path === REVOKE_PATH ? tokens.revoke(message, body) : tokens.issue(message, body)
    if ('error' in said) return refuse(res, said.error, 'v5')
    return misbehaving ? sendOddly(res, misbehaving, [said.body]) : sendText(res, 200, said.body)
  }

  const server = createServer({ keepAliveTimeout: 65_000, noDelay: true }, (message, res) => {
    take(message, res).catch((error: unknown) => {
      // The reader has gone: that is its right. Whatever else it is, the answer ends here.
      if (!isHangUp(error)) process.stderr.write(`sandbox: ${error instanceof Error ? (error.stack ?? error.message) : 'failed'}\n`)
      res.destroy()
    })
  })
  const { port } = await listen(server, options.port)
  const url = `http://127.0.0.1:${port}`
  const sandbox: Sandbox = {
    url,
    ...handle,
    close() {
      const closed = new Promise<void>((done) => server.close(() => done()))
      server.closeAllConnections()
      return closed
    },
  }
  return sandbox
}

function listen(server: Server, port: number): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host: '127.0.0.1', port }, () => {
      const address = server.address()
      if (address !== null && typeof address === 'object') resolve(address)
    })
  })
}

function isHangUp(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return code === 'ERR_STREAM_PREMATURE_CLOSE' || code === 'ECONNRESET' || code === 'EPIPE' || code === 'ERR_STREAM_DESTROYED'
}
