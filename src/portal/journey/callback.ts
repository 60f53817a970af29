/**
 * What Enedis's page sends back through the browser, read and nothing more: claims of a browser, to be verified.
 * Pure. Source: Data Connect, consent pages v1 and v2 (accepted, refused and failed callbacks).
 */
import type { UsagePointId } from '../../domain/meter.ts'
import { parsePrm } from '../../domain/meter.ts'
import { isAuthorisationId } from '../../providers/enedis-data-connect/services.ts'

export type Callback =
  | { readonly is: 'authorisation'; readonly authorisation: string }
  | { readonly is: 'meters'; readonly meters: readonly UsagePointId[] }
  /** The person said no on Enedis's page. */
  | { readonly is: 'refused' }
  /** Enedis could not do it: the person may try again. */
  | { readonly is: 'failed' }
  | { readonly is: 'malformed' }

const MOST_METERS = 50

/** @param generation of the page that the browser was sent to: the other one's parameters are not accepted */
export function readCallback(query: ReadonlyMap<string, string>, generation: 'v1' | 'v2'): Callback {
  const error = query.get('error')
  if (error !== undefined) return { is: isNo(error, query.get('error_description'), generation) ? 'refused' : 'failed' }
  if (generation === 'v2') {
    const authorisation = query.get('autorisation_id') ?? ''
    return isAuthorisationId(authorisation) ? { is: 'authorisation', authorisation } : { is: 'malformed' }
  }
  if (!query.has('code')) return { is: 'malformed' }
  const texts = (query.get('usage_point_id') ?? '').split(/[;,]/)
  const meters = texts.map((text) => parsePrm(text)).filter((meter) => meter !== undefined)
  if (meters.length !== texts.length || meters.length > MOST_METERS) return { is: 'malformed' }
  return { is: 'meters', meters: [...new Set(meters)] }
}

/** v1 names a refusal; v2 has been seen to say only that the request came to nothing. */
function isNo(error: string, description: string | undefined, generation: 'v1' | 'v2'): boolean {
  return error === 'access_denied' || (generation === 'v2' && error === 'invalid_request' && description === 'demande_non_aboutie')
}
