/** The keys of a file of decision cases, read strictly. `case-file.ts` says what they mean together. */
import * as z from 'zod'
import type { MeterId } from './domain/meter.ts'
import { parseMeter } from './domain/meter.ts'
import type { AccountId, ClientId, LineId, PermissionId, PurposeCode } from './domain/permission.ts'
import { REASONS, type Reason } from './domain/errors.ts'
import type { Millis, Period } from './domain/time.ts'
import { parseDay, parseInstant, period as periodOf } from './domain/time.ts'
import {
  ACTS,
  COARSER,
  DATA_KINDS,
  DIRECTIONS,
  END_REASONS,
  GDPR_BASES,
  PROVIDERS,
  RECURRENCES,
  SECTOR_RELEASES,
  STATUSES,
  STEPS,
  SUSPEND_CAUSES,
} from './domain/vocabulary.ts'
import { purposeSchema, ruleSchema, settingsSchema } from './settings/schema.ts'

const text = z.string().min(1).max(200)
const branded = <T extends string>() => text.transform((value) => value as T)

const meter = z.string().transform((value, ctx): MeterId => {
  const parsed = parseMeter(value)
  if (parsed) return parsed
  ctx.addIssue({ code: 'custom', message: 'expected a meter: prm: and 14 digits, or pce: and 14 digits' })
  return z.NEVER
})
const instant = z.string().transform((value, ctx): Millis => {
  const parsed = parseInstant(value)
  if (parsed !== undefined) return parsed
  ctx.addIssue({ code: 'custom', message: 'expected a moment with its offset: 2026-11-25T09:00:00.000Z' })
  return z.NEVER
})
const days = z.string().transform((value, ctx): Period => {
  const [first = '', end = '', ...more] = value.split('/')
  const from = parseDay(first)
  const until = parseDay(end)
  const parsed = from !== undefined && until !== undefined && more.length === 0 ? periodOf(from, until) : undefined
  if (parsed) return parsed
  ctx.addIssue({ code: 'custom', message: 'expected days, the last one excluded: 2026-10-01/2026-11-01' })
  return z.NEVER
})

const lineSchema = z
  .strictObject({
    kind: z.enum(DATA_KINDS),
    direction: z.enum(DIRECTIONS),
    finest: z.enum(STEPS),
    coarser: z.enum(COARSER),
    purpose: branded<PurposeCode>(),
    days: days.nullable(),
    recurrence: z.enum(RECURRENCES),
  })
  .partial()

const permissionSchema = z
  .strictObject({
    recipient: branded<ClientId>(),
    meter,
    version: z.int().min(1),
    ground: z.enum(GDPR_BASES),
    release: z.enum(SECTOR_RELEASES),
    valid_from: instant,
    valid_until: instant,
    /** What was done to it, in order; instead of `status` and `end_reason`. */
    acts: z.array(z.enum(ACTS)).min(1),
    status: z.enum(STATUSES),
    end_reason: z.enum(END_REASONS),
    suspend_cause: z.enum(SUSPEND_CAUSES),
    bindings: z.array(z.strictObject({ provider: z.enum(PROVIDERS), account: branded<AccountId>(), ready: z.boolean().default(true) })),
    lines: z.record(z.string(), lineSchema.nullable()),
    deliveries: z.array(
      z.strictObject({
        line: branded<LineId>(),
        days: days.nullable().default(null),
        at: instant,
        entry: text,
        /** The call is still under way. */
        open: z.boolean().default(false),
      }),
    ),
  })
  .partial()
export type WrittenPermission = z.output<typeof permissionSchema>

const limitsSchema = settingsSchema.shape.providers.shape['enedis-data-connect'].shape.limits
const rulePatch = z
  .strictObject({
    on_overrun: z.enum(['refuse', 'narrow']),
    coarser: z.enum(COARSER),
    straddling: z.enum(['drop', 'keep']),
    orders: z.enum(['refuse', 'narrow']),
    degrade: z.boolean(),
    longest_days: z.int().min(1).nullable(),
    oldest_days: z.int().min(1).nullable(),
  })
  .partial()
const purposePatch = z
  .strictObject({ grounds: z.array(z.enum(GDPR_BASES)), kinds: z.array(z.enum(DATA_KINDS)), finest: z.enum(STEPS) })
  .partial()
const limitPatch = z
  .strictObject({ call_days: z.int().min(1), history: z.strictObject({ months: z.int().min(0), days: z.int().min(0) }) })
  .partial()
/** What differs from the policy, by the ids of rules, codes of purposes and kinds of limits. */
const patchSchema = z
  .strictObject({
    rules: z.record(z.string(), rulePatch.nullable()),
    purposes: z.record(z.string(), purposePatch.nullable()),
    limits: z.record(z.string(), limitPatch.nullable()),
  })
  .partial()
export type RulePatch = z.output<typeof rulePatch>
export type Patch = z.output<typeof patchSchema>

const givenShape = {
  now: instant.optional(),
  request: z
    .strictObject({
      provider: z.enum(PROVIDERS),
      api: text,
      meter,
      kind: z.enum(DATA_KINDS),
      direction: z.enum(DIRECTIONS),
      step: z.enum([...STEPS, 'recorded']),
      days: days.nullable(),
      /** What may be answered in its place. */
      or_else: z.enum(DATA_KINDS).nullable(),
      /** An order: what is to be opened, and whether an end was asked for. */
      order: z.strictObject({ kinds: z.array(z.enum(DATA_KINDS)).min(1), open_ended: z.boolean().default(false) }).nullable(),
    })
    .partial()
    .optional(),
  caller: z
    .strictObject({
      client: branded<ClientId>(),
      purpose: branded<PurposeCode>(),
      set: z.union([z.literal('all'), z.array(branded<PermissionId>())]),
      refuses_narrowing: z.boolean(),
    })
    .partial()
    .optional(),
  permissions: z.record(z.string(), permissionSchema.nullable()).optional(),
  policy: patchSchema.optional(),
}
const givenSchema = z.strictObject(givenShape)
export type Given = z.output<typeof givenSchema>

const partSchema = z.strictObject({
  permission: text,
  line: text,
  days: days.nullable(),
  how: z.enum(['direct', 'fetch', 'derive']).default('direct'),
  /** Default: what was asked for. */
  kind: z.enum(DATA_KINDS).optional(),
  /** Default: the step asked for. */
  finest: z.enum(STEPS).optional(),
  average_up: z.boolean().default(false),
  keeps_straddling: z.boolean().default(false),
  /** Default: the kind asked for, alone. */
  keep_kinds: z.array(z.enum(DATA_KINDS)).optional(),
})

const obligationSchema = z.discriminatedUnion('id', [
  z.strictObject({ id: z.literal('clip_period'), periods: z.array(days) }),
  z.strictObject({ id: z.literal('set_step'), finest: z.enum(STEPS) }),
  z.strictObject({ id: z.literal('keep_fields'), kinds: z.array(z.enum(DATA_KINDS)) }),
  z.strictObject({ id: z.literal('derive'), from: z.enum(DATA_KINDS) }),
])

const decisionSchema = z.strictObject({
  result: z.enum(['allow', 'narrow', 'deny']),
  rule: text.optional(),
  reason: z.enum(Object.keys(REASONS) as [Reason, ...Reason[]]).optional(),
  /** Days that would be open, of a refusal about days. */
  permitted: z.array(days).optional(),
  retry_at: instant.optional(),
  /** The days that the answer covers, one range for each run without a hole. */
  days: z.array(days).optional(),
  parts: z.array(partSchema).optional(),
  obligations: z.array(obligationSchema).optional(),
})

/** One entry of the evidence. `sealed` are the names of the sealed fields. */
const entrySchema = z.strictObject({
  t: z.enum(['access.intent', 'access.refused']),
  part: text.optional(),
  sent: days.nullable().optional(),
  basis: z.enum(GDPR_BASES).optional(),
  dso: text.optional(),
  sealed: z.array(z.enum(['subject', 'permissions', 'set'])).optional(),
})

const caseSchema = z.strictObject({ name: text, ...givenShape, decision: decisionSchema, evidence: z.array(entrySchema).min(1).optional() })
export const fileSchema = z.strictObject({
  /** What the cases show, for people. */
  about: z.string().optional(),
  exact: z.boolean().default(false),
  policy: z.strictObject({ purposes: z.array(purposeSchema), rules: z.array(ruleSchema), limits: limitsSchema }).optional(),
  given: givenSchema.prefault({}),
  cases: z.array(caseSchema).min(1),
})
export type CaseFile = z.output<typeof fileSchema>

export type ExpectedDecision = z.output<typeof decisionSchema>
export type ExpectedEntry = z.output<typeof entrySchema>
