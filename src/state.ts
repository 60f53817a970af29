/**
 * Composition root of the thread that owns the state folder. Registry, tokens and evidence live on one connection, so
 * that an act, an intent and its checks share one order. Everything slow that no request waits for (sealing, tiles,
 * checkpoints, erasure) runs here too, between batches.
 *
 * On the first error of a commit, a file or an fsync it reports and does nothing more: the process ends, and the next
 * start recovers from what is on disk.
 */
import { join } from 'node:path'
import type { MessagePort } from 'node:worker_threads'
import { parentPort, workerData } from 'node:worker_threads'
import type { Policy } from './domain/policy.ts'
import type { Millis } from './domain/time.ts'
import { rfc3339 } from './domain/time.ts'
import { accessLogOn } from './evidence/access.ts'
import type { OutcomeArgs } from './evidence/access.ts'
import { evidenceBrowseOn } from './evidence/browse.ts'
import type { Reading } from './evidence/disclose.ts'
import { disclosuresOn } from './evidence/disclose.ts'
import { erasureOn } from './evidence/erase.ts'
import { operatorKeyOn } from './evidence/operator-key.ts'
import { ownCallsOn } from './evidence/own-calls.ts'
import { personEvidenceOn } from './evidence/person.ts'
import { signerOf, signNote, vkeyOf } from './evidence/log/note.ts'
import { packText } from './evidence/pack/manifest.ts'
import { publisherOn, writeDurably } from './evidence/publish.ts'
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
import { keyStore } from './storage/keys.ts'
import type { Procedures } from './storage/rpc.ts'
import { serveCalls } from './storage/rpc.ts'
import { openState } from './storage/sqlite.ts'
import type { RecentCall } from './state-start.ts'
import { checkCheckpoints, checkIndexKey, recentCalls } from './state-start.ts'
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
  readonly origin: string
  readonly vkey: string
  readonly interrupted: number
  /** Calls to data holders of the last hour, or of the last day where that is what counts, for the quotas. */
  readonly recentCalls: readonly RecentCall[]
}

const CLOCK_TOLERANCE_MS = 600_000
const SEAL_ROWS = 128
const SEAL_WAIT_MS = 15

function start(port: MessagePort, options: StateOptions): void {
  const state = openState(options.folder)
  const { db } = state
  const keys = keyStore(state.keys, options.keys.master)
  const origin = originOf(options)
  const signer = signerOf(origin, options.keys.signing)
  const vkey = vkeyOf(signer)
  const journal = journalOf(db, origin)
  const log = join(options.folder, 'log', origin.slice(origin.lastIndexOf('/') + 1))
  const keyExists = (id: string): boolean => keys.get(id) !== undefined
  const tokenOfPermission = (id: string): string => permissionToken(options.keys.index, id)

  const rights = rightsOn(db, journal, keys, options.keys.index, operatorKeyOn(db, keys))
  const registry = registryOn(db, journal, keys, options.keys.index, rights)
  const tokens = tokensOn(db, journal, keys)
  const tickets = ticketsOn(db, options.keys.master, options.keys.index)
  const attachmentFolder = join(options.folder, 'attachments')
  const attachments = attachmentsOn(db, keys, attachmentFolder, options.keys.index, (file, bytes) => writeDurably(file, bytes, 0o600))
  const access = accessLogOn(db, journal, tokenOfPermission, keyExists)
  const consent = consentOn(db, registry, attachments, journal, options.keys.index)
  const ownCalls = ownCallsOn(db, journal, operatorKeyOn(db, keys), tokenOfPermission)
  const reconciliation = reconciliationOn(db, registry, journal, operatorKeyOn(db, keys))
  const rightActs = rightActsOn(registry, rights, attachments, journal, operatorKeyOn(db, keys))
  const clientRights = clientRightsOn(db, registry, rights, journal, operatorKeyOn(db, keys))
  const sealer = sealerOn(db, options.node, origin, (id) => keys.get(id))
  const erasure = erasureOn(db, journal, keys, attachmentFolder, tokenOfPermission)
  const subjects = subjectsOn(db, registry, erasure)
  const disclosures = disclosuresOn(db, journal, keys, options.keys.index)
  const doubts = doubtsOn(db, registry)
  const publisher = publisherOn(db, log, signer)
  const browse = browseOn(db, registry, tokens)
  const entries = evidenceBrowseOn(db)
  const person = personEvidenceOn(db, journal, keys, options.keys.index, vkey)
  const mandates = mandatesOn(db, registry, attachments, rights)
  const links = linksOn(db, journal, registry, tickets, options.keys.index)

  function originOf({ origin: wanted }: StateOptions): string {
    const row = db.prepare("SELECT value FROM meta WHERE key = 'origin'").get()
    if (row) return String(row['value'])
    db.prepare("INSERT INTO meta (key, value) VALUES ('origin', ?)").run(wanted)
    return wanted
  }
  function atomically(work: () => void): void {
    db.exec('BEGIN IMMEDIATE')
    work()
    db.exec('COMMIT')
  }
  const sealAll = (): void => {
    while (sealer.seal(512) > 0);
  }

  /** What must be true before a request is taken. Throws with the sentence that the operator reads. */
  function recover(): number {
    const now = options.now as Millis
    checkIndexKey(db, options.keys.index)
    sealAll()
    const latest = db.prepare('SELECT n, at FROM entry ORDER BY n DESC LIMIT 1').get()
    if (latest && now < Number(latest['at']) - CLOCK_TOLERANCE_MS) {
      throw new Error(
        `the clock says ${rfc3339(now)}, the last entry was written at ${rfc3339(Number(latest['at']) as Millis)}: set the clock and start again`,
      )
    }
    checkCheckpoints({ db, log, origin, vkey, publisher, size: latest ? Number(latest['n']) + 1 : 0 })
    let interrupted = 0
    atomically(() => {
      if (!latest && journal.next === 0) {
        journal.append({ clear: { t: 'log.opened', format: 'ecluse-evidence/v1', vkey, previous: null } }, now)
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
    writeDurably(join(log, 'vkey.txt'), Buffer.from(`${vkey}\n`), 0o644)
    writeDurably(join(log, 'policy.txt'), Buffer.from(`log ${vkey}\nquorum none\n`), 0o644)
    publisher.publish()
    return interrupted
  }

  const procedures = {
    identify: tokens.identify,
    views: registry.views,
    intent: access.intent,
    outcome: (args: OutcomeArgs) => {
      const { n, permission, counted } = access.outcome(args)
      if (args.delivered) doubts.answered(permission)
      if (args.opened) {
        const { refs, direction, ...where } = args.opened
        rights.learned({ ...where, rights: refs.map((ref) => ({ ref, direction })), now: args.now })
      }
      return { n, fulfilled: counted.flatMap((id) => registry.fulfil({ permission: id, now: args.now }) ?? []) }
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
    firstEntrySince: entries.firstSince,
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
      const known = db.prepare('SELECT hash FROM policy WHERE hash = ?').get(args.hash)
      if (!known) db.prepare('INSERT INTO policy (hash, body, at) VALUES (?, ?, ?)').run(args.hash, args.body, args.now)
      return journal.append({ clear: { t: 'log.config', policy: args.hash } }, args.now).n
    },
    erase: subjects.erase,
    restrict: subjects.restrict,
    erasuresPending: () => erasure.pending(),
    /** The log's origin if every row is an entry and shown in a checkpoint; if not, it soon will be. */
    drained: (): string | false => {
      wantsPublish = true
      return journal.next === sealedUpTo && publisher.shown === sealedUpTo ? origin : false
    },
    recordReading: (args: Reading & { readonly now: Millis }) => {
      const { n, ...reading } = disclosures.record(args)
      return { entry: `${origin}/${n}`, ...reading }
    },
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
    signPack: (args: { readonly id: string; readonly manifest: string }) => signNote(packText(origin, args.id, args.manifest), [signer]),
    /** When the oldest row was written that waits to be sealed. */
    oldestRow: () => {
      const row = db.prepare('SELECT at FROM journal ORDER BY n LIMIT 1').get()
      return row ? Number(row['at']) : null
    },
    expiring: (args: { readonly before: Millis }) =>
      Number(db.prepare("SELECT count(*) AS n FROM permission WHERE status = 'active' AND valid_until < ?").get(args.before)?.['n'] ?? 0),
  } satisfies Procedures

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
    if (wantsPublish) publisher.publish()
    wantsPublish = false
    state.foldWal()
    const rows = journal.next - sealedUpTo
    if (rows >= SEAL_ROWS) setImmediate(sealSome)
    else sealing ??= setTimeout(sealSome, SEAL_WAIT_MS)
  }
  let wantsPublish = false
  const sealSome = guarded(() => {
    clearTimeout(sealing)
    sealing = undefined
    sealedUpTo += sealer.seal(SEAL_ROWS)
    state.foldWal()
    if (sealedUpTo < journal.next) sealing = setTimeout(sealSome, journal.next - sealedUpTo >= SEAL_ROWS ? 0 : SEAL_WAIT_MS)
    else if (erasure.pending() > 0) erasure.finish()
  })
  const interrupted = recover()
  let sealedUpTo = journal.next
  const checkpoints = setInterval(
    guarded(() => void publisher.publish()),
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
      publisher.publish()
      // Where it fails, that is told: whoever waits for the end must not wait for ever.
      state.close()
      stopped = true
      port.postMessage({ stopped: true })
      port.close()
    })()
  })
  serveCalls(
    port,
    procedures,
    {
      begin: () => db.exec('BEGIN IMMEDIATE'),
      commit: () => db.exec('COMMIT'),
      savepoint: () => db.exec('SAVEPOINT one'),
      release: () => db.exec('RELEASE one'),
      rollbackTo: () => {
        db.exec('ROLLBACK TO one; RELEASE one')
        journal.reload()
      },
    },
    {
      after: guarded(afterBatch),
      stopped: () => stopped,
      fatal,
      gauges: (commitMs) => ({ journalRows: journal.next - sealedUpTo, entries: sealedUpTo, commitMs }),
    },
  )
  port.postMessage({
    ready: { origin, vkey, interrupted, recentCalls: recentCalls(db, options.now, options.quotasOfADay ?? []) } satisfies StateReady,
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
