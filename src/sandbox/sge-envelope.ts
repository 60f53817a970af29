/**
 * What comes in to the simulated SGE is taken only where it is, to the letter, what the service expects: SOAP 1.1 as
 * `text/xml`, one operation in the Body, the service's own header or none. Whatever else it is, SGE calls it malformed
 * and does not say more; here the fault names the place, which helps whoever wrote it.
 *
 * Stricter than Enedis in three things, because who writes each envelope anew has no reason to differ: no header where
 * the service has none, the header's meter is the body's, and its version is the service's.
 */
import type { Operation } from './sge-operations.ts'
import { ENTETE } from './sge-operations.ts'
import { isBlank, misfit } from './sge-schema.ts'
import type { XmlElement } from './sge-xml.ts'
import { parseXml, textOf } from './sge-xml.ts'

export const SOAP = 'http://schemas.xmlsoap.org/soap/envelope/'
export const TECHNIQUE = 'http://www.enedis.fr/sge/b2b/technique/v1.0'

export interface Message {
  /** The operation element. */
  readonly body: XmlElement
  readonly entete: XmlElement | undefined
}
export type Received = { readonly is: 'message'; readonly message: Message } | { readonly is: 'malformed'; readonly where: string }

/** `source` is undefined where it was too long. */
export function receive(operation: Operation, contentType: string, source: string | undefined): Received {
  if (!/^text\/xml(\s*;\s*charset="?utf-8"?)?\s*$/i.test(contentType)) return malformed('Content-Type')
  const root = source === undefined ? undefined : parseXml(source)
  if (!root) return malformed('XML')
  const parts = partsOf(root)
  if (typeof parts === 'string') return malformed(parts)
  const [body, ...others] = parts.body.children
  if (!body || others.length > 0) return malformed('Body')
  if (body.uri !== operation.namespace || body.name !== operation.name) return malformed(`Body/${operation.name}`)
  const wrong = misfit(body, operation.request)
  if (wrong !== undefined) return malformed(wrong)
  const blocks = parts.header?.children ?? []
  if (operation.entete === null) return blocks.length > 0 ? malformed('Header') : { is: 'message', message: { body, entete: undefined } }
  const [entete, ...more] = blocks
  if (!entete || more.length > 0) return malformed('Header/entete')
  const odd = wrongEntete(entete, body, operation.entete)
  return odd === undefined ? { is: 'message', message: { body, entete } } : malformed(odd)
}

function malformed(where: string): Received {
  return { is: 'malformed', where }
}

function partsOf(root: XmlElement): { readonly header: XmlElement | undefined; readonly body: XmlElement } | string {
  const isSoap = (element: XmlElement | undefined, name: string): boolean => element?.uri === SOAP && element.name === name
  if (!isSoap(root, 'Envelope')) return 'Envelope'
  const [first, second, ...others] = root.children
  const [header, body] = isSoap(first, 'Header') ? [first, second] : [undefined, first]
  if (!body || !isSoap(body, 'Body')) return 'Envelope/Body'
  if (others.length > 0 || (!header && second)) return 'Envelope'
  return [root, header, body].every((element) => !element || isBlank(element.text)) ? { header, body } : 'Envelope'
}

function wrongEntete(entete: XmlElement, body: XmlElement, version: string): string | undefined {
  if (entete.uri !== TECHNIQUE || entete.name !== 'entete') return 'Header/entete'
  if (entete.attributes.some(({ uri, name }) => uri !== SOAP || name !== 'mustUnderstand')) return 'entete/@'
  const wrong = misfit({ ...entete, attributes: [] }, ENTETE)
  if (wrong !== undefined) return wrong
  if ((textOf(entete, 'version') ?? version) !== version) return 'entete/version'
  const [said, asked] = [textOf(entete, 'pointId'), textOf(body, 'pointId')]
  return said === undefined || said === asked ? undefined : 'entete/infoFonctionnelles/pointId'
}
