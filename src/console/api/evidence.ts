/** Evidence in the admin API: entries in clear, their proofs, and readings of what is sealed, each on record before it opens anything. */
import type { Day, Millis } from '../../domain/time.ts'
import { rfc3339 } from '../../domain/time.ts'
import type { Browsed } from '../../evidence/browse.ts'
import type { Selection } from '../../evidence/disclose.ts'
import { cursorOf, DEFAULT_LIMIT, placeOf } from './cursor.ts'
import type { ApiRoute } from './route.ts'
import { route } from './route.ts'
import * as s from './schemas.ts'

function shown({ n, name, entry }: Browsed) {
  return { n, name, record: JSON.parse(entry) as unknown }
}

export const EVIDENCE_ROUTES: readonly ApiRoute[] = [
  route({
    method: 'GET',
    path: '/v1/evidence/entries',
    id: 'listEntries',
    summary: 'Entries in clear, the newest first; a page may be short and still have a next one',
    tag: 'evidence',
    role: 'auditor',
    params: s.nothing,
    query: s.entryQuery,
    body: s.nothing,
    answers: { 200: { what: 'one page', schema: s.entryPage } },
    problems: [],
    async handle(parts, { query: { cursor, limit = DEFAULT_LIMIT, from, until, ...filter } }) {
      const page = await parts.evidence.latest({
        ...filter,
        from: from as Day | undefined,
        until: until as Day | undefined,
        before: placeOf(cursor, 'number'),
        limit,
      })
      const next = page.next === null ? null : cursorOf(page.next)
      return { status: 200, body: { items: page.entries.map((one) => shown(one)), next } }
    },
  }),
  route({
    method: 'GET',
    path: '/v1/evidence/entries/{entry}',
    id: 'showEntry',
    summary: 'One entry in clear',
    tag: 'evidence',
    role: 'auditor',
    params: s.entryPath,
    query: s.nothing,
    body: s.nothing,
    answers: { 200: { what: 'the entry', schema: s.entry } },
    problems: ['not_found'],
    handle: async (parts, { params }) => ({ status: 200, body: shown(await parts.evidence.one(params.entry)) }),
  }),
  route({
    method: 'GET',
    path: '/v1/evidence/entries/{entry}/proof',
    id: 'proveEntry',
    summary: 'That the entry is in the signed log',
    tag: 'evidence',
    role: 'auditor',
    params: s.entryPath,
    query: s.nothing,
    body: s.nothing,
    answers: { 200: { what: 'inclusion proof and checkpoint', schema: s.proof } },
    problems: ['not_found'],
    handle: async (parts, { params }) => ({ status: 200, body: await parts.evidence.proof(params.entry) }),
  }),
  route({
    method: 'GET',
    path: '/v1/evidence/checkpoint',
    id: 'showCheckpoint',
    summary: 'The latest signed checkpoint of the log',
    tag: 'evidence',
    role: 'auditor',
    params: s.nothing,
    query: s.nothing,
    body: s.nothing,
    answers: { 200: { what: 'a signed note', media: 'text/plain' } },
    problems: [],
    async handle(parts) {
      const { checkpoint } = await parts.evidence.checkpoint()
      return { status: 200, bytes: checkpoint, headers: { 'Content-Type': 'text/plain; charset=utf-8' } }
    },
  }),
  route({
    method: 'POST',
    path: '/v1/evidence/readings',
    id: 'beginReading',
    summary: 'Puts on record who opens what and why; its pages can then be read',
    tag: 'evidence',
    role: 'auditor',
    params: s.nothing,
    query: s.nothing,
    body: s.readingOrder,
    answers: { 201: { what: 'the reading', schema: s.reading } },
    problems: ['invalid'],
    async handle(parts, { by, body }) {
      const { recordedAs, ticket, size } = await parts.evidence.begin(by, body.select as Selection, body.why)
      return { status: 201, body: { recordedAs, reading: ticket, size } }
    },
  }),
  route({
    method: 'GET',
    path: '/v1/evidence/readings/{reading}/entries',
    id: 'readEntries',
    summary: 'What a reading opens',
    tag: 'evidence',
    role: 'auditor',
    params: s.readingPath,
    query: s.listQuery,
    body: s.nothing,
    answers: { 200: { what: 'one page', schema: s.openedPage } },
    problems: ['not_found'],
    async handle(parts, { params, query }) {
      const { opened, next } = await parts.evidence.page(params.reading, placeOf(query.cursor, 'number') ?? 0, query.limit ?? DEFAULT_LIMIT)
      const items = opened.map(({ n, name, record, fields, seal }) => ({ n, name, record, fields, seal }))
      return { status: 200, body: { items, next: next === null ? null : cursorOf(next) } }
    },
  }),
  route({
    method: 'POST',
    path: '/v1/evidence/entries/{entry}/explanations',
    id: 'explainEntry',
    summary: 'Why a decision is what it is, made again from its entry; opens sealed fields, which goes on record',
    tag: 'evidence',
    role: 'auditor',
    params: s.entryPath,
    query: s.nothing,
    body: s.explainOrder,
    answers: { 200: { what: 'rule, lines and the fact that decided', schema: s.explained } },
    problems: ['not_found'],
    handle: async (parts, { by, params, body }) => ({ status: 200, body: await parts.evidence.explain(by, params.entry, body.why) }),
  }),
  route({
    method: 'GET',
    path: '/v1/decisions',
    id: 'listDecisions',
    summary: 'The last decisions of this gate since it started, the newest first',
    tag: 'status',
    role: 'auditor',
    params: s.nothing,
    query: s.decisionQuery,
    body: s.nothing,
    answers: { 200: { what: 'decisions', schema: s.decisions } },
    problems: [],
    handle(parts, { query }) {
      const items = parts.decisions.latest(query.limit ?? DEFAULT_LIMIT).map((seen) => ({
        ...seen,
        at: rfc3339(seen.at as Millis),
        entry: seen.entry?.name ?? null,
      }))
      return Promise.resolve({ status: 200, body: { items } })
    },
  }),
  route({
    method: 'GET',
    path: '/v1/status',
    id: 'showStatus',
    summary: 'Readiness, quotas and accesses',
    tag: 'status',
    role: 'auditor',
    params: s.nothing,
    query: s.nothing,
    body: s.nothing,
    answers: { 200: { what: 'how the gate does', schema: s.status } },
    problems: [],
    async handle(parts) {
      const { days } = await parts.accesses()
      return {
        status: 200,
        body: { instance: parts.instance, origin: parts.evidence.origin, ...parts.overview(), quotas: parts.quotas(), accesses: days },
      }
    },
  }),
]
