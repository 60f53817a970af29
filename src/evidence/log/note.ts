/**
 * Signed notes: text, a blank line, signature lines. Read strictly, because two readers that disagree on what was
 * signed are an attack: base64 must encode back to the same letters, the text ends at the last blank line, a known key
 * whose signature fails refuses the whole note, and unknown keys are ignored.
 *
 * Keys are Ed25519: type 0x01 signs the text itself (logs), 0x04 the text with a time (cosignatures of witnesses). A
 * checkpoint is such a note: the log's origin, which is also the name of its key, its size and its root.
 * Sources: C2SP signed-note, tlog-checkpoint, tlog-cosignature; RFC 8032.
 */
import { isUtf8 } from 'node:buffer'
import type { KeyObject } from 'node:crypto'
import { createPrivateKey, createPublicKey, hash, sign, verify } from 'node:crypto'
import { EMPTY_ROOT, HASH_BYTES } from './merkle.ts'

export interface NoteSigner {
  readonly name: string
  readonly key: KeyObject
  /** The 32 bytes of RFC 8032. */
  readonly publicKey: Uint8Array
}

export interface NoteVerifier {
  readonly name: string
  /** 8 lower-case hex digits. An identifier, not a fingerprint to rely on. */
  readonly keyId: string
  readonly type: 'log' | 'witness'
  readonly publicKey: Uint8Array
  readonly key: KeyObject
}

export interface NoteSignature {
  readonly name: string
  readonly keyId: string
  /** POSIX seconds, of a witness's cosignature. */
  readonly time: number | null
}

export type OpenedNote =
  | { readonly ok: true; readonly text: string; readonly signatures: readonly NoteSignature[] }
  | { readonly ok: false; readonly why: 'bad_key' | 'malformed' | 'bad_signature' | 'not_signed' }

export interface Checkpoint {
  readonly origin: string
  readonly size: number
  readonly root: Uint8Array
}

export type OpenedCheckpoint =
  | {
      readonly ok: true
      readonly checkpoint: Checkpoint
      readonly text: string
      /** Of the log and of those witnesses whose keys were given. */
      readonly signatures: readonly NoteSignature[]
    }
  | { readonly ok: false; readonly why: 'bad_key' | 'malformed' | 'bad_signature' | 'not_signed' | 'other_origin' }

const TYPE_LOG = 0x01
const TYPE_WITNESS = 0x04
const MOST_SIGNATURES = 100
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex')
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex')

/** A signer from the 32 bytes of an Ed25519 seed. Throws a RangeError on a name that no note can carry. */
export function signerOf(name: string, seed: Uint8Array): NoteSigner {
  if (!isKeyName(name)) throw new RangeError('a key name is not empty and has neither spaces nor a plus sign')
  if (seed.byteLength !== 32) throw new RangeError('an Ed25519 seed has 32 bytes')
  const key = createPrivateKey({ key: Buffer.concat([PKCS8_PREFIX, seed]), format: 'der', type: 'pkcs8' })
  return { name, key, publicKey: createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(SPKI_PREFIX.byteLength) }
}

/** `<name>+<key id>+<base64 of type and public key>`: what a verifier must get by another way than the log. */
export function vkeyOf({ name, publicKey }: Pick<NoteSigner, 'name' | 'publicKey'>): string {
  return `${name}+${keyIdOf(name, TYPE_LOG, publicKey)}+${Buffer.from([TYPE_LOG, ...publicKey]).toString('base64')}`
}

/** Undefined unless it is exactly a vkey of a known type with its own key id. */
export function parseVkey(vkey: string): NoteVerifier | undefined {
  // The base64 may itself contain a plus sign: split at the first two only.
  const [, name, keyId, base64] = /^([^+]+)\+([0-9a-f]{8})\+(.+)$/su.exec(vkey) ?? []
  const bytes = base64 === undefined ? undefined : decodeBase64(base64)
  if (name === undefined || keyId === undefined || bytes?.byteLength !== 33 || !isKeyName(name)) return undefined
  const type = bytes[0]
  const publicKey = bytes.subarray(1)
  if ((type !== TYPE_LOG && type !== TYPE_WITNESS) || keyIdOf(name, type, publicKey) !== keyId) return undefined
  const key = createPublicKey({ key: Buffer.concat([SPKI_PREFIX, publicKey]), format: 'der', type: 'spki' })
  return { name, keyId, type: type === TYPE_LOG ? 'log' : 'witness', publicKey, key }
}

/** The note of `text`, which ends in a newline, with one signature line for each signer. */
export function signNote(text: string, signers: readonly NoteSigner[]): string {
  if (!isNoteText(text) || !text.endsWith('\n')) throw new RangeError('a note is lines of text without control characters')
  const lines = signers.map((signer) => {
    const signature = sign(null, Buffer.from(text), signer.key)
    return signatureLine(signer.name, keyIdOf(signer.name, TYPE_LOG, signer.publicKey), signature)
  })
  return `${text}\n${lines.join('')}`
}

/** A witness's signature line over a checkpoint's text: «the largest tree that I had seen at `time`», in seconds. */
export function cosign(text: string, witness: NoteSigner, time: number): string {
  const stamp = Buffer.alloc(8)
  stamp.writeBigUInt64BE(BigInt(time))
  const signature = sign(null, cosigned(text, time), witness.key)
  return signatureLine(witness.name, keyIdOf(witness.name, TYPE_WITNESS, witness.publicKey), Buffer.concat([stamp, signature]))
}

/** The vkey of a witness; see {@link vkeyOf}. */
export function witnessVkeyOf({ name, publicKey }: Pick<NoteSigner, 'name' | 'publicKey'>): string {
  return `${name}+${keyIdOf(name, TYPE_WITNESS, publicKey)}+${Buffer.from([TYPE_WITNESS, ...publicKey]).toString('base64')}`
}

/** Opens a note that at least one of these keys has signed. Its text must not be looked at unless `ok`. */
export function openNote(note: string | Uint8Array, vkeys: readonly string[]): OpenedNote {
  const verifiers = new Map<string, NoteVerifier>()
  for (const vkey of vkeys) {
    const verifier = parseVkey(vkey)
    const twin = verifier && verifiers.get(idOf(verifier))
    // Two keys under one name and id: which of them signed could not be told.
    if (!verifier || (twin && Buffer.compare(twin.publicKey, verifier.publicKey) !== 0)) return { ok: false, why: 'bad_key' }
    verifiers.set(idOf(verifier), verifier)
  }
  const parsed = parseNote(note)
  if (!parsed) return { ok: false, why: 'malformed' }
  const signatures = new Map<string, NoteSignature>()
  for (const { name, keyId, signature } of parsed.lines) {
    const verifier = verifiers.get(idOf({ name, keyId }))
    if (!verifier) continue
    const verified = verifySignature(verifier, parsed.text, signature)
    if (!verified) return { ok: false, why: 'bad_signature' }
    if (!signatures.has(idOf(verifier))) signatures.set(idOf(verifier), { name, keyId, time: verified.time })
  }
  if (signatures.size === 0) return { ok: false, why: 'not_signed' }
  return { ok: true, text: parsed.text, signatures: [...signatures.values()] }
}

/** The three lines that are signed. */
export function checkpointText(origin: string, size: number, root: Uint8Array): string {
  const text = `${origin}\n${size}\n${Buffer.from(root).toString('base64')}\n`
  if (!parseCheckpoint(text)) throw new RangeError(`no checkpoint of ${origin} with ${size} entries`)
  return text
}

/** Undefined unless it is a checkpoint's text and nothing else. Lines behind the third are allowed and not looked at. */
export function parseCheckpoint(text: string): Checkpoint | undefined {
  const [origin, size, root64, ...rest] = text.split('\n')
  if (origin === undefined || origin === '' || rest.at(-1) !== '' || rest.slice(0, -1).includes('')) return undefined
  const count = parseSize(size ?? '')
  const root = decodeBase64(root64 ?? '')
  if (count === undefined || root?.byteLength !== HASH_BYTES) return undefined
  if (count === 0 && Buffer.compare(root, EMPTY_ROOT) !== 0) return undefined
  return { origin, size: count, root }
}

/** Decimal without sign or leading zero, within what a double counts exactly; else undefined. */
export function parseSize(text: string): number | undefined {
  if (!/^(0|[1-9][0-9]{0,15})$/.test(text)) return undefined
  const size = Number(text)
  return Number.isSafeInteger(size) ? size : undefined
}

/** A checkpoint that the log of one of these keys has signed itself: a witness's word alone does not do. */
export function openCheckpoint(note: string | Uint8Array, vkeys: readonly string[]): OpenedCheckpoint {
  const opened = openNote(note, vkeys)
  if (!opened.ok) return opened
  const checkpoint = parseCheckpoint(opened.text)
  if (!checkpoint) return { ok: false, why: 'malformed' }
  const own = opened.signatures.filter((s) => s.time === null)
  if (own.length === 0) return { ok: false, why: 'not_signed' }
  if (!own.some((s) => s.name === checkpoint.origin)) return { ok: false, why: 'other_origin' }
  return { ok: true, checkpoint, text: opened.text, signatures: opened.signatures }
}

/** Standard base64 with padding that encodes back to the same letters; Node's decoder alone takes much more. */
export function decodeBase64(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64')
  return bytes.toString('base64') === text ? bytes : undefined
}

interface Line {
  readonly name: string
  readonly keyId: string
  readonly signature: Uint8Array
}

function parseNote(note: string | Uint8Array): { readonly text: string; readonly lines: readonly Line[] } | undefined {
  const whole = typeof note === 'string' ? note : isUtf8(note) ? Buffer.from(note).toString() : ''
  if (!isNoteText(whole) || !whole.endsWith('\n')) return undefined
  const blank = whole.lastIndexOf('\n\n')
  if (blank < 0) return undefined
  const lines: Line[] = []
  for (const line of whole.slice(blank + 2, -1).split('\n')) {
    const [, name, base64] = /^\u2014 ([^ ]+) ([^ ]+)$/u.exec(line) ?? []
    const bytes = base64 === undefined ? undefined : decodeBase64(base64)
    if (name === undefined || !isKeyName(name) || bytes === undefined || bytes.byteLength < 5) return undefined
    lines.push({ name, keyId: bytes.toString('hex', 0, 4), signature: bytes.subarray(4) })
  }
  return lines.length > MOST_SIGNATURES ? undefined : { text: whole.slice(0, blank + 1), lines }
}

function verifySignature({ type, key }: NoteVerifier, text: string, signature: Uint8Array): { readonly time: number | null } | undefined {
  if (type === 'log') return verify(null, Buffer.from(text), key, signature) ? { time: null } : undefined
  if (signature.byteLength !== 72) return undefined
  const time = Number(Buffer.from(signature.subarray(0, 8)).readBigUInt64BE())
  if (!Number.isSafeInteger(time)) return undefined
  return verify(null, cosigned(text, time), key, signature.subarray(8)) ? { time } : undefined
}

function cosigned(text: string, time: number): Buffer {
  return Buffer.from(`cosignature/v1\ntime ${time}\n${text}`)
}

function signatureLine(name: string, keyId: string, signature: Uint8Array): string {
  return `\u2014 ${name} ${Buffer.concat([Buffer.from(keyId, 'hex'), signature]).toString('base64')}\n`
}

function keyIdOf(name: string, type: number, publicKey: Uint8Array): string {
  return hash('sha256', Buffer.concat([Buffer.from(`${name}\n`), Buffer.from([type]), publicKey]), 'hex').slice(0, 8)
}

function idOf({ name, keyId }: { readonly name: string; readonly keyId: string }): string {
  return `${name}+${keyId}`
}

function isKeyName(name: string): boolean {
  return name !== '' && isNoteText(name) && !/[\p{White_Space}+]/u.test(name)
}

function isNoteText(text: string): boolean {
  // eslint-disable-next-line no-control-regex -- the control characters that a note may not have
  return text.isWellFormed() && !/[\u0000-\u0009\u000b-\u001f]/.test(text)
}
