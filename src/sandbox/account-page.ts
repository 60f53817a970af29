/**
 * The simulated customer's account: which meters are shared with which application, and a button to delete each share.
 * A share must be deleted here before v2 lets it be given again.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Day } from '../domain/time.ts'
import type { Html } from '../web/html.ts'
import { html } from '../web/html.ts'
import type { Language, Said } from '../web/language.ts'
import { dayIn } from '../web/language.ts'
import { customerOf } from './customers.ts'
import { readForm } from './receive.ts'
import type { Share, Shares } from './shares.ts'
import { daysOf } from './shares.ts'
import type { Visit } from './simulated-page.ts'
import { ACCOUNT_PATH, sendPage } from './simulated-page.ts'

export interface AccountDesk {
  readonly shares: Shares
  readonly applications: () => readonly string[]
  readonly today: () => Day
}

interface Row {
  readonly application: string
  readonly share: Share
}

const TITLE: Said = { fr: 'Mes partages', en: 'My shares' }

export async function accountPage(desk: AccountDesk, message: IncomingMessage, visit: Visit, res: ServerResponse): Promise<void> {
  const form = await readForm(message)
  if (form) {
    const done = desk.shares.revoke(form.get('prm') ?? '', form.get('application') ?? '')
    // Asked for again by its address, so that reloading the page deletes nothing twice.
    res.writeHead(303, { Location: `${visit.prefix}${ACCOUNT_PATH}?deleted=${done ? 'yes' : 'no'}`, 'Content-Length': '0' }).end()
    return undefined
  }
  sendPage(res, 200, visit, { holder: 'enedis', title: TITLE, body: bodyOf(desk, visit), wide: true })
}

const DELETED: Readonly<Record<string, Said>> = {
  yes: { fr: 'Le partage est supprimé.', en: 'The share is deleted.' },
  no: { fr: 'Ce partage n’existait déjà plus.', en: 'That share was gone already.' },
}

function bodyOf({ shares, applications, today }: AccountDesk, visit: Visit): Html {
  const { language } = visit
  const say = (text: Said): string => text[language]
  const inForce: readonly Row[] = applications().flatMap((application) =>
    shares
      .of(application)
      .filter((share) => shares.inForce(application, share.prm) === share)
      .map((share) => ({ application, share })),
  )
  const given = inForce.filter(({ share }) => share.state !== 'untouched')
  const deleted = DELETED[visit.query.get('deleted') ?? '']
  const table = (rows: readonly Row[], caption: Said): Html => tableOf(rows, say(caption), visit, today())
  return html`
    ${deleted && html`<p class="note" role="status">${say(deleted)}</p>`}
    <p>
      ${say({
        fr: 'Vous êtes ici tous les clients inventés à la fois. Un partage supprimé peut être donné de nouveau : il garde son numéro d’autorisation.',
        en: 'Here you are all of the invented customers at once. A share that was deleted can be given again: it keeps its authorisation number.',
      })}
    </p>
    ${
      given.length > 0
        ? table(given, { fr: 'Partages donnés', en: 'Shares given' })
        : html`<p>${say({ fr: 'Aucun partage n’a été donné.', en: 'No share has been given.' })}</p>`
    }
    <details>
      <summary>${say({ fr: 'Compteurs partagés dès le départ', en: 'Meters that are shared from the start' })}</summary>
      ${table(
        inForce.filter(({ share }) => share.state === 'untouched'),
        { fr: 'Partages du départ', en: 'Shares from the start' },
      )}
    </details>
  `
}

function tableOf(rows: readonly Row[], caption: string, visit: Visit, today: Day): Html {
  const say = (text: Said): string => text[visit.language]
  return html`<div class="scroll" role="region" tabindex="0" aria-label="${caption}">
    <table>
      <caption>
        ${caption}
      </caption>
      <thead>
        <tr>
          <th scope="col">${say({ fr: 'Compteur', en: 'Meter' })}</th>
          <th scope="col">${say({ fr: 'Application', en: 'Application' })}</th>
          <th scope="col">${say({ fr: 'Autorisation', en: 'Authorisation' })}</th>
          <th scope="col">${say({ fr: 'Du', en: 'From' })}</th>
          <th scope="col">${say({ fr: 'Au', en: 'Until' })}</th>
          <th scope="col">${say({ fr: 'Supprimer', en: 'Delete' })}</th>
        </tr>
      </thead>
      <tbody>
        ${rows.map((row) => tableRow(row, visit, today))}
      </tbody>
    </table>
  </div>`
}

function tableRow({ application, share }: Row, visit: Visit, today: Day): Html {
  const { from, until } = daysOf(share, today)
  return html`<tr>
    <th scope="row">${share.prm} ${customerOf(share.prm)?.name}</th>
    <td>${application}</td>
    <td>${share.authorisation}</td>
    <td>${dayIn(visit.language, from)}</td>
    <td>${dayIn(visit.language, until)}</td>
    <td>
      <form method="post" action="${visit.prefix}${ACCOUNT_PATH}">
        <input type="hidden" name="prm" value="${share.prm}" />
        <input type="hidden" name="application" value="${application}" />
        <button class="stop" aria-label="${deleteLabel(visit.language, share.prm, application)}">
          ${visit.language === 'fr' ? 'Supprimer' : 'Delete'}
        </button>
      </form>
    </td>
  </tr>`
}

function deleteLabel(language: Language, prm: string, application: string): string {
  return language === 'fr' ? `Supprimer le partage de ${prm} avec ${application}` : `Delete the share of ${prm} with ${application}`
}
