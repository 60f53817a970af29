/** What the simulated FranceConnect shows: the choice of whom to sign in as, and its errors. */
import type { ServerResponse } from 'node:http'
import type { Html } from '../web/html.ts'
import { html } from '../web/html.ts'
import type { Language, Said } from '../web/language.ts'
import type { FrancePerson } from './france-connect-persons.ts'
import { FRANCE_PERSONS } from './france-connect-persons.ts'
import type { FranceRequest } from './france-connect-request.ts'
import type { Visit } from './simulated-page.ts'
import { addressOf, sendPage } from './simulated-page.ts'

export function sendSignIn(res: ServerResponse, visit: Visit, request: FranceRequest, mistake: boolean): void {
  const say = (text: Said): string => text[visit.language]
  const body = html`
    <p>
      ${say({ fr: 'Le service', en: 'The service' })} <strong>${request.client.clientId}</strong>
      ${say({ fr: 'demande à savoir qui vous êtes. Données demandées :', en: 'asks who you are. Data asked for:' })}
      <code>${request.scopes.join(' ')}</code>
    </p>
    ${mistake && html`<p class="error" role="alert" id="mistake">${say({ fr: 'Choisissez une personne.', en: 'Choose a person.' })}</p>`}
    <form method="post" action="${addressOf(visit)}">
      <fieldset ${mistake && html`aria-describedby="mistake"`}>
        <legend>${say({ fr: 'Qui êtes-vous ?', en: 'Who are you?' })}</legend>
        ${FRANCE_PERSONS.map((person) => personChoice(person, visit.language, mistake))}
      </fieldset>
      <div class="actions">
        <button name="decision" value="sign-in">${say({ fr: 'Se connecter', en: 'Sign in' })}</button>
        <button class="plain" name="decision" value="cancel">${say({ fr: 'Abandonner', en: 'Give up' })}</button>
      </div>
    </form>
  `
  const title = { fr: 'Se connecter avec FranceConnect', en: 'Sign in with FranceConnect' }
  const formTargets = [new URL(request.redirectUri).origin]
  sendPage(res, mistake ? 400 : 200, visit, { holder: 'franceconnect', title, body, formTargets })
}

function personChoice(
  { id, givenNames, familyName, usageName, birthdate, shows }: FrancePerson,
  language: Language,
  mistake: boolean,
): Html {
  return html`<div class="choice">
    <input
      type="radio"
      name="person"
      value="${id}"
      id="person-${id}"
      aria-describedby="why-${id}"
      ${mistake && html`aria-invalid="true"`}
    />
    <label for="person-${id}">${givenNames.join(' ')} ${usageName ?? familyName}</label>
    <span class="why" id="why-${id}">${familyName}, ${birthdate}: ${shows[language]}</span>
  </div>`
}

export function sendFranceError(res: ServerResponse, visit: Visit, code: string): void {
  const said: Said = {
    fr: 'FranceConnect ne peut donner suite à la demande telle que le service l’a faite.',
    en: 'FranceConnect cannot act on the request as the service made it.',
  }
  const body = html`<p>${said[visit.language]}</p>
    <p>${visit.language === 'fr' ? 'Code d’erreur' : 'Error code'}: <code>${code}</code></p>`
  const title = { fr: 'Une erreur est survenue', en: 'An error has occurred' }
  sendPage(res, 400, visit, { holder: 'franceconnect', title, body })
}

export function sendSignedOut(res: ServerResponse, visit: Visit): void {
  const title = { fr: 'Vous êtes déconnecté', en: 'You are signed out' }
  const said: Said = { fr: 'Votre session FranceConnect est terminée.', en: 'Your FranceConnect session has ended.' }
  sendPage(res, 200, visit, { holder: 'franceconnect', title, body: html`<p>${said[visit.language]}</p>` })
}
