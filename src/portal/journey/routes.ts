/**
 * The way of a consent through the browser: asked → chosen → Enedis → back → checked → given. Each step belongs to one
 * browser (its visit) and is on disk before the next, so that a gate that restarts in the middle goes on.
 */
import { randomBytes } from 'node:crypto'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { ClientId, PermissionId } from '../../domain/permission.ts'
import { parisDay } from '../../domain/time.ts'
import type { ClientSettings } from '../../settings/shape.ts'
import { begunOf, rateOf } from '../limits.ts'
import type { Rooms } from '../portal.ts'
import type { Visit } from '../visit.ts'
import { readCallback } from './callback.ts'
import { settle } from './give.ts'
import type { AskedLine, Journey, JourneyEnd, Origin } from './journey.ts'
import { linesOf } from './journey.ts'
import { askPage, choosePage, donePage, refusedPage, waitPage } from './pages.ts'
import { CLOSED, FAILED, KEPT, NOBODY_WAITS, NOT_OURS, STRANGER } from './problems.ts'
import type { Journeys } from './store.ts'
import { journeysOf } from './store.ts'
import type { VerifiedMeter } from './verify.ts'

type Given = Extract<JourneyEnd, { is: 'given' }>

/** How whoever began a journey is told of its end: an address to go on to, or a page of its own, or nothing but ours. */
export interface Ending {
  /** Where the browser goes; undefined: to our own page. */
  given(
    journey: Journey,
    end: Given,
  ): Promise<{ readonly to?: string; readonly token?: string; /** Whoever began it waits no more. */ readonly over?: boolean }>
  refused(journey: Journey): Promise<{ readonly to?: string }>
  /** Origins to which the forms of the journey may lead in the end. */
  targets(journey: Journey): readonly string[]
}
export type Endings = Readonly<Record<Exclude<Origin['is'], 'sign_in'>, Ending>>

export interface JourneyDesk {
  /** Begins a journey and gives the address of its first page; undefined where the client may ask nobody anything. */
  begin(
    visit: Visit,
    origin: Origin,
    client: ClientSettings,
    wanted: { readonly lines?: readonly AskedLine[]; readonly duration?: string },
  ): Promise<string | undefined>
  /** Sends a person to Enedis to prove to hold a meter; gives the address. */
  signIn(visit: Visit): Promise<string>
  /** Whether this address may begin another one. */
  admits(request: FastifyRequest): boolean
}

const MOST_CLAIMS = 50
/** What one journey may ask the data holder: twice what a page that reloads by itself comes to. Its quota is everybody's. */
const MOST_QUESTIONS = 40

export function journeyDesk(rooms: Rooms): JourneyDesk {
  const { parts, visits } = rooms
  const journeys = journeysOf(parts)
  const begun = begunOf(parts.now)
  return {
    admits: (request) => !begun.exceeded(parts.placeOf(request.raw)),
    async begin(visit, origin, client, wanted) {
      if (!client.ask || client.disabled) return undefined
      const lines = wanted.lines ?? linesOf(client, parts.clients())
      if (lines.length === 0) return undefined
      const journey: Journey = {
        id: journeys.newId(),
        origin,
        visit: visits.fingerprint(visit),
        language: visit.language,
        client: client.id,
        lines,
        duration: wanted.duration ?? client.ask.validity,
        notice: String(client.ask.notice),
        begun: parts.now(),
      }
      await journeys.put(journey)
      return `/consent/${journey.id}`
    },
    async signIn(visit) {
      const journey: Journey = {
        id: journeys.newId(),
        origin: { is: 'sign_in' },
        visit: visits.fingerprint(visit),
        language: visit.language,
        client: null,
        lines: [],
        duration: 'P1D',
        notice: '',
        begun: parts.now(),
      }
      return sendToEnedis(rooms, journeys, journey)
    },
  }
}

/** Remembers the way and gives the address of Enedis's page. */
async function sendToEnedis({ parts }: Rooms, journeys: Journeys, journey: Journey): Promise<string> {
  const { consent, account } = parts.settings
  const state = randomBytes(24).toString('base64url')
  await journeys.put({ ...journey, sent: { at: parts.now(), state } })
  const url = new URL(`${consent.url}/dataconnect/${consent.generation}/oauth2/authorize`)
  url.search = new URLSearchParams({
    client_id: parts.applicationOf(account),
    response_type: 'code',
    state,
    duration: journey.duration,
  }).toString()
  return url.href
}

type Handler = (request: FastifyRequest, reply: FastifyReply, visit: Visit, journey: Journey) => Promise<FastifyReply>

export function journeyRoutes(app: FastifyInstance, rooms: Rooms, endings: Endings): void {
  const { parts, visits, frame } = rooms
  const journeys = journeysOf(parts)
  const enedis = new URL(parts.settings.consent.url).origin

  /** The journey of this address, if it is this browser's. */
  const own =
    (handler: Handler) =>
    async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
      const visit = visits.of(request, reply)
      const { id = '' } = request.params as { readonly id?: string }
      const journey = await journeys.get(id)
      const browser = visits.fingerprint(visit)
      if (!journey || (journey.visit !== browser && journey.visitBefore !== browser)) return frame.problem(reply, visit, 404, STRANGER)
      if (!parts.ready()) return frame.problem(reply, visit, 503, CLOSED)
      return handler(request, reply, visit, { ...journey, language: visit.language })
    }
  const targetsOf = (journey: Journey): readonly string[] =>
    journey.origin.is === 'sign_in' ? [enedis] : [enedis, ...endings[journey.origin.is].targets(journey)]
  const clientOf = (id: ClientId | null): (ClientSettings & { readonly ask: NonNullable<ClientSettings['ask']> }) | undefined => {
    const client = id === null ? undefined : parts.clients().get(id)
    return client?.ask && !client.disabled ? { ...client, ask: client.ask } : undefined
  }

  app.get(
    '/consent/:id',
    own(async (_request, reply, visit, journey) => {
      if (journey.end) return reply.redirect(`/consent/${journey.id}/done`, 303)
      if (journey.back) return reply.redirect(`/consent/${journey.id}/check`, 303)
      return ask(reply, visit, journey, false)
    }),
  )
  async function ask(reply: FastifyReply, visit: Visit, journey: Journey, nothingTicked: boolean): Promise<FastifyReply> {
    const client = clientOf(journey.client)
    if (!client) return frame.problem(reply, visit, 404, STRANGER)
    const asking = {
      journey,
      client,
      purposes: parts.purposes(),
      settings: parts.settings,
      today: parisDay(parts.now()),
      nothingTicked,
      formTargets: targetsOf(journey),
    }
    // What is kept as proof is the page as it is sent, without the secret of its form.
    const page = frame.text(visit, askPage({ ...asking, field: null }))
    await journeys.put({ ...journey, shown: { at: parts.now(), page, language: journey.language } })
    return frame.show(reply, visit, askPage({ ...asking, field: visits.field(visit) }))
  }

  app.post(
    '/consent/:id',
    own(async (request, reply, visit, journey) => {
      if (!visits.isOurs(visit, request)) return frame.problem(reply, visit, 403, NOT_OURS)
      if (journey.end || journey.back) return reply.redirect(`/consent/${journey.id}`, 303)
      if (!journey.shown) return reply.redirect(`/consent/${journey.id}`, 303)
      const body = request.body as Readonly<Record<string, unknown>>
      if (body['answer'] === 'refuse') return refuse(request, reply, journey, 'person')
      if (!clientOf(journey.client)) return end(request, reply, journey, { is: 'failed', why: 'gone' })
      const lines = listOf(body['line']).filter((id) => journey.lines.some((line) => line.id === id))
      if (body['answer'] !== 'go' || lines.length === 0) return ask(reply, visit, journey, true)
      // The page may be looked at again while Enedis's is open: what was agreed to is the one that was answered.
      const chosen: Journey = { ...journey, chosen: { at: parts.now(), lines, page: journey.shown } }
      return reply.redirect(await sendToEnedis(rooms, journeys, chosen), 303)
    }),
  )

  app.get('/consent/callback', async (request, reply) => {
    const visit = visits.of(request, reply)
    if (!parts.ready()) return frame.problem(reply, visit, 503, CLOSED)
    const query = singleValues(request.query)
    const journey = query && (await journeys.comeBack(query.get('state') ?? ''))
    // Without a state of ours, in another browser, or a second time: dropped, whatever it says.
    if (!query || !journey || journey === 'used' || journey.visit !== visits.fingerprint(visit))
      return frame.problem(reply, visit, 400, STRANGER)
    // Who goes to Enedis twice comes back from the second way: the first one's state says nothing any more.
    if (journey.sent?.state !== query.get('state')) return frame.problem(reply, visit, 400, STRANGER)
    if (journey.end || journey.back) return reply.redirect(`/consent/${journey.id}`, 303)
    const callback = readCallback(query, parts.settings.consent.generation)
    if (callback.is === 'refused') return refuse(request, reply, journey, 'holder')
    if (callback.is === 'failed') return end(request, reply, journey, { is: 'failed', why: 'holder_failed' })
    if (callback.is === 'malformed') return end(request, reply, journey, { is: 'failed', why: 'malformed' })
    await journeys.put({ ...journey, back: { at: parts.now(), ...callback } })
    return reply.redirect(`/consent/${journey.id}/check`, 303)
  })

  app.get(
    '/consent/:id/check',
    own(async (request, reply, visit, journey) => {
      if (journey.end) return reply.redirect(`/consent/${journey.id}/done`, 303)
      return check(request, reply, visit, journey, undefined)
    }),
  )
  app.post(
    '/consent/:id/meters',
    own(async (request, reply, visit, journey) => {
      if (!visits.isOurs(visit, request)) return frame.problem(reply, visit, 403, NOT_OURS)
      if (journey.end) return reply.redirect(`/consent/${journey.id}/done`, 303)
      return check(request, reply, visit, journey, listOf((request.body as Readonly<Record<string, unknown>>)['meter']))
    }),
  )

  /** One at a time for each journey: a page that reloads must not give twice. */
  const checking = new Map<string, Promise<unknown>>()
  const questions = rateOf(MOST_QUESTIONS, parts.settings.journeyMinutes * 60_000, parts.now)
  async function check(
    request: FastifyRequest,
    reply: FastifyReply,
    visit: Visit,
    journey: Journey,
    picked: readonly string[] | undefined,
  ): Promise<FastifyReply> {
    if (!journey.back) return reply.redirect(`/consent/${journey.id}`, 303)
    if (checking.has(journey.id)) return frame.show(reply, visit, waitPage(journey))
    if (questions.exceeded(journey.id) && !(await journeys.get(journey.id))?.end)
      return end(request, reply, journey, { is: 'failed', why: 'holder_failed' })
    const one = journey.origin.is === 'data_connect' && journey.origin.generation === 'v2'
    const work = (async () => {
      // Read again from here on: another page of this browser may have ended it since this one was asked for.
      if ((await journeys.get(journey.id))?.end) return undefined
      return settle(parts, journey, picked && (one ? picked.slice(0, 1) : picked), await claimsOf(visit))
    })()
    checking.set(journey.id, work)
    try {
      const settled = await work
      if (!settled) return reply.redirect(`/consent/${journey.id}/done`, 303)
      if (settled.is === 'waiting') return frame.show(reply, visit, waitPage(journey))
      if (settled.is === 'choose') return choose(reply, visit, journey, settled.meters, one, picked !== undefined)
      if (settled.is === 'signed_in') {
        await signIn(visit, settled.permissions, settled.claim, reply)
        return reply.redirect('/me', 303)
      }
      return await end(request, reply, journey, settled.end)
    } finally {
      checking.delete(journey.id)
    }
  }
  /** What this browser has claimed: who claims it anew is nobody else. */
  async function claimsOf(visit: Visit): Promise<readonly string[]> {
    return (await visits.person(visit))?.claims ?? []
  }
  /** Signed in by a share at Enedis, under a new cookie; what the browser claimed before stays its own. */
  async function signIn(visit: Visit, permissions: readonly PermissionId[], claim: string, reply: FastifyReply): Promise<Visit> {
    const claims = [...(await claimsOf(visit)), claim].slice(-MOST_CLAIMS)
    return visits.signIn(visit, { method: 'data_connect', permissions, claims, since: parts.now() }, reply)
  }
  function choose(
    reply: FastifyReply,
    visit: Visit,
    journey: Journey,
    meters: readonly VerifiedMeter[],
    one: boolean,
    nothingTicked: boolean,
  ) {
    const page = choosePage(
      journey,
      meters.map((m) => m.meter),
      one,
      visits.field(visit),
      nothingTicked,
      targetsOf(journey),
    )
    return frame.show(reply, visit, page)
  }

  /** One at a time for each journey: a form that is sent many times at once leaves one entry, and fills no log. */
  const refusing = new Set<string>()
  async function refuse(request: FastifyRequest, reply: FastifyReply, journey: Journey, by: 'person' | 'holder'): Promise<FastifyReply> {
    const { id } = journey
    if (refusing.has(id)) return reply.redirect(`/consent/${id}/done`, 303)
    refusing.add(id)
    try {
      if ((await journeys.get(id))?.end) return reply.redirect(`/consent/${id}/done`, 303)
      return await end(request, reply, journey, { is: 'refused', by })
    } finally {
      refusing.delete(id)
    }
  }
  /** Puts the end on disk, then tells whoever began the journey. */
  async function end(request: FastifyRequest, reply: FastifyReply, journey: Journey, how: JourneyEnd): Promise<FastifyReply> {
    let ended: Journey = { ...journey, end: how }
    if (how.is === 'refused' && journey.client !== null)
      await parts.state.call('consentRefused', { client: journey.client, by: how.by, notice: journey.notice, now: parts.now() })
    await journeys.put(ended)
    let visit = visits.of(request, reply)
    if (how.is === 'given') {
      // Whoever gave it may see and withdraw it at once, under a new cookie; the journey moves with the browser. Where this
      // answer never arrives the browser has its old cookie, and is still told that something was given.
      visit = await signIn(visit, how.permissions, how.bundle, reply)
      ended = { ...ended, visit: visits.fingerprint(visit), visitBefore: journey.visit }
      await journeys.put(ended)
    }
    return conclude(reply, visit, ended, how)
  }
  /** Tells whoever began it. Where the gate stopped between the end and this, the page that is asked for next does. */
  async function conclude(reply: FastifyReply, visit: Visit, journey: Journey, how: JourneyEnd): Promise<FastifyReply> {
    const { origin } = journey
    if (how.is === 'failed') {
      const next = journey.client === null ? { href: '/me', text: { fr: 'Mes autorisations', en: 'My permissions' } } : undefined
      return frame.problem(reply, visit, how.why === 'holder_failed' ? 503 : 409, { ...FAILED[how.why], ...(next && { next }) })
    }
    if (origin.is === 'sign_in') return reply.redirect('/me', 303)
    if (how.is === 'refused') {
      const told = await endings[origin.is].refused(journey)
      await journeys.put({ ...journey, told: true })
      return told.to === undefined ? frame.show(reply, visit, refusedPage(journey, how.by)) : reply.redirect(told.to, 303)
    }
    // Taken out of the settings since: what was given stands, and can be withdrawn; the client is told nothing.
    if (!clientOf(journey.client)) return frame.problem(reply, visit, 409, { ...FAILED.gone, ...KEPT })
    const told = await endings[origin.is].given(journey, how)
    await journeys.put({ ...journey, told: true })
    if (told.over === true) return frame.problem(reply, visit, 409, NOBODY_WAITS)
    if (told.to !== undefined) return reply.redirect(told.to, 303)
    const clientName = clientOf(journey.client)?.name ?? ''
    return frame.show(reply, visit, donePage({ journey, clientName, end: how, ...(told.token !== undefined && { token: told.token }) }))
  }

  app.get(
    '/consent/:id/done',
    own(async (_request, reply, visit, journey) => {
      const { end: how } = journey
      if (!how) return reply.redirect(`/consent/${journey.id}`, 303)
      if (how.is === 'failed') return frame.problem(reply, visit, 409, FAILED[how.why])
      if (journey.told !== true) return conclude(reply, visit, journey, how)
      if (how.is === 'refused') return frame.show(reply, visit, refusedPage(journey, how.by))
      return frame.show(reply, visit, donePage({ journey, clientName: clientOf(journey.client)?.name ?? '', end: how }))
    }),
  )
}

/** Undefined where a parameter stands twice: which of two counts differs from one reader to the next. */
export function singleValues(query: unknown): ReadonlyMap<string, string> | undefined {
  const values = new Map<string, string>()
  for (const [name, value] of Object.entries(query as Readonly<Record<string, unknown>>)) {
    if (typeof value !== 'string') return undefined
    values.set(name, value)
  }
  return values
}

function listOf(value: unknown): readonly string[] {
  if (typeof value === 'string') return [value]
  return Array.isArray(value) ? value.filter((one) => typeof one === 'string') : []
}
