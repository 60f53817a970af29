/** Live decisions, why one was made, and where a second policy would have decided otherwise. */
import { html } from '../../web/html.ts'
import { numberIn } from '../../web/language.ts'
import { numberOf } from '../../domain/position.ts'
import type { Explained, SeenDecision } from '../ports.ts'
import { Refusal } from '../ports.ts'
import type { Content, Html } from '../../web/html.ts'
import type { PageRoute, Shown, Visit } from './visit.ts'
import type { Flaw } from './visit.ts'
import { facts, flawNotice, form, page, seg, table, when, whenExactly, whyField, whyFlaw } from './visit.ts'
import { factIn, helpIn, reasonIn } from './reasons.ts'
import { DIRECTION, KIND, RESULT, wordOf } from './words.ts'

const SHOWN = 100
const REFRESH_SECONDS = 5

function live(visit: Visit): Shown {
  const { parts, say, query } = visit
  const seen = parts.decisions.latest(SHOWN)
  const refreshing = query['refresh'] === 'on'
  const title = say({ fr: 'Décisions en direct', en: 'Live decisions' })
  const toggle = refreshing
    ? html`<a class="button plain" href="/decisions">${say({ fr: 'Arrêter l’actualisation', en: 'Stop refreshing' })}</a>`
    : html`<a class="button plain" href="/decisions?refresh=on"
        >${say({ fr: `Actualiser toutes les ${REFRESH_SECONDS} secondes`, en: `Refresh every ${REFRESH_SECONDS} seconds` })}</a
      >`
  return page(
    title,
    html`<p>
        ${say({ fr: `Les ${SHOWN} dernières de cette passerelle depuis son démarrage.`, en: `The last ${SHOWN} of this gate since it started.` })}
      </p>
      <p>${toggle}</p>
      ${
        seen.length === 0
          ? html`<p>${say({ fr: 'Aucune encore.', en: 'None yet.' })}</p>`
          : table(
              title,
              [
                say({ fr: 'Quand', en: 'When' }),
                say({ fr: 'Client', en: 'Client' }),
                say({ fr: 'Demandé', en: 'Asked' }),
                say({ fr: 'Décision', en: 'Decision' }),
                say({ fr: 'Règle', en: 'Rule' }),
                say({ fr: 'Pourquoi', en: 'Why' }),
              ],
              seen.map((one) => row(visit, one)),
            )
      }`,
    refreshing ? { refresh: { seconds: REFRESH_SECONDS, href: '/decisions?refresh=on' } } : {},
  )
}

function row(visit: Visit, seen: SeenDecision): Content[] {
  const { language, say } = visit
  const asked = [
    seen.kind === null ? seen.api : wordOf(KIND, seen.kind, language),
    seen.direction === null ? null : wordOf(DIRECTION, seen.direction, language),
    seen.step,
    seen.asked,
  ].filter((part) => part !== null)
  return [
    whenExactly(visit, seen.at),
    seen.client,
    asked.join(', '),
    html`${wordOf(RESULT, seen.result, language)}${seen.reason !== null && html`: ${reasonIn(language, seen.reason)} (<code>${seen.reason}</code>)`}`,
    seen.rule ?? '–',
    seen.entry === null
      ? '–'
      : html`<a href="/decisions/${seen.entry.n}">${say({ fr: 'expliquer', en: 'explain' })} ${numberOf(seen.entry.n)}</a>`,
  ]
}

function positionIn(text: string | undefined): number {
  if (text === undefined || !/^(0|[1-9]\d{0,15})$/.test(text)) throw new Refusal('not_found', 'there is no such entry')
  return Number(text)
}

async function ask(visit: Visit, flaw?: Flaw): Promise<Shown> {
  const { parts, params, say } = visit
  const n = positionIn(params['entry'])
  const { entry } = await parts.evidence.one(n)
  return page(
    say({ fr: `Pourquoi cette décision ? Entrée ${numberOf(n)}`, en: `Why this decision? Entry ${numberOf(n)}` }),
    html`${flawNotice(visit, flaw)}
      <pre>${JSON.stringify(JSON.parse(entry), null, 2)}</pre>
      <p>
        ${say({
          fr: 'L’expliquer rouvre ce qui est scellé : cela laisse une trace dans les preuves.',
          en: 'To explain it, what is sealed is opened: that leaves an entry in the evidence.',
        })}
      </p>
      ${form(
        visit,
        `/decisions/${n}`,
        whyField(visit, {
          flaw,
          value: visit.form['why'] ?? say({ fr: 'décision expliquée (console)', en: 'decision explained (console)' }),
        }),
        html`<button>${say({ fr: 'Expliquer', en: 'Explain' })}</button>`,
      )}
      <p><a href="/evidence/${n}">${say({ fr: 'Voir l’entrée et sa preuve', en: 'See the entry and its proof' })}</a></p>`,
    flaw ? { status: 422 } : {},
  )
}

async function explain(visit: Visit): Promise<Shown> {
  const { parts, params, form: sent, operator, say, language } = visit
  const n = positionIn(params['entry'])
  const flaw = whyFlaw(visit)
  if (flaw) return ask(visit, flaw)
  const told = await parts.evidence.explain(operator, n, sent['why'] ?? '')
  const result =
    told.onRecord.result === null ? say({ fr: 'pas une décision', en: 'no decision' }) : wordOf(RESULT, told.onRecord.result, language)
  return page(
    say({ fr: `Décision de l’entrée ${numberOf(n)}`, en: `Decision of entry ${numberOf(n)}` }),
    html`${facts([
        [
          say({ fr: 'Au journal', en: 'On record' }),
          html`${result}${told.onRecord.reason !== null && html` (<code>${told.onRecord.reason}</code>)`}`,
        ],
        [say({ fr: 'Tranchée à l’étape', en: 'Settled at the step' }), told.stage],
        [say({ fr: 'Cette lecture est notée sous', en: 'This reading is on record as' }), told.recordedAs],
      ])}
      ${told.explanation === null ? html`<p class="note" lang="en">${told.why}</p>` : explanation(visit, told.explanation)}
      <p><a href="/evidence/${n}">${say({ fr: 'Voir l’entrée et sa preuve', en: 'See the entry and its proof' })}</a></p>`,
  )
}

function explanation(visit: Visit, told: NonNullable<Explained['explanation']>): Html {
  const { say, language } = visit
  const { rule, lines, now } = told
  const help = helpIn(language, told)
  return html`<h2>${say({ fr: 'Le fait qui a décidé', en: 'The one fact that decided' })}</h2>
    <p id="fact"><strong>${factIn(language, told)}</strong></p>
    ${help !== null && html`<p>${help}</p>`}
    ${facts([
      [say({ fr: 'Règle', en: 'Rule' }), rule === null ? '–' : `${rule.id} (${rule.onOverrun})`],
      [say({ fr: 'Instant de la décision', en: 'Moment of the decision' }), when(visit, now)],
    ])}
    <h2>${say({ fr: 'Lignes examinées', en: 'Lines considered' })}</h2>
    ${
      lines.length === 0
        ? html`<p>${say({ fr: 'Aucune.', en: 'None.' })}</p>`
        : table(
            say({ fr: 'Lignes examinées', en: 'Lines considered' }),
            [
              say({ fr: 'Autorisation', en: 'Permission' }),
              say({ fr: 'Ligne', en: 'Line' }),
              say({ fr: 'Jusqu’où', en: 'How far' }),
              say({ fr: 'Jours', en: 'Days' }),
              say({ fr: 'A décidé', en: 'Decided' }),
            ],
            lines.map((line) => [
              html`<a href="/permissions/${seg(line.permission)}">${line.permission}</a>`,
              line.line,
              line.why === null ? line.stage : `${line.stage}: ${reasonIn(language, line.why)}`,
              line.days.join(', '),
              line.decided ? say({ fr: 'oui', en: 'yes' }) : say({ fr: 'non', en: 'no' }),
            ]),
          )
    }`
}

function shadow(visit: Visit): Shown {
  const { parts, say, language } = visit
  const title = say({ fr: 'Politique à l’essai', en: 'Shadow policy' })
  const other = parts.shadow()
  if (!other)
    return page(
      title,
      html`<p>
        ${say({ fr: 'Les réglages n’en nomment pas', en: 'The settings name none' })} (<code>shadow_policy</code>).
        ${say({ fr: 'Elle serait évaluée à côté de la politique en vigueur, sans rien décider.', en: 'It would be evaluated beside the policy in force and decide nothing.' })}
      </p>`,
    )
  const counts = other.counts()
  const differences = other.latest(SHOWN)
  const side = ({ result, reason, rule }: { result: string; reason: string | null; rule: string | null }): string =>
    [wordOf(RESULT, result, language), reason, rule].filter((one) => one !== null).join(', ')
  return page(
    title,
    html`<p><code>${other.file}</code></p>
      <h2 id="counts">${say({ fr: 'Par règle', en: 'By rule' })}</h2>
      ${table(
        say({ fr: 'Écarts par règle', en: 'Differences by rule' }),
        [
          say({ fr: 'Règle', en: 'Rule' }),
          say({ fr: 'Pareil', en: 'Same' }),
          say({ fr: 'Plus strict', en: 'Stricter' }),
          say({ fr: 'Plus large', en: 'Wider' }),
          say({ fr: 'Autrement', en: 'Otherwise' }),
        ],
        counts.map((c) => [c.rule, ...[c.same, c.stricter, c.wider, c.otherwise].map((n) => numberIn(language, n))]),
      )}
      <h2 id="differences">${say({ fr: 'Derniers écarts', en: 'Last differences' })}</h2>
      ${
        differences.length === 0
          ? html`<p>${say({ fr: 'Aucun.', en: 'None.' })}</p>`
          : table(
              say({ fr: 'Derniers écarts', en: 'Last differences' }),
              [
                say({ fr: 'Quand', en: 'When' }),
                say({ fr: 'Client', en: 'Client' }),
                say({ fr: 'Données', en: 'Data' }),
                say({ fr: 'En vigueur', en: 'In force' }),
                say({ fr: 'À l’essai', en: 'Shadow' }),
                say({ fr: 'Entrée', en: 'Entry' }),
              ],
              differences.map((d) => [
                whenExactly(visit, d.at),
                d.client,
                d.kind === null ? '–' : wordOf(KIND, d.kind, language),
                side(d.live),
                side(d.shadow),
                d.entry === null ? '–' : html`<a href="/decisions/${d.entry.n}">${numberOf(d.entry.n)}</a>`,
              ]),
            )
      }`,
  )
}

export const DECISION_PAGES: readonly PageRoute[] = [
  { method: 'GET', path: '/decisions', role: 'auditor', handle: live },
  { method: 'GET', path: '/decisions/:entry', role: 'auditor', handle: (visit) => ask(visit) },
  { method: 'POST', path: '/decisions/:entry', role: 'auditor', handle: explain },
  { method: 'GET', path: '/shadow', role: 'auditor', handle: shadow },
]
