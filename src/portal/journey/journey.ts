/**
 * One consent journey, from the page that asks to the permission: plain data that survives a restart, and the pure
 * steps between its stages.
 *
 * asked → chosen → (Enedis) → back → done, or refused. A journey belongs to one browser; its way to Enedis has a
 * `state` of its own that is used once. Nothing that comes back through the browser is believed: see `verify.ts`.
 */
import type { UsagePointId } from '../../domain/meter.ts'
import type { ClientId, PermissionId, PurposeCode } from '../../domain/permission.ts'
import type { Day, Millis, Period } from '../../domain/time.ts'
import { addDays, addMonths, startOfDay } from '../../domain/time.ts'
import type { DataKind, Direction, Recurrence, Step } from '../../domain/vocabulary.ts'
import type { ClientSettings } from '../../settings/shape.ts'
import type { Language, Said } from '../../web/language.ts'

/** One box of the page. */
export interface AskedLine {
  readonly id: string
  /** Whom it serves: the client itself, or another one of the same body. */
  readonly client: ClientId
  readonly purpose: PurposeCode
  readonly kind: DataKind
  readonly direction: Direction
  readonly finest: Step
  readonly historyDays: number
  readonly recurrence: Recurrence
  readonly why: Said
  /** Beyond these days nothing was asked for. */
  readonly days?: Period
}

/** Who is told in the end, and how. */
export type Origin =
  /** An authorization request of the OAuth server. */
  | { readonly is: 'oauth'; readonly uid: string; readonly targets: readonly string[] }
  /** A device that shows a code; `link` is what ties its code to this journey. */
  | { readonly is: 'device'; readonly link: string }
  /** A client that sends people to Enedis's page, with its base URL changed to ours. */
  | { readonly is: 'data_connect'; readonly generation: 'v1' | 'v2'; readonly redirectUri: string; readonly state: string | null }
  /** Begun on our own page: the person takes a token to paste into a program. */
  | { readonly is: 'page' }
  /** Nothing is asked: the person proves to hold a meter, to see its permissions. */
  | { readonly is: 'sign_in' }

export interface Journey {
  readonly id: string
  readonly origin: Origin
  /** Fingerprint of the browser's visit. */
  readonly visit: string
  /** Of the same browser before it was signed in by the end of this journey. */
  readonly visitBefore?: string
  readonly language: Language
  /** Null for a sign-in. */
  readonly client: ClientId | null
  readonly lines: readonly AskedLine[]
  /** ISO 8601, as Enedis is asked. */
  readonly duration: string
  readonly notice: string
  readonly begun: Millis
  /** The page that asks, as it was last sent. */
  readonly shown?: ShownPage
  readonly chosen?: { readonly at: Millis; readonly lines: readonly string[]; readonly page: ShownPage }
  readonly sent?: { readonly at: Millis; readonly state: string }
  readonly back?: { readonly at: Millis } & (
    | { readonly is: 'authorisation'; readonly authorisation: string }
    | { readonly is: 'meters'; readonly meters: readonly UsagePointId[] }
  )
  readonly end?: JourneyEnd
  /** Whoever began it knows of the end. */
  readonly told?: true
}
export interface ShownPage {
  readonly at: Millis
  readonly page: string
  readonly language: Language
}
export type JourneyEnd =
  | {
      readonly is: 'given'
      readonly bundle: string
      readonly permissions: readonly PermissionId[]
      readonly meters: readonly UsagePointId[]
      /** Of the first meter, as the data holder numbers it. */
      readonly authorisation: string
      readonly until: Millis
    }
  | { readonly is: 'refused'; readonly by: 'person' | 'holder' }
  | { readonly is: 'failed'; readonly why: FailedBecause }

const FAILURES = [
  'claimed',
  'foreign',
  'nothing_shared',
  'nothing_asked_shared',
  'holder_failed',
  'gone',
  'restricted',
  'malformed',
] as const
export type FailedBecause = (typeof FAILURES)[number]

/** The boxes that a client's settings ask for. A line for a client that is gone is left out. */
export function linesOf(client: ClientSettings, clients: ReadonlyMap<ClientId, ClientSettings>): readonly AskedLine[] {
  return (client.ask?.lines ?? []).flatMap((line, i) => {
    const serves = line.for === undefined ? client : clients.get(line.for)
    if (!serves || serves.disabled) return []
    return [
      {
        id: `l${i + 1}`,
        client: serves.id,
        purpose: serves.purpose,
        kind: line.kind,
        direction: line.direction,
        finest: line.finest,
        historyDays: line.historyDays,
        recurrence: line.recurrence,
        why: line.why,
      },
    ]
  })
}

/** When what begins on `today` for `duration` is over. Days of Paris; an ISO 8601 duration of years, months, weeks, days. */
export function endOf(today: Day, duration: string): Millis {
  const parts = partsOf(duration)
  if (!parts) throw new RangeError('not a duration in years, months, weeks or days')
  const [years, months, weeks, days] = parts
  return startOfDay(addDays(addMonths(today, 12 * years + months), 7 * weeks + days))
}

function partsOf(duration: string): readonly [number, number, number, number] | undefined {
  const [whole, years, months, weeks, days] = /^P(?:(\d{1,2})Y)?(?:(\d{1,3})M)?(?:(\d{1,3})W)?(?:(\d{1,4})D)?$/.exec(duration) ?? []
  const numbers = [years, months, weeks, days].map((text) => Number(text ?? '0'))
  const [y = 0, m = 0, w = 0, d = 0] = numbers
  return whole === undefined || y + m + w + d === 0 ? undefined : [y, m, w, d]
}

/** The shorter of what the client's settings allow and what it asks for; undefined where that is no duration. */
export function shorter(allowed: string, wanted: string | undefined, today: Day): string | undefined {
  if (wanted === undefined) return allowed
  if (!partsOf(wanted)) return undefined
  return endOf(today, wanted) < endOf(today, allowed) ? wanted : allowed
}
