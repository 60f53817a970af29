/** A mandate on its holder's page: the form to sign, and what comes back. */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { MOST_PAPER_BYTES, MOST_PAPERS } from '../../domain/paper.ts'
import type { Signed } from '../../permissions/mandates.ts'
import { filesForm } from '../../web/files.ts'
import type { RefusedPaper } from '../../web/papers.ts'
import { papersFrom } from '../../web/papers.ts'
import type { Problem } from '../frame.ts'
import { FOREIGN_FORM } from '../identity/problems.ts'
import type { Rooms } from '../portal.ts'
import { permissionPage, permissionTitle } from '../person/permission.ts'
import type { Pages } from '../person/pages.ts'
import { download } from '../person/pages.ts'
import { accessesOf } from '../person/records.ts'
import { PAPERS } from './waiting.ts'

type Named = FastifyRequest<{ Params: { permission: string } }>

/** Uploads that are read at once, at twelve megabytes each. */
const MOST_UPLOADS = 2
const ACCESSES = 20

export function mandateRoutes(app: FastifyInstance, { parts, visits, frame }: Rooms, pages: Pages): void {
  app.get('/me/:permission/mandate.pdf', async (request: Named, reply) => {
    const signed = await pages.signed(request, reply)
    const held = signed && (await pages.held(signed, request.params.permission, reply))
    if (!signed || !held) return reply
    const { id, attachments } = held.record
    const form = attachments.find(({ kind }) => kind === 'mandate_form')
    const bytes = form && (await parts.state.call<Uint8Array | undefined>('readAttachment', { permission: id, sha256: form.sha256 }))
    return bytes ? download(reply, `mandat-${id}.pdf`, 'application/pdf', Buffer.from(bytes)) : pages.missing(reply, signed.visit)
  })

  let reading = 0
  app.post('/me/:permission/mandate', async (request: Named, reply) => {
    const signed = await pages.signed(request, reply)
    const held = signed && (await pages.held(signed, request.params.permission, reply))
    if (!signed || !held) return reply
    const { visit } = signed
    if (!parts.ready() || reading >= MOST_UPLOADS) return frame.problem(reply.header('Retry-After', '30'), visit, 503, BUSY)
    reading += 1
    try {
      const form = await filesForm(request, { files: MOST_PAPERS, bytes: MOST_PAPER_BYTES }, (fields) =>
        visits.isOurs(visit, request, fields),
      )
      if (form.is === 'foreign') return frame.problem(reply, visit, 403, FOREIGN_FORM)
      const refused: RefusedPaper | undefined =
        form.is === 'form'
          ? await handedIn(held.record.id, form.uploads)
          : { field: 'signed', why: form.is === 'too_long' ? 'too_long' : 'broken' }
      if (!refused) return await reply.redirect(`/me/${encodeURIComponent(held.record.id)}`, 303)
      const { language } = visit
      const body = permissionPage({
        language,
        field: visits.field(visit),
        held,
        purposes: parts.purposes(),
        page: await accessesOf(parts, held.record.id, ACCESSES),
        newest: true,
        refused,
      })
      const title = { fr: permissionTitle('fr', held), en: permissionTitle('en', held) }
      return frame.show(reply, visit, { title, body, status: 422 })
    } finally {
      reading -= 1
    }
  })

  async function handedIn(permission: string, uploads: Parameters<typeof papersFrom>[0]): Promise<RefusedPaper | undefined> {
    const papers = await papersFrom(uploads, PAPERS, 'signed', parts.scan)
    if ('why' in papers) return papers
    const details = { actorRole: 'contract_holder', channel: 'web' }
    const done = await parts.state.call<Signed>('signMandate', { permission, papers, details, now: parts.now() })
    if (done.is !== 'signed') return { field: 'signed', why: done.is }
    await parts.onActs([done.act])
    return undefined
  }
}

const BUSY: Problem = {
  title: { fr: 'Un instant', en: 'One moment' },
  what: { fr: 'Trop de documents arrivent à la fois : rien n’a été pris.', en: 'Too many documents come at once: nothing was taken.' },
  help: { fr: 'Réessayez dans une minute.', en: 'Try again in a minute.' },
}
