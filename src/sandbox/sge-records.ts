/**
 * What the simulated SGE tells of a meter besides its measures by day: what was billed (ConsultationMesures), its
 * technical and contractual record (CDTC), and meters found by who lives where (RecherchePoint). All of them tell more
 * than a gate may pass on: keys of the meter, names, neighbours.
 * Source: WSDL files of SGE Tiers as lowatt-enedis ships them, samples of consometers/sge-tiers.
 */
import { addMonths, intersect } from '../domain/time.ts'
import type { Asked, AskedOf, Said } from './sge-answer.ts'
import { fault } from './sge-answer.ts'
import { billedSeries, billingPeriods } from './sge-index.ts'
import { COUNTED_FROM } from './sge-measures.ts'
import type { Resident } from './sge-neighbours.ts'
import { residentsLike } from './sge-neighbours.ts'
import type { SgePoint } from './sge-points.ts'
import { commissionedOn, SGE_TOWN } from './sge-points.ts'
import type { Written } from './sge-xml.ts'
import { coded, find, isTrue, leaves, textOf, written } from './sge-xml.ts'

/** Dates cannot be asked for: 36 months come, if the holder is there so long. An odd one tells of earlier holders too. */
export function billedMeasures({ body, point, today }: AskedOf, odd?: { readonly kind: string }): Said {
  if (!isTrue(body, 'autorisationClient') && !isTrue(body, 'contratConcluNouveauClientSurSite')) return fault('SGT4G2')
  const since = odd?.kind === 'other_days' ? COUNTED_FROM : commissionedOn(point, today)
  const days = intersect({ from: since > COUNTED_FROM ? since : COUNTED_FROM, until: today }, { from: addMonths(today, -36), until: today })
  const periods = days ? billingPeriods(days) : []
  if (periods.length === 0) return fault('SGT4G3')
  const grids = point.segment === 'C5' ? (['Turpe', 'Frn'] as const) : (['Turpe'] as const)
  return { is: 'answer', content: grids.map((grid) => written(`seriesMesuresDateesGrille${grid}`, billedSeries(point, grid, periods))) }
}

/** Without the customer's authorisation the contract is left out, and nothing is refused. An odd one tells of it. */
export function technicalRecord({ body, point, today }: AskedOf, odd?: { readonly kind: string }): Said {
  const withContract = isTrue(body, 'autorisationClient') || odd?.kind === 'other_family'
  const parts = [generalPart(point, commissionedOn(point, today)), supplyPart(point), meterPart(point)]
  return {
    is: 'answer',
    content: [written('point', withContract ? [...parts, contractPart(point)] : parts, { id: point.pointId })],
  }
}

const IN_SERVICE = coded('etatContractuel', 'SERVC', 'En service')

function generalPart({ address, segment }: SgePoint, since: string): Written {
  const { numeroEtNomVoie, batiment, escalierEtEtageEtAppartement, codePostal, commune } = address
  return written('donneesGenerales', [
    IN_SERVICE,
    written('adresseInstallation', [
      ...leaves({ escalierEtEtageEtAppartement, batiment, numeroEtNomVoie, codePostal }),
      coded('commune', codePostal, commune),
    ]),
    ...leaves({ dateDerniereModificationFormuleTarifaireAcheminement: since }),
    coded('segment', segment, segment),
    ...leaves({ niveauOuvertureServices: '2' }),
  ])
}

function power(name: string, kva: number): Written {
  return written(name, leaves({ valeur: String(kva), unite: 'kVA' }))
}

function supplyPart({ segment, kva }: SgePoint): Written {
  const tension =
    segment === 'C5'
      ? coded('domaineTension', 'BTINF', 'BT inférieur ou égal à 36 kVA')
      : coded('domaineTension', 'BTSUP', 'BT supérieur à 36 kVA')
  return written('situationAlimentation', [
    written('alimentationPrincipale', [tension, power('puissanceRaccordementSoutirage', Math.max(12, kva))]),
  ])
}

function meterPart({ segment, matricule, pointId }: SgePoint): Written {
  const access = written(
    'parametresTeleAcces',
    leaves({ numeroTelephone: `09000000${pointId.slice(-2)}`, numeroVoieAiguillage: '1', cle: `C1E0${pointId.slice(-4)}` }),
  )
  const compteur = written('compteur', [...leaves({ matricule, ticActivee: 'true', plagesHeuresCreuses: '22H30-6H30' }), access])
  return written('situationComptage', [
    written('dispositifComptage', [
      segment === 'C5' ? coded('typeComptage', 'CCB', 'Compteur communicant') : coded('typeComptage', 'CCS', 'Compteur à courbe de charge'),
      written('compteurs', [compteur]),
    ]),
  ])
}

function contractPart({ segment, kva }: SgePoint): Written {
  const formula =
    segment === 'C5'
      ? coded('formuleTarifaireAcheminement', 'BTINFCU4', 'BT inf 36 kVA courte utilisation quatre postes')
      : coded('formuleTarifaireAcheminement', 'BTSUPCU4', 'BT sup 36 kVA courte utilisation quatre postes')
  return written('situationContractuelle', [
    written('structureTarifaire', [
      formula,
      power('puissanceSouscriteMax', kva),
      ...(segment === 'C5' ? [coded('calendrierFrn', 'FC000002', 'Heures creuses')] : []),
    ]),
  ])
}

const MOST_POINTS = 200

export function searchPoints({ body }: Asked): Said {
  const criteres = find(body, 'criteres') ?? body
  const said = (name: string): string | undefined => textOf(criteres, name)
  const inTown = said('codePostal') !== undefined || said('codeInseeCommune') !== undefined
  const more = ['numeroEtNomVoie', 'lieuDit', 'nomClientFinalOuDenominationSociale'].some((name) => said(name) !== undefined)
  if (said('numSiret') === undefined && said('matriculeOuNumeroSerie') === undefined && !(inTown && more)) return fault('SGT4F7')
  const found = residentsLike(said)
  if (found.length > MOST_POINTS) return fault('SGT4F8')
  return { is: 'answer', content: found.length === 0 ? [] : [written('points', found.map(pointOf))] }
}

function pointOf({ pointId, name, address, matricule, numeroSerie }: Resident): Written {
  const { numeroEtNomVoie, batiment, escalierEtEtageEtAppartement } = address
  const lines = {
    ligne2: escalierEtEtageEtAppartement,
    ligne3: batiment,
    ligne4: numeroEtNomVoie,
    ligne6: `${SGE_TOWN.codePostal} ${SGE_TOWN.commune}`,
  }
  return written(
    'point',
    [
      written('adresseInstallationNormalisee', leaves(lines)),
      ...leaves({ matricule, numeroSerie }),
      IN_SERVICE,
      ...leaves({ nomClientFinalOuDenominationSociale: name }),
    ],
    { id: pointId },
  )
}
