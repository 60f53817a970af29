/**
 * What no single value shows: names that must exist, be unique or be apart, rules that never speak, a register that
 * contradicts itself. Works on what could be read, so that one broken item hides no mistake in the others.
 */
import { DATA_KINDS, isAtLeast, PROVIDERS, type DataKind } from '../domain/vocabulary.ts'
import { didYouMean, type Path } from './mistakes.ts'
import { isLoopback, isPrivate } from './network.ts'
import type { OpenRoute } from './open-routes.ts'
import { openRoutes } from './open-routes.ts'
import { listOf } from './policy-document.ts'
import { redisContradictions, redisDoubts } from './redis-checks.ts'
import type { Written } from './shape.ts'

export interface Finding {
  readonly path: Path
  readonly message: string
}

type Client = Written['clients'][number]
type Purpose = Written['purposes'][number]
type Rule = Written['rules'][number]

/** Sections that could be read; in lists, `undefined` stands for an item that could not. */
export interface Parts {
  readonly listeners?: Written['listeners']
  readonly providers?: Written['providers']
  readonly evidence?: Written['evidence']
  readonly storage?: Written['storage']
  readonly redis?: Written['redis']
  readonly portal?: Written['portal']
  readonly console?: Written['console']
  readonly open?: readonly (OpenRoute | undefined)[]
  readonly clients: readonly (Client | undefined)[]
  readonly purposes: readonly (Purpose | undefined)[]
  readonly rules: readonly (Rule | undefined)[]
  /** Codes of all purposes, of those too that could not be read; undefined where the register itself is missing. */
  readonly codes?: readonly string[]
}

/** Mistakes: the settings are refused. */
export function contradictions(parts: Parts): Finding[] {
  return [
    ...repeated('clients', parts.clients, 'id', (c) => c.id),
    ...repeated('purposes', parts.purposes, 'code', (p) => p.code),
    ...repeated('rules', parts.rules, 'id', (r) => r.id),
    ...parts.purposes.flatMap((p, i) => (p ? registerRow(p, ['purposes', i]) : [])),
    ...parts.clients.flatMap((c, i) => (c ? unknownPurpose(c.purpose, ['clients', i, 'purpose'], parts.codes) : [])),
    ...parts.rules.flatMap((r, i) => (r ? unknownPurposes(r, ['rules', i, 'purpose'], parts.codes) : [])),
    ...neverSpeaking(parts),
    ...ports(parts),
    ...dataHolders(parts),
    ...sharedKeys(parts),
    ...redisContradictions(parts.redis),
    ...people(parts),
    ...openRoutes(parts),
    ...parts.clients.flatMap((c, i) => (c ? asking(c, ['clients', i], parts) : [])),
  ]
}

/** Warnings: lawful, and probably not what was meant. */
export function doubts(parts: Parts): Finding[] {
  const gate = parts.listeners?.gate
  const row = (code: string) => parts.purposes.find((p) => p?.code === code)
  const found: Finding[] = []
  if (gate && !gate.tls && !isLoopback(gate.address)) {
    found.push({
      path: ['listeners', 'gate', 'address'],
      message: 'reached from other machines without TLS: put something before it that ends TLS',
    })
  }
  if (parts.rules.length === 0) found.push({ path: ['rules'], message: 'no rule: every request is refused' })
  for (const [i, client] of parts.clients.entries()) {
    if (client?.identifies_by.includes('certificate') && parts.listeners && parts.listeners.gate.tls?.client_certificates !== true) {
      found.push({
        path: ['clients', i, 'identifies_by'],
        message: "the gate asks nobody for a certificate: set 'client_certificates: true' in listeners.gate.tls",
      })
    }
    if (!client || parts.rules.length === 0) continue
    if (!parts.rules.some((rule) => rule && covers(rule.purpose, client.purpose))) {
      found.push({
        path: ['clients', i, 'purpose'],
        message: `no rule speaks of '${client.purpose}': every request of '${client.id}' is refused`,
      })
    }
  }
  for (const [i, rule] of parts.rules.entries()) {
    if (!rule) continue
    const rows = listOf(rule.purpose).map((code) => (code === '*' ? undefined : row(code)))
    // A star, or a row that could not be read: nothing can be said.
    if (rows.includes(undefined)) continue
    for (const kind of listOf(rule.kind)) {
      if (kind === '*' || rows.some((r) => r?.kinds.includes(kind))) continue
      found.push({
        path: ['rules', i, 'kind'],
        message: `'${kind}' is among the kinds of none of its purposes: no permission can exist for it`,
      })
    }
  }
  for (const [i, rule] of parts.rules.entries()) {
    for (const provider of rule && parts.providers ? listOf(rule.provider) : []) {
      if (provider !== '*' && !Object.hasOwn(parts.providers ?? {}, provider)) {
        found.push({ path: ['rules', i, 'provider'], message: `'${provider}' is not among the providers of this gate` })
      }
    }
  }
  const postgres = parts.storage?.postgres
  if (postgres && !postgres.tls && !isLoopback(postgres.host)) {
    found.push({ path: ['storage', 'postgres', 'host'], message: 'what is stored crosses the network in clear: set tls' })
  }
  return [...found, ...redisDoubts(parts.redis)]
}

function repeated<T>(
  section: string,
  items: readonly (T | undefined)[],
  key: string,
  of: (item: T) => string,
  above: Path = [],
): Finding[] {
  const first = new Map<string, number>()
  return items.flatMap((item, i) => {
    if (item === undefined) return []
    const name = of(item)
    const before = first.get(name)
    if (before === undefined) {
      first.set(name, i)
      return []
    }
    return [{ path: [...above, section, i, key], message: `'${name}' is taken by ${section}[${before}]: choose another` }]
  })
}

/** A kind whose series are all finer than the finest step of the purpose can never be read. */
function registerRow(purpose: Purpose, path: Path): Finding[] {
  const subDaily: readonly DataKind[] = ['load_curve', 'infraday']
  const found = purpose.kinds.flatMap((kind, i) =>
    subDaily.includes(kind) && isAtLeast(purpose.finest, 'P1D')
      ? [{ path: [...path, 'kinds', i], message: `'${kind}' is finer than ${purpose.finest}: remove it, or make 'finest' PT60M or finer` }]
      : [],
  )
  const twice = purpose.kinds.flatMap((kind, i) =>
    purpose.kinds.indexOf(kind) === i ? [] : [{ path: [...path, 'kinds', i], message: `'${kind}' is listed twice` }],
  )
  return [...found, ...twice]
}

function unknownPurposes(rule: Rule, path: Path, codes: readonly string[] | undefined): Finding[] {
  if (typeof rule.purpose === 'string') return rule.purpose === '*' ? [] : unknownPurpose(rule.purpose, path, codes)
  return rule.purpose.flatMap((code, i) => unknownPurpose(code, [...path, i], codes))
}

function unknownPurpose(code: string, path: Path, codes: readonly string[] | undefined): Finding[] {
  if (codes === undefined || codes.includes(code)) return []
  return [{ path, message: `no purpose '${code}' in the register${didYouMean(code, codes)}` }]
}

/** The first rule that fits speaks: one all of whose cases belong to rules above it is never heard. */
function neverSpeaking(parts: Parts): Finding[] {
  if (parts.codes === undefined) return []
  const all = { purpose: parts.codes, kind: DATA_KINDS, provider: PROVIDERS }
  const speaker = new Map<string, string>()
  return parts.rules.flatMap((rule, i) => {
    if (!rule) return []
    const cases = within(rule.purpose, all.purpose).flatMap((purpose) =>
      within(rule.kind, all.kind).flatMap((kind) =>
        within(rule.provider, all.provider).map((provider) => `${purpose} ${kind} ${provider}`),
      ),
    )
    const above = new Set(cases.map((c) => speaker.get(c)))
    for (const c of cases) if (!speaker.has(c)) speaker.set(c, rule.id)
    if (cases.length === 0 || above.has(undefined)) return []
    const names = [...above].map((name) => `'${name}'`).join(', ')
    return [
      { path: ['rules', i], message: `'${rule.id}' never speaks: ${names} above it already fit all that it fits; move it up or remove it` },
    ]
  })
}

function within<T extends string>(value: T | '*' | readonly T[], all: readonly T[]): readonly T[] {
  if (value === '*') return all
  return typeof value === 'string' ? [value] : value
}

function covers(value: string | readonly string[], one: string): boolean {
  return value === '*' || listOf(value).includes(one)
}

function ports({ listeners }: Parts): Finding[] {
  if (!listeners) return []
  const { gate, ops, admin } = listeners
  const found: Finding[] = []
  if (admin && admin.port !== 0 && [gate.port, ops.port].includes(admin.port))
    found.push({ path: ['listeners', 'admin', 'port'], message: `${admin.port} is the port of another listener: choose another` })
  if (admin && !admin.tls && !isLoopback(admin.address))
    found.push({
      path: ['listeners', 'admin', 'address'],
      message: "reached from other machines without TLS: set 'tls', or choose 127.0.0.1",
    })
  if (gate.port !== 0 && gate.port === ops.port) {
    found.push({ path: ['listeners', 'ops', 'port'], message: `${ops.port} is the port of the gate: choose another` })
  }
  if (!ops.beyond_loopback && !isLoopback(ops.address)) {
    found.push({
      path: ['listeners', 'ops', 'address'],
      message: "health and metrics are for this machine only: choose 127.0.0.1, or set 'beyond_loopback: true' on a closed network",
    })
  }
  return found
}

function dataHolders({ providers }: Parts): Finding[] {
  if (!providers) return []
  return Object.entries(providers).flatMap(([id, holder]) => (holder ? dataHolder(id, holder) : []))
}

type HolderSettings = NonNullable<NonNullable<Parts['providers']>[keyof NonNullable<Parts['providers']>]>
function dataHolder(id: string, holder: HolderSettings): Finding[] {
  const path: Path = ['providers', id]
  const found = [
    ...repeated('accounts', holder.accounts as readonly { readonly id: string }[], 'id', (a) => a.id, path),
    ...repeated('limits', holder.limits, 'kind', (l) => l.kind, path),
  ]
  if (!holder.allow_private && isPrivate(new URL(holder.url).hostname)) {
    found.push({ path: [...path, 'url'], message: "a private address: set 'allow_private: true' if this is a simulator" })
  }
  if (!holder.allow_private && 'token_url' in holder && isPrivate(new URL(holder.token_url).hostname)) {
    found.push({ path: [...path, 'token_url'], message: "a private address: set 'allow_private: true' if this is a simulator" })
  }
  return found
}

function sharedKeys({ evidence }: Parts): Finding[] {
  if (!evidence) return []
  const seen = new Map<string, string>()
  return Object.entries(evidence.keys).flatMap(([name, ref]) => {
    const place = JSON.stringify(ref)
    const before = seen.get(place)
    if (before === undefined) seen.set(place, name)
    return before === undefined
      ? []
      : [{ path: ['evidence', 'keys', name], message: `the same secret as '${before}': each key must be its own` }]
  })
}

/** Portal and console rest on what stands elsewhere in the file. */
function people({ listeners, providers, portal, console }: Parts): Finding[] {
  const found: Finding[] = []
  const accounts = providers?.['enedis-data-connect'].accounts.map((a) => a.id)
  if (portal && accounts && !accounts.includes(portal.account))
    found.push({ path: ['portal', 'account'], message: `no account '${portal.account}' at Enedis${didYouMean(portal.account, accounts)}` })
  if (console && !console.bootstrap && !console.oidc)
    found.push({ path: ['console'], message: "nobody could sign in: give 'bootstrap', 'oidc' or both" })
  if (listeners?.admin && !console)
    found.push({ path: ['listeners', 'admin'], message: "a listener for operators, and nobody may use it: add the section 'console'" })
  return found
}

/** What a client asks for must be what its purpose may have: a person is never shown a box that opens nothing. */
function asking(client: Client, path: Path, parts: Parts): Finding[] {
  const { ask, oauth } = client
  const found: Finding[] = []
  if (oauth.public && oauth.jwks !== undefined)
    found.push({ path: [...path, 'oauth', 'jwks'], message: 'a public client proves itself by nothing: remove jwks, or public' })
  // The OAuth server takes no client that has one: nothing that it asks would be answered.
  for (const [i, text] of oauth.redirect_uris.entries())
    if (text.includes('#'))
      found.push({
        path: [...path, 'oauth', 'redirect_uris', i],
        message: 'expected an address without a part after #: no code can be sent there',
      })
  if (!ask) return found
  if (ask.ground === 'contract' && ask.contract === undefined)
    found.push({ path: [...path, 'ask', 'ground'], message: "the basis is a contract: say which in 'contract'" })
  for (const [i, line] of ask.lines.entries()) {
    const here: Path = [...path, 'ask', 'lines', i]
    const served = line.for === undefined ? client : parts.clients.find((c) => c?.id === line.for)
    if (!served) {
      if (!parts.clients.includes(undefined)) found.push({ path: [...here, 'for'], message: `no client '${line.for}'` })
      continue
    }
    const row = parts.purposes.find((p) => p?.code === served.purpose)
    if (!row) continue
    if (!row.kinds.includes(line.kind))
      found.push({ path: [...here, 'kind'], message: `'${line.kind}' is not among the kinds of '${row.code}'` })
    if (!isAtLeast(line.finest, row.finest))
      found.push({ path: [...here, 'finest'], message: `finer than '${row.code}' may read: ${row.finest} or coarser` })
    if (!row.grounds.includes(ask.ground))
      found.push({ path: [...path, 'ask', 'ground'], message: `'${ask.ground}' is not among the grounds of '${row.code}'` })
  }
  return found
}
