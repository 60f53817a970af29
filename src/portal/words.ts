/** Kinds, directions, steps, states and ends in the words that people read. Codes are for programs. */
import type { ScopeLine } from '../domain/permission.ts'
import type { Period } from '../domain/time.ts'
import { addDays } from '../domain/time.ts'
import type { DataKind, Direction, EndReason, Status, Step } from '../domain/vocabulary.ts'
import type { Language, Said } from '../web/language.ts'
import { dayIn } from '../web/language.ts'

const KIND_WORDS: Readonly<Record<DataKind, Said>> = {
  load_curve: { fr: 'Courbe de charge (relevés fins)', en: 'Load curve (fine readings)' },
  daily_energy: { fr: 'Énergie par jour', en: 'Energy per day' },
  published_reading: { fr: 'Relevés de facturation', en: 'Billing readings' },
  index: { fr: 'Index du compteur', en: 'Meter registers' },
  max_power: { fr: 'Puissance maximale de chaque jour', en: 'Highest power of each day' },
  contract_data: { fr: 'Données du contrat', en: 'Contract data' },
  technical_data: { fr: 'Données techniques du compteur', en: 'Technical data of the meter' },
  address: { fr: 'Adresse du point de livraison', en: 'Address of the delivery point' },
  identity: { fr: 'Nom du titulaire', en: 'Name of the contract holder' },
  contact: { fr: 'Coordonnées du titulaire', en: 'Contact details of the contract holder' },
  infraday: { fr: 'Données infra-journalières', en: 'Data within the day' },
  aggregate: { fr: 'Total de plusieurs compteurs', en: 'Total of several meters' },
}
const DIRECTION_WORDS: Readonly<Record<Direction, Said>> = {
  withdrawal: { fr: 'consommation', en: 'consumption' },
  injection: { fr: 'production', en: 'production' },
  n_a: { fr: '', en: '' },
}
const STEP_WORDS: Readonly<Record<Step, Said>> = {
  PT1M: { fr: 'minute par minute', en: 'minute by minute' },
  PT5M: { fr: 'toutes les 5 minutes', en: 'every 5 minutes' },
  PT10M: { fr: 'toutes les 10 minutes', en: 'every 10 minutes' },
  PT15M: { fr: 'tous les quarts d’heure', en: 'every quarter of an hour' },
  PT30M: { fr: 'toutes les demi-heures', en: 'every half hour' },
  PT60M: { fr: 'heure par heure', en: 'hour by hour' },
  P1D: { fr: 'jour par jour', en: 'day by day' },
  P1M: { fr: 'mois par mois', en: 'month by month' },
  P1Y: { fr: 'année par année', en: 'year by year' },
  TOTAL: { fr: '', en: '' },
}
export const STATUS_WORDS: Readonly<Record<Status, Said>> = {
  draft: { fr: 'en préparation', en: 'being prepared' },
  requested: { fr: 'demandée', en: 'requested' },
  awaiting_confirmation: { fr: 'en attente de confirmation', en: 'awaiting confirmation' },
  awaiting_check: { fr: 'en cours de vérification', en: 'being checked' },
  active: { fr: 'en vigueur', en: 'in force' },
  suspended: { fr: 'suspendue', en: 'suspended' },
  refused: { fr: 'refusée', en: 'refused' },
  ended: { fr: 'terminée', en: 'ended' },
}
export const END_WORDS: Readonly<Record<EndReason, Said>> = {
  malformed: { fr: 'demande mal formée', en: 'malformed request' },
  timed_out: { fr: 'restée sans réponse', en: 'left unanswered' },
  rejected_check: { fr: 'rejetée à la vérification', en: 'rejected when checked' },
  rejected_by_dso: { fr: 'rejetée par le gestionnaire de réseau', en: 'rejected by the network operator' },
  cancelled: { fr: 'annulée', en: 'cancelled' },
  withdrawn_by_subject: { fr: 'retirée par vous', en: 'withdrawn by you' },
  revoked_by_dso: { fr: 'retirée auprès du gestionnaire de réseau', en: 'revoked at the network operator' },
  revoked_by_controller: { fr: 'retirée par le service', en: 'revoked by the service' },
  revoked_by_operator: { fr: 'retirée par l’exploitant', en: 'revoked by the operator' },
  terminated_by_recipient: { fr: 'rendue par le service', en: 'given up by the service' },
  fulfilled: { fr: 'satisfaite : tout a été lu une fois', en: 'fulfilled: all was read once' },
  expired: { fr: 'arrivée à son terme', en: 'expired' },
  superseded: { fr: 'remplacée par une plus récente', en: 'replaced by a newer one' },
  holder_changed: { fr: 'changement de titulaire', en: 'change of contract holder' },
  invalidated: { fr: 'déclarée nulle', en: 'declared void' },
}

/** What a line opens, in one phrase: Courbe de charge – consommation, toutes les demi-heures. */
export function lineIn(language: Language, line: Pick<ScopeLine, 'kind' | 'direction' | 'finest'>): string {
  const details = [DIRECTION_WORDS[line.direction][language], STEP_WORDS[line.finest][language]].filter((text) => text !== '')
  return details.length === 0 ? KIND_WORDS[line.kind][language] : `${KIND_WORDS[line.kind][language]} – ${details.join(', ')}`
}

/** Days that a line opens, the last one included as people count. */
export function daysIn(language: Language, { from, until }: Period): string {
  const last = dayIn(language, addDays(until, -1))
  return language === 'fr' ? `du ${dayIn(language, from)} au ${last}` : `from ${dayIn(language, from)} to ${last}`
}
