/**
 * «Mes autorisations»: the ways in for who is not known yet, and for who is: who may read what, until when, and who read
 * last. Pure. Sources: (EU) 2023/1162 article 8; code de l’énergie D. 341-22; FranceConnect's rules for its button.
 */
import type { Millis } from '../../domain/time.ts'
import { parisDay } from '../../domain/time.ts'
import type { EndReason, Status } from '../../domain/vocabulary.ts'
import type { Access } from '../../evidence/person.ts'
import type { Content, Html } from '../../web/html.ts'
import { html } from '../../web/html.ts'
import type { Language, Said } from '../../web/language.ts'
import { dayIn, momentIn } from '../../web/language.ts'
import { daysIn, END_WORDS, lineIn, STATUS_WORDS } from '../words.ts'
import type { Person } from '../visit.ts'
import type { Shown } from './records.ts'
import { isLive, nameOf } from './records.ts'
import { resultIn, SUSPEND_WORDS } from './words.ts'

export const TITLE: Said = { fr: 'Mes autorisations', en: 'My permissions' }
const T = {
  in: {
    fr: 'Voyez qui peut lire les données de votre compteur, qui les a lues, et retirez une autorisation. Aucun compte n’est à créer.',
    en: 'See who may read the data of your meter, who has read them, and withdraw a permission. There is no account to create.',
  },
  enedis: { fr: 'Avec votre compte Enedis', en: 'With your Enedis account' },
  enedisHow: {
    fr: 'Enedis vous demande de partager à nouveau votre compteur avec nous : c’est la preuve qu’il est le vôtre aujourd’hui. Ce passage ne donne à personne le droit de lire vos données.',
    en: 'Enedis asks you to share your meter with us once more: that proves that it is yours today. This step gives nobody the right to read your data.',
  },
  enedisGo: { fr: 'Continuer avec Enedis', en: 'Continue with Enedis' },
  or: { fr: 'OU', en: 'OR' },
  fc: { fr: 'Avec FranceConnect', en: 'With FranceConnect' },
  fcHow: {
    fr: 'FranceConnect dit qui vous êtes, pas quel compteur est le vôtre : il retrouve les autorisations que vous y avez reliées après être passé par Enedis.',
    en: 'FranceConnect says who you are, not which meter is yours: it finds the permissions that you linked to it after coming through Enedis.',
  },
  link: { fr: 'Avec un lien à usage unique', en: 'With a one-time link' },
  linkHow: {
    fr: 'Si vous n’avez pas de compte Enedis, par exemple après un accord sur papier, demandez un lien personnel à l’exploitant de cette passerelle. Il ne sert qu’une fois.',
    en: 'If you have no Enedis account, after an agreement on paper for instance, ask whoever runs this gate for a personal link. It works once.',
  },
  contact: { fr: 'Contact', en: 'Contact' },
  by: {
    data_connect: { fr: 'Vous êtes passé par Enedis.', en: 'You came through Enedis.' },
    franceconnect: { fr: 'Vous êtes passé par FranceConnect.', en: 'You came through FranceConnect.' },
    link: { fr: 'Vous êtes passé par un lien à usage unique.', en: 'You came through a one-time link.' },
  },
  until: { fr: 'La session se ferme d’elle-même le', en: 'The session ends by itself on' },
  none: {
    fr: 'Aucune autorisation en cours : personne ne peut lire vos données par cette passerelle.',
    en: 'No permission stands: nobody can read your data through this gate.',
  },
  noneLinked: {
    fr: 'Aucune autorisation n’est reliée à votre identité FranceConnect. Pour en relier une : passez une fois par Enedis, puis choisissez « Retrouver mes autorisations avec FranceConnect ».',
    en: 'No permission is linked to your FranceConnect identity. To link one: come through Enedis once, then choose “Find my permissions with FranceConnect”.',
  },
  current: { fr: 'En cours', en: 'Current' },
  past: { fr: 'Terminées', en: 'Ended' },
  body: { fr: 'Responsable des données', en: 'Responsible for the data' },
  contactOf: { fr: 'Contact pour vos droits', en: 'Contact for your rights' },
  reads: { fr: 'Peut lire', en: 'May read' },
  could: { fr: 'Pouvait lire', en: 'Could read' },
  asFrom: { fr: 'Depuis le', en: 'Since' },
  end: { fr: 'Jusqu’au', en: 'Until' },
  state: { fr: 'État', en: 'State' },
  last: { fr: 'Dernier accès', en: 'Last access' },
  never: { fr: 'Aucun accès à ce jour', en: 'No access so far' },
  see: { fr: 'Voir, vérifier ou retirer', en: 'See, check or withdraw' },
  seePast: { fr: 'Voir et vérifier', en: 'See and check' },
  all: { fr: 'Tout télécharger', en: 'Download everything' },
  allHow: {
    fr: 'Un fichier ZIP avec vos autorisations, les reçus et justificatifs, tous les accès et leurs preuves (RGPD, articles 15 et 20).',
    en: 'A ZIP file with your permissions, receipts and documents, all accesses and their proofs (GDPR, articles 15 and 20).',
  },
  link2: { fr: 'Retrouver mes autorisations avec FranceConnect', en: 'Find my permissions with FranceConnect' },
  linkHow2: {
    fr: 'Reliez ces autorisations à votre identité FranceConnect : la prochaine fois, vous n’aurez pas à repasser par Enedis. Nous ne gardons ni votre nom ni votre état civil, seulement une empreinte chiffrée.',
    en: 'Link these permissions to your FranceConnect identity: next time you need not come through Enedis. We keep neither your name nor your civil status, only a keyed fingerprint.',
  },
  unlink: { fr: 'Ne plus relier à FranceConnect', en: 'Unlink from FranceConnect' },
  unlinkHow: {
    fr: 'Ces autorisations sont reliées à une identité FranceConnect. Sans ce lien, il faudra repasser par Enedis ; les autorisations elles-mêmes ne changent pas.',
    en: 'These permissions are linked to a FranceConnect identity. Without that link you come through Enedis again; the permissions themselves do not change.',
  },
  out: { fr: 'Se déconnecter', en: 'Sign out' },
  outFc: { fr: 'Se déconnecter, aussi de FranceConnect', en: 'Sign out, of FranceConnect too' },
} as const

export interface WaysIn {
  readonly language: Language
  readonly field: Content
  readonly franceConnect: boolean
  readonly contact: string
}

export function waysIn({ language: l, field, franceConnect, contact }: WaysIn): Html {
  return html`<h1>${TITLE[l]}</h1>
    <p>${T.in[l]}</p>
    <section class="card" aria-labelledby="by-enedis">
      <h2 id="by-enedis">${T.enedis[l]}</h2>
      <p>${T.enedisHow[l]}</p>
      <p><a class="button" href="/me/enedis">${T.enedisGo[l]}</a></p>
    </section>
    ${
      franceConnect &&
      html`<p>${T.or[l]}</p>
        <section class="card" aria-labelledby="by-fc">
          <h2 id="by-fc">${T.fc[l]}</h2>
          <p>${T.fcHow[l]}</p>
          ${franceConnectButton(field, 'sign_in')}
        </section>`
    }
    <p>${T.or[l]}</p>
    <section class="card" aria-labelledby="by-link">
      <h2 id="by-link">${T.link[l]}</h2>
      <p>${T.linkHow[l]}</p>
      <dl class="facts">
        <dt>${T.contact[l]}</dt>
        <dd>${contact}</dd>
      </dl>
    </section>`
}

/** FranceConnect's own wording, never translated or changed, and its question beneath. */
function franceConnectButton(field: Content, intent: 'sign_in' | 'link'): Html {
  return html`<form method="post" action="/franceconnect/start">
      ${field}<input type="hidden" name="intent" value="${intent}" />
      <button class="fr-connect" type="submit" lang="fr">
        <span class="fr-connect__login">S’identifier avec</span> <span class="fr-connect__brand">FranceConnect</span>
      </button>
    </form>
    <p><a href="https://franceconnect.gouv.fr/" rel="noopener noreferrer" lang="fr">Qu’est-ce que FranceConnect ?</a></p>`
}

export interface Overview {
  readonly language: Language
  readonly field: Content
  readonly person: Person
  readonly endsAt: Millis
  readonly held: readonly (Shown & { readonly last: Access | undefined })[]
  readonly franceConnect: boolean
  /** Whether FranceConnect finds any of these permissions. */
  readonly linked: boolean
}

export function overview({ language: l, field, person, endsAt, held, franceConnect, linked }: Overview): Html {
  const live = held.filter(isLive)
  const past = held.filter((each) => !isLive(each))
  const none = held.length === 0 && person.method === 'franceconnect' ? T.noneLinked : T.none
  return html`<h1>${TITLE[l]}</h1>
    <p>${T.by[person.method][l]} ${T.until[l]} ${momentIn(l, endsAt)}.</p>
    <h2>${T.current[l]}</h2>
    ${live.length === 0 ? html`<p class="note">${none[l]}</p>` : live.map((each) => card(l, each, T.reads, T.see))}
    ${
      past.length > 0 &&
      html`<h2>${T.past[l]}</h2>
        ${past.map((each) => card(l, each, T.could, T.seePast))}`
    }
    ${
      held.length > 0 &&
      html`<h2>${T.all[l]}</h2>
        <p>${T.allHow[l]}</p>
        <form method="post" action="/me/export">${field}<button class="plain" type="submit">${T.all[l]}</button></form>`
    }
    ${
      franceConnect &&
      person.method === 'data_connect' &&
      held.length > 0 &&
      html`<h2>${T.link2[l]}</h2>
        <p>${T.linkHow2[l]}</p>
        ${franceConnectButton(field, 'link')}`
    }
    ${
      linked &&
      html`<h2>${T.unlink[l]}</h2>
        <p>${T.unlinkHow[l]}</p>
        <form method="post" action="/me/unlink">${field}<button class="plain" type="submit">${T.unlink[l]}</button></form>`
    }
    <form class="actions" method="post" action="/me/sign-out">
      ${field}<button class="plain" type="submit">${person.idToken === undefined ? T.out[l] : T.outFc[l]}</button>
    </form>`
}

function card(l: Language, held: Shown & { readonly last: Access | undefined }, reads: Said, see: Said): Html {
  const { record, client, last } = held
  const { scope } = record.content
  const id = `p-${record.id}`
  return html`<article class="card" aria-labelledby="${id}">
    <h3 id="${id}">${nameOf(held)}</h3>
    <dl class="facts">
      ${
        client?.ask &&
        html`<dt>${T.body[l]}</dt>
          <dd>${client.ask.body}</dd>
          <dt>${T.contactOf[l]}</dt>
          <dd>${client.ask.contact}</dd>`
      }
      <dt>${reads[l]}</dt>
      <dd>
        <ul>
          ${scope.lines.map((line) => html`<li>${lineIn(l, line)}${line.data && html` (${daysIn(l, line.data)})`}</li>`)}
        </ul>
      </dd>
      <dt>${T.asFrom[l]}</dt>
      <dd>${dayIn(l, parisDay(scope.validFrom))}</dd>
      <dt>${T.end[l]}</dt>
      <dd>${dayIn(l, parisDay((scope.validUntil - 1) as Millis))}</dd>
      <dt>${T.state[l]}</dt>
      <dd>${stateIn(l, held)}</dd>
      <dt>${T.last[l]}</dt>
      <dd>${last ? html`${momentIn(l, Date.parse(last.at) as Millis)} – ${resultIn(l, last.result)}` : T.never[l]}</dd>
    </dl>
    <p>
      <a class="button plain" href="/me/${encodeURIComponent(record.id)}">${see[l]}<span class="soft"> – ${nameOf(held)}</span></a>
    </p>
  </article>`
}

/** The status in words, with why it is so. */
export function stateIn(l: Language, { record }: Shown): Html {
  const word = STATUS_WORDS[record.status as Status][l]
  if (record.status === 'active') return html`<span class="good">${word}</span>`
  if (record.status === 'ended' && record.endReason !== null)
    return html`<span class="bad">${word}</span> – ${END_WORDS[record.endReason as EndReason][l]}`
  return html`<span class="bad">${word}</span>${record.suspendCause !== null && html` – ${SUSPEND_WORDS[record.suspendCause][l]}`}`
}
