/** The published schema of a permission as operators bring it: what is written, not yet what it means. */
import * as z from 'zod'
import { parseMeter } from '../domain/meter.ts'
import { parseDay, parseInstant } from '../domain/time.ts'
import {
  COARSER,
  DATA_KINDS,
  DIRECTIONS,
  GDPR_BASES,
  PROVIDERS,
  RECURRENCES,
  SECTOR_RELEASES,
  STEPS,
  STRENGTHS,
} from '../domain/vocabulary.ts'
import { CSV_COLUMNS } from './import-text.ts'

const day = z
  .string()
  .meta({ format: 'date' })
  .transform((text, ctx) => {
    const parsed = parseDay(text)
    if (parsed !== undefined) return parsed
    ctx.addIssue({ code: 'custom', message: 'expected a day YYYY-MM-DD' })
    return z.NEVER
  })
const instant = z
  .string()
  .meta({ format: 'date-time' })
  .transform((text, ctx) => {
    const parsed = parseInstant(text)
    if (parsed !== undefined) return parsed
    ctx.addIssue({ code: 'custom', message: 'expected an instant such as 2026-10-01T00:00:00Z' })
    return z.NEVER
  })
const meter = z
  .string()
  .meta({ pattern: '^(prm:[0-9]{14}|pce:([0-9]{14}|GI[0-9]{6}))$' })
  .transform((text, ctx) => {
    const parsed = parseMeter(text)
    if (parsed !== undefined) return parsed
    ctx.addIssue({ code: 'custom', message: 'expected prm: and 14 digits, or pce: and 14 digits or GI and 6 digits' })
    return z.NEVER
  })
/** Ids stand in logs and tables in clear: a run of digits in one may be somebody's meter or telephone. */
const id = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, 'expected an id: letters, digits, dot, dash, underscore, at most 64')
  .refine((text) => !/[0-9]{9}/.test(text), 'an id must not hold nine digits in a row: it could be a meter or a telephone number')
const words = z.string().min(1).max(200)

const line = z.strictObject({
  kind: z.enum(DATA_KINDS),
  direction: z.enum(DIRECTIONS),
  finest: z.enum(STEPS).optional(),
  coarser: z.enum(COARSER).default('fetch'),
  purpose: words,
  from: day.optional(),
  until: day.optional(),
  recurrence: z.enum(RECURRENCES).default('on_demand'),
})

export const ATTACHMENT_KINDS = [
  'dso_redirect_trace',
  'dso_right_snapshot',
  'mailbox_confirmation',
  'mandate_form',
  'signed_mandate',
  'esign_proof_file',
  'id_document_check',
  'invoice_or_contract_copy',
  'ui_capture',
  'pmo_bulletin',
  'tenant_notice',
  'registered_mail',
  'representation_power',
  'article28_contract',
  'receipt',
] as const

export const permissionSchema = z.strictObject({
  id,
  version: z.int().min(1).max(10_000).default(1),
  bundle: id.optional(),
  arrangement: id.optional(),
  meter,
  holder: z.strictObject({ kind: z.enum(['natural', 'legal']), reference: words, name: words.optional() }),
  client: words,
  ground: z.strictObject({
    gdpr_basis: z.enum(GDPR_BASES),
    sector_release: z.enum(SECTOR_RELEASES),
    legal_reference: words.optional(),
    contract_ref: words.optional(),
  }),
  valid_from: instant,
  valid_until: instant,
  lines: z.array(line).min(1).max(50),
  notice: z
    .strictObject({ id: words, version: words, sha256: z.string().regex(/^[0-9a-f]{64}$/), language: z.enum(['fr', 'en']) })
    .optional(),
  will: z.strictObject({ channel: words, occurred_at: instant, role: words.default('contract_holder') }).optional(),
  identity: z.strictObject({ method: words, strength: z.enum(STRENGTHS) }).optional(),
  holder_match: z.strictObject({ method: words, result: z.enum(['exact', 'close_reviewed', 'failed', 'not_done']) }).optional(),
  attachments: z
    .array(z.strictObject({ kind: z.enum(ATTACHMENT_KINDS), file: words, media_type: words }))
    .max(20)
    .default([]),
  /** Not given yet: the gate issues a form for its holder to sign, and waits for it. */
  mandate: z.literal(true).exactOptional(),
  bindings: z
    .array(
      z.strictObject({
        provider: z.enum(PROVIDERS),
        account: words,
        /** What the data holder has opened already: it is ended there when the permission ends. */
        rights: z
          .array(
            z.strictObject({
              ref: z.string().regex(/^[0-9A-Za-z-]{1,64}$/, 'expected serviceSouscritId (SGE) or id_droit_acces (GRDF)'),
              direction: z.enum(['withdrawal', 'injection']).default('withdrawal'),
            }),
          )
          .min(1)
          .max(20)
          .exactOptional(),
        /** GRDF: the right is declared by the gate, and its holder asked by mail. */
        declare: z
          .strictObject({
            postcode: z.string().regex(/^[0-9]{5}$/, 'expected the five digits of the postcode of the meter'),
            email: z.email().max(200).exactOptional(),
            phone: z
              .string()
              .regex(/^0[67][0-9]{8}$/, 'expected a mobile number: 06 or 07 and eight digits')
              .exactOptional(),
          })
          .exactOptional(),
        /** SGE: an access service is ordered by the gate for each kind of the lines, with the name of the holder. */
        order: z.literal(true).exactOptional(),
      }),
    )
    .min(1)
    .max(10),
})
const importSchema = z.strictObject({ permissions: z.array(permissionSchema).max(100_000) })

/** For editors and for those who write imports; the columns of the CSV stand beside it. */
export function importJsonSchema(): unknown {
  return {
    ...z.toJSONSchema(importSchema, { io: 'input' }),
    title: 'Permissions as `ecluse permission import` takes them',
    'x-csv-columns': CSV_COLUMNS,
  }
}

export type Given = z.output<typeof permissionSchema>
