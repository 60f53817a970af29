/**
 * `authorization_details` (RFC 9396) of the type `<issuer>/rar/energy-data/v1`: which data a client asks a person for,
 * and which it was given. A client may ask for less than its settings say, never for more, and never for a meter: that
 * one is the person's choice. Pure.
 *
 * Source: consent model § 3.11.
 */
import { bareMeter } from '../../domain/meter.ts'
import type { Day, Millis } from '../../domain/time.ts'
import { addDays, countDays, parisDay, parseDay, period } from '../../domain/time.ts'
import type { Recurrence, Step } from '../../domain/vocabulary.ts'
import { DIRECTIONS, isAtLeast, RECURRENCES, STEPS } from '../../domain/vocabulary.ts'
import type { PermissionRecord } from '../../permissions/record.ts'
import type { AskedLine, AskLine, OAuthClient, PurposeCode } from './ports.ts'

export type Detail = { readonly type: string } & { readonly [field: string]: unknown }
export type Understood =
  | { readonly ok: true; readonly lines: readonly AskedLine[] }
  /** One sentence for the developer of the client. */
  | { readonly ok: false; readonly why: string }

export function detailType(issuer: string): string {
  return `${issuer}/rar/energy-data/v1`
}

interface Asking {
  readonly issuer: string
  readonly client: OAuthClient
  /** Purpose of another client of the same body. */
  readonly purposeOf: (client: string) => string | undefined
  readonly now: Millis
}

const FIELDS = new Set(['type', 'actions', 'locations', 'datatypes', 'direction', 'finest_step', 'data_period', 'purpose', 'recurrence'])

/** All that a client asks for: its settings, or the part of them that the request names. */
export function linesAsked(asking: Asking, details: readonly Detail[] | undefined): Understood {
  const all = (asking.client.ask?.lines ?? []).map((line) => ({ ...line, purpose: purposeOfLine(asking, line) }))
  if (all.length === 0) return no('this client asks people for nothing')
  if (details === undefined || details.length === 0) return { ok: true, lines: all }
  const lines: AskedLine[] = []
  for (const detail of details) {
    const understood = understand(asking, detail, all)
    if (!understood.ok) return understood
    lines.push(...understood.lines)
  }
  return { ok: true, lines }
}

function understand(asking: Asking, detail: Detail, all: readonly AskedLine[]): Understood {
  const unknown = Object.keys(detail).find((field) => !FIELDS.has(field))
  if (unknown === 'identifier') return no('the meter is for the person to choose: leave identifier out')
  if (unknown !== undefined) return no(`unknown field ${unknown}`)
  if (!isList(detail['actions'] ?? ['read'], (action) => action === 'read')) return no('actions must be ["read"]')
  if (!isList(detail['locations'] ?? [asking.issuer], (location) => location === asking.issuer))
    return no(`locations must be ["${asking.issuer}"]`)
  const { datatypes } = detail
  if (!isList(datatypes, () => true) || datatypes.length === 0) return no('datatypes must name kinds of data')
  const lines: AskedLine[] = []
  for (const kind of new Set(datatypes)) {
    const line = narrowed(asking, detail, kind, all)
    if (typeof line === 'string') return no(line)
    lines.push(line)
  }
  return { ok: true, lines }
}

/** The client's own line, made as narrow as the detail says; a sentence where the detail is wider or unreadable. */
function narrowed(asking: Asking, detail: Detail, kind: string, all: readonly AskedLine[]): AskedLine | string {
  const direction = detail['direction'] ?? 'withdrawal'
  if (!isOneOf(DIRECTIONS, direction)) return 'direction is none of the known ones'
  const purpose = detail['purpose'] ?? asking.client.purpose
  if (typeof purpose !== 'string') return 'purpose must be a code of the register'
  const code = purpose.replace(/@\d+$/, '')
  const candidates = all.filter((line) => line.kind === kind && line.direction === direction && line.purpose === code)
  if (candidates.length === 0) return `this client does not ask for ${kind}, ${direction}, ${purpose}`
  const step = detail['finest_step']
  if (step !== undefined && !isOneOf(STEPS, step)) return 'finest_step is none of the known steps'
  const line = candidates.find(({ finest }) => step === undefined || isAtLeast(step, finest))
  if (!line) return `this client does not ask for steps as fine as ${step}`
  const recurrence = detail['recurrence'] ?? line.recurrence
  if (!isOneOf(RECURRENCES, recurrence)) return 'recurrence is none of the known ones'
  if (oftenness(recurrence) > oftenness(line.recurrence)) return `this client does not ask to read as often as ${recurrence}`
  const days = daysOf(asking, detail['data_period'], line)
  if (typeof days === 'string') return days
  return { ...line, ...days, ...(step !== undefined && { finest: step as Step }), recurrence }
}

function daysOf(asking: Asking, given: unknown, line: AskedLine): Pick<AskedLine, 'historyDays' | 'data'> | string {
  if (given === undefined) return { historyDays: line.historyDays }
  const { from, until, ...more } = given as { readonly from?: unknown; readonly until?: unknown }
  if (typeof from !== 'string' || typeof until !== 'string' || Object.keys(more).length > 0) return 'data_period must be {from, until}'
  const [first, end] = [parseDay(from), parseDay(until)]
  const asked = first && end && period(first, end)
  if (!asked) return 'data_period must be two days, the second after the first'
  const today = parisDay(asking.now)
  if (asked.from < addDays(today, -line.historyDays))
    return `this client asks for ${line.historyDays} days before the consent, not for ${from}`
  return { historyDays: daysBefore(asked.from, today), data: { from, until } }
}

function daysBefore(from: Day, today: Day): number {
  const before = period(from, today)
  return before ? countDays(before) : 0
}

/** What was given, as the registry holds it: one detail for each line of each permission. */
export function detailsGiven(issuer: string, permissions: readonly PermissionRecord[]): readonly Detail[] {
  return permissions.flatMap(({ content }) =>
    (content?.scope.lines ?? []).map((line) => ({
      type: detailType(issuer),
      actions: ['read'],
      locations: [issuer],
      datatypes: [line.kind],
      identifier: bareMeter(content?.meter ?? ('' as never)),
      direction: line.direction,
      finest_step: line.finest,
      ...(line.data && { data_period: { from: line.data.from, until: line.data.until } }),
      purpose: line.purpose,
      recurrence: line.recurrence,
    })),
  )
}

function purposeOfLine({ client, purposeOf }: Asking, line: AskLine): PurposeCode {
  return (line.for === undefined ? client.purpose : (purposeOf(line.for) ?? '')) as PurposeCode
}
function oftenness(recurrence: Recurrence): number {
  return ['once', 'P1M', 'P1D', 'on_demand'].indexOf(recurrence)
}
function isOneOf<T extends string>(known: readonly T[], value: unknown): value is T {
  return known.some((one) => one === value)
}
function isList(value: unknown, fits: (item: unknown) => boolean): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string' && fits(item))
}
function no(why: string): Understood {
  return { ok: false, why }
}
