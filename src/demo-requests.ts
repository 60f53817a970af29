/**
 * What the demo shows: permissions of every kind of situation, and a request for each. All days are counted from today,
 * and nobody ever agreed to any of it: the permissions are imported unverified, and recorded as such.
 */
import type { Day, Millis } from './domain/time.ts'
import { addDays, addMonths, parisDay, rfc3339, startOfDay } from './domain/time.ts'

export const DEMO_CLIENTS = ['viriya', 'solar-office', 'home-domoticz', 'broker'] as const
export type ClientName = (typeof DEMO_CLIENTS)[number]

/** Each number and what it does: `ecluse sandbox`, `GET /_sandbox/meters`. */
const METERS = {
  house: '10000000000001',
  movedIn: '22516914714270',
  daysOnly: '64975835695673',
  withdrawn: '63695879465986',
  suspended: '22315546958763',
  notYetValid: '11453290002823',
  expired: '12345678901234',
  producer: '24880057139941',
  panels: '12655648759651',
  changingSteps: '10000000000004',
  silent: '10000000000012',
  movedOut: '10000000000013',
  home: '10000000000002',
} as const
export const SUSPENDED_METER = METERS.suspended
/** Gas: a house, and a boiler house that nobody here may read. `ecluse sandbox`, `GET /_sandbox/adict-points`. */
const GAS = { house: '99000000000001', boiler: 'GI990001' } as const
/** By SOAP: a Linky, and the neighbour's. `GET /_sandbox/sge-points`. */
const SOAP = { house: '99999000000017', neighbour: '99999000000025' } as const

interface Line {
  readonly kind: string
  readonly direction?: 'withdrawal' | 'injection' | 'n_a'
  readonly finest?: string
  readonly purpose?: string
  readonly from?: Day
  readonly until?: Day
}

export function permissionsOn(now: Millis): unknown[] {
  const today = parisDay(now)
  const at = (days: number): string => rfc3339(startOfDay(addDays(today, days)))
  const back = addMonths(today, -24)
  const ahead = addMonths(today, 12)
  const curve = (more: Partial<Line> = {}): Line => ({
    kind: 'load_curve',
    direction: 'withdrawal',
    finest: 'PT10M',
    from: back,
    until: ahead,
    ...more,
  })
  const days = (kind: string, direction: Line['direction'] = 'withdrawal'): Line => ({
    kind,
    direction,
    finest: 'P1D',
    from: back,
    until: ahead,
  })
  const permission = (id: string, prm: string, lines: readonly Line[], valid: readonly [number, number] = [-30, 335]) => ({
    id,
    meter: `prm:${prm}`,
    holder: { kind: 'natural', reference: `holder of ${id}` },
    client: 'viriya',
    ground: { gdpr_basis: 'consent', sector_release: 'express_authorisation' },
    valid_from: at(valid[0]),
    valid_until: at(valid[1]),
    lines: lines.map((line) => ({ direction: 'withdrawal', purpose: 'self_view', ...line })),
    bindings: [{ provider: 'enedis-data-connect', account: 'demo' }],
  })
  const study = { client: 'solar-office' }
  const home = { client: 'home-domoticz', ground: { gdpr_basis: 'contract', sector_release: 'express_authorisation' } }
  return [
    permission('house', METERS.house, [curve(), days('max_power'), days('index'), { kind: 'contract_data', direction: 'n_a' }]),
    // Opens ten days back and no more: what came before belongs to whoever lived there.
    permission('moved-in', METERS.movedIn, [curve({ from: addDays(today, -10) })]),
    permission('days-only', METERS.daysOnly, [days('daily_energy')]),
    permission('withdrawn', METERS.withdrawn, [curve()]),
    permission('suspended', METERS.suspended, [curve()]),
    permission('not-yet-valid', METERS.notYetValid, [curve()], [30, 395]),
    permission('expired', METERS.expired, [curve()], [-400, -35]),
    permission('producer', METERS.producer, [curve({ direction: 'injection' })]),
    permission('changing-steps', METERS.changingSteps, [curve()]),
    permission('silent', METERS.silent, [curve()]),
    permission('moved-out', METERS.movedOut, [curve()]),
    {
      ...permission('gas-house', GAS.house, [
        { kind: 'daily_energy', finest: 'P1D', from: addDays(today, -60), until: ahead },
        { kind: 'published_reading', finest: 'P1D', from: back, until: ahead },
        { kind: 'technical_data', direction: 'n_a', finest: 'TOTAL' },
      ]),
      meter: `pce:${GAS.house}`,
      bindings: [{ provider: 'grdf-adict', account: 'demo-gas' }],
    },
    {
      ...permission('soap-house', SOAP.house, [
        curve({ finest: 'PT30M', from: addDays(today, -20) }),
        days('daily_energy'),
        { kind: 'technical_data', direction: 'n_a', finest: 'TOTAL' },
      ]),
      bindings: [{ provider: 'enedis-sge', account: 'demo-sge' }],
    },
    {
      ...permission('solar-study', METERS.panels, [
        curve({ finest: 'PT30M', from: addDays(today, -365), until: today, purpose: 'solar_sizing' }),
      ]),
      ...study,
    },
    {
      ...permission('home', METERS.home, [curve({ finest: 'PT30M', purpose: 'home_automation' })]),
      ...home,
    },
  ]
}

export interface Planned {
  readonly name: string
  readonly client: ClientName
  readonly target: string
  /** An envelope, where the request is a SOAP one. */
  readonly body?: string
  readonly expect: number
  readonly shows: string
}

export function requestsOn(today: Day): readonly Planned[] {
  const back = (days: number): Day => addDays(today, -days)
  const v5 = (path: string, prm: string, from: Day, until: Day = today): string =>
    `${path}?usage_point_id=${prm}&start=${from}&end=${until}`
  const curve = (prm: string, from: Day, until?: Day): string => v5('/metering_data_clc/v5/consumption_load_curve', prm, from, until)
  const y2026 = (path: string, prm: string, from: Day, more = ''): string =>
    `/mesure_synchrone_auto/v2/${path}?pointId=${prm}&dateDebut=${from}&dateFin=${today}${more}`
  const plan = (name: string, expect: number, target: string, shows: string, client: ClientName = 'viriya'): Planned => ({
    name,
    client,
    target,
    expect,
    shows,
  })
  const gas = (pce: string, from: Day, until: Day): string =>
    `/adict/v2/pce/${pce}/donnees_consos_informatives?date_debut=${from}&date_fin=${until}`
  const soap = (name: string, expect: number, point: string, from: Day, until: Day, shows: string): Planned => ({
    ...plan(name, expect, '/ConsultationMesuresDetaillees/v3.0', shows),
    body: curveEnvelope(point, from, until),
  })
  return [
    plan('allowed', 200, curve(METERS.house, back(2)), 'two days of half-hours, all of them permitted'),
    plan('narrowed', 200, curve(METERS.movedIn, back(14), back(7)), 'seven days asked for, the permission opens the last three of them'),
    plan('refused', 403, curve(METERS.home, back(2)), 'a meter whose permission names another client'),
    plan('gas-allowed', 200, gas(GAS.house, back(12), back(5)), 'a week of gas, day by day, from GRDF'),
    plan('gas-narrowed', 200, gas(GAS.house, back(70), back(55)), 'gas of fifteen days, of which the permission opens five'),
    plan('gas-refused', 403, gas(GAS.boiler, back(12), back(5)), 'a boiler house that nobody here may read'),
    soap('soap-allowed', 200, SOAP.house, back(9), back(5), 'half-hours from Enedis SGE, by SOAP; the gate declares the consent'),
    soap('soap-narrowed', 200, SOAP.house, back(24), back(18), 'six days asked for, the permission opens the last two'),
    soap('soap-refused', 500, SOAP.neighbour, back(9), back(5), "the neighbour's meter: a fault in the shape of Enedis's"),
    plan('curve-2026', 200, y2026('courbe_de_charge_consommation', METERS.house, back(2)), 'the first request as a 2026 client asks it'),
    plan(
      'daily-v5',
      200,
      v5('/metering_data_dc/v5/daily_consumption', METERS.house, back(30)),
      'days: coarser than the permission, so open',
    ),
    plan('max-power-v5', 200, v5('/metering_data_dcmp/v5/daily_consumption_max_power', METERS.house, back(30)), 'the peak of each day'),
    plan('index-2026', 200, y2026('index_consommation', METERS.house, back(7)), 'the registers of the meter, which only 2026 has'),
    plan('curve-split', 200, curve(METERS.house, back(15)), 'fifteen days: three calls to the data holder, one answer'),
    plan('contract-2026', 200, `/situation_contrat_auto/v1/${METERS.house}`, 'the contract, without the name of its holder'),
    plan('production-v5', 200, v5('/metering_data_plc/v5/production_load_curve', METERS.producer, back(2)), 'what panels gave'),
    plan('changing-steps', 200, curve(METERS.changingSteps, back(7)), 'a meter whose step changes'),
    plan('future-end', 200, curve(METERS.house, back(1), addDays(today, 2)), 'the days to come are cut off'),
    plan('days-only', 403, curve(METERS.daysOnly, back(2)), 'a permission for days never opens half-hours'),
    plan('days-only-daily', 200, v5('/metering_data_dc/v5/daily_consumption', METERS.daysOnly, back(7)), 'its days'),
    plan('withdrawn', 403, curve(METERS.withdrawn, back(2)), 'the person has said no'),
    plan('suspended', 503, curve(METERS.suspended, back(2)), 'the person has had processing restricted: it may come back, hence no 403'),
    plan('not-yet-valid', 503, curve(METERS.notYetValid, back(2)), 'in force from next month'),
    plan('expired', 403, curve(METERS.expired, back(2)), 'was in force until last month'),
    plan('before-grant', 403, curve(METERS.movedIn, back(30), back(24)), 'no day of it is permitted'),
    plan('study', 200, curve(METERS.panels, back(7)), 'a study of its own purpose', 'solar-office'),
    plan('all-or-nothing', 403, curve(METERS.panels, back(370), back(363)), 'this client wants no part of an answer', 'solar-office'),
    plan('home', 200, curve(METERS.home, back(7)), 'Domoticz reads its own meter', 'home-domoticz'),
    plan('home-other', 404, curve(METERS.house, back(2)), 'told no by 404: Domoticz erases its token on a 403', 'home-domoticz'),
    plan('broker', 403, curve(METERS.house, back(2)), 'a client that nobody permitted anything', 'broker'),
    plan('no-data', 404, curve(METERS.silent, back(2)), 'permitted, and the meter has sent nothing'),
    plan('moved-out', 503, curve(METERS.movedOut, back(2)), 'the data holder itself refuses: the operator looks into it'),
    plan('malformed', 400, curve(METERS.house, back(2), back(2)), 'no day asked for: refused as Enedis words it'),
    plan('unknown-path', 404, '/subscribed_services/v1', 'a path of Enedis that is not for clients'),
  ]
}

/** As an integrator's SOAP library writes it. Whose login it names does not matter: the operator's is sent. */
function curveEnvelope(point: string, from: Day, until: Day): string {
  const asked = [
    ['initiateurLogin', 'integrateur@exemple.invalid'],
    ['pointId', point],
    ['mesuresTypeCode', 'COURBE'],
    ['grandeurPhysique', 'PA'],
    ['dateDebut', from],
    ['dateFin', until],
    ['mesuresCorrigees', 'false'],
    ['sens', 'SOUTIRAGE'],
    ['cadreAcces', 'ACCORD_CLIENT'],
  ].map(([name, value]) => `<${name}>${value}</${name}>`)
  const operation = 'cmd:consulterMesuresDetailleesV3'
  return [
    '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Header/><s:Body>',
    `<${operation} xmlns:cmd="http://www.enedis.fr/sge/b2b/services/consultationmesuresdetaillees/common">`,
    `<demande>${asked.join('')}</demande></${operation}></s:Body></s:Envelope>`,
  ].join('')
}
