/**
 * The receipt of a withdrawal: what happens now, what stays as it was, and what only the person itself can do at Enedis.
 * Pure. Sources: GDPR article 7(3); consent model § 3.8, closing tasks (`by_subject_only`).
 */
import type { Millis } from '../../domain/time.ts'
import type { PermissionRecord } from '../../permissions/record.ts'
import type { Html } from '../../web/html.ts'
import { html } from '../../web/html.ts'
import type { Language, Said } from '../../web/language.ts'
import { momentIn } from '../../web/language.ts'
import type { Shown } from './records.ts'
import { nameOf } from './records.ts'

export const WITHDRAWN_TITLE: Said = { fr: 'Autorisation retirée', en: 'Permission withdrawn' }
const T = {
  done: { fr: 'ne peut plus lire les données de votre compteur.', en: 'can no longer read the data of your meter.' },
  receipt: { fr: 'Reçu du retrait', en: 'Receipt of the withdrawal' },
  when: { fr: 'Retirée le', en: 'Withdrawn on' },
  id: { fr: 'Autorisation', en: 'Permission' },
  entry: { fr: 'Inscription au journal', en: 'Entry of the log' },
  now: { fr: 'Ce qui se passe maintenant', en: 'What happens now' },
  cut: {
    fr: 'Toute nouvelle lecture est refusée depuis cet instant, et une lecture en cours a été coupée.',
    en: 'Every new reading has been refused from that moment on, and one under way was cut off.',
  },
  lawful: {
    fr: 'Ce qui a été lu avant votre retrait l’a été licitement et le reste. Pour le faire effacer, écrivez au responsable des données :',
    en: 'What was read before you withdrew was read lawfully, and stays so. To have it erased, write to who is responsible for the data:',
  },
  enedis: {
    fr: 'Le partage inscrit dans votre compte Enedis demeure jusqu’à ce que vous l’y supprimiez : cela, vous seul pouvez le faire, sur votre espace client Enedis, rubrique des accès aux données. Il n’ouvre plus rien ici.',
    en: 'The share in your Enedis account stays until you remove it there: only you can do that, in your customer space at Enedis, under access to data. Here it opens nothing any more.',
  },
  others: { fr: 'Vos autres autorisations ne changent pas.', en: 'Your other permissions do not change.' },
  back: { fr: 'Mes autorisations', en: 'My permissions' },
  proof: { fr: 'Vérifier la preuve', en: 'Check the proof' },
} as const

export function withdrawnPage(l: Language, held: Shown, act: PermissionRecord['acts'][number]): Html {
  const { record, client } = held
  return html`<h1>${WITHDRAWN_TITLE[l]}</h1>
    <p class="note" role="status"><strong>${nameOf(held)}</strong> ${T.done[l]}</p>
    <h2>${T.receipt[l]}</h2>
    <dl class="facts">
      <dt>${T.when[l]}</dt>
      <dd>${momentIn(l, Date.parse(act.at) as Millis)}</dd>
      <dt>${T.id[l]}</dt>
      <dd>${record.id}</dd>
      <dt>${T.entry[l]}</dt>
      <dd>${act.entry} – <a href="/me/${encodeURIComponent(record.id)}/evidence/${act.n}">${T.proof[l]}</a></dd>
    </dl>
    <h2>${T.now[l]}</h2>
    <ul>
      <li>${T.cut[l]}</li>
      <li>${T.lawful[l]} ${client?.ask?.contact ?? nameOf(held)}.</li>
      ${record.content.bindings.some((b) => b.provider === 'enedis-data-connect') && html`<li>${T.enedis[l]}</li>`}
      <li>${T.others[l]}</li>
    </ul>
    <p><a class="button" href="/me">${T.back[l]}</a></p>`
}
