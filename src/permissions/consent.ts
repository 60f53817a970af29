/**
 * Permissions that a person gives in a browser: create → request → send → give → activate, each an act and a log entry,
 * in one transaction with the claim of what the data holder said is shared. Nothing of it is on record unless all is.
 *
 * **A share is claimed once.** The id of a share comes through the browser, and another person's could be put in its
 * place. The data holder says that it exists and since when; that nobody has claimed it since is known here alone. Where
 * two journeys claim the same share within the time that a journey takes, one of the two is not its owner's, and which
 * is not known: what the first was given is suspended, the second is given nothing. Not so where the browser of the second
 * is the one that the first signed in: whoever lost a token, or wants a second service, gives again on the same day.
 */
import type { Database } from '../storage/database.ts'
import type { MeterId } from '../domain/meter.ts'
import type { AccountId, ClientId, PermissionId, ScopeLine } from '../domain/permission.ts'
import type { Day, Millis } from '../domain/time.ts'
import { parisDay, startOfDay } from '../domain/time.ts'
import type { Journal } from '../storage/journal.ts'
import { indexToken } from '../storage/keys.ts'
import type { Attachments, NewAttachment } from './attachments.ts'
import type { ActDetails, ActResult, PermissionContent } from './record.ts'
import type { Registry } from './registry.ts'

export interface Share {
  readonly account: AccountId
  readonly authorisation: string
  readonly meter: MeterId
  /** Paris day on which the data holder says that it began. */
  readonly from: Day
}
export interface GiveArgs {
  /** The same each time that the same journey tries: a gate that stops between giving and saying so gives once. */
  readonly bundle: string
  readonly permissions: readonly {
    readonly id: PermissionId
    readonly content: PermissionContent
    readonly attachments: readonly NewAttachment[]
  }[]
  readonly shares: readonly Share[]
  /** When each step happened, as the gate saw it. */
  readonly times: { readonly shown: Millis; readonly chosen: Millis; readonly sent: Millis; readonly back: Millis }
  /** Within it, a second claim of a share puts the first in doubt. */
  readonly journeyMs: number
  /** Bundles for which the same browser claimed before: its own claims are not another's. */
  readonly mine?: readonly string[]
  readonly now: Millis
}
export type Given =
  | {
      readonly is: 'given'
      readonly acts: readonly ActResult[]
      /** What was given before under this very bundle: the answer to it was lost, and it is not given twice. */
      readonly before?: readonly PermissionId[]
    }
  /** Somebody has claimed the share already. `acts`: what was suspended for it. */
  | { readonly is: 'claimed'; readonly acts: readonly ActResult[] }

export interface ClientShare {
  readonly meter: MeterId
  readonly authorisation: string
  readonly inForce: boolean
  readonly lines: readonly ScopeLine[]
  readonly from: Day
  /** The last day. */
  readonly until: Day
}

export interface Consent {
  give(args: GiveArgs): Given
  /** Claims a share for a look at the person's page: who proves to hold a meter today. */
  claim(args: Pick<GiveArgs, 'bundle' | 'shares' | 'mine' | 'now'>): Given
  /** A person said no, here or on the data holder's page: on record, with nothing of the person, as proof that nothing was taken. */
  refused(args: { readonly client: ClientId; readonly by: 'person' | 'holder'; readonly notice: string; readonly now: Millis }): {
    readonly n: number
  }
  /** Of these shares those that nobody has claimed since they began. */
  unclaimed(args: { readonly shares: readonly Share[] }): readonly Share[]
  /** Permissions of a bundle. */
  bundle(args: { readonly bundle: string }): readonly PermissionId[]
  /** Permissions that whoever holds these shares may see: given by the same holder, or in force on the meter now. */
  heldBy(args: { readonly shares: readonly Share[] }): readonly PermissionId[]
  /** Permissions of one client that were given in a journey: by the share that they rest on, or by meter. */
  ofClient(args: {
    readonly client: ClientId
    readonly about: { readonly authorisation: string } | { readonly meters: readonly MeterId[] }
    readonly set: 'all' | readonly PermissionId[]
  }): readonly ClientShare[]
  linkIdentity(args: { readonly identity: string; readonly permissions: readonly PermissionId[] }): void
  ofIdentity(args: { readonly identity: string }): readonly PermissionId[]
}

const WEB = 'web'

/** How the holder of a share is named in the registry: the same for as long as the data holder sees the same person. */
export function holderReference(account: AccountId, authorisation: string): string {
  return `enedis:${account}:${authorisation}`
}

export function consentOn(db: Database, registry: Registry, attachments: Attachments, journal: Journal, index: Uint8Array): Consent {
  const sql = {
    claims: db.prepare('SELECT bundle, claimed_at FROM share WHERE account = ? AND authorisation = ? AND meter = ? AND claimed_at >= ?'),
    claim: db.prepare(
      'INSERT INTO share (account, authorisation, meter, bundle, claimed_at) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING',
    ),
    join: db.prepare('INSERT INTO bundle (id, permission) VALUES (?, ?)'),
    byShare: db.prepare(
      'SELECT DISTINCT b.permission FROM share s JOIN bundle b ON b.id = s.bundle WHERE s.authorisation = ? ORDER BY b.permission',
    ),
    bundle: db.prepare('SELECT permission FROM bundle WHERE id = ? ORDER BY permission'),
    active: db.prepare("SELECT status FROM permission WHERE id = ? AND status = 'active'"),
    link: db.prepare('INSERT INTO identity_link (identity, permission) VALUES (?, ?) ON CONFLICT DO NOTHING'),
    linked: db.prepare('SELECT permission FROM identity_link WHERE identity = ? ORDER BY permission'),
  }
  const shareToken = (authorisation: string): Buffer => indexToken(index, 'enedis', 'authorisation', authorisation)
  const identityToken = (identity: string): Buffer => indexToken(index, 'ecluse', 'identity', identity)
  const idsOf = (rows: readonly Record<string, unknown>[]): readonly PermissionId[] => rows.map((row) => row['permission'] as PermissionId)

  const claimsOf = ({ account, authorisation, meter, from }: Share): readonly Record<string, unknown>[] =>
    sql.claims.all(account, shareToken(authorisation), registry.meterToken(meter), startOfDay(from))
  /** Claims of others than this journey and this browser. */
  function othersOf(share: Share, bundle: string, mine: readonly string[]): readonly Record<string, unknown>[] {
    return claimsOf(share).filter((row) => row['bundle'] !== bundle && !mine.includes(String(row['bundle'])))
  }
  /** Undefined where nobody else has claimed any of them since they began. */
  function taken({ bundle, shares, journeyMs, mine = [], now }: GiveArgs): Given | undefined {
    const others = (share: Share) => othersOf(share, bundle, mine)
    const contested = shares.filter((share) => others(share).length > 0)
    if (contested.length === 0) return undefined
    const earlier = contested.flatMap(others)
    // On record for good: from now on the share is not its first claimant's alone, whatever that one ends and gives again.
    claimAll(bundle, contested, now)
    const details: ActDetails = { actorRole: 'gate', channel: WEB, cause: 'holder_doubt', reason: 'share_claimed_twice' }
    const doubtful = earlier
      .filter((row) => Number(row['claimed_at']) > now - journeyMs)
      .flatMap((row) => idsOf(sql.bundle.all(String(row['bundle']))))
    // Several of the shares may have been claimed together.
    const acts = [...new Set(doubtful)]
      .filter((id) => sql.active.get(id) !== undefined)
      .map((permission) => registry.act({ permission, type: 'suspend', details, now }))
    return { is: 'claimed', acts }
  }
  function claimAll(bundle: string, shares: readonly Share[], now: Millis): void {
    for (const { account, authorisation, meter } of shares)
      sql.claim.run(account, shareToken(authorisation), registry.meterToken(meter), bundle, now)
  }
  /** What the same person gave the same client before on this meter is replaced by what it gives now. */
  function replaced(content: PermissionContent, id: PermissionId, now: Millis): readonly ActResult[] {
    return registry
      .onMeter({ meter: content.meter })
      .filter((p) => p.id !== id && p.client === content.scope.recipient && (p.status === 'active' || p.status === 'suspended'))
      .filter((p) => p.content?.holder.reference === content.holder.reference)
      .map((p) =>
        registry.act({
          permission: p.id as PermissionId,
          type: 'superseded',
          details: { actorRole: 'contract_holder', channel: WEB, reason: 'given anew' },
          now,
        }),
      )
  }
  function giveOne({ id, content, attachments: files }: GiveArgs['permissions'][number], { times, now }: GiveArgs): readonly ActResult[] {
    const gate = (occurredAt: Millis): ActDetails => ({ actorRole: 'gate', channel: WEB, occurredAt })
    const person = (occurredAt: Millis, stored: readonly string[]): ActDetails => ({
      actorRole: 'contract_holder',
      channel: WEB,
      occurredAt,
      attachments: stored,
    })
    const keyId = registry.create(id, 1, content, '', gate(times.shown), now)
    const stored = [...new Set(files.map((file) => attachments.add(id, keyId, file)))]
    registry.act({ permission: id, type: 'request', details: gate(times.shown), now })
    registry.act({ permission: id, type: 'send', details: gate(times.sent), now })
    registry.act({ permission: id, type: 'give', details: person(times.chosen, stored), now })
    const active = registry.act({ permission: id, type: 'activate', details: { ...gate(times.back), attachments: stored }, now })
    return [...replaced(content, id, now), active]
  }

  return {
    give(args) {
      const before = idsOf(sql.bundle.all(args.bundle))
      if (before.length > 0) return { is: 'given', acts: [], before }
      const conflict = taken(args)
      if (conflict) return conflict
      const acts = args.permissions.flatMap((permission) => giveOne(permission, args))
      for (const { id } of args.permissions) sql.join.run(args.bundle, id)
      claimAll(args.bundle, args.shares, args.now)
      return { is: 'given', acts }
    },
    claim({ bundle, shares, mine = [], now }) {
      // Whoever only looks and comes second is told no more than that: the first may well be the same person elsewhere.
      if (shares.some((share) => othersOf(share, bundle, mine).length > 0)) return { is: 'claimed', acts: [] }
      claimAll(bundle, shares, now)
      return { is: 'given', acts: [] }
    },
    refused: ({ client, by, notice, now }) => ({ n: journal.append({ clear: { t: 'admin.refusal', client, by, notice } }, now).n }),
    unclaimed: ({ shares }) => shares.filter((share) => claimsOf(share).length === 0),
    bundle: ({ bundle }) => idsOf(sql.bundle.all(bundle)),
    heldBy({ shares }) {
      return shares.flatMap(({ account, authorisation, meter }) =>
        registry
          .onMeter({ meter })
          .filter((p) => p.content !== null)
          .filter(
            (p) =>
              p.content?.holder.reference === holderReference(account, authorisation) || p.status === 'active' || p.status === 'suspended',
          )
          .map((p) => p.id as PermissionId),
      )
    },
    ofClient({ client, about, set }) {
      const named =
        'authorisation' in about
          ? idsOf(sql.byShare.all(shareToken(about.authorisation)))
          : about.meters.flatMap((meter) => registry.views({ client, meter }).permissions.map((p) => p.id))
      return [...new Set(named)]
        .filter((id) => set === 'all' || set.includes(id))
        .flatMap((id): ClientShare[] => {
          const record = registry.show({ permission: id })
          const { content } = record
          if (record.client !== client || !content?.share) return []
          if (record.status !== 'active' && record.status !== 'ended') return []
          const { scope, meter, share } = content
          return [
            {
              meter,
              authorisation: share.authorisation,
              inForce: record.status === 'active',
              lines: scope.lines,
              from: parisDay(scope.validFrom),
              until: parisDay((scope.validUntil - 1) as Millis),
            },
          ]
        })
    },
    linkIdentity({ identity, permissions }) {
      for (const id of permissions) sql.link.run(identityToken(identity), id)
    },
    ofIdentity: ({ identity }) => idsOf(sql.linked.all(identityToken(identity))),
  }
}
