/** What a permission waits for, on its person's page: a signature on paper, an operator's look, or a mail of GRDF. */
import type { Content, Html } from '../../web/html.ts'
import { html } from '../../web/html.ts'
import type { Language } from '../../web/language.ts'
import type { RefusedPaper } from '../../web/papers.ts'
import { PAPER_WORDS } from '../../web/papers.ts'
import type { Shown } from '../person/records.ts'

const T = {
  sign: { fr: 'Il manque votre signature', en: 'Your signature is missing' },
  steps: {
    fr: 'Téléchargez le mandat, lisez-le, signez-le (à la main ou électroniquement), et renvoyez-le ici.',
    en: 'Download the mandate, read it, sign it (by hand or electronically), and send it back here.',
  },
  form: { fr: 'Télécharger le mandat (PDF, en français)', en: 'Download the mandate (PDF, in French)' },
  signed: { fr: 'Mandat signé', en: 'Signed mandate' },
  power: { fr: 'Pouvoir de signer, si vous signez pour un organisme', en: 'Power to sign, if you sign for a body' },
  bill: { fr: 'Copie d’une facture récente', en: 'Copy of a recent bill' },
  hint: { fr: 'PDF, PNG ou JPEG, 4 Mo au plus', en: 'PDF, PNG or JPEG, 4 MB at most' },
  optional: { fr: 'facultatif', en: 'optional' },
  send: { fr: 'Envoyer', en: 'Send' },
  preparing: { fr: 'Le mandat à signer est en préparation.', en: 'The mandate to be signed is being prepared.' },
  checking: {
    fr: 'Vos documents sont arrivés. L’exploitant les vérifie ; rien n’est lu d’ici là.',
    en: 'Your documents have come. The operator checks them; until then nothing is read.',
  },
  asking: { fr: 'GRDF est prévenu de cette demande.', en: 'GRDF is being told of this request.' },
  mail: { fr: 'GRDF vous a écrit', en: 'GRDF has written to you' },
  mailHow: {
    fr: 'Un courriel de GRDF demande votre accord : ouvrez-le et répondez. Il part par lots, environ tous les quarts d’heure, et peut se trouver parmi les indésirables. Rien n’est lu avant votre réponse.',
    en: 'A mail of GRDF asks for your agreement: open it and answer. Mails leave about every quarter of an hour, and may lie among the unwanted ones. Nothing is read before you answer.',
  },
  mailThen: {
    fr: 'Votre réponse paraît ici dans le quart d’heure.',
    en: 'Your answer shows here within a quarter of an hour.',
  },
} as const

/** Undefined where nothing is waited for. */
export function waiting(l: Language, field: Content, { record }: Shown, refused?: RefusedPaper): Html | undefined {
  const { status, content, rights } = record
  const here = `/me/${encodeURIComponent(record.id)}`
  if (content.mandate === true) {
    if (status === 'requested') return note(T.preparing[l])
    if (status === 'awaiting_confirmation') return toSign(l, field, here, refused)
    if (status === 'awaiting_check') return note(T.checking[l])
  } else if (rights.some(({ provider }) => provider === 'grdf-adict')) {
    if (status === 'requested') return note(T.asking[l])
    if (status === 'awaiting_confirmation')
      return html`<section class="card" aria-labelledby="mail">
        <h2 id="mail">${T.mail[l]}</h2>
        <p>${T.mailHow[l]}</p>
        <p class="soft">${T.mailThen[l]}</p>
      </section>`
  }
  return undefined
}

function note(text: string): Html {
  return html`<p class="note" role="status">${text}</p>`
}

/** Fields of the form, and what their documents are kept as. */
export const PAPERS = { signed: 'signed_mandate', power: 'representation_power', bill: 'invoice_or_contract_copy' } as const

function toSign(l: Language, field: Content, here: string, refused: RefusedPaper | undefined): Html {
  const file = (name: keyof typeof PAPERS): Html => {
    const flaw = refused?.field === name ? refused : undefined
    const optional = name === 'signed' ? '' : ` (${T.optional[l]})`
    return html`<label class="field" for="${name}">${T[name][l]}${optional}</label>
      ${flaw && html`<p class="bad" id="${name}-flaw">${PAPER_WORDS[flaw.why][l]}</p>`}
      <input
        type="file"
        id="${name}"
        name="${name}"
        accept="application/pdf,image/png,image/jpeg"
        aria-describedby="${flaw ? `${name}-flaw papers` : 'papers'}"
        ${flaw && html`aria-invalid="true"`}
        ${name === 'signed' && html`required`}
      />`
  }
  return html`<section class="card" aria-labelledby="sign">
    <h2 id="sign">${T.sign[l]}</h2>
    ${
      refused &&
      html`<div class="error" role="alert">
        <p><a href="#${refused.field}">${PAPER_WORDS[refused.why][l]}</a></p>
      </div>`
    }
    <p>${T.steps[l]}</p>
    <p><a class="button" href="${here}/mandate.pdf">${T.form[l]}</a></p>
    <form method="post" action="${here}/mandate" enctype="multipart/form-data">
      ${field}
      <p class="soft" id="papers">${T.hint[l]}</p>
      ${(['signed', 'power', 'bill'] as const).map(file)}
      <div class="actions"><button type="submit">${T.send[l]}</button></div>
    </form>
  </section>`
}
