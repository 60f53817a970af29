/**
 * Composition root of the thread that owns the state folder. Registry, tokens and evidence live on one connection, so
 * that an act, an intent and its checks share one order. Everything slow that no request waits for (sealing, tiles,
 * checkpoints, erasure) runs here too, between batches.
 *
 * On the first error of a commit, a file or an fsync it reports and does nothing more: the process ends, and the next
 * start recovers from what is on disk.
 */
import type { MessagePort } from 'node:worker_threads'
import { parentPort, workerData } from 'node:worker_threads'
import type { Policy } from './domain/policy.ts'
import { numberOf, positionOf } from './domain/position.ts'
import type { Millis } from './domain/time.ts'
import { rfc3339 } from './domain/time.ts'
import { accessLogOn } from './evidence/access.ts'
import type { OutcomeArgs } from './evidence/access.ts'
import { evidenceBrowseOn } from './evidence/browse.ts'
import { disclosuresOn } from './evidence/disclose.ts'
import { erasureOn } from './evidence/erase.ts'
import { operatorKeyOn } from './evidence/operator-key.ts'
import { ownCallsOn } from './evidence/own-calls.ts'
import { personEvidenceOn } from './evidence/person.ts'
import { signNote } from './evidence/log/note.ts'
import { packText } from './evidence/pack/manifest.ts'
import { sealerOn } from './evidence/sealer.ts'
import { admit } from './permissions/admit.ts'
import { clientRightsOn } from './permissions/client-rights.ts'
import { consentOn } from './permissions/consent.ts'
import { attachmentsOn } from './permissions/attachments.ts'
import { browseOn } from './permissions/browse.ts'
import { parseImport } from './permissions/import.ts'
import { linksOn } from './permissions/links.ts'
import { mandatesOn } from './permissions/mandates.ts'
import { reconciliationOn } from './permissions/reconcile.ts'
import { permissionToken, registryOn } from './permissions/registry.ts'
import { rightActsOn } from './permissions/right-acts.ts'
import { rightsOn } from './permissions/rights.ts'
import { doubtsOn } from './permissions/doubts.ts'
import { ticketsOn } from './permissions/tickets.ts'
import { tokensOn } from './permissions/tokens.ts'
import { journalOf } from './storage/journal.ts'
import { logsOn } from './storage/logs.ts'
import { keyStore } from './storage/keys.ts'
import type { Gauges, Procedures } from './storage/rpc.ts'
import { Refused, serveCalls } from './storage/rpc.ts'
import { openState } from './storage/sqlite.ts'
import { openedRow, ownLogsOn, signerFor } from './state-logs.ts'
import type { RecentCall } from './state-start.ts'
import { checkCheckpoints, checkIndexKey, openingLog, recentCalls } from './state-start.ts'
import { subjectsOn } from './subjects.ts'

export interface StateOptions {
  readonly folder: string
  readonly node: string
  /** Origin of the log, where none is opened yet. */
  readonly origin: string
  readonly keys: { readonly signing: Uint8Array; readonly master: Uint8Array; readonly index: Uint8Array }
  readonly checkpointMs: number
  /** Data holders whose quota is of a day; of the others it is of an hour. */
  readonly quotasOfADay?: readonly string[]
  readonly now: number
}

interface ImportArgs {
  readonly text: string
  readonly context: {
    readonly unverified: boolean
    readonly policy: Policy
    readonly clients: readonly [string, string][]
    readonly accounts: readonly string[]
  }
  /** Bytes of the documents, by the name that the import gives them. */
  readonly documents: Readonly<Record<string, Uint8Array>>
  readonly dryRun: boolean
  readonly now: Millis
}

/** What the owner tells once it is ready. */
export interface StateReady {
  readonly interrupted: number
  readonly gauges: Gauges
  /** Calls to data holders of the last hour, or of the last day where that is what counts, for the quotas. */
  readonly recentCalls: readonly RecentCall[]
}

const CLOCK_TOLERANCE_MS = 600_000
/** So long what began in the log of the year before may end there. */
const LOG_OVERLAP_MS = 900_000
const SEAL_ROWS = 128
const SEAL_WAIT_MS = 15

function start(port: MessagePort, options: StateOptions): void {
  const store = openState(options.folder)
  const { db } = store
  const keys = keyStore(store.keys, options.keys.master)
  const logs = logsOn(db)
  const opening = openingLog(logs, options)
  const journal = journalOf(db, logs, opening)
  const keyExists = (id: string): boolean => keys.get(id) !== undefined
  const tokenOfPermission = (id: string): string => permissionToken(options.keys.index, id)
  const operatorKey = operatorKeyOn(db, keys)

  const rights = rightsOn(db, journal, keys, options.keys.index, operatorKey)
  const registry = registryOn(db, journal, keys, options.keys.index, rights)
  const tokens = tokensOn(db, journal, keys)
  const tickets = ticketsOn(db, options.keys.master, options.keys.index)
  const attachments = attachmentsOn(db, keys, store.documents, options.keys.index)
  const access = accessLogOn(db, journal, tokenOfPermission, keyExists)
  const consent = consentOn(db, registry, attachments, journal, options.keys.index)
  const ownCalls = ownCallsOn(db, journal, operatorKey, tokenOfPermission)
  const reconciliation = reconciliationOn(db, registry, journal, operatorKey)
  const rightActs = rightActsOn(registry, rights, attachments, journal, operatorKey)
  const clientRights = clientRightsOn(db, registry, rights, journal, operatorKey)
  const sealer = sealerOn(db, store.atomically, options.node, keys, journal.read)
  const own = ownLogsOn(db, logs, journal, sealer, options.folder, options.keys.signing, opening)
  const erasure = erasureOn(store, journal, keys, tokenOfPermission)
  const subjects = subjectsOn(db, registry, erasure)
  const disclosures = disclosuresOn(db, journal, logs, keys, options.keys.index)
  const doubts = doubtsOn(db, registry)
  const browse = browseOn(db, registry, tokens)
  const entries = evidenceBrowseOn(db, logs.nameOf)
  const person = personEvidenceOn(db, journal, logs, keys, options.keys.index)
  const mandates = mandatesOn(db, registry, attachments, rights)
  const links = linksOn(db, journal, registry, tickets, options.keys.index)
  const lastEntry = db.prepare('SELECT max(n) AS last FROM entry WHERE n >= ? AND n < ?')
  const keepPolicy = db.prepare('INSERT INTO policy (hash, body, at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING')
  /** Policies put on record since the start, the latest last: another log names them again. */
  const policies: string[] = []

  const sealAll = (): void => {
    while (own.seal(512) > 0);
  }

  /** What must be true before a request is taken. Throws with the sentence that the operator reads. */
  function recover(): number {
    const now = options.now as Millis
    checkIndexKey(db, options.keys.index)
    sealAll()
    const latest = db.prepare('SELECT at FROM entry ORDER BY at DESC, n DESC LIMIT 1').get()
    if (latest && now < Number(latest['at']) - CLOCK_TOLERANCE_MS) {
      throw new Error(
        `the clock says ${rfc3339(now)}, the last entry was written at ${rfc3339(Number(latest['at']) as Millis)}: set the clock and start again`,
      )
    }
    const { current } = own
    checkCheckpoints(db, current, current.sealedUpTo - positionOf(current.id, 0))
    let interrupted = 0
    store.atomically(() => {
      logs.keepKey(current.id, current.vkey)
      if (journal.next() === positionOf(current.id, 0)) {
        journal.append(openedRow(current, null, logs), now)
      } else {
        const settled = access.interrupt(now)
        for (const { counted } of settled) for (const permission of counted) registry.fulfil({ permission, now })
        interrupted = settled.length + ownCalls.interrupt(now)
        journal.append({ clear: { t: 'log.recovered', interrupted } }, now)
      }
    })
    sealAll()
    erasure.again()
    if (erasure.finish() === 'busy')
      throw new Error('an erasure is not finished, because another process reads ecluse.db: stop it and start again')
    own.publish()
    return interrupted
  }

  const procedures = {
    identify: tokens.identify,
    views: registry.views,
    intent: access.intent,
    outcome: (args: OutcomeArgs) => {
      const { entry, permission, counted } = access.outcome(args)
      if (args.delivered) doubts.answered(permission)
      if (args.opened) {
        const { refs, direction, ...where } = args.opened
        rights.learned({ ...where, rights: refs.map((ref) => ({ ref, direction })), now: args.now })
      }
      return { entry, fulfilled: counted.flatMap((id) => registry.fulfil({ permission: id, now: args.now }) ?? []) }
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
    rightsDue: rights.due,
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
    showPermission: registry.show,
    holderOf: registry.holderOf,
    holderRefused: doubts.refused,
    importPermissions: ({ text, context, ...rest }: ImportArgs) => {
      const parsed = parseImport(text, { ...context, clients: new Map(context.clients), accounts: new Set(context.accounts) })
      return parsed.ok ? admit(registry, attachments, rights, { ...rest, drafts: parsed.drafts }) : parsed
    },
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
    /** Whether every row is an entry and shown in a checkpoint; if not, it soon will be. */
    drained: (): boolean => {
      wantsPublish = true
      return own.drained()
    },
    logs: () =>
      logs.all().map(({ id, origin, vkey, closedAt }) => {
        const last = lastEntry.get(positionOf(id, 0), positionOf(id + 1, 0))?.['last'] ?? null
        return { id, origin, vkey, closedAt, current: id === own.current.id, size: last === null ? 0 : numberOf(Number(last)) + 1 }
      }),
    entryPosition: ({ name }: { readonly name: string }) => logs.positionOf(name.includes('/') ? name : `${own.current.origin}/${name}`),
    turnLog: ({ origin, now }: { readonly origin: string; readonly now: Millis }) => {
      own.turnTo(origin, now)
      for (const policy of policies.slice(-2)) journal.append({ clear: { t: 'log.config', policy } }, now)
      turnedAt = now
    },
    closeLogs: ({ now }: { readonly now: Millis }) => (now - turnedAt < LOG_OVERLAP_MS ? 0 : own.closeEnded(now)),
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
      return signNote(packText(log.origin, args.id, args.manifest), [signerFor(options.keys.signing, log.origin, log.vkey)])
    },
    /** When the oldest row was written that waits to be sealed. */
    oldestRow: () => {
      const row = db.prepare('SELECT at FROM journal ORDER BY n LIMIT 1').get()
      return row ? Number(row['at']) : null
    },
    expiring: (args: { readonly before: Millis }) =>
      Number(db.prepare("SELECT count(*) AS n FROM permission WHERE status = 'active' AND valid_until < ?").get(args.before)?.['n'] ?? 0),
  } satisfies Procedures

  let turnedAt = options.now as Millis
  let stopped = false
  function fatal(error: unknown): void {
    if (stopped) return
    stopped = true
    clearInterval(checkpoints)
    clearTimeout(sealing)
    // The disk is not to be trusted any more: nothing is closed tidily, nothing is retried.
    port.postMessage({ fatal: whatFailed(error).why })
  }
  let sealing: NodeJS.Timeout | undefined
  function guarded(work: () => void): () => void {
    return () => {
      if (stopped) return
      try {
        work()
      } catch (error) {
        fatal(error)
      }
    }
  }
  function afterBatch(): void {
    // Files are written between transactions, never inside one.
    if (wantsPublish) own.publish()
    wantsPublish = false
    store.tidy()
    const rows = own.backlog()
    if (rows >= SEAL_ROWS) setImmediate(sealSome)
    else sealing ??= setTimeout(sealSome, SEAL_WAIT_MS)
  }
  let wantsPublish = false
  const gauges = (commitMs: number): Gauges => ({
    journalRows: own.backlog(),
    entries: own.entries,
    commitMs,
    origin: own.current.origin,
    vkey: own.current.vkey,
  })
  const sealSome = guarded(() => {
    clearTimeout(sealing)
    sealing = undefined
    own.seal(SEAL_ROWS)
    store.tidy()
    const rows = own.backlog()
    if (rows > 0) sealing = setTimeout(sealSome, rows >= SEAL_ROWS ? 0 : SEAL_WAIT_MS)
    else if (erasure.pending() > 0) erasure.finish()
  })
  const interrupted = recover()
  const checkpoints = setInterval(
    guarded(() => own.publish()),
    options.checkpointMs,
  )

  port.on('message', (message: unknown) => {
    if (message !== 'stop' || stopped) return
    guarded(() => {
      clearInterval(checkpoints)
      clearTimeout(sealing)
      sealAll()
      // Where it is busy, the next start does it.
      erasure.finish()
      own.publish()
      // Where it fails, that is told: whoever waits for the end must not wait for ever.
      store.close()
      stopped = true
      port.postMessage({ stopped: true })
      port.close()
    })()
  })
  serveCalls(
    port,
    procedures,
    {
      ...store.unit,
      rollbackTo() {
        store.unit.rollbackTo()
        journal.reload()
      },
    },
    {
      after: guarded(afterBatch),
      stopped: () => stopped,
      fatal,
      gauges,
    },
  )
  port.postMessage({
    ready: { interrupted, recentCalls: recentCalls(db, options.now, options.quotasOfADay ?? []), gauges: gauges(0) } satisfies StateReady,
  })
}

/** SQLite's errors and the system's carry a number; a sentence of ours says itself what is wrong. */
function whatFailed(error: unknown): { readonly why: string; readonly broken: boolean } {
  if (!(error instanceof Error)) return { why: 'unknown', broken: true }
  const { errcode, code } = error as { readonly errcode?: unknown; readonly code?: unknown }
  const full = code === 'ENOSPC' || code === 'EDQUOT' || errcode === SQLITE_FULL
  if (full) return { why: `the disk is full (${error.message}): make room, then start again; nothing acknowledged is lost`, broken: true }
  const broken = errcode !== undefined || 'syscall' in error
  const hint = broken ? ': see to the disk and to who may write there, then start again; nothing acknowledged is lost' : ''
  return { why: error.message + hint, broken }
}
const SQLITE_FULL = 13

if (parentPort) {
  const port = parentPort
  try {
    start(port, workerData as StateOptions)
  } catch (error) {
    const { why, broken } = whatFailed(error)
    port.postMessage({ fatal: broken ? `the state folder ${(workerData as StateOptions).folder}: ${why}` : why, broken })
    // As long as it listens the thread lives, and its files stay as they are until the process is gone.
    if (broken) port.on('message', () => undefined)
    else port.close()
  }
}
