/** What the benchmark asks for: the same targets of every subject, so that their rows compare. */
import type { PermissionWish } from '../harness/settings.ts'
import { today } from '../harness/settings.ts'

export const METERS: readonly string[] = Array.from({ length: 64 }, (_, i) => `2000000000${String(i).padStart(4, '0')}`)
/** A meter whose curve never seems to end. */
export const LONG_METER = '20000000009999'
export const LONG_BYTES = 50 * 1_048_576

export function wishes(): readonly PermissionWish[] {
  const lines = [
    { kind: 'load_curve', direction: 'withdrawal', finest: 'PT5M', purpose: 'self_view', from: today(-365), until: today(30) },
    { kind: 'daily_energy', direction: 'withdrawal', finest: 'P1D', purpose: 'self_view', from: today(-365), until: today(30) },
  ]
  return [...METERS, LONG_METER].map((meter, i) => ({ id: `bench-${i}`, meter, lines }))
}

/** Four weeks of daily energy: 1 KB. */
export function kilobyte(): readonly string[] {
  return METERS.map((meter) => `${base}/consommation_quotidienne?pointId=${meter}&dateDebut=${today(-30)}&dateFin=${today(-2)}`)
}

/** A week of ten-minute points: 60 KB. */
export function weekOfCurve(): readonly string[] {
  return METERS.map((meter) => curveOf(meter))
}

export function longCurveTarget(): string {
  return curveOf(LONG_METER)
}

const base = '/mesure_synchrone_auto/v2'
function curveOf(meter: string): string {
  return `${base}/courbe_de_charge_consommation?pointId=${meter}&dateDebut=${today(-9)}&dateFin=${today(-2)}`
}
