/**
 * Every code with which GRDF refuses, as far as they are known: seven digits about data, ten about rights. What a code
 * means depends on the call. The sentences are ours.
 *
 * Source: Swagger 1.6, and clients that quote the error list.
 */
interface Code {
  readonly status: number
  readonly code: string
  readonly text: string
}
const said = (status: number, code: string, text: string): Code => ({ status, code, text })

export const DATA_CODES = {
  moved_out: said(200, '1000000', 'Le titulaire a quitté le point de comptage.'),
  expired: said(200, '1000001', "Le droit d'accès est expiré."),
  // Seen as 403 too.
  no_right: said(200, '1000002', "Aucun droit d'accès utilisable sur ce point."),
  pce_format: said(400, '1000005', "Le format de l'identifiant PCE est incorrect."),
  no_data: said(200, '1000008', 'Aucune donnée sur la période demandée.'),
  no_published: said(200, '1000009', "Le périmètre du droit d'accès ne contient pas les données publiées."),
  // Elsewhere told to be a beginning that is too old, which here has no code.
  no_informative: said(200, '1000010', "Le périmètre du droit d'accès ne contient pas les données informatives."),
  proof_invalid: said(200, '1000011', "La preuve de consentement n'est pas valide."),
  revoked: said(200, '1000014', "Le titulaire a révoqué le droit d'accès."),
  end_future: said(400, '1000016', 'La date de fin doit être antérieure ou égale à la date du jour.'),
  partial: said(200, '2000100', 'Erreur partielle : relancer sur la période indiquée.'),
} as const satisfies Record<string, Code>
export type DataCode = keyof typeof DATA_CODES

export const RIGHT_CODES = {
  done: said(200, '0000000000', 'Traitement réalisé.'),
  active: said(201, '0000000000', "Le droit d'accès est actif."),
  waiting: said(201, '0000000002', 'En attente de la validation du titulaire.'),
  exists: said(409, '1000000003', "Un droit d'accès existe déjà."),
  contract_ended: said(409, '1000000004', 'Le contrat de gaz est terminé.'),
  postcode_differs: said(409, '1000000005', 'Le code postal ne correspond pas.'),
  pce_unknown: said(404, '1000000006', 'PCE inconnu.'),
  revoked: said(409, '1000000013', "Le droit d'accès est déjà révoqué."),
  incoherent: said(409, '1000000022', 'Les données transmises sont incohérentes.'),
  email_format: said(400, '1000000024', 'Le format du courriel est incorrect.'),
  name_missing: said(400, '1000000026', 'Le nom ou la raison sociale est obligatoire.'),
  postcode_missing: said(400, '1000000027', 'Le code postal est obligatoire.'),
  email_missing: said(400, '1000000028', 'Le courriel du titulaire est obligatoire.'),
  contract_missing: said(400, '1000000031', 'Le périmètre des données contractuelles est obligatoire.'),
  postcode_format: said(400, '1000000036', 'Le format du code postal est incorrect.'),
  pce_format: said(400, '1000000037', 'Le format du PCE est incorrect.'),
  name_twice: said(400, '1000000039', 'Le nom et la raison sociale ne peuvent être renseignés ensemble.'),
  // Of each period one code is known: it stands for both of its ends.
  consumption_missing: said(400, '1000000041', 'La période des données de consommation est obligatoire.'),
  injection_missing: said(400, '1000000048', "La période des données d'injection est obligatoire."),
  role_missing: said(400, '2000000006', 'Le rôle du tiers est obligatoire.'),
  // A code that is only known to be technical stands for a body that the schema refuses: null, unknown, of another type.
  unreadable: said(400, '2000000007', 'La requête est invalide.'),
  list_too_long: said(400, '2000000009', 'Plus de 1000 PCE demandés.'),
  list_unauthorized: said(401, '1000000001', 'Jeton absent ou expiré.'),
  no_right: said(404, '1000000001', "Aucun droit d'accès trouvé."),
  revoke_unreadable: said(400, '2000000003', 'La requête est invalide.'),
  proof_not_multipart: said(415, '2000000002', 'Le format transmis est refusé.'),
  proof_format: said(400, '2000000002', 'Le format du fichier est refusé.'),
  proof_not_asked: said(409, '2000000003', 'Aucune preuve demandée.'),
  proof_too_large: said(400, '2000000005', 'Le fichier dépasse 4 Mo.'),
} as const satisfies Record<string, Code>
export type RightCode = keyof typeof RIGHT_CODES

/** The pair that each answer about rights carries. */
export function treatment(id: RightCode): { readonly code_statut_traitement: string; readonly message_retour_traitement: string } {
  const { code, text } = RIGHT_CODES[id]
  return { code_statut_traitement: code, message_retour_traitement: text }
}

export function restitution(id: DataCode): { readonly code: string; readonly message: string } {
  const { code, text } = DATA_CODES[id]
  return { code, message: text }
}
