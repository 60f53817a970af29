/**
 * The adapter of Enedis Data Connect. Clients may speak either generation of it, v5 or 2026, or one of the dialects that
 * grew around it (`dialects.ts`); Enedis is called in the generation that the operator sets, and measures are translated
 * without loss. Pure: no socket, no clock, no store.
 */
import type { AccessRequest } from '../../domain/request.ts'
import type { Part } from '../../domain/decision.ts'
import type { Answer, ProviderAdapter } from '../adapter.ts'
import { classify } from './classify.ts'
import { contractAnswer } from './contract-answer.ts'
import { holderError } from './holder-error.ts'
import { indexAnswer } from './index-answer.ts'
import { measureAnswer } from './measure-answer.ts'
import { noData, passError, refuse } from './refusals.ts'
import { canAnswer, rewrite } from './rewrite.ts'
import { showShares } from './services.ts'
import type { DataConnectForm } from './dialects.ts'
import type { Generation, RecordId } from './series.ts'
import { SERIES } from './series.ts'

export type { DataConnectForm } from './dialects.ts'
export { SERVED_PATHS } from './dialects.ts'

export function dataConnect(options: { readonly upstream: Generation }): ProviderAdapter<DataConnectForm> {
  const { upstream } = options
  return {
    id: 'enedis-data-connect',
    // Its clients speak six dialects, each on paths of its own: what no other data holder has is asked of this one.
    serves: () => true,
    classify: (request, today) => classify(request, today, upstream),
    canAnswer: (form) => canAnswer(form, upstream),
    rewrite: (form, access, part) => rewrite(form, access, part, upstream),
    answer: (form, access, parts) => answer(form, access, parts, upstream),
    holderError,
    passError,
    refuse,
    showShares,
    noData,
  }
}

function answer(form: DataConnectForm, access: AccessRequest, parts: readonly Part[], upstream: Generation): Answer {
  const series = SERIES[form.series]
  switch (series.is) {
    case 'measure':
      return measureAnswer(form, series, access, parts, upstream)
    case 'index':
      return indexAnswer(series, access, parts, form.view)
    case 'record':
      return contractAnswer(form.series as RecordId, access, parts, upstream) // `is` is what makes an id a RecordId
  }
}
