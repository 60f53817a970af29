/**
 * One entry's proof in one file that needs nothing else but the trust policy: index, inclusion proof, and the signed
 * checkpoint word for word. Source: C2SP tlog-proof (`*.tlog-proof`).
 */
import { isUtf8 } from 'node:buffer'
import { HASH_BYTES, leafHash, verifyInclusion } from './merkle.ts'
import type { Checkpoint, NoteSignature, OpenedCheckpoint } from './note.ts'
import { decodeBase64, parseSize } from './note.ts'
import type { TrustPolicy } from './policy.ts'
import { openUnder, quorumMet } from './policy.ts'

export interface LogProof {
  readonly index: number
  /** The leaf's sibling first. */
  readonly proof: readonly Uint8Array[]
  /** The signed note, word for word. */
  readonly checkpoint: string
  /** Nobody has signed this. */
  readonly extra: Uint8Array | null
}

export type VerifiedProof =
  | { readonly ok: true; readonly index: number; readonly checkpoint: Checkpoint; readonly signatures: readonly NoteSignature[] }
  | { readonly ok: false; readonly why: Exclude<OpenedCheckpoint, { ok: true }>['why'] | 'no_quorum' | 'not_included' }

const FIRST_LINE = 'c2sp.org/tlog-proof@v1'
// A tree of 2^63 leaves has no longer path.
const MOST_HASHES = 63

export function proofText({ index, proof, checkpoint, extra }: LogProof): string {
  const hashes = proof.map((h) => `${Buffer.from(h).toString('base64')}\n`).join('')
  const extraLine = extra === null ? '' : `extra ${Buffer.from(extra).toString('base64')}\n`
  return `${FIRST_LINE}\n${extraLine}index ${index}\n${hashes}\n${checkpoint}`
}

/** Undefined unless it is exactly a proof file. The checkpoint in it is not looked at. */
export function parseProof(file: string | Uint8Array): LogProof | undefined {
  const bytes = Buffer.from(file)
  if (!isUtf8(bytes)) return undefined
  const text = bytes.toString()
  const blank = text.indexOf('\n\n')
  if (blank < 0) return undefined
  const [first, ...lines] = text.slice(0, blank).split('\n')
  if (first !== FIRST_LINE) return undefined
  const extra = lines[0]?.startsWith('extra ') ? decodeBase64(lines.shift()?.slice(6) ?? '') : null
  const indexLine = lines.shift()
  const index = indexLine?.startsWith('index ') ? parseSize(indexLine.slice(6)) : undefined
  const proof = lines.map(decodeBase64).filter((h) => h?.byteLength === HASH_BYTES)
  if (index === undefined || extra === undefined || proof.length !== lines.length || proof.length > MOST_HASHES) return undefined
  return { index, proof: proof.filter((h) => h !== undefined), checkpoint: text.slice(blank + 2), extra }
}

/** Whether these very bytes are an entry of a log that the policy trusts. */
export function verifyProof(file: string | Uint8Array, entry: Uint8Array, policy: TrustPolicy): VerifiedProof {
  const parsed = parseProof(file)
  if (!parsed) return { ok: false, why: 'malformed' }
  const opened = openUnder(policy, parsed.checkpoint)
  if (!opened.ok) return opened
  if (!quorumMet(policy, opened.signatures)) return { ok: false, why: 'no_quorum' }
  const { checkpoint, signatures } = opened
  if (!verifyInclusion(parsed.index, checkpoint.size, leafHash(entry), parsed.proof, checkpoint.root))
    return { ok: false, why: 'not_included' }
  return { ok: true, index: parsed.index, checkpoint, signatures }
}
