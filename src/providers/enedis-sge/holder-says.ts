/**
 * What Enedis means by the code of a fault. A code that nobody described is no word about a consent: nothing ends by it.
 * Sources: homologation catalogue of SGE 26.1 and error codes as quoted by lowatt-enedis, sge-tiers, and others.
 */
import type { HolderError, HolderSays } from '../adapter.ts'
import { faultCodeOf } from './envelope.ts'
import { readXml } from './xml.ts'

const MEANS: Readonly<Record<string, HolderSays['means']>> = {
  // The customer has to have agreed; the requester may not consult this point.
  SGT4K2: 'refused',
  SGT4G2: 'refused',
  SGT566: 'refused',
  SGT211: 'refused',
  // The point does not exist.
  SGT401: 'bad_request',
  SGT4L8: 'period_refused',
  SGT4H4: 'period_refused',
  SGT5O9: 'period_refused',
  SGT509: 'period_refused',
  SGT4G3: 'no_data',
  SGT570: 'bad_request',
  SGT4B8: 'bad_request',
  SGT4Q1: 'bad_request',
  SGT4T2: 'bad_request',
  SGT4O3: 'bad_request',
  SGT4F7: 'bad_request',
  SGT4F8: 'bad_request',
  SGT562: 'bad_request',
  SGT500: 'down',
}
const NO_CODE = 'none'

export function saidByFault(code: string): HolderError {
  if (!/^[A-Z0-9]{6}$/.test(code)) return { says: { means: 'down' }, code: NO_CODE }
  return { says: { means: MEANS[code] ?? 'down' }, code } as HolderError
}

/** Of an answer without status 200. A bare 403 tells of a certificate or an address, not of a consent. */
export function holderError(status: number, body: string): HolderError {
  const document = readXml(new TextEncoder().encode(body))
  const fault = document && faultCodeOf(document)
  if (fault !== undefined) return saidByFault(fault)
  if (status === 429) return { says: { means: 'quota' }, code: '429' }
  return { says: { means: 'down' }, code: String(status) }
}
