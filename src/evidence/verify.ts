/**
 * Checks a log directory offline, from what is published alone: the checkpoint under the trust policy, every kept
 * checkpoint as a prefix of it, every entry, tile and root computed again, and what the records say of each other. It
 * reads a log of any writer that keeps to C2SP tlog-tiles; records are read only in a log of ours.
 *
 * Not checked here, because it needs more than the log: sealed fields and what they commit to, whether the permission
 * used was in force (its id is sealed), and time stamps of third parties (`openssl ts -verify`), of which only the text
 * is compared. A log that was signed anew from its first entry verifies: only a key or a checkpoint that came by another
 * way shows it. Hence `trust`.
 */
import type { Checkpoint } from './log/note.ts'
import { parseCheckpoint, parseSize } from './log/note.ts'
import type { TrustPolicy } from './log/policy.ts'
import { openUnder, parsePolicy, policyOf, quorumMet } from './log/policy.ts'
import type { RecordMistake, RecordTally } from './verify/records.ts'
import { recordCheck } from './verify/records.ts'
import type { LogFiles, TreeMistake } from './verify/tree.ts'
import { walkTree } from './verify/tree.ts'

export type { LogFiles } from './verify/tree.ts'

export interface VerifyOptions {
  /** The auditor's own: the log's vkey, or a whole policy. Without either, the log's own word is taken, and said so. */
  readonly vkey?: string
  readonly policy?: TrustPolicy
  /** An intent without an outcome is a mistake: the writer was stopped in good order. */
  readonly quiescent?: boolean
  readonly onProgress?: (entries: number, size: number) => void
  /** Each entry in order, once its hash stands in the tree. What it gives counts only if the whole log verifies. */
  readonly onEntry?: (n: number, entry: Uint8Array, origin: string) => void
}

export interface VerifiedLog extends RecordTally {
  readonly ok: true
  readonly origin: string
  readonly size: number
  /** Standard base64, as in the checkpoint. */
  readonly root: string
  readonly trust: 'given' | 'own'
  /** The key that signed the checkpoint. */
  readonly vkey: string
  /** Kept checkpoints, and texts of time stamps, that are prefixes of the log. */
  readonly checkpoints: number
  readonly stampedTexts: number
  /** The largest size that enough witnesses saw; null where the policy asks none. What follows has only the log's word. */
  readonly witnessed: number | null
}

export type Mistake =
  | TreeMistake
  | RecordMistake
  | 'no_key'
  | 'bad_policy'
  | 'another_key'
  | 'not_signed'
  | 'bad_signature'
  | 'bad_key'
  | 'other_origin'
  | 'other_size'
  | 'newer_than_the_log'
  | 'root_differs'
  | 'no_quorum'
  | 'open_intent'

export interface RefusedLog {
  readonly ok: false
  readonly at: { readonly entry?: number; readonly file?: string }
  readonly why: Mistake
}

/** What each mistake means, for whoever reads the answer. */
export const MISTAKES: Readonly<Record<Mistake, string>> = {
  missing: 'the file is missing',
  malformed: 'the file is not of its form',
  differs: 'the file is not what the entries make of it',
  unknown_file: 'no log has a file of this name',
  not_a_record: 'the entry is not a record',
  not_opened: 'the first entry does not open the log',
  opened_twice: 'the log is opened a second time',
  wrong_number: 'the entry carries the number of another one',
  bad_time: 'the entry carries no time',
  time_went_back: 'the entry is older than the one before it',
  bad_intent: 'the intent names no request and call',
  bad_part: 'the intent is no part of its request',
  unlike_its_request: 'the intents of one request do not carry one decision',
  sent_outside_asked: 'more days were sent for than were asked for',
  bad_decision: 'the entry carries a decision that such an entry cannot have',
  unknown_policy: 'the decision names a policy that no earlier entry puts in force',
  bad_outcome: 'the outcome carries a result that no call can have',
  bad_act: 'the act and the state that it leads to do not belong together',
  bad_seal: 'what stands for the sealed fields or the tags is not of its form',
  outcome_without_intent: 'the outcome closes no open intent',
  outcome_of_another_call: 'the outcome closes the intent of another call',
  no_key: 'there is no key to check the log with',
  bad_policy: 'the trust policy cannot be read',
  another_key: 'the log publishes another key than the one trusted',
  not_signed: 'no trusted key has signed it',
  bad_signature: 'a trusted key did not make this signature',
  bad_key: 'a key of the trust policy cannot be read',
  other_origin: 'it is of another log',
  other_size: 'its size is not the one that its name says',
  newer_than_the_log: 'it was signed over more entries than the log has',
  root_differs: 'the entries are not those that were signed',
  no_quorum: 'too few witnesses have cosigned any checkpoint',
  open_intent: 'the intent has no outcome',
}

/** Gives an answer about the log; throws only where a file cannot be read. */
export async function verifyLog(files: LogFiles, options: VerifyOptions = {}): Promise<VerifiedLog | RefusedLog> {
  const trusted = await trustIn(files, options)
  if ('why' in trusted) return trusted
  const signed = await signedCheckpoints(files, trusted.policy)
  if ('why' in signed) return signed
  const { latest, prefixes } = signed

  const roots = new Map<number, Uint8Array>()
  const records = recordCheck()
  let badRecord: RefusedLog | undefined
  const fault = await walkTree(files, latest.size, {
    sizes: [...new Set([latest.size, ...prefixes.map((p) => p.checkpoint.size)])].toSorted((a, b) => a - b),
    onRoot: (size, root) => roots.set(size, root),
    onEntry: (n, entry) => {
      // The first bad one is named; what follows from it would only repeat it.
      const why = badRecord ? undefined : records.take(n, entry)
      if (why) badRecord = refused(why, { entry: n })
      options.onEntry?.(n, entry, latest.origin)
    },
    onProgress: (entries) => options.onProgress?.(entries, latest.size),
  })
  if (fault) return refused(fault.why, { file: fault.file, ...(fault.entry !== undefined && { entry: fault.entry }) })
  // The smallest first: what was changed lies before it.
  const ordered = [...prefixes, { file: 'checkpoint', checkpoint: latest }].toSorted((a, b) => a.checkpoint.size - b.checkpoint.size)
  const wrong = ordered.find(({ checkpoint }) => Buffer.compare(roots.get(checkpoint.size) ?? new Uint8Array(), checkpoint.root) !== 0)
  if (wrong) return refused('root_differs', { file: wrong.file })
  if (badRecord) return badRecord
  const tally = records.tally()
  if (options.quiescent === true && tally.firstOpenIntent !== null) return refused('open_intent', { entry: tally.firstOpenIntent })
  return {
    ok: true,
    origin: latest.origin,
    size: latest.size,
    root: Buffer.from(latest.root).toString('base64'),
    trust: trusted.trust,
    vkey: signed.vkey,
    checkpoints: prefixes.filter((p) => p.kind === 'checkpoint').length,
    stampedTexts: prefixes.filter((p) => p.kind === 'stamped').length,
    witnessed: signed.witnessed,
    ...tally,
  }
}

function refused(why: Mistake, at: RefusedLog['at']): RefusedLog {
  return { ok: false, at, why }
}

/** The auditor's own policy, or the log's own; what the log publishes of itself must agree with it. */
async function trustIn(
  files: LogFiles,
  { vkey, policy }: VerifyOptions,
): Promise<{ readonly policy: TrustPolicy; readonly trust: 'given' | 'own' } | RefusedLog> {
  const ownPolicy = await files.read('policy.txt')
  const parsed = ownPolicy && parsePolicy(ownPolicy)
  if (parsed && !parsed.ok) return refused('bad_policy', { file: 'policy.txt' })
  const ownVkey = await files.read('vkey.txt')
  const published = ownVkey && Buffer.from(ownVkey).toString()
  const own = parsed?.policy ?? (published === undefined ? undefined : policyOf(published.replace(/\n$/, '')))
  const trusted = policy ?? (vkey === undefined ? own : policyOf(vkey))
  if (!trusted) return refused('no_key', {})
  const known = trusted.logs.map((log) => log.vkey)
  if (published !== undefined && !known.some((key) => published === `${key}\n`)) return refused('another_key', { file: 'vkey.txt' })
  if (parsed && !parsed.policy.logs.some((log) => known.includes(log.vkey))) return refused('another_key', { file: 'policy.txt' })
  return { policy: trusted, trust: policy === undefined && vkey === undefined ? 'own' : 'given' }
}

interface Signed {
  readonly latest: Checkpoint
  readonly vkey: string
  /** What else is claimed of the log's past. */
  readonly prefixes: readonly { readonly kind: 'checkpoint' | 'stamped'; readonly file: string; readonly checkpoint: Checkpoint }[]
  readonly witnessed: number | null
}

async function signedCheckpoints(files: LogFiles, policy: TrustPolicy): Promise<Signed | RefusedLog> {
  const note = await files.read('checkpoint')
  if (!note) return refused('missing', { file: 'checkpoint' })
  const opened = openUnder(policy, note)
  if (!opened.ok) return refused(opened.why, { file: 'checkpoint' })
  const latest = opened.checkpoint
  const prefixes: Signed['prefixes'][number][] = []
  const seen = quorumMet(policy, opened.signatures) ? [latest.size] : []
  for (const name of await files.list('checkpoints')) {
    const file = `checkpoints/${name}`
    const kept = openUnder(policy, (await files.read(file)) ?? '')
    const why = kept.ok ? claimMistake(kept.checkpoint, latest, name) : kept.why
    if (!kept.ok || why) return refused(why ?? 'malformed', { file })
    if (quorumMet(policy, kept.signatures)) seen.push(kept.checkpoint.size)
    prefixes.push({ kind: 'checkpoint', file, checkpoint: kept.checkpoint })
  }
  for (const name of (await files.list('anchors')).filter((n) => n.endsWith('.txt'))) {
    const file = `anchors/${name}`
    const claimed = parseCheckpoint(Buffer.from((await files.read(file)) ?? '').toString())
    const why = claimed ? claimMistake(claimed, latest, name.slice(0, -4)) : 'malformed'
    if (!claimed || why) return refused(why ?? 'malformed', { file })
    prefixes.push({ kind: 'stamped', file, checkpoint: claimed })
  }
  if (seen.length === 0) return refused('no_quorum', { file: 'checkpoint' })
  const signer = opened.signatures.find((s) => s.time === null && s.name === latest.origin)
  const vkey = policy.logs.find((log) => log.vkey.startsWith(`${signer?.name}+${signer?.keyId}+`))?.vkey ?? ''
  return { latest, vkey, prefixes, witnessed: policy.quorum === null ? null : Math.max(...seen) }
}

function claimMistake(claimed: Checkpoint, latest: Checkpoint, name: string): Mistake | undefined {
  if (parseSize(name) === undefined) return 'unknown_file'
  if (claimed.origin !== latest.origin) return 'other_origin'
  if (claimed.size !== parseSize(name)) return 'other_size'
  return claimed.size > latest.size ? 'newer_than_the_log' : undefined
}
