/** Capacity computed from measured figures. Pure: the same figures and wishes give the same text. */
import type { Figures } from './figures.ts'

export interface Wish {
  readonly title: string
  readonly meters: number
  /** Accesses of each meter in a day. */
  readonly callsADay: number
}

/** Set beside each other: the mean of a day, its busiest hours, and all calls of the day within one hour. */
const PEAKS = [
  { name: 'mean', of: (daily: number) => daily / DAY_S },
  { name: 'peak of day (× 4)', of: (daily: number) => (4 * daily) / DAY_S },
  { name: 'all in one hour', of: (daily: number) => daily / 3600 },
] as const
const DAY_S = 86_400
/** Of a core, what a peak may use: the rest is for the garbage collector, for failures and for growth. */
const USED = 0.5
/** How long a permission stays in Redis (`redis.ttl_seconds`). */
const TTL_S = 300
/** A call that counts against a quota, for an hour (ADR 19). */
const QUOTA_BYTES = 100
/** What Enedis allows one application: calls in a second, and in an hour for each API (config/ecluse.yaml). */
const ALLOWED = { perSecond: 5, perHour: 1000 }

export function wishesOf(figures: { readonly meters?: number; readonly callsADay?: number; readonly perSecond?: number }): readonly Wish[] {
  if (figures.meters !== undefined) {
    const { meters, callsADay = 1 } = figures
    return [{ title: `${whole(meters)} meters × ${whole(callsADay)} a day`, meters, callsADay }]
  }
  const perSecond = figures.perSecond ?? 1000
  const country = { title: '35,000,000 meters × 1 a day', meters: 35_000_000, callsADay: 1 }
  const sustained = { title: `${whole(perSecond)} requests/s sustained`, meters: perSecond * DAY_S, callsADay: 1 }
  return figures.perSecond === undefined ? [country, sustained] : [sustained]
}

export function tablesOf(measured: Figures, wishes: readonly Wish[]): string {
  return [rowsOf(measured), ...wishes.map((wish) => capacityOf(measured, wish))].join('\n\n')
}

function rowsOf(f: Figures): string {
  const rows: readonly (readonly [string, string])[] = [
    ['machine, date', `${f.machine}; ${f.measuredAt}`],
    ['Node, PostgreSQL', `${f.node}, ${f.postgres}`],
    ['permissions and accesses measured', `${whole(f.permissions)}, ${whole(f.accesses)}`],
    ['a permission in PostgreSQL', `${whole(f.permissionBytes)} bytes`],
    ['an access in PostgreSQL, sealed', `${whole(f.accessBytes)} bytes, ${f.entriesPerAccess.toFixed(2)} entries`],
    ['WAL of an access', `${whole(f.walBytesPerAccess)} bytes, ${f.commitsPerAccess.toFixed(2)} commits`],
    ['published files of an access', `${whole(f.tileBytesPerAccess)} bytes`],
    ['CPU of an access: gate, PostgreSQL', `${whole(f.gateMicrosPerAccess)} µs, ${whole(f.postgresMicrosPerAccess)} µs`],
    ['a permission in Redis', `${whole(f.redisPermissionBytes)} bytes`],
    ['verification, one core', `${whole(f.verifiedEntriesPerSecond)} entries/s`],
  ]
  return ['## Measured', '', '| what | figure |', '| --- | --- |', ...rows.map(([what, figure]) => `| ${what} | ${figure} |`)].join('\n')
}

function capacityOf(f: Figures, { title, meters, callsADay }: Wish): string {
  const daily = meters * callsADay
  const yearly = daily * 365
  const sustained = title.endsWith('sustained')
  const peaks = sustained ? PEAKS.slice(0, 1) : PEAKS
  const cores = (micros: number, rate: number): string => whole(Math.ceil((rate * micros) / 1e6 / USED))
  const perPeak = peaks.map(({ name, of }) => {
    const rate = of(daily)
    return `| ${name} | ${whole(rate)} | ${cores(f.gateMicrosPerAccess, rate)} | ${cores(f.postgresMicrosPerAccess, rate)} | ${bytes(rate * f.walBytesPerAccess)}/s | ${whole(rate * f.commitsPerAccess)} | ${whole(Math.ceil(Math.max(rate / ALLOWED.perSecond, (rate * 3600) / ALLOWED.perHour)))} |`
  })
  const mean = daily / DAY_S
  const held = Math.min(meters, mean * TTL_S)
  const rows: readonly (readonly [string, string, string])[] = [
    ...(sustained ? [] : [['permissions in PostgreSQL', 'meters × a permission', bytes(meters * f.permissionBytes)] as const]),
    ['permissions in Redis', `min(meters, mean × ${TTL_S} s) × a permission`, bytes(held * f.redisPermissionBytes)],
    ['quotas in Redis', `mean × 3,600 s × ${QUOTA_BYTES} bytes (ADR 19)`, bytes(mean * 3600 * QUOTA_BYTES)],
    ['evidence in PostgreSQL, a year', 'accesses × an access', bytes(yearly * f.accessBytes)],
    ['published files, a year', 'accesses × files of an access', bytes(yearly * f.tileBytesPerAccess)],
    ['WAL, a day', 'accesses × WAL of an access', bytes(daily * f.walBytesPerAccess)],
    ['entries, a year', 'accesses × entries of an access', whole(yearly * f.entriesPerAccess)],
    [
      'full verification of a year',
      'entries ÷ verification',
      `${((yearly * f.entriesPerAccess) / f.verifiedEntriesPerSecond / 3600).toFixed(1)} core hours`,
    ],
  ]
  return [
    `## ${title}`,
    '',
    `| load | accesses/s | cores of gates | cores of PostgreSQL | WAL | commits/s | accounts at Enedis |`,
    '| --- | --- | --- | --- | --- | --- | --- |',
    ...perPeak,
    '',
    '| what | how | size |',
    '| --- | --- | --- |',
    ...rows.map((row) => `| ${row.join(' | ')} |`),
  ].join('\n')
}

function whole(value: number): string {
  return new Intl.NumberFormat('en', { maximumFractionDigits: 0 }).format(value)
}

function bytes(value: number): string {
  const units = ['bytes', 'KB', 'MB', 'GB', 'TB', 'PB']
  const power = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(1, value)) / 3)))
  return `${(value / 1000 ** power).toPrecision(3)} ${units[power]}`
}
