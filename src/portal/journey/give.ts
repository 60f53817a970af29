/**
 * From what came back to what is on record: asks the data holder, verifies, and has the permissions put on record in
 * one transaction. Where the holder has no word yet the journey waits; where it has none in time, nothing is given.
 */
import { createHash, randomUUID } from 'node:crypto'
import type { Json } from '../../domain/canonical.ts'
import { canonicalHash, canonicalJson } from '../../domain/canonical.ts'
import type { UsagePointId } from '../../domain/meter.ts'
import type { AccountId, ClientId, PermissionId } from '../../domain/permission.ts'
import type { Day, Millis } from '../../domain/time.ts'
import { parisDay } from '../../domain/time.ts'
import type { NewAttachment } from '../../permissions/attachments.ts'
import type { Given, GiveArgs, Share } from '../../permissions/consent.ts'
import type { PermissionContent, PermissionRecord } from '../../permissions/record.ts'
import type { PortalParts } from '../ports.ts'
import type { Callback } from './callback.ts'
import type { GrantedClient } from './granted.ts'
import { grantedOf } from './granted.ts'
import type { AskedLine, FailedBecause, Journey, JourneyEnd } from './journey.ts'
import { endOf } from './journey.ts'
import { RECEIPT_TYPE, receiptOf } from './receipt.ts'
import type { VerifiedMeter } from './verify.ts'
import { verify } from './verify.ts'

export type Settled =
  /** No word yet: ask again in a few seconds. */
  | { readonly is: 'waiting' }
  /** Several meters came back: the person says which. */
  | { readonly is: 'choose'; readonly meters: readonly VerifiedMeter[] }
  | { readonly is: 'ended'; readonly end: JourneyEnd }
  /** A sign-in: who holds these meters may see these permissions. */
  | { readonly is: 'signed_in'; readonly permissions: readonly PermissionId[]; readonly claim: string }

/** Right after the callback the list may still be empty: as long as this it is asked again. */
const PATIENCE_MS = 60_000

const failed = (why: FailedBecause): Settled => ({ is: 'ended', end: { is: 'failed', why } })

/**
 * @param picked meters that the person chose among several; undefined where it was not asked
 * @param mine what the same browser has claimed before
 */
export async function settle(
  parts: PortalParts,
  journey: Journey,
  picked: readonly string[] | undefined,
  mine: readonly string[],
): Promise<Settled> {
  const { back, sent, chosen } = journey
  if (!back || !sent) return failed('malformed')
  const { account } = parts.settings
  const claimed: Extract<Callback, { is: 'authorisation' | 'meters' }> = back
  const question = claimed.is === 'authorisation' ? { authorisation: claimed.authorisation } : { meters: claimed.meters }
  const why = journey.origin.is === 'sign_in' ? 'sign_in' : 'journey'
  const answered = await parts.shares(account, question, why, AbortSignal.timeout(20_000))
  const late = parts.now() - back.at > PATIENCE_MS
  if (answered.is === 'unknown') return late ? failed('holder_failed') : { is: 'waiting' }
  const verified = verify(claimed, answered.is === 'shares' ? answered.services : [], parisDay(sent.at))
  if (verified.is === 'foreign') return failed('foreign')
  if (verified.is === 'nothing') return late ? failed('nothing_shared') : { is: 'waiting' }
  // Of meters that the browser named each must be free: one that somebody else has taken is not passed over in silence.
  const fresh = claimed.is === 'meters' ? verified.meters : await unclaimed(parts, account, verified.meters)
  if (why === 'sign_in') return signIn(parts, journey, fresh, mine)
  if (!chosen) return failed('malformed')
  const meters = fresh.length === 1 ? fresh : fresh.filter((m) => picked?.includes(m.meter))
  return meters.length === 0 ? { is: 'choose', meters: fresh } : give(parts, journey, meters, mine)
}

/**
 * Enedis numbers what one person shares with one application once: a second meter comes back with the first beside it,
 * which was claimed before. Where nothing but claimed ones came back all stay, for the claim to be refused.
 */
async function unclaimed(parts: PortalParts, account: AccountId, meters: readonly VerifiedMeter[]): Promise<readonly VerifiedMeter[]> {
  const shares = meters.map((meter) => shareOf(account, meter, parisDay(parts.now())))
  const free = await parts.state.call<readonly Share[]>('unclaimedShares', { shares })
  const left = meters.filter((m) => free.some((share) => share.meter === m.meter))
  return left.length === 0 ? meters : left
}

/** A share that the data holder dates ahead can have been claimed since today at the earliest, not only since then. */
function shareOf(account: AccountId, { meter, authorisation, from }: VerifiedMeter, today: Day): Share {
  return { account, authorisation, meter, from: from < today ? from : today }
}

/** Names what a journey gives, the same each time that it is tried, and tells nobody the journey's id. */
function bundleOf(journey: Journey): string {
  return `bdl-${sha256(`bundle ${journey.id}`).slice(0, 32)}`
}

async function signIn(parts: PortalParts, journey: Journey, meters: readonly VerifiedMeter[], mine: readonly string[]): Promise<Settled> {
  const shares = meters.map((meter) => shareOf(parts.settings.account, meter, parisDay(parts.now())))
  const bundle = `sign-in ${bundleOf(journey)}`
  const claim = await parts.state.call<Given>('claimShare', {
    bundle,
    shares,
    mine,
    now: parts.now(),
  })
  if (claim.is === 'claimed') return failed('claimed')
  return { is: 'signed_in', claim: bundle, permissions: await parts.state.call<readonly PermissionId[]>('heldBy', { shares }) }
}

async function give(parts: PortalParts, journey: Journey, meters: readonly VerifiedMeter[], mine: readonly string[]): Promise<Settled> {
  const { chosen, sent, back } = journey
  if (!chosen || !sent || !back) return failed('malformed')
  const asking = journey.client === null ? undefined : parts.clients().get(journey.client)
  if (!asking?.ask || asking.disabled) return failed('gone')
  const now = parts.now()
  const today = parisDay(now)
  const lines = journey.lines.filter((line) => chosen.lines.includes(line.id))
  const bundle = bundleOf(journey)
  const permissions = meters.flatMap((meter) =>
    grantedOf(lines, meter, today, endOf(today, journey.duration)).clients.flatMap((granted) =>
      onePermission(parts, journey, { bundle, meter, granted, lines, now }),
    ),
  )
  if (permissions.length === 0) return failed('nothing_asked_shared')
  const result = await given(parts, {
    bundle,
    permissions,
    shares: meters.map((meter) => shareOf(parts.settings.account, meter, today)),
    times: { shown: chosen.page.at, chosen: chosen.at, sent: sent.at, back: back.at },
    journeyMs: parts.settings.journeyMinutes * 60_000,
    mine,
    now,
  })
  if (result === 'refused') return failed('restricted')
  await parts.onActs(result.acts)
  if (result.is === 'claimed') {
    parts.log.error(
      'a share was claimed by two browsers: what the first was given is suspended, see the permissions with cause holder_doubt',
    )
    return failed('claimed')
  }
  return { is: 'ended', end: await endGiven(parts, bundle, result.before ?? permissions.map((p) => p.id)) }
}

/** The registry says no where the person asked that nothing more be done, or is being erased. */
async function given(parts: PortalParts, args: GiveArgs): Promise<Given | 'refused'> {
  try {
    return await parts.state.call<Given>('giveConsent', args)
  } catch (error) {
    if (error instanceof Error && 'fault' in error && error.fault === 'refused') return 'refused'
    throw error
  }
}

/** From what is on record: where the answer of an earlier try was lost, that try's permissions count. */
async function endGiven(parts: PortalParts, bundle: string, permissions: readonly PermissionId[]): Promise<JourneyEnd> {
  const records = await Promise.all(permissions.map((permission) => parts.state.call<PermissionRecord>('showPermission', { permission })))
  const contents = records.flatMap(({ content }) => content ?? [])
  return {
    is: 'given',
    bundle,
    permissions,
    meters: [...new Set(contents.map(({ meter }) => meter as UsagePointId))],
    authorisation: contents[0]?.share?.authorisation ?? '',
    until: Math.min(...contents.map(({ scope }) => scope.validUntil)) as Millis,
  }
}

interface One {
  readonly bundle: string
  readonly meter: VerifiedMeter
  readonly granted: GrantedClient
  readonly lines: readonly AskedLine[]
  readonly now: Millis
}

function onePermission(parts: PortalParts, journey: Journey, one: One): GiveArgs['permissions'] {
  const { settings } = parts
  const client = journey.client === null ? undefined : parts.clients().get(journey.client)
  const served = parts.clients().get(one.granted.client)
  const { chosen, back } = journey
  if (!client?.ask || !served || served.disabled || !chosen || !back) return []
  const id = randomUUID() as PermissionId
  const content = contentOf(parts, journey, one, client.ask.ground)
  const receipt = receiptOf({
    id,
    content,
    client: { ...client, id: served.id, name: served.name },
    purposes: parts.purposes(),
    operator: settings,
    times: { chosen: chosen.at, back: back.at },
    scopeHash: canonicalHash(content.scope as unknown as Json),
  })
  return [{ id, content, attachments: [capture(journey), trace(journey, one), text('receipt', RECEIPT_TYPE, receipt)] }]
}

function contentOf(parts: PortalParts, journey: Journey, one: One, basis: 'consent' | 'contract'): PermissionContent {
  const { meter, granted, now, bundle } = one
  const { account } = parts.settings
  const contract = journey.client === null ? undefined : parts.clients().get(journey.client)?.ask?.contract
  return {
    meter: meter.meter,
    holder: { kind: 'natural', reference: `enedis:${account}:${meter.authorisation}` },
    scope: {
      recipient: granted.client,
      ground: {
        gdprBasis: basis,
        sectorRelease: 'express_authorisation',
        legalReference: 'Code de l’énergie R. 111-27',
        ...(contract !== undefined && { contractRef: contract }),
      },
      validFrom: now,
      validUntil: granted.validUntil,
      lines: granted.lines,
    },
    bindings: [{ provider: 'enedis-data-connect', account, ready: true }],
    notice: {
      id: `${journey.client ?? ''}/ask`,
      version: journey.notice,
      sha256: sha256(journey.chosen?.page.page ?? ''),
      language: journey.chosen?.page.language ?? journey.language,
    },
    identity: { method: 'dso_account', strength: 'S3' },
    holderMatch: { method: 'dso_asserted', result: 'exact' },
    bundleId: bundle,
    arrangementId: bundle,
    unverified: false,
    share: {
      authorisation: meter.authorisation,
      services: meter.services.map((s) => s.id),
      from: meter.from,
      until: meter.services.map((s) => s.until).toSorted()[0] ?? meter.from,
    },
  }
}

/** The page as the person saw it, but for the secret of its form. */
function capture(journey: Journey): NewAttachment {
  return text('ui_capture', 'text/html', journey.chosen?.page.page ?? '')
}

/** What the data holder's page and its list said, and when: proof that the holder of the account agreed there. */
function trace(journey: Journey, { meter, lines }: One): NewAttachment {
  const { sent, back, chosen } = journey
  const said = {
    generation: back?.is === 'authorisation' ? 'v2' : 'v1',
    duration: journey.duration,
    stateSha256: sha256(sent?.state ?? ''),
    chosenAt: chosen?.at ?? null,
    sentAt: sent?.at ?? null,
    backAt: back?.at ?? null,
    ticked: lines.map(({ id, client, kind, direction, finest }) => ({ id, client, kind, direction, finest })),
    callback: back?.is === 'authorisation' ? { authorisation: back.authorisation } : { meters: back?.meters ?? [] },
    services: meter.services,
  }
  return text('dso_redirect_trace', 'application/json', canonicalJson(said as unknown as Json))
}

function text(kind: string, mediaType: string, content: string): NewAttachment {
  return { kind, mediaType, bytes: Buffer.from(content) }
}

function sha256(content: string): string {
  return createHash('sha256').update(content).digest('hex')
}

/** The permissions of a bundle that are one client's own. */
export async function permissionsOf(parts: PortalParts, bundle: string, client: ClientId): Promise<readonly PermissionId[]> {
  const ids = await parts.state.call<readonly PermissionId[]>('bundle', { bundle })
  const records = await Promise.all(
    ids.map((permission) => parts.state.call<{ id: PermissionId; client: string }>('showPermission', { permission })),
  )
  return records.filter((record) => record.client === client).map((record) => record.id)
}
