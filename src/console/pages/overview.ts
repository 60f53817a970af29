/** The first page: how the gate does, what is left of the quotas, and how many accesses each day had. */
import type { Day } from '../../domain/time.ts'
import type { Content, Html } from '../../web/html.ts'
import { html } from '../../web/html.ts'
import { dayIn, numberIn } from '../../web/language.ts'
import type { Accesses } from '../ports.ts'
import type { PageRoute, Shown, Visit } from './visit.ts'
import { facts, page, seg, table } from './visit.ts'
import { STANDING } from './words.ts'

async function overview(visit: Visit): Promise<Shown> {
  const { parts, say, language } = visit
  const { ready, checks, entries, policy } = parts.overview()
  const state = ready
    ? html`<span class="good">✓ ${say({ fr: 'la passerelle répond', en: 'the gate takes requests' })}</span>`
    : html`<span class="bad">✗ ${say({ fr: 'la passerelle ne prend pas de demande', en: 'the gate takes no request' })}</span>`
  return page(
    say({ fr: 'Aperçu', en: 'Overview' }),
    html`${facts([
        [say({ fr: 'État', en: 'State' }), state],
        [say({ fr: 'Journal', en: 'Log' }), parts.evidence.origin],
        [say({ fr: 'Entrées', en: 'Entries' }), numberIn(language, entries)],
        [say({ fr: 'Politique en vigueur', en: 'Policy in force' }), html`<code>${policy}</code>`],
      ])}
      ${await proofs(visit)}
      <h2 id="checks">${say({ fr: 'Dépendances', en: 'Dependencies' })}</h2>
      ${table(
        say({ fr: 'Dépendances', en: 'Dependencies' }),
        [say({ fr: 'Nom', en: 'Name' }), say({ fr: 'État', en: 'State' })],
        Object.entries(checks).map(([name, standing]) => [name, STANDING[standing][language]]),
      )}
      <h2 id="quotas">${say({ fr: 'Quotas auprès des détenteurs de données', en: 'Quotas at the data holders' })}</h2>
      ${quotas(visit)}
      <h2 id="accesses">${say({ fr: 'Accès par jour', en: 'Accesses each day' })}</h2>
      ${accesses(visit, await parts.accesses())}`,
  )
}

/** Nothing where GRDF waits for none. */
async function proofs({ parts, say, language }: Visit): Promise<Content> {
  const awaited = await parts.journeys.proofsAwaited()
  if (awaited.length === 0) return undefined
  return html`<h2 id="proofs">${say({ fr: 'Preuves que GRDF attend', en: 'Proofs that GRDF waits for' })}</h2>
    <ul>
      ${awaited.map(
        ({ permission, until }) =>
          html`<li>
            <a href="/permissions/${seg(permission)}#proof">${permission}</a
            >${until !== null && html`, ${say({ fr: 'jusqu’au', en: 'until' })} ${dayIn(language, until as Day)}`}
          </li>`,
      )}
    </ul>`
}

function quotas(visit: Visit): Html {
  const { parts, say, language } = visit
  const gauges = parts.quotas()
  return html`<ul>
    ${gauges.map(({ account, api, left, most, windowSeconds }, i) => {
      const used = Math.max(0, most - left)
      const daily = windowSeconds > 3600
      const name = api === '' ? account : `${account}, ${api}`
      return html`<li>
        <label for="quota-${i}"
          >${say({ fr: `${name} : ${numberIn(language, used)} appels sur ${numberIn(language, most)} ${daily ? 'en un jour' : 'dans l’heure'}`, en: `${name}: ${numberIn(language, used)} calls of ${numberIn(language, most)} in the ${daily ? 'day' : 'hour'}` })}</label
        >
        <meter id="quota-${i}" min="0" max="${most}" high="${Math.floor(most * 0.9)}" value="${used}">${used}/${most}</meter>
      </li>`
    })}
  </ul>`
}

const WIDTH = 900
const HEIGHT = 136

/** The chart tells nothing that the table below it does not. */
function accesses(visit: Visit, { days, counting }: Accesses): Html {
  const { say, language } = visit
  const most = Math.max(0, ...days.map(({ calls }) => calls))
  const step = WIDTH / Math.max(1, days.length)
  const total = days.reduce((sum, { calls }) => sum + calls, 0)
  const summary = say({
    fr: `${numberIn(language, total)} appels en ${days.length} jours, ${numberIn(language, most)} au plus en un jour`,
    en: `${numberIn(language, total)} calls in ${days.length} days, at most ${numberIn(language, most)} in a day`,
  })
  const bars = days.map(({ calls }, i) => {
    const height = Math.round((HEIGHT * calls) / Math.max(1, most))
    return html`<rect
      class="bar"
      x="${(i * step + 2).toFixed(1)}"
      y="${HEIGHT - height}"
      width="${(step - 4).toFixed(1)}"
      height="${height}"
    />`
  })
  const [first, last] = [days[0]?.day, days.at(-1)?.day]
  return html`${counting && html`<p class="note">${say({ fr: 'Les entrées plus anciennes sont encore en cours de comptage.', en: 'Older entries are still being counted.' })}</p>`}
    <p>${summary}</p>
    <svg class="chart" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${summary}">${bars}</svg>
    <p class="ends">
      <span>${first !== undefined && dayIn(language, first)}</span> <span>${last !== undefined && dayIn(language, last)}</span>
    </p>
    <details>
      <summary>${say({ fr: 'Les mêmes nombres en tableau', en: 'The same numbers as a table' })}</summary>
      ${table(
        summary,
        [say({ fr: 'Jour', en: 'Day' }), say({ fr: 'Appels', en: 'Calls' }), say({ fr: 'Refus', en: 'Refusals' })],
        days.toReversed().map(({ day, calls, refused }) => [dayIn(language, day), numberIn(language, calls), numberIn(language, refused)]),
      )}
    </details>`
}

export const OVERVIEW_PAGES: readonly PageRoute[] = [{ method: 'GET', path: '/', role: 'auditor', handle: overview }]
