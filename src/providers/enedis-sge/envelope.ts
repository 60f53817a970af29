/**
 * SOAP 1.1 around what SGE is asked and answers: exactly one element in the body, and in the header nothing but the
 * technical one of Enedis. Local elements have no namespace; only the operation and `tec:` elements have one.
 * Source: WSDL files of SGE Tiers as lowatt-enedis ships them; SOAP 1.1 § 4.
 */
import type { SequenceModel, Values } from './model.ts'
import { FORMS, groupIn, textIn, valuesOf } from './model.ts'
import type { XmlElement } from './xml.ts'
import { element, leaf, readXml } from './xml.ts'

export const SOAP = 'http://schemas.xmlsoap.org/soap/envelope/'
export const TECHNICAL = 'http://www.enedis.fr/sge/b2b/technique/v1.0'
export const CONTENT_TYPE = 'text/xml; charset=utf-8'

const reference = { fits: /^[^\p{C}]{0,255}$/u }
const ENTETE: SequenceModel = {
  of: [
    { name: 'version', least: 0, model: { fits: /^[0-9]{1,2}\.[0-9]{1,2}$/ } },
    {
      name: 'infoFonctionnelles',
      least: 0,
      model: {
        of: [
          { name: 'pointId', least: 0, model: FORMS.point },
          { name: 'affaireId', least: 0, model: { fits: /^[0-9A-Z]{4,8}$/ } },
        ],
      },
    },
    {
      name: 'infoDemandeur',
      least: 0,
      model: {
        of: ['loginDemandeur', 'appelDemandeurId', 'referenceDemandeur', 'referenceDemandeurGroupee'].map((name) => ({
          name,
          least: 0 as const,
          model: reference,
        })),
      },
    },
  ],
}

export interface Envelope {
  readonly body: XmlElement
  /** The technical header, where there is one. */
  readonly entete: Values | undefined
}

/** Undefined where it is no envelope with one operation in it, or has a header that nobody knows. */
export function readEnvelope(bytes: Uint8Array): Envelope | undefined {
  const root = readXml(bytes)
  if (root?.ns !== SOAP || root.name !== 'Envelope' || root.attributes.size > 0) return undefined
  const [first, second, more] = root.children
  const header = second ? first : undefined
  const body = second ?? first
  if (more || !isOf(body, 'Body') || (header && !isOf(header, 'Header'))) return undefined
  const [operation, other] = body.children
  if (!operation || other) return undefined
  const [technical, another] = header?.children ?? []
  if (!technical) return { body: operation, entete: undefined }
  if (another || technical.ns !== TECHNICAL || technical.name !== 'entete') return undefined
  const entete = valuesOf(technical, ENTETE)
  return entete && { body: operation, entete }
}

function isOf(read: XmlElement | undefined, name: string): read is XmlElement {
  return read?.ns === SOAP && read.name === name && read.attributes.size === 0
}

/** The meter that the header names beside the body. */
export function pointOf(entete: Values | undefined): string | undefined {
  return entete && textIn(groupIn(entete, 'infoFonctionnelles'), 'pointId')
}

const OPEN = `<?xml version="1.0" encoding="UTF-8"?>\n<soapenv:Envelope xmlns:soapenv="${SOAP}">`
const CLOSE = '</soapenv:Body></soapenv:Envelope>\n'

/** What leaves for Enedis. The login is the operator's own. */
export function requestText(
  operation: { readonly ns: string; readonly name: string },
  inside: string,
  header: { readonly version: string; readonly login: string } | null,
): string {
  const entete =
    header &&
    `<tec:entete xmlns:tec="${TECHNICAL}">${leaf('version', header.version)}${element('infoDemandeur', leaf('loginDemandeur', header.login))}</tec:entete>`
  return `${OPEN}<soapenv:Header>${entete ?? ''}</soapenv:Header><soapenv:Body><sge:${operation.name} xmlns:sge="${operation.ns}">${inside}</sge:${operation.name}>${CLOSE}`
}

/** How an answer begins, up to the first element in it. Of the acknowledgement of Enedis only that there is one. */
export function answerHead(
  { ns, name }: { readonly ns: string; readonly name: string },
  acknowledged: { readonly point: string } | null,
): string {
  const header = acknowledged
    ? `<soapenv:Header><tec:acquittement xmlns:tec="${TECHNICAL}"><resultat code="SGT200">SGT200</resultat>${element('infoFonctionnelles', leaf('pointId', acknowledged.point))}</tec:acquittement></soapenv:Header>`
    : ''
  return `${OPEN}${header}<soapenv:Body><sge:${name} xmlns:sge="${ns}">`
}
export function answerTail({ name }: { readonly name: string }): string {
  return `</sge:${name}>${CLOSE}`
}

/** A fault in the shape of Enedis's. */
export function faultText(code: string, text: string, comment: string): string {
  const error = `<tec:erreur xmlns:tec="${TECHNICAL}">${element('resultat', text, { code })}${element('commentaire', comment)}</tec:erreur>`
  return `${OPEN}<soapenv:Body><soapenv:Fault>${leaf('faultcode', 'soapenv:Server')}${element('faultstring', text)}${element('detail', error)}</soapenv:Fault>${CLOSE}`
}

/** The code of a fault, `''` where the fault has none; undefined where it is no fault. */
export function faultCodeOf(root: XmlElement): string | undefined {
  const isEnvelope = root.ns === SOAP && root.name === 'Envelope'
  const body = isEnvelope ? root.children.find((child) => child.ns === SOAP && child.name === 'Body') : undefined
  const fault = body?.children[0]
  if (fault?.ns !== SOAP || fault.name !== 'Fault') return undefined
  const detail = fault.children.find(({ name }) => name === 'detail')
  const error = detail?.children.find(({ ns, name }) => ns === TECHNICAL && name === 'erreur')
  return error?.children.find(({ name }) => name === 'resultat')?.attributes.get('code') ?? ''
}
