/** What can go wrong while a person says who it is, in words that say what to do. Nothing of a provider's answer is repeated. */
import type { Problem } from '../frame.ts'

const AGAIN = { href: '/me', text: { fr: 'Mes autorisations', en: 'My permissions' } } as const

export const FOREIGN_FORM: Problem = {
  title: { fr: 'Formulaire refusé', en: 'Form refused' },
  what: {
    fr: 'Ce formulaire ne vient pas d’une page ouverte dans ce navigateur, ou elle est trop ancienne. Rien n’a changé.',
    en: 'This form does not come from a page that is open in this browser, or the page is too old. Nothing has changed.',
  },
  help: { fr: 'Rouvrez la page et recommencez.', en: 'Open the page again and try once more.' },
  next: AGAIN,
}
export const NOT_PROVEN: Problem = {
  title: { fr: 'Identité non confirmée', en: 'Identity not confirmed' },
  what: {
    fr: 'FranceConnect n’a pas confirmé votre identité, ou sa réponse n’a pas pu être vérifiée. Rien n’a changé.',
    en: 'FranceConnect did not confirm your identity, or its answer could not be verified. Nothing has changed.',
  },
  help: {
    fr: 'Réessayez, ou passez par Enedis ou par un lien à usage unique.',
    en: 'Try again, or come through Enedis or a one-time link.',
  },
  next: AGAIN,
}
export const UNREACHABLE: Problem = {
  title: { fr: 'FranceConnect ne répond pas', en: 'FranceConnect does not answer' },
  what: { fr: 'Rien n’a changé.', en: 'Nothing has changed.' },
  help: { fr: 'Réessayez plus tard, ou passez par Enedis.', en: 'Try again later, or come through Enedis.' },
  next: AGAIN,
}
export const TOO_OFTEN: Problem = {
  title: { fr: 'Trop de tentatives', en: 'Too many attempts' },
  what: { fr: 'Rien n’a changé.', en: 'Nothing has changed.' },
  help: { fr: 'Réessayez dans dix minutes.', en: 'Try again in ten minutes.' },
  next: AGAIN,
}
export const UNKNOWN_RETURN: Problem = {
  title: { fr: 'Retour inattendu', en: 'Unexpected return' },
  what: {
    fr: 'Ce retour de FranceConnect ne correspond à aucune demande en cours dans ce navigateur. Rien n’a changé.',
    en: 'This return from FranceConnect answers no request that is under way in this browser. Nothing has changed.',
  },
  help: { fr: 'Recommencez depuis le début.', en: 'Begin again.' },
  next: AGAIN,
}
export const SIGN_IN_FIRST: Problem = {
  title: { fr: 'Passez d’abord par Enedis', en: 'Come through Enedis first' },
  what: {
    fr: 'FranceConnect dit qui vous êtes, pas quel compteur est le vôtre : seules des autorisations ouvertes en passant par Enedis peuvent y être reliées. Rien n’a changé.',
    en: 'FranceConnect says who you are, not which meter is yours: only permissions opened by coming through Enedis can be linked to it. Nothing has changed.',
  },
  help: { fr: 'Ouvrez vos autorisations avec Enedis, puis reliez-les.', en: 'Open your permissions with Enedis, then link them.' },
  next: AGAIN,
}
