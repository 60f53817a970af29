/**
 * What is wrong with a permission that is written as the schema wants it: against the register of purposes, the settings,
 * and what makes it provable. Pure. Source: consent model, invariant I-13.
 */
import type { Policy } from '../domain/policy.ts'
import type { DataKind, ProviderId } from '../domain/vocabulary.ts'
import { isAtLeast, isDated, minutesOf } from '../domain/vocabulary.ts'
import type { Given } from './import-schema.ts'

export interface ImportContext {
  readonly unverified: boolean
  readonly policy: Policy
  readonly clients: ReadonlyMap<string, string>
  readonly accounts: ReadonlySet<string>
}

/** Tells what is wrong, and at which place. */
type Say = (path: readonly PropertyKey[], message: string) => void

export function check(given: Given, context: ImportContext, say: Say): void {
  if (given.valid_until <= given.valid_from) say(['valid_until'], 'a permission ends after it begins')
  const purpose = context.clients.get(given.client)
  if (purpose === undefined) say(['client'], `the settings declare no client ${given.client}`)
  for (const [i, line] of given.lines.entries()) checkLine(line, given, context.policy, (message) => say(['lines', i], message))
  for (const [i, binding] of given.bindings.entries())
    checkBinding(binding, given, context, (path, message) => say(['bindings', i, ...path], message))
  if (given.bindings.some(({ declare, order }) => declare || order) && given.holder.name === undefined)
    say(['holder', 'name'], 'the data holder is told the name of the person or body: holder.name')
  const isGas = given.meter.startsWith('pce:')
  if (given.bindings.some((b) => (b.provider === 'grdf-adict') !== isGas))
    say(['bindings'], 'a gas meter is read at GRDF, an electricity meter at Enedis')
  if (given.mandate) checkMandate(given, say)
  else if (!context.unverified) checkProvable(given, say)
}

function checkLine(l: Given['lines'][number], given: Given, policy: Policy, say: (message: string) => void): void {
  const row = policy.purposes.find((p) => p.code === l.purpose)
  if (!row) say(`the register has no purpose ${l.purpose}`)
  else {
    if (!row.kinds.includes(l.kind)) say(`the purpose ${l.purpose} does not allow ${l.kind}`)
    if (!row.grounds.includes(given.ground.gdpr_basis)) say(`the purpose ${l.purpose} does not rest on ${given.ground.gdpr_basis}`)
    if (l.finest !== undefined && isDated(l.kind) && !isAtLeast(l.finest, row.finest))
      say(`the purpose ${l.purpose} allows ${row.finest} at the finest`)
  }
  if (!isDated(l.kind)) {
    if (l.from !== undefined || l.until !== undefined) say(`${l.kind} has no days`)
    return
  }
  if (l.from === undefined || l.until === undefined) say(`${l.kind} needs the days it opens: from and until`)
  else if (l.from >= l.until) say('the days end after they begin (until is excluded)')
  if (l.direction === 'n_a') say(`${l.kind} is withdrawal or injection`)
  if (l.finest === undefined) {
    say(`${l.kind} needs its finest step`)
    return
  }
  const inMinutes = minutesOf(l.finest) !== undefined
  if (l.kind === 'load_curve' && !inMinutes) say('a load curve has steps of minutes')
  // Daily and finer data never share a line: the one never opens the other.
  if (l.kind !== 'load_curve' && l.kind !== 'infraday' && inMinutes) say(`${l.kind} has steps of a day and longer`)
}

const ORDERED: readonly DataKind[] = ['load_curve', 'index', 'max_power', 'daily_energy']
/** Data Connect has shares, which people themselves end on its pages; SGE and GRDF are told. */
const REFS: Partial<Record<ProviderId, RegExp>> = { 'grdf-adict': /^[0-9a-f-]{36}$/, 'enedis-sge': /^[0-9]{1,15}$/ }

function checkBinding(binding: Given['bindings'][number], given: Given, { accounts }: ImportContext, say: Say): void {
  const { provider, account, declare, order, rights = [] } = binding
  if (!accounts.has(`${provider}/${account}`)) say([], `the settings have no account ${account} at ${provider}`)
  if (declare && provider !== 'grdf-adict') say(['declare'], 'a right is declared at GRDF; at SGE a service is ordered')
  if (declare && declare.email === undefined && given.ground.sector_release !== 'holder_itself')
    say(['declare', 'email'], 'GRDF asks the holder by mail: email')
  if (order && provider !== 'enedis-sge') say(['order'], 'a service is ordered at SGE; at GRDF a right is declared')
  if (order && !given.lines.some(({ kind }) => ORDERED.includes(kind)))
    say(['order'], `a service is for measures: a line of ${ORDERED.join(', ')}`)
  if (rights.some(({ ref }) => !REFS[provider]?.test(ref)))
    say(['rights'], `${provider} has no rights of this form: serviceSouscritId at SGE, id_droit_acces at GRDF`)
}

function checkProvable(given: Given, say: Say): void {
  if (!given.notice) say(['notice'], 'what the person was shown is missing: notice with id, version, sha256 and language')
  if (!given.will) say(['will'], 'the act of will is missing: who agreed, when, by which channel')
  if (!given.identity) say(['identity'], 'how the person was identified is missing')
  else if (given.identity.strength < 'S2' && given.holder.kind === 'natural')
    say(['identity'], 'a household needs an identity of strength S2 or S3')
  if (!given.holder_match) say(['holder_match'], 'how the person was matched with the contract of the meter is missing')
  else if (given.holder_match.result === 'failed' || given.holder_match.result === 'not_done')
    say(['holder_match'], 'the person is not matched with the contract of the meter')
  if (given.attachments.length === 0) say(['attachments'], 'no document proves this permission')
}

/** What proves it is not there yet, and comes by its own way. */
function checkMandate(given: Given, say: Say): void {
  for (const name of ['notice', 'will', 'identity', 'holder_match'] as const)
    if (given[name]) say([name], `a mandate is signed first: ${name} is not known yet`)
  if (given.attachments.length > 0) say(['attachments'], 'a mandate is signed first: its documents are handed in later')
  if (given.holder.name === undefined) say(['holder', 'name'], 'the form names who signs it: holder.name')
  if (given.bindings.some(({ provider, rights }) => provider !== 'enedis-sge' || rights))
    say(['bindings'], 'a mandate is for SGE, where nothing is open yet: GRDF asks the holder itself, Data Connect on its own page')
}
