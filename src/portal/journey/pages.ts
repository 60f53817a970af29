/**
 * What a person reads on the way of a consent: the page that asks, the wait, the choice among meters, the end. One box
 * a line, none ticked beforehand; who asks, what for, which data, how long, and that no is as good an answer as yes.
 *
 * Sources: GDPR articles 4(11), 7 and 13; CNIL notices of 31 December 2019 (daily and half-hourly data apart).
 */
import type { UsagePointId } from '../../domain/meter.ts'
import { bareMeter } from '../../domain/meter.ts'
import type { Purpose } from '../../domain/policy.ts'
import type { Day } from '../../domain/time.ts'
import { addDays, parisDay } from '../../domain/time.ts'
import type { ClientSettings } from '../../settings/shape.ts'
import type { Content } from '../../web/html.ts'
import { html } from '../../web/html.ts'
import type { Language, Said } from '../../web/language.ts'
import { dayIn } from '../../web/language.ts'
import type { Shown } from '../frame.ts'
import { STILL } from '../frame.ts'
import type { PortalSettings } from '../ports.ts'
import { lineIn } from '../words.ts'
import type { AskedLine, Journey } from './journey.ts'
import { endOf } from './journey.ts'

const T = {
  title: { fr: 'Autoriser la lecture de vos données', en: 'Allow your data to be read' },
  asks: { fr: 'demande à lire des données de votre compteur électrique.', en: 'asks to read data of your electricity meter.' },
  who: { fr: 'Qui demande', en: 'Who asks' },
  service: { fr: 'Service', en: 'Service' },
  body: { fr: 'Responsable des données', en: 'Responsible for the data' },
  contact: { fr: 'Contact pour vos droits', en: 'Contact for your rights' },
  gate: { fr: 'Intermédiaire', en: 'Intermediary' },
  others: { fr: 'Qui d’autre les verra', en: 'Who else will see them' },
  nobody: { fr: 'Personne', en: 'Nobody' },
  ground: { fr: 'Base légale', en: 'Legal basis' },
  consent: { fr: 'Votre consentement (RGPD, article 6.1.a)', en: 'Your consent (GDPR, article 6(1)(a))' },
  contract: { fr: 'Un contrat avec vous (RGPD, article 6.1.b) :', en: 'A contract with you (GDPR, article 6(1)(b)):' },
  until: { fr: 'Jusqu’au', en: 'Until' },
  retention: { fr: 'Conservation', en: 'Kept for' },
  which: { fr: 'Ce que vous autorisez', en: 'What you allow' },
  boxes: {
    fr: 'Chaque case est un choix séparé. Rien n’est coché d’avance ; ce que vous ne cochez pas ne sera pas lu.',
    en: 'Each box is a choice of its own. Nothing is ticked beforehand; what you do not tick will not be read.',
  },
  past: { fr: 'y compris le passé depuis le', en: 'including the past, since' },
  purpose: { fr: 'Finalité', en: 'Purpose' },
  next: { fr: 'Ce qui se passe ensuite', en: 'What happens next' },
  enedis: {
    fr: 'Vous continuez sur le site d’Enedis, avec votre compte Enedis : c’est Enedis qui vérifie que ce compteur est le vôtre. Sa page peut parler d’un partage plus large ; ici, seul ce que vous cochez passera.',
    en: 'You continue on the site of Enedis, with your Enedis account: it is Enedis that checks that the meter is yours. Its page may speak of a wider share; here, only what you tick will pass.',
  },
  no: {
    fr: 'Refuser ne change rien à votre fourniture d’électricité. Vous pourrez retirer votre accord à tout moment, aussi simplement, sur « Mes autorisations » ; ce qui a été lu avant reste licite.',
    en: 'Refusing changes nothing about your electricity supply. You can withdraw at any time, as simply, on “My permissions”; what was read before stays lawful.',
  },
  cnil: {
    fr: 'Vous avez un droit d’accès, de rectification, d’effacement, de limitation et de portabilité, et pouvez vous plaindre auprès de la CNIL (cnil.fr).',
    en: 'You have rights of access, rectification, erasure, restriction and portability, and may complain to the CNIL (cnil.fr).',
  },
  go: { fr: 'Continuer chez Enedis', en: 'Continue to Enedis' },
  refuse: { fr: 'Refuser', en: 'Refuse' },
  pick: { fr: 'Cochez au moins une case, ou refusez.', en: 'Tick at least one box, or refuse.' },
} as const satisfies Record<string, Said>

export interface Asking {
  readonly journey: Journey
  readonly client: ClientSettings & { readonly ask: NonNullable<ClientSettings['ask']> }
  readonly purposes: readonly Purpose[]
  readonly settings: PortalSettings
  readonly today: Day
  readonly field: Content
  /** The form came back with nothing ticked. */
  readonly nothingTicked?: boolean
  readonly formTargets: readonly string[]
}

export function askPage({ journey, client, purposes, settings, today, field, nothingTicked, formTargets }: Asking): Shown {
  const { language: l } = journey
  const { ask } = client
  const last = dayIn(l, parisDay((endOf(today, journey.duration) - 1) as Parameters<typeof parisDay>[0]))
  const body = html`<h1>${T.title[l]}</h1>
<p><strong>${client.name}</strong> ${T.asks[l]}</p>
${nothingTicked === true && html`<div class="error" role="alert" id="pick"><p>${T.pick[l]}</p></div>`}
<section class="card" aria-labelledby="who"><h2 id="who">${T.who[l]}</h2>
<dl class="facts">
<dt>${T.service[l]}</dt><dd>${ask.url === undefined ? client.name : html`<a href="${ask.url}" rel="noreferrer">${client.name}</a>`}</dd>
<dt>${T.body[l]}</dt><dd>${ask.body}</dd>
<dt>${T.contact[l]}</dt><dd>${ask.contact}</dd>
<dt>${T.others[l]}</dt><dd>${ask.recipients.length === 0 ? T.nobody[l] : ask.recipients.join(', ')}</dd>
<dt>${T.gate[l]}</dt><dd>${settings.operator.name}, ${settings.operator.contact}</dd>
<dt>${T.ground[l]}</dt><dd>${ask.ground === 'consent' ? T.consent[l] : html`${T.contract[l]} ${ask.contract ?? ''}`}</dd>
<dt>${T.until[l]}</dt><dd>${last}</dd>
<dt>${T.retention[l]}</dt><dd>${ask.retention[l]}</dd>
</dl></section>
<form method="post" action="/consent/${journey.id}">
${field}
<fieldset${nothingTicked === true && html` aria-describedby="pick"`}><legend>${T.which[l]}</legend>
<p class="soft">${T.boxes[l]}</p>
${journey.lines.map((line) => box(l, line, purposes, today))}
</fieldset>
<h2>${T.next[l]}</h2>
<p>${T.enedis[l]}</p>
<p>${T.no[l]}</p>
<p class="soft">${T.cnil[l]}</p>
<div class="actions">
<button type="submit" name="answer" value="go">${T.go[l]}</button>
<button type="submit" name="answer" value="refuse" class="plain">${T.refuse[l]}</button>
</div>
</form>`
  return {
    title: T.title,
    body,
    path: `/consent/${journey.id}`,
    formTargets,
    ...(nothingTicked === true && { status: 422 }),
  }
}

function box(l: Language, line: AskedLine, purposes: readonly Purpose[], today: Day): Content {
  const purpose = purposes.find((p) => p.code === line.purpose)
  const since = line.historyDays > 0 ? `, ${T.past[l]} ${dayIn(l, addDays(today, -line.historyDays))}` : ''
  return html`<div class="choice">
    <input type="checkbox" id="${line.id}" name="line" value="${line.id}" aria-describedby="${line.id}-why" />
    <label for="${line.id}">${lineIn(l, line)}${since}</label>
    <span class="why" id="${line.id}-why"
      >${line.why[l]} ${T.purpose[l]}${l === 'fr' ? ' :' : ':'} ${purpose?.label[l] ?? line.purpose}.</span
    >
  </div>`
}

const WAIT: Said = { fr: 'Vérification auprès d’Enedis', en: 'Checking with Enedis' }

export function waitPage(journey: Journey): Shown {
  const l = journey.language
  const fr = l === 'fr'
  const here = `/consent/${journey.id}/check`
  return {
    title: WAIT,
    body: html`<h1>${WAIT[l]}</h1>
      <p role="status">
        ${
          fr
            ? 'Enedis enregistre votre partage ; cela prend quelques secondes. Cette page se recharge d’elle-même, sauf si vous l’arrêtez.'
            : 'Enedis is recording your share; this takes a few seconds. This page reloads by itself, unless you stop it.'
        }
      </p>
      <div class="actions">
        <a class="button" href="${here}">${fr ? 'Recharger maintenant' : 'Reload now'}</a>
        <a class="button plain" href="${here}?${STILL}">${fr ? 'Ne plus recharger' : 'Stop reloading'}</a>
      </div>`,
    path: here,
    refresh: { seconds: 3, href: here },
  }
}

const CHOOSE: Said = { fr: 'Quels compteurs ?', en: 'Which meters?' }

/** @param one only one may be chosen: the client's interface knows no more */
export function choosePage(
  journey: Journey,
  meters: readonly UsagePointId[],
  one: boolean,
  field: Content,
  nothingTicked: boolean,
  formTargets: readonly string[],
): Shown {
  const l = journey.language
  const fr = l === 'fr'
  return {
    title: CHOOSE,
    status: nothingTicked ? 422 : 200,
    formTargets,
    path: `/consent/${journey.id}/check`,
    body: html`<h1>${CHOOSE[l]}</h1>
${nothingTicked && html`<div class="error" role="alert" id="pick"><p>${fr ? 'Choisissez au moins un compteur.' : 'Choose at least one meter.'}</p></div>`}
<p>${
      fr
        ? 'Enedis confirme plusieurs compteurs à votre nom. Choisissez ceux dont le service pourra lire les données.'
        : 'Enedis confirms several meters in your name. Choose those whose data the service may read.'
    }</p>
<form method="post" action="/consent/${journey.id}/meters">
${field}
<fieldset${nothingTicked && html` aria-describedby="pick"`}><legend>${fr ? 'Compteurs (numéro PRM)' : 'Meters (PRM number)'}</legend>
${meters.map(
  (meter, i) =>
    html`<div class="choice">
      <input type="${one ? 'radio' : 'checkbox'}" id="m${i}" name="meter" value="${meter}" /> <label for="m${i}">${bareMeter(meter)}</label>
    </div>`,
)}
</fieldset>
<div class="actions"><button type="submit">${fr ? 'Continuer' : 'Continue'}</button></div>
</form>`,
  }
}

const DONE: Said = { fr: 'C’est fait', en: 'Done' }

export interface Done {
  readonly journey: Journey
  readonly clientName: string
  readonly end: Extract<NonNullable<Journey['end']>, { is: 'given' }>
  /** To be pasted into a program; shown once. */
  readonly token?: string
}

export function donePage({ journey, clientName, end, token }: Done): Shown {
  const l = journey.language
  const fr = l === 'fr'
  const last = dayIn(l, parisDay((end.until - 1) as Parameters<typeof parisDay>[0]))
  return {
    title: DONE,
    path: `/consent/${journey.id}/done`,
    body: html`<h1>${DONE[l]}</h1>
      <p class="good" role="status">
        ${fr ? `${clientName} peut lire ce que vous avez coché jusqu’au ${last}.` : `${clientName} may read what you ticked until ${last}.`}
      </p>
      ${
        token !== undefined &&
        html`<section class="card" aria-labelledby="token">
          <h2 id="token">${fr ? 'Votre jeton' : 'Your token'}</h2>
          <p>${fr ? 'Copiez-le dans votre logiciel. Il n’est montré qu’une fois.' : 'Copy it into your program. It is shown once only.'}</p>
          <pre id="the-token">${token}</pre>
        </section>`
      }
      <h2>${fr ? 'Vos reçus' : 'Your receipts'}</h2>
      <ul>
        ${end.permissions.map((id, i) => html`<li><a href="/receipts/${id}">${fr ? 'Reçu' : 'Receipt'} ${i + 1}</a> (<a href="/receipts/${id}.jsonld">ISO/IEC TS 27560, JSON-LD</a>)</li>`)}
      </ul>
      <p>
        ${
          fr
            ? 'Vous pouvez à tout moment voir qui a lu quoi, et retirer votre accord\u00a0:'
            : 'At any time you can see who read what, and withdraw:'
        } <a href="/me">${fr ? 'Mes autorisations' : 'My permissions'}</a>.
      </p>`,
  }
}

const REFUSED: Said = { fr: 'Vous avez refusé', en: 'You refused' }
const NOT_SHARED: Said = { fr: 'Rien n’est partagé', en: 'Nothing is shared' }
const HERE: Said = {
  fr: 'Rien n’est partagé par ce portail. Vous pouvez fermer cette page.',
  en: 'Nothing is shared through this portal. You may close this page.',
}
const THERE: Said = {
  fr: 'Chez Enedis, vous avez refusé, ou la demande n’a pas abouti. Rien n’est accordé ; vous pouvez fermer cette page.',
  en: 'At Enedis you refused, or the request came to nothing. Nothing is given; you may close this page.',
}

/** @param by Enedis does not always say whether the person refused there or the request failed */
export function refusedPage(journey: Journey, by: 'person' | 'holder'): Shown {
  const l = journey.language
  const title = by === 'person' ? REFUSED : NOT_SHARED
  return {
    title,
    path: `/consent/${journey.id}/done`,
    body: html`<h1>${title[l]}</h1>
      <p role="status">${by === 'person' ? HERE[l] : THERE[l]}</p>`,
  }
}
