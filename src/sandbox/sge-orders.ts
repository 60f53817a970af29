/**
 * The orders of the simulated SGE: access services opened (SAD, CADM), stopped (ASAD, CASSM) and looked for (RSA). An
 * order that is refused in one part opens, or stops, nothing at all.
 *
 * The search tells of all services of a meter, another third party's too. Source: schemas that
 * lowatt-enedis ships; that a CADM begins today is known from one source, and that a stop of a service that is not active is
 * SGT400 is ours.
 */
import type { Day } from '../domain/time.ts'
import { dayNumber, parseDay } from '../domain/time.ts'
import type { AskedOf, Said } from './sge-answer.ts'
import { fault } from './sge-answer.ts'
import { personOf } from './sge-calls.ts'
import type { DataType, Opening, PublicationOption, SgeSubscription, Subscriptions } from './sge-subscriptions.ts'
import { DATA_TYPES } from './sge-subscriptions.ts'
import type { Written, XmlElement } from './sge-xml.ts'
import { coded, find, isTrue, leaves, textOf, written } from './sge-xml.ts'

const MOST_DAYS = 1096

export function openServices(asked: AskedOf, services: Subscriptions): Said {
  const { body, today } = asked
  const sens = textOf(body, 'sens')
  const parts = (find(body, 'servicesSouscrits') ?? body).children
  const openings = parts.map((part): Opening => ({
    ...commonOf(asked, today),
    typeDonnees: textOf(part, 'typeDonnees') as DataType,
    soutirage: sens === 'SOUTIRAGE',
    injection: sens === 'INJECTION',
    options: optionsOf(part),
    order: 'SAD',
  }))
  const refused = refusalOf(asked, openings, services)
  if (refused) return refused
  const twice = new Set(openings.map(({ typeDonnees }) => typeDonnees)).size < openings.length
  if (twice) return fault('SGT570')
  if (openings.some(({ typeDonnees, options }) => typeDonnees === 'ENERGIE' && options.length > 0)) return fault('SGT4T2')
  const affaires = openings.map((opening) => {
    const made = services.open(opening)
    const fiche = written('fiche', '', { libelle: 'Accès aux données', code: 'PRESTATION-Z' })
    return written('affaire', [
      ...leaves({ affaireId: made.affaireId }),
      written('prestations', [written('prestation', [...leaves({ rang: '1' }), fiche])]),
      written('serviceSouscritMesures', leaves({ serviceSouscritId: made.serviceSouscritId, mesuresTypeCode: made.typeDonnees })),
    ])
  })
  return { is: 'answer', content: [written('affaires', affaires)] }
}

export function openOneService(asked: AskedOf, services: Subscriptions): Said {
  const { body, today } = asked
  const injection = isTrue(body, 'injection')
  const opening: Opening = {
    ...commonOf(asked, dayAt(body, 'dateDebut') ?? today),
    typeDonnees: textOf(body, 'typeDonnees') as DataType,
    // With neither said, what is drawn is meant.
    soutirage: isTrue(body, 'soutirage') || (!injection && find(body, 'soutirage') === undefined),
    injection,
    options: [],
    order: 'CADM',
  }
  if (!opening.soutirage && !opening.injection) return fault('SGT400', 'ni soutirage ni injection')
  const refused = refusalOf(asked, [opening], services)
  if (refused) return refused
  if (opening.dateDebut !== today) return fault('SGT400', 'dateDebut')
  const made = services.open(opening)
  const content = [
    ...leaves({ affaireId: made.affaireId }),
    prestations('PRESTATION-Y', 'Accès aux données'),
    ...leaves({ serviceSouscritId: made.serviceSouscritId }),
  ]
  return { is: 'answer', content }
}

function commonOf({ body, point, contratId }: AskedOf, dateDebut: Day) {
  return {
    pointId: point.pointId,
    contratId,
    dateDebut,
    dateFin: dayAt(body, 'dateFin') ?? null,
    refExterne: textOf(body, 'refExterne') ?? null,
    personne: personOf(body) ?? null,
  } as const
}

function dayAt(body: XmlElement, name: string): Day | undefined {
  return parseDay(textOf(body, name)?.slice(0, 10) ?? '')
}

function optionsOf(part: XmlElement): PublicationOption[] {
  return (find(part, 'optionsPublication')?.children ?? []).map((option) => {
    const mesuresCorrigees = textOf(option, 'mesuresCorrigees')
    const periodiciteTransmission = textOf(option, 'periodiciteTransmission') ?? ''
    return { ...(mesuresCorrigees !== undefined && { mesuresCorrigees }), periodiciteTransmission }
  })
}

function refusalOf({ body, point }: AskedOf, openings: readonly Opening[], services: Subscriptions): Said | undefined {
  // Of an order without a declaration the schema says nothing, and the service does.
  if (!isTrue(body, 'accord')) return fault('SGT566')
  for (const { typeDonnees, injection, dateDebut, dateFin } of openings) {
    if (!DATA_TYPES.includes(typeDonnees)) return fault('SGT4Q1')
    if (injection && !point.injects) return fault('SGT400', 'le point n’injecte pas')
    if (dateFin !== null && dateFin < dateDebut) return fault('SGT400', 'dateFin')
    if (dateFin !== null && dayNumber(dateFin) - dayNumber(dateDebut) > MOST_DAYS) return fault('SGT5O9')
  }
  return openings.some((opening) => services.clashes(opening)) ? fault('SGT570') : undefined
}

export function stopServices({ body, point, contratId }: AskedOf, services: Subscriptions): Said {
  const sens = textOf(body, 'sens')
  const ids = (find(body, 'servicesSouscrits') ?? body).children.map(({ text }) => text)
  const found = ids.map((id) => services.active(id, contratId, point.pointId))
  const active = found.filter((one): one is SgeSubscription => one !== undefined && (sens === 'SOUTIRAGE' ? one.soutirage : one.injection))
  if (active.length < ids.length || new Set(ids).size < ids.length) return fault('SGT400', 'serviceSouscritId')
  const stopped = active.map((service) => {
    const affaireId = services.stop(service, 'ASAD')
    return written('serviceResilie', leaves({ affaireId, serviceSouscritId: service.serviceSouscritId }))
  })
  return { is: 'answer', content: [written('servicesResilies', stopped)] }
}

export function stopOneService({ body, point, contratId }: AskedOf, services: Subscriptions): Said {
  const service = services.active(textOf(body, 'serviceSouscritId') ?? '', contratId, point.pointId)
  if (!service) return fault('SGT400', 'serviceSouscritId')
  const affaireId = services.stop(service, 'CASSM')
  return { is: 'answer', content: [...leaves({ affaireId }), prestations('PRESTATION-X', 'Arrêt de service')], affaireId }
}

function prestations(code: string, libelle: string): Written {
  return written('prestations', [written('prestation', [...leaves({ rang: '1' }), coded('fiche', code, libelle)])])
}

const LABELS: Readonly<Record<DataType, string>> = {
  CDC: 'Accès à la courbe de charge',
  IDX: 'Accès aux index',
  PMAX: 'Accès à la puissance maximale',
  ENERGIE: 'Accès aux énergies',
}

export function listServices({ point }: AskedOf, services: Subscriptions): Said {
  const found = services.all().filter(({ pointId }) => pointId === point.pointId)
  if (found.length === 0) return { is: 'answer', content: [] }
  const rows = found.map((service) => {
    const { typeDonnees, options, dateDebut, dateFin, etatCode } = service
    const publication = options.map((option) => written('optionPublication', leaves({ ...option, dateDebut })))
    return written('serviceSouscrit', [
      ...leaves({
        serviceSouscritId: service.serviceSouscritId,
        pointId: service.pointId,
        serviceSouscritCode: `ACCES-${typeDonnees}`,
        serviceSouscritLibelle: LABELS[typeDonnees],
        injection: String(service.injection),
        soutirage: String(service.soutirage),
        contratId: service.contratId,
        contratLibelle: service.contratLibelle,
        etatCode,
        dateDebut,
        dateFin: dateFin ?? undefined,
        motifFinLibelle: etatCode === 'RESILIE' ? 'Résiliation par le tiers' : undefined,
        mesuresTypeCode: typeDonnees,
        mesuresPas: typeDonnees === 'CDC' ? point.step : 'P1D',
      }),
      ...(publication.length > 0 ? [written('optionsPublication', publication)] : []),
    ])
  })
  return { is: 'answer', content: [written('servicesSouscrits', rows)] }
}
