/**
 * The call to GRDF, built from what was decided and nothing else. Always in dates, never `periode`: they are what was
 * granted.
 */
import type { Part } from '../../domain/decision.ts'
import { bareMeter } from '../../domain/meter.ts'
import type { AccessRequest } from '../../domain/request.ts'
import type { OutgoingCall } from '../adapter.ts'
import { CONTENT_TYPE } from './line-answer.ts'
import type { UpperBound } from './periode.ts'
import { writtenEnd } from './periode.ts'
import type { AdictForm } from './series.ts'
import { BASE, seriesOf } from './series.ts'

/** Throws a RangeError where a part of dated readings has no days: it does not come out of a decision. */
export function rewrite({ series, wanted = [] }: AdictForm, access: AccessRequest, { period }: Part, bound: UpperBound): OutgoingCall {
  const path = `${BASE}/pce/${bareMeter(access.meter)}/${series}`
  if (seriesOf(series).is === 'about') {
    const parts = wanted.map((filter) => `filtre=${filter}`).join('&')
    return { method: 'GET', target: parts === '' ? path : `${path}?${parts}`, accept: CONTENT_TYPE }
  }
  if (period === null) throw new RangeError('a part without days for a series that has days')
  const query = `date_debut=${period.from}&date_fin=${writtenEnd(period.until, bound)}`
  return { method: 'GET', target: `${path}?${query}`, accept: CONTENT_TYPE }
}
