/**
 * The answer to a request for contract, address, identity or contact data, in the generation that the client speaks.
 *
 * Read as a whole, then written anew from the fields that `contract-models.ts` names and the part grants. Wherever the
 * body names a meter it must be the one asked for. Identity and contact of v5 name none: there the call is the proof.
 */
import type { Part } from '../../domain/decision.ts'
import { bareMeter } from '../../domain/meter.ts'
import type { AccessRequest } from '../../domain/request.ts'
import type { DataKind } from '../../domain/vocabulary.ts'
import type { Answer } from '../adapter.ts'
import type { Model } from './contract-models.ts'
import { MODELS } from './contract-models.ts'
import { CONTENT_TYPE } from './measure-answer.ts'
import { translationOf } from './contract-translation.ts'
import { pathOf } from './dialects.ts'
import type { Generation, RecordId } from './series.ts'
import type { Read } from './whole-body.ts'
import { isFields, WholeBody } from './whole-body.ts'

export function contractAnswer(series: RecordId, access: AccessRequest, parts: readonly Part[], upstream: Generation): Answer {
  const meter = bareMeter(access.meter)
  return {
    contentType: CONTENT_TYPE,
    part(index) {
      const part = parts[index]
      // One record is one text: two of them cannot be put under one heading.
      if (!part || parts.length !== 1) throw new RangeError('contract data has exactly one part')
      return new WholeBody((body) => readRecord(body, series, upstream, meter, new Set(part.keepKinds)))
    },
    skip() {
      // Nothing stands for an answer without data.
    },
    close: () => [],
  }
}

const METER_NAMES: ReadonlySet<string> = new Set(['usage_point_id', 'idPrm', 'pointId', 'prm'])

function readRecord(body: unknown, wanted: RecordId, upstream: Generation, meter: string, granted: ReadonlySet<DataKind>): Read {
  const translation = pathOf(wanted, upstream) === undefined ? translationOf(wanted, upstream) : undefined
  const series = translation?.calls ?? wanted
  const named = metersIn(body)
  if (named.some((each) => each !== meter)) return { ok: false, why: 'other_meter' }
  if (named.length < entriesOf(body, series)) return { ok: false, why: 'unreadable' }
  const model = MODELS[series]
  if ('list' in model !== Array.isArray(body) || ('fields' in model && !isFields(body))) return { ok: false, why: 'unreadable' }
  // An empty object is what an expired token of the operator's has been seen to give: not an answer.
  if (isFields(body) && Object.keys(body).length === 0) return { ok: false, why: 'unreadable' }
  const tally = { kept: 0, dropped: 0 }
  const kept = keep(body, model, granted, tally)
  if (!translation) return readOf(kept, tally)
  // What is granted is looked at on both sides: a field may be of another kind in the client's own generation.
  const told = { kept: 0, dropped: tally.dropped }
  return readOf(keep(translation.tell(kept, meter), MODELS[wanted], granted, told), told)
}

function readOf(kept: unknown, { kept: leaves, dropped }: { readonly kept: number; readonly dropped: number }): Read {
  const counts = { readings: leaves > 0 ? 1 : 0, dropped, first: null, last: null }
  return { ok: true, text: leaves > 0 ? JSON.stringify(kept) : undefined, counts }
}

/** Every meter that the body names anywhere, known field or not. */
function metersIn(value: unknown): unknown[] {
  if (Array.isArray(value)) return value.flatMap(metersIn)
  if (!isFields(value)) return []
  return Object.entries(value).flatMap(([name, item]) => (METER_NAMES.has(name) ? [item] : metersIn(item)))
}

/** How many meters the body must name at least: one for each entry of the series that have entries. */
function entriesOf(body: unknown, series: RecordId): number {
  if (series === 'contract_situation') return Array.isArray(body) ? body.length : 1
  if (series !== 'contracts' && series !== 'addresses') return 0
  const customer = isFields(body) ? body['customer'] : undefined
  const points = isFields(customer) ? customer['usage_points'] : undefined
  return Array.isArray(points) ? points.length : 1
}

/** The value, in the order of the model, without what is not granted; undefined where nothing is left. */
function keep(value: unknown, model: Model, granted: ReadonlySet<DataKind>, tally: { kept: number; dropped: number }): unknown {
  if ('leaf' in model) {
    const open = model.leaf === 'always' || granted.has(model.leaf)
    if (!open || (typeof value === 'object' && value !== null)) {
      tally.dropped++
      return undefined
    }
    if (model.leaf !== 'always') tally.kept++
    return value
  }
  if ('list' in model) {
    if (!Array.isArray(value)) return undefined
    return value.map((item) => keep(item, model.list, granted, tally)).filter((item) => item !== undefined)
  }
  if (!isFields(value)) return undefined
  const kept: Record<string, unknown> = {}
  for (const [name, inner] of Object.entries(model.fields)) {
    if (!Object.hasOwn(value, name)) continue
    const left = keep(value[name], inner, granted, tally)
    if (left !== undefined) kept[name] = left
  }
  tally.dropped += Object.keys(value).filter((name) => !Object.hasOwn(model.fields, name)).length
  return Object.keys(kept).length > 0 ? kept : undefined
}
