/**
 * The policy that `decide` reads, compiled from the settings and kept under its hash.
 *
 * `policyDocument` holds everything from the settings that a decision depends on, what a client chose included, so that
 * whoever has the document, a request and its permissions can make the decision again. `policyHash` is the SHA-256 of its
 * canonical form (RFC 8785): what has no meaning (order of clients, purposes and limits) is sorted and never changes it;
 * the order of rules does.
 */
import * as z from 'zod'
import { canonicalHash, type Json } from '../domain/canonical.ts'
import type { ClientId, PurposeCode } from '../domain/permission.ts'
import type { Policy, Rule } from '../domain/policy.ts'
import { COARSER, DATA_KINDS, GDPR_BASES, PROVIDERS, STEPS, type DataKind } from '../domain/vocabulary.ts'
import type { Settings } from './shape.ts'

export interface PolicyDocument {
  readonly policy: Policy
  /** What `decide` is told of the caller and the settings choose. Whether a client is disabled is no part of a decision. */
  readonly clients: readonly { readonly id: ClientId; readonly purpose: PurposeCode; readonly refusesNarrowing: boolean }[]
}

/** Kinds of which a part is worth having: what lies outside is cut off. The others are whole or nothing. */
const MEASURES: readonly DataKind[] = ['load_curve', 'daily_energy', 'published_reading', 'index', 'max_power']

export function policyDocument(settings: Settings): PolicyDocument {
  return {
    policy: compilePolicy(settings),
    clients: settings.clients
      .map(({ id, purpose, refusesNarrowing }) => ({ id, purpose, refusesNarrowing }))
      .toSorted((a, b) => (a.id < b.id ? -1 : 1)),
  }
}

export function policyHash(document: PolicyDocument): string {
  return canonicalHash(document as unknown as Json) // interfaces have no index signature; the values are plain data
}

/** Reads what `canonicalJson` wrote. Strict: a document of another shape is not half understood. */
export function parsePolicyDocument(
  json: string,
): { readonly ok: true; readonly document: PolicyDocument } | { readonly ok: false; readonly why: string } {
  let data: unknown
  try {
    data = JSON.parse(json)
  } catch (error) {
    return { ok: false, why: `not JSON: ${error instanceof Error ? error.message : 'unreadable'}` }
  }
  const parsed = documentSchema.safeParse(data)
  if (parsed.success) return { ok: true, document: parsed.data }
  const first = parsed.error.issues[0]
  return { ok: false, why: `not a policy document: ${first?.path.join('.') ?? ''}: ${first?.message ?? 'unreadable'}` }
}

export function compilePolicy(settings: Settings): Policy {
  return {
    rules: settings.rules.flatMap(expand),
    purposes: settings.purposes.toSorted((a, b) => (a.code < b.code ? -1 : 1)),
    limits: PROVIDERS.flatMap((provider) => {
      const limits = settings.providers[provider]?.limits ?? []
      return limits.map((limit) => ({ provider, ...limit })).toSorted((a, b) => (a.kind < b.kind ? -1 : 1))
    }),
  }
}

/**
 * One rule of the file, which may list values, as rules of one value each, in the order written. They share its id, and
 * so its budget of calls. Without `on_overrun`, `*` becomes the measures (narrow), then all kinds (refuse).
 */
function expand(rule: Settings['rules'][number]): Rule[] {
  const kinds = listOf(rule.kind).flatMap((kind) => (kind === '*' && rule.onOverrun === undefined ? [...MEASURES, kind] : [kind]))
  return listOf(rule.purpose).flatMap((purpose) =>
    kinds.flatMap((kind) =>
      listOf(rule.provider).map((provider) => ({
        id: rule.id,
        purpose,
        kind,
        provider,
        onOverrun: rule.onOverrun ?? (kind !== '*' && MEASURES.includes(kind) ? 'narrow' : 'refuse'),
        coarser: rule.coarser,
        ...(rule.straddling === 'keep' && { keepsStraddling: true as const }),
        ...(rule.orders === 'narrow' && { narrowsOrders: true as const }),
        ...(rule.degrade && { degrades: true as const }),
        longestDays: rule.longestDays ?? null,
        oldestDays: rule.oldestDays ?? null,
        callsPerHour: rule.callsPerHour ?? null,
      })),
    ),
  )
}

export function listOf<T extends string>(value: T | readonly T[]): readonly T[] {
  return typeof value === 'string' ? [value] : value
}

const whole = z.int().min(0)
const clientId = z.string().transform((value) => value as ClientId)
const purposeCode = z.string().transform((value) => value as PurposeCode)
const any = z.literal('*')
const documentSchema = z.strictObject({
  policy: z.strictObject({
    rules: z.array(
      z.strictObject({
        id: z.string(),
        purpose: z.union([any, purposeCode]),
        kind: z.union([any, z.enum(DATA_KINDS)]),
        provider: z.union([any, z.enum(PROVIDERS)]),
        onOverrun: z.enum(['refuse', 'narrow']),
        coarser: z.enum(COARSER),
        keepsStraddling: z.literal(true).exactOptional(),
        narrowsOrders: z.literal(true).exactOptional(),
        degrades: z.literal(true).exactOptional(),
        longestDays: whole.nullable(),
        oldestDays: whole.nullable(),
        callsPerHour: whole.nullable(),
      }),
    ),
    purposes: z.array(
      z.strictObject({
        code: purposeCode,
        version: whole,
        label: z.strictObject({ fr: z.string(), en: z.string() }),
        grounds: z.array(z.enum(GDPR_BASES)),
        kinds: z.array(z.enum(DATA_KINDS)),
        finest: z.enum(STEPS),
        // Decides nothing: it says what became of what was read.
        keep: z.strictObject({ keepDays: whole, settledAfterDays: whole, revalidateHours: whole }).optional(),
      }),
    ),
    limits: z.array(
      z.strictObject({
        provider: z.enum(PROVIDERS),
        kind: z.enum(DATA_KINDS),
        callDays: whole,
        history: z.strictObject({ months: whole, days: whole }),
      }),
    ),
  }),
  clients: z.array(z.strictObject({ id: clientId, purpose: purposeCode, refusesNarrowing: z.boolean() })),
})
