/**
 * Orders of access services by a client: `CommandeServicesAccesDonnees` v1.0 (several kinds at once) and
 * `CommanderAccesDonneesMesures` v1.0 (one). Whatever the caller declares, what is declared to Enedis is that the holder of
 * the permission agreed, by name; the service ends with the permission at the latest. Publication of files is left out: files
 * would pass the gate by. What Enedis opened is told from its answer, for the record.
 *
 * Source: schemas of SGE 26.1; defaults of lowatt-enedis.
 */
import { parseDay } from '../../domain/time.ts'
import type { Day } from '../../domain/time.ts'
import { addMonths } from '../../domain/time.ts'
import type { DataKind, Direction } from '../../domain/vocabulary.ts'
import type { Picked } from './about-point.ts'
import { wholeAnswer } from './about-point.ts'
import { isTrue } from './detailed.ts'
import type { Value, Values } from './model.ts'
import { groupIn, textIn } from './model.ts'
import { declared, KINDS, MOST_MONTHS, ORDER, ORDER_MODEL, ORDER_ONE, ORDER_ONE_MODEL, TYPES } from './order-models.ts'
import type { Meant, Rewriting, SgeService } from './service.ts'
import type { XmlElement } from './xml.ts'
import { element, leaf } from './xml.ts'
import { coded } from './xml-filter.ts'

const pointIn = ({ demande }: Values): string | undefined => textIn(groupIn(groupIn({ demande }, 'demande'), 'donneesGenerales'), 'pointId')

export const ORDER_SERVICES: SgeService = {
  id: 'CommandeServicesAccesDonnees v1.0',
  path: ORDER.path,
  soapAction: '',
  request: ORDER.request,
  alsoNamespaces: ORDER.alsoNamespaces,
  model: ORDER_MODEL,
  header: '1.0',
  namesHolder: true,
  point: pointIn,
  means(values, meter, today) {
    const general = groupIn(groupIn(values, 'demande'), 'donneesGenerales')
    const direction: Direction = textIn(general, 'sens') === 'INJECTION' ? 'injection' : 'withdrawal'
    return meant(typesIn(values), meter, direction, today, textIn(general, 'dateFin'), today)
  },
  rewrite(values, { access, part, permission, operator, holder }) {
    const { until } = periodOf(part)
    return {
      demande: {
        donneesGenerales: {
          refExterne: permission.id,
          pointId: pointIn(values),
          initiateurLogin: operator.login,
          contratId: operator.contract,
          dateFin: until,
          sens: access.direction === 'injection' ? 'INJECTION' : 'SOUTIRAGE',
          declarationAccordClient: declared(named(holder)),
        },
        servicesSouscrits: { serviceSouscrit: part.keepKinds.map((kind) => ({ typeDonnees: TYPES[kind] ?? '' })) },
      },
    }
  },
  says: (values) =>
    `typeDonnees=${typesIn(values).join(',')}&dateFin=${textIn(groupIn(groupIn(values, 'demande'), 'donneesGenerales'), 'dateFin')}`,
  answer: (_values, access, parts) =>
    wholeAnswer({ ns: ORDER.request.ns, name: 'commanderServicesAccesDonneesResponse' }, access, parts, (answer) => {
      const affaires = only(answer.children, 'affaires')
      const made = affaires?.children.map(affaireOf)
      if (!made || made.length === 0) return 'unreadable'
      const whole = made.filter((one) => one !== undefined)
      if (whole.length < made.length) return 'unreadable'
      const text = element('affaires', whole.map((one) => one.text).join(''))
      return { text, dropped: 0, opened: whole.map(({ id }) => id) }
    }),
}

export const ORDER_SERVICE: SgeService = {
  id: 'CommanderAccesDonneesMesures v1.0',
  path: ORDER_ONE.path,
  soapAction: '',
  request: ORDER_ONE.request,
  model: ORDER_ONE_MODEL,
  header: '1.0',
  namesHolder: true,
  point: pointIn,
  means(values, meter, today) {
    const access = groupIn(groupIn(values, 'demande'), 'accesDonnees')
    const [withdrawal, injection] = [isTrue(access['soutirage']), isTrue(access['injection'])]
    // One direction is one line of a permission; with neither said, what is drawn is meant.
    if (withdrawal && injection) return { is: 'flaw', flaw: 'direction' }
    if (!withdrawal && !injection && access['soutirage'] !== undefined) return { is: 'flaw', flaw: 'direction' }
    const begin = parseDay((textIn(access, 'dateDebut') ?? '').slice(0, 10))
    if (begin === undefined) return { is: 'flaw', flaw: 'order' }
    const from = begin < today ? today : begin
    return meant(
      [textIn(access, 'typeDonnees') ?? ''],
      meter,
      injection ? 'injection' : 'withdrawal',
      from,
      textIn(access, 'dateFin'),
      today,
    )
  },
  rewrite(values, { access, part, permission, operator, holder }) {
    const { from, until } = periodOf(part)
    return {
      demande: {
        donneesGenerales: {
          refExterne: permission.id,
          objetCode: 'AME',
          pointId: pointIn(values),
          initiateurLogin: operator.login,
          contrat: { contratId: operator.contract },
        },
        accesDonnees: {
          dateDebut: from,
          dateFin: until,
          declarationAccordClient: declared(named(holder)),
          typeDonnees: TYPES[access.kind] ?? '',
          soutirage: String(access.direction === 'withdrawal'),
          injection: String(access.direction === 'injection'),
        },
      },
    }
  },
  says(values) {
    const access = groupIn(groupIn(values, 'demande'), 'accesDonnees')
    return ['typeDonnees', 'dateDebut', 'dateFin', 'soutirage', 'injection'].map((name) => `${name}=${textIn(access, name)}`).join('&')
  },
  answer: (_values, access, parts) =>
    wholeAnswer({ ns: ORDER_ONE.request.ns, name: 'commanderAccesDonneesMesuresResponse' }, access, parts, (answer): Picked => {
      const [affaire, service] = [textOf(answer, 'affaireId', CASE), textOf(answer, 'serviceSouscritId', SERVICE)]
      const prestations = prestationsOf(only(answer.children, 'prestations'), false)
      if (affaire === undefined || service === undefined || prestations === undefined) return 'unreadable'
      return { text: `${leaf('affaireId', affaire)}${prestations}${leaf('serviceSouscritId', service)}`, dropped: 0, opened: [service] }
    }),
}

function typesIn(values: Values): readonly string[] {
  const list = groupIn(groupIn(values, 'demande'), 'servicesSouscrits')['serviceSouscrit']
  return (Array.isArray(list) ? (list as readonly Value[]) : []).map((one) =>
    typeof one === 'string' ? '' : (textIn(one, 'typeDonnees') ?? ''),
  )
}

/** @param end as the caller wrote it; undefined where it names none */
function meant(
  types: readonly string[],
  meter: Parameters<SgeService['means']>[1],
  direction: Direction,
  from: Day,
  end: string | undefined,
  today: Day,
): Meant {
  const kinds = types.map((type) => KINDS[type]).filter((one): one is DataKind => one !== undefined)
  const [kind] = kinds
  // Twice the same is two services of one kind on one meter: Enedis refuses it as well.
  if (kind === undefined || new Set(kinds).size < types.length) return { is: 'flaw', flaw: 'quantity' }
  const until = end === undefined ? addMonths(today, MOST_MONTHS) : parseDay(end.slice(0, 10))
  if (until === undefined || until <= from) return { is: 'flaw', flaw: 'order' }
  const order = { kinds, openEnded: end === undefined }
  return {
    is: 'access',
    access: { meter, kind, direction, step: kind === 'load_curve' ? 'recorded' : 'P1D', period: { from, until }, order },
  }
}

function periodOf({ period }: Rewriting['part']) {
  if (period === null) throw new RangeError('an order without days')
  return period
}
function named(holder: Rewriting['holder']) {
  if (!holder) throw new RangeError('an order names who agreed')
  return holder
}

const CASE = /^[0-9A-Z]{4,8}$/
const SERVICE = /^[0-9]{1,15}$/

function only(children: readonly XmlElement[], name: string): XmlElement | undefined {
  const found = children.filter((child) => child.ns === '' && child.name === name)
  return found.length === 1 ? found[0] : undefined
}
function textOf(parent: XmlElement | undefined, name: string, fits: RegExp): string | undefined {
  const text = parent && only(parent.children, name)?.text.trim()
  return text !== undefined && fits.test(text) ? text : undefined
}

function affaireOf(read: XmlElement): { readonly id: string; readonly text: string } | undefined {
  const made = only(read.children, 'serviceSouscritMesures')
  const [affaire, id, type] = [
    textOf(read, 'affaireId', CASE),
    textOf(made, 'serviceSouscritId', SERVICE),
    textOf(made, 'mesuresTypeCode', /^[A-Z]{2,10}$/),
  ]
  const prestations = prestationsOf(only(read.children, 'prestations'), true)
  if (read.name !== 'affaire' || affaire === undefined || id === undefined || type === undefined || prestations === undefined)
    return undefined
  const service = element('serviceSouscritMesures', leaf('serviceSouscritId', id) + leaf('mesuresTypeCode', type))
  return { id, text: element('affaire', leaf('affaireId', affaire) + prestations + service) }
}

/** Codes alone; `''` where there are none. @param inAttributes where the service writes the label of a code as an attribute */
function prestationsOf(read: XmlElement | undefined, inAttributes: boolean): string | undefined {
  if (!read) return ''
  const rows = read.children.map((one) => {
    const code = only(one.children, 'fiche')?.attributes.get('code')
    const rang = textOf(one, 'rang', /^[0-9]{1,3}$/)
    if (one.name !== 'prestation' || rang === undefined || code === undefined || !/^[A-Za-z0-9_.-]{1,20}$/.test(code)) return undefined
    const fiche = inAttributes ? element('fiche', '', { libelle: code, code }) : coded('fiche', code)
    return element('prestation', leaf('rang', rang) + fiche)
  })
  return rows.includes(undefined) ? undefined : element('prestations', rows.join(''))
}
