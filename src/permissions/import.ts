/**
 * Permissions as operators bring them: JSON (`{"permissions": […]}`) or CSV (one row a scope line) by one published
 * schema. Everything wrong is told at once, with its place. A permission that lacks what makes it provable (notice,
 * act of will, identity, holder match, a document) is refused, unless it is imported as unverified, which is recorded.
 *
 * Pure: the documents come with their bytes. Source: consent model, invariant I-13.
 */
import type { Json } from '../domain/canonical.ts'
import { canonicalJson } from '../domain/canonical.ts'
import type { AccountId, ClientId, LineId, PermissionId, PurposeCode, ScopeLine } from '../domain/permission.ts'
import type { Millis } from '../domain/time.ts'
import { addDays, parisDay, period } from '../domain/time.ts'
import type { ProviderId } from '../domain/vocabulary.ts'
import type { ImportContext } from './import-check.ts'
import { check } from './import-check.ts'
import type { Given } from './import-schema.ts'
import { permissionSchema } from './import-schema.ts'
import type { ImportMistake } from './import-text.ts'
import { readImport } from './import-text.ts'
import type { PermissionContent } from './record.ts'
import type { HeldRight } from './rights.ts'

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

/** @param text JSON, or CSV if its first character is not `{` */
export function parseImport(text: string, context: ImportContext): Parsed {
  const raw = readImport(text)
  const mistakes: ImportMistake[] = [...raw.mistakes]
  const seen = new Set<string>()
  const drafts = raw.permissions.flatMap((value, i) => {
    const say = (path: readonly PropertyKey[], message: string): void => void mistakes.push({ where: raw.place(i, path), message })
    const parsed = permissionSchema.safeParse(value)
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
