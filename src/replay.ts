/**
 * Composition of the replay: the evidence's own account of what a decision was made from, decided again by the very
 * `decide` that the gate runs, under the policy kept by its hash.
 */
import type { Policy } from './domain/policy.ts'
import type { Decision } from './domain/decision.ts'
import type { Caller } from './domain/request.ts'
import { decide } from './decide/decide.ts'
import type { Opened } from './evidence/disclose.ts'
import type { Facts, NotRecomputable, Replayer } from './evidence/replay.ts'
import { replayer } from './evidence/replay.ts'
import { after } from './permissions/lifecycle.ts'
import { scopeHashOf } from './permissions/registry.ts'
import type { PolicyDocument } from './settings/policy-document.ts'
import { parsePolicyDocument, policyHash } from './settings/policy-document.ts'

export interface ReplayReport {
  readonly ok: boolean
  /** Decisions made again with the same result. */
  readonly same: number
  readonly different: readonly { readonly entry: string; readonly why: string }[]
  readonly notRecomputable: Readonly<Record<string, number>>
}

/** Policies as they are kept: one that is not what its hash says is refused. */
export function policiesOf(kept: readonly { readonly hash: string; readonly body: string }[]): ReadonlyMap<string, PolicyDocument> {
  return new Map(
    kept.map(({ hash, body }) => {
      const parsed = parsePolicyDocument(body)
      if (!parsed.ok) throw new Error(`the policy ${hash} cannot be read: ${parsed.why}`)
      if (policyHash(parsed.document) !== hash) throw new Error(`the policy kept under ${hash} is another one: it was changed`)
      return [hash, parsed.document]
    }),
  )
}

export function replayUnder(policies: ReadonlyMap<string, PolicyDocument>): Replayer {
  return replayer({
    decide(facts) {
      const asked = askedOf(facts, policies)
      return asked && decide(asked)
    },
    after,
    scopeHash: scopeHashOf,
  })
}

/** What `decide` was asked, with what the policy's document says of the client. Undefined where it is not at hand. */
export function askedOf(
  { policy: hash, caller, ...facts }: Facts,
  policies: ReadonlyMap<string, PolicyDocument>,
): (Omit<Facts, 'policy' | 'caller'> & { readonly caller: Caller; readonly policy: Policy }) | undefined {
  const document = policies.get(hash)
  if (!document) return undefined
  const refusesNarrowing = document.clients.find((c) => c.id === caller.client)?.refusesNarrowing ?? false
  return { ...facts, caller: { ...caller, refusesNarrowing }, policy: document.policy }
}

/** @param wanted `n` of the entries to judge; all decisions where undefined. */
export async function replayAll(
  kept: readonly { readonly hash: string; readonly body: string }[],
  pages: AsyncIterable<readonly Opened[]>,
  wanted?: ReadonlySet<number>,
): Promise<ReplayReport> {
  const replay = replayUnder(policiesOf(kept))
  let same = 0
  const different: { entry: string; why: string }[] = []
  const notRecomputable = new Map<NotRecomputable, number>()
  for await (const page of pages) {
    for (const opened of page) {
      const verdict = replay.take(opened, wanted === undefined || wanted.has(opened.n))
      if (verdict?.is === 'same') same += 1
      if (verdict?.is === 'different') different.push({ entry: opened.name, why: verdict.why })
      if (verdict?.is === 'not_recomputable') notRecomputable.set(verdict.why, (notRecomputable.get(verdict.why) ?? 0) + 1)
    }
  }
  const counts = Object.fromEntries([...notRecomputable].toSorted(([a], [b]) => (a < b ? -1 : 1)))
  return { ok: different.length === 0, same, different, notRecomputable: counts }
}

export type { Decision }
