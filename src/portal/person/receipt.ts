/**
 * The receipt of a permission: the one that was kept with it when it was given, unchanged, and a page to read it by. What
 * came from elsewhere (paper, an import) has none: the page is then made from the record, and says so.
 */
import type { Json } from '../../domain/canonical.ts'
import { canonicalJson } from '../../domain/canonical.ts'
import type { PermissionId } from '../../domain/permission.ts'
import type { Purpose } from '../../domain/policy.ts'
import type { Millis } from '../../domain/time.ts'
import type { Html } from '../../web/html.ts'
import { html } from '../../web/html.ts'
import type { Language, Said } from '../../web/language.ts'
import { momentIn } from '../../web/language.ts'
import { receiptOf } from '../journey/receipt.ts'
import type { PortalParts, PortalSettings } from '../ports.ts'
import { linesOf, spanIn, timeline } from './permission.ts'
import type { Shown } from './records.ts'
import { nameOf } from './records.ts'
import { BASIS_WORDS } from './words.ts'

export const RECEIPT_TITLE: Said = { fr: 'Reçu de l’autorisation', en: 'Receipt of the permission' }
const T = {
  kept: {
    fr: 'Ce reçu a été établi quand l’autorisation a été donnée. Le fichier gardé depuis, inchangé, porte l’empreinte SHA-256 :',
    en: 'This receipt was made when the permission was given. The file kept since then, unchanged, has the SHA-256 fingerprint:',
  },
  made: {
    fr: 'Cette autorisation vient d’un autre support (papier, reprise d’un registre) : aucun reçu n’avait été gardé avec elle. Cette page est établie à l’instant, à partir du registre.',
    en: 'This permission came by another way (paper, another register): no receipt was kept with it. This page is made just now, from the register.',
  },
  id: { fr: 'Autorisation', en: 'Permission' },
  service: { fr: 'Service', en: 'Service' },
  body: { fr: 'Responsable des données', en: 'Responsible for the data' },
  contact: { fr: 'Contact pour vos droits', en: 'Contact for your rights' },
  gate: { fr: 'Intermédiaire', en: 'Intermediary' },
  validity: { fr: 'Lectures permises', en: 'Reading permitted' },
  ground: { fr: 'Base légale', en: 'Legal basis' },
  notice: { fr: 'Information montrée', en: 'Information shown' },
  version: { fr: 'version', en: 'version' },
  opens: { fr: 'Ce qui est ouvert', en: 'What is open' },
  given: { fr: 'Comment elle a été donnée', en: 'How it was given' },
  file: { fr: 'Le reçu pour les logiciels (ISO/IEC TS 27560, JSON-LD)', en: 'The receipt for software (ISO/IEC TS 27560, JSON-LD)' },
  withdraw: { fr: 'Voir ou retirer cette autorisation', en: 'See or withdraw this permission' },
  printed: { fr: 'Page établie le', en: 'Page made on' },
} as const

export interface ReceiptPage {
  readonly language: Language
  readonly held: Shown
  readonly purposes: readonly Purpose[]
  readonly operator: PortalSettings['operator']
  readonly now: Millis
}

export function receiptPage({ language: l, held, purposes, operator, now }: ReceiptPage): Html {
  const { record, client } = held
  const { scope, notice } = record.content
  const kept = receiptIn(held)
  const id = encodeURIComponent(record.id)
  return html`<h1>${RECEIPT_TITLE[l]}</h1>
    ${
      kept
        ? html`<p>${T.kept[l]}</p>
            <pre>${kept.sha256}</pre>
            <p><a class="button plain" href="/receipts/${id}.jsonld">${T.file[l]}</a></p>`
        : html`<p class="note">${T.made[l]}</p>`
    }
    <dl class="facts">
      <dt>${T.id[l]}</dt>
      <dd>${record.id}</dd>
      <dt>${T.service[l]}</dt>
      <dd>${nameOf(held)}</dd>
      ${
        client?.ask &&
        html`<dt>${T.body[l]}</dt>
          <dd>${client.ask.body}</dd>
          <dt>${T.contact[l]}</dt>
          <dd>${client.ask.contact}</dd>`
      }
      <dt>${T.gate[l]}</dt>
      <dd>${operator.name}, ${operator.address} – ${operator.contact}</dd>
      <dt>${T.validity[l]}</dt>
      <dd>${spanIn(l, scope.validFrom, scope.validUntil)}</dd>
      <dt>${T.ground[l]}</dt>
      <dd>${BASIS_WORDS[scope.ground.gdprBasis][l]}</dd>
      <dt>${T.notice[l]}</dt>
      <dd>${notice.id}, ${T.version[l]} ${notice.version}</dd>
    </dl>
    <h2>${T.opens[l]}</h2>
    ${linesOf(l, held, purposes)}
    <h2>${T.given[l]}</h2>
    ${timeline(l, held)}
    <p>${T.printed[l]} ${momentIn(l, now)}.</p>
    <p><a class="button" href="/me/${id}">${T.withdraw[l]}</a></p>`
}

function receiptIn({ record }: Shown): { readonly sha256: string } | undefined {
  return record.attachments.find((a) => a.kind === 'receipt')
}

/** Bytes of the receipt as it was kept; undefined where there is none. */
export async function keptReceipt(parts: PortalParts, held: Shown): Promise<Uint8Array | undefined> {
  const kept = receiptIn(held)
  return kept && parts.state.call<Uint8Array | undefined>('readAttachment', { permission: held.record.id, sha256: kept.sha256 })
}

/** The record of a permission as it stands: the receipt's form, with status and acts. Made anew each time. */
export function recordJsonLd(parts: PortalParts, held: Shown): string | undefined {
  const { record, client } = held
  if (!client) return undefined
  const at = (type: string): Millis => Date.parse(record.acts.find((act) => act.type === type)?.at ?? record.validFrom) as Millis
  const receipt = receiptOf({
    id: record.id as PermissionId,
    content: record.content,
    client,
    purposes: parts.purposes(),
    operator: parts.settings,
    times: { chosen: at('give'), back: at('activate') },
    scopeHash: '',
  })
  const { 'ext:scopeHash': _, ...rest } = JSON.parse(receipt) as Readonly<Record<string, Json>>
  return canonicalJson({
    ...rest,
    '@type': 'dpv:ConsentRecord',
    'ext:status': record.status,
    'ext:endReason': record.endReason,
    'ext:void': record.void,
    'ext:acts': record.acts.map(({ type, at: when, status, entry }) => ({ type, at: when, status, entry })),
  })
}
