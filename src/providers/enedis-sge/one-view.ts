/** Readings of SGE's answers in the view that all data holders share. Pure. */
import type { AccessRequest } from '../../domain/request.ts'
import type { Period } from '../../domain/time.ts'
import type { Measured, NativeUnit, Quality, When } from '../senml.ts'
import { namePart, qualityOf, SenmlPack, UNITS, wholeDays } from '../senml.ts'
import type { Around, Fields, ReadingSink } from './xml-filter.ts'

/** The same readings as SenML. */
export class OneView implements ReadingSink {
  readonly #pack: SenmlPack
  #out = ''

  constructor(access: AccessRequest) {
    this.#pack = new SenmlPack(access)
  }

  write(_path: readonly Around[], _text: string, _root: Fields, measured: () => Measured | undefined): boolean {
    const reading = measured()
    if (reading) this.#out += this.#pack.write(reading)
    return reading !== undefined
  }

  take(): readonly string[] {
    const out = this.#out
    this.#out = ''
    return out === '' ? [] : [out]
  }

  close(): readonly string[] {
    return this.#pack.close()
  }
}

const QUANTITIES: Readonly<Record<string, string>> = {
  PA: 'power',
  PRI: 'reactive_power_inductive',
  PRC: 'reactive_power_capacitive',
  E: 'voltage',
  EA: 'energy',
  ERC: 'reactive_energy_capacitive',
  ERI: 'reactive_energy_inductive',
  PMA: 'power',
}

/** Of a register with its code, under its calendar. */
export function measuredOf(
  around: readonly Around[],
  value: string,
  when: When,
  quality: Quality | undefined,
  mark: string | undefined,
): Measured | undefined {
  const { grandeurPhysique = '', unite = '' } = around.findLast(({ name }) => name === 'grandeur')?.fields ?? {}
  const quantity = QUANTITIES[grandeurPhysique]
  if (quantity === undefined || !Object.hasOwn(UNITS, unite)) return undefined
  const calendar = around.find(({ name }) => name === 'calendrier')?.fields['idCalendrier']
  const register = around.findLast(({ name }) => name === 'classeTemporelle' || name === 'cadranTotalisateur')?.fields
  const path = register
    ? [...(calendar === undefined ? [] : [namePart(calendar)]), namePart(register['codeCadran'] ?? register['idClasseTemporelle'])]
    : []
  const context = around.find(({ name }) => name === 'contexte')?.fields['etapeMetier']
  return {
    quantity: [quantity, ...path].join('/'),
    unit: unite as NativeUnit,
    value,
    ...when,
    quality: quality ?? qualityOf(context),
    mark,
  }
}

/** One billing period of one class of hours. */
export function billed(series: Fields, value: string, days: Period, { nature, statut }: Fields): Measured {
  const quantity = QUANTITIES[series['grandeurPhysique'] ?? ''] ?? 'energy'
  const hours = series['classeTemporelle']
  return {
    quantity: hours === undefined ? quantity : `${quantity}/${namePart(hours)}`,
    unit: series['unite'] as NativeUnit, // one of the two that the shape admits
    value,
    ...wholeDays(days),
    quality: qualityOf(nature),
    mark: statut,
  }
}
