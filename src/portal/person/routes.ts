/**
 * The person's pages. Whoever is not signed in is shown the ways in; whoever is sees the permissions of its session and
 * no other: an id of somebody else's is answered word for word as one that does not exist.
 */
import { Readable } from 'node:stream'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Millis } from '../../domain/time.ts'
import type { PersonEntry, PersonOpened } from '../../evidence/person.ts'
import type { ActResult } from '../../permissions/record.ts'
import { html } from '../../web/html.ts'
import type { Said } from '../../web/language.ts'
import type { Problem } from '../frame.ts'
import type { FranceConnect } from '../identity/franceconnect.ts'
import { FOREIGN_FORM } from '../identity/problems.ts'
import type { Room, Rooms } from '../portal.ts'
import type { Person } from '../visit.ts'
import { EVIDENCE_TITLE, evidencePage } from './evidence.ts'
import { exportOf } from './export.ts'
import { mandateRoutes } from '../mandate/routes.ts'
import { overview, TITLE } from './overview.ts'
import type { Pages } from './pages.ts'
import { download, pagesOf } from './pages.ts'
import { permissionPage, permissionTitle } from './permission.ts'
import { keptReceipt, RECEIPT_TITLE, receiptPage } from './receipt.ts'
import type { Shown } from './records.ts'
import { accessesOf, allHeld, heldOf, isLive } from './records.ts'
import { WITHDRAWN_TITLE, withdrawnPage } from './withdrawn.ts'

const PAGE = 20
/** Downloads that run at once: each reads the log for as long as it takes. */
const MOST_EXPORTS = 4

type Named = FastifyRequest<{ Params: { permission: string }; Querystring: { before?: string; linked?: string } }>
type OfEntry = FastifyRequest<{ Params: { permission: string; file: string } }>
/** @param franceConnect undefined where it is not configured */
export function personRoom(franceConnect: FranceConnect | undefined): Room {
  return (app, rooms) => {
    const pages = pagesOf(rooms, franceConnect)
    overviewRoutes(app, rooms, pages, franceConnect)
    permissionRoutes(app, rooms, pages)
    mandateRoutes(app, rooms, pages)
    evidenceRoutes(app, rooms, pages)
    receiptRoutes(app, rooms, pages)
    exportRoutes(app, rooms, pages)
  }
}

function overviewRoutes(app: FastifyInstance, rooms: Rooms, pages: Pages, franceConnect: FranceConnect | undefined): void {
  const { parts, visits } = rooms
  app.get('/me', async (request: Named, reply) => {
    const signed = await pages.signed(request, reply)
    if (!signed) return reply
    const { visit, person } = signed
    const held = await Promise.all(
      (await allHeld(parts, person)).map(async (one) => ({ ...one, last: (await accessesOf(parts, one.record.id, 1)).accesses[0] })),
    )
    const endsAt = (person.since + parts.settings.sessionMinutes * 60_000) as Millis
    const linked = await parts.state.call<boolean>('identityLinked', { permissions: person.permissions })
    const field = visits.field(visit)
    const body = overview({ language: visit.language, field, person, endsAt, held, franceConnect: franceConnect !== undefined, linked })
    const justLinked =
      request.query.linked === '1' && person.idToken !== undefined && html`<p class="note" role="status">${LINKED[visit.language]}</p>`
    return pages.show(reply, visit, TITLE, html`${justLinked}${body}`, '/me')
  })

  app.post('/me/unlink', async (request, reply) => {
    const signed = await pages.ours(request, reply)
    if (!signed) return reply
    await parts.state.call('unlinkIdentities', { permissions: signed.person.permissions })
    return reply.redirect('/me', 303)
  })

  app.post('/me/sign-out', async (request, reply) => {
    const visit = visits.of(request, reply)
    if (!visits.isOurs(visit, request)) return rooms.frame.problem(reply, visit, 403, FOREIGN_FORM)
    const idToken = (await visits.person(visit))?.idToken
    await visits.signOut(visit, reply)
    if (idToken === undefined || !franceConnect) return reply.redirect('/me', 303)
    // Ours is over already, whether theirs can be ended or not.
    const end = await franceConnect.endOf(idToken).catch((error: unknown) => {
      parts.log.warn({ err: error }, 'FranceConnect cannot be reached to sign a person out')
      return undefined
    })
    return end ? reply.redirect(end.href, 303) : rooms.frame.problem(reply, visit, 503, STILL_THERE)
  })
}

function permissionRoutes(app: FastifyInstance, rooms: Rooms, pages: Pages): void {
  const { parts, visits } = rooms
  app.get('/me/:permission', async (request: Named, reply) => {
    const signed = await pages.signed(request, reply)
    const held = signed && (await pages.held(signed, request.params.permission, reply))
    if (!signed || !held) return reply
    const { before } = request.query
    if (before !== undefined && !/^\d{1,15}$/.test(before)) return pages.missing(reply, signed.visit)
    const page = await accessesOf(parts, held.record.id, PAGE, before === undefined ? undefined : Number(before))
    const { language } = signed.visit
    const body = permissionPage({
      language,
      field: visits.field(signed.visit),
      held,
      purposes: parts.purposes(),
      page,
      newest: before === undefined,
    })
    const title = { fr: permissionTitle('fr', held), en: permissionTitle('en', held) }
    return pages.show(reply, signed.visit, title, body, pathOf(request, before))
  })

  app.post('/me/:permission/withdraw', async (request: Named, reply) => {
    const signed = await pages.ours(request, reply)
    const held = signed && (await pages.held(signed, request.params.permission, reply))
    if (!signed || !held) return reply
    // Pressed twice, or in two windows: what was done is shown.
    if (isLive(held)) await withdraw(signed.person, held)
    return reply.redirect(`/me/${encodeURIComponent(held.record.id)}/withdrawn`, 303)
  })

  async function withdraw(person: Person, { record }: Shown): Promise<void> {
    const details = { actorRole: 'data_subject', channel: 'web' }
    const order = { permission: record.id, type: 'withdrawn_by_subject', details, now: parts.now() }
    const act = await parts.state.call<ActResult>('act', order).catch(async (error: unknown) => {
      // It ended between our look and the press; of what is still in force a refusal is a fault.
      const now = await heldOf(parts, person, record.id)
      if (now && isLive(now)) throw error
      return undefined
    })
    // Caches, other gates and calls under way have heard of it before the person is told.
    if (act) await parts.onActs([act])
  }

  app.get('/me/:permission/withdrawn', async (request: Named, reply) => {
    const signed = await pages.signed(request, reply)
    const held = signed && (await pages.held(signed, request.params.permission, reply))
    if (!signed || !held) return reply
    const act = held.record.acts.findLast(({ type }) => type === 'withdrawn_by_subject')
    // It ended by another way: its page says by which.
    if (!act) return reply.redirect(`/me/${encodeURIComponent(held.record.id)}`, 303)
    return pages.show(reply, signed.visit, WITHDRAWN_TITLE, withdrawnPage(signed.visit.language, held, act), pathOf(request))
  })
}

function evidenceRoutes(app: FastifyInstance, rooms: Rooms, pages: Pages): void {
  const { parts, visits } = rooms
  const entryOf = (permission: string, n: string): Promise<PersonEntry | null> =>
    parts.state.call<PersonEntry | null>('personEntry', { permission, n: Number(n) })

  app.get('/me/:permission/evidence/:file', async (request: OfEntry, reply) => {
    const signed = await pages.signed(request, reply)
    const held = signed && (await pages.held(signed, request.params.permission, reply))
    if (!signed || !held) return reply
    const { file } = request.params
    if (file === 'verify.py') {
      const { verifier } = await parts.state.call<{ verifier: string }>('personTrust', {})
      return download(reply, file, 'text/x-python; charset=utf-8', verifier)
    }
    const [, n, ending] = /^(\d{1,15})(\.json|\.tlog-proof)?$/.exec(file) ?? []
    const entry = n === undefined ? null : await entryOf(held.record.id, n)
    if (!entry) return pages.missing(reply, signed.visit)
    if (ending === '.json') return download(reply, file, 'application/json', entry.entry)
    if (ending === '.tlog-proof') {
      return entry.proof.is === 'checked'
        ? download(reply, file, 'text/plain; charset=utf-8', entry.proof.file)
        : pages.missing(reply, signed.visit)
    }
    const { language } = signed.visit
    const body = evidencePage({ language, field: visits.field(signed.visit), permission: held.record.id, entry, opened: undefined })
    return pages.show(reply, signed.visit, EVIDENCE_TITLE, body, pathOf(request))
  })

  /** Opening the sealed fields of one entry. The reading is on record, once for this session, before they are. */
  app.post('/me/:permission/evidence/:file', async (request: OfEntry, reply) => {
    const signed = await pages.ours(request, reply)
    const held = signed && (await pages.held(signed, request.params.permission, reply))
    if (!signed || !held) return reply
    const { visit, person } = signed
    const entry = /^\d{1,15}$/.test(request.params.file) ? await entryOf(held.record.id, request.params.file) : null
    if (!entry) return pages.missing(reply, visit)
    const reading = { permission: held.record.id, session: visits.fingerprint(visit) }
    await parts.state.call('personRecord', { ...reading, as: 'read', now: parts.now() })
    const opened = await parts.state.call<PersonOpened>('personOpen', { ...reading, permissions: person.permissions, n: entry.n })
    const body = evidencePage({ language: visit.language, field: visits.field(visit), permission: held.record.id, entry, opened })
    return pages.show(reply, visit, EVIDENCE_TITLE, body)
  })
}

function receiptRoutes(app: FastifyInstance, rooms: Rooms, pages: Pages): void {
  const { parts } = rooms
  app.get('/receipts/:file', async (request: FastifyRequest<{ Params: { file: string } }>, reply) => {
    const signed = await pages.signed(request, reply)
    const { file } = request.params
    const raw = file.endsWith('.jsonld')
    const held = signed && (await pages.held(signed, raw ? file.slice(0, -'.jsonld'.length) : file, reply))
    if (!signed || !held) return reply
    const { visit } = signed
    if (raw) {
      const receipt = await keptReceipt(parts, held)
      return receipt ? download(reply, file, 'application/ld+json', Buffer.from(receipt)) : pages.missing(reply, visit)
    }
    const { operator } = parts.settings
    const body = receiptPage({ language: visit.language, held, purposes: parts.purposes(), operator, now: parts.now() })
    return pages.show(reply, visit, RECEIPT_TITLE, body, `/receipts/${encodeURIComponent(held.record.id)}`)
  })
}

function exportRoutes(app: FastifyInstance, { parts, visits, frame }: Rooms, pages: Pages): void {
  let running = 0
  app.post('/me/export', async (request, reply) => {
    const signed = await pages.ours(request, reply)
    if (!signed) return reply
    const { visit, person } = signed
    if (running >= MOST_EXPORTS) return frame.problem(reply, visit, 503, BUSY)
    // Counted before anything is waited for: of many that come together no more are let in.
    running += 1
    let held: readonly Shown[]
    try {
      held = await allHeld(parts, person)
    } catch (error) {
      running -= 1
      throw error
    }
    const body = Readable.from(exportOf(parts, person, held, visits.fingerprint(visit)), { objectMode: false })
    // Also where the browser goes away half-way.
    body.once('close', () => {
      running -= 1
    })
    body.once('error', (error) => parts.log.error({ err: error }, 'a download of a person broke off'))
    return download(reply, 'ecluse-mes-donnees.zip', 'application/zip', body)
  })
}

/** Of this page, for the link to the other language. */
function pathOf(request: FastifyRequest, before?: string): string {
  const path = request.url.split('?')[0] ?? '/me'
  return before === undefined ? path : `${path}?before=${before}`
}

const LINKED: Said = {
  fr: 'C’est fait : la prochaine fois, FranceConnect suffira pour retrouver ces autorisations.',
  en: 'Done: next time FranceConnect is enough to find these permissions.',
}
const STILL_THERE: Problem = {
  title: { fr: 'Déconnecté ici seulement', en: 'Signed out here only' },
  what: {
    fr: 'Votre session ici est fermée, mais FranceConnect ne répond pas : la sienne dure peut-être encore.',
    en: 'Your session here has ended, but FranceConnect does not answer: its own may last on.',
  },
  help: { fr: 'Sur une machine partagée, fermez le navigateur.', en: 'On a shared machine, close the browser.' },
  next: { href: '/me', text: TITLE },
}
const BUSY: Problem = {
  title: { fr: 'Trop de téléchargements à la fois', en: 'Too many downloads at once' },
  what: { fr: 'Le fichier n’a pas été préparé.', en: 'The file was not made.' },
  help: { fr: 'Réessayez dans une minute.', en: 'Try again in a minute.' },
  next: { href: '/me', text: TITLE },
}
