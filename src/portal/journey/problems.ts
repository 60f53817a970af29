/** What a person reads where a journey cannot go on: what happened, that nothing was given by it, and what to do. */
import type { Problem } from '../frame.ts'
import type { FailedBecause } from './journey.ts'

/** Why a journey gave nothing, and what the person can do. */
export const FAILED: Readonly<Record<FailedBecause, Omit<Problem, 'next'>>> = {
  claimed: {
    title: { fr: 'Ce partage a déjà été utilisé', en: 'This share was used already' },
    what: {
      fr: 'Le partage confirmé par Enedis a déjà servi ici. Par prudence, rien n’est accordé.',
      en: 'The share that Enedis confirms has served here already. To be safe, nothing is given.',
    },
    help: {
      fr: 'Si vous venez de partager vous-même ce compteur, écrivez à l’exploitant : quelqu’un d’autre a peut-être essayé en même temps que vous.',
      en: 'If you have just shared this meter yourself, write to the operator: somebody else may have tried at the same time.',
    },
  },
  foreign: {
    title: { fr: 'Ce partage n’est pas celui que vous venez de faire', en: 'This is not the share that you have just made' },
    what: {
      fr: 'Enedis connaît ce partage, mais il est plus ancien que votre demande.',
      en: 'Enedis knows this share, but it is older than your request.',
    },
    help: {
      fr: 'Supprimez l’ancien partage dans votre compte Enedis, puis recommencez.',
      en: 'Remove the old share in your Enedis account, then start again.',
    },
  },
  nothing_shared: {
    title: { fr: 'Enedis n’a rien enregistré', en: 'Enedis recorded nothing' },
    what: {
      fr: 'Enedis ne confirme aucun partage pour cette demande. Rien n’est accordé.',
      en: 'Enedis confirms no share for this request. Nothing is given.',
    },
    help: { fr: 'Recommencez dans quelques minutes.', en: 'Start again in a few minutes.' },
  },
  nothing_asked_shared: {
    title: { fr: 'Rien de ce que vous avez coché n’est partagé', en: 'Nothing that you ticked is shared' },
    what: {
      fr: 'Chez Enedis, vous n’avez partagé aucune des données que vous aviez cochées ici. Rien n’est accordé.',
      en: 'At Enedis, you shared none of the data that you ticked here. Nothing is given.',
    },
    help: {
      fr: 'Supprimez ce partage dans votre compte Enedis et recommencez, en y cochant les mêmes données.',
      en: 'Remove this share in your Enedis account and start again, ticking the same data there.',
    },
  },
  holder_failed: {
    title: { fr: 'Enedis ne répond pas', en: 'Enedis does not answer' },
    what: {
      fr: 'La vérification auprès d’Enedis n’a pas abouti. Rien n’est accordé.',
      en: 'The check with Enedis did not succeed. Nothing is given.',
    },
    help: { fr: 'Recommencez plus tard.', en: 'Start again later.' },
  },
  restricted: {
    title: { fr: 'Rien ne peut être accordé sur ce compteur', en: 'Nothing can be given on this meter' },
    what: {
      fr: 'Une limitation ou un effacement a été demandé pour ce compteur (RGPD, articles 17 et 18). Rien n’est accordé.',
      en: 'A restriction or an erasure was asked for on this meter (GDPR, articles 17 and 18). Nothing is given.',
    },
    help: {
      fr: 'Écrivez à l’exploitant pour la faire lever, puis recommencez.',
      en: 'Write to the operator to have it lifted, then start again.',
    },
  },
  gone: {
    title: { fr: 'Ce service ne demande plus rien', en: 'This service no longer asks for anything' },
    what: {
      fr: 'Le service n’est plus ouvert ici depuis que vous avez commencé. Rien n’est accordé.',
      en: 'The service is no longer open here since you began. Nothing is given.',
    },
    help: {
      fr: 'Supprimez dans votre compte Enedis le partage que vous venez peut-être d’y faire.',
      en: 'Remove in your Enedis account the share that you may just have made there.',
    },
  },
  malformed: {
    title: { fr: 'Retour illisible', en: 'Unreadable return' },
    what: {
      fr: 'Ce qui est revenu d’Enedis ne peut pas être lu. Rien n’est accordé.',
      en: 'What came back from Enedis cannot be read. Nothing is given.',
    },
    help: { fr: 'Recommencez depuis le service qui vous a envoyé ici.', en: 'Start again from the service that sent you here.' },
  },
}

/** The journey is not this browser's, or there is none. */
export const STRANGER: Problem = {
  title: { fr: 'Cette demande n’est pas ouverte ici', en: 'This request is not open here' },
  what: {
    fr: 'Cette page appartient à un autre navigateur, ou a expiré. Rien n’est accordé.',
    en: 'This page belongs to another browser, or has expired. Nothing is given.',
  },
  help: { fr: 'Recommencez depuis le service qui vous a envoyé ici.', en: 'Start again from the service that sent you here.' },
}
export const NOT_OURS: Problem = {
  title: { fr: 'Formulaire périmé', en: 'Outdated form' },
  what: {
    fr: 'Ce formulaire ne vient pas de cette page. Rien n’a été fait.',
    en: 'This form does not come from this page. Nothing was done.',
  },
  help: { fr: 'Rechargez la page et recommencez.', en: 'Reload the page and try again.' },
}
export const CLOSED: Problem = {
  title: { fr: 'Momentanément fermé', en: 'Closed for the moment' },
  what: {
    fr: 'Ce qui se décide ici doit être consigné, et ne peut pas l’être maintenant.',
    en: 'What is decided here must be recorded, and cannot be now.',
  },
  help: { fr: 'Réessayez dans quelques minutes.', en: 'Try again in a few minutes.' },
}

/** The permission stands; the device or program that asked for it has given up meanwhile. */
export const NOBODY_WAITS: Problem = {
  title: { fr: 'Votre appareil n’attend plus', en: 'Your device waits no more' },
  what: {
    fr: 'Votre accord est enregistré, mais le code de l’appareil n’est plus valable : il ne pourra rien lire.',
    en: 'Your permission is on record, but the code of the device is no longer valid: it will read nothing.',
  },
  help: {
    fr: 'Recommencez depuis l’appareil ; vous pouvez retirer cet accord sur « Mes autorisations ».',
    en: 'Start again from the device; you can withdraw this permission on “My permissions”.',
  },
  next: { href: '/me', text: { fr: 'Mes autorisations', en: 'My permissions' } },
}

/** In place of «nothing is given», where something was before the service was gone. */
export const KEPT = {
  what: {
    fr: 'Le service n’est plus ouvert ici. Ce que vous avez accordé est enregistré, et vous pouvez le retirer.',
    en: 'The service is no longer open here. What you allowed is on record, and you can withdraw it.',
  },
  help: { fr: 'Voyez « Mes autorisations ».', en: 'See “My permissions”.' },
  next: { href: '/me', text: { fr: 'Mes autorisations', en: 'My permissions' } },
} as const
