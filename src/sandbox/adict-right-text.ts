/** A right as GRDF writes it: in the answer to its declaration, and in the lists. Stamps are on the clocks of Paris. */
import { parisStamp } from './adict-gas.ts'
import type { AdictRight, Family, ProofState, RightState } from './adict-rights.ts'

export type Json = Readonly<Record<string, unknown>>

export const STATE_LABELS: Readonly<Record<RightState, string>> = {
  to_validate: 'A valider',
  active: 'Active',
  to_check: 'A revérifier',
  refused: 'Refusée',
  revoked: 'Révoquée',
  obsolete: 'Obsolète',
}
export const PROOF_LABELS: Readonly<Record<ProofState, string>> = {
  awaited: 'Preuve en attente',
  being_checked: 'Preuve en cours de vérification',
  ok: 'Preuve Vérifiée OK',
  ko: 'Preuve Vérifiée KO',
}
// The words of sources are not known.
const SOURCES: Readonly<Record<NonNullable<AdictRight['ended']>['by'], string>> = {
  holder: 'TITULAIRE',
  third_party: 'TIERS',
  end: 'GRDF',
  move: 'GRDF',
}

/** Flat beside its treatment pair: no source says how the two are joined. */
export function declaredText(right: AdictRight): Json {
  return {
    id_droit_acces: right.id,
    id_pce: right.pce,
    role_tiers: right.role,
    etat_droit_acces: STATE_LABELS[right.state],
    date_creation_droit_acces: parisStamp(right.createdAt),
    date_debut_droit_acces: right.validFrom,
    date_fin_droit_acces: right.validUntil,
    ...holderText(right),
    courriel_titulaire: right.email,
    code_postal: right.postcode,
    ...perimeter(right),
    parcours: right.journey,
  }
}

export function listedText(right: AdictRight, thirdParty: string): Json {
  const { ended, proof } = right
  const end = (state: RightState): readonly [string | null, string | null] =>
    right.state === state && ended ? [parisStamp(ended.at), SOURCES[ended.by]] : [null, null]
  const [[revoked, revokedBy], [obsolete, obsoleteBy], [refused, refusedBy]] = [end('revoked'), end('obsolete'), end('refused')]
  return {
    id_droit_acces: right.id,
    id_pce: right.pce,
    role_tiers: right.role,
    raison_sociale_du_tiers: thirdParty,
    ...holderText(right),
    courriel_titulaire: right.email,
    numero_telephone_mobile_titulaire: right.phone,
    code_postal: right.postcode,
    date_debut_droit_acces: right.validFrom,
    date_fin_droit_acces: right.validUntil,
    ...perimeter(right),
    date_creation: parisStamp(right.createdAt),
    etat_droit_acces: STATE_LABELS[right.state],
    date_revocation: revoked,
    source_revocation: revokedBy,
    date_passage_a_obsolete: obsolete,
    source_passage_a_obsolete: obsoleteBy,
    date_passage_a_refuse: refused,
    source_passage_a_refuse: refusedBy,
    parcours: right.journey,
    statut_controle_preuve: proof && PROOF_LABELS[proof.state],
    date_limite_transmission_preuve: proof && proof.deadline,
  }
}

function holderText({ holder }: AdictRight): Json {
  return {
    nom_titulaire: holder.is === 'person' ? holder.name : null,
    raison_sociale_du_titulaire: holder.is === 'company' ? holder.name : null,
  }
}

/** A right on injections has the other period, and no key of informative data at all. */
function perimeter({ role, dataFrom, dataUntil, families }: AdictRight): Json {
  const injects = role.endsWith('INJECTION')
  const has = (family: Family): string => (families.includes(family) ? 'Vrai' : 'Faux')
  return {
    ...(injects
      ? { perim_donnees_inj_debut: dataFrom, perim_donnees_inj_fin: dataUntil }
      : { perim_donnees_conso_debut: dataFrom, perim_donnees_conso_fin: dataUntil }),
    perim_donnees_contractuelles: has('contract'),
    perim_donnees_techniques: has('technical'),
    ...(!injects && { perim_donnees_informatives: has('informative') }),
    perim_donnees_publiees: has('published'),
  }
}
