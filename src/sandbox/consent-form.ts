/** What the simulated consent page shows: who asks, which meters there are to choose from, accept or refuse. */
import type { Html } from '../web/html.ts'
import { html } from '../web/html.ts'
import type { Language, Said } from '../web/language.ts'
import type { ConsentError, ConsentRequest } from './consent-request.ts'
import type { Customer } from './customers.ts'
import { CUSTOMERS, describe } from './customers.ts'
import { isShareable } from './shares.ts'
import type { Visit } from './simulated-page.ts'
import { ACCOUNT_PATH, addressOf } from './simulated-page.ts'

export interface Choice {
  readonly visit: Visit
  readonly request: ConsentRequest
  /** The last day, as people read it. */
  readonly until: string
  readonly isShared: (prm: string) => boolean
  readonly chosen: readonly string[]
  readonly mistake: 'choose_one' | 'choose_of_one' | 'shared_already' | undefined
}

const MISTAKES: Readonly<Record<'choose_one' | 'choose_of_one' | 'shared_already', Said>> = {
  choose_one: { fr: 'Choisissez un compteur pour le partager.', en: 'Choose one meter to share it.' },
  choose_of_one: {
    fr: 'Choisissez un ou plusieurs compteurs d’un même client.',
    en: 'Choose one or several meters of one and the same customer.',
  },
  shared_already: {
    fr: 'Le partage a échoué : ce compteur est déjà partagé avec cette application. Supprimez d’abord ce partage dans « Mes partages ».',
    en: 'Sharing failed: this meter is shared with this application already. First delete that share under “My shares”.',
  },
}
const SHARED: Said = { fr: 'Déjà partagé avec cette application.', en: 'Shared with this application already.' }
const BEHAVES: Readonly<Record<Customer['answers'], Said>> = {
  shared: { fr: '', en: '' },
  revoked: { fr: 'Le partage est supprimé aussitôt donné.', en: 'The share is deleted as soon as it is given.' },
  refused: { fr: 'Ce client refuse toujours.', en: 'This customer always refuses.' },
}

export function consentForm(choice: Choice): Html {
  const { visit, request, mistake } = choice
  const say = (text: Said): string => text[visit.language]
  const isNew = (customer: Customer): boolean => customer.digit !== undefined
  const shareable = CUSTOMERS.filter((customer) => customer.meters.every(isShareable))
  const meters = (customers: readonly Customer[]): Html => html`${customers.map((customer) => meterChoices(choice, customer))}`
  return html`
    <dl class="facts">
      <dt>${say({ fr: 'Application', en: 'Application' })}</dt>
      <dd>${request.clientId}</dd>
      <dt>${say({ fr: 'Données', en: 'Data' })}</dt>
      <dd>
        ${say({
          fr: 'Toutes celles du compteur : consommation ou production, contrat, adresse, identité.',
          en: 'All of the meter: consumption or production, contract, address, identity.',
        })}
      </dd>
      <dt>${say({ fr: 'Jusqu’au', en: 'Until' })}</dt>
      <dd>${choice.until}</dd>
    </dl>
    ${mistake && html`<p class="error" role="alert" id="mistake">${say(MISTAKES[mistake])}${mistake === 'shared_already' && html` <a href="${visit.prefix}${ACCOUNT_PATH}">${say({ fr: 'Mes partages', en: 'My shares' })}</a>`}</p>`}
    <form method="post" action="${addressOf(visit)}">
      <fieldset ${mistake && html`aria-describedby="mistake"`}>
        <legend>
          ${
            request.generation === 'v2'
              ? say({ fr: 'Quel compteur partagez-vous ?', en: 'Which meter do you share?' })
              : say({ fr: 'Quels compteurs d’un même client partagez-vous ?', en: 'Which meters of one customer do you share?' })
          }
        </legend>
        ${meters(shareable.filter(isNew))}
        <details>
          <summary>${say({ fr: 'Compteurs partagés dès le départ', en: 'Meters that are shared from the start' })}</summary>
          ${meters(shareable.filter((customer) => !isNew(customer)))}
        </details>
      </fieldset>
      <div class="actions">
        <button name="decision" value="accept">${say({ fr: 'Accepter et partager', en: 'Accept and share' })}</button>
        <button class="plain" name="decision" value="refuse">${say({ fr: 'Refuser', en: 'Refuse' })}</button>
      </div>
    </form>
  `
}

function meterChoices({ visit, request, isShared, chosen, mistake }: Choice, customer: Customer): readonly Html[] {
  const { language } = visit
  return customer.meters.map(
    (row) =>
      html`<div class="choice">
        <input
          type="${request.generation === 'v2' ? 'radio' : 'checkbox'}"
          name="meter"
          value="${row.prm}"
          id="meter-${row.prm}"
          aria-describedby="why-${row.prm}"
          ${chosen.includes(row.prm) && html`checked`}
          ${mistake && html`aria-invalid="true"`}
        />
        <label for="meter-${row.prm}">${customer.name}, ${language === 'fr' ? 'compteur' : 'meter'} ${row.prm}</label>
        <span class="why" id="why-${row.prm}">
          ${describe(row)[language]}. ${BEHAVES[customer.answers][language]} ${isShared(row.prm) && SHARED[language]}
        </span>
      </div>`,
  )
}

export function errorBody(language: Language, { error, description }: ConsentError): Html {
  const said: Said = {
    fr: 'Enedis refuse la demande telle que l’application l’a faite.',
    en: 'Enedis refuses the request as the application made it.',
  }
  return html`<p>${said[language]}</p>
    <p><code>${error}</code>: <code>${description}</code></p>`
}
