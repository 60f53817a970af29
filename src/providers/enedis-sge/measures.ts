/**
 * ConsultationMesures v1.1: the energy of each billing period of one point. The caller can name no days: it asks for all
 * that Enedis keeps, and gets what its permission opens. A billing period that reaches over the edge of the granted days
 * is dropped, or kept where the policy's rule says so.
 *
 * The body of the answer names no meter; where its header does, it must be the one asked for.
 */
import type { Part } from '../../domain/decision.ts'
import { bareMeter } from '../../domain/meter.ts'
import type { AccessRequest } from '../../domain/request.ts'
import type { Period } from '../../domain/time.ts'
import { addDays, addMonths, contains, countDays, intersect, parseDay, period } from '../../domain/time.ts'
import { isAtLeast } from '../../domain/vocabulary.ts'
import type { Answer } from '../adapter.ts'
import { answerHead, answerTail, CONTENT_TYPE } from './envelope.ts'
import { FORMS, textIn } from './model.ts'
import { billed, OneView } from './one-view.ts'
import type { SgeService } from './service.ts'
import { element } from './xml.ts'
import type { Judge, Shape, Shapes } from './xml-filter.ts'
import { AnswerPart, Merged } from './xml-filter.ts'
import { SENML_TYPE } from '../senml.ts'

/** Sources differ (12 or 36): more is asked for than may be there, and less comes back. */
const KEPT_MONTHS = 36
const NS = 'http://www.enedis.fr/sge/b2b/services/consultermesures/v1.1'
const ROOT = { ns: NS, name: 'consulterMesuresResponse' }

export const MEASURES_V11: SgeService = {
  id: 'ConsultationMesures v1.1',
  path: '/ConsultationMesures/v1.1',
  soapAction: '',
  request: { ns: NS, name: 'consulterMesures' },
  model: {
    of: [
      { name: 'pointId', model: FORMS.point },
      { name: 'loginDemandeur', model: FORMS.login },
      { name: 'contratId', model: FORMS.contract },
      { name: 'contratConcluNouveauClientSurSite', model: FORMS.boolean, either: 'declaration', least: 0 },
      { name: 'autorisationClient', model: FORMS.boolean, either: 'declaration', least: 0 },
    ],
  },
  header: '1.1',
  measures: true,
  point: (values) => textIn(values, 'pointId'),
  means: (_values, meter, today) => ({
    is: 'access',
    access: {
      meter,
      kind: 'published_reading',
      direction: 'withdrawal',
      step: 'recorded',
      period: period(addMonths(today, -KEPT_MONTHS), today) ?? { from: addDays(today, -1), until: today },
    },
  }),
  rewrite: ({ pointId }, { operator }) => ({
    pointId,
    loginDemandeur: operator.login,
    contratId: operator.contract,
    autorisationClient: 'true',
  }),
  says: () => 'autorisationClient=true',
  answer: (_values, access, parts, { quantities }, view) =>
    measuresAnswer(access, parts, quantities === 'all' ? ['EA', 'ERC', 'ERI'] : ['EA'], view),
}

const leafOf = (fits: RegExp): Shape => ({ is: 'leaf', fits, keeps: true })
const coded: Shape = { is: 'coded', keeps: true }
const SERIES: Shape = {
  is: 'branch',
  of: {
    serie: {
      is: 'branch',
      of: {
        grandeurPhysique: coded,
        classeTemporelle: coded,
        calendrier: coded,
        unite: leafOf(/^kWh$|^kVArh$/),
        mesuresDatees: {
          is: 'branch',
          of: {
            mesure: {
              is: 'reading',
              of: {
                valeur: leafOf(/^-?[0-9]{1,15}(?:\.[0-9]{1,9})?$/),
                dateDebut: leafOf(FORMS.date.fits),
                dateFin: leafOf(FORMS.date.fits),
                nature: coded,
                declencheur: coded,
                statut: coded,
              },
            },
          },
        },
      },
    },
  },
}
const SHAPES: Shapes = { seriesMesuresDateesGrilleTurpe: SERIES, seriesMesuresDateesGrilleFrn: SERIES }
const UNITS: Readonly<Record<string, string>> = { EA: 'kWh', ERC: 'kVArh', ERI: 'kVArh' }

function measuresAnswer(access: AccessRequest, parts: readonly Part[], quantities: readonly string[], view?: 'senml'): Answer {
  const point = bareMeter(access.meter)
  const oneView = view && new OneView(access)
  const merged = new Merged(() => answerHead(ROOT, { point }))
  return {
    contentType: view ? SENML_TYPE : CONTENT_TYPE,
    part(index) {
      const part = parts[index]
      if (!part?.period) throw new RangeError('no such part')
      return new AnswerPart(ROOT, point, SHAPES, judgeOf(part, part.period, quantities), oneView ?? merged)
    },
    skip() {
      // Nothing stands for a part without data.
    },
    close: () => oneView?.close() ?? merged.end(() => answerTail(ROOT)),
  }
}

function judgeOf(part: Part, granted: Period, quantities: readonly string[]): Judge {
  const state = { tooFine: 0 }
  return {
    get tooFine() {
      return state.tooFine
    },
    rest: () => [],
    reading(read, around) {
      const series = around.find(({ name }) => name === 'serie')?.fields ?? {}
      const quantity = series['grandeurPhysique'] ?? ''
      if (!quantities.includes(quantity)) return ['drop']
      if (series['unite'] !== UNITS[quantity]) return ['other_unit']
      const { valeur, dateDebut = '', dateFin = '' } = read.fields
      const [from, until] = [parseDay(dateDebut.slice(0, 10)), parseDay(dateFin.slice(0, 10))]
      const days = from !== undefined && until !== undefined ? period(from, until) : undefined
      if (valeur === undefined || !days) return ['drop']
      const inside = contains(granted, days) || (part.keepsStraddling === true && intersect(granted, days) !== undefined)
      if (!inside) return ['drop']
      if (!isAtLeast(countDays(days) >= 28 ? 'P1M' : 'P1D', part.finest)) {
        state.tooFine += 1
        return ['drop']
      }
      return [
        {
          path: around,
          text: element(read.name, read.leaves),
          stamp: dateDebut,
          measured: () => billed(series, valeur, days, read.fields),
        },
      ]
    },
  }
}
