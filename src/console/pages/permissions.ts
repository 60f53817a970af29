/** Pages about permissions: list with filters, one permission with its timeline, acts, documents and one-time links. */
import type { Day } from '../../domain/time.ts'
import { addDays } from '../../domain/time.ts'
import { STATUSES } from '../../domain/vocabulary.ts'
import type { PermissionContent } from '../../permissions/record.ts'
import type { PermissionAt } from '../../permissions/browse.ts'
import type { Content, Html } from '../../web/html.ts'
import { html } from '../../web/html.ts'
import { dayIn, numberIn } from '../../web/language.ts'
import { actOrder, OPERATOR_ACTS } from '../api/schemas.ts'
import { documentHeaders } from '../documents.ts'
import { Refusal } from '../ports.ts'
import { journeyOf } from './journeys.ts'
import type { PageRoute, Shown, Visit } from './visit.ts'
import { choiceField, facts, form, mayChange, moreLink, page, redirect, seg, table, textField, when, withQuery } from './visit.ts'
import { ACT, DIRECTION, KIND, STATUS, wordOf } from './words.ts'

const ON_PAGE = 50

async function list(visit: Visit): Promise<Shown> {
  const { parts, query, say, language } = visit
  const { client, status, meter, after } = query
  const filter = { client: client || undefined, status: status || undefined, meter: meter || undefined }
  const found = await parts.permissions.list({ ...filter, after, limit: ON_PAGE + 1 })
  const shown = found.slice(0, ON_PAGE)
  const clients = await parts.clients.list()
  const all = { value: '', text: say({ fr: '(sans filtre)', en: '(no filter)' }) }
  const next = found.length > ON_PAGE ? withQuery('/permissions', { ...filter, after: shown.at(-1)?.id }) : null
  const title = say({ fr: 'Autorisations', en: 'Permissions' })
  return page(
    title,
    html`${mayChange(visit) && html`<p><a class="button plain" href="/permissions/new/mandate">${say({ fr: 'Préparer un mandat (SGE)', en: 'Prepare a mandate (SGE)' })}</a> <a class="button plain" href="/permissions/new/gas">${say({ fr: 'Demander un droit d’accès (GRDF)', en: 'Ask for an access right (GRDF)' })}</a></p>`}
      <form method="get" action="/permissions" role="search" aria-label="${say({ fr: 'Filtrer', en: 'Filter' })}">
        ${choiceField('client', say({ fr: 'Client', en: 'Client' }), [all, ...clients.map(({ id, name }) => ({ value: id, text: `${name} (${id})` }))], client)}
        ${choiceField('status', say({ fr: 'État', en: 'Status' }), [all, ...STATUSES.map((one) => ({ value: one, text: STATUS[one][language] }))], status)}
        ${textField('meter', say({ fr: 'Compteur', en: 'Meter' }), {
          value: meter ?? '',
          hint: say({ fr: '14 chiffres, ou pce: et le numéro du point de gaz', en: '14 digits, or pce: and the number of the gas point' }),
          max: 40,
        })}
        <div class="actions"><button>${say({ fr: 'Filtrer', en: 'Filter' })}</button></div>
      </form>
      ${
        shown.length === 0
          ? html`<p>${say({ fr: 'Aucune autorisation ne correspond.', en: 'No permission matches.' })}</p>`
          : table(
              title,
              [
                say({ fr: 'Identifiant', en: 'Id' }),
                say({ fr: 'Client', en: 'Client' }),
                say({ fr: 'État', en: 'Status' }),
                say({ fr: 'Valable du', en: 'Valid from' }),
                say({ fr: 'au', en: 'until' }),
              ],
              shown.map((one) => [
                html`<a href="/permissions/${seg(one.id)}">${one.id}</a>`,
                one.client,
                statusOf(visit, one),
                when(visit, one.validFrom),
                when(visit, one.validUntil),
              ]),
            )
      }
      ${moreLink(visit, next)}`,
  )
}

function statusOf({ language, say }: Visit, one: Pick<PermissionAt, 'status' | 'endReason' | 'void'>): string {
  const reason = one.endReason === null ? '' : ` (${wordOf(ACT, one.endReason, language)})`
  return `${wordOf(STATUS, one.status, language)}${reason}${one.void ? say({ fr: ', sans effet depuis le début', en: ', void from the start' }) : ''}`
}

async function show(visit: Visit): Promise<Shown> {
  const { parts, params, say } = visit
  const permission = await parts.permissions.show(params['permission'] ?? '')
  const { content } = permission
  const receipt = await parts.permissions.receipt(permission.id)
  return page(
    `${say({ fr: 'Autorisation', en: 'Permission' })} ${permission.id}`,
    html`${facts([
        [say({ fr: 'État', en: 'Status' }), statusOf(visit, permission)],
        [say({ fr: 'Client', en: 'Client' }), permission.client],
        [
          say({ fr: 'Appels possibles', en: 'Calls possible' }),
          html`${when(visit, permission.validFrom)} – ${when(visit, permission.validUntil)}`,
        ],
        [say({ fr: 'Version', en: 'Version' }), permission.version],
        ...(content ? contentFacts(visit, content) : []),
      ])}
      ${
        content
          ? linesOf(visit, content)
          : html`<p class="note">
              ${say({ fr: 'La personne a été effacée : le contenu n’existe plus.', en: 'The person was erased: the content is gone.' })}
            </p>`
      }
      <h2 id="timeline">${say({ fr: 'Chronologie', en: 'Timeline' })}</h2>
      ${timelineOf(visit, permission)} ${rightsOf(visit, permission)}
      <h2 id="attachments">${say({ fr: 'Pièces justificatives', en: 'Attachments' })}</h2>
      ${attachmentsOf(visit, permission)}
      ${receipt !== null && html`<p><a href="/v1/permissions/${seg(permission.id)}/receipt">${say({ fr: 'Reçu remis à la personne (JSON-LD)', en: 'Receipt given to the person (JSON-LD)' })}</a></p>`}
      ${mayChange(visit) && (await journeyOf(visit, permission))} ${mayChange(visit) && actsOf(visit, permission)}`,
  )
}

function contentFacts({ say }: Visit, { meter, holder, scope, notice, identity }: PermissionContent): [string, Content][] {
  const kind = holder.kind === 'natural' ? say({ fr: 'personne', en: 'person' }) : say({ fr: 'organisme', en: 'body' })
  return [
    [say({ fr: 'Compteur', en: 'Meter' }), meter],
    [say({ fr: 'Titulaire', en: 'Holder' }), `${holder.name ?? holder.reference} (${kind})`],
    [say({ fr: 'Base légale', en: 'Legal basis' }), `${scope.ground.gdprBasis}, ${scope.ground.sectorRelease}`],
    [say({ fr: 'Information remise', en: 'Notice given' }), `${notice.id} ${notice.version} (${notice.language})`],
    [say({ fr: 'Identité vérifiée', en: 'Identity verified' }), `${identity.method} (${identity.strength})`],
  ]
}

function linesOf(visit: Visit, { scope }: PermissionContent): Html {
  const { say, language } = visit
  return html`<h2>${say({ fr: 'Ce qui peut être lu', en: 'What may be read' })}</h2>
    ${table(
      say({ fr: 'Lignes de l’autorisation', en: 'Lines of the permission' }),
      [
        say({ fr: 'Ligne', en: 'Line' }),
        say({ fr: 'Données', en: 'Data' }),
        say({ fr: 'Pas le plus fin', en: 'Finest step' }),
        say({ fr: 'Finalité', en: 'Purpose' }),
        say({ fr: 'Jours, premier et dernier', en: 'Days, first and last' }),
      ],
      scope.lines.map((line) => [
        line.id,
        `${KIND[line.kind][language]}, ${DIRECTION[line.direction][language]}`,
        line.finest,
        line.purpose,
        line.data === null ? '–' : `${dayIn(language, line.data.from)} – ${dayIn(language, addDays(line.data.until, -1))}`,
      ]),
    )}`
}

function timelineOf(visit: Visit, { acts }: PermissionAt): Html {
  const { language } = visit
  return html`<ol>
    ${acts.map(({ type, at, status, entry, details }) => {
      const { role, channel, reason, id } = (details ?? {}) as Readonly<Record<string, string | undefined>>
      const who = [role, id, channel].filter((one) => one !== undefined).join(', ')
      return html`<li>
        <strong>${ACT[type as keyof typeof ACT]?.[language] ?? type}</strong>, ${when(visit, at)} → ${wordOf(STATUS, status, language)}<br />
        <span class="soft">${who}</span> ${reason !== undefined && html`<q>${reason}</q>`}
        <a href="/evidence/${entry.slice(entry.lastIndexOf('/') + 1)}"
          >${visit.say({ fr: 'preuve', en: 'evidence' })} ${entry.slice(entry.lastIndexOf('/') + 1)}</a
        >
      </li>`
    })}
  </ol>`
}

/** What is open at the data holders, and how far the end of it has come there. */
function rightsOf(visit: Visit, { rights }: PermissionAt): Html | undefined {
  const { say } = visit
  if (rights.length === 0) return undefined
  const states = {
    wanted: say({ fr: 'à demander', en: 'to be asked for' }),
    pending: say({ fr: 'attend la personne', en: 'waits for the person' }),
    open: say({ fr: 'ouvert', en: 'open' }),
    ending: say({ fr: 'fin demandée', en: 'asked to end' }),
    ended: say({ fr: 'terminé', en: 'ended' }),
  }
  const proofs = {
    awaited: say({ fr: 'à transmettre', en: 'to be sent' }),
    being_checked: say({ fr: 'en cours de vérification', en: 'being checked' }),
    ok: say({ fr: 'acceptée', en: 'accepted' }),
    ko: say({ fr: 'refusée', en: 'refused' }),
  }
  return html`<h2 id="rights">${say({ fr: 'Ouvert chez les gestionnaires', en: 'Opened at the data holders' })}</h2>
    ${table(
      say({ fr: 'Services et droits', en: 'Services and rights' }),
      [
        say({ fr: 'Gestionnaire', en: 'Data holder' }),
        say({ fr: 'Référence', en: 'Reference' }),
        say({ fr: 'État', en: 'State' }),
        say({ fr: 'Depuis', en: 'Since' }),
        say({ fr: 'Demandes de fin', en: 'Asked to end' }),
        say({ fr: 'Dernier code', en: 'Last code' }),
        say({ fr: 'Preuve demandée', en: 'Proof asked for' }),
      ],
      rights.map(({ provider, account, ref, state, since, attempts, code, proof, proofUntil }) => [
        `${provider}/${account}`,
        ref ?? '–',
        states[state],
        when(visit, since),
        attempts,
        code ?? '–',
        proof === null
          ? '–'
          : `${proofs[proof]}${proof === 'awaited' && proofUntil !== null ? ` (${dayIn(visit.language, proofUntil as Day)})` : ''}`,
      ]),
    )}`
}

function attachmentsOf(visit: Visit, { id, attachments }: PermissionAt): Html {
  const { say, language } = visit
  if (attachments.length === 0) return html`<p>${say({ fr: 'Aucune.', en: 'None.' })}</p>`
  return html`<p class="soft">
      ${say({ fr: 'Ouvrir une pièce laisse une trace dans les preuves.', en: 'Opening a document leaves an entry in the evidence.' })}
    </p>
    <ul>
      ${attachments.map(
        ({ sha256, kind, mediaType, bytes }) =>
          html`<li>
            <a href="/permissions/${seg(id)}/attachments/${sha256}">${kind}</a>, ${mediaType}, ${numberIn(language, bytes)}
            ${say({ fr: 'octets', en: 'bytes' })}
          </li>`,
      )}
    </ul>`
}

function actsOf(visit: Visit, { id, status, head }: PermissionAt): Html {
  const { say, language, parts } = visit
  const possible = OPERATOR_ACTS.filter((type) => {
    if (type === 'suspend') return status === 'active'
    if (type === 'resume') return status === 'suspended'
    return type === 'invalidated' || (status !== 'ended' && status !== 'refused')
  })
  return html`<h2 id="acts">${say({ fr: 'Agir', en: 'Act' })}</h2>
    ${form(
      visit,
      `/permissions/${seg(id)}/acts`,
      html`<input type="hidden" name="head" value="${head}" /> ${choiceField(
          'type',
          say({ fr: 'Acte', en: 'Act' }),
          [
            { value: '', text: say({ fr: '(choisir)', en: '(choose)' }) },
            ...possible.map((type) => ({ value: type, text: ACT[type][language] })),
          ],
          '',
          true,
        )}
        ${textField('reason', say({ fr: 'Motif', en: 'Reason' }), { hint: say({ fr: 'reste scellé dans les preuves', en: 'stays sealed in the evidence' }) })}`,
      html`<button class="stop">${say({ fr: 'Mettre en œuvre', en: 'Carry out' })}</button>`,
    )}
    ${
      parts.permissions.link !== undefined &&
      html`<h2 id="link">${say({ fr: 'Lien pour la personne', en: 'Link for the person' })}</h2>
        ${form(
          visit,
          `/permissions/${seg(id)}/links`,
          html`<p>
            ${say({
              fr: 'Ouvre une seule fois la page « mes autorisations » de la personne. À ne remettre qu’à elle.',
              en: 'Opens the page «my permissions» of the person, once. For nobody but that person.',
            })}
          </p>`,
          html`<button class="plain">${say({ fr: 'Créer un lien à usage unique', en: 'Make a one-time link' })}</button>`,
        )}`
    }`
}

async function act(visit: Visit): Promise<Shown> {
  const { parts, params, operator, form: sent, say } = visit
  const { permission = '' } = params
  const { head = '', reason = '' } = sent
  const order = actOrder.safeParse({ type: sent['type'], ...(reason.trim() !== '' && { reason: reason.trim() }) })
  if (!order.success || head === '') throw new Refusal('invalid', 'the form was not whole: open the permission again')
  const done = await parts.permissions.act(operator, { permission, ...order.data, head })
  if (done.is === 'done') return redirect(`/permissions/${seg(permission)}`)
  return page(
    say({ fr: 'L’autorisation a changé entre-temps', en: 'The permission changed meanwhile' }),
    html`<p>${say({ fr: 'Rien n’a été fait.', en: 'Nothing was done.' })}</p>
      <p><a class="button" href="/permissions/${seg(permission)}">${say({ fr: 'Voir où elle en est', en: 'See how it stands' })}</a></p>`,
    { status: 409 },
  )
}

async function attachment({ parts, params, operator }: Visit): Promise<Shown> {
  const { permission = '', sha256 = '' } = params
  const known = (await parts.permissions.show(permission)).attachments.find((one) => one.sha256 === sha256)
  if (!known) throw new Refusal('not_found', 'this permission has no such document')
  const bytes = await parts.permissions.attachment(operator, permission, sha256)
  return { is: 'bytes', bytes, headers: documentHeaders(known.kind, sha256, known.mediaType) }
}

async function link(visit: Visit): Promise<Shown> {
  const { parts, params, operator, say } = visit
  const { permission = '' } = params
  if (!parts.permissions.link) throw new Refusal('conflict', "the settings have no section 'portal': there is no page to link to")
  await parts.permissions.show(permission)
  const { url, expiresAt } = await parts.permissions.link(operator, permission)
  return page(
    say({ fr: 'Lien à usage unique', en: 'One-time link' }),
    html`<p>${say({ fr: 'Affiché cette seule fois, valable jusqu’au', en: 'Shown this once, good until' })} ${when(visit, expiresAt)}.</p>
      <pre id="one-time-link">${url}</pre>
      <p><a href="/permissions/${seg(permission)}">${say({ fr: 'Retour à l’autorisation', en: 'Back to the permission' })}</a></p>`,
  )
}

export const PERMISSION_PAGES: readonly PageRoute[] = [
  { method: 'GET', path: '/permissions', role: 'auditor', handle: list },
  { method: 'GET', path: '/permissions/:permission', role: 'auditor', handle: show },
  { method: 'POST', path: '/permissions/:permission/acts', role: 'operator', handle: act },
  { method: 'GET', path: '/permissions/:permission/attachments/:sha256', role: 'auditor', handle: attachment },
  { method: 'POST', path: '/permissions/:permission/links', role: 'operator', handle: link },
]
