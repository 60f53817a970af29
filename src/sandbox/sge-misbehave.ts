/**
 * What Enedis SGE can do wrong, on demand: how it is asked for, and what it makes of a right answer. How a spoilt answer
 * then leaves is `sge-send.ts`.
 */
import * as z from 'zod'
import { FAULT_CODES } from './sge-codes.ts'
import type { Operation } from './sge-operations.ts'
import { SGE_SERVICES } from './sge-operations.ts'
import { otherPointThan } from './sge-points.ts'
import type { Written } from './sge-xml.ts'
import { escaped, leaves, written } from './sge-xml.ts'

export const SGE_WRONGS = [
  /** Of the whole call. */
  'hang',
  'reset',
  'delay',
  'status',
  'html',
  'fault',
  'fault_without_erreur',
  /** Of what is told. */
  'other_meter',
  'other_days',
  'other_family',
  'names',
  'unknown_elements',
  'other_operation',
  'two_answers',
  /** Of the XML. */
  'doctype',
  'entity',
  'undeclared_entity',
  'comment',
  'cdata',
  'instruction',
  /** Of the sending. */
  'cut',
  'stall',
  'huge',
  'gzip',
  'content_type',
] as const

export const sgeMisbehaviour = z.strictObject({
  kind: z.enum(SGE_WRONGS),
  times: z.int().min(1).max(1_000_000_000).default(1),
  /** A meter, or whatever is asked about. */
  pointId: z.union([z.literal('*'), z.string().regex(/^[0-9]{14}$/)]).default('*'),
  service: z.enum(['*', ...SGE_SERVICES]).default('*'),
  /** `delay`: before the answer. */
  ms: z.int().min(0).max(600_000).default(100),
  /** `status`: without a word, 503 unless it is said otherwise; `html`: with a page, 500. */
  status: z.int().min(200).max(599).optional(),
  /** `huge`: size of the answer; only measures by day can be. */
  megabytes: z.int().min(1).max(4096).default(100),
  /** `fault`, and the one without `tec:erreur`. */
  code: z.enum(FAULT_CODES).default('SGT500'),
  /** `cut`, `stall`: whether a length was announced. */
  framing: z.enum(['chunked', 'length']).default('chunked'),
  /** `content_type`: under which the right answer comes. */
  type: z.string().min(1).max(100).default('application/octet-stream'),
})
export type SgeMisbehaviour = z.output<typeof sgeMisbehaviour>
export type SgeMisbehaviourInput = z.input<typeof sgeMisbehaviour>

export interface SgeMischief {
  ask(wanted: SgeMisbehaviourInput): void
  /** The first that was asked for and fits, one time less. */
  next(service: string, pointId: string | undefined): SgeMisbehaviour | undefined
  reset(): void
}

export function sgeMischief(): SgeMischief {
  let waiting: { readonly is: SgeMisbehaviour; left: number }[] = []
  return {
    ask(wanted) {
      const is = sgeMisbehaviour.parse(wanted)
      waiting.push({ is, left: is.times })
    },
    next(service, pointId) {
      const found = waiting.find(
        ({ is }) => (is.service === '*' || is.service === service) && (is.pointId === '*' || is.pointId === pointId),
      )
      if (!found) return undefined
      found.left -= 1
      if (found.left === 0) waiting = waiting.filter((other) => other !== found)
      return found.is
    },
    reset() {
      waiting = []
    },
  }
}

const PERSONAL = leaves({ nomClientFinalOuDenominationSociale: 'FUITE JEANNE', loginDemandeur: 'autre.tiers@example.org' })
const ADDRESS = written('adresseInstallation', leaves({ numeroEtNomVoie: '99 RUE DE LA FUITE', codePostal: '00000' }))
const UNKNOWN = written('elementInconnu', leaves({ secret: 'FUITE INCONNUE' }))

/** The envelope of a right answer, or what it becomes. */
export function oddEnvelope(envelope: Written, operation: Operation, odd: SgeMisbehaviour): Written {
  switch (odd.kind) {
    case 'other_meter':
      return withOtherMeter(envelope)
    case 'names':
      return within(envelope, (content) => [...content, ...PERSONAL, ADDRESS])
    case 'unknown_elements':
      return within(envelope, (content) => [UNKNOWN, ...content])
    case 'other_operation':
      return renamed(envelope, `ns:${operation.answer}`, 'ns:autreOperationResponse')
    case 'two_answers':
      return withChildren(envelope, (child) =>
        child.name === 'soapenv:Body' ? { ...child, content: [...childrenOf(child), ...childrenOf(child)] } : child,
      )
    default:
      return envelope
  }
}

function childrenOf({ content }: Written): Iterable<Written> {
  return typeof content === 'string' ? [] : content
}

/** Each child as it becomes when it is read: nothing is made before. */
function withChildren(element: Written, by: (child: Written) => Written): Written {
  const { content } = element
  if (typeof content === 'string') return element
  return {
    ...element,
    content: {
      *[Symbol.iterator]() {
        for (const child of content) yield by(child)
      },
    },
  }
}

function withOtherMeter(element: Written): Written {
  const { name, attributes, content } = element
  if (name === 'pointId' && typeof content === 'string') return { ...element, content: otherPointThan(content) }
  const id = attributes?.['id']
  const moved = id === undefined ? element : { ...element, attributes: { ...attributes, id: otherPointThan(id) } }
  return withChildren(moved, withOtherMeter)
}

function renamed(element: Written, from: string, to: string): Written {
  return element.name === from ? { ...element, name: to } : withChildren(element, (child) => renamed(child, from, to))
}

/** In the answer, and in each element of it that has others. */
function within(element: Written, by: (content: Iterable<Written>) => Iterable<Written>, inBody = false): Written {
  const inside = inBody || element.name.startsWith('ns:')
  const deep = withChildren(element, (child) => within(child, by, inside))
  return inside && typeof deep.content !== 'string'
    ? { ...deep, content: { [Symbol.iterator]: () => by(childrenOf(deep))[Symbol.iterator]() } }
    : deep
}

const DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'

/** What stands before the root. */
export function prologOf(odd: SgeMisbehaviour | undefined): string {
  switch (odd?.kind) {
    case 'doctype':
      return `${DECLARATION}<!DOCTYPE Envelope SYSTEM "http://127.0.0.1:9/sge.dtd">\n`
    case 'entity':
      return `${DECLARATION}<!DOCTYPE Envelope [<!ENTITY fuite SYSTEM "file:///etc/hostname"><!ENTITY dix "0123456789">]>\n`
    default:
      return DECLARATION
  }
}

/** How the text of an element without others is written: of more than one character, in the middle. */
export function leafOf(odd: SgeMisbehaviour | undefined): (text: string) => string {
  const split = (text: string, between: string): string => {
    const middle = text.length >> 1
    return `${escaped(text.slice(0, middle))}${between}${escaped(text.slice(middle))}`
  }
  switch (odd?.kind) {
    case 'comment':
      return (text) => split(text, '<!-- 0 -->')
    case 'instruction':
      return (text) => split(text, '<?fuite 0?>')
    case 'cdata':
      return (text) => `<![CDATA[${text.replaceAll(']]>', '')}]]>`
    case 'entity':
      return (text) => split(text, '&dix;&fuite;')
    case 'undeclared_entity':
      return (text) => split(text, '&fuite;')
    default:
      return escaped
  }
}
