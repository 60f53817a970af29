/**
 * What a request of SGE may hold, element by element and in its order: structural models of our own, written from the
 * documentation. What is read by one is written by the same, so that what leaves has the schema's order.
 */
import type { XmlElement } from './xml.ts'
import { element, leaf } from './xml.ts'

export interface LeafModel {
  readonly fits: RegExp
}
export interface SequenceModel {
  readonly of: readonly Item[]
}
export interface Item {
  readonly name: string
  readonly model: LeafModel | SequenceModel
  /** 1 unless said otherwise. */
  readonly least?: 0 | 1
  readonly most?: number
  /** Items of one name stand for each other: exactly one of them, or none where `least` is 0. */
  readonly either?: string
}

/** Elements by name; a list where several are allowed. */
export interface Values {
  readonly [name: string]: Value | readonly Value[] | undefined
}
export type Value = string | Values

/** Undefined where the element is not of the model: an unknown one, a wrong order, two of what may stand once. */
export function valuesOf(read: XmlElement, model: SequenceModel): Values | undefined {
  if (read.attributes.size > 0) return undefined
  const values: Record<string, Value | Value[]> = {}
  const taken = new Set<string>()
  let at = 0
  for (const item of model.of) {
    const most = item.most ?? 1
    const found: Value[] = []
    for (; at < read.children.length && found.length < most; at += 1) {
      const child = read.children[at]
      if (child?.name !== item.name || child.ns !== '') break
      const value = valueOf(child, item.model)
      if (value === undefined) return undefined
      found.push(value)
    }
    if (found.length === 0) {
      if (item.either === undefined && (item.least ?? 1) > 0) return undefined
      continue
    }
    if (item.either !== undefined) {
      if (taken.has(item.either)) return undefined
      taken.add(item.either)
    }
    values[item.name] = item.most === undefined ? (found[0] ?? '') : found
  }
  const missing = model.of.some(({ either, least = 1 }) => either !== undefined && least > 0 && !taken.has(either))
  return at === read.children.length && !missing ? values : undefined
}

function valueOf(child: XmlElement, model: LeafModel | SequenceModel): Value | undefined {
  if ('of' in model) return valuesOf(child, model)
  if (child.children.length > 0 || child.attributes.size > 0) return undefined
  return model.fits.test(child.text) ? child.text : undefined
}

/** Throws a RangeError where a value is missing or does not fit: what is written is valid, or is not written. */
export function written(values: Values, model: SequenceModel): string {
  return model.of
    .map((item) => {
      const value = values[item.name]
      if (value === undefined) {
        if ((item.least ?? 1) > 0 && item.either === undefined) throw new RangeError(`${item.name} is missing`)
        return ''
      }
      return (Array.isArray(value) ? (value as readonly Value[]) : [value as Value]).map((one) => writtenItem(item, one)).join('')
    })
    .join('')
}

function writtenItem({ name, model }: Item, value: Value): string {
  if ('of' in model) {
    if (typeof value === 'string') throw new RangeError(`${name} is no text`)
    return element(name, written(value, model))
  }
  if (typeof value !== 'string' || !model.fits.test(value)) throw new RangeError(`${name} does not fit`)
  return leaf(name, value)
}

export const textIn = (values: Values | undefined, name: string): string | undefined => {
  const value = values?.[name]
  return typeof value === 'string' ? value : undefined
}
export const groupIn = (values: Values, name: string): Values => {
  const value = values[name]
  return typeof value === 'object' && !Array.isArray(value) ? (value as Values) : {}
}

/** Forms of the dictionary that several services share. */
export const FORMS = {
  point: { fits: /^[0-9]{14}$/ },
  /** `xs:date`; an offset of Paris is taken as written. */
  date: { fits: /^[0-9]{4}-[0-9]{2}-[0-9]{2}(?:Z|\+0[12]:00)?$/ },
  boolean: { fits: /^(?:true|false|0|1)$/ },
  /** Of whatever a caller sends: it is replaced. */
  login: { fits: /^[^\p{C}]{0,100}$/u },
  contract: { fits: /^[A-Za-z0-9_-]{0,15}$/ },
  direction: { fits: /^(?:SOUTIRAGE|INJECTION)$/ },
} as const satisfies Record<string, LeafModel>
