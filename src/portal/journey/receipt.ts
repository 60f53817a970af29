/**
 * The receipt of a permission: ISO/IEC TS 27560 record in the form of W3C's Data Privacy Vocabulary (JSON-LD, profile
 * `receipt-eu-gdpr`), with what that standard has no field for in a namespace of our own. Made when the permission is
 * given, kept with it unchanged. Pure.
 *
 * Sources: ISO/IEC TS 27560:2023; https://w3id.org/dpv/schema/dpv-27560; GDPR articles 7(1), 7(3), 13.
 */
import type { Json } from '../../domain/canonical.ts'
import { canonicalJson } from '../../domain/canonical.ts'
import { bareMeter } from '../../domain/meter.ts'
import type { PermissionId } from '../../domain/permission.ts'
import type { Purpose } from '../../domain/policy.ts'
import type { Millis } from '../../domain/time.ts'
import { rfc3339 } from '../../domain/time.ts'
import type { PermissionContent } from '../../permissions/record.ts'
import type { ClientSettings } from '../../settings/shape.ts'
import type { PortalSettings } from '../ports.ts'

export interface Receiptable {
  readonly id: PermissionId
  readonly content: PermissionContent
  readonly client: ClientSettings
  readonly purposes: readonly Purpose[]
  readonly operator: PortalSettings
  readonly times: { readonly chosen: Millis; readonly back: Millis }
  /** SHA-256 of the scope that the person was shown and agreed to. */
  readonly scopeHash: string
}

export const RECEIPT_TYPE = 'application/ld+json'
const SCHEMA = 'https://w3id.org/dpv/schema/dpv-27560#receipt-eu-gdpr'
const BASES: Readonly<Record<string, string>> = { consent: 'eu-gdpr:A6-1-a', contract: 'eu-gdpr:A6-1-b' }

export function receiptOf({ id, content, client, purposes, operator, times, scopeHash }: Receiptable): string {
  const { scope } = content
  const { ask } = client
  const base = operator.url
  const record: Json = {
    '@context': {
      dct: 'http://purl.org/dc/terms/',
      dpv: 'https://w3id.org/dpv#',
      'eu-gdpr': 'https://w3id.org/dpv/legal/eu/gdpr#',
      ext: 'https://w3id.org/ecluse#',
    },
    '@id': `${base}/receipts/${id}`,
    '@type': 'dpv:ConsentReceipt',
    'dct:conformsTo': SCHEMA,
    'dct:created': rfc3339(times.back),
    schema_version: SCHEMA,
    record_id: id,
    pii_principal_id: content.holder.reference,
    privacy_notice: { id: content.notice.id, version: content.notice.version, sha256: content.notice.sha256 },
    language: content.notice.language,
    'dpv:hasProcess': scope.lines.map((line) => ({
      '@id': `${base}/receipts/${id}#${line.id}`,
      'dpv:hasPurpose': purposeOf(line.purpose, purposes),
      'dpv:hasLegalBasis': BASES[scope.ground.gdprBasis] ?? scope.ground.gdprBasis,
      'dpv:hasPersonalData': line.kind,
      'ext:direction': line.direction,
      'ext:granularity': line.finest,
      'ext:dataPeriod': line.data === null ? null : { from: line.data.from, until: line.data.until },
      'ext:recurrence': line.recurrence,
    })),
    pii_controllers: [
      { name: ask?.body ?? client.name, contact: ask?.contact ?? operator.operator.contact, party_type: 'dpv:DataController' },
    ],
    'dpv:hasDataProcessor': [{ name: operator.operator.name, contact: operator.operator.contact, address: operator.operator.address }],
    recipient_third_parties: (ask?.recipients ?? []) as readonly string[] as Json,
    service: { id: client.id, name: client.name, ...(ask?.url !== undefined && { url: ask.url }) },
    retention_period: ask ? { fr: ask.retention.fr, en: ask.retention.en } : null,
    storage_locations: ['FR'],
    jurisdiction: 'FR',
    withdrawal_method: `${base}/me`,
    events: [
      { event_type: 'dpv:ConsentGiven', event_time: rfc3339(times.chosen), event_state: 'given', entity_id: content.holder.reference },
      {
        event_type: 'ext:Verified',
        event_time: rfc3339(times.back),
        event_state: 'active',
        validity_duration: { from: rfc3339(scope.validFrom), until: rfc3339(scope.validUntil) },
        entity_id: 'Enedis',
      },
    ],
    'ext:deliveryPoint': { system: 'PRM', id: bareMeter(content.meter) },
    'ext:sectorRelease': { code: scope.ground.sectorRelease, article: 'Code de l’énergie R. 111-27' },
    'ext:identityProof': { method: content.identity.method, strength: content.identity.strength },
    'ext:holderMatch': { method: content.holderMatch.method, result: content.holderMatch.result },
    'ext:scopeHash': scopeHash,
  }
  return canonicalJson(record)
}

function purposeOf(code: string, purposes: readonly Purpose[]): Json {
  const row = purposes.find((p) => p.code === code)
  return row ? { code, version: row.version, label: { fr: row.label.fr, en: row.label.en } } : { code }
}
