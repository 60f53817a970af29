/**
 * What is known of a point, in one small answer: ConsultationDonneesTechniquesContractuelles v1.0 (state, supply, meter,
 * contract, address) and RecherchePoint v2.0 (from an address and a name to a point).
 *
 * Read whole, then written anew from the elements that are named here and whose kind the part grants. The key of remote
 * access, telephone numbers, the number of the meter itself, names: they are not named here, and never leave.
 *
 * RecherchePoint finds neighbours as well: the caller says in the technical header which point it expects, and of all
 * that comes back only whether that one is in it is told.
 */
import type { Part } from '../../domain/decision.ts'
import { bareMeter } from '../../domain/meter.ts'
import type { AccessRequest } from '../../domain/request.ts'
import type { DataKind } from '../../domain/vocabulary.ts'
import type { Answer, Counts, Fed, HolderError, PartReader } from '../adapter.ts'
import { answerHead, answerTail, CONTENT_TYPE, SOAP } from './envelope.ts'
import { faultCodeOf } from './envelope.ts'
import { saidByFault } from './holder-says.ts'
import { FORMS, textIn } from './model.ts'
import type { QName, SgeService } from './service.ts'
import { isTrue } from './detailed.ts'
import type { XmlElement } from './xml.ts'
import { element, leaf, XmlReader, XmlTree } from './xml.ts'
import { coded } from './xml-filter.ts'

const NS_ABOUT = 'http://www.enedis.fr/sge/b2b/services/consulterdonneestechniquescontractuelles/v1.0'
const NS_SEARCH = 'http://www.enedis.fr/sge/b2b/services/rechercherpoint/v2.0'

export const ABOUT_POINT: SgeService = {
  id: 'ConsultationDonneesTechniquesContractuelles v1.0',
  path: '/ConsultationDonneesTechniquesContractuelles/v1.0',
  soapAction: '',
  request: { ns: NS_ABOUT, name: 'consulterDonneesTechniquesContractuelles' },
  model: {
    of: [
      { name: 'pointId', model: FORMS.point },
      { name: 'loginUtilisateur', model: FORMS.login },
      { name: 'autorisationClient', model: FORMS.boolean, least: 0 },
    ],
  },
  header: '1.0',
  point: (values) => textIn(values, 'pointId'),
  // With the customer's agreement the contract comes as well: whoever asks for it must be permitted it.
  means: ({ autorisationClient }, meter) => ({
    is: 'access',
    access: {
      meter,
      kind: isTrue(autorisationClient) ? 'contract_data' : 'technical_data',
      direction: 'n_a',
      step: 'TOTAL',
      period: null,
      // Without the agreement Enedis answers all the same, with less.
      ...(isTrue(autorisationClient) && { orElse: 'technical_data' as const }),
    },
  }),
  rewrite: ({ pointId }, { part, operator }) => ({
    pointId,
    loginUtilisateur: operator.login,
    autorisationClient: part.keepKinds.includes('contract_data') ? 'true' : 'false',
  }),
  says: ({ autorisationClient }) => `autorisationClient=${textIn({ autorisationClient }, 'autorisationClient') ?? 'false'}`,
  answer: (_values, access, parts) => {
    const root = { ns: NS_ABOUT, name: 'consulterDonneesTechniquesContractuellesResponse' }
    return wholeAnswer(root, access, parts, (answer, part, point) => {
      const [read, more] = answer.children
      if (read?.name !== 'point' || more) return 'unreadable'
      if (read.attributes.get('id') !== point) return 'other_meter'
      const tally = { kept: 0, dropped: 0 }
      const inside = pick(read, POINT, new Set(part.keepKinds), tally)
      return { text: tally.kept > 0 ? element('point', inside, { id: point }) : undefined, dropped: tally.dropped }
    })
  },
}

const anything = { fits: /^[^\p{C}]{0,200}$/u }
export const SEARCH_POINT: SgeService = {
  id: 'RecherchePoint v2.0',
  path: '/RecherchePoint/v2.0',
  soapAction: '',
  request: { ns: NS_SEARCH, name: 'rechercherPoint' },
  model: {
    of: [
      {
        name: 'criteres',
        model: {
          of: [
            {
              name: 'adresseInstallation',
              least: 0,
              model: {
                of: ['escalierEtEtageEtAppartement', 'batiment', 'numeroEtNomVoie', 'lieuDit', 'codePostal', 'codeInseeCommune'].map(
                  (name) => ({
                    name,
                    least: 0 as const,
                    model: anything,
                  }),
                ),
              },
            },
            { name: 'numSiret', least: 0, model: { fits: /^[0-9]{14}$/ } },
            { name: 'matriculeOuNumeroSerie', least: 0, model: { fits: /^[A-Za-z0-9 -]{1,30}$/ } },
            { name: 'domaineTensionAlimentationCode', least: 0, model: { fits: /^(?:BTINF|BTSUP|HTA|HTB)$/ } },
            { name: 'nomClientFinalOuDenominationSociale', least: 0, model: anything },
            { name: 'categorieClientFinalCode', least: 0, model: { fits: /^(?:PRO|RES)$/ } },
            { name: 'rechercheHorsPerimetre', least: 0, model: FORMS.boolean },
          ],
        },
      },
      { name: 'loginUtilisateur', model: FORMS.login },
    ],
  },
  header: '2.0',
  point: () => undefined,
  means: (_values, meter) => ({ is: 'access', access: { meter, kind: 'identity', direction: 'n_a', step: 'TOTAL', period: null } }),
  rewrite: ({ criteres }, { operator }) => ({ criteres, loginUtilisateur: operator.login }),
  // Names and addresses of the question are nobody's business but Enedis's.
  says: () => 'criteres',
  answer: (_values, access, parts) => {
    const root = { ns: NS_SEARCH, name: 'rechercherPointResponse' }
    return wholeAnswer(root, access, parts, (answer, _part, point) => {
      const found = answer.children.flatMap((child) => (child.name === 'points' ? child.children : [child]))
      if (found.some(({ name }) => name !== 'point')) return 'unreadable'
      const isThere = found.some(({ attributes }) => attributes.get('id') === point)
      return { text: isThere ? element('points', element('point', '', { id: point })) : undefined, dropped: found.length - Number(isThere) }
    })
  },
}

/** `opened`: services that the answer says are open now. */
export type Picked =
  | { readonly text: string | undefined; readonly dropped: number; readonly opened?: readonly string[] }
  | Extract<Fed, { ok: false }>['why']

export function wholeAnswer(
  root: QName,
  access: AccessRequest,
  parts: readonly Part[],
  read: (answer: XmlElement, part: Part, point: string) => Picked,
): Answer {
  const point = bareMeter(access.meter)
  return {
    contentType: CONTENT_TYPE,
    part(index) {
      const part = parts[index]
      // One point is one answer: two of them cannot be told apart.
      if (!part || parts.length !== 1) throw new RangeError('data about a point has exactly one part')
      return new WholePart(root, point, (answer) => read(answer, part, point))
    },
    skip() {
      // Nothing stands for an answer without data.
    },
    close: () => [],
  }
}

/** What is known of a point is small: beyond it, it is something else. */
const MOST_BYTES = 1_048_576

class WholePart implements PartReader {
  readonly allTooFine = false
  counts: Counts = { readings: 0, dropped: 0, first: null, last: null }
  said: HolderError | undefined
  opened: readonly string[] = []
  readonly #root: QName
  readonly #point: string
  readonly #pick: (answer: XmlElement) => Picked
  readonly #tree = new XmlTree()
  readonly #reader = new XmlReader(this.#tree)
  #bytes = 0

  constructor(root: QName, point: string, pickFrom: (answer: XmlElement) => Picked) {
    this.#root = root
    this.#point = point
    this.#pick = pickFrom
  }

  push(chunk: Uint8Array): Fed {
    this.#bytes += chunk.byteLength
    if (this.#bytes > MOST_BYTES) return { ok: false, why: 'held_too_long' }
    return this.#reader.push(chunk) ? { ok: true, out: [] } : { ok: false, why: 'unreadable' }
  }

  end(): Fed {
    const envelope = this.#reader.end() ? this.#tree.root : undefined
    if (!envelope) return { ok: false, why: 'unreadable' }
    const fault = faultCodeOf(envelope)
    if (fault !== undefined) {
      this.said = saidByFault(fault)
      return { ok: true, out: [] }
    }
    const body = envelope.ns === SOAP ? envelope.children.find(({ ns, name }) => ns === SOAP && name === 'Body') : undefined
    const [answer, more] = body?.children ?? []
    if (!answer || more || answer.ns !== this.#root.ns || answer.name !== this.#root.name) return { ok: false, why: 'unreadable' }
    if (metersIn(envelope).some((named) => named !== this.#point)) return { ok: false, why: 'other_meter' }
    const picked = this.#pick(answer)
    if (typeof picked === 'string') return { ok: false, why: picked }
    this.opened = picked.opened ?? []
    this.counts = {
      readings: picked.text === undefined ? 0 : Math.max(1, this.opened.length),
      dropped: picked.dropped,
      first: null,
      last: null,
    }
    if (picked.text === undefined) return { ok: true, out: [] }
    return { ok: true, out: [`${answerHead(this.#root, { point: this.#point })}${picked.text}${answerTail(this.#root)}`] }
  }
}

function metersIn(read: XmlElement): string[] {
  return read.name === 'pointId' ? [read.text] : read.children.flatMap(metersIn)
}

type Node = { readonly kind: DataKind; readonly fits: RegExp } | { readonly kind: DataKind; readonly coded: true } | { readonly of: Nodes }
type Nodes = Readonly<Record<string, Node>>

const of = (nodes: Nodes): Node => ({ of: nodes })
const text = (kind: DataKind, fits: RegExp): Node => ({ kind, fits })
const code = (kind: DataKind): Node => ({ kind, coded: true })
const address = text('address', /^[^\p{C}<>]{1,200}$/u)
const power = (kind: DataKind): Node => of({ valeur: text(kind, /^[0-9]{1,9}(?:\.[0-9]{1,3})?$/), unite: text(kind, /^(?:kVA|kW|W|VA)$/) })

/** In the order of the schema. */
const POINT: Nodes = {
  donneesGenerales: of({
    etatContractuel: code('contract_data'),
    adresseInstallation: of({
      escalierEtEtageEtAppartement: address,
      batiment: address,
      numeroEtNomVoie: address,
      lieuDit: address,
      codePostal: address,
      commune: code('address'),
    }),
    dateDerniereModificationFormuleTarifaireAcheminement: text('contract_data', FORMS.date.fits),
    segment: code('contract_data'),
    niveauOuvertureServices: text('technical_data', /^[0-9]$/),
  }),
  situationAlimentation: of({
    alimentationPrincipale: of({
      domaineTension: code('technical_data'),
      puissanceRaccordementSoutirage: power('technical_data'),
      puissanceRaccordementInjection: power('technical_data'),
    }),
  }),
  situationComptage: of({
    dispositifComptage: of({
      typeComptage: code('technical_data'),
      compteurs: of({ compteur: of({ ticActivee: text('technical_data', FORMS.boolean.fits) }) }),
    }),
  }),
  situationContractuelle: of({
    structureTarifaire: of({
      formuleTarifaireAcheminement: code('contract_data'),
      puissanceSouscriteMax: power('contract_data'),
      calendrierFrn: code('contract_data'),
    }),
  }),
}

/** What stays of an element's inside; `''` where nothing does. */
function pick(read: XmlElement, nodes: Nodes, granted: ReadonlySet<DataKind>, tally: { kept: number; dropped: number }): string {
  tally.dropped += read.children.filter(({ ns, name }) => ns !== '' || !Object.hasOwn(nodes, name)).length
  return Object.entries(nodes)
    .flatMap(([name, node]) =>
      read.children.filter((child) => child.ns === '' && child.name === name).map((child) => pickOne(child, node, granted, tally)),
    )
    .join('')
}

function pickOne(child: XmlElement, node: Node, granted: ReadonlySet<DataKind>, tally: { kept: number; dropped: number }): string {
  if ('of' in node) {
    const inside = pick(child, node.of, granted, tally)
    return inside === '' ? '' : element(child.name, inside)
  }
  const value = 'coded' in node ? child.attributes.get('code') : child.text
  const fits = value !== undefined && ('coded' in node ? /^[A-Za-z0-9_.-]{1,20}$/ : node.fits).test(value)
  if (!fits || !granted.has(node.kind)) {
    tally.dropped += 1
    return ''
  }
  tally.kept += 1
  return 'coded' in node ? coded(child.name, value) : leaf(child.name, value)
}
