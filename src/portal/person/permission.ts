/**
 * One permission: what it opens and why, how it was given, who read under it and when, and the one button that ends it.
 * Pure. Sources: GDPR articles 7(3), 13, 15; consent model § 6.4.
 */
import type { GdprBasis } from '../../domain/vocabulary.ts'
import { bareMeter } from '../../domain/meter.ts'
import type { Purpose } from '../../domain/policy.ts'
import type { Day, Millis } from '../../domain/time.ts'
import { parisDay } from '../../domain/time.ts'
import type { DataKind, Direction, Step } from '../../domain/vocabulary.ts'
import { DATA_KINDS, DIRECTIONS, STEPS } from '../../domain/vocabulary.ts'
import type { Access, AccessPage } from '../../evidence/person.ts'
import type { Content, Html } from '../../web/html.ts'
import { html } from '../../web/html.ts'
import type { Language } from '../../web/language.ts'
import { dayIn, momentIn, numberIn } from '../../web/language.ts'
import { daysIn, lineIn } from '../words.ts'
import type { RefusedPaper } from '../../web/papers.ts'
import { waiting } from '../mandate/waiting.ts'
import { stateIn } from './overview.ts'
import type { Shown } from './records.ts'
import { isLive, nameOf } from './records.ts'
import { actIn, BASIS_WORDS, channelIn, reasonIn, resultIn, roleIn } from './words.ts'

const T = {
  back: { fr: 'Mes autorisations', en: 'My permissions' },
  who: { fr: 'Qui peut lire', en: 'Who may read' },
  service: { fr: 'Service', en: 'Service' },
  body: { fr: 'Responsable des données', en: 'Responsible for the data' },
  contact: { fr: 'Contact pour vos droits', en: 'Contact for your rights' },
  page: { fr: 'Page du service', en: 'Page of the service' },
  others: { fr: 'Qui d’autre les voit', en: 'Who else sees them' },
  retention: { fr: 'Conservation', en: 'Kept for' },
  state: { fr: 'État', en: 'State' },
  meter: { fr: 'Compteur', en: 'Meter' },
  opens: { fr: 'Ce qui est ouvert', en: 'What is open' },
  purpose: { fr: 'Finalité', en: 'Purpose' },
  validity: { fr: 'Lectures permises', en: 'Reading permitted' },
  ground: { fr: 'Base légale', en: 'Legal basis' },
  contract: { fr: 'Contrat', en: 'Contract' },
  days: { fr: 'Jours concernés', en: 'Days concerned' },
  given: { fr: 'Comment elle a été donnée', en: 'How it was given' },
  receipt: { fr: 'Voir le reçu', en: 'See the receipt' },
  by: { fr: 'par', en: 'by' },
  accesses: { fr: 'Qui a lu, et quand', en: 'Who read, and when' },
  none: { fr: 'Personne n’a lu vos données sous cette autorisation.', en: 'Nobody has read your data under this permission.' },
  noneHere: { fr: 'Rien de plus ancien.', en: 'Nothing older.' },
  asked: { fr: 'Demandé', en: 'Asked for' },
  sent: { fr: 'Transmis', en: 'Passed on' },
  nothing: { fr: 'rien', en: 'nothing' },
  readings: { fr: 'Relevés remis', en: 'Readings delivered' },
  because: { fr: 'Motif', en: 'Reason' },
  proof: { fr: 'Vérifier la preuve', en: 'Check the proof' },
  older: { fr: 'Accès plus anciens', en: 'Older accesses' },
  newest: { fr: 'Accès les plus récents', en: 'Newest accesses' },
  withdraw: { fr: 'Retirer cette autorisation', en: 'Withdraw this permission' },
  withdrawHow: {
    fr: 'Effet immédiat. Aucun motif n’est demandé. Ce qui a déjà été lu l’a été licitement et le reste.',
    en: 'At once. No reason is asked for. What was read already was read lawfully, and stays so.',
  },
  atHolders: { fr: 'Chez le gestionnaire de réseau', en: 'At the network operator' },
  holderOpen: { fr: 'un accès est ouvert', en: 'an access is open' },
  holderWanted: { fr: 'un accès sera demandé', en: 'an access will be asked for' },
  holderPending: { fr: 'un accès attend votre réponse', en: 'an access waits for your answer' },
  holderEnding: { fr: 'la fin de l’accès est demandée, pas encore confirmée', en: 'the end of the access is asked for, not confirmed yet' },
  holderEnded: { fr: 'l’accès a pris fin', en: 'the access has ended' },
  withdrawn: { fr: 'Voir le reçu du retrait', en: 'See the receipt of the withdrawal' },
} as const

export interface PermissionPage {
  readonly language: Language
  readonly field: Content
  readonly held: Shown
  readonly purposes: readonly Purpose[]
  readonly page: AccessPage
  /** Whether this is the page of the newest accesses. */
  readonly newest: boolean
  /** A document that was handed in and not taken. */
  readonly refused?: RefusedPaper
}

export function permissionTitle(l: Language, held: Shown): string {
  return l === 'fr' ? `Autorisation de ${nameOf(held)}` : `Permission of ${nameOf(held)}`
}

export function permissionPage({ language: l, field, held, purposes, page, newest, refused }: PermissionPage): Html {
  const here = `/me/${encodeURIComponent(held.record.id)}`
  return html`<p><a href="/me">${T.back[l]}</a></p>
    <h1>${permissionTitle(l, held)}</h1>
    ${waiting(l, field, held, refused)} ${isLive(held) && withdrawal(l, field, here)}
    ${held.record.endReason === 'withdrawn_by_subject' && html`<p><a class="button plain" href="${here}/withdrawn">${T.withdrawn[l]}</a></p>`}
    <h2>${T.who[l]}</h2>
    ${facts(l, held)}
    <h2>${T.opens[l]}</h2>
    ${linesOf(l, held, purposes)}
    <h2>${T.given[l]}</h2>
    ${timeline(l, held)}
    <p><a class="button plain" href="/receipts/${encodeURIComponent(held.record.id)}">${T.receipt[l]}</a></p>
    <h2 id="accesses">${T.accesses[l]}</h2>
    ${page.accesses.length === 0 ? html`<p class="note">${newest && page.next === null ? T.none[l] : T.noneHere[l]}</p>` : page.accesses.map((access) => accessCard(l, held, access, here))}
    <p class="actions">
      ${page.next !== null && html`<a class="button plain" href="${here}?before=${page.next}#accesses">${T.older[l]}</a>`}${!newest && html`<a class="button plain" href="${here}#accesses">${T.newest[l]}</a>`}
    </p>`
}

/** The least that is true of all of them: one that is not confirmed is what matters. */
function holdersIn(l: Language, rights: Shown['record']['rights']): string {
  if (rights.some(({ state }) => state === 'ending')) return T.holderEnding[l]
  if (rights.some(({ state }) => state === 'open')) return T.holderOpen[l]
  if (rights.some(({ state }) => state === 'pending')) return T.holderPending[l]
  return rights.some(({ state }) => state === 'wanted') ? T.holderWanted[l] : T.holderEnded[l]
}

/** One button, no question in between: giving took more. */
function withdrawal(l: Language, field: Content, here: string): Html {
  return html`<section class="card" aria-labelledby="withdraw">
    <h2 id="withdraw">${T.withdraw[l]}</h2>
    <p>${T.withdrawHow[l]}</p>
    <form method="post" action="${here}/withdraw">${field}<button class="stop" type="submit">${T.withdraw[l]}</button></form>
  </section>`
}

function facts(l: Language, held: Shown): Html {
  const { record, client } = held
  const { scope, meter } = record.content
  const ask = client?.ask
  return html`<dl class="facts">
    <dt>${T.service[l]}</dt>
    <dd>${nameOf(held)}</dd>
    ${
      ask &&
      html`<dt>${T.body[l]}</dt>
        <dd>${ask.body}</dd>
        <dt>${T.contact[l]}</dt>
        <dd>${ask.contact}</dd>
        ${
          ask.url !== undefined &&
          html`<dt>${T.page[l]}</dt>
            <dd><a href="${ask.url}" rel="noopener noreferrer">${ask.url}</a></dd>`
        }
        <dt>${T.others[l]}</dt>
        <dd>${ask.recipients.length === 0 ? '–' : ask.recipients.join(', ')}</dd>
        <dt>${T.retention[l]}</dt>
        <dd>${ask.retention[l]}</dd>`
    }
    <dt>${T.meter[l]}</dt>
    <dd>${bareMeter(meter)}</dd>
    <dt>${T.state[l]}</dt>
    <dd>${stateIn(l, held)}</dd>
    ${
      record.rights.length > 0 &&
      html`<dt>${T.atHolders[l]}</dt>
        <dd>${holdersIn(l, record.rights)}</dd>`
    }
    <dt>${T.validity[l]}</dt>
    <dd>${spanIn(l, scope.validFrom, scope.validUntil)}</dd>
    <dt>${T.ground[l]}</dt>
    <dd>
      ${BASIS_WORDS[scope.ground.gdprBasis as GdprBasis][l]}${scope.ground.legalReference !== undefined && html` – ${scope.ground.legalReference}`}
    </dd>
    ${
      scope.ground.contractRef !== undefined &&
      html`<dt>${T.contract[l]}</dt>
        <dd>${scope.ground.contractRef}</dd>`
    }
  </dl>`
}

/** People count the last day in. */
export function spanIn(l: Language, from: Millis, until: Millis): string {
  const [first, last] = [dayIn(l, parisDay(from)), dayIn(l, parisDay((until - 1) as Millis))]
  return l === 'fr' ? `du ${first} au ${last}` : `from ${first} to ${last}`
}

export function linesOf(l: Language, { record }: Shown, purposes: readonly Purpose[]): Html {
  const { lines } = record.content.scope
  const label = (code: string): string => purposes.find((p) => p.code === code)?.label[l] ?? code
  return html`<ul>
    ${lines.map(
      (line) =>
        html`<li>
          ${lineIn(l, line)}<br /><span class="soft"
            >${T.purpose[l]} – ${label(line.purpose)}${line.data && html`<br />${T.days[l]} – ${daysIn(l, line.data)}`}</span
          >
        </li>`,
    )}
  </ul>`
}

interface Details {
  readonly role?: string
  readonly channel?: string
  readonly occurredAt?: string
}

/** What was done with the permission, when and by whom; each act is an entry of the log that can be checked. */
export function timeline(l: Language, { record }: Shown): Html {
  return html`<ol>
    ${record.acts.map(({ type, at, n, details }) => {
      const { role, channel, occurredAt } = (details ?? {}) as Details
      return html`<li>
        ${actIn(l, type)}${role !== undefined && html`, ${T.by[l]} ${roleIn(l, role)}`}${channel !== undefined && html` (${channelIn(l, channel)})`}<br />
        <span class="soft">${momentIn(l, Date.parse(occurredAt ?? at) as Millis)}</span> ·
        <a href="/me/${encodeURIComponent(record.id)}/evidence/${n}">${T.proof[l]}<span class="soft"> – ${actIn(l, type)}</span></a>
      </li>`
    })}
  </ol>`
}

function accessCard(l: Language, held: Shown, access: Access, here: string): Html {
  const at = momentIn(l, Date.parse(access.at) as Millis)
  const refused = access.result === 'refused'
  return html`<article class="card" aria-labelledby="a-${access.n}">
    <h3 id="a-${access.n}">${at} – ${nameOf(held)}</h3>
    <p>
      <span class="${access.result === 'delivered' || access.result === 'delivered_from_store' ? 'good' : 'bad'}"
        >${resultIn(l, access.result)}</span
      >${refused && access.reason !== null && html` – ${T.because[l]}${l === 'fr' ? ' : ' : ': '}${reasonIn(l, access.reason)}`}
    </p>
    <dl class="facts">
      <dt>${T.asked[l]}</dt>
      <dd>${whatIn(l, access)}${access.asked !== null && html`, ${rangeIn(l, access.asked)}`}</dd>
      <dt>${T.sent[l]}</dt>
      <dd>${refused ? T.nothing[l] : access.sent === null ? whatIn(l, access) : rangeIn(l, access.sent)}</dd>
      ${
        access.readings !== null &&
        html`<dt>${T.readings[l]}</dt>
          <dd>${numberIn(l, access.readings)}</dd>`
      }
    </dl>
    <p>
      <a href="${here}/evidence/${access.n}">${T.proof[l]}<span class="soft"> – ${at}</span></a
      >${access.outcome !== null && html` · <a href="${here}/evidence/${access.outcome}">${l === 'fr' ? 'Preuve du résultat' : 'Proof of the result'}<span class="soft"> – ${at}</span></a>`}
    </p>
  </article>`
}

/** A refusal may name nothing that we know: the request could not be read. */
function whatIn(l: Language, { kind, direction, step }: Access): string {
  const known = DATA_KINDS.find((k) => k === kind) as DataKind | undefined
  if (!known) return '–'
  return lineIn(l, {
    kind: known,
    direction: (DIRECTIONS.find((d) => d === direction) ?? 'n_a') as Direction,
    finest: (STEPS.find((s) => s === step) ?? 'TOTAL') as Step,
  })
}

function rangeIn(l: Language, range: string): string {
  const [from, until] = range.split('/')
  return from === undefined || until === undefined ? range : daysIn(l, { from: from as Day, until: until as Day })
}
