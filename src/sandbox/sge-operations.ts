/**
 * The services of SGE Tiers that are simulated: where each is, how its request and its answer are called, and what a
 * request holds, as tables of our own. Source: WSDL files and schemas of SGE Tiers as lowatt-enedis
 * ships them.
 *
 * The orders and stops of access services are in `sge/ws` and nowhere else; the search for them is still in `sge/b2b`.
 */
import type { Type } from './sge-schema.ts'
import { BOOLEAN, DATE, either, many, maybe, one, oneOf, sequence, text } from './sge-schema.ts'

/** As on Enedis's own host, where nothing else is: a version that nobody knows is of this interface too. */
const SGE_PATH = /^\/[A-Z][A-Za-z]+\/v[0-9]\.[0-9]$/
export function isSgePath(path: string): boolean {
  return SGE_PATH.test(path)
}
export const SGE_SERVICES = ['CMD', 'CMD_V2', 'CM', 'CDTC', 'RP', 'RSA', 'SAD', 'ASAD', 'CADM', 'CASSM'] as const
export type SgeServiceName = (typeof SGE_SERVICES)[number]

export interface Operation {
  readonly service: SgeServiceName
  readonly path: string
  readonly namespace: string
  readonly name: string
  readonly answer: string
  /** What its header says in `version`; null where it has no header. */
  readonly entete: string | null
  readonly request: Type
}

const EMAIL = /[0-9a-zA-Z][-._0-9a-zA-Z]{0,255}@[0-9a-zA-Z][-._0-9a-zA-Z]{0,255}\.[a-zA-Z]{2,63}/
const NNI = /[A-Z0-9]{6}([A-Z0-9]{2})?/

const point = text(/[0-9]{14}/)
const login = text(EMAIL)
const loginOrNni = text(new RegExp(`${NNI.source}|${EMAIL.source}`))
const upTo = (most: number): Type => text(new RegExp(`.{1,${most}}`))
const any = text(/.*/)
const contratId = upTo(15)
const serviceSouscritId = upTo(15)
const sens = oneOf('SOUTIRAGE', 'INJECTION')
const pas = oneOf('P1D', 'P1M')
const ligne = upTo(38)

const declaration = sequence(
  one('accord', BOOLEAN),
  either(
    one('personnePhysique', sequence(maybe('civilite', oneOf('M', 'Mme')), one('nom', upTo(255)), maybe('prenom', upTo(255)))),
    one('personneMorale', sequence(one('denominationSociale', upTo(255)))),
  ),
)

const cmd = sequence(
  one(
    'demande',
    sequence(
      one('initiateurLogin', any),
      one('pointId', point),
      one('mesuresTypeCode', oneOf('COURBE', 'PMAX', 'ENERGIE', 'INDEX')),
      one('grandeurPhysique', any),
      one('dateDebut', DATE),
      one('dateFin', DATE),
      maybe('mesuresPas', pas),
      one('mesuresCorrigees', BOOLEAN),
      one('sens', sens),
      one('cadreAcces', oneOf('ACCORD_CLIENT', 'SERVICE_ACCES', 'EST_TITULAIRE')),
    ),
  ),
)

const cmdV2 = sequence(
  one(
    'demande',
    sequence(
      one('initiateurLogin', any),
      one('pointId', point),
      one('mesuresTypeCode', oneOf('COURBE', 'PMAX', 'ENERGIE')),
      one('grandeurPhysique', any),
      one('soutirage', BOOLEAN),
      one('injection', BOOLEAN),
      one('dateDebut', DATE),
      one('dateFin', DATE),
      maybe('mesuresPas', pas),
      one('mesuresCorrigees', BOOLEAN),
      one('accordClient', BOOLEAN),
    ),
  ),
)

const cm = sequence(
  one('pointId', point),
  one('loginDemandeur', login),
  one('contratId', contratId),
  either(one('contratConcluNouveauClientSurSite', BOOLEAN), one('autorisationClient', BOOLEAN)),
)

const cdtc = sequence(one('pointId', point), one('loginUtilisateur', login), maybe('autorisationClient', BOOLEAN))

const rp = sequence(
  one(
    'criteres',
    sequence(
      maybe(
        'adresseInstallation',
        sequence(
          maybe('escalierEtEtageEtAppartement', ligne),
          maybe('batiment', ligne),
          maybe('numeroEtNomVoie', ligne),
          maybe('lieuDit', ligne),
          maybe('codePostal', text(/[0-9]{5}/)),
          maybe('codeInseeCommune', text(/[0-9][0-9AB][0-9]{3}/)),
        ),
      ),
      maybe('numSiret', text(/[0-9]{14}/)),
      maybe('matriculeOuNumeroSerie', upTo(255)),
      maybe('domaineTensionAlimentationCode', oneOf('BTINF', 'BTSUP', 'HTA', 'HTB')),
      maybe('nomClientFinalOuDenominationSociale', upTo(255)),
      maybe('categorieClientFinalCode', oneOf('PRO', 'RES')),
      maybe('rechercheHorsPerimetre', BOOLEAN),
    ),
  ),
  one('loginUtilisateur', login),
)

const rsa = sequence(one('criteres', sequence(one('pointId', point), one('contratId', contratId))), one('loginUtilisateur', login))

const sad = sequence(
  one(
    'demande',
    sequence(
      one(
        'donneesGenerales',
        sequence(
          maybe('refExterne', upTo(255)),
          one('pointId', point),
          one('initiateurLogin', loginOrNni),
          one('contratId', contratId),
          maybe('dateFin', DATE),
          one('sens', sens),
          maybe('declarationAccordClient', declaration),
        ),
      ),
      one(
        'servicesSouscrits',
        sequence(
          many(
            'serviceSouscrit',
            sequence(
              one('typeDonnees', upTo(10)),
              maybe(
                'optionsPublication',
                sequence(many('optionPublication', sequence(maybe('mesuresCorrigees', BOOLEAN), one('periodiciteTransmission', upTo(15))))),
              ),
            ),
          ),
        ),
      ),
    ),
  ),
)

const asad = sequence(
  one(
    'demande',
    sequence(
      one(
        'donneesGenerales',
        sequence(
          maybe('refExterne', upTo(255)),
          one('pointId', point),
          one('initiateurLogin', login),
          one('contratId', contratId),
          one('sens', sens),
        ),
      ),
      one('servicesSouscrits', sequence(many('serviceSouscritId', serviceSouscritId))),
    ),
  ),
)

const cadm = sequence(
  one(
    'demande',
    sequence(
      one(
        'donneesGenerales',
        sequence(
          maybe('refExterne', upTo(255)),
          one('objetCode', oneOf('AME')),
          one('pointId', point),
          one('initiateurLogin', loginOrNni),
          one('contrat', sequence(maybe('contratId', contratId), maybe('acteurMarcheCode', upTo(15)), maybe('contratType', upTo(15)))),
        ),
      ),
      one(
        'accesDonnees',
        sequence(
          one('dateDebut', DATE),
          maybe('dateFin', DATE),
          one('declarationAccordClient', declaration),
          one('typeDonnees', upTo(10)),
          maybe('soutirage', BOOLEAN),
          maybe('injection', BOOLEAN),
        ),
      ),
    ),
  ),
)

const cassm = sequence(
  one(
    'demande',
    sequence(
      one(
        'donneesGenerales',
        sequence(
          maybe('refFrn', upTo(255)),
          one('objetCode', oneOf('ASS')),
          one('pointId', point),
          one('initiateurLogin', login),
          one('contratId', contratId),
        ),
      ),
      one('arretServiceSouscrit', sequence(one('serviceSouscritId', serviceSouscritId))),
    ),
  ),
)

/** Of `tec:entete`. A login in it must be that of the body, which is no matter of the schema. */
export const ENTETE = sequence(
  maybe('version', text(/[1-9][0-9]*\.[0-9]+/)),
  maybe('infoFonctionnelles', sequence(maybe('pointId', upTo(20)), maybe('affaireId', upTo(20)))),
  maybe(
    'infoDemandeur',
    sequence(
      maybe('loginDemandeur', login),
      maybe('appelDemandeurId', upTo(255)),
      maybe('referenceDemandeur', upTo(255)),
      maybe('referenceDemandeurGroupee', upTo(255)),
    ),
  ),
)

const B2B = 'http://www.enedis.fr/sge/b2b'
const WS = 'http://www.enedis.fr/sge/ws'

type Row = readonly [SgeServiceName, path: string, namespace: string, name: string, entete: string | null, request: Type, answer?: string]
const ROWS: readonly Row[] = [
  [
    'CMD',
    'ConsultationMesuresDetaillees/v3.0',
    `${B2B}/services/consultationmesuresdetaillees/common`,
    'consulterMesuresDetailleesV3',
    null,
    cmd,
    'consulterMesuresDetailleesResponseV3',
  ],
  [
    'CMD_V2',
    'ConsultationMesuresDetaillees/v2.0',
    `${B2B}/services/consultationmesuresdetaillees/v2.0`,
    'consulterMesuresDetaillees',
    null,
    cmdV2,
  ],
  ['CM', 'ConsultationMesures/v1.1', `${B2B}/services/consultermesures/v1.1`, 'consulterMesures', '1.1', cm],
  [
    'CDTC',
    'ConsultationDonneesTechniquesContractuelles/v1.0',
    `${B2B}/services/consulterdonneestechniquescontractuelles/v1.0`,
    'consulterDonneesTechniquesContractuelles',
    '1.0',
    cdtc,
  ],
  ['RP', 'RecherchePoint/v2.0', `${B2B}/services/rechercherpoint/v2.0`, 'rechercherPoint', '2.0', rp],
  [
    'RSA',
    'RechercheServicesAccesDonnees/v1.0',
    `${B2B}/rechercherservicesaccesdonnees/v1.0`,
    'rechercherServicesAccesDonnees',
    '1.0',
    rsa,
    'rechercherServicesAccesDonneesReponse',
  ],
  ['SAD', 'CommandeServicesAccesDonnees/v1.0', `${WS}/commanderservicesaccesdonnees/v1.0`, 'commanderServicesAccesDonnees', '1.0', sad],
  [
    'ASAD',
    'CommandeArretServicesAccesDonnees/v1.0',
    `${WS}/commanderarretservicesaccesdonnees/v1.0`,
    'commanderArretServicesAccesDonnees',
    '1.0',
    asad,
  ],
  ['CADM', 'CommanderAccesDonneesMesures/v1.0', `${B2B}/commanderaccesdonneesmesures/v1.0`, 'commanderAccesDonneesMesures', '1.0', cadm],
  [
    'CASSM',
    'CommandeArretServiceSouscritMesures/v1.0',
    `${B2B}/commanderarretservicesouscritmesures/v1.0`,
    'commanderArretServiceSouscritMesures',
    '1.0',
    cassm,
  ],
]

export const OPERATIONS: readonly Operation[] = ROWS.map(
  ([service, path, namespace, name, entete, request, answer = `${name}Response`]) => ({
    service,
    path: `/${path}`,
    namespace,
    name,
    answer,
    entete,
    request,
  }),
)

export function operationAt(path: string): Operation | undefined {
  return OPERATIONS.find((operation) => operation.path === path)
}
