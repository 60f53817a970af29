/**
 * The results of SGE: their codes, of six characters, and labels in our words. Source: homologation catalogue of SGE 26.1
 * as its clients quote it. What has no known code is SGT400, which says no more than that the request cannot be served.
 */
export const SGT_CODES = {
  SGT200: 'Succès',
  SGT211: 'Aucun service souscrit',
  SGT400: 'Demande non recevable',
  SGT401: 'Point inexistant',
  SGT4B8: 'Plusieurs demandes en cours sur le point',
  SGT4F7: 'Critères de recherche insuffisants',
  SGT4F8: 'Plus de 200 points correspondent',
  SGT4G2: 'Demandeur non habilité à consulter les mesures de ce point',
  SGT4G3: 'Aucune mesure trouvée',
  SGT4K2: 'Accord du client absent',
  SGT4L8: 'Durée incompatible avec le type de mesure',
  SGT4Q1: 'Type de données invalide',
  SGT4T2: 'Publication indisponible pour ce type de données',
  SGT500: 'Erreur technique',
  SGT562: 'Message mal formé',
  SGT566: 'Accord du client requis',
  SGT570: 'Service déjà actif sur la période',
  SGT5O9: 'Période de plus de trois ans',
} as const
export type SgtCode = keyof typeof SGT_CODES
export type FaultCode = Exclude<SgtCode, 'SGT200'>
export const FAULT_CODES = Object.keys(SGT_CODES).filter((code) => code !== 'SGT200') as [FaultCode, ...FaultCode[]]
