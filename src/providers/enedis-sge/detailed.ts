/**
 * ConsultationMesuresDetaillees: load curve, daily energy, maximum power and registers of one point. Version 3 is current;
 * version 2 has booleans for directions and consent, and other words.
 *
 * `dateFin` is excluded. What the caller declares of consent is read, and never passed on: `cadreAcces` (v3) and
 * `accordClient` (v2) are written from the permission. Source: schema and homologation catalogue 26.1 as quoted by
 * lowatt-enedis.
 */
import type { Period } from '../../domain/time.ts'
import { parseDay } from '../../domain/time.ts'
import type { DataKind, Direction } from '../../domain/vocabulary.ts'
import type { SequenceModel, Values } from './model.ts'
import { FORMS, groupIn, textIn } from './model.ts'
import { detailedAnswer } from './detailed-answer.ts'
import type { Flaw, Meant, Rewriting, SgeOptions, SgeService } from './service.ts'
import { accessFrame } from './service.ts'

export const MEASURES = {
  COURBE: { kind: 'load_curve', quantity: 'PA', quantities: ['PA', 'PRI', 'PRC', 'E'] },
  ENERGIE: { kind: 'daily_energy', quantity: 'EA', quantities: ['EA', 'ERC', 'ERI'] },
  PMAX: { kind: 'max_power', quantity: 'PMA', quantities: ['PMA'] },
  INDEX: { kind: 'index', quantity: 'EA', quantities: ['EA', 'ERC', 'ERI'] },
} as const satisfies Record<string, { readonly kind: DataKind; readonly quantity: string; readonly quantities: readonly string[] }>
export type MeasureCode = keyof typeof MEASURES

const NS = 'http://www.enedis.fr/sge/b2b/services/consultationmesuresdetaillees'
const request = (types: RegExp, rest: SequenceModel['of'], last: SequenceModel['of'][number]): SequenceModel => ({
  of: [
    {
      name: 'demande',
      model: {
        of: [
          { name: 'initiateurLogin', model: FORMS.login },
          { name: 'pointId', model: FORMS.point },
          { name: 'mesuresTypeCode', model: { fits: types } },
          // Free text in the schema: what is not known is refused.
          { name: 'grandeurPhysique', model: { fits: /^(?:PA|PRI|PRC|E|EA|ERC|ERI|PMA|TOUT)$/ } },
          ...rest,
          last,
        ],
      },
    },
  ],
})
const DATES: SequenceModel['of'] = [
  { name: 'dateDebut', model: FORMS.date },
  { name: 'dateFin', model: FORMS.date },
]
const STEP: SequenceModel['of'] = [
  { name: 'mesuresPas', least: 0, model: { fits: /^P1[DM]$/ } },
  { name: 'mesuresCorrigees', model: FORMS.boolean },
]

export const DETAILED_V3: SgeService = {
  id: 'ConsultationMesuresDetaillees v3.0',
  path: '/ConsultationMesuresDetaillees/v3.0',
  soapAction: `${NS}/v3.0`,
  request: { ns: `${NS}/common`, name: 'consulterMesuresDetailleesV3' },
  model: request(/^(?:COURBE|ENERGIE|PMAX|INDEX)$/, [...DATES, ...STEP, { name: 'sens', model: FORMS.direction }], {
    name: 'cadreAcces',
    model: { fits: /^(?:ACCORD_CLIENT|SERVICE_ACCES|EST_TITULAIRE)$/ },
  }),
  header: null,
  measures: true,
  point: ({ demande }) => textIn(demande as Values, 'pointId'),
  means: (values, meter, today, options) =>
    means(values, today, options, textIn(groupIn(values, 'demande'), 'sens') === 'INJECTION' ? 'injection' : 'withdrawal', meter),
  rewrite: (values, to) => ({ demande: { ...rewritten(values, to), cadreAcces: accessFrame(to.permission) } }),
  says: ({ demande }) => saysOf(demande as Values, ['sens', 'cadreAcces']),
  answer: (values, access, parts, options, view) =>
    detailedAnswer(
      {
        generation: 'v3',
        root: { ns: `${NS}/common`, name: 'consulterMesuresDetailleesResponseV3' },
        quantities: quantitiesOf(values, options),
      },
      access,
      parts,
      view,
    ),
}

export const DETAILED_V2: SgeService = {
  id: 'ConsultationMesuresDetaillees v2.0',
  path: '/ConsultationMesuresDetaillees/v2.0',
  legacy: true,
  soapAction: `${NS}/v2.0`,
  request: { ns: `${NS}/v2.0`, name: 'consulterMesuresDetaillees' },
  model: request(
    /^(?:COURBE|ENERGIE|PMAX)$/,
    [{ name: 'soutirage', model: FORMS.boolean }, { name: 'injection', model: FORMS.boolean }, ...DATES, ...STEP],
    { name: 'accordClient', model: FORMS.boolean },
  ),
  header: null,
  measures: true,
  point: ({ demande }) => textIn(demande as Values, 'pointId'),
  means(values, meter, today, options) {
    const demande = groupIn(values, 'demande')
    const [withdrawal, injection] = [isTrue(demande['soutirage']), isTrue(demande['injection'])]
    // One direction is one line of a permission; both at once are two requests.
    if (withdrawal === injection) return flaw('direction')
    return means(values, today, options, injection ? 'injection' : 'withdrawal', meter)
  },
  rewrite: (values, to) => ({ demande: { ...rewritten(values, to), accordClient: 'true' } }),
  says: ({ demande }) => saysOf(demande as Values, ['soutirage', 'injection', 'accordClient']),
  answer: (values, access, parts, options, view) =>
    detailedAnswer(
      {
        generation: 'v2',
        root: { ns: `${NS}/v2.0`, name: 'consulterMesuresDetailleesResponse' },
        quantities: quantitiesOf(values, options),
      },
      access,
      parts,
      view,
    ),
}

const flaw = (which: Flaw): Meant => ({ is: 'flaw', flaw: which })
export const isTrue = (value: Values[string]): boolean => value === 'true' || value === '1'

function means(values: Values, today: string, options: SgeOptions, direction: Direction, meter: Parameters<SgeService['means']>[1]): Meant {
  const demande = groupIn(values, 'demande')
  const code = demande['mesuresTypeCode'] as MeasureCode // of the model's four
  const measure = MEASURES[code]
  const period = periodOf(demande)
  if (!period) return flaw('order')
  if (period.from >= today) return flaw('future')
  const step = textIn(demande, 'mesuresPas')
  if (step !== undefined && code !== 'PMAX') return flaw('step')
  const asked = textIn(demande, 'grandeurPhysique') ?? ''
  if (asked !== 'TOUT' && !(measure.quantities as readonly string[]).includes(asked)) return flaw('quantity')
  if (options.quantities === 'active' && asked !== 'TOUT' && asked !== measure.quantity) return { is: 'closed' }
  const { kind } = measure
  return {
    is: 'access',
    access: { meter, kind, direction, step: kind === 'load_curve' ? 'recorded' : step === 'P1M' ? 'P1M' : 'P1D', period },
  }
}

/** `TOUT` is what the settings let a permission open. */
function quantitiesOf(values: Values, { quantities }: SgeOptions): readonly string[] {
  const demande = groupIn(values, 'demande')
  const measure = MEASURES[demande['mesuresTypeCode'] as MeasureCode]
  const asked = textIn(demande, 'grandeurPhysique') ?? ''
  if (asked !== 'TOUT') return [asked]
  return quantities === 'all' ? measure.quantities : [measure.quantity]
}

/** Days as they are written: the offset that `xs:date` may have is that of Paris. Undefined where there is none in them. */
export function periodOf(values: Values): Period | undefined {
  const [from, until] = ['dateDebut', 'dateFin'].map((name) => parseDay((textIn(values, name) ?? '').slice(0, 10)))
  return from !== undefined && until !== undefined && from < until ? { from, until } : undefined
}

/** What is called is what the part says: a day's energy may be summed of a curve. */
function rewritten(values: Values, { access, part, operator, options }: Rewriting): Values {
  const demande = groupIn(values, 'demande')
  const quantities = quantitiesOf(values, options)
  if (part.period === null) throw new RangeError('a part without days for a series that has days')
  const { mesuresPas: _asked, ...rest } = demande
  const curve = part.how === 'derive'
  return {
    ...rest,
    initiateurLogin: operator.login,
    dateDebut: part.period.from,
    dateFin: part.period.until,
    mesuresCorrigees: isTrue(demande['mesuresCorrigees']) ? 'true' : 'false',
    // `TOUT` is called as the one quantity that may be had, where it is one.
    grandeurPhysique: quantities.length === 1 ? quantities[0] : 'TOUT',
    ...(curve && { mesuresTypeCode: 'COURBE', grandeurPhysique: 'PA' }),
    ...(access.kind === 'max_power' && { mesuresPas: access.step === 'P1M' ? 'P1M' : 'P1D' }),
  }
}

function saysOf(demande: Values, more: readonly string[]): string {
  return ['mesuresTypeCode', 'grandeurPhysique', 'dateDebut', 'dateFin', 'mesuresPas', 'mesuresCorrigees', ...more]
    .flatMap((name) => {
      const value = textIn(demande, name)
      return value === undefined ? [] : [`${name}=${value}`]
    })
    .join('&')
}
