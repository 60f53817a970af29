/**
 * A file of decision cases → for each case all that `decide` is asked, and what it should say. The same form is read by
 * `ecluse policy test` and by the gate's own tests.
 *
 * A file has `cases`, and `given`: what they share. A case writes only what differs; maps (`permissions` by id, their
 * `lines` by id, `policy` by id) are merged key by key, an entry `null` takes one away, everything else is replaced. What
 * neither says has the default of the kind. Like settings, a file is read strictly: an unknown key or a value out of its
 * list is a mistake with line and column, never ignored.
 */
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { AccountId, LineId, PermissionId, PermissionView, Scope, ScopeLine } from './domain/permission.ts'
import type { HolderLimit, Policy, Purpose, Rule } from './domain/policy.ts'
import type { AccessRequest, Caller } from './domain/request.ts'
import type { Millis } from './domain/time.ts'
import { isDated, type DataKind } from './domain/vocabulary.ts'
import type { CaseFile, ExpectedDecision, ExpectedEntry, Given, Patch, RulePatch, WrittenPermission } from './case-schema.ts'
import { fileSchema } from './case-schema.ts'
import { after, type Standing } from './permissions/lifecycle.ts'
import { scopeHashOf } from './permissions/registry.ts'
import { contradictions } from './settings/cross-checks.ts'
import { mistakesOf } from './settings/issues.ts'
import type { Mistake } from './settings/mistakes.ts'
import { compilePolicy } from './settings/policy-document.ts'
import { settingsSchema } from './settings/schema.ts'
import { toSettings } from './settings/shape.ts'
import { readTree, type Tree } from './settings/yaml.ts'

export interface Case {
  readonly name: string
  readonly line: number
  /** What is not stated must be absent, and everything that is sealed or in clear must be stated. */
  readonly exact: boolean
  readonly request: AccessRequest
  readonly caller: Caller
  readonly permissions: readonly PermissionView[]
  readonly policy: Policy
  readonly now: Millis
  readonly decision: ExpectedDecision
  readonly evidence: readonly ExpectedEntry[] | undefined
}

export type ParsedCases =
  | { readonly ok: true; readonly cases: readonly Case[] }
  | { readonly ok: false; readonly mistakes: readonly Mistake[] }

/** The case files of a folder, at any depth and in order, or the one file that is named. */
export async function caseFiles(where: string): Promise<string[]> {
  if ((await stat(where)).isFile()) return [where]
  const names = await readdir(where, { recursive: true })
  return names
    .filter((name) => /\.ya?ml$/.test(name))
    .toSorted()
    .map((name) => join(where, name))
}

/** @param byDefault the policy for a file that brings none */
export function parseCases(text: string, byDefault: Policy | undefined): ParsedCases {
  const { tree, mistakes: unreadable } = readTree(text)
  if (!tree) return { ok: false, mistakes: unreadable }
  const parsed = fileSchema.safeParse(tree.value)
  if (!parsed.success) return { ok: false, mistakes: [...unreadable, ...mistakesOf(tree, fileSchema, parsed.error.issues)] }
  const file = parsed.data
  const mistakes: Mistake[] = [...unreadable]
  if (file.policy) mistakes.push(...clashes(file.policy).map((f) => tree.mistakeAt(['policy', ...f.path], 'value', f.message)))
  const policy = file.policy ? compiled(file.policy) : byDefault
  if (!policy) {
    const message = 'no policy to decide under: give the file a `policy` (purposes, rules, limits), or the command --config FILE'
    return { ok: false, mistakes: [...mistakes, tree.mistakeAt([], 'value', message)] }
  }
  const cases: Case[] = []
  for (const [i, written] of file.cases.entries()) {
    const done = completed(tree, ['cases', i], file, written, policy)
    if ('mistakes' in done) mistakes.push(...done.mistakes)
    else cases.push(done.case)
  }
  return mistakes.length > 0 ? { ok: false, mistakes } : { ok: true, cases }
}

function clashes(policy: NonNullable<CaseFile['policy']>) {
  return contradictions({ clients: [], purposes: policy.purposes, rules: policy.rules, codes: policy.purposes.map((p) => p.code) })
}

/** As the settings compile it: the same purposes, rules and limits in an otherwise empty file. */
function compiled({ purposes, rules, limits }: NonNullable<CaseFile['policy']>): Policy {
  const secret = { env: 'NONE' }
  const account = { id: 'main', client_id: 'none', client_secret: secret }
  const rest = settingsSchema.parse({
    instance: { name: 'cases.localhost', state: 'none' },
    providers: { 'enedis-data-connect': { url: 'http://127.0.0.1', accounts: [account] } },
    clients: [],
    purposes: [],
    rules: [],
    evidence: { keys: { signing: secret, master: secret, index: secret } },
  })
  const providers = { 'enedis-data-connect': { ...rest.providers['enedis-data-connect'], limits } }
  return compilePolicy(toSettings({ ...rest, providers, purposes, rules }, undefined))
}

function completed(
  tree: Tree,
  path: readonly (string | number)[],
  file: CaseFile,
  written: CaseFile['cases'][number],
  policy: Policy,
): { readonly case: Case } | { readonly mistakes: readonly Mistake[] } {
  const mistakes: Mistake[] = []
  const missing = (at: readonly string[], what: string): undefined => {
    mistakes.push(tree.mistakeAt([...path, ...at], 'value', what))
    return undefined
  }
  const { given } = file
  const now = written.now ?? given.now ?? missing(['now'], "'now' is missing, here and in `given`")
  const request = requestOf({ ...given.request, ...written.request }, missing)
  const caller = callerOf({ ...given.caller, ...written.caller }, missing)
  const permissions = Object.entries(merged(given.permissions, written.permissions, mergePermission))
  const views = request && caller ? permissions.map(([id, p]) => viewOf(id, p, request, caller, missing)) : []
  const patched = [given.policy, written.policy].reduce((before, patch) => patchedPolicy(before, patch, missing), policy)
  const known = views.filter((view) => view !== undefined)
  if (now === undefined || !request || !caller || mistakes.length > 0) return { mistakes }
  const { name, decision, evidence } = written
  const { line } = tree.mistakeAt(path, 'value', '')
  return { case: { name, line, exact: file.exact, request, caller, permissions: known, policy: patched, now, decision, evidence } }
}

type Missing = (at: readonly string[], what: string) => undefined

function requestOf(written: NonNullable<Given['request']>, missing: Missing): AccessRequest | undefined {
  const { meter: about, kind } = written
  if (about === undefined) return missing(['request'], "the request names no 'meter', here or in `given`")
  if (kind === undefined) return missing(['request'], "the request names no 'kind', here or in `given`")
  return {
    provider: written.provider ?? 'enedis-data-connect',
    api: written.api ?? 'mesure_synchrone_auto',
    meter: about,
    kind,
    direction: written.direction ?? directionOf(kind),
    step: written.step ?? (isDated(kind) ? (kind === 'load_curve' ? 'recorded' : 'P1D') : 'TOTAL'),
    period: written.days ?? null,
    ...(written.or_else && { orElse: written.or_else }),
    ...(written.order && { order: { kinds: written.order.kinds, openEnded: written.order.open_ended } }),
  }
}

function callerOf(written: NonNullable<Given['caller']>, missing: Missing): Caller | undefined {
  const { client, purpose } = written
  if (client === undefined) return missing(['caller'], "the caller has no 'client', here or in `given`")
  if (purpose === undefined) return missing(['caller'], "the caller has no 'purpose', here or in `given`")
  return { client, purpose, set: written.set ?? 'all', refusesNarrowing: written.refuses_narrowing ?? false }
}

function directionOf(kind: DataKind) {
  return isDated(kind) ? 'withdrawal' : 'n_a'
}

function viewOf(
  id: string,
  written: WrittenPermission,
  request: AccessRequest,
  caller: Caller,
  missing: Missing,
): PermissionView | undefined {
  const at = ['permissions', id]
  const { valid_from: validFrom, valid_until: validUntil } = written
  if (validFrom === undefined || validUntil === undefined) return missing(at, `permission '${id}' needs 'valid_from' and 'valid_until'`)
  const lines: ScopeLine[] = []
  for (const [lineId, line] of Object.entries(written.lines ?? {})) {
    if (!line) continue
    const { kind } = line
    if (kind === undefined) return missing([...at, 'lines', lineId], `line '${lineId}' has no 'kind'`)
    const finest = line.finest ?? (isDated(kind) ? undefined : 'TOTAL')
    if (finest === undefined) return missing([...at, 'lines', lineId], `line '${lineId}' has no 'finest' step`)
    if (line.days === undefined && isDated(kind)) return missing([...at, 'lines', lineId], `line '${lineId}' has no 'days'`)
    lines.push({
      id: lineId as LineId,
      kind,
      direction: line.direction ?? directionOf(kind),
      finest,
      coarser: line.coarser ?? 'fetch',
      purpose: line.purpose ?? caller.purpose,
      data: line.days ?? null,
      recurrence: line.recurrence ?? 'on_demand',
    })
  }
  const standing = standingOf(written)
  if (typeof standing === 'string') return missing([...at, 'acts'], standing)
  const scope: Scope = {
    recipient: written.recipient ?? caller.client,
    ground: { gdprBasis: written.ground ?? 'consent', sectorRelease: written.release ?? 'express_authorisation' },
    validFrom,
    validUntil,
    lines,
  }
  return {
    id: id as PermissionId,
    version: written.version ?? 1,
    meter: written.meter ?? request.meter,
    scope,
    scopeHash: scopeHashOf(scope),
    status: standing.status,
    ...(standing.endReason !== undefined && { endReason: standing.endReason }),
    ...(standing.suspendCause !== undefined && { suspendCause: standing.suspendCause }),
    head: 'cases.localhost/journal/1',
    bindings: written.bindings ?? [{ provider: request.provider, account: 'main' as AccountId, ready: true }],
    deliveries: (written.deliveries ?? []).map(({ line, days: data, at: when, entry, open }) => ({ line, data, at: when, entry, open })),
  }
}

/** From acts as the registry projects them, or as stated. */
function standingOf({
  acts,
  status,
  end_reason: endReason,
  suspend_cause: suspendCause,
}: WrittenPermission): Omit<Standing, 'void'> | string {
  if (!acts) {
    return {
      status: status ?? (endReason === undefined ? (suspendCause === undefined ? 'active' : 'suspended') : 'ended'),
      ...(endReason !== undefined && { endReason }),
      ...(suspendCause !== undefined && { suspendCause }),
    }
  }
  if (status !== undefined || endReason !== undefined) return 'either acts, or status and end_reason'
  let standing: Standing | undefined
  for (const act of acts) {
    const next = after(standing, act, suspendCause)
    if (!next) return `'${act}' is not possible ${standing ? `on a permission that is ${standing.status}` : 'before create'}`
    standing = next
  }
  return standing ?? 'expected at least one act'
}

/** Both maps, key by key; `null` takes an entry away. */
function merged<T>(
  base: Readonly<Record<string, T | null>> | undefined,
  over: Readonly<Record<string, T | null>> | undefined,
  merge: (base: T, over: T) => T,
): Record<string, T> {
  const both: Record<string, T> = {}
  for (const [key, value] of Object.entries(base ?? {})) if (value !== null) both[key] = value
  for (const [key, value] of Object.entries(over ?? {})) {
    const before = both[key]
    if (value === null) delete both[key]
    else both[key] = before === undefined ? value : merge(before, value)
  }
  return both
}

function mergePermission(base: WrittenPermission, over: WrittenPermission): WrittenPermission {
  const lines = merged(base.lines, over.lines, (a, b) => ({ ...a, ...b }))
  return { ...base, ...over, lines }
}

function patchedPolicy(policy: Policy, patch: Patch | undefined, missing: Missing): Policy {
  if (!patch) return policy
  return {
    rules: patchedList(
      policy.rules,
      patch.rules,
      (r) => r.id,
      patchRule,
      (id) => missing(['policy', 'rules', id], `no rule '${id}'`),
    ),
    purposes: patchedList(
      policy.purposes,
      patch.purposes,
      (p) => p.code,
      (p, by): Purpose => ({ ...p, grounds: by.grounds ?? p.grounds, kinds: by.kinds ?? p.kinds, finest: by.finest ?? p.finest }),
      (code) => missing(['policy', 'purposes', code], `no purpose '${code}'`),
    ),
    limits: patchedList(
      policy.limits,
      patch.limits,
      (l) => l.kind,
      (l, by): HolderLimit => ({ ...l, callDays: by.call_days ?? l.callDays, history: by.history ?? l.history }),
      (kind) => missing(['policy', 'limits', kind], `no limit for '${kind}'`),
    ),
  }
}

function patchRule({ keepsStraddling, narrowsOrders, degrades, ...rule }: Rule, by: RulePatch): Rule {
  const narrows = by.orders === undefined ? narrowsOrders : by.orders === 'narrow'
  const keeps = by.straddling === undefined ? keepsStraddling : by.straddling === 'keep'
  return {
    ...rule,
    ...(keeps && { keepsStraddling: true }),
    ...(narrows && { narrowsOrders: true }),
    ...((by.degrade ?? degrades) && { degrades: true }),
    onOverrun: by.on_overrun ?? rule.onOverrun,
    coarser: by.coarser ?? rule.coarser,
    longestDays: by.longest_days === undefined ? rule.longestDays : by.longest_days,
    oldestDays: by.oldest_days === undefined ? rule.oldestDays : by.oldest_days,
  }
}

function patchedList<T, P>(
  items: readonly T[],
  patches: Readonly<Record<string, P | null>> | undefined,
  key: (item: T) => string,
  patch: (item: T, by: P) => T,
  unknown: (id: string) => undefined,
): T[] {
  for (const id of Object.keys(patches ?? {})) if (!items.some((item) => key(item) === id)) unknown(id)
  return items.flatMap((item) => {
    const by = patches?.[key(item)]
    if (by === null) return []
    return by === undefined ? [item] : [patch(item, by)]
  })
}
