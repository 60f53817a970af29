/**
 * Whom a verifier trusts: the log's keys, the witnesses' keys, and how many of the witnesses must have cosigned. Names
 * of witnesses and groups are the file's own. Source: C2SP tlog-policy.
 */
import { isUtf8 } from 'node:buffer'
import type { NoteSignature, NoteVerifier, OpenedCheckpoint } from './note.ts'
import { openCheckpoint, parseVkey } from './note.ts'

export interface TrustPolicy {
  readonly logs: readonly { readonly vkey: string; readonly url: string | null }[]
  readonly witnesses: readonly { readonly name: string; readonly vkey: string; readonly url: string | null }[]
  /** `least` of the members, each a witness or a group above. */
  readonly groups: readonly { readonly name: string; readonly least: number; readonly members: readonly string[] }[]
  /** A witness or a group; null where no cosignature is asked for. */
  readonly quorum: string | null
}

export type ParsedPolicy =
  | { readonly ok: true; readonly policy: TrustPolicy }
  | { readonly ok: false; readonly line: number; readonly why: string }

/** The policy that trusts one log's key and asks no witness. */
export function policyOf(...vkeys: readonly string[]): TrustPolicy {
  return { logs: vkeys.map((vkey) => ({ vkey, url: null })), witnesses: [], groups: [], quorum: null }
}

export function policyText({ logs, witnesses, groups, quorum }: TrustPolicy): string {
  const line = (...words: readonly (string | null)[]): string => `${words.filter((word) => word !== null).join(' ')}\n`
  return [
    ...logs.map(({ vkey, url }) => line('log', vkey, url)),
    ...witnesses.map(({ name, vkey, url }) => line('witness', name, vkey, url)),
    ...groups.map(({ name, least, members }) => line('group', name, String(least), ...members)),
    line('quorum', quorum ?? 'none'),
  ].join('')
}

/** Strict: an unknown line is a mistake, not a comment. Mistakes carry their line, from 1. */
export function parsePolicy(file: string | Uint8Array): ParsedPolicy {
  const octets = Buffer.from(file)
  if (!isUtf8(octets)) return { ok: false, line: 1, why: 'not UTF-8' }
  const logs: TrustPolicy['logs'][number][] = []
  const witnesses: TrustPolicy['witnesses'][number][] = []
  const groups: TrustPolicy['groups'][number][] = []
  let quorum: string | null | undefined
  const keys = { log: new Set<string>(), witness: new Set<string>() }
  const names = new Set(['none'])
  const grouped = new Set<string>()

  function keyMistake(vkey: string | undefined, type: NoteVerifier['type']): string | undefined {
    const verifier = vkey === undefined ? undefined : parseVkey(vkey)
    if (verifier?.type !== type) return `not the key of a ${type}`
    const key = Buffer.from(verifier.publicKey).toString('hex')
    if (keys[type].has(key)) return `this ${type}'s key stands twice`
    keys[type].add(key)
    return undefined
  }
  function nameMistake(name: string | undefined): string | undefined {
    if (name === undefined) return 'a name is missing'
    if (names.has(name)) return 'this name is taken'
    names.add(name)
    return undefined
  }
  function groupMistake(name: string | undefined, threshold: string | undefined, members: readonly string[]): string | undefined {
    const least =
      threshold === 'any' ? 1 : threshold === 'all' ? members.length : /^[1-9][0-9]*$/.test(threshold ?? '') ? Number(threshold) : 0
    if (least < 1 || least > members.length) return 'not a threshold of these members'
    for (const member of members) {
      if (member === 'none' || !names.has(member)) return 'a member is not defined above'
      // Each witness may count in one way only.
      if (grouped.has(member)) return 'a member stands in two groups'
      grouped.add(member)
    }
    const mistake = nameMistake(name)
    if (mistake === undefined && name !== undefined) groups.push({ name: name, least, members: members })
    return mistake
  }
  function lineMistake([keyword, ...words]: readonly string[]): string | undefined {
    const [a, b, c] = words
    switch (keyword) {
      case 'log':
        if (words.length > 2) return 'too many words'
        logs.push({ vkey: a ?? '', url: b ?? null })
        return keyMistake(a, 'log')
      case 'witness':
        if (words.length > 3) return 'too many words'
        witnesses.push({ name: a ?? '', vkey: b ?? '', url: c ?? null })
        return nameMistake(a) ?? keyMistake(b, 'witness')
      case 'group':
        return groupMistake(a, b, words.slice(2))
      case 'quorum':
        if (quorum !== undefined) return 'a second quorum'
        if (words.length !== 1 || a === undefined || !names.has(a)) return 'a quorum names one witness or group defined above, or none'
        quorum = a === 'none' ? null : a
        return undefined
      default:
        return 'neither log, witness, group nor quorum'
    }
  }

  const lines = octets.toString().split('\n')
  for (const [i, line] of lines.entries()) {
    // eslint-disable-next-line no-control-regex -- the control characters that a policy may not have
    if (/[\u0000-\u0008\u000b-\u001f\u007f]/.test(line)) return { ok: false, line: i + 1, why: 'a control character' }
    const words = line.split(/[ \t]+/).filter((word) => word !== '')
    if (words.length === 0 || words[0]?.startsWith('#')) continue
    const why = i === lines.length - 1 ? 'the last line does not end' : lineMistake(words)
    if (why !== undefined) return { ok: false, line: i + 1, why }
  }
  if (quorum === undefined) return { ok: false, line: lines.length, why: 'no quorum' }
  return { ok: true, policy: { logs, witnesses, groups, quorum } }
}

/** Whether the witnesses that signed are enough. */
export function quorumMet({ witnesses, groups, quorum }: TrustPolicy, signatures: readonly NoteSignature[]): boolean {
  const signed = new Set(signatures.filter((s) => s.time !== null).map((s) => `${s.name}+${s.keyId}`))
  const met = new Set(witnesses.filter((w) => signed.has(w.vkey.split('+', 2).join('+'))).map((w) => w.name))
  for (const group of groups) if (group.members.filter((m) => met.has(m)).length >= group.least) met.add(group.name)
  return quorum === null || met.has(quorum)
}

/** A checkpoint with the signature of one of the policy's logs. Whether its witnesses are enough is {@link quorumMet}. */
export function openUnder(policy: TrustPolicy, note: string | Uint8Array): OpenedCheckpoint {
  return openCheckpoint(
    note,
    [...policy.logs, ...policy.witnesses].map(({ vkey }) => vkey),
  )
}
