/**
 * A schema language of our own, as much of XML Schema as the requests of SGE use: sequences in a fixed order, elements
 * that are there once, perhaps or many times, a choice, and texts. All elements in it are unqualified.
 *
 * It is as strict as a validator: an element that is not named, text beside elements and any attribute are refused.
 */
import { parseDay } from '../domain/time.ts'
import type { XmlElement } from './sge-xml.ts'

export type Type =
  | { readonly is: 'pattern'; readonly pattern: RegExp }
  | { readonly is: 'date' }
  | { readonly is: 'boolean' }
  | { readonly is: 'sequence'; readonly of: readonly Particle[] }
export type Particle =
  | { readonly name: string; readonly type: Type; readonly least: 0 | 1; readonly most: number }
  | { readonly choice: readonly Extract<Particle, { name: string }>[] }

type Element = Extract<Particle, { name: string }>

export function one(name: string, type: Type): Element {
  return { name, type, least: 1, most: 1 }
}
export function maybe(name: string, type: Type): Element {
  return { name, type, least: 0, most: 1 }
}
export function many(name: string, type: Type): Element {
  return { name, type, least: 1, most: Number.POSITIVE_INFINITY }
}
/** One of them, or none: SGE has no other choice. */
export function either(...choice: readonly Element[]): Particle {
  return { choice }
}
export function sequence(...of: readonly Particle[]): Type {
  return { is: 'sequence', of }
}
/** A text that fits a pattern from its first character to its last: blanks count. */
export function text(pattern: RegExp): Type {
  return { is: 'pattern', pattern: new RegExp(`^(?:${pattern.source})$`, 'su') }
}
export function oneOf(...values: readonly string[]): Type {
  return text(new RegExp(values.join('|')))
}
export const DATE: Type = { is: 'date' }
export const BOOLEAN: Type = { is: 'boolean' }

/** Where an element does not fit: the way to the first child that is wrong or missing. Undefined where it fits. */
export function misfit(element: XmlElement, type: Type): string | undefined {
  if (element.attributes.length > 0) return `${element.name}/@${element.attributes[0]?.name}`
  if (type.is !== 'sequence') return element.children.length === 0 && fits(element.text, type) ? undefined : element.name
  if (!isBlank(element.text)) return element.name
  let at = 0
  for (const particle of type.of) {
    const taken = take(element.children, at, particle)
    if (typeof taken === 'string') return `${element.name}/${taken}`
    at = taken
  }
  const left = element.children[at]
  return left && `${element.name}/${left.name}`
}

/** How far the children reach that a particle takes; else which of them is wrong. */
function take(children: readonly XmlElement[], at: number, particle: Particle): number | string {
  if ('choice' in particle) {
    const chosen = particle.choice.find(({ name }) => isNamed(children[at], name))
    return chosen ? take(children, at, chosen) : at
  }
  const { name, type, least, most } = particle
  let end = at
  for (let child = children[end]; child && isNamed(child, name) && end - at < most; child = children[end]) {
    const wrong = misfit(child, type)
    if (wrong !== undefined) return wrong
    end += 1
  }
  return end - at < least ? name : end
}

function isNamed(element: XmlElement | undefined, name: string): boolean {
  return element?.uri === '' && element.name === name
}

export function isBlank(content: string): boolean {
  return /^[\t\n\r ]*$/.test(content)
}

function fits(content: string, type: Exclude<Type, { is: 'sequence' }>): boolean {
  // Blanks around a date or a boolean have no meaning (XML Schema part 2, whiteSpace); around a text they have.
  const inner = content.replaceAll(/^[\t\n\r ]+|[\t\n\r ]+$/g, '')
  switch (type.is) {
    case 'pattern':
      return type.pattern.test(content)
    case 'boolean':
      return /^(true|false|0|1)$/.test(inner)
    case 'date':
      return /^[^Z+]{10}(Z|[+-](0\d|1[0-3]):[0-5]\d|[+-]14:00)?$/.test(inner) && parseDay(inner.slice(0, 10)) !== undefined
  }
}
