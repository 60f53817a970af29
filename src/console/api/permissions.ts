/** Permissions in the admin API: what was agreed to, what was done to it, and the operator's acts on it. */
import { documentHeaders } from '../documents.ts'
import type { ConsoleParts } from '../ports.ts'
import { DEFAULT_LIMIT, pageFrom, placeOf } from './cursor.ts'
import { permissionTag } from './etag.ts'
import { Problem } from './problem.ts'
import type { ApiCall, ApiRoute } from './route.ts'
import { route } from './route.ts'
import * as s from './schemas.ts'

/** Of what was seen, the last act: compared once more where the act is made. */
async function headSeen(parts: ConsoleParts, id: string, ifMatch: ApiCall<unknown, unknown, unknown>['ifMatch']): Promise<string | null> {
  if (ifMatch === undefined || ifMatch === '*') return null
  const shown = await parts.permissions.show(id)
  if (!ifMatch.includes(permissionTag(shown.head, shown))) throw new Problem('precondition_failed', 'read the permission again')
  return shown.head
}

/** What ends a permission is right whatever came in between, and must never be made harder; the others say what they saw. */
const SEEN_FIRST: ReadonlySet<string> = new Set(['suspend', 'resume'])

export const PERMISSION_ROUTES: readonly ApiRoute[] = [
  route({
    method: 'GET',
    path: '/v1/permissions',
    id: 'listPermissions',
    summary: 'Permissions in the order of their ids',
    tag: 'permissions',
    role: 'auditor',
    params: s.nothing,
    query: s.permissionQuery,
    body: s.nothing,
    answers: { 200: { what: 'one page', schema: s.permissionPage } },
    problems: ['invalid'],
    async handle(parts, { query: { limit = DEFAULT_LIMIT, cursor, ...filter } }) {
      const found = await parts.permissions.list({ ...filter, after: placeOf(cursor, 'text'), limit: limit + 1 })
      return { status: 200, body: pageFrom(found, limit, ({ id }) => id) }
    },
  }),
  route({
    method: 'POST',
    path: '/v1/permissions/imports',
    id: 'importPermissions',
    summary: 'Imports permissions, all or none; the same again changes nothing',
    tag: 'permissions',
    role: 'operator',
    params: s.nothing,
    query: s.nothing,
    body: s.importOrder,
    answers: { 200: { what: 'what is new and what was there', schema: s.imported } },
    problems: ['invalid'],
    maxBodyBytes: 32 * 1024 * 1024,
    async handle(parts, { by, body }) {
      const done = await parts.permissions.import(by, body)
      if (done.ok) return { status: 200, body: { created: done.created, unchanged: done.unchanged, dryRun: body.dryRun } }
      const errors = done.mistakes.slice(0, 500).map(({ where, message }) => ({ at: where, detail: message }))
      throw new Problem('invalid', `nothing was imported: ${done.mistakes.length} mistakes`, { errors })
    },
  }),
  route({
    method: 'GET',
    path: '/v1/permissions/{permission}',
    id: 'showPermission',
    summary: 'One permission with its acts and attachments',
    tag: 'permissions',
    role: 'auditor',
    params: s.permissionPath,
    query: s.nothing,
    body: s.nothing,
    answers: { 200: { what: 'the permission', schema: s.permission } },
    problems: ['not_found'],
    async handle(parts, { params }) {
      const shown = await parts.permissions.show(params.permission)
      return { status: 200, body: shown, etag: permissionTag(shown.head, shown) }
    },
  }),
  route({
    method: 'POST',
    path: '/v1/permissions/{permission}/acts',
    id: 'act',
    summary: 'Withdraws, suspends, resumes or ends a permission; final when it is answered',
    tag: 'permissions',
    role: 'operator',
    params: s.permissionPath,
    query: s.nothing,
    body: s.actOrder,
    answers: { 201: { what: 'the act, on record', schema: s.actDone } },
    problems: ['not_found', 'conflict', 'precondition_required'],
    ifMatch: 'taken',
    async handle(parts, { by, params, body, ifMatch }) {
      if (ifMatch === undefined && SEEN_FIRST.has(body.type)) throw new Problem('precondition_required')
      const head = await headSeen(parts, params.permission, ifMatch)
      const done = await parts.permissions.act(by, { permission: params.permission, ...body, head })
      if (done.is === 'stale') throw new Problem('precondition_failed', 'read the permission again')
      const { permission, client, status, endReason, entry } = done.value
      return { status: 201, body: { permission, client, status, ...(endReason !== undefined && { endReason }), entry } }
    },
  }),
  route({
    method: 'GET',
    path: '/v1/permissions/{permission}/receipt',
    id: 'showReceipt',
    summary: 'The receipt that the person was given',
    tag: 'permissions',
    role: 'auditor',
    params: s.permissionPath,
    query: s.nothing,
    body: s.nothing,
    answers: { 200: { what: 'the receipt', schema: s.receipt, media: 'application/ld+json' } },
    problems: ['not_found'],
    async handle(parts, { params }) {
      const receipt = await parts.permissions.receipt(params.permission)
      if (receipt === null) throw new Problem('not_found', 'this permission was given without a receipt')
      return { status: 200, body: receipt, headers: { 'Content-Type': 'application/ld+json' } }
    },
  }),
  route({
    method: 'GET',
    path: '/v1/permissions/{permission}/attachments/{sha256}',
    id: 'fetchAttachment',
    summary: 'A document that proves the permission; that it was opened goes on record',
    tag: 'permissions',
    role: 'auditor',
    params: s.attachmentPath,
    query: s.nothing,
    body: s.nothing,
    answers: { 200: { what: 'the document', media: 'application/octet-stream' } },
    problems: ['not_found'],
    async handle(parts, { by, params: { permission, sha256 } }) {
      const known = (await parts.permissions.show(permission)).attachments.find((one) => one.sha256 === sha256)
      if (!known) throw new Problem('not_found', 'this permission has no such document')
      const bytes = await parts.permissions.attachment(by, permission, sha256)
      return { status: 200, bytes, headers: documentHeaders(known.kind, sha256, known.mediaType) }
    },
  }),
  route({
    method: 'POST',
    path: '/v1/permissions/{permission}/links',
    id: 'makeLink',
    summary: 'A one-time link to the page of the person, to be sent to nobody else',
    tag: 'permissions',
    role: 'operator',
    params: s.permissionPath,
    query: s.nothing,
    body: s.nothing,
    answers: { 201: { what: 'the link', schema: s.link } },
    problems: ['not_found', 'conflict'],
    async handle(parts, { by, params }) {
      if (!parts.permissions.link) throw new Problem('conflict', "the settings have no section 'portal': there is no page to link to")
      await parts.permissions.show(params.permission)
      return { status: 201, body: await parts.permissions.link(by, params.permission) }
    },
  }),
]
