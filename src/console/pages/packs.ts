/** Audit requests: a form, a pack that is made while the page waits, and its download. */
import type { Selection } from '../../evidence/disclose.ts'
import type { Millis } from '../../domain/time.ts'
import type { Html } from '../../web/html.ts'
import { html } from '../../web/html.ts'
import type { Said } from '../../web/language.ts'
import { momentIn, numberIn } from '../../web/language.ts'
import { fileHeaders } from '../documents.ts'
import type { PackJob } from '../packs.ts'
import { Refusal } from '../ports.ts'
import type { Flaw, PageRoute, Shown, Visit } from './visit.ts'
import {
  choiceField,
  facts,
  flawNotice,
  form,
  page,
  redirect,
  table,
  textField,
  whyField,
  whyFlaw,
  isTelling,
  NO_NUMBERS,
} from './visit.ts'

/** Under what law somebody asks. The code goes into the pack's manifest and the evidence. */
const TITLES: Readonly<Record<string, Said>> = {
  gdpr_art_15: { fr: 'Demande d’accès d’une personne (RGPD, art. 15)', en: 'Access request of a person (GDPR art. 15)' },
  gdpr_art_28: { fr: 'Audit du responsable de traitement (RGPD, art. 28)', en: 'Audit by the controller (GDPR art. 28)' },
  gdpr_art_58: { fr: 'Contrôle de la CNIL (RGPD, art. 58)', en: 'Investigation of the authority (GDPR art. 58)' },
  dso_contract: { fr: 'Contrôle du gestionnaire de réseau (contrat)', en: 'Check by the network operator (contract)' },
  court: { fr: 'Demande d’un juge', en: 'Order of a court' },
  own_audit: { fr: 'Audit interne', en: 'Audit of our own' },
}
const SCOPES = ['meter', 'client', 'entries', 'all'] as const
const REFRESH_SECONDS = 2

function list(visit: Visit, flaw?: Flaw): Shown {
  const { packs, say, language, form: sent } = visit
  const scopes: Readonly<Record<(typeof SCOPES)[number], Said>> = {
    meter: { fr: 'un compteur', en: 'one meter' },
    client: { fr: 'un client', en: 'one client' },
    entries: { fr: 'des entrées, par leurs numéros', en: 'entries, by their numbers' },
    all: { fr: 'tout le journal', en: 'the whole log' },
  }
  const jobs = packs.list()
  return page(
    say({ fr: 'Dossiers de preuve', en: 'Evidence packs' }),
    html`${flawNotice(visit, flaw)}
      <p>
        ${say({
          fr: 'Un dossier contient les entrées choisies, ouvertes, avec leurs preuves : il se vérifie sans cette passerelle. Il contient des données personnelles et n’est gardé ici qu’une heure.',
          en: 'A pack holds the chosen entries, opened, with their proofs: it is verified without this gate. It holds personal data and is kept here for an hour only.',
        })}
      </p>
      ${form(
        visit,
        '/packs',
        html`${choiceField(
          'by',
          say({ fr: 'Que demande-t-on ?', en: 'What is asked for?' }),
          SCOPES.map((one) => ({ value: one, text: scopes[one][language] })),
          sent['by'],
        )}
        ${textField('which', say({ fr: 'Lequel ?', en: 'Which?' }), {
          flaw,
          value: sent['which'] ?? '',
          hint: say({
            fr: 'numéro du compteur, identifiant du client, ou numéros d’entrées séparés par des virgules',
            en: 'number of the meter, id of the client, or numbers of entries with commas between',
          }),
        })}
        ${textField('audience', say({ fr: 'Pour qui ?', en: 'For whom?' }), { required: true, flaw, value: sent['audience'] ?? '', max: 200 })}
        ${choiceField(
          'title',
          say({ fr: 'À quel titre ?', en: 'Under which title?' }),
          Object.entries(TITLES).map(([value, text]) => ({ value, text: text[language] })),
          sent['title'],
        )}
        ${whyField(visit, { flaw, max: 400 })}`,
        html`<button>${say({ fr: 'Faire le dossier', en: 'Make the pack' })}</button>`,
      )}
      <h2 id="packs">${say({ fr: 'Dossiers gardés', en: 'Packs kept' })}</h2>
      ${
        jobs.length === 0
          ? html`<p>${say({ fr: 'Aucun.', en: 'None.' })}</p>`
          : table(
              say({ fr: 'Dossiers gardés', en: 'Packs kept' }),
              [say({ fr: 'Demandé', en: 'Ordered' }), say({ fr: 'Pour', en: 'For' }), say({ fr: 'État', en: 'State' })],
              jobs.map((job) => [
                html`<a href="/packs/${job.id}">${momentIn(language, job.at as Millis)}</a>`,
                job.order.audience,
                stateOf(visit, job),
              ]),
            )
      }`,
    flaw ? { status: 422 } : {},
  )
}

function stateOf({ say, language }: Visit, { state }: PackJob): string {
  switch (state.is) {
    case 'waiting':
      return say({ fr: 'en attente', en: 'waiting' })
    case 'running':
      return say({
        fr: `en cours : ${numberIn(language, state.done)} entrées sur ${numberIn(language, state.of)}`,
        en: `being made: ${numberIn(language, state.done)} entries of ${numberIn(language, state.of)}`,
      })
    case 'made':
      return say({ fr: 'prêt', en: 'ready' })
    case 'failed':
      return say({ fr: 'échec', en: 'failed' })
  }
}

function order(visit: Visit): Shown {
  const { packs, form: sent, operator, say } = visit
  const { by = '', which = '', audience = '', title = '', why = '' } = sent
  const flawed = (field: string, sentence: string): Shown => list(visit, { field, sentence })
  if (audience.trim() === '') return flawed('audience', say({ fr: 'Dites pour qui.', en: 'Say for whom.' }))
  if (isTelling(audience)) return flawed('audience', say(NO_NUMBERS))
  const flaw = whyFlaw(visit)
  if (flaw) return list(visit, flaw)
  if (!Object.hasOwn(TITLES, title)) throw new Refusal('invalid', 'the form was not whole: open the page again')
  const select = selectionOf(by, which.trim())
  if (!select) return flawed('which', say({ fr: 'Cela ne désigne rien de connu.', en: 'This names nothing that is known.' }))
  const job = packs.order(operator, { select, audience: audience.trim(), title, why: why.trim() })
  return redirect(`/packs/${job.id}?refresh=on`)
}

function selectionOf(by: string, which: string): Selection | undefined {
  if (by === 'all') return { all: true }
  if (by === 'meter' && /^((prm:|pce:)?\d{14}|pce:GI\d{6})$/.test(which))
    return { meter: (which.includes(':') ? which : `prm:${which}`) as never }
  if (by === 'client' && /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(which)) return { client: which }
  if (by !== 'entries' || !/^\d{1,15}(\s*,\s*\d{1,15}){0,999}$/.test(which)) return undefined
  return { entries: which.split(',').map(Number) }
}

function progress(visit: Visit): Shown {
  const { packs, params, query, say, language } = visit
  const refreshing = query['refresh'] === 'on'
  const job = packs.job(params['pack'] ?? '')
  const { state, order: asked } = job
  const going = state.is === 'waiting' || state.is === 'running'
  const title = TITLES[asked.title]?.[language] ?? asked.title
  return page(
    say({ fr: 'Dossier de preuve', en: 'Evidence pack' }),
    html`${facts([
        [say({ fr: 'Pour', en: 'For' }), asked.audience],
        [say({ fr: 'À titre de', en: 'Under' }), title],
        [say({ fr: 'État', en: 'State' }), html`<span id="state" role="status">${stateOf(visit, job)}</span>`],
      ])}
      ${
        going &&
        html`${bar(visit, job)}
          <p>${refreshing ? stopLink(visit, job) : goLink(visit, job)}</p>`
      }
      ${
        state.is === 'failed' &&
        html`<p class="error">
          ${state.why ?? say({ fr: 'Faute de la passerelle : voir son journal d’exploitation.', en: 'A fault of the gate: see its log.' })}
        </p>`
      }
      ${
        state.is === 'made' &&
        html`${facts([
            [say({ fr: 'Entrées', en: 'Entries' }), numberIn(language, state.made.entries)],
            [say({ fr: 'Taille en octets', en: 'Size in bytes' }), numberIn(language, state.made.bytes)],
            [say({ fr: 'Empreinte du manifeste', en: 'Hash of the manifest' }), html`<code>${state.made.manifest}</code>`],
            [say({ fr: 'Noté sous', en: 'On record as' }), state.made.recordedAs],
          ])}
          <p>
            <a class="button" id="download" href="/packs/${job.id}/file"
              >${say({ fr: 'Télécharger le dossier', en: 'Download the pack' })}</a
            >
          </p>`
      }
      <p><a href="/packs">${say({ fr: 'Tous les dossiers', en: 'All packs' })}</a></p>`,
    going && refreshing ? { refresh: { seconds: REFRESH_SECONDS, href: `/packs/${job.id}?refresh=on` } } : {},
  )
}

function stopLink({ say }: Visit, { id }: PackJob): Html {
  return html`<a class="button plain" href="/packs/${id}">${say({ fr: 'Arrêter l’actualisation', en: 'Stop refreshing' })}</a>`
}
function goLink({ say }: Visit, { id }: PackJob): Html {
  return html`<a class="button plain" href="/packs/${id}?refresh=on">
    ${say({ fr: `Actualiser toutes les ${REFRESH_SECONDS} secondes`, en: `Refresh every ${REFRESH_SECONDS} seconds` })}
  </a>`
}

function bar(visit: Visit, { state }: PackJob): Html {
  const label = visit.say({ fr: 'Avancement', en: 'Progress' })
  return state.is === 'running' && state.of > 0
    ? html`<label for="progress">${label}</label>
        <progress id="progress" max="${state.of}" value="${state.done}">${state.done}/${state.of}</progress>`
    : html`<label for="progress">${label}</label> <progress id="progress"></progress>`
}

function file({ packs, params }: Visit): Shown {
  const job = packs.job(params['pack'] ?? '')
  if (job.state.is !== 'made') throw new Refusal('conflict', 'the pack is not there yet')
  return { is: 'file', file: job.state.made.file, headers: fileHeaders(`ecluse-pack-${job.id.slice(0, 8)}.zip`, 'application/zip') }
}

export const PACK_PAGES: readonly PageRoute[] = [
  { method: 'GET', path: '/packs', role: 'auditor', handle: (visit) => list(visit) },
  { method: 'POST', path: '/packs', role: 'auditor', handle: order },
  { method: 'GET', path: '/packs/:pack', role: 'auditor', handle: progress },
  { method: 'GET', path: '/packs/:pack/file', role: 'auditor', handle: file },
]
