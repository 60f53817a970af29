/**
 * What was asked and ticked ∩ what the data holder says is shared, for one meter: the lines of the permissions, each
 * client's own. Never wider than either. Pure.
 */
import type { ClientId, LineId, ScopeLine } from '../../domain/permission.ts'
import type { SharedService } from '../../domain/share.ts'
import type { Day, Millis } from '../../domain/time.ts'
import { addDays, intersect, parisDay, period, startOfDay } from '../../domain/time.ts'
import { isAtLeast, isDated, minutesOf } from '../../domain/vocabulary.ts'
import type { AskedLine } from './journey.ts'
import type { VerifiedMeter } from './verify.ts'

export interface GrantedClient {
  readonly client: ClientId
  readonly lines: readonly ScopeLine[]
  readonly validUntil: Millis
}
export interface Granted {
  readonly clients: readonly GrantedClient[]
  /** Ticked, and not shared at the data holder. */
  readonly missing: readonly AskedLine[]
}

/** @param until the end of what was asked for; the holder's own end may come before it */
export function grantedOf(chosen: readonly AskedLine[], { services }: VerifiedMeter, today: Day, until: Millis): Granted {
  const opened = chosen.map((line) => ({ line, by: serviceFor(line, services) }))
  const missing = opened.filter(({ by }) => by === undefined).map(({ line }) => line)
  const clients = [...Map.groupBy(opened, ({ line }) => line.client)].flatMap(([client, of]): GrantedClient[] => {
    const shared = of.flatMap(({ line, by }) => (by ? [{ line, by }] : []))
    if (shared.length === 0) return []
    // Until the day that the holder writes, without that day: whether it is included no source says.
    const validUntil = Math.min(until, ...shared.map(({ by }) => startOfDay(by.until))) as Millis
    // A share on its last day is over before it has begun here.
    if (validUntil <= startOfDay(today)) return []
    const lines = shared.flatMap(({ line, by }) => lineOf(line, by, today, validUntil) ?? [])
    return lines.length === 0 ? [] : [{ client, lines, validUntil }]
  })
  return { clients, missing }
}

/** Undated kinds are no services of their own: the holder opens them with any share of the meter. */
function serviceFor(line: AskedLine, services: readonly SharedService[]): SharedService | undefined {
  if (!isDated(line.kind)) return services[0]
  return services.find((s) => s.kind === line.kind && s.direction === line.direction)
}

function lineOf(line: AskedLine, by: SharedService, today: Day, validUntil: Millis): ScopeLine | undefined {
  const open = period(addDays(today, -line.historyDays), addDays(parisDay((validUntil - 1) as Millis), 1))
  const days = !isDated(line.kind) ? null : open && line.days ? intersect(open, line.days) : open
  if (days === undefined) return undefined
  // The holder's own step counts for curves only; it gives the step of a day to everything else.
  const finest = by.step !== undefined && minutesOf(by.step) !== undefined && isAtLeast(by.step, line.finest) ? by.step : line.finest
  return {
    id: line.id as LineId,
    kind: line.kind,
    direction: line.direction,
    finest,
    coarser: 'fetch',
    purpose: line.purpose,
    data: days,
    recurrence: line.recurrence,
  }
}
