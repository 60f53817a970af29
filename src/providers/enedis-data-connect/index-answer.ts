/**
 * The answer to a request for index (cumulative registers), which only the 2026 generation has.
 *
 * An index stamped 00:00 of a day is the opening index of that day; the one at 00:00 after the last day granted is the
 * closing index of that day and tells of granted days only, so it is delivered. Only the active energy of the direction
 * asked for leaves, in Wh; fields and their order are those of Enedis's own replies.
 * Source: Data Connect 2026 Swagger, `mesure_synchrone_auto` v2.
 */
import type { Part } from '../../domain/decision.ts'
import { bareMeter } from '../../domain/meter.ts'
import type { AccessRequest } from '../../domain/request.ts'
import type { Period } from '../../domain/time.ts'
import { parisDay, parseDay, parseInstant, startOfDay } from '../../domain/time.ts'
import type { Answer, Counts } from '../adapter.ts'
import type { Measured } from '../senml.ts'
import { namePart, SENML_TYPE, SenmlPack } from '../senml.ts'
import { CONTENT_TYPE, hull } from './measure-answer.ts'
import type { IndexSeries } from './series.ts'
import type { Fields, Read } from './whole-body.ts'
import { isFields, WholeBody } from './whole-body.ts'

export function indexAnswer(series: IndexSeries, access: AccessRequest, parts: readonly Part[], view?: 'senml'): Answer {
  const pack = view && new SenmlPack(access)
  const meter = bareMeter(access.meter)
  const days = hull(parts)
  let opened = false
  return {
    contentType: view ? SENML_TYPE : CONTENT_TYPE,
    part(index) {
      const part = parts[index]
      if (!part?.period) throw new RangeError('no such part')
      const { from, until } = part.period
      // Where another part begins the closing index is that part's opening index: once is enough.
      const closing = !parts.some((other) => other.period?.from === until)
      return new WholeBody((body) => {
        const read = readIndex(body, meter, series, { from, until }, closing)
        if (!read.ok || read.text === undefined) return read
        if (pack) return { ...read, text: read.registers.map((register) => pack.write(register)).join('') }
        const before = opened
          ? ','
          : `{"idPrm":"${meter}","periode":{"dateDebut":"${days.from}","dateFin":"${days.until}"},"grandeur":[],"contexte":[`
        opened = true
        return { ...read, text: before + read.text }
      })
    },
    skip() {
      // Nothing stands for a part without data.
    },
    close: () => pack?.close() ?? (opened ? [']}'] : []),
  }
}

/** What is kept and counted while one body is gone through. */
interface Walk {
  readonly granted: Period
  readonly closing: boolean
  readings: number
  dropped: number
  first: string | null
  last: string | null
  /** The same values for the one view: moments, with the code of their register. */
  readonly registers: Measured[]
  /** A field is not of the type that it has in the Swagger. */
  broken: boolean
}

type ReadIndex = (Extract<Read, { ok: true }> & { readonly registers: readonly Measured[] }) | Exclude<Read, { ok: true }>

function readIndex(body: unknown, meter: string, series: IndexSeries, granted: Period, closing: boolean): ReadIndex {
  if (!isFields(body) || typeof body['idPrm'] !== 'string') return { ok: false, why: 'unreadable' }
  if (body['idPrm'] !== meter) return { ok: false, why: 'other_meter' }
  if (!isPlausible(body['periode'], granted) || !Array.isArray(body['contexte'])) return { ok: false, why: 'unreadable' }
  const walk: Walk = { granted, closing, readings: 0, dropped: 0, first: null, last: null, broken: false, registers: [] }
  const contexts: unknown[] = []
  let wanted = 0
  let others = 0
  for (const context of fieldsOf(body, 'contexte', walk)) {
    const quantities: unknown[] = []
    for (const quantity of fieldsOf(context, 'grandeur', walk)) {
      if (quantity['grandeurMetier'] !== series.metier || quantity['grandeurPhysique'] !== 'EA') {
        others++
        continue
      }
      if (quantity['unite'] !== 'Wh') return { ok: false, why: 'other_unit' }
      wanted++
      const kept = keepQuantity(quantity, walk)
      if (kept) quantities.push(kept)
    }
    if (quantities.length > 0)
      contexts.push({ ...texts(context, ['etapeMetier', 'contexteReleve', 'typeReleve'], walk), grandeur: quantities })
  }
  if (walk.broken) return { ok: false, why: 'unreadable' }
  if (others > 0 && wanted === 0) return { ok: false, why: 'other_unit' }
  const counts: Counts = { readings: walk.readings, dropped: walk.dropped + others, first: walk.first, last: walk.last }
  const text = contexts.length > 0 ? contexts.map((c) => JSON.stringify(c)).join(',') : undefined
  return { ok: true, text, counts, registers: walk.registers }
}

function isPlausible(period: unknown, granted: Period): boolean {
  if (!isFields(period)) return false
  const [from, until] = [period['dateDebut'], period['dateFin']].map((text) => (typeof text === 'string' ? parseDay(text) : undefined))
  return from !== undefined && until !== undefined && from <= until && from <= granted.until && granted.from <= until
}

function keepQuantity(quantity: Fields, walk: Walk): Fields | undefined {
  const calendars = fieldsOf(quantity, 'calendrier', walk).flatMap((calendar) => {
    const classes = fieldsOf(calendar, 'classeTemporelle', walk).flatMap((each) => {
      const code = each['codeCadran'] ?? each['idClasseTemporelle']
      const values = keepValues(each, walk, `${partOf(calendar['idCalendrier'])}/${partOf(code)}`)
      const named = texts(each, ['idClasseTemporelle', 'libelleClasseTemporelle', 'codeCadran'], walk)
      return values.length > 0 ? [{ ...named, valeur: values }] : []
    })
    return classes.length > 0 ? [{ ...texts(calendar, ['idCalendrier', 'libelleCalendrier'], walk), classeTemporelle: classes }] : []
  })
  const total = quantity['cadranTotalisateur']
  const totals = isFields(total) ? keepValues(total, walk, partOf(total['codeCadran'])) : []
  if (calendars.length === 0 && totals.length === 0) return undefined
  return {
    ...texts(quantity, ['grandeurMetier', 'grandeurPhysique', 'unite'], walk),
    points: [],
    calendrier: calendars,
    ...(isFields(total) && totals.length > 0 && { cadranTotalisateur: { ...texts(total, ['codeCadran'], walk), valeur: totals } }),
  }
}

const partOf = (code: unknown): string => namePart(typeof code === 'string' ? code : undefined)

function keepValues(register: Fields, walk: Walk, name: string): Fields[] {
  return fieldsOf(register, 'valeur', walk).flatMap((value) => {
    const { d, v, iv } = value
    const at = typeof d === 'string' ? parseInstant(d) : undefined
    if (typeof d !== 'string' || at === undefined || !isCount(v) || (iv !== undefined && iv !== null && !isCount(iv))) {
      walk.broken = true
      return []
    }
    const day = parisDay(at)
    const isClosing = walk.closing && day === walk.granted.until && startOfDay(day) === at
    if ((day < walk.granted.from || day >= walk.granted.until) && !isClosing) {
      walk.dropped++
      return []
    }
    walk.readings++
    walk.first = walk.first === null || d < walk.first ? d : walk.first
    walk.last = walk.last === null || d > walk.last ? d : walk.last
    walk.registers.push({ quantity: `energy/${name}`, unit: 'Wh', value: String(v), at, ...(isCount(iv) && { mark: String(iv) }) })
    return [isCount(iv) ? { d, v, iv } : { d, v }]
  })
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value)
}

/** The objects of a list; absent and null are an empty list. */
function fieldsOf(of: Fields, name: string, walk: Walk): Fields[] {
  const list = of[name]
  if (list === undefined || list === null) return []
  const fields = Array.isArray(list) ? list.filter(isFields) : []
  if (!Array.isArray(list) || fields.length !== list.length) walk.broken = true
  return fields
}

/** The named texts that are there, in this order. */
function texts(of: Fields, names: readonly string[], walk: Walk): Fields {
  const kept: Record<string, string> = {}
  for (const name of names) {
    const text = of[name]
    if (typeof text === 'string') kept[name] = text
    else if (text !== undefined && text !== null) walk.broken = true
  }
  return kept
}
