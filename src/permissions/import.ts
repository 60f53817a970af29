/**
 * Permissions as operators bring them: JSON (`{"permissions": […]}`) or CSV (one row a scope line) by one published
 * schema. Everything wrong is told at once, with its place. A permission that lacks what makes it provable (notice,
 * act of will, identity, holder match, a document) is refused, unless it is imported as unverified, which is recorded.
 *
 * Pure: the documents come with their bytes. Source: consent model, invariant I-13.
 */
import * as z from 'zod'
import type { Json } from '../domain/canonical.ts'
import { canonicalJson } from '../domain/canonical.ts'
import { parseMeter } from '../domain/meter.ts'
import type { AccountId, ClientId, LineId, PermissionId, PurposeCode, ScopeLine } from '../domain/permission.ts'
import type { Policy } from '../domain/policy.ts'
import type { Millis } from '../domain/time.ts'
import { addDays, parisDay, parseDay, parseInstant, period } from '../domain/time.ts'
import {
  COARSER,
  DATA_KINDS,
  DIRECTIONS,
  GDPR_BASES,
  isAtLeast,
  isDated,
  minutesOf,
  PROVIDERS,
  RECURRENCES,
  SECTOR_RELEASES,
  STEPS,
  STRENGTHS,
  type ProviderId,
} from '../domain/vocabulary.ts'
import type { ImportMistake } from './import-text.ts'
import { CSV_COLUMNS, readImport } from './import-text.ts'
import type { PermissionContent } from './registry.ts'
import type { HeldRight } from './rights.ts'

export type { ImportMistake } from './import-text.ts'
export { CSV_COLUMNS } from './import-text.ts'

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

const permission = z.strictObject({
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
export const importSchema = z.strictObject({ permissions: z.array(permission).max(100_000) })

/** For editors and for those who write imports; the columns of the CSV stand beside it. */
export function importJsonSchema(): unknown {
  return {
    ...z.toJSONSchema(importSchema, { io: 'input' }),
    title: 'Permissions as `ecluse permission import` takes them',
    'x-csv-columns': CSV_COLUMNS,
  }
}

export interface Draft {
  readonly id: PermissionId
  readonly where: string
  readonly version: number
  readonly content: PermissionContent
  /** What was imported, canonical: the same again is no change. */
  readonly canonical: string
  readonly will: { readonly channel: string; readonly occurredAt: number; readonly role: string } | null
  readonly attachments: readonly { readonly kind: string; readonly file: string; readonly mediaType: string }[]
  /** What data holders have opened for it already. */
  readonly rights: readonly { readonly provider: ProviderId; readonly account: AccountId; readonly rights: readonly HeldRight[] }[]
  /** What data holders are to open for it. */
  readonly wanted: readonly {
    readonly provider: ProviderId
    readonly account: AccountId
    readonly direction: HeldRight['direction']
    readonly order: Json
  }[]
}
export type Parsed =
  | { readonly ok: true; readonly drafts: readonly Draft[] }
  | { readonly ok: false; readonly mistakes: readonly ImportMistake[] }

export interface ImportContext {
  readonly unverified: boolean
  readonly policy: Policy
  readonly clients: ReadonlyMap<string, string>
  readonly accounts: ReadonlySet<string>
}

/** @param text JSON, or CSV if its first character is not `{` */
export function parseImport(text: string, context: ImportContext): Parsed {
  const raw = readImport(text)
  const mistakes: ImportMistake[] = [...raw.mistakes]
  const seen = new Set<string>()
  const drafts = raw.permissions.flatMap((value, i) => {
    const say = (path: readonly PropertyKey[], message: string): void => void mistakes.push({ where: raw.place(i, path), message })
    const parsed = permission.safeParse(value)
    if (!parsed.success) {
      for (const { path, message } of parsed.error.issues) say(path, message)
      return []
    }
    const given = parsed.data
    if (seen.has(given.id)) say(['id'], `the id ${given.id} stands twice`)
    seen.add(given.id)
    check(given, context, say)
    return [draftOf(given, context.unverified, raw.place(i, []))]
  })
  return mistakes.length > 0 ? { ok: false, mistakes } : { ok: true, drafts }
}

type Given = z.output<typeof permission>

function check(given: Given, context: ImportContext, say: (path: readonly PropertyKey[], message: string) => void): void {
  if (given.valid_until <= given.valid_from) say(['valid_until'], 'a permission ends after it begins')
  const purpose = context.clients.get(given.client)
  if (purpose === undefined) say(['client'], `the settings declare no client ${given.client}`)
  for (const [i, l] of given.lines.entries()) {
    const at = ['lines', i]
    const row = context.policy.purposes.find((p) => p.code === l.purpose)
    if (!row) say(at, `the register has no purpose ${l.purpose}`)
    else {
      if (!row.kinds.includes(l.kind)) say(at, `the purpose ${l.purpose} does not allow ${l.kind}`)
      if (!row.grounds.includes(given.ground.gdpr_basis)) say(at, `the purpose ${l.purpose} does not rest on ${given.ground.gdpr_basis}`)
      if (l.finest !== undefined && isDated(l.kind) && !isAtLeast(l.finest, row.finest))
        say(at, `the purpose ${l.purpose} allows ${row.finest} at the finest`)
    }
    if (isDated(l.kind)) {
      if (l.from === undefined || l.until === undefined) say(at, `${l.kind} needs the days it opens: from and until`)
      else if (l.from >= l.until) say(at, 'the days end after they begin (until is excluded)')
      if (l.finest === undefined) say(at, `${l.kind} needs its finest step`)
      if (l.finest !== undefined && l.kind === 'load_curve' && minutesOf(l.finest) === undefined)
        say(at, 'a load curve has steps of minutes')
      if (l.finest !== undefined && l.kind !== 'load_curve' && l.kind !== 'infraday' && minutesOf(l.finest) !== undefined) {
        // Daily and finer data never share a line: the one never opens the other.
        say(at, `${l.kind} has steps of a day and longer`)
      }
      if (l.direction === 'n_a') say(at, `${l.kind} is withdrawal or injection`)
    } else if (l.from !== undefined || l.until !== undefined) say(at, `${l.kind} has no days`)
  }
  for (const [i, b] of given.bindings.entries()) {
    if (!context.accounts.has(`${b.provider}/${b.account}`))
      say(['bindings', i], `the settings have no account ${b.account} at ${b.provider}`)
  }
  const isGas = given.meter.startsWith('pce:')
  for (const [i, { provider, declare, order }] of given.bindings.entries()) {
    if (declare && provider !== 'grdf-adict') say(['bindings', i, 'declare'], 'a right is declared at GRDF; at SGE a service is ordered')
    if (order && provider !== 'enedis-sge') say(['bindings', i, 'order'], 'a service is ordered at SGE; at GRDF a right is declared')
    if ((declare || order) && given.holder.name === undefined)
      say(['holder', 'name'], 'the data holder is told the name of the person or body: holder.name')
    if (declare && declare.email === undefined && given.ground.sector_release !== 'holder_itself')
      say(['bindings', i, 'declare', 'email'], 'GRDF asks the holder by mail: email')
  }
  const ORDERED = ['load_curve', 'index', 'max_power', 'daily_energy']
  for (const [i, { order }] of given.bindings.entries()) {
    if (order && !given.lines.some(({ kind }) => ORDERED.includes(kind)))
      say(['bindings', i, 'order'], `a service is for measures: a line of ${ORDERED.join(', ')}`)
  }
  for (const [i, { provider, rights = [] }] of given.bindings.entries()) {
    // Data Connect has shares, which people themselves end on its pages; SGE and GRDF are told.
    const fits = provider === 'grdf-adict' ? /^[0-9a-f-]{36}$/ : provider === 'enedis-sge' ? /^[0-9]{1,15}$/ : undefined
    if (rights.some(({ ref }) => !fits?.test(ref)))
      say(['bindings', i, 'rights'], `${provider} has no rights of this form: serviceSouscritId at SGE, id_droit_acces at GRDF`)
  }
  if (given.bindings.some((b) => (b.provider === 'grdf-adict') !== isGas))
    say(['bindings'], 'a gas meter is read at GRDF, an electricity meter at Enedis')
  if (given.mandate) return checkMandate(given, say)
  if (context.unverified) return
  if (!given.notice) say(['notice'], 'what the person was shown is missing: notice with id, version, sha256 and language')
  if (!given.will) say(['will'], 'the act of will is missing: who agreed, when, by which channel')
  if (!given.identity) say(['identity'], 'how the person was identified is missing')
  else if (given.identity.strength < 'S2' && given.holder.kind === 'natural')
    say(['identity'], 'a household needs an identity of strength S2 or S3')
  if (!given.holder_match) say(['holder_match'], 'how the person was matched with the contract of the meter is missing')
  else if (given.holder_match.result === 'failed' || given.holder_match.result === 'not_done')
    say(['holder_match'], 'the person is not matched with the contract of the meter')
  if (given.attachments.length === 0) say(['attachments'], 'no document proves this permission')
}

/** What proves it is not there yet, and comes by its own way. */
function checkMandate(given: Given, say: (path: readonly PropertyKey[], message: string) => void): void {
  for (const name of ['notice', 'will', 'identity', 'holder_match'] as const)
    if (given[name]) say([name], `a mandate is signed first: ${name} is not known yet`)
  if (given.attachments.length > 0) say(['attachments'], 'a mandate is signed first: its documents are handed in later')
  if (given.holder.name === undefined) say(['holder', 'name'], 'the form names who signs it: holder.name')
  if (given.bindings.some(({ provider, rights }) => provider !== 'enedis-sge' || rights))
    say(['bindings'], 'a mandate is for SGE, where nothing is open yet: GRDF asks the holder itself, Data Connect on its own page')
}

function draftOf(given: Given, unverified: boolean, where: string): Draft {
  const lines: ScopeLine[] = given.lines.map((l, i) => ({
    id: `l${i + 1}` as LineId,
    kind: l.kind,
    direction: l.direction,
    finest: l.finest ?? 'TOTAL',
    coarser: l.coarser,
    purpose: l.purpose as PurposeCode,
    data: l.from !== undefined && l.until !== undefined ? (period(l.from, l.until) ?? null) : null,
    recurrence: l.recurrence,
  }))
  const { ground, notice, will } = given
  return {
    id: given.id as PermissionId,
    where,
    version: given.version,
    content: {
      meter: given.meter,
      holder: {
        kind: given.holder.kind,
        reference: given.holder.reference,
        ...(given.holder.name !== undefined && { name: given.holder.name }),
      },
      scope: {
        recipient: given.client as ClientId,
        ground: {
          gdprBasis: ground.gdpr_basis,
          sectorRelease: ground.sector_release,
          ...(ground.legal_reference !== undefined && { legalReference: ground.legal_reference }),
          ...(ground.contract_ref !== undefined && { contractRef: ground.contract_ref }),
        },
        validFrom: given.valid_from,
        validUntil: given.valid_until,
        lines,
      },
      bindings: given.bindings.map((b) => ({
        provider: b.provider,
        account: b.account as AccountId,
        ready: true,
        ...(b.rights && { opened: true as const }),
      })),
      notice: notice ?? { id: 'none', version: '0', sha256: '', language: 'fr' },
      identity: given.identity ?? { method: 'declared_only', strength: 'S0' },
      holderMatch: given.holder_match ?? { method: 'declared', result: 'not_done' },
      bundleId: given.bundle ?? given.id,
      arrangementId: given.arrangement ?? given.id,
      // What a mandate lacks is not missing: it is checked when it comes back.
      unverified: unverified && !given.mandate,
      ...(given.mandate && { mandate: true as const }),
    },
    // The same content is another permission where it was not verified.
    canonical: canonicalJson({ ...given, unverified } as unknown as Json),
    will: will ? { channel: will.channel, occurredAt: will.occurred_at, role: will.role } : null,
    rights: given.bindings.flatMap(({ provider, account, rights }) =>
      rights ? [{ provider, account: account as AccountId, rights }] : [],
    ),
    wanted: given.bindings.flatMap((binding) => wantedBy(given, lines, binding)),
    attachments: given.attachments.map((a) => ({ kind: a.kind, file: a.file, mediaType: a.media_type })),
  }
}

/** One order for each direction: a data holder opens one at a time. */
function wantedBy(
  given: Given,
  lines: readonly ScopeLine[],
  { provider, account, declare, order }: Given['bindings'][number],
): Draft['wanted'] {
  if (!declare && !order) return []
  // SGE ends a service with a day; GRDF's right has its last one, whole or begun.
  const last = provider === 'enedis-sge' ? addDays(parisDay(given.valid_until), -1) : parisDay((given.valid_until - 1) as Millis)
  return (['withdrawal', 'injection'] as const).flatMap((direction) => {
    const own = lines.filter((line) => line.direction === direction || line.direction === 'n_a')
    if (!own.some((line) => line.direction === direction)) return []
    const days = own.flatMap(({ data }) => data ?? [])
    const data =
      days.length === 0
        ? null
        : {
            from: days.map((d) => d.from).toSorted()[0] ?? last,
            last: addDays(
              days
                .map((d) => d.until)
                .toSorted()
                .at(-1) ?? last,
              -1,
            ),
          }
    const about = {
      holder: { kind: given.holder.kind, name: given.holder.name ?? '' },
      itself: given.ground.sector_release === 'holder_itself',
      lastDay: last,
      data,
      kinds: [...new Set(own.map(({ kind }) => kind))],
    }
    return [{ provider, account: account as AccountId, direction, order: { ...about, ...declare } as unknown as Json }]
  })
}
