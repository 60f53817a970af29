/**
 * What an operator does for a permission that comes by paper or by GRDF's mail: issues the form of a mandate, files what
 * came back, checks it, and sends GRDF the proof that it asks for. Documents are taken as on the person's own page.
 */
import { MOST_PAPER_BYTES, MOST_PAPERS } from '../../domain/paper.ts'
import type { Day } from '../../domain/time.ts'
import { parisDay, parseDay } from '../../domain/time.ts'
import type { PermissionAt } from '../../permissions/browse.ts'
import type { CHECKS as MandateChecks } from '../../permissions/mandates.ts'
import type { Content, Html } from '../../web/html.ts'
import { html } from '../../web/html.ts'
import { dayIn } from '../../web/language.ts'
import type { Said } from '../../web/language.ts'
import type { PaperRefusal, TakenPaper } from '../../web/papers.ts'
import { PAPER_WORDS, papersFrom } from '../../web/papers.ts'
import { Refusal } from '../ports.ts'
import type { Flaw, PageRoute, Shown, Visit } from './visit.ts'
import { checkField, choiceField, fileField, flawNotice, form, page, redirect, seg, textField } from './visit.ts'

const BOUNDS = { files: MOST_PAPERS, bytes: MOST_PAPER_BYTES } as const
const PAPER_HINT: Said = { fr: 'PDF, PNG ou JPEG, 4 Mo au plus', en: 'PDF, PNG or JPEG, 4 MB at most' }
const PAPERS = { signed: 'signed_mandate', power: 'representation_power', bill: 'invoice_or_contract_copy' } as const
const CHANNELS: Readonly<Record<string, Said>> = {
  paper: { fr: 'remis en main propre', en: 'handed over' },
  mail: { fr: 'courrier', en: 'post' },
  counter: { fr: 'guichet', en: 'at a counter' },
}
const CHECKS: Readonly<Record<(typeof MandateChecks)[number], Said>> = {
  signature: { fr: 'Le mandat est signé.', en: 'The mandate is signed.' },
  name: { fr: 'Le nom est celui du titulaire du contrat.', en: 'The name is that of the contract holder.' },
  meter: { fr: 'Le point de livraison est le bon.', en: 'The delivery point is the right one.' },
  dates: { fr: 'Les dates du formulaire n’ont pas été changées.', en: 'The dates of the form were not changed.' },
  authority: { fr: 'Le signataire peut engager le titulaire.', en: 'Whoever signed may bind the holder.' },
}
const CHECK_NAMES = Object.keys(CHECKS) as (keyof typeof CHECKS)[]

/** The step that a permission waits for, if an operator can take it. */
export async function journeyOf(visit: Visit, permission: PermissionAt, flaw?: Flaw): Promise<Content> {
  const { status, content, rights } = permission
  const mandate = content?.mandate === true
  if (mandate && status === 'requested') return toIssue(visit, permission)
  if (mandate && status === 'awaiting_confirmation') return toFile(visit, permission, flaw)
  if (mandate && status === 'awaiting_check') return toCheck(visit, permission, await visit.parts.journeys.elsewhere(permission.id), flaw)
  const asked = rights.find(({ state, proof }) => state === 'open' && (proof === 'awaited' || proof === 'being_checked'))
  return asked && toProve(visit, permission, asked.proofUntil, flaw)
}

function toIssue(visit: Visit, { id }: PermissionAt): Html {
  const { say } = visit
  return html`<h2 id="mandate">${say({ fr: 'Mandat à établir', en: 'Mandate to be made' })}</h2>
    ${form(visit, `/permissions/${seg(id)}/mandate/form`, undefined, html`<button>${say({ fr: 'Établir le formulaire', en: 'Make the form' })}</button>`)}`
}

function toFile(visit: Visit, { id }: PermissionAt, flaw: Flaw | undefined): Html {
  const { say, language, parts } = visit
  const hint = say(PAPER_HINT)
  return html`<h2 id="mandate">${say({ fr: 'Mandat attendu', en: 'Mandate awaited' })}</h2>
    <p>
      ${say({
        fr: 'La personne peut le signer et l’envoyer depuis sa page (lien à usage unique ci-dessous). Reçu sur papier, déposez-le ici.',
        en: 'The person can sign it and send it from its own page (one-time link below). Received on paper, file it here.',
      })}
    </p>
    ${flawNotice(visit, flaw)}
    ${form(
      visit,
      `/permissions/${seg(id)}/mandate`,
      html`${fileField('signed', say({ fr: 'Mandat signé', en: 'Signed mandate' }), { required: true, hint, flaw })}
      ${fileField('power', say({ fr: 'Pouvoir de signer (facultatif)', en: 'Power to sign (optional)' }), { hint, flaw })}
      ${fileField('bill', say({ fr: 'Copie d’une facture (facultatif)', en: 'Copy of a bill (optional)' }), { hint, flaw })}
      ${textField('on', say({ fr: 'Signé le', en: 'Signed on' }), { type: 'date', required: true, flaw, value: visit.form['on'] ?? parisDay(parts.now()) })}
      ${choiceField(
        'channel',
        say({ fr: 'Reçu par', en: 'Received by' }),
        Object.entries(CHANNELS).map(([value, text]) => ({ value, text: text[language] })),
        visit.form['channel'] ?? 'paper',
      )}`,
      html`<button>${say({ fr: 'Déposer', en: 'File' })}</button>`,
      true,
    )}`
}

function toCheck(visit: Visit, { id, head, content }: PermissionAt, elsewhere: readonly string[], flaw: Flaw | undefined): Html {
  const { say } = visit
  return html`<h2 id="mandate">${say({ fr: 'Mandat à vérifier', en: 'Mandate to be checked' })}</h2>
    <p>
      ${say({ fr: 'Comparez les pièces ci-dessus avec ce qui est demandé au nom de', en: 'Compare the documents above with what is asked for in the name of' })}
      <strong>${content?.holder.name}</strong>.
    </p>
    ${
      elsewhere.length > 0 &&
      html`<p class="bad">
        ${say({ fr: 'Le même document a été déposé pour :', en: 'The same document was filed for:' })}
        ${elsewhere.map((other) => html`<a href="/permissions/${seg(other)}">${other}</a> `)}
      </p>`
    }
    ${flawNotice(visit, flaw)}
    ${form(
      visit,
      `/permissions/${seg(id)}/check`,
      html`<input type="hidden" name="head" value="${head}" />
        <fieldset id="checks">
          <legend>${say({ fr: 'Vérifié', en: 'Checked' })}</legend>
          ${CHECK_NAMES.map((name) => checkField(name, say(CHECKS[name]), visit.form[name] === 'yes'))}
        </fieldset>
        ${choiceField(
          'match',
          say({ fr: 'Nom signé et nom du contrat', en: 'Name signed and name of the contract' }),
          [
            { value: 'exact', text: say({ fr: 'identiques', en: 'the same' }) },
            { value: 'close_reviewed', text: say({ fr: 'proches, et c’est la même personne', en: 'close, and it is the same person' }) },
          ],
          visit.form['match'],
        )}
        ${textField('reason', say({ fr: 'Motif (pour un rejet)', en: 'Reason (to turn it down)' }), { value: visit.form['reason'] ?? '', flaw })}`,
      html`<button name="result" value="accept">${say({ fr: 'Mettre en vigueur', en: 'Bring into force' })}</button>
        <button class="stop" name="result" value="reject">${say({ fr: 'Rejeter', en: 'Turn down' })}</button>`,
    )}`
}

const NOT_PROOFS: readonly string[] = ['mandate_form', 'receipt', 'dso_right_snapshot']

function toProve(visit: Visit, { id, attachments }: PermissionAt, until: string | null, flaw: Flaw | undefined): Html {
  const { say, language } = visit
  const filed = attachments.filter(
    ({ kind, mediaType, bytes }) => !NOT_PROOFS.includes(kind) && mediaType !== 'application/json' && bytes <= MOST_PAPER_BYTES,
  )
  const hint = say(PAPER_HINT)
  return html`<h2 id="proof">${say({ fr: 'GRDF demande la preuve', en: 'GRDF asks for the proof' })}</h2>
    <p>
      ${say({ fr: 'Trois documents au plus', en: 'Three documents at most' })}${until !== null && html`, ${say({ fr: 'avant la fin du', en: 'before the end of' })} ${dayIn(language, until as Day)}`}.
      ${say({ fr: 'Sans preuve à temps, l’autorisation est suspendue ; refusée, elle est nulle.', en: 'Without a proof in time the permission is suspended; refused, it is void.' })}
    </p>
    ${flawNotice(visit, flaw)}
    ${form(
      visit,
      `/permissions/${seg(id)}/proof`,
      html`${
        filed.length > 0 &&
        html`<fieldset>
          <legend>${say({ fr: 'Pièces au dossier', en: 'Documents on file' })}</legend>
          ${filed.map(({ sha256, kind }) => checkField(`filed-${sha256}`, `${kind} (${sha256.slice(0, 8)})`, visit.form[`filed-${sha256}`] === 'yes'))}
        </fieldset>`
      }
      ${[1, 2, 3].map((n) => fileField(`paper${n}`, say({ fr: `Autre document ${n} (facultatif)`, en: `Other document ${n} (optional)` }), { hint, flaw }))}`,
      html`<button>${say({ fr: 'Transmettre à GRDF', en: 'Send to GRDF' })}</button>`,
      true,
    )}`
}

/** The page again, with what was not taken. */
async function again(visit: Visit, id: string, flaw: Flaw): Promise<Shown> {
  const permission = await visit.parts.permissions.show(id)
  return page(
    `${visit.say({ fr: 'Autorisation', en: 'Permission' })} ${id}`,
    html`${await journeyOf(visit, permission, flaw)}
      <p><a href="/permissions/${seg(id)}">${visit.say({ fr: 'Retour à l’autorisation', en: 'Back to the permission' })}</a></p>`,
    { status: 422 },
  )
}

function paperFlaw({ say }: Visit, field: string, why: PaperRefusal): Flaw {
  return { field, sentence: say(PAPER_WORDS[why]) }
}

async function issue({ parts, params }: Visit): Promise<Shown> {
  const { permission = '' } = params
  await parts.journeys.issue(permission)
  return redirect(`/permissions/${seg(permission)}`)
}

async function handIn(visit: Visit): Promise<Shown> {
  const { parts, params, operator, uploads, form: sent, say } = visit
  const { permission = '' } = params
  if (typeof uploads === 'string')
    return again(visit, permission, paperFlaw(visit, 'signed', uploads === 'too_long' ? 'too_long' : 'broken'))
  const signedOn = parseDay(sent['on'] ?? '')
  if (signedOn === undefined || signedOn > parisDay(parts.now()))
    return again(visit, permission, { field: 'on', sentence: say({ fr: 'Un jour passé, ou aujourd’hui.', en: 'A day that has come.' }) })
  const channel = sent['channel'] ?? ''
  if (!Object.hasOwn(CHANNELS, channel)) throw new Refusal('invalid', 'the form was not whole: open the permission again')
  const papers = await papersFrom(uploads, PAPERS, 'signed', parts.journeys.scan)
  if ('why' in papers) return again(visit, permission, paperFlaw(visit, papers.field, papers.why))
  const done = await parts.journeys.handIn(operator, { permission, papers, channel, signedOn })
  return done === 'signed' ? redirect(`/permissions/${seg(permission)}`) : again(visit, permission, paperFlaw(visit, 'signed', done))
}

async function check(visit: Visit): Promise<Shown> {
  const { parts, params, operator, form: sent, say } = visit
  const { permission = '' } = params
  const { head = '', result = '', match = '' } = sent
  const reason = (sent['reason'] ?? '').trim()
  const accepted = result === 'reject' ? null : match === 'exact' || match === 'close_reviewed' ? match : undefined
  if (head === '' || accepted === undefined || !['accept', 'reject'].includes(result))
    throw new Refusal('invalid', 'the form was not whole: open the permission again')
  const checks = CHECK_NAMES.filter((name) => sent[name] === 'yes')
  if (accepted !== null && checks.length < CHECK_NAMES.length)
    return again(visit, permission, { field: 'checks', sentence: say({ fr: 'Tout doit être vérifié.', en: 'All must be checked.' }) })
  if (accepted === null && reason === '')
    return again(visit, permission, { field: 'reason', sentence: say({ fr: 'Dites pourquoi.', en: 'Say why.' }) })
  const done = await parts.journeys.check(operator, { permission, head, accepted, checks, ...(reason !== '' && { reason }) })
  if (done.is === 'done') return redirect(`/permissions/${seg(permission)}`)
  return again(visit, permission, {
    field: 'checks',
    sentence: say({ fr: 'L’autorisation a changé entre-temps : regardez à nouveau.', en: 'The permission changed meanwhile: look again.' }),
  })
}

async function prove(visit: Visit): Promise<Shown> {
  const { parts, params, operator, uploads, form: sent, say } = visit
  const { permission = '' } = params
  if (typeof uploads === 'string')
    return again(visit, permission, paperFlaw(visit, 'paper1', uploads === 'too_long' ? 'too_long' : 'broken'))
  const filed = Object.keys(sent).flatMap((name) => /^filed-([0-9a-f]{64})$/.exec(name)?.[1] ?? [])
  const kinds = { paper1: 'ui_capture', paper2: 'ui_capture', paper3: 'ui_capture' }
  const first = uploads[0]?.field
  const papers: readonly TakenPaper[] | { readonly field: string; readonly why: PaperRefusal } =
    first === undefined ? [] : await papersFrom(uploads, kinds, first, parts.journeys.scan)
  if ('why' in papers) return again(visit, permission, paperFlaw(visit, papers.field, papers.why))
  const count = filed.length + papers.length
  if (count === 0 || count > MOST_PAPERS)
    return again(visit, permission, { field: 'paper1', sentence: say({ fr: 'De un à trois documents.', en: 'One to three documents.' }) })
  const done = await parts.journeys.sendProof(operator, permission, filed, papers)
  if (done.is === 'taken') return redirect(`/permissions/${seg(permission)}`)
  const why: Said =
    done.is === 'refused'
      ? { fr: `GRDF l’a refusée (code ${done.code}).`, en: `GRDF refused it (code ${done.code}).` }
      : done.is === 'not_asked'
        ? { fr: 'GRDF ne demande pas de preuve.', en: 'GRDF asks for no proof.' }
        : { fr: 'GRDF n’a pas répondu : réessayez.', en: 'GRDF did not answer: try again.' }
  return again(visit, permission, { field: 'paper1', sentence: say(why) })
}

export const JOURNEY_PAGES: readonly PageRoute[] = [
  { method: 'POST', path: '/permissions/:permission/mandate/form', role: 'operator', handle: issue },
  { method: 'POST', path: '/permissions/:permission/mandate', role: 'operator', files: BOUNDS, handle: handIn },
  { method: 'POST', path: '/permissions/:permission/check', role: 'operator', handle: check },
  { method: 'POST', path: '/permissions/:permission/proof', role: 'operator', files: BOUNDS, handle: prove },
]
