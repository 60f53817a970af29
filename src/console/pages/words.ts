/** Codes of the registry and the evidence in the words of people. A code without words here is shown as it is. */
import type { ActType, DataKind, Direction, Status } from '../../domain/vocabulary.ts'
import type { Standing } from '../../ops/health.ts'
import type { Language, Said } from '../../web/language.ts'
import type { Role } from '../ports.ts'

export const STATUS: Readonly<Record<Status, Said>> = {
  draft: { fr: 'brouillon', en: 'draft' },
  requested: { fr: 'demandée', en: 'requested' },
  awaiting_confirmation: { fr: 'en attente de confirmation', en: 'awaiting confirmation' },
  awaiting_check: { fr: 'en attente de vérification', en: 'awaiting check' },
  active: { fr: 'en vigueur', en: 'in force' },
  suspended: { fr: 'suspendue', en: 'suspended' },
  refused: { fr: 'refusée', en: 'refused' },
  ended: { fr: 'terminée', en: 'ended' },
}

export const ACT: Readonly<Record<ActType, Said>> = {
  create: { fr: 'création', en: 'created' },
  request: { fr: 'demande', en: 'requested' },
  send: { fr: 'envoi à la personne', en: 'sent to the person' },
  file: { fr: 'dépôt des pièces', en: 'documents filed' },
  refuse: { fr: 'refus de la personne', en: 'refused by the person' },
  give: { fr: 'accord de la personne', en: 'given by the person' },
  confirm: { fr: 'confirmation', en: 'confirmed' },
  activate: { fr: 'entrée en vigueur', en: 'came into force' },
  suspend: { fr: 'suspension', en: 'suspended' },
  resume: { fr: 'reprise', en: 'resumed' },
  renew: { fr: 'renouvellement', en: 'renewed' },
  amend: { fr: 'modification', en: 'amended' },
  malformed: { fr: 'demande mal formée', en: 'malformed' },
  timed_out: { fr: 'sans réponse à temps', en: 'timed out' },
  rejected_check: { fr: 'rejet à la vérification', en: 'check failed' },
  rejected_by_dso: { fr: 'rejet du gestionnaire de réseau', en: 'rejected by the network operator' },
  cancelled: { fr: 'annulation', en: 'cancelled' },
  withdrawn_by_subject: { fr: 'retrait par la personne', en: 'withdrawn by the person' },
  revoked_by_dso: { fr: 'révocation par le gestionnaire de réseau', en: 'revoked by the network operator' },
  revoked_by_controller: { fr: 'révocation par le responsable de traitement', en: 'revoked by the controller' },
  revoked_by_operator: { fr: 'révocation par l’exploitant', en: 'revoked by the operator' },
  terminated_by_recipient: { fr: 'fin demandée par le destinataire', en: 'ended by the recipient' },
  fulfilled: { fr: 'tout a été lu', en: 'fulfilled' },
  expired: { fr: 'expiration', en: 'expired' },
  superseded: { fr: 'remplacement par une autre', en: 'superseded' },
  holder_changed: { fr: 'changement de titulaire', en: 'holder changed' },
  invalidated: { fr: 'invalidation', en: 'invalidated' },
}

export const KIND: Readonly<Record<DataKind, Said>> = {
  load_curve: { fr: 'courbe de charge', en: 'load curve' },
  daily_energy: { fr: 'énergie quotidienne', en: 'daily energy' },
  published_reading: { fr: 'relevé publié', en: 'published reading' },
  index: { fr: 'index', en: 'index' },
  max_power: { fr: 'puissance maximale', en: 'maximum power' },
  contract_data: { fr: 'données du contrat', en: 'contract data' },
  technical_data: { fr: 'données techniques', en: 'technical data' },
  address: { fr: 'adresse', en: 'address' },
  identity: { fr: 'identité', en: 'identity' },
  contact: { fr: 'coordonnées', en: 'contact' },
  infraday: { fr: 'données intrajournalières', en: 'intraday data' },
  aggregate: { fr: 'agrégat', en: 'aggregate' },
}

export const DIRECTION: Readonly<Record<Direction, Said>> = {
  withdrawal: { fr: 'soutirage', en: 'withdrawal' },
  injection: { fr: 'injection', en: 'injection' },
  n_a: { fr: 'sans sens', en: 'no direction' },
}

export const RESULT: Readonly<Record<string, Said>> = {
  allow: { fr: 'accordée', en: 'allowed' },
  narrow: { fr: 'réduite', en: 'narrowed' },
  deny: { fr: 'refusée', en: 'refused' },
}

export const ROLE: Readonly<Record<Role, Said>> = {
  operator: { fr: 'exploitant', en: 'operator' },
  auditor: { fr: 'auditeur', en: 'auditor' },
}

export const STANDING: Readonly<Record<Standing, Said>> = {
  ok: { fr: 'en ordre', en: 'in order' },
  stale: { fr: 'périmé', en: 'stale' },
  slow: { fr: 'lent', en: 'slow' },
  down: { fr: 'en panne', en: 'down' },
  off: { fr: 'non utilisé', en: 'not used' },
}

export const SEAL: Readonly<Record<string, Said>> = {
  none: { fr: 'rien n’est scellé', en: 'nothing is sealed' },
  open: { fr: 'ouvert', en: 'open' },
  closed: { fr: 'en partie fermé', en: 'partly closed' },
  erased: { fr: 'effacé : la clé n’existe plus', en: 'erased: the key is gone' },
}

export function wordOf(words: Readonly<Record<string, Said>>, code: string, language: Language): string {
  return Object.hasOwn(words, code) ? (words[code]?.[language] ?? code) : code
}
