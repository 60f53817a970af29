/**
 * Everything that crosses the boundary of the admin API, as zod: what comes in is checked by it, what goes out is
 * described by it, and the OpenAPI document is made of it.
 */
import * as z from 'zod'
import { ACTS, DATA_KINDS, OPERATOR_ENDS, SUSPEND_CAUSES, STATUSES, PROOF_STATES, RIGHT_STATES } from '../../domain/vocabulary.ts'

const word = z.string().min(1).max(200)
const moment = z.iso.datetime().describe('RFC 3339, UTC')
const entryName = z.string().describe('`origin/number`, as `Audit-Entry` gives it')

export const clientPath = z.strictObject({ client: word.describe('id in the settings') })
export const permissionPath = z.strictObject({ permission: word })
export const attachmentPath = z.strictObject({ permission: word, sha256: z.string().regex(/^[0-9a-f]{64}$/) })
export const tokenPath = z.strictObject({ token: word.describe('its id, never the token itself') })
const entryNumber = z
  .string()
  .regex(/^(0|[1-9]\d{0,15})$/)
  .transform(Number)
export const entryPath = z.strictObject({ entry: entryNumber })
export const readingPath = z.strictObject({ reading: word })

export const limit = z
  .string()
  .regex(/^\d{1,4}$/)
  .transform(Number)
  .pipe(z.int().min(1).max(500))
  .optional()
  .describe('items in the answer, 1 to 500; 50 where absent')
export const cursor = z.string().min(1).max(600).optional().describe('`next` of the page before; opaque')
const day = z.iso.date().describe('a day in Paris')

export const listQuery = z.strictObject({ limit, cursor })
export const permissionQuery = z.strictObject({
  client: word.optional(),
  status: z.enum(STATUSES).optional(),
  meter: word.optional().describe('`prm:` and 14 digits, or `pce:` and 14 digits'),
  limit,
  cursor,
})
export const tokenQuery = z.strictObject({ client: word.optional(), limit, cursor })
export const entryQuery = z.strictObject({
  type: z
    .string()
    .regex(/^[a-z_]+(\.[a-z_]+)*$/)
    .max(80)
    .optional()
    .describe('such as `access.intent`'),
  client: word.optional(),
  from: day.optional(),
  until: day.optional().describe('excluded'),
  limit,
  cursor,
})
export const decisionQuery = z.strictObject({ limit })

/** Acts that an operator does. `withdrawn_by_subject` puts on record what a person told the operator. */
export const OPERATOR_ACTS = [...OPERATOR_ENDS, 'suspend', 'resume'] as const
export const actOrder = z
  .strictObject({
    type: z.enum(OPERATOR_ACTS),
    reason: z.string().min(1).max(1000).optional(),
    cause: z.enum(SUSPEND_CAUSES).optional().describe('of a suspension'),
  })
  .refine((act) => act.cause === undefined || act.type === 'suspend', { message: 'only a suspension has a cause', path: ['cause'] })
export const importOrder = z.strictObject({
  text: z.string().min(1).max(50_000_000).describe('the import as the command line takes it: JSON, or CSV'),
  documents: z.record(z.string().max(200), z.base64()).default({}).describe('documents by the name that the import gives them, in base64'),
  dryRun: z.boolean().default(false).describe('check only'),
  unverified: z.boolean().default(false).describe('without notice, act of will and documents: for simulated data holders only'),
})
export const tokenOrder = z.strictObject({
  client: word,
  permissions: z.array(word).min(1).max(10_000).optional().describe('all that the client holds, where absent'),
  ttlSeconds: z.int().min(1).max(31_536_000).optional(),
})
const why = z.string().min(1).max(500).describe('stands sealed in the evidence for good: no meter, telephone number or address in it')
export const readingOrder = z.strictObject({
  select: z.union([
    z.strictObject({ entries: z.array(z.int().min(0)).min(1).max(1000), context: z.boolean().optional() }),
    z.strictObject({ meter: word }),
    z.strictObject({ client: word }),
    z.strictObject({ all: z.literal(true) }),
  ]),
  why,
})
export const explainOrder = z.strictObject({ why: why.default('a decision explained (admin API)') })
export const nothing = z.strictObject({})

const pageOf = <T extends z.ZodType>(item: T, id: string) =>
  z.object({ items: z.array(item), next: z.string().nullable().describe('cursor of the next page; null after the last') }).meta({ id })

export const client = z
  .object({
    id: z.string(),
    name: z.string(),
    purpose: z.string().nullable().describe('null: the settings declare this client no more'),
    disabled: z.boolean(),
    credentials: z.array(z.object({ id: z.string(), createdAt: moment })),
  })
  .meta({ id: 'Client' })
export const clientPage = pageOf(client, 'ClientPage')
export const credential = z.object({ clientId: z.string(), secret: z.string().describe('shown this once') }).meta({ id: 'Credential' })

const summary = {
  id: z.string(),
  version: z.int(),
  client: z.string(),
  status: z.enum(STATUSES),
  endReason: z.string().nullable(),
  void: z.boolean().describe('invalidated: as if it had never been given'),
  validFrom: moment,
  validUntil: moment,
}
export const permissionPage = pageOf(z.object(summary).meta({ id: 'PermissionSummary' }), 'PermissionPage')
export const permission = z
  .object({
    ...summary,
    head: entryName.describe('the last act; the ETag holds it'),
    content: z.looseObject({ meter: z.string() }).nullable().describe('what was agreed to; null once its person is erased'),
    acts: z.array(z.object({ type: z.enum(ACTS), at: moment, status: z.enum(STATUSES), entry: entryName, details: z.unknown() })),
    attachments: z.array(z.object({ sha256: z.string(), kind: z.string(), mediaType: z.string(), bytes: z.int() })),
    rights: z
      .array(
        z.object({
          provider: z.string(),
          account: z.string(),
          ref: z.string().optional().describe('serviceSouscritId or id_droit_acces; gone once it has ended'),
          state: z.enum(RIGHT_STATES),
          since: moment,
          attempts: z.int().describe('calls that asked for its end'),
          code: z.string().nullable().describe("of the data holder's last answer"),
          entry: entryName.nullable().describe('of the acknowledgement of its end'),
          proof: z.enum(PROOF_STATES).nullable().describe('whether the data holder asked to see the consent, and what came of it'),
          proofUntil: z.iso.date().nullable().describe('the last day on which the data holder takes the proof'),
        }),
      )
      .describe('what data holders have opened for it on their own side, and whether that has ended there'),
  })
  .meta({ id: 'Permission' })
export const actDone = z
  .object({
    permission: z.string(),
    client: z.string(),
    status: z.enum(STATUSES),
    endReason: z.string().optional(),
    entry: entryName,
  })
  .meta({ id: 'ActDone' })
export const imported = z
  .object({ created: z.array(z.string()), unchanged: z.array(z.string()), dryRun: z.boolean() })
  .meta({ id: 'Imported' })
export const link = z.object({ url: z.url().describe('good for one visit'), expiresAt: moment }).meta({ id: 'Link' })
export const receipt = z.looseObject({}).meta({ id: 'Receipt', description: 'consent receipt, JSON-LD' })

export const tokenPage = pageOf(
  z
    .object({
      id: z.string(),
      client: z.string(),
      purpose: z.string(),
      permissions: z.union([z.int(), z.literal('all')]),
      expiresAt: moment,
      revoked: z.boolean(),
    })
    .meta({ id: 'Token' }),
  'TokenPage',
)
export const issued = z
  .object({ token: z.string().describe('shown this once'), id: z.string(), client: z.string(), expiresAt: moment })
  .meta({ id: 'IssuedToken' })

const record = z.looseObject({ t: z.string(), at: z.string() }).describe('the fields in clear')
export const entry = z.object({ n: z.int(), name: entryName, record }).meta({ id: 'Entry' })
export const entryPage = pageOf(entry, 'EntryPage')
export const openedPage = pageOf(
  z
    .object({
      n: z.int(),
      name: entryName,
      record,
      fields: z.looseObject({}).describe('the fields that were sealed'),
      seal: z.enum(['none', 'open', 'closed', 'erased']),
    })
    .meta({ id: 'OpenedEntry' }),
  'OpenedPage',
)
export const proof = z
  .object({
    n: z.int(),
    name: entryName,
    entry: z.string().describe('the bytes that were hashed'),
    leaf: z.base64(),
    size: z.int(),
    root: z.base64(),
    path: z.array(z.base64()).describe('the sibling of the leaf first'),
    checkpoint: z.string().describe('signed note, word for word'),
    vkey: z.string(),
    file: z.string().describe('the same as C2SP tlog-proof'),
    verified: z.boolean().describe('recomputed by the gate; do it again yourself'),
  })
  .meta({ id: 'Proof' })
export const reading = z
  .object({ recordedAs: entryName, reading: z.string().describe('good for the pages of this one selection'), size: z.int() })
  .meta({ id: 'Reading' })
export const explained = z
  .object({
    entry: entryName,
    recordedAs: entryName,
    stage: z.string(),
    onRecord: z.object({ result: z.string().nullable(), reason: z.string().nullable() }),
    explanation: z.looseObject({ fact: z.string() }).nullable(),
    why: z.string().nullable().describe('why the decision cannot be made again'),
  })
  .meta({ id: 'Explanation' })

export const status = z
  .object({
    instance: z.string(),
    origin: z.string(),
    ready: z.boolean(),
    checks: z.record(z.string(), z.enum(['ok', 'stale', 'slow', 'down', 'off'])),
    entries: z.int(),
    policy: z.string(),
    quotas: z.array(z.object({ account: z.string(), api: z.string(), left: z.int(), most: z.int(), windowSeconds: z.int() })),
    accesses: z.array(z.object({ day: z.string(), calls: z.int(), refused: z.int() })),
  })
  .meta({ id: 'Status' })
export const decisions = z
  .object({
    items: z.array(
      z.object({
        at: moment,
        client: z.string(),
        provider: z.string(),
        api: z.string(),
        kind: z.enum(DATA_KINDS).nullable(),
        direction: z.string().nullable(),
        step: z.string().nullable(),
        asked: z.string().nullable(),
        result: z.enum(['allow', 'narrow', 'deny']),
        reason: z.string().nullable(),
        rule: z.string().nullable(),
        permission: z.string().nullable(),
        entry: entryName.nullable(),
      }),
    ),
  })
  .meta({ id: 'Decisions' })

export const problem = z
  .object({
    type: z.string().describe('`urn:ecluse:problem:CODE`'),
    title: z.string(),
    status: z.int(),
    detail: z.string().optional(),
    errors: z
      .array(z.object({ at: z.string(), detail: z.string() }))
      .optional()
      .describe('where what was sent is wrong'),
  })
  .meta({ id: 'Problem', description: 'RFC 9457' })
