/** Acts, bases, results and reasons in the words of the person's pages. What is common to all pages is in `../words.ts`. */
import type { Reason } from '../../domain/errors.ts'
import { REASONS } from '../../domain/errors.ts'
import type { OutcomeResult } from '../../domain/record.ts'
import type { ActType, EndReason, GdprBasis, SuspendCause } from '../../domain/vocabulary.ts'
import type { Language, Said } from '../../web/language.ts'
import { END_WORDS } from '../words.ts'

const ACT_WORDS: Readonly<Record<Exclude<ActType, EndReason>, Said>> = {
  create: { fr: 'Demande préparée', en: 'Request prepared' },
  request: { fr: 'Demande présentée', en: 'Request shown' },
  send: { fr: 'Demande transmise pour confirmation', en: 'Request sent for confirmation' },
  file: { fr: 'Accord versé au dossier', en: 'Agreement filed' },
  refuse: { fr: 'Refusée', en: 'Refused' },
  give: { fr: 'Accord donné', en: 'Agreement given' },
  confirm: { fr: 'Accord confirmé', en: 'Agreement confirmed' },
  activate: { fr: 'Vérifiée et entrée en vigueur', en: 'Checked and in force' },
  suspend: { fr: 'Suspendue', en: 'Suspended' },
  resume: { fr: 'Reprise', en: 'Resumed' },
  renew: { fr: 'Renouvelée', en: 'Renewed' },
  amend: { fr: 'Modifiée', en: 'Amended' },
}
export const SUSPEND_WORDS: Readonly<Record<SuspendCause, Said>> = {
  dso_signal: { fr: 'signal du gestionnaire de réseau', en: 'a signal of the network operator' },
  proof_overdue: { fr: 'justificatif attendu', en: 'a proof is awaited' },
  proof_ko: { fr: 'justificatif refusé', en: 'a proof was refused' },
  dispute: { fr: 'contestation', en: 'a dispute' },
  holder_doubt: { fr: 'doute sur le titulaire', en: 'doubt about who holds the contract' },
  restriction: { fr: 'limitation que vous avez demandée', en: 'restriction that you asked for' },
  holder_refused: { fr: 'refus du gestionnaire de réseau', en: 'refusal of the network operator' },
}
export const BASIS_WORDS: Readonly<Record<GdprBasis, Said>> = {
  consent: { fr: 'votre consentement (RGPD, article 6.1.a)', en: 'your consent (GDPR, article 6(1)(a))' },
  contract: { fr: 'un contrat avec vous (RGPD, article 6.1.b)', en: 'a contract with you (GDPR, article 6(1)(b))' },
  legal_obligation: { fr: 'une obligation légale (RGPD, article 6.1.c)', en: 'a legal obligation (GDPR, article 6(1)(c))' },
  public_task: { fr: 'une mission d’intérêt public (RGPD, article 6.1.e)', en: 'a public task (GDPR, article 6(1)(e))' },
  legitimate_interest: { fr: 'un intérêt légitime (RGPD, article 6.1.f)', en: 'a legitimate interest (GDPR, article 6(1)(f))' },
  not_personal: { fr: 'votre accord (ces données ne sont pas personnelles)', en: 'your agreement (these data are not personal)' },
}
const RESULT_WORDS: Readonly<Record<OutcomeResult | 'under_way' | 'refused', Said>> = {
  delivered: { fr: 'Données remises', en: 'Data delivered' },
  delivered_from_store: { fr: 'Données déjà lues, remises à nouveau', en: 'Data read before, delivered again' },
  no_data: { fr: 'Aucune donnée disponible', en: 'No data available' },
  upstream_error: { fr: 'Erreur du gestionnaire de réseau', en: 'Error of the network operator' },
  unreadable: { fr: 'Réponse illisible, rien n’a été remis', en: 'Unreadable answer, nothing was delivered' },
  dso_refused: { fr: 'Refus du gestionnaire de réseau', en: 'Refused by the network operator' },
  client_abort: { fr: 'Interrompu par le service', en: 'Broken off by the service' },
  withdrawn: { fr: 'Interrompu par votre retrait', en: 'Cut off by your withdrawal' },
  limit: { fr: 'Interrompu : réponse trop grande', en: 'Cut off: the answer was too large' },
  timeout: { fr: 'Interrompu : délai dépassé', en: 'Cut off: it took too long' },
  not_sent: { fr: 'Non transmis au gestionnaire de réseau', en: 'Not sent to the network operator' },
  interrupted: { fr: 'Interrompu par un arrêt de la passerelle', en: 'Interrupted when the gate stopped' },
  under_way: { fr: 'En cours', en: 'Under way' },
  refused: { fr: 'Refusé : rien n’a été lu', en: 'Refused: nothing was read' },
}
const REASON_WORDS: Partial<Readonly<Record<Reason, Said>>> = {
  not_active: { fr: 'l’autorisation n’était pas en vigueur', en: 'the permission was not in force' },
  suspended: { fr: 'l’autorisation était suspendue', en: 'the permission was suspended' },
  not_yet_valid: { fr: 'l’autorisation n’avait pas commencé', en: 'the permission had not begun' },
  expired: { fr: 'l’autorisation était arrivée à son terme', en: 'the permission had expired' },
  withdrawn: { fr: 'vous aviez retiré l’autorisation', en: 'you had withdrawn the permission' },
  meter_not_covered: { fr: 'ce compteur n’était pas couvert', en: 'this meter was not covered' },
  kind_not_covered: { fr: 'ce type de données n’était pas couvert', en: 'this kind of data was not covered' },
  direction_not_covered: {
    fr: 'ce sens (consommation ou production) n’était pas couvert',
    en: 'consumption or production was not covered',
  },
  step_too_fine: { fr: 'des relevés plus fins que permis étaient demandés', en: 'finer readings than permitted were asked for' },
  period_outside: { fr: 'ces jours n’étaient pas couverts', en: 'these days were not covered' },
  purpose_mismatch: { fr: 'c’était pour un autre usage', en: 'it was for another purpose' },
  holder_changed: { fr: 'le titulaire du contrat avait changé', en: 'the contract holder had changed' },
  too_often: { fr: 'c’était plus souvent que permis', en: 'it was more often than permitted' },
  too_old: { fr: 'ces jours sont trop anciens', en: 'these days are too far back' },
  window_too_long: { fr: 'la période demandée était trop longue', en: 'the period asked for was too long' },
  malformed: { fr: 'la demande était mal formée', en: 'the request was malformed' },
  holder_refused: { fr: 'le gestionnaire de réseau a refusé', en: 'the network operator refused' },
  holder_down: { fr: 'le gestionnaire de réseau ne répondait pas', en: 'the network operator did not answer' },
}
const BY_WORDS: Readonly<Record<(typeof REASONS)[Reason]['by'], Said>> = {
  gate: { fr: 'la passerelle a refusé', en: 'the gate refused' },
  person: { fr: 'votre autorisation ne le couvrait pas', en: 'your permission did not cover it' },
  holder: { fr: 'le gestionnaire de réseau a refusé', en: 'the network operator refused' },
  quota: { fr: 'trop de demandes à la fois', en: 'too many requests at once' },
  caller: { fr: 'le service s’est mal présenté', en: 'the service did not identify itself properly' },
}
const ROLE_WORDS: Readonly<Record<string, Said>> = {
  data_subject: { fr: 'vous', en: 'you' },
  contract_holder: { fr: 'le titulaire du contrat', en: 'the contract holder' },
  operator: { fr: 'l’exploitant', en: 'the operator' },
  controller: { fr: 'le service', en: 'the service' },
  recipient: { fr: 'le service', en: 'the service' },
  data_holder: { fr: 'le gestionnaire de réseau', en: 'the network operator' },
  dso: { fr: 'le gestionnaire de réseau', en: 'the network operator' },
  gate: { fr: 'la passerelle', en: 'the gate' },
}
const CHANNEL_WORDS: Readonly<Record<string, Said>> = {
  web: { fr: 'sur le web', en: 'on the web' },
  paper: { fr: 'sur papier', en: 'on paper' },
  mail: { fr: 'par courrier', en: 'by post' },
  phone: { fr: 'par téléphone', en: 'by telephone' },
  counter: { fr: 'au guichet', en: 'at a counter' },
  clock: { fr: 'à l’échéance', en: 'when it was due' },
  api: { fr: 'par ses outils', en: 'by its tools' },
  console: { fr: 'par ses outils', en: 'by its tools' },
  delivery: { fr: 'à la remise des données', en: 'when the data were delivered' },
  reconciliation: { fr: 'par comparaison avec lui', en: 'by comparison with it' },
  mandate: { fr: 'par un formulaire à signer', en: 'by a form to be signed' },
}

/** An act as the timeline tells it. A code that is none of ours is shown as it stands. */
export function actIn(language: Language, type: string): string {
  const said = ACT_WORDS[type as keyof typeof ACT_WORDS] as Said | undefined
  if (said) return said[language]
  const ended = END_WORDS[type as EndReason] as Said | undefined
  if (!ended) return type
  return language === 'fr' ? `Terminée : ${ended.fr}` : `Ended: ${ended.en}`
}
export function roleIn(language: Language, role: string): string {
  return ROLE_WORDS[role]?.[language] ?? role
}
export function channelIn(language: Language, channel: string): string {
  return CHANNEL_WORDS[channel]?.[language] ?? channel
}
export function resultIn(language: Language, result: string): string {
  return (RESULT_WORDS[result as keyof typeof RESULT_WORDS] as Said | undefined)?.[language] ?? result
}
export function reasonIn(language: Language, reason: string): string {
  const own =
    REASON_WORDS[reason as Reason] ?? BY_WORDS[(REASONS[reason as Reason] as { by: keyof typeof BY_WORDS } | undefined)?.by ?? 'gate']
  return own[language]
}
