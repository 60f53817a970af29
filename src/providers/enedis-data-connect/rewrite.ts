/**
 * The call to Enedis, built from the canonical request and nothing else: the path of the series in the generation that
 * Enedis speaks, the days of one part, in a fixed order of parameters. No text of the client's request is in it.
 */
import { bareMeter } from '../../domain/meter.ts'
import type { Part } from '../../domain/decision.ts'
import type { AccessRequest } from '../../domain/request.ts'
import type { OutgoingCall } from '../adapter.ts'
import type { DataConnectForm } from './dialects.ts'
import { DIALECTS, pathOf } from './dialects.ts'
import { translationOf } from './contract-translation.ts'
import type { Generation, RecordId, SeriesId } from './series.ts'
import { curveOf, SERIES } from './series.ts'

/** Whether what the client asks for has a path at Enedis, in its own generation or by translation. */
export function canAnswer(form: DataConnectForm, upstream: Generation): boolean {
  // The one view is of measures: what is known of a contract or a person has none.
  if (form.view === 'senml' && SERIES[form.series].is === 'record') return false
  return pathOf(calledFor(form.series, upstream), upstream) !== undefined
}

/** The series that is called: of contract data, the one of Enedis's generation that tells of it. */
export function calledFor(series: SeriesId, upstream: Generation): SeriesId {
  if (SERIES[series].is !== 'record' || pathOf(series, upstream) !== undefined) return series
  return translationOf(series as RecordId, upstream)?.calls ?? series // `is` is what makes an id a RecordId
}

/** The series that is called for a part: under `derive` the load curve in place of the daily energy. */
export function calledSeries(form: DataConnectForm, part: Part, upstream: Generation): SeriesId {
  return part.how === 'derive' ? curveOf(form.series) : calledFor(form.series, upstream)
}

/** Throws a RangeError where `canAnswer` is false or the part has no days: neither comes out of a decision. */
export function rewrite(form: DataConnectForm, access: AccessRequest, part: Part, upstream: Generation): OutgoingCall {
  const called = calledSeries(form, part, upstream)
  const path = pathOf(called, upstream)
  if (path === undefined) throw new RangeError('no such series in the generation of the data holder')
  const names = DIALECTS[upstream].parameters
  const meter = bareMeter(access.meter)
  const parameters: string[] = path.endsWith('/{prm}') ? [] : [`${names.meter}=${meter}`]
  const series = SERIES[called]
  if (series.is !== 'record') {
    if (part.period === null) throw new RangeError('a part without days for a series that has days')
    parameters.push(`${names.start}=${part.period.from}`, `${names.end}=${part.period.until}`)
    if (upstream === '2026' && series.kind === 'max_power') parameters.push(`mesuresPas=${series.step}`, 'grandeurPhysique=PMA')
  }
  const target = path.replace('{prm}', meter)
  return { method: 'GET', target: parameters.length > 0 ? `${target}?${parameters.join('&')}` : target, accept: 'application/json' }
}
