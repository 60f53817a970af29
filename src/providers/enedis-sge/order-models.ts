/**
 * What the services about access services hold, element by element: orders (`CommandeServicesAccesDonnees`,
 * `CommanderAccesDonneesMesures`), stops (`CommandeArretServicesAccesDonnees`, `CommandeArretServiceSouscritMesures`) and the
 * search (`RechercheServicesAccesDonnees`). The same models read what a client sends and write what Enedis is sent.
 *
 * Upstream the family of 2026 is spoken in `sge/ws` alone; callers may write it in `sge/b2b`, as its first schema files did.
 * Source: schemas of April 2026 and lowatt-enedis #86.
 */
import type { DataKind } from '../../domain/vocabulary.ts'
import type { NamedHolder } from '../adapter.ts'
import type { SequenceModel, Values } from './model.ts'
import { FORMS } from './model.ts'

const B2B = 'http://www.enedis.fr/sge/b2b'
const WS = 'http://www.enedis.fr/sge/ws'
const qname = (base: string, path: string, name: string) => ({ ns: `${base}/${path}/v1.0`, name })

export const ORDER = {
  path: '/CommandeServicesAccesDonnees/v1.0',
  request: qname(WS, 'commanderservicesaccesdonnees', 'commanderServicesAccesDonnees'),
  alsoNamespaces: [`${B2B}/commanderservicesaccesdonnees/v1.0`],
}
export const STOP = {
  path: '/CommandeArretServicesAccesDonnees/v1.0',
  request: qname(WS, 'commanderarretservicesaccesdonnees', 'commanderArretServicesAccesDonnees'),
  alsoNamespaces: [`${B2B}/commanderarretservicesaccesdonnees/v1.0`],
}
export const ORDER_ONE = {
  path: '/CommanderAccesDonneesMesures/v1.0',
  request: qname(B2B, 'commanderaccesdonneesmesures', 'commanderAccesDonneesMesures'),
}
export const STOP_ONE = {
  path: '/CommandeArretServiceSouscritMesures/v1.0',
  request: qname(B2B, 'commanderarretservicesouscritmesures', 'commanderArretServiceSouscritMesures'),
}
export const SEARCH = {
  path: '/RechercheServicesAccesDonnees/v1.0',
  request: qname(B2B, 'rechercherservicesaccesdonnees', 'rechercherServicesAccesDonnees'),
  /** Its answer ends in «Reponse», not in «Response». */
  answer: 'rechercherServicesAccesDonneesReponse',
}

const reference = { fits: /^[^\p{C}]{1,255}$/u }
const name = { fits: /^[^\p{C}]{1,100}$/u }
const type = { fits: /^(?:CDC|IDX|PMAX|ENERGIE)$/ }
const serviceId = { fits: /^[0-9]{1,15}$/ }

/** Of a caller's declaration nothing is believed: it is read, and the permission's own is written. */
const declaration: SequenceModel = {
  of: [
    { name: 'accord', model: FORMS.boolean },
    {
      name: 'personnePhysique',
      either: 'person',
      least: 0,
      model: {
        of: [
          { name: 'civilite', least: 0, model: { fits: /^(?:M|Mme)$/ } },
          { name: 'nom', model: name },
          { name: 'prenom', least: 0, model: name },
        ],
      },
    },
    { name: 'personneMorale', either: 'person', least: 0, model: { of: [{ name: 'denominationSociale', model: name }] } },
  ],
}
export function declared(holder: NamedHolder): Values {
  return {
    accord: 'true',
    ...(holder.kind === 'natural' ? { personnePhysique: { nom: holder.name } } : { personneMorale: { denominationSociale: holder.name } }),
  }
}

const demande = (of: SequenceModel['of']): SequenceModel => ({ of: [{ name: 'demande', model: { of } }] })

export const ORDER_MODEL = demande([
  {
    name: 'donneesGenerales',
    model: {
      of: [
        { name: 'refExterne', least: 0, model: reference },
        { name: 'pointId', model: FORMS.point },
        { name: 'initiateurLogin', model: FORMS.login },
        { name: 'contratId', model: FORMS.contract },
        { name: 'dateFin', least: 0, model: FORMS.date },
        { name: 'sens', model: FORMS.direction },
        { name: 'declarationAccordClient', least: 0, model: declaration },
      ],
    },
  },
  {
    name: 'servicesSouscrits',
    model: {
      of: [
        {
          name: 'serviceSouscrit',
          most: 4,
          model: {
            of: [
              { name: 'typeDonnees', model: type },
              {
                name: 'optionsPublication',
                least: 0,
                model: {
                  of: [
                    {
                      name: 'optionPublication',
                      most: 10,
                      model: {
                        of: [
                          { name: 'mesuresCorrigees', least: 0, model: FORMS.boolean },
                          { name: 'periodiciteTransmission', model: { fits: /^P(?:1D|7D|1M)$/ } },
                        ],
                      },
                    },
                  ],
                },
              },
            ],
          },
        },
      ],
    },
  },
])

export const STOP_MODEL = demande([
  {
    name: 'donneesGenerales',
    model: {
      of: [
        { name: 'refExterne', least: 0, model: reference },
        { name: 'pointId', model: FORMS.point },
        { name: 'initiateurLogin', model: FORMS.login },
        { name: 'contratId', model: FORMS.contract },
        { name: 'sens', model: FORMS.direction },
      ],
    },
  },
  { name: 'servicesSouscrits', model: { of: [{ name: 'serviceSouscritId', most: 20, model: serviceId }] } },
])

export const ORDER_ONE_MODEL = demande([
  {
    name: 'donneesGenerales',
    model: {
      of: [
        { name: 'refExterne', least: 0, model: reference },
        { name: 'objetCode', model: { fits: /^AME$/ } },
        { name: 'pointId', model: FORMS.point },
        { name: 'initiateurLogin', model: FORMS.login },
        {
          name: 'contrat',
          model: {
            of: [
              { name: 'contratId', least: 0, model: FORMS.contract },
              { name: 'acteurMarcheCode', least: 0, model: { fits: /^[^\p{C}]{1,30}$/u } },
              { name: 'contratType', least: 0, model: { fits: /^[^\p{C}]{1,30}$/u } },
            ],
          },
        },
      ],
    },
  },
  {
    name: 'accesDonnees',
    model: {
      of: [
        { name: 'dateDebut', model: FORMS.date },
        { name: 'dateFin', least: 0, model: FORMS.date },
        { name: 'declarationAccordClient', least: 0, model: declaration },
        { name: 'typeDonnees', model: type },
        { name: 'soutirage', least: 0, model: FORMS.boolean },
        { name: 'injection', least: 0, model: FORMS.boolean },
      ],
    },
  },
])

export const STOP_ONE_MODEL = demande([
  {
    name: 'donneesGenerales',
    model: {
      of: [
        { name: 'refFrn', least: 0, model: reference },
        { name: 'objetCode', model: { fits: /^ASS$/ } },
        { name: 'pointId', model: FORMS.point },
        { name: 'initiateurLogin', model: FORMS.login },
        { name: 'contratId', model: FORMS.contract },
      ],
    },
  },
  { name: 'arretServiceSouscrit', model: { of: [{ name: 'serviceSouscritId', model: serviceId }] } },
])

export const SEARCH_MODEL: SequenceModel = {
  of: [
    {
      name: 'criteres',
      model: {
        of: [
          { name: 'pointId', model: FORMS.point },
          { name: 'contratId', model: FORMS.contract },
        ],
      },
    },
    { name: 'loginUtilisateur', model: FORMS.login },
  ],
}

export const TYPES: Readonly<Partial<Record<DataKind, string>>> = {
  load_curve: 'CDC',
  index: 'IDX',
  max_power: 'PMAX',
  daily_energy: 'ENERGIE',
}
export const KINDS: Readonly<Record<string, DataKind>> = {
  CDC: 'load_curve',
  IDX: 'index',
  PMAX: 'max_power',
  ENERGIE: 'daily_energy',
}
/** Longer ones are refused (SGT5O9). */
export const MOST_MONTHS = 36
