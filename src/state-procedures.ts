/**
 * What the thread that owns the state is asked for, by name: registry, tokens and evidence on one database. Each runs inside
 * a transaction of whoever runs it.
 */
import type { Policy } from './domain/policy.ts'
import { numberOf, positionOf } from './domain/position.ts'
import type { PermissionId } from './domain/permission.ts'
import type { Millis } from './domain/time.ts'
import type { AccessLog, OutcomeArgs, Settled } from './evidence/access.ts'
import { evidenceBrowseOn } from './evidence/browse.ts'
import { disclosuresOn } from './evidence/disclose.ts'
import type { Erasure } from './evidence/erase.ts'
import { erasureOn } from './evidence/erase.ts'
import { signNote } from './evidence/log/note.ts'
import { operatorKeyOn } from './evidence/operator-key.ts'
import type { OwnCalls } from './evidence/own-calls.ts'
import { ownCallsOn } from './evidence/own-calls.ts'
import { packText } from './evidence/pack/manifest.ts'
import { personEvidenceOn } from './evidence/person.ts'
import type { AdmitArgs, Admitted, CheckedImport } from './permissions/admit.ts'
import { admit } from './permissions/admit.ts'
import { answerStoreOn } from './permissions/answer-store.ts'
import { attachmentsOn } from './permissions/attachments.ts'
import { browseOn } from './permissions/browse.ts'
import { clientRightsOn } from './permissions/client-rights.ts'
import { consentOn } from './permissions/consent.ts'
import { doubtsOn } from './permissions/doubts.ts'
import { parseImport } from './permissions/import.ts'
import { linksOn } from './permissions/links.ts'
import { mandatesOn } from './permissions/mandates.ts'
import { reconciliationOn } from './permissions/reconcile.ts'
import type { ActResult } from './permissions/record.ts'
import type { Registry } from './permissions/registry.ts'
import { registryOn } from './permissions/registry.ts'
import { rightActsOn } from './permissions/right-acts.ts'
import { rightsOn } from './permissions/rights.ts'
import { ticketsOn } from './permissions/tickets.ts'
import { tokensOn } from './permissions/tokens.ts'
import type { OwnLogs } from './state-logs.ts'
import { signerFor } from './state-logs.ts'
import type { Store } from './storage/database.ts'
import type { Journal } from './storage/journal.ts'
import type { KeyStore } from './storage/keys.ts'
import type { Logs } from './storage/logs.ts'
import type { Procedures } from './storage/rpc.ts'
import { Refused } from './storage/rpc.ts'
import { subjectsOn } from './subjects.ts'

export interface StateParts {
  readonly store: Store
  readonly keys: KeyStore
  readonly logs: Logs
  readonly journal: Journal
  readonly access: AccessLog
  readonly own: OwnLogs
  /** The instance's: what signs its logs, what wraps its keys, with what its meters are found. */
  readonly secrets: { readonly signing: Uint8Array; readonly master: Uint8Array; readonly index: Uint8Array }
  readonly tokenOfPermission: (id: string) => string
}

export interface StateProcedures {
  readonly procedures: Procedures
  readonly registry: Registry
  readonly ownCalls: OwnCalls
  readonly erasure: Erasure
  /** What an outcome on record brings about: rights learned of, and permissions that are fulfilled by it. */
  afterOutcome(args: OutcomeArgs, settled: Settled): readonly ActResult[]
}

interface CheckImportArgs {
  readonly text: string
  readonly context: {
    readonly unverified: boolean
    readonly policy: Policy
    readonly clients: readonly [string, string][]
    readonly accounts: readonly string[]
  }
  /** Bytes of the documents, by the name that the import gives them. */
  readonly documents: Readonly<Record<string, Uint8Array>>
  readonly now: Millis
}

export function proceduresOn({ store, keys, logs, journal, access, own, secrets, tokenOfPermission }: StateParts): StateProcedures {
  const { db } = store
  const operatorKey = operatorKeyOn(db, keys)
  const rights = rightsOn(db, journal, keys, secrets.index, operatorKey)
  const registry = registryOn(db, journal, keys, secrets.index, rights)
  const kept = answerStoreOn(db, keys)
  const tokens = tokensOn(db, journal, keys)
  const tickets = ticketsOn(db, secrets.master, secrets.index)
  const attachments = attachmentsOn(db, keys, store.documents, secrets.index)
  const consent = consentOn(db, registry, attachments, journal, secrets.index)
  const ownCalls = ownCallsOn(db, journal, operatorKey, tokenOfPermission)
  const reconciliation = reconciliationOn(db, registry, journal, operatorKey)
  const rightActs = rightActsOn(registry, rights, attachments, journal, operatorKey)
  const clientRights = clientRightsOn(db, registry, rights, journal, operatorKey)
  const erasure = erasureOn(store, journal, keys, tokenOfPermission)
  const subjects = subjectsOn(db, registry, erasure)
  const disclosures = disclosuresOn(db, journal, logs, keys, secrets.index)
  const doubts = doubtsOn(db, registry)
  const browse = browseOn(db, registry, tokens)
  const entries = evidenceBrowseOn(db, logs.nameOf)
  const person = personEvidenceOn(db, journal, logs, keys, secrets.index)
  const mandates = mandatesOn(db, registry, attachments, rights)
  const links = linksOn(db, journal, registry, tickets, secrets.index)
  const active = db.prepare("SELECT id FROM permission WHERE status = 'active' ORDER BY id LIMIT ?")
  const statusOf = db.prepare('SELECT status FROM permission WHERE id = ?')
  const disabledOf = db.prepare('SELECT disabled FROM client WHERE id = ?')
  const lastEntry = db.prepare('SELECT max(n) AS last FROM entry WHERE n >= ? AND n < ?')
  const keepPolicy = db.prepare('INSERT INTO policy (hash, body, at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING')
  /** Policies put on record since the start, the latest last: another log names them again. */
  const policies: string[] = []

  function afterOutcome(args: OutcomeArgs, { permission, counted }: Settled): readonly ActResult[] {
    if (args.delivered && args.asked) doubts.answered(permission)
    if (args.opened) {
      const { refs, direction, ...where } = args.opened
      rights.learned({ ...where, rights: refs.map((ref) => ({ ref, direction })), now: args.now })
    }
    return counted.flatMap((id) => registry.fulfil({ permission: id, now: args.now }) ?? [])
  }

  /** Of a key as `gateway/under-way.ts` makes it. */
  function isInForce(key: string): boolean {
    const [kind, value] = [key.slice(0, 2), key.slice(2)]
    if (kind === 'p:') return statusOf.get(value)?.['status'] === 'active'
    if (kind === 't:') return tokens.identify({ hash: Buffer.from(value, 'base64') })?.disabled === false
    return kind !== 'c:' || disabledOf.get(value)?.['disabled'] === 0
  }

  const procedures = {
    identify: tokens.identify,
    views: registry.views,
    keptDays: kept.find,
    keepDays: kept.keep,
    sweepDays: kept.sweep,
    intent: access.intent,
    outcome: (args: OutcomeArgs) => {
      const settled = access.outcome(args)
      return { entry: settled.entry, fulfilled: afterOutcome(args, settled) }
    },
    refused: access.refused,
    ownIntent: ownCalls.intent,
    ownOutcome: ownCalls.outcome,
    exchange: tokens.exchange,
    checkSecret: tokens.checkSecret,
    recordToken: tokens.record,
    endToken: tokens.end,
    endTokensOf: tokens.endOfCredential,
    syncClients: tokens.syncClients,
    addCredential: tokens.addCredential,
    issueToken: tokens.issue,
    listTokens: tokens.list,
    revokeToken: tokens.revoke,
    sweepTokens: tokens.sweep,
    browsePermissions: browse.permissions,
    browsePermission: browse.permission,
    actAt: browse.actAt,
    browseClients: browse.clients,
    credentialAt: browse.credentialAt,
    browseTokens: browse.tokens,
    latestEntries: entries.latest,
    oneEntry: entries.one,
    tallyEntries: entries.tally,
    takeRight: rights.take,
    rightSettled: rights.settle,
    rightCounts: rights.counts,
    rightOpened: rightActs.opened,
    rightRejected: rightActs.rejected,
    rightsOfClient: clientRights.of,
    stopRights: clientRights.stop,
    rightsStand: clientRights.stand,
    proofAsked: rights.proofAsked,
    proofsAwaited: rights.proofsAwaited,
    proofTaken: rightActs.proofTaken,
    compareGasRights: rightActs.compare,
    metersOfAccount: reconciliation.metersOf,
    compareShares: reconciliation.compare,
    lastReconciled: reconciliation.last,
    reconciled: reconciliation.done,
    giveConsent: consent.give,
    consentRefused: consent.refused,
    claimShare: consent.claim,
    unclaimedShares: consent.unclaimed,
    bundle: consent.bundle,
    heldBy: consent.heldBy,
    heldShares: consent.ofClient,
    linkIdentity: consent.linkIdentity,
    ofIdentity: consent.ofIdentity,
    personAccesses: person.accesses,
    personEntry: person.entry,
    personEntries: person.entries,
    personRecord: person.record,
    personOpen: person.open,
    personTrust: person.trust,
    linkMake: links.make,
    linkStands: links.stands,
    linkUse: links.use,
    identityLinked: links.linked,
    unlinkIdentities: links.unlink,
    issueMandate: mandates.issue,
    signMandate: mandates.sign,
    checkMandate: mandates.check,
    mandateElsewhere: mandates.elsewhere,
    timeOutMandates: mandates.timeOut,
    ticketPut: tickets.put,
    ticketGet: tickets.get,
    ticketFind: tickets.find,
    ticketConsume: tickets.consume,
    ticketTake: tickets.take,
    ticketDrop: tickets.drop,
    ticketDropGrant: tickets.dropGrant,
    ticketList: tickets.list,
    sweepTickets: tickets.sweep,
    act: registry.act,
    expire: registry.expire,
    listPermissions: registry.list,
    /** Of what is under way, by its keys, what nothing allows any more. */
    over: ({ keys: under }: { readonly keys: readonly string[] }) => under.filter((key) => !isInForce(key)),
    showPermission: registry.show,
    holderOf: registry.holderOf,
    holderRefused: doubts.refused,
    checkImport: ({ text, context, ...rest }: CheckImportArgs): CheckedImport => {
      const parsed = parseImport(text, { ...context, clients: new Map(context.clients), accounts: new Set(context.accounts) })
      if (!parsed.ok) return parsed
      const found = admit(registry, attachments, rights, { ...rest, drafts: parsed.drafts, dryRun: true })
      if (!found.ok) return found
      const fresh = new Set(found.created)
      return { ok: true, fresh: parsed.drafts.filter(({ id }) => fresh.has(id)), unchanged: found.unchanged }
    },
    importPermissions: (args: Omit<AdmitArgs, 'dryRun'>): Admitted => admit(registry, attachments, rights, { ...args, dryRun: false }),
    summary: (args: { readonly counts: Readonly<Record<string, number>>; readonly now: Millis }) =>
      journal.append({ clear: { t: 'access.summary', counts: args.counts } }, args.now).n,
    clock: (args: { readonly stepMs: number; readonly now: Millis }) =>
      journal.append({ clear: { t: 'log.clock', step: args.stepMs } }, args.now).n,
    policy: (args: { readonly hash: string; readonly body: string; readonly now: Millis }) => {
      keepPolicy.run(args.hash, args.body, args.now)
      policies.push(args.hash)
      return journal.append({ clear: { t: 'log.config', policy: args.hash } }, args.now).n
    },
    erase: subjects.erase,
    restrict: subjects.restrict,
    erasuresPending: () => erasure.pending(),
    logs: () =>
      logs.all().map(({ id, origin, vkey, closedAt }) => {
        const last = lastEntry.get(positionOf(id, 0), positionOf(id + 1, 0))?.['last'] ?? null
        return { id, origin, vkey, closedAt, current: id === own.current.id, size: last === null ? 0 : numberOf(Number(last)) + 1 }
      }),
    entryPosition: ({ name }: { readonly name: string }) => logs.positionOf(name.includes('/') ? name : `${own.current.origin}/${name}`),
    /** Goes on in the log of another year. False where that is the one written now. */
    turnLog: ({ origin, now }: { readonly origin: string; readonly now: Millis }) => {
      if (!own.turnTo(origin, now)) return false
      for (const policy of policies.slice(-2)) journal.append({ clear: { t: 'log.config', policy } }, now)
      return true
    },
    closeLogs: own.closeEnded,
    /** After a restore: what was in force may have been withdrawn since the copy. */
    suspendAll: ({ reason, most, now }: { readonly reason: string; readonly most: number; readonly now: Millis }) =>
      active.all(most).map((row) =>
        registry.act({
          permission: row['id'] as PermissionId,
          type: 'suspend',
          details: { actorRole: 'gate', channel: 'restore', cause: 'holder_doubt', reason },
          now,
        }),
      ).length,
    noteLogs: own.noteOthers,
    showLog: own.show,
    recordReading: disclosures.record,
    disclose: disclosures.open,
    tagKeys: disclosures.tagKeys,
    exportRows: disclosures.entries,
    policies: () =>
      db
        .prepare('SELECT hash, body FROM policy ORDER BY at')
        .all()
        .map((row) => ({ hash: String(row['hash']), body: String(row['body']) })),
    readAttachment: (args: { readonly permission: string; readonly sha256: string }) => attachments.read(args.permission, args.sha256),
    // The log's key signs nothing whose form is a caller's choice: a checkpoint could be among it.
    signPack: (args: { readonly log: number; readonly id: string; readonly manifest: string }) => {
      const log = logs.all().find(({ id }) => id === args.log)
      if (!log) throw new Refused(`there is no log ${args.log}`)
      return signNote(packText(log.origin, args.id, args.manifest), [signerFor(secrets.signing, log.origin, log.vkey)])
    },
    /** When the oldest row was written that waits to be sealed. */
    oldestRow: () => {
      const row = db.prepare('SELECT at FROM journal ORDER BY n LIMIT 1').get()
      return row ? Number(row['at']) : null
    },
    expiring: (args: { readonly before: Millis }) =>
      Number(db.prepare("SELECT count(*) AS n FROM permission WHERE status = 'active' AND valid_until < ?").get(args.before)?.['n'] ?? 0),
  } satisfies Procedures
  return { procedures, registry, ownCalls, erasure, afterOutcome }
}
