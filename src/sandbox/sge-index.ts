/**
 * Registers as CMD v3 and ConsultationMesures tell of them: what each class had counted when a day began, and what of it
 * fell into a billing period. Source: WSDL files of SGE Tiers as
 * lowatt-enedis ships them.
 */
import type { Day, Period } from '../domain/time.ts'
import { addDays, addMonths, intersect } from '../domain/time.ts'
import type { Sens } from './sge-measures.ts'
import { CLASSES, COUNTED_FROM, registerAt } from './sge-measures.ts'
import type { SgePoint } from './sge-points.ts'
import type { Written } from './sge-xml.ts'
import { coded, leaves, written } from './sge-xml.ts'

interface Classe {
  readonly id: string
  readonly label: string
  /** The end of its `codeCadran`. */
  readonly cadran: string
  readonly of: readonly (typeof CLASSES)[number][]
}
interface Calendar {
  readonly id: string
  readonly label: string
  readonly classes: readonly Classe[]
}

const DISTRIBUTOR: Calendar = {
  id: 'DI000003',
  label: 'Quatre cadrans saisonniers',
  classes: [
    { id: 'HCB', label: 'Heures creuses saison basse', cadran: 'D1', of: ['HCB'] },
    { id: 'HPB', label: 'Heures pleines saison basse', cadran: 'D2', of: ['HPB'] },
    { id: 'HCH', label: 'Heures creuses saison haute', cadran: 'D3', of: ['HCH'] },
    { id: 'HPH', label: 'Heures pleines saison haute', cadran: 'D4', of: ['HPH'] },
  ],
}
const SUPPLIER: Calendar = {
  id: 'FC000002',
  label: 'Heures creuses',
  classes: [
    { id: 'HC', label: 'Heures creuses', cadran: 'F1', of: ['HCB', 'HCH'] },
    { id: 'HP', label: 'Heures pleines', cadran: 'F2', of: ['HPB', 'HPH'] },
  ],
}

/** A C4 meter has a calendar of its own, and no supplier's. */
function calendarsOf({ segment }: SgePoint): readonly Calendar[] {
  return segment === 'C5' ? [DISTRIBUTOR, SUPPLIER] : [{ ...DISTRIBUTOR, id: 'D' }]
}

function counted(point: SgePoint, sens: Sens, of: Classe['of'], on: Day): number {
  const register = registerAt(point, sens, on)
  return of.reduce((sum, one) => sum + register[one], 0)
}

/** What stood on the registers when each of the days began; undefined where they are too old. */
export function indexContext(point: SgePoint, sens: Sens, days: Period): Written | undefined {
  const told = intersect(days, { from: COUNTED_FROM, until: addDays(days.until, 1) })
  if (!told) return undefined
  const letters = sens === 'SOUTIRAGE' ? 'EAS' : 'EAI'
  const values = (of: Classe['of']): Written[] => {
    const all: Written[] = []
    for (let on = told.from; on < told.until; on = addDays(on, 1))
      all.push(written('valeur', leaves({ d: `${on} 00:00:00`, v: String(counted(point, sens, of, on)), iv: '0' })))
    return all
  }
  const calendars = calendarsOf(point).map(({ id, label, classes }) =>
    written('calendrier', [
      ...leaves({ idCalendrier: id, libelleCalendrier: label }),
      ...classes.map((classe) =>
        written('classeTemporelle', [
          ...leaves({
            idClasseTemporelle: classe.id,
            libelleClasseTemporelle: classe.label,
            codeCadran: `IDX_${letters}_${classe.cadran}`,
          }),
          ...values(classe.of),
        ]),
      ),
    ]),
  )
  const total = written('cadranTotalisateur', [...leaves({ codeCadran: `IDX_${letters}_T` }), ...values(CLASSES)])
  const head = { grandeurMetier: sens === 'SOUTIRAGE' ? 'CONS' : 'PROD', grandeurPhysique: 'EA', unite: 'Wh' }
  return written('contexte', [
    ...leaves({ etapeMetier: 'BRUT', contexteReleve: 'COL', typeReleve: 'AQ' }),
    written('grandeur', [...leaves(head), ...calendars, total]),
  ])
}

/** Billing periods, from the 14th to the 14th, that begin within the days and end within them, oldest first. */
export function billingPeriods(days: Period): Period[] {
  const periods: Period[] = []
  const first = `${days.from.slice(0, 8)}14` as Day
  for (let from = first; addMonths(from, 1) <= days.until; from = addMonths(from, 1))
    if (from >= days.from) periods.push({ from, until: addMonths(from, 1) })
  return periods
}

/** What was drawn in each period, in kWh, by the distributor's classes or the supplier's. */
export function billedSeries(point: SgePoint, grid: 'Turpe' | 'Frn', periods: readonly Period[]): Written[] {
  const calendar = grid === 'Turpe' ? DISTRIBUTOR : SUPPLIER
  return calendar.classes.map((classe) =>
    written('serie', [
      coded('grandeurPhysique', 'EA', 'Energie active'),
      coded('classeTemporelle', classe.id, classe.label),
      coded('calendrier', calendar.id, calendar.label),
      written('unite', 'kWh'),
      written(
        'mesuresDatees',
        periods.map(({ from, until }) => {
          const drawn = counted(point, 'SOUTIRAGE', classe.of, until) - counted(point, 'SOUTIRAGE', classe.of, from)
          return written('mesure', [
            ...leaves({ valeur: String(Math.round(drawn / 1000)), dateDebut: from, dateFin: until }),
            coded('nature', 'REEL', 'Réelle'),
            coded('declencheur', 'CYCLIQUE', 'Cyclique'),
            coded('statut', 'INITIALE', 'Initiale'),
          ])
        }),
      ),
    ]),
  )
}
