/**
 * The mail-box of everybody whom the simulated GRDF asks: a list of its mails, and the page to which each leads, where
 * the holder accepts or refuses what a third party has declared. GRDF writes to the address that the third party gave,
 * so that it may be another person who reads it.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Html } from '../web/html.ts'
import { html } from '../web/html.ts'
import type { Language, Said } from '../web/language.ts'
import { dayIn, momentIn } from '../web/language.ts'
import { STATE_LABELS } from './adict-right-text.ts'
import type { AdictRight, Family, Rights } from './adict-rights.ts'
import { FAMILIES } from './adict-rights.ts'
import { readForm } from './receive.ts'
import type { Visit } from './simulated-page.ts'
import { addressOf, MAIL_PATH, sendPage } from './simulated-page.ts'

/** Of an address with or without its language. */
export function isMailPath(path: string): boolean {
  return /^(\/(fr|en))?\/adict\/mail(\/|$)/.test(path)
}

const LIST_TITLE: Said = { fr: 'Courriels de GRDF', en: 'Mails from GRDF' }
const ONE_TITLE: Said = { fr: 'Une demande d’accès à vos données de gaz', en: 'A request for access to your gas data' }
const NONE_TITLE: Said = { fr: 'Cette demande n’existe pas', en: 'There is no such request' }

export async function mailPage(
  rights: Rights,
  companyOf: (clientId: string) => string,
  message: IncomingMessage,
  visit: Visit,
  res: ServerResponse,
): Promise<void> {
  const form = await readForm(message)
  const token = visit.path.slice(MAIL_PATH.length + 1)
  if (token === '')
    return sendPage(res, 200, visit, { holder: 'grdf', title: LIST_TITLE, body: listBody(rights, companyOf, visit), wide: true })
  const right = rights.byMail(token)
  if (!right) {
    const body = html`<p>${visit.language === 'fr' ? 'Vérifiez l’adresse.' : 'Please check the address.'}</p>`
    return sendPage(res, 404, visit, { holder: 'grdf', title: NONE_TITLE, body })
  }
  const decision = form?.get('decision')
  if (decision === 'accept') rights.accept(right.id)
  else if (decision === 'refuse') rights.refuse(right.id)
  else
    return sendPage(res, form ? 400 : 200, visit, {
      holder: 'grdf',
      title: ONE_TITLE,
      body: oneBody(right, companyOf(right.clientId), visit),
    })
  // Asked for again by its address, so that reloading the page decides nothing twice.
  res.writeHead(303, { Location: addressOf(visit), 'Content-Length': '0' }).end()
}

function listBody(rights: Rights, companyOf: (clientId: string) => string, { language, prefix }: Visit): Html {
  const say = (text: Said): string => text[language]
  const asked = rights.all().filter(({ mail }) => mail !== null)
  const intro: Said = {
    fr: 'Vous lisez ici le courrier de toutes les personnes inventées à la fois.',
    en: 'Here you read the mail of all of the invented people at once.',
  }
  if (asked.length === 0)
    return html`<p>${say(intro)}</p>
      <p>${say({ fr: 'Aucun courriel n’a été envoyé.', en: 'No mail has been sent.' })}</p>`
  return html`<p>${say(intro)}</p>
    <div class="scroll" role="region" tabindex="0" aria-label="${say(LIST_TITLE)}">
      <table>
        <caption>
          ${say(LIST_TITLE)}
        </caption>
        <thead>
          <tr>
            <th scope="col">${say({ fr: 'À', en: 'To' })}</th>
            <th scope="col">${say({ fr: 'Envoyé', en: 'Sent' })}</th>
            <th scope="col">${say({ fr: 'Point', en: 'Point' })}</th>
            <th scope="col">${say({ fr: 'Demandeur', en: 'Who asks' })}</th>
            <th scope="col">${say({ fr: 'État', en: 'State' })}</th>
            <th scope="col">${say({ fr: 'Lire', en: 'Read' })}</th>
          </tr>
        </thead>
        <tbody>
          ${asked.map(
            (right) =>
              html`<tr>
                <th scope="row">${right.email}</th>
                <td>${momentIn(language, right.createdAt)}</td>
                <td>${right.pce}</td>
                <td>${companyOf(right.clientId)}</td>
                <td lang="fr">${STATE_LABELS[right.state]}</td>
                <td>
                  <a href="${prefix}${MAIL_PATH}/${right.mail}" aria-label="${readLabel(language, right)}"
                    >${say({ fr: 'Lire', en: 'Read' })}</a
                  >
                </td>
              </tr>`,
          )}
        </tbody>
      </table>
    </div>`
}

function readLabel(language: Language, { pce, email }: AdictRight): string {
  return language === 'fr' ? `Lire le courriel à ${email} sur le point ${pce}` : `Read the mail to ${email} about point ${pce}`
}

const FAMILY_NAMES: Readonly<Record<Family, Said>> = {
  published: { fr: 'données publiées (relevés)', en: 'published data (readings)' },
  informative: { fr: 'données informatives (chaque jour)', en: 'informative data (each day)' },
  contract: { fr: 'données du contrat', en: 'contract data' },
  technical: { fr: 'données techniques, avec l’adresse du compteur', en: 'technical data, with the address of the meter' },
}
const DECIDED: Readonly<Record<AdictRight['state'], Said>> = {
  to_validate: { fr: '', en: '' },
  active: { fr: 'Vous avez accepté : cet accès est ouvert.', en: 'You have accepted: this access is open.' },
  to_check: { fr: 'Cette demande est à revérifier.', en: 'This request is to be checked.' },
  refused: { fr: 'Vous avez refusé : rien n’est transmis.', en: 'You have refused: nothing is passed on.' },
  revoked: { fr: 'Cet accès a été révoqué.', en: 'This access has been revoked.' },
  obsolete: { fr: 'Cet accès est terminé.', en: 'This access is over.' },
}

function oneBody(right: AdictRight, thirdParty: string, visit: Visit): Html {
  const { language } = visit
  const say = (text: Said): string => text[language]
  const days = (from: AdictRight['dataFrom'], until: AdictRight['dataUntil']): string =>
    from === null || until === null
      ? say({ fr: 'sans', en: 'none' })
      : `${dayIn(language, from)} – ${dayIn(language, until)} (${say({ fr: 'compris', en: 'included' })})`
  return html`
    ${right.state !== 'to_validate' && html`<p class="note" role="status">${say(DECIDED[right.state])}</p>`}
    <dl class="facts">
      <dt>${say({ fr: 'Demandeur', en: 'Who asks' })}</dt>
      <dd>${thirdParty}</dd>
      <dt>${say({ fr: 'Titulaire', en: 'Holder' })}</dt>
      <dd>${right.holder.name}</dd>
      <dt>${say({ fr: 'Point de comptage', en: 'Delivery point' })}</dt>
      <dd>${right.pce}</dd>
      <dt>${say({ fr: 'Données', en: 'Data' })}</dt>
      <dd>
        <ul>
          ${FAMILIES.filter((family) => right.families.includes(family)).map((family) => html`<li>${say(FAMILY_NAMES[family])}</li>`)}
        </ul>
      </dd>
      <dt>${say({ fr: 'Journées lisibles', en: 'Days that may be read' })}</dt>
      <dd>${days(right.dataFrom, right.dataUntil)}</dd>
      <dt>${say({ fr: 'Accès ouvert', en: 'Access open' })}</dt>
      <dd>${days(right.validFrom, right.validUntil)}</dd>
    </dl>
    ${
      right.state === 'to_validate' &&
      html`<form method="post" action="${addressOf(visit)}">
        <div class="actions">
          <button name="decision" value="accept">${say({ fr: 'Accepter', en: 'Accept' })}</button>
          <button class="plain" name="decision" value="refuse">${say({ fr: 'Refuser', en: 'Refuse' })}</button>
        </div>
      </form>`
    }
  `
}
