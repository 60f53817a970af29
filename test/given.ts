/** Builders for tests: a request that is covered, word for word; each takes what should differ. */
import type { Asked } from '../src/decide/decide.ts'
import type {
  AccountId,
  ClientId,
  Delivery,
  LineId,
  PermissionId,
  PermissionView,
  PurposeCode,
  Scope,
  ScopeLine,
} from '../src/domain/permission.ts'
import type { Policy, Purpose, Rule } from '../src/domain/policy.ts'
import type { AccessRequest, Caller } from '../src/domain/request.ts'
import type { MeterId } from '../src/domain/meter.ts'
import type { Millis, Period } from '../src/domain/time.ts'
import { day, millis } from '../src/domain/time.ts'
import type { Under } from '../src/providers/adapter.ts'
import type { Database } from '../src/storage/database.ts'
import type { Journal } from '../src/storage/journal.ts'
import { journalOf } from '../src/storage/journal.ts'
import type { LogOnRecord, Logs } from '../src/storage/logs.ts'
import { logsOn } from '../src/storage/logs.ts'

export const METER = 'prm:10000000000001' as MeterId
export const CLIENT = 'viriya' as ClientId
export const PURPOSE = 'self_view' as PurposeCode
export const NOW = millis(Date.parse('2026-11-25T09:00:00Z'))

export function days(from: string, until: string): Period {
  return { from: day(from), until: day(until) }
}

export function at(instant: string): Millis {
  return millis(Date.parse(instant))
}

export function aRequest(over: Partial<AccessRequest> = {}): AccessRequest {
  return {
    provider: 'enedis-data-connect',
    api: 'mesure_synchrone_auto',
    meter: METER,
    kind: 'daily_energy',
    direction: 'withdrawal',
    step: 'P1D',
    period: days('2026-10-01', '2026-10-08'),
    ...over,
  }
}

export function aCaller(over: Partial<Caller> = {}): Caller {
  return { client: CLIENT, purpose: PURPOSE, set: 'all', refusesNarrowing: false, ...over }
}

export function aLine(over: Partial<ScopeLine> = {}): ScopeLine {
  return {
    id: 'l1' as LineId,
    kind: 'daily_energy',
    direction: 'withdrawal',
    finest: 'P1D',
    coarser: 'fetch',
    purpose: PURPOSE,
    data: days('2026-01-01', '2027-01-01'),
    recurrence: 'on_demand',
    ...over,
  }
}

/** `scope` is laid over the scope of a covered request, the rest over the permission. */
export function aPermission({
  scope,
  ...over
}: Partial<Omit<PermissionView, 'scope'>> & { readonly scope?: Partial<Scope> } = {}): PermissionView {
  return {
    id: 'p1' as PermissionId,
    version: 1,
    meter: METER,
    scope: {
      recipient: CLIENT,
      ground: { gdprBasis: 'consent', sectorRelease: 'express_authorisation' },
      validFrom: at('2026-01-01T00:00:00Z'),
      validUntil: at('2027-01-01T00:00:00Z'),
      lines: [aLine()],
      ...scope,
    },
    scopeHash: 'sha256:0',
    status: 'active',
    head: 'gate.test.example/journal/1',
    bindings: [{ provider: 'enedis-data-connect', account: 'main' as AccountId, ready: true }],
    deliveries: [],
    ...over,
  }
}

export function aDelivery(over: Partial<Delivery> = {}): Delivery {
  return {
    line: 'l1' as LineId,
    data: days('2026-10-01', '2026-10-08'),
    at: NOW,
    entry: 'gate.test.example/journal/2',
    open: false,
    ...over,
  }
}

export function aRule(over: Partial<Rule> = {}): Rule {
  return {
    id: 'r1',
    purpose: '*',
    kind: '*',
    provider: '*',
    onOverrun: 'narrow',
    coarser: 'derive',
    longestDays: null,
    oldestDays: null,
    callsPerHour: null,
    ...over,
  }
}

export function aPurpose(over: Partial<Purpose> = {}): Purpose {
  return {
    code: PURPOSE,
    version: 1,
    label: { fr: 'Voir', en: 'See' },
    grounds: ['consent'],
    kinds: ['load_curve', 'daily_energy', 'index', 'max_power', 'contract_data', 'address'],
    finest: 'PT30M',
    ...over,
  }
}

export function aPolicy(over: Partial<Policy> = {}): Policy {
  return {
    rules: [aRule()],
    purposes: [aPurpose()],
    limits: [
      { provider: 'enedis-data-connect', kind: 'load_curve', callDays: 7, history: { months: 24, days: 15 } },
      { provider: 'enedis-data-connect', kind: 'daily_energy', callDays: 365, history: { months: 36, days: 15 } },
      { provider: 'enedis-data-connect', kind: 'max_power', callDays: 365, history: { months: 36, days: 15 } },
    ],
    ...over,
  }
}

export function asked(over: Partial<Asked> = {}): Asked {
  return { request: aRequest(), caller: aCaller(), permissions: [aPermission()], policy: aPolicy(), now: NOW, ...over }
}

/** On whose account, and under which permission, a call is made. */
export function anUnder(over: Partial<Under> = {}): Under {
  return { account: 'main' as AccountId, permission: aPermission(), ...over }
}

/** A log of this name in a store, with its journal. */
export function aJournal(db: Database, origin: string): { readonly log: LogOnRecord; readonly logs: Logs; readonly journal: Journal } {
  const logs = logsOn(db)
  const log = logs.all().find((one) => one.origin === origin) ?? logs.add(origin, '', 'test', 0 as Millis)
  return { log, logs, journal: journalOf(db, logs, log) }
}
