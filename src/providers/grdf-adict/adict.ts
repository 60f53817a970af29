/**
 * The adapter of GRDF ADICT v2: gas. Published and informative consumption, injection, contract and technical data of a
 * delivery point (PCE), line by line. Pure: no socket, no clock, no store.
 */
import type { ProviderAdapter } from '../adapter.ts'
import { aboutAnswer } from './about-answer.ts'
import { classify, repeats, serves } from './classify.ts'
import { shapeOf } from './fields.ts'
import { holderError } from './holder-says.ts'
import { lineAnswer } from './line-answer.ts'
import type { UpperBound } from './periode.ts'
import { noData, passError, refuse } from './refusals.ts'
import { listedRights, NO_FILTER } from './rights-list.ts'
import { endRight, openRight } from './right-calls.ts'
import { rewrite } from './rewrite.ts'
import type { AdictForm } from './series.ts'
import { seriesOf } from './series.ts'

export type { AdictForm } from './series.ts'
export { TOKEN_PATHS } from './series.ts'
/** A token is for one version of the interface. */
export { BASE as SCOPE } from './series.ts'

export function grdfAdict({ upperBound }: { readonly upperBound: UpperBound }): ProviderAdapter<AdictForm> {
  return {
    id: 'grdf-adict',
    serves,
    repeats,
    classify: (request, today) => classify(request, today, upperBound),
    // The one view is of measures.
    canAnswer: ({ series, view }) => view !== 'senml' || (series !== 'rights' && seriesOf(series).is === 'lines'),
    rewrite: (form, access, part) => rewrite(form, access, part, upperBound),
    answer(form, access, parts) {
      const series = seriesOf(form.series)
      return series.is === 'lines'
        ? lineAnswer(series, access, parts, form.view)
        : aboutAnswer(shapeOf(series, form.wanted), series, access, parts)
    },
    holderError,
    passError: (form, _style, _status, error) => passError(form, error),
    refuse: (form, _style, refusal) => refuse(form, refusal),
    noData,
    showRights: (form, rights) => listedRights(form.filters ?? NO_FILTER, rights),
    endRight,
    openRight,
  }
}
