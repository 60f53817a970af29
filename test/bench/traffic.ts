/** What the benchmark asks for: the same requests of every subject, so that their rows compare. */
import type { PermissionWish } from '../harness/settings.ts'
import { today } from '../harness/settings.ts'
import { fixture } from '../unit/enedis-sge/given.ts'
import type { Ask } from './load.ts'

export const METERS: readonly string[] = Array.from({ length: 64 }, (_, i) => `2000000000${String(i).padStart(4, '0')}`)
/** A meter whose curve never seems to end. */
export const LONG_METER = '20000000009999'
export const LONG_BYTES = 50 * 1_048_576
export const GAS_TOKENS = '/gas/token'

/** Each meter is one of electricity, by either interface, and one of gas. */
export function wishes(): readonly PermissionWish[] {
  const of = { purpose: 'self_view', direction: 'withdrawal', from: today(-365), until: today(30) }
  const lines = [
    { ...of, kind: 'load_curve', finest: 'PT5M' },
    { ...of, kind: 'daily_energy', finest: 'P1D' },
  ]
  return [...METERS, LONG_METER].flatMap((meter, i): PermissionWish[] => [
    { id: `bench-${i}`, meter, lines },
    { id: `bench-soap-${i}`, meter: soapMeter(meter), provider: 'enedis-sge', lines },
    { id: `bench-gas-${i}`, meter: `pce:${meter}`, provider: 'grdf-adict', lines: lines.slice(1) },
  ])
}

/** A thing that is asked for again and again, of one meter after the other. */
export interface Traffic {
  readonly of: 'data-connect' | 'gas' | 'soap'
  readonly what: string
  readonly asks: readonly Ask[]
}

/** Answers of about 1 KB. What Data Connect answers comes first: the others are compared with it. */
export const SMALL: readonly Traffic[] = [
  { of: 'data-connect', what: 'Data Connect, four weeks of daily energy', asks: METERS.map((meter) => ({ target: dailyOf(meter) })) },
  { of: 'gas', what: 'ADICT, one gas day', asks: METERS.map((meter) => ({ target: gasOf(meter, 1) })) },
  { of: 'soap', what: 'SGE, a week of daily energy', asks: METERS.map((meter) => soapOf('cmd-v3-request-energie', meter, 7)) },
]
/** Of about 60 KB, and less than the 64 KB above which the gate streams: the load reads answers that state their length. */
export const LARGE: readonly Traffic[] = [
  { of: 'data-connect', what: 'Data Connect, a week of ten-minute points', asks: METERS.map((meter) => ({ target: curveOf(meter) })) },
  { of: 'gas', what: 'ADICT, nine weeks of gas days', asks: METERS.map((meter) => ({ target: gasOf(meter, 63) })) },
  { of: 'soap', what: 'SGE, five days of ten-minute points', asks: METERS.map((meter) => soapOf('cmd-v3-request-courbe', meter, 5)) },
]

export const LONG_CURVE: Ask = { target: curveOf(LONG_METER) }

export function dailyOf(meter: string): string {
  return `/mesure_synchrone_auto/v2/consommation_quotidienne?pointId=${meter}&dateDebut=${today(-30)}&dateFin=${today(-2)}`
}

function curveOf(meter: string): string {
  return `/mesure_synchrone_auto/v2/courbe_de_charge_consommation?pointId=${meter}&dateDebut=${today(-9)}&dateFin=${today(-2)}`
}

function gasOf(meter: string, days: number): string {
  return `/adict/v2/pce/${meter}/donnees_consos_informatives?date_debut=${today(-2 - days)}&date_fin=${today(-2)}`
}

function soapMeter(meter: string): string {
  return meter.replace('2', '3')
}

function soapOf(example: string, meter: string, days: number): Ask {
  const body = fixture(example)
    .replace(/<pointId>.*<\/pointId>/, `<pointId>${soapMeter(meter)}</pointId>`)
    .replace(/<dateDebut>.*<\/dateFin>/s, `<dateDebut>${today(-2 - days)}</dateDebut><dateFin>${today(-2)}</dateFin>`)
  const headers = { 'Content-Type': 'text/xml; charset=utf-8', SOAPAction: '""' }
  return { target: '/ConsultationMesuresDetaillees/v3.0', post: { headers, body } }
}
