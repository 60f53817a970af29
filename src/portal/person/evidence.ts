/**
 * The proof of one entry, step by step, and how anybody checks it without us. Pure: the steps were worked out where the
 * log is. Source: C2SP tlog-proof; RFC 9162 § 2.1.3.
 */
import { numberOf } from '../../domain/position.ts'
import type { PersonEntry, PersonOpened } from '../../evidence/person.ts'
import type { Content, Html } from '../../web/html.ts'
import { html } from '../../web/html.ts'
import type { Language, Said } from '../../web/language.ts'
import { numberIn } from '../../web/language.ts'

export const EVIDENCE_TITLE: Said = { fr: 'Vérifier la preuve', en: 'Check the proof' }
const T = {
  back: { fr: 'Retour à l’autorisation', en: 'Back to the permission' },
  what: {
    fr: 'Le journal est scellé : qui changerait, ôterait ou ajouterait une inscription après coup changerait le sommet signé. Voici les vérifications, faites à l’instant.',
    en: 'The log is sealed: whoever changed, removed or added an entry afterwards would change the signed root. These are the checks, made just now.',
  },
  waiting: {
    fr: 'Cette inscription est écrite, mais la signature qui la couvrira n’est pas encore faite : rechargez la page dans quelques secondes.',
    en: 'This entry is written, but the signature that will cover it is not made yet: load the page again in a few seconds.',
  },
  steps: { fr: 'Les vérifications', en: 'The checks' },
  passed: { fr: 'Vérifié', en: 'Passed' },
  failed: { fr: 'Échec', en: 'Failed' },
  leaf: { fr: 'L’empreinte des octets ci-dessous a été calculée :', en: 'The fingerprint of the bytes below was computed:' },
  path: {
    fr: 'Avec les empreintes de ce chemin, elle donne bien le sommet signé :',
    en: 'With the fingerprints of this path it gives the signed root:',
  },
  pathBad: {
    fr: 'Avec les empreintes de ce chemin, elle ne donne pas le sommet signé :',
    en: 'With the fingerprints of this path it does not give the signed root:',
  },
  signed: {
    fr: 'La signature de ce sommet est celle de la clé du journal :',
    en: 'The signature under that root is that of the log’s key:',
  },
  signedBad: {
    fr: 'La signature de ce sommet n’est pas celle de la clé du journal :',
    en: 'The signature under that root is not that of the log’s key:',
  },
  path0: { fr: 'Chemin', en: 'Path' },
  bad: {
    fr: 'Une vérification a échoué : gardez cette page et le fichier de preuve, et adressez-vous à l’exploitant ou à la CNIL.',
    en: 'A check failed: keep this page and the proof file, and turn to the operator or to the CNIL.',
  },
  entry: { fr: 'L’inscription, telle qu’elle est gardée', en: 'The entry, as it is kept' },
  sealed: { fr: 'Les champs scellés', en: 'The sealed fields' },
  sealedHow: {
    fr: 'Ce qui vous désigne (compteur, titulaire) n’est pas dans le journal : seules des empreintes y sont. Les ouvrir est un accès à vos données, qui sera inscrit une fois pour cette session.',
    en: 'What names you (meter, holder) is not in the log: only fingerprints are. Opening them is an access to your data, which will be put on record once for this session.',
  },
  open: { fr: 'Ouvrir les champs scellés', en: 'Open the sealed fields' },
  erased: {
    fr: 'Leur clé a été détruite ou n’est pas la vôtre : plus rien ne peut les ouvrir ici.',
    en: 'Their key was destroyed or is not yours: nothing opens them here.',
  },
  kept: {
    fr: 'Champs qui parlent aussi d’autres personnes et restent fermés :',
    en: 'Fields that speak of other people too and stay closed:',
  },
  yourself: { fr: 'Vérifier vous-même', en: 'Check it yourself' },
  yourselfHow: {
    fr: 'Téléchargez ces trois fichiers dans un même dossier, puis lancez la commande. Elle n’a besoin que de python3 et d’openssl. Demandez la clé du journal par une autre voie que cette page.',
    en: 'Download these three files into one folder, then run the command. It needs python3 and openssl only. Get the log’s key by another way than this page.',
  },
  fileEntry: { fr: 'L’inscription', en: 'The entry' },
  fileProof: { fr: 'La preuve', en: 'The proof' },
  fileVerifier: { fr: 'Le programme de vérification', en: 'The program that checks' },
} as const

export interface EvidencePage {
  readonly language: Language
  readonly field: Content
  readonly permission: string
  readonly entry: PersonEntry
  /** Present once the person asked for it. */
  readonly opened: PersonOpened | undefined
}

export function evidencePage({ language: l, field, permission, entry, opened }: EvidencePage): Html {
  const here = `/me/${encodeURIComponent(permission)}`
  const { n, proof } = entry
  return html`<p><a href="${here}">${T.back[l]}</a></p>
    <h1>${EVIDENCE_TITLE[l]} – ${numberIn(l, numberOf(n))}</h1>
    <p>${T.what[l]}</p>
    <h2>${T.steps[l]}</h2>
    ${proof.is === 'waiting' ? html`<p class="note">${T.waiting[l]}</p>` : stepsOf(l, proof)}
    <h2>${T.entry[l]}</h2>
    <pre>${entry.entry}</pre>
    ${
      entry.entry.includes('"_sd":') &&
      html`<h2 id="sealed">${T.sealed[l]}</h2>
        ${
          opened
            ? fieldsOf(l, opened)
            : html`<p>${T.sealedHow[l]}</p>
                <form method="post" action="${here}/evidence/${n}">${field}<button class="plain" type="submit">${T.open[l]}</button></form>`
        }`
    }
    ${proof.is === 'checked' && yourself(l, here, n, proof.vkey)}`
}

type Checked = Extract<PersonEntry['proof'], { is: 'checked' }>

function stepsOf(l: Language, { leaf, path, root, included, signed, vkey, size }: Checked): Html {
  const mark = (ok: boolean): Html => html`<strong class="${ok ? 'good' : 'bad'}">${ok ? T.passed[l] : T.failed[l]}</strong>`
  return html`${(!included || !signed) && html`<div class="error" role="alert"><p>${T.bad[l]}</p></div>`}
    <ol>
      <li>
        ${mark(true)} – ${T.leaf[l]}
        <pre>${leaf}</pre>
      </li>
      <li>
        ${mark(included)} – ${included ? T.path[l] : T.pathBad[l]}
        <pre>${root}</pre>
        <details>
          <summary>${T.path0[l]} (${numberIn(l, path.length)} / ${numberIn(l, size)})</summary>
          <pre>${path.join('\n')}</pre>
        </details>
      </li>
      <li>
        ${mark(signed)} – ${signed ? T.signed[l] : T.signedBad[l]}
        <pre>${vkey}</pre>
      </li>
    </ol>`
}

function fieldsOf(l: Language, { disclosures, fields, kept }: PersonOpened): Html {
  if (disclosures === null) return html`<p class="note">${T.erased[l]}</p>`
  return html`<dl>
      ${Object.entries(fields).map(
        ([name, value]) =>
          html`<dt>${name}</dt>
            <dd><pre>${JSON.stringify(value, undefined, 2)}</pre></dd>`,
      )}
    </dl>
    ${kept > 0 && html`<p>${T.kept[l]} ${numberIn(l, kept)}</p>`}`
}

function yourself(l: Language, here: string, n: number, vkey: string): Html {
  const at = `${here}/evidence`
  return html`<h2>${T.yourself[l]}</h2>
    <p>${T.yourselfHow[l]}</p>
    <ul>
      <li><a href="${at}/${n}.json" download>${T.fileEntry[l]} (${n}.json)</a></li>
      <li><a href="${at}/${n}.tlog-proof" download>${T.fileProof[l]} (${n}.tlog-proof)</a></li>
      <li><a href="${at}/verify.py" download>${T.fileVerifier[l]} (verify.py)</a></li>
    </ul>
    <pre>python3 verify.py --vkey '${vkey}' ${n}.json ${n}.tlog-proof</pre>`
}
