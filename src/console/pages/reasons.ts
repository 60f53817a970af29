/** Reasons of refusals in both languages. English is the catalogue's own; a reason without French does not compile. */
import type { Reason } from '../../domain/errors.ts'
import { REASONS } from '../../domain/errors.ts'
import type { Language } from '../../web/language.ts'
import type { Explained } from '../ports.ts'

const FRENCH: Readonly<Record<Reason, readonly [title: string, help: string]>> = {
  no_permission: ['aucune autorisation du client ne couvre ce compteur', 'Demander une autorisation au titulaire du compteur'],
  not_active: ['l’autorisation n’est pas en vigueur', 'Demander une nouvelle autorisation au titulaire du compteur'],
  suspended: ['l’autorisation est suspendue', 'Attendre que la cause soit levée'],
  not_yet_valid: ['l’autorisation n’est pas encore en vigueur', 'Redemander quand elle le sera'],
  expired: ['l’autorisation a expiré', 'Demander une nouvelle autorisation au titulaire du compteur'],
  withdrawn: ['l’autorisation a été retirée', 'Ne plus lire ce compteur'],
  meter_not_covered: ['le jeton ne couvre pas ce compteur', 'Utiliser un jeton qui comprend l’autorisation'],
  kind_not_covered: ['l’autorisation n’ouvre pas cette sorte de données', 'Demander une autorisation pour cette sorte de données'],
  direction_not_covered: ['l’autorisation n’ouvre pas ce sens', 'Demander une autorisation pour ce sens'],
  step_too_fine: ['l’autorisation n’ouvre que des données moins fines', 'Demander la série moins fine'],
  period_outside: ['aucun jour demandé n’est dans l’autorisation', 'Demander des jours de l’autorisation'],
  purpose_missing: ['le jeton ne nomme aucune finalité', 'Donner au client un secret qui en a une'],
  purpose_mismatch: ['l’autorisation est pour une autre finalité', 'Utiliser le secret de la finalité autorisée'],
  recipient_mismatch: ['l’autorisation nomme un autre destinataire de la chaîne', 'Utiliser le secret du destinataire nommé'],
  chain_broken: ['la chaîne des sous-traitants n’est pas en vigueur', 'Vérifier les contrats de la chaîne'],
  token_unbound: ['le jeton n’est pas lié à ce client', 'Présenter le jeton avec la clé à laquelle il est lié'],
  evidence_missing: ['la pièce justificative manque', 'La déposer'],
  proof_overdue: ['une preuve demandée par le détenteur des données est en retard', 'L’envoyer'],
  proof_ko: ['le détenteur des données a refusé la preuve', 'La reprendre avec lui'],
  holder_unverified: ['on ne sait plus qui est titulaire du contrat de ce compteur', 'Vérifier le titulaire'],
  holder_changed: ['le contrat de ce compteur a un nouveau titulaire', 'Demander une autorisation au nouveau titulaire'],
  source_binding_missing: ['aucun compte de la passerelle ne lit ce compteur', 'Lier l’autorisation à un compte'],
  onward_sharing_forbidden: ['l’autorisation interdit de transmettre les données', 'Demander une autorisation en propre'],
  aggregate_too_small: ['l’agrégat a trop peu de membres', 'Demander un agrégat plus grand'],
  unknown_route: ['la passerelle ne sert pas ce chemin', 'Voir les chemins dans la documentation'],
  malformed: ['la demande est mal formée', 'Corriger la demande'],
  token_invalid: ['le jeton n’est pas valable', 'Obtenir un nouveau jeton'],
  token_expired: ['le jeton a expiré', 'Obtenir un nouveau jeton'],
  client_disabled: ['le client est désactivé', 'Le réactiver dans les réglages'],
  rule_missing: ['aucune règle de la politique ne permet à cette finalité de lire cela', 'Ajouter une règle'],
  window_too_long: ['la période demandée est plus longue que la politique ne le permet', 'Demander une période plus courte'],
  too_old: ['la période demandée est trop ancienne pour être lue', 'Demander des jours plus récents'],
  too_often: ['l’autorisation ne permet pas encore une autre lecture', 'Redemander plus tard'],
  quota_gate: ['la part du client sur la passerelle est épuisée', 'Ralentir, puis redemander'],
  quota_holder: ['le quota auprès du détenteur des données est épuisé', 'Redemander plus tard'],
  holder_refused: ['le détenteur des données a refusé l’appel', 'Voir son code dans l’entrée'],
  holder_down: ['le détenteur des données n’a pas répondu', 'Redemander plus tard'],
  not_translatable: ['cela n’existe pas dans la forme demandée par le client', 'Utiliser l’autre génération, ou la forme du détenteur'],
  evidence_unavailable: ['la demande n’a pas pu être notée, donc pas envoyée', 'Redemander plus tard'],
}

type Explanation = NonNullable<Explained['explanation']>

/** The one fact that decided. */
export function factIn(language: Language, { decision, fact, lines }: Explanation): string {
  if (language === 'en') return fact
  const decided = lines.filter((line) => line.decided)
  const names = decided.map(({ line, permission }) => `la ligne ${line} de l’autorisation ${permission}`).join(', ')
  if (decision.result !== 'deny')
    return `${names} ${decided.length > 1 ? 'ouvrent' : 'ouvre'} ce qui était demandé${decision.result === 'narrow' ? ' ; les autres jours ne sont ouverts à personne ici' : ''}`
  const title = isReason(decision.reason) ? FRENCH[decision.reason][0] : fact
  const [told] = decided
  return told?.why === decision.reason && names !== '' ? `${names} va jusqu’à l’étape ${told?.stage} : ${title}` : title
}

/** What would help, where somebody can do something. */
export function helpIn(language: Language, { decision, help }: Explanation): string | null {
  return language === 'fr' && help !== null && isReason(decision.reason) ? FRENCH[decision.reason][1] : help
}

/** A code of the catalogue as people read it; any other as it stands. */
export function reasonIn(language: Language, code: string): string {
  if (!isReason(code)) return code
  return language === 'fr' ? FRENCH[code][0] : REASONS[code].title.toLowerCase()
}

function isReason(code: string | undefined): code is Reason {
  return code !== undefined && Object.hasOwn(REASONS, code)
}
