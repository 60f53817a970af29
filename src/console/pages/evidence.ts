/** The evidence browser: entries newest first, one entry with its proof, and readings of what is sealed. */
import { parseMeter } from '../../domain/meter.ts'
import { numberOf } from '../../domain/position.ts'
import { parseDay } from '../../domain/time.ts'
import { ACTS } from '../../domain/vocabulary.ts'
import type { Selection } from '../../evidence/disclose.ts'
import type { OpenedEntry } from '../../evidence/opened.ts'
import type { Html } from '../../web/html.ts'
import { html } from '../../web/html.ts'
import { fileHeaders } from '../documents.ts'
import type { ProvedEntry } from '../ports.ts'
import { Refusal } from '../ports.ts'
import type { Flaw, PageRoute, Shown, Visit } from './visit.ts'
import {
  choiceField,
  facts,
  flawNotice,
  form,
  moreLink,
  page,
  table,
  textField,
  when,
  whyField,
  whyFlaw,
  NO_METER,
  withQuery,
} from './visit.ts'
import { SEAL, wordOf } from './words.ts'

const ON_PAGE = 50
/** In one answer of a reading; more is what a pack is for. */
const MOST_OPENED = 200
const TYPES = [
  ...['intent', 'outcome', 'refused', 'summary'].map((one) => `access.${one}`),
  ...ACTS.map((act) => `consent.${act}`),
  ...['client', 'credential', 'token', 'link', 'intent', 'outcome', 'finding'].map((one) => `admin.${one}`),
  ...['read', 'exported'].map((one) => `evidence.${one}`),
  'erasure.performed',
  ...['opened', 'recovered', 'config', 'clock'].map((one) => `log.${one}`),
]

async function list(visit: Visit, flaw?: Flaw): Promise<Shown> {
  const { parts, query, say } = visit
  const { type, client, from, until, before } = query
  const filter = { type: type || undefined, client: client || undefined }
  const found = await parts.evidence.latest({
    ...filter,
    from: parseDay(from ?? ''),
    until: parseDay(until ?? ''),
    before: before !== undefined && /^\d{1,15}$/.test(before) ? Number(before) : undefined,
    limit: ON_PAGE,
  })
  const clients = await parts.clients.list()
  const all = { value: '', text: say({ fr: '(sans filtre)', en: '(no filter)' }) }
  const next = found.next === null ? null : withQuery('/evidence', { ...filter, from, until, before: found.next })
  const title = say({ fr: 'Preuves', en: 'Evidence' })
  return page(
    title,
    html`${flawNotice(visit, flaw)}
      <form method="get" action="/evidence" role="search" aria-label="${say({ fr: 'Filtrer', en: 'Filter' })}">
        ${choiceField('type', say({ fr: 'Sorte d’entrée', en: 'Kind of entry' }), [all, ...TYPES.map((one) => ({ value: one, text: one }))], type)}
        ${choiceField('client', say({ fr: 'Client', en: 'Client' }), [all, ...clients.map(({ id, name }) => ({ value: id, text: `${name} (${id})` }))], client)}
        ${textField('from', say({ fr: 'Depuis le', en: 'From' }), { type: 'date', value: from ?? '' })}
        ${textField('until', say({ fr: 'Avant le', en: 'Before' }), { type: 'date', value: until ?? '' })}
        <div class="actions"><button>${say({ fr: 'Filtrer', en: 'Filter' })}</button></div>
      </form>
      ${
        found.entries.length === 0
          ? html`<p>${say({ fr: 'Aucune entrée sur cette page.', en: 'No entry on this page.' })}</p>`
          : table(
              title,
              [
                say({ fr: 'Entrée', en: 'Entry' }),
                say({ fr: 'Quand', en: 'When' }),
                say({ fr: 'Sorte', en: 'Kind' }),
                say({ fr: 'Client', en: 'Client' }),
                say({ fr: 'Ce qui est en clair', en: 'What is in clear' }),
              ],
              found.entries.map(({ n, entry }) => {
                const { t = '', at = '', client: whose = '', ...rest } = JSON.parse(entry) as Readonly<Record<string, string | undefined>>
                return [html`<a href="/evidence/${n}">${numberOf(n)}</a>`, when(visit, at), t, whose, gist(rest)]
              }),
            )
      }
      ${moreLink(visit, next)}
      <h2 id="by-meter">${say({ fr: 'Tout ce qui concerne un compteur', en: 'All about one meter' })}</h2>
      ${openForm(
        visit,
        '/evidence/readings',
        textField('meter', say({ fr: 'Compteur', en: 'Meter' }), { required: true, max: 40, flaw, value: visit.form['meter'] ?? '' }),
        flaw,
      )}`,
  )
}

const GIST = ['kind', 'asked', 'result', 'status', 'act', 'change', 'req'] as const

function gist(rest: Readonly<Record<string, unknown>>): string {
  const dec = (rest['dec'] ?? {}) as Readonly<Record<string, unknown>>
  return [...GIST.map((name) => rest[name]), dec['result'], dec['reason']]
    .filter((one): one is string => typeof one === 'string')
    .join(' · ')
}

function openForm(visit: Visit, action: string, fields: Html | undefined, flaw?: Flaw): Html {
  const { say } = visit
  return form(
    visit,
    action,
    html`${fields} ${whyField(visit, { flaw })}`,
    html`<button>${say({ fr: 'Ouvrir ce qui est scellé (noté dans les preuves)', en: 'Open what is sealed (goes on record)' })}</button>`,
  )
}

function positionIn(text: string | undefined): number {
  if (text === undefined || !/^(0|[1-9]\d{0,15})$/.test(text)) throw new Refusal('not_found', 'there is no such entry')
  return Number(text)
}

async function show(visit: Visit, flaw?: Flaw): Promise<Shown> {
  const { parts, params, say } = visit
  const n = positionIn(params['entry'])
  const proof = await parts.evidence.proof(n)
  const record = JSON.parse(proof.entry) as Readonly<Record<string, unknown>>
  const sealed = Array.isArray(record['_sd']) ? record['_sd'].length : 0
  return page(
    say({ fr: `Entrée ${numberOf(n)}`, en: `Entry ${numberOf(n)}` }),
    html`${flawNotice(visit, flaw)}
      <p><code>${proof.name}</code></p>
      ${fieldTable(visit, say({ fr: 'En clair', en: 'In clear' }), record)}
      <h2 id="proof">${say({ fr: 'Preuve d’inclusion', en: 'Inclusion proof' })}</h2>
      ${proofOf(visit, proof)}
      <h2 id="sealed">${say({ fr: 'Ce qui est scellé', en: 'What is sealed' })}</h2>
      <p>${say({ fr: `${sealed} champs scellés.`, en: `${sealed} sealed fields.` })}</p>
      ${sealed > 0 && openForm(visit, `/evidence/${n}/readings`, undefined, flaw)}
      ${
        (record['t'] === 'access.intent' || record['t'] === 'access.refused') &&
        html`<p><a href="/decisions/${n}">${say({ fr: 'Expliquer la décision', en: 'Explain the decision' })}</a></p>`
      }`,
  )
}

function proofOf(visit: Visit, proof: ProvedEntry): Html {
  const { say } = visit
  const { n } = proof
  return html`${
      proof.verified
        ? html`<p class="good" id="verified">
            ✓ ${say({ fr: 'Recalculée : l’entrée est dans le journal signé.', en: 'Recomputed: the entry is in the signed log.' })}
          </p>`
        : html`<p class="bad" id="verified">
            ✗
            ${say({ fr: 'La preuve ne tient pas : le journal a été modifié. Gardez ce dossier et appelez l’exploitant.', en: 'The proof does not hold: the log was changed. Keep this folder and call the operator.' })}
          </p>`
    }
    ${facts([
      [say({ fr: 'Taille du journal', en: 'Size of the log' }), proof.size],
      [say({ fr: 'Racine signée', en: 'Signed root' }), html`<code>${proof.root}</code>`],
      [say({ fr: 'Empreinte de l’entrée', en: 'Hash of the entry' }), html`<code>${proof.leaf}</code>`],
      [say({ fr: 'Clé du journal', en: 'Key of the log' }), html`<code>${proof.vkey}</code>`],
    ])}
    <details>
      <summary>${say({ fr: 'Chemin de preuve et point de contrôle signé', en: 'Proof path and signed checkpoint' })}</summary>
      <ol>
        ${proof.path.map((hash) => html`<li><code>${hash}</code></li>`)}
      </ol>
      <pre>${proof.checkpoint}</pre>
    </details>
    <ul>
      <li><a href="/evidence/${n}/proof">${n}.tlog-proof</a> (C2SP)</li>
      <li>
        <a href="/evidence/${n}/bytes">${n}.json</a>, ${say({ fr: 'les octets exacts de l’entrée', en: 'the exact bytes of the entry' })}
      </li>
    </ul>`
}

function fieldTable(visit: Visit, caption: string, fields: Readonly<Record<string, unknown>>): Html {
  const { say } = visit
  return table(
    caption,
    [say({ fr: 'Champ', en: 'Field' }), say({ fr: 'Valeur', en: 'Value' })],
    Object.entries(fields).map(([name, value]) => [name, html`<code>${typeof value === 'string' ? value : JSON.stringify(value)}</code>`]),
  )
}

async function download({ parts, params }: Visit, what: 'proof' | 'bytes'): Promise<Shown> {
  const n = positionIn(params['entry'])
  if (what === 'bytes') {
    const { entry } = await parts.evidence.one(n)
    return { is: 'bytes', bytes: entry, headers: fileHeaders(`${n}.json`, 'application/json') }
  }
  const { file } = await parts.evidence.proof(n)
  return { is: 'bytes', bytes: file, headers: fileHeaders(`${n}.tlog-proof`, 'text/plain; charset=utf-8') }
}

async function openOne(visit: Visit): Promise<Shown> {
  const n = positionIn(visit.params['entry'])
  const flaw = whyFlaw(visit)
  return flaw ? asFlawed(await show(visit, flaw)) : opened(visit, { entries: [n] })
}

async function openMeter(visit: Visit): Promise<Shown> {
  const { form: sent, say } = visit
  const text = (sent['meter'] ?? '').trim()
  const meter = parseMeter(text) ?? parseMeter(`prm:${text}`)
  const flaw = meter === undefined ? { field: 'meter', sentence: say(NO_METER) } : whyFlaw(visit)
  if (flaw || meter === undefined) return asFlawed(await list(visit, flaw))
  return opened(visit, { meter })
}

const asFlawed = (shown: Shown): Shown => (shown.is === 'page' ? { ...shown, status: 422 } : shown)

async function opened(visit: Visit, select: Selection): Promise<Shown> {
  const { parts, operator, form: sent, say, language } = visit
  const { recordedAs, ticket } = await parts.evidence.begin(operator, select, sent['why'] ?? '')
  const { opened: entries, next } = await parts.evidence.page(ticket, 0, MOST_OPENED)
  return page(
    say({ fr: 'Entrées ouvertes', en: 'Opened entries' }),
    html`<p>
        ${say({ fr: 'Cette lecture est notée sous', en: 'This reading is on record as' })} <code id="recorded-as">${recordedAs}</code>.
      </p>
      ${entries.length === 0 && html`<p>${say({ fr: 'Aucune entrée.', en: 'No entry.' })}</p>`}
      ${entries.map((one) => openedOf(visit, one, wordOf(SEAL, one.seal, language)))}
      ${
        next !== null &&
        html`<p class="note">
          ${say({ fr: `Seules les ${MOST_OPENED} premières sont montrées : commandez un dossier pour tout avoir.`, en: `Only the first ${MOST_OPENED} are shown: order a pack for all of them.` })}
          <a href="/packs">${say({ fr: 'Dossiers de preuve', en: 'Evidence packs' })}</a>
        </p>`
      }`,
  )
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '')

function openedOf(visit: Visit, { n, record, fields }: OpenedEntry, seal: string): Html {
  return html`<section class="card" aria-labelledby="entry-${n}">
    <h2 id="entry-${n}">
      <a href="/evidence/${n}">${visit.say({ fr: 'Entrée', en: 'Entry' })} ${numberOf(n)}</a>, <code>${textOf(record['t'])}</code>
    </h2>
    <p class="soft">${seal}</p>
    ${Object.keys(fields).length > 0 && fieldTable(visit, visit.say({ fr: `Champs scellés de l’entrée ${numberOf(n)}`, en: `Sealed fields of entry ${numberOf(n)}` }), fields)}
  </section>`
}

export const EVIDENCE_PAGES: readonly PageRoute[] = [
  { method: 'GET', path: '/evidence', role: 'auditor', handle: (visit) => list(visit) },
  { method: 'POST', path: '/evidence/readings', role: 'auditor', handle: openMeter },
  { method: 'GET', path: '/evidence/:entry', role: 'auditor', handle: (visit) => show(visit) },
  { method: 'POST', path: '/evidence/:entry/readings', role: 'auditor', handle: openOne },
  { method: 'GET', path: '/evidence/:entry/proof', role: 'auditor', handle: (visit) => download(visit, 'proof') },
  { method: 'GET', path: '/evidence/:entry/bytes', role: 'auditor', handle: (visit) => download(visit, 'bytes') },
]
