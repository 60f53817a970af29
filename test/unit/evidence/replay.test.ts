/**
 * Every decision can be made again from its entry, and an entry that says otherwise is found out. Entries are made as
 * the gate makes them: the fields from `domain/record.ts`, sealed as SD-JWT disclosures.
 */
import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decide } from '../../../src/decide/decide.ts'
import type { Json } from '../../../src/domain/canonical.ts'
import { canonicalJson } from '../../../src/domain/canonical.ts'
import type { MeterId } from '../../../src/domain/meter.ts'
import type { ClientId, Delivery, PermissionView, PurposeCode, Scope } from '../../../src/domain/permission.ts'
import type { Policy } from '../../../src/domain/policy.ts'
import { intentFields, refusedFields } from '../../../src/domain/record.ts'
import type { Fields } from '../../../src/domain/record.ts'
import type { AccessRequest, Caller } from '../../../src/domain/request.ts'
import { addDays, day, rfc3339 } from '../../../src/domain/time.ts'
import type { Millis, Period } from '../../../src/domain/time.ts'
import type { ActType, SuspendCause } from '../../../src/domain/vocabulary.ts'
import { ACTS, SUSPEND_CAUSES } from '../../../src/domain/vocabulary.ts'
import type { Opened } from '../../../src/evidence/disclose.ts'
import { disclosure } from '../../../src/evidence/sealed.ts'
import { after } from '../../../src/permissions/lifecycle.ts'
import type { Standing } from '../../../src/permissions/lifecycle.ts'
import { scopeHashOf } from '../../../src/permissions/registry.ts'
import { replayAll } from '../../../src/replay.ts'
import type { PolicyDocument } from '../../../src/settings/policy-document.ts'
import { policyHash } from '../../../src/settings/policy-document.ts'

const ORIGIN = 'audit.example.org/journal/2026'
const METER = 'prm:10000000000001' as MeterId
const CLIENT = 'viriya' as ClientId
const PURPOSE = 'self_view' as PurposeCode
const NOW = Date.UTC(2026, 9, 20, 12) as Millis

const policy: Policy = {
  rules: [
    {
      id: 'curves',
      purpose: '*',
      kind: 'load_curve',
      provider: '*',
      onOverrun: 'narrow',
      coarser: 'derive',
      longestDays: null,
      oldestDays: null,
      callsPerHour: null,
    },
    {
      id: 'days',
      purpose: '*',
      kind: 'daily_energy',
      provider: '*',
      onOverrun: 'narrow',
      coarser: 'derive',
      longestDays: null,
      oldestDays: 300,
      callsPerHour: null,
    },
    {
      id: 'rest',
      purpose: '*',
      kind: '*',
      provider: '*',
      onOverrun: 'refuse',
      coarser: 'none',
      longestDays: null,
      oldestDays: null,
      callsPerHour: null,
    },
  ],
  purposes: [
    {
      code: PURPOSE,
      version: 1,
      label: { fr: 'Voir', en: 'See' },
      grounds: ['consent'],
      kinds: ['load_curve', 'daily_energy', 'identity', 'contact'],
      finest: 'PT30M',
    },
  ],
  limits: [{ provider: 'enedis-data-connect', kind: 'load_curve', callDays: 7, history: { months: 24, days: 15 } }],
}
const documentOf = (refusesNarrowing: boolean): PolicyDocument => ({
  policy,
  clients: [{ id: CLIENT, purpose: PURPOSE, refusesNarrowing }],
})
const kept = [false, true]
  .map(documentOf)
  .map((document) => ({ hash: policyHash(document), body: canonicalJson(document as unknown as Json) }))

/** A log in the making, as registry, request path and sealer write one. */
function aRecord() {
  const log: Opened[] = []
  function put(fields: Fields, more: Record<string, Json> = {}, tagged = true): number {
    const sealed = Object.entries(fields.sealed).flatMap(([name, value]) => (value === undefined ? [] : [disclosure(name, value)]))
    const entry = canonicalJson({
      ...fields.clear,
      ...more,
      v: 1,
      n: log.length,
      ...(more['at'] === undefined && { at: rfc3339(NOW) }),
      ...(sealed.length > 0 && { _sd: sealed.map((d) => d.digest).toSorted(), _sd_alg: 'sha-256' }),
      ...(tagged && { tags: [{ n: 'n', k: 'k' }] }),
    })
    log.push({ n: log.length, name: `${ORIGIN}/${log.length}`, entry, disclosures: sealed.map((d) => d.disclosure) })
    return log.length - 1
  }
  function act(view: PermissionView, type: ActType, standing: Standing): string {
    const row = {
      id: view.id,
      version: view.version,
      scopeHash: view.scopeHash,
      scope: view.scope,
      bindings: view.bindings,
    } as unknown as Json
    const cause = standing.suspendCause
    const clear = { t: `consent.${type}`, act: type, status: standing.status, client: view.scope.recipient, ...(cause && { cause }) }
    return `${ORIGIN}/${put({ clear, sealed: { subject: { meter: view.meter }, permissions: [row], attachments: [], actor: { role: 'operator' } } })}`
  }
  return { log, put, act }
}
type Log = ReturnType<typeof aRecord>

interface Wish {
  readonly id: string
  readonly scope: Scope
  readonly meter: MeterId
  readonly acts: readonly { readonly type: ActType; readonly cause: SuspendCause }[]
  readonly delivered: readonly {
    readonly line: number
    readonly from: number
    readonly days: number
    readonly hoursAgo: number
    readonly open: boolean
  }[]
}

/** Writes the acts that are possible of those wished for, and the deliveries; gives the permission as the gate sees it. */
function written(record: Log, wish: Wish): PermissionView {
  let view: PermissionView = {
    id: wish.id as PermissionView['id'],
    version: 1,
    meter: wish.meter,
    scope: wish.scope,
    scopeHash: scopeHashOf(wish.scope),
    status: 'draft',
    head: '',
    bindings: [{ provider: 'enedis-data-connect', account: 'main' as never, ready: true }],
    deliveries: [],
  }
  let standing: Standing | undefined
  for (const { type, cause } of [{ type: 'create' as const, cause: 'dispute' as const }, ...wish.acts]) {
    const next = after(standing, type, cause)
    if (!next) continue
    standing = next
    const { status, endReason, suspendCause } = next
    const head = record.act(view, type, next)
    const { endReason: _e, suspendCause: _s, ...rest } = view
    view = { ...rest, status, head, ...(endReason && { endReason }), ...(suspendCause && { suspendCause }) }
  }
  const deliveries = wish.delivered.flatMap((d): Delivery[] => {
    const line = wish.scope.lines[d.line % wish.scope.lines.length]
    if (!line || line.recurrence === 'on_demand' || !line.data) return []
    const data = { from: addDays(line.data.from, d.from), until: addDays(line.data.from, d.from + d.days) }
    const at = (NOW - d.hoursAgo * 3_600_000) as Millis
    const row = { id: wish.id, version: 1, scopeHash: view.scopeHash, head: view.head, delivered: [], lines: [line] } as unknown as Json
    const intent = record.put(
      {
        clear: { t: 'access.intent', req: `r${record.log.length}`, call: 1, sent: `${data.from}/${data.until}` },
        sealed: { permissions: [row] },
      },
      { at: rfc3339(at) },
    )
    const outcome = d.open ? intent : record.put({ clear: { t: 'access.outcome', intent, result: 'delivered' }, sealed: {} })
    return [{ line: line.id, data, at, entry: `${ORIGIN}/${outcome}`, open: d.open }]
  })
  return { ...view, deliveries }
}

interface Case {
  readonly request: AccessRequest
  readonly caller: Caller
  readonly now: Millis
}

/** Decides as the gate does, and writes what it would. Gives the numbers of the entries. */
function decided(record: Log, permissions: readonly PermissionView[], { request, caller, now }: Case): number[] {
  const decision = decide({ request, caller, permissions, policy, now })
  const hash = policyHash(documentOf(caller.refusesNarrowing))
  const context = { req: `req-${record.log.length}`, request, caller, account: 'main' as never, now, policy: hash }
  if (decision.result === 'deny') {
    const fields = refusedFields({ ...context, account: null }, 'decide', decision.reason, decision, permissions)
    return [record.put(fields, {}, permissions.length > 0)]
  }
  const total = decision.parts.length
  return decision.parts.map((part, index) =>
    record.put(intentFields(context, decision, { part, index, total, call: index + 1 }, permissions)),
  )
}

async function replayed(log: readonly Opened[], wanted: readonly number[]) {
  async function* pages() {
    yield* [log.slice(0, 3), log.slice(3)]
  }
  return replayAll(kept, pages(), new Set(wanted))
}

const aPeriod = (from: number, days: number): Period => ({
  from: addDays(day('2026-06-01'), from),
  until: addDays(day('2026-06-01'), from + days),
})
const line = (id: string, more: Partial<Scope['lines'][number]> = {}): Scope['lines'][number] => ({
  id: id as never,
  kind: 'load_curve',
  direction: 'withdrawal',
  finest: 'PT30M',
  coarser: 'fetch',
  purpose: PURPOSE,
  data: aPeriod(0, 100),
  recurrence: 'on_demand',
  ...more,
})
const aScope = (lines: Scope['lines'], more: Partial<Scope> = {}): Scope => ({
  recipient: CLIENT,
  ground: { gdprBasis: 'consent', sectorRelease: 'express_authorisation' },
  validFrom: Date.UTC(2026, 0, 1) as Millis,
  validUntil: Date.UTC(2027, 0, 1) as Millis,
  lines,
  ...more,
})
const GIVEN = ['request', 'file', 'activate'] as const
const aWish = (id: string, lines: Scope['lines'], more: Partial<Wish> = {}): Wish => ({
  id,
  scope: aScope(lines),
  meter: METER,
  acts: GIVEN.map((type) => ({ type, cause: 'dispute' })),
  delivered: [],
  ...more,
})
const aCase = (request: Partial<AccessRequest> = {}, caller: Partial<Caller> = {}, now: Millis = NOW): Case => ({
  request: {
    provider: 'enedis-data-connect',
    api: 'm',
    meter: METER,
    kind: 'load_curve',
    direction: 'withdrawal',
    step: 'recorded',
    period: aPeriod(10, 20),
    ...request,
  },
  caller: { client: CLIENT, purpose: PURPOSE, set: 'all', refusesNarrowing: false, ...caller },
  now,
})

describe('a decision is made again from its entry', () => {
  /** The first is four times as likely as all others together: most of what is asked of a gate is granted. */
  const mostly = <const T>(usual: T, ...others: readonly T[]) =>
    fc.oneof({ weight: 4, arbitrary: fc.constant(usual) }, { weight: 1, arbitrary: fc.constantFrom(...others) })
  const arbPeriod = fc.tuple(fc.integer({ min: 0, max: 130 }), fc.integer({ min: 1, max: 40 })).map(([from, days]) => aPeriod(from, days))
  const arbSpan = fc.tuple(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 20, max: 120 })).map(([from, days]) => aPeriod(from, days))
  const arbLine = fc.record({
    kind: mostly('load_curve', 'daily_energy', 'identity', 'contact'),
    direction: mostly('withdrawal', 'injection'),
    finest: mostly('PT30M', 'PT60M', 'P1D'),
    coarser: fc.constantFrom('none', 'fetch', 'derive'),
    purpose: mostly(PURPOSE, 'marketing' as PurposeCode),
    data: arbSpan,
    recurrence: fc.constantFrom('on_demand', 'P1D', 'P1M', 'once'),
  } as const)
  const arbWish = fc.record({
    lines: fc.array(arbLine, { minLength: 1, maxLength: 3 }),
    acts: fc.oneof(
      { weight: 3, arbitrary: fc.constant([]) },
      fc.array(
        fc.record({
          type: fc.constantFrom('suspend', 'resume', 'withdrawn_by_subject', 'expired', 'invalidated', ...ACTS),
          cause: fc.constantFrom(...SUSPEND_CAUSES),
        }),
        { maxLength: 4 },
      ),
    ),
    validUntil: mostly(NOW + 1e10, NOW - 1, NOW, NOW + 1),
    validFrom: mostly(NOW - 1e10, NOW - 1, NOW, NOW + 1),
    basis: mostly('consent', 'contract'),
    mine: mostly(true, false),
    delivered: fc.array(
      fc.record({
        line: fc.nat(2),
        from: fc.nat(20),
        days: fc.integer({ min: 1, max: 60 }),
        hoursAgo: fc.integer({ min: 1, max: 900 }),
        open: fc.boolean(),
      }),
      { maxLength: 3 },
    ),
  } as const)
  const arbCase = fc.record({
    kind: mostly('load_curve', 'daily_energy', 'identity', 'max_power'),
    direction: mostly('withdrawal', 'injection'),
    step: mostly('recorded', 'PT30M', 'P1D', 'P1M'),
    period: arbPeriod,
    refusesNarrowing: fc.boolean(),
    set: fc.oneof(
      { weight: 4, arbitrary: fc.constant('all' as const) },
      { weight: 1, arbitrary: fc.subarray(['perm-0', 'perm-1'] as PermissionView['id'][]) },
    ),
  } as const)

  test('whatever was decided on, whatever happened before it', async () => {
    let [recomputed, granted] = [0, 0]
    await fc.assert(
      fc.asyncProperty(
        fc.oneof({ weight: 9, arbitrary: fc.array(arbWish, { minLength: 1, maxLength: 3 }) }, { weight: 1, arbitrary: fc.constant([]) }),
        fc.array(arbCase, { minLength: 1, maxLength: 3 }),
        async (wishes, cases) => {
          const record = aRecord()
          record.put({ clear: { t: 'log.opened' }, sealed: {} })
          const permissions = wishes.map(({ lines, acts, validFrom, validUntil, basis, mine, delivered }, i) => {
            const dated = lines.map((l, k) => line(`l${k}`, { ...l, data: l.kind === 'identity' || l.kind === 'contact' ? null : l.data }))
            const ground = { gdprBasis: basis, sectorRelease: 'express_authorisation' as const }
            const recipient = (mine ? CLIENT : 'other') as ClientId
            const scope = aScope(dated, { validFrom: validFrom as Millis, validUntil: validUntil as Millis, ground, recipient })
            const given = GIVEN.map((type) => ({ type, cause: 'dispute' as const }))
            return written(record, { id: `perm-${i}`, scope, meter: METER, acts: [...given, ...acts], delivered })
          })
          // As the registry does: only those that name the caller.
          const own = permissions.filter((p) => p.scope.recipient === CLIENT)
          const numbers = cases.flatMap(({ kind, direction, step, period, refusesNarrowing, set }) =>
            decided(record, own, aCase({ kind, direction, step, period: kind === 'identity' ? null : period }, { refusesNarrowing, set })),
          )
          const report = await replayed(record.log, numbers)
          expect(report).toStrictEqual({ ok: true, same: numbers.length, different: [], notRecomputable: {} })
          recomputed += numbers.length
          granted += record.log.filter((o) => numbers.includes(o.n) && o.entry.includes('"t":"access.intent"')).length
        },
      ),
      { numRuns: 300 },
    )
    // The property is about something: many decisions, and not refusals alone.
    expect(recomputed).toBeGreaterThan(300)
    expect(granted).toBeGreaterThan(100)
  }, 60_000)
})

describe('an entry that says otherwise is found out', () => {
  /** Two permissions, four parts under one of them, and a refusal. */
  function situation() {
    const record = aRecord()
    const wide = written(
      record,
      aWish('wide', [line('l1'), line('l2', { kind: 'daily_energy', finest: 'P1D', recurrence: 'P1D' })], {
        delivered: [{ line: 1, from: 0, days: 5, hoursAgo: 2, open: false }],
      }),
    )
    const ended = written(
      record,
      aWish('ended', [line('l1')], { acts: [...GIVEN, 'withdrawn_by_subject' as const].map((type) => ({ type, cause: 'dispute' })) }),
    )
    const parts = decided(record, [wide, ended], aCase())
    const narrowed = decided(record, [wide, ended], aCase({ period: aPeriod(90, 30) }))
    const refused = decided(record, [wide, ended], aCase({ kind: 'identity', period: null }))
    return { record, wide, ended, parts, narrowed, refused }
  }
  type Change = (o: { record: Record<string, unknown>; fields: Record<string, unknown> }) => void
  /** The entry written anew with a change, and with disclosures of its own that fit it. */
  function changed(opened: Opened, change: Change): Opened {
    const record = JSON.parse(opened.entry) as Record<string, unknown>
    const fields = Object.fromEntries(
      (opened.disclosures ?? [])
        .map((d) => JSON.parse(Buffer.from(d, 'base64url').toString()) as [string, string, unknown])
        .map(([, name, value]) => [name, value]),
    )
    change({ record, fields })
    const sealed = Object.entries(fields).map(([name, value]) => disclosure(name, value as Json))
    return {
      n: opened.n,
      name: opened.name,
      entry: JSON.stringify({ ...record, _sd: sealed.map((d) => d.digest) }),
      disclosures: sealed.map((d) => d.disclosure),
    }
  }
  const dec = (o: { record: Record<string, unknown> }) => o.record['dec'] as Record<string, unknown>
  const permissions = (o: { fields: Record<string, unknown> }) => o.fields['permissions'] as Record<string, unknown>[]
  const used = (o: { fields: Record<string, unknown> }) => permissions(o).find((p) => 'lines' in p)!

  const rows: readonly (readonly [string, 'parts' | 'narrowed' | 'refused', Change, string])[] = [
    ['the result', 'parts', (o) => (dec(o)['result'] = 'narrow'), 'result: decided again "allow", on record "narrow"'],
    ['a refusal made of it', 'parts', (o) => (dec(o)['result'] = 'deny'), 'result: decided again "allow", on record "deny"'],
    ['the rule', 'parts', (o) => (dec(o)['rules'] = ['rest']), 'rule: decided again ["curves"], on record ["rest"]'],
    ['the obligations', 'narrowed', (o) => (dec(o)['obligations'] = []), 'obligations: decided again'],
    [
      'the days sent',
      'parts',
      (o) => (o.record['sent'] = '2026-06-11/2026-06-19'),
      'days sent: decided again "2026-06-11/2026-06-18", on record "2026-06-11/2026-06-19"',
    ],
    ['which part it is', 'parts', (o) => (o.record['part'] = '2/3'), 'days sent'],
    ['how many parts there are', 'parts', (o) => (o.record['part'] = '1/4'), 'number of parts: decided again 3, on record "1/4"'],
    ['the days asked for', 'parts', (o) => (o.record['asked'] = '2026-06-11/2026-07-31'), 'number of parts'],
    [
      'the moment',
      'parts',
      (o) => (dec(o)['now'] = '2027-01-01T00:00:00.000Z'),
      'result: decided again "deny (withdrawn)", on record "allow"',
    ],
    ['the ground', 'parts', (o) => (o.record['basis'] = 'contract'), 'basis: decided again "consent", on record "contract"'],
    ['the client', 'parts', (o) => (o.record['client'] = 'other'), 'result: decided again "deny (no_permission)"'],
    ['the purpose', 'parts', (o) => (o.record['purpose'] = 'marketing'), 'result: decided again "deny (rule_missing)"'],
    ['the kind', 'parts', (o) => (o.record['kind'] = 'contact'), 'result: decided again'],
    ['the step', 'parts', (o) => (o.record['step'] = 'PT15M'), 'result: decided again "deny (step_too_fine)"'],
    ['the direction', 'parts', (o) => (o.record['direction'] = 'injection'), 'result: decided again "deny (direction_not_covered)"'],
    ['the meter', 'parts', (o) => (o.fields['subject'] = { meter: 'prm:10000000000009' }), 'result: decided again "deny (no_permission)"'],
    ['the set of the token', 'parts', (o) => (o.fields['set'] = ['ended']), 'result: decided again'],
    [
      'the line used',
      'parts',
      (o) => (used(o)['lines'] = [line('l2', { kind: 'daily_energy', finest: 'P1D', recurrence: 'P1D' })]),
      'part 1/3 uses another line of a permission',
    ],
    ['a line widened', 'parts', (o) => (used(o)['lines'] = [line('l1', { finest: 'PT5M' })]), 'a line used is none of permission wide'],
    [
      'the scope',
      'parts',
      (o) => (used(o)['scopeHash'] = `sha256:${createHash('sha256').update('x').digest('hex')}`),
      'the scope of permission wide is not the one considered',
    ],
    [
      'an act that came between',
      'parts',
      (o) => (used(o)['head'] = `${ORIGIN}/2`),
      `permission wide was considered as of ${ORIGIN}/2, its last act before this entry is ${ORIGIN}/3`,
    ],
    [
      'a permission left out',
      'parts',
      (o) => permissions(o).splice(0, 1),
      'permission ended of this client on this meter was not considered',
    ],
    ['the reason', 'refused', (o) => (dec(o)['reason'] = 'withdrawn'), 'reason: decided again "kind_not_covered", on record "withdrawn"'],
    [
      'a refusal that was none',
      'refused',
      (o) => Object.assign(o.record, { kind: 'load_curve', asked: '2026-06-11/2026-06-12' }),
      'result: decided again "allow", on record "deny"',
    ],
  ]
  test.each(rows)('%s', async (_name, which, change, says) => {
    const { record, ...entries } = situation()
    const n = entries[which][0]!
    const log = record.log.with(n, changed(record.log[n]!, change))
    const report = await replayed(log, [n])
    expect(report).toMatchObject({ ok: false, same: 0, different: [{ entry: `${ORIGIN}/${n}` }] })
    expect(report.different[0]?.why).toContain(says)
  })

  test('unchanged, none of them is', async () => {
    const { record, parts, narrowed, refused } = situation()
    const all = [...parts, ...narrowed, ...refused]
    expect(parts).toHaveLength(3)
    expect(await replayed(record.log, all)).toStrictEqual({ ok: true, same: all.length, different: [], notRecomputable: {} })
    const untouched = all.map((n) => changed(record.log[n]!, () => {}))
    expect(
      await replayed(
        record.log.map((o) => untouched.find((u) => u.n === o.n) ?? o),
        all,
      ),
    ).toMatchObject({ ok: true })
  })

  test('a disclosure of another entry', async () => {
    const { record, parts } = situation()
    const [first = 0, second = 0] = parts
    const log = record.log.with(first, { ...record.log[first]!, disclosures: record.log[second]!.disclosures })
    expect((await replayed(log, [first])).different).toStrictEqual([
      { entry: `${ORIGIN}/${first}`, why: 'a disclosure is none that the entry commits to' },
    ])
  })

  test('an act that its permission could not have', async () => {
    const { record, wide, parts } = situation()
    const acts = record.log.findIndex((o) => o.entry.includes('"act":"request"'))
    const log = record.log.with(
      acts,
      changed(record.log[acts]!, ({ record: r }) => (r['status'] = 'active')),
    )
    expect((await replayed(log, parts)).different[0]?.why).toBe(`the acts of permission ${wide.id} do not lead to the state that they name`)
  })

  test('an act after the entry changes nothing', async () => {
    const { record, wide, parts } = situation()
    record.act(wide, 'withdrawn_by_subject', { status: 'ended', endReason: 'withdrawn_by_subject', void: false })
    expect(await replayed(record.log, parts)).toMatchObject({ ok: true, same: parts.length })
  })
})

describe('what cannot be made again is counted, and is no mistake', () => {
  const one = () => {
    const record = aRecord()
    const view = written(
      record,
      aWish('p', [line('l1', { recurrence: 'P1D' })], { delivered: [{ line: 0, from: 0, days: 5, hoursAgo: 2, open: false }] }),
    )
    const [n = 0] = decided(record, [view], aCase({ period: aPeriod(10, 3) }))
    return { record, n }
  }
  const counted = async (log: readonly Opened[], n: number) => {
    const { ok, same, notRecomputable } = await replayed(log, [n])
    return { ok, same, notRecomputable }
  }
  const only = (why: string) => ({ ok: true, same: 0, notRecomputable: { [why]: 1 } })

  test.each(['token', 'route', 'quota', 'holder'] as const)('decided at the stage %s', async (stage) => {
    const record = aRecord()
    const { caller, request, now } = aCase()
    const n = record.put(
      refusedFields({ req: 'r', caller, request, account: null, now, policy: kept[0]!.hash }, stage, 'quota_gate', null, []),
    )
    expect(await counted(record.log, n)).toStrictEqual(only(stage))
  })

  test('erased', async () => {
    const { record, n } = one()
    expect(await counted(record.log.with(n, { ...record.log[n]!, disclosures: null }), n)).toStrictEqual(only('erased'))
  })

  test('a field not open to this reader', async () => {
    const { record, n } = one()
    expect(await counted(record.log.with(n, { ...record.log[n]!, disclosures: record.log[n]!.disclosures!.slice(1) }), n)).toStrictEqual(
      only('not open'),
    )
  })

  test('an act, or a delivery, not open to this reader', async () => {
    const { record, n } = one()
    expect(
      await counted(
        record.log.map((o) => (o.n < 4 ? { ...o, disclosures: null } : o)),
        n,
      ),
    ).toStrictEqual(only('not open'))
    const intent = record.log.findIndex((o) => o.entry.includes('"t":"access.intent"'))
    expect(intent).toBeLessThan(n)
    expect(await counted(record.log.with(intent, { ...record.log[intent]!, disclosures: null }), n)).toStrictEqual(only('not open'))
  })

  test('a policy that is not at hand', async () => {
    const { record, n } = one()
    async function* pages() {
      yield record.log
    }
    expect(await replayAll([], pages(), new Set([n]))).toMatchObject({ ok: true, notRecomputable: { 'policy not at hand': 1 } })
  })

  test('a policy that is not what its hash says is refused', async () => {
    const { record } = one()
    async function* pages() {
      yield record.log
    }
    const [first, second] = kept
    await expect(replayAll([{ hash: first!.hash, body: second!.body }], pages())).rejects.toThrow('it was changed')
  })

  test('a refusal for want of a permission is made again without any', async () => {
    const record = aRecord()
    const [n = 0] = decided(record, [], aCase())
    expect(JSON.parse(record.log[n]!.entry)).not.toHaveProperty('tags')
    expect(await counted(record.log, n)).toStrictEqual({ ok: true, same: 1, notRecomputable: {} })
  })
})
