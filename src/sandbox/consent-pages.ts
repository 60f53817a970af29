/**
 * The page on which a person shares a meter with an application: chooses which of the invented customers to be, accepts
 * or refuses, and is sent back to the address that the application has registered.
 *
 * v2 shares one meter and gives back the id of an authorisation; v1 shares one or several meters of one customer and
 * gives back their numbers, which a browser carries and could change. A meter that is shared with the application
 * already fails on the page of v2 and never comes back; v1 replaces the share.
 *
 * Source: Data Connect guides, and what was measured in October 2026 (MyElectricalData).
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { randomBytes } from 'node:crypto'
import type { Day } from '../domain/time.ts'
import { dayIn } from '../web/language.ts'
import { consentForm, errorBody } from './consent-form.ts'
import type { ConsentError, ConsentGeneration, ConsentRequest } from './consent-request.ts'
import { readConsent } from './consent-request.ts'
import type { Customer } from './customers.ts'
import { customerByDigit, customerOf } from './customers.ts'
import { meterOf } from './meters.ts'
import { readForm } from './receive.ts'
import type { Shares } from './shares.ts'
import { isShareable } from './shares.ts'
import type { Visit } from './simulated-page.ts'
import { redirect, sendPage } from './simulated-page.ts'

export interface ConsentDesk {
  readonly shares: Shares
  readonly isApplication: (clientId: string) => boolean
  readonly redirectUriOf: (clientId: string) => string | undefined
  readonly today: () => Day
}

export function consentGenerationOf(path: string): ConsentGeneration | undefined {
  return path === '/dataconnect/v1/oauth2/authorize' ? 'v1' : path === '/dataconnect/v2/oauth2/authorize' ? 'v2' : undefined
}

/** @param fails what a person sends comes to nothing, and says so to the application */
export async function consentPage(
  desk: ConsentDesk,
  generation: ConsentGeneration,
  message: IncomingMessage,
  visit: Visit,
  res: ServerResponse,
  fails: boolean,
): Promise<void> {
  const form = await readForm(message)
  const read = readConsent(generation, visit.query, desk.today())
  if (!read.ok) return sendError(res, visit, read)
  const { request } = read
  if (!desk.isApplication(request.clientId))
    return sendError(res, visit, { status: 403, error: 'access_denied', description: 'unknown_client' })
  const redirectUri = desk.redirectUriOf(request.clientId)
  if (redirectUri === undefined)
    return sendError(res, visit, { status: 403, error: 'access_denied', description: 'no_redirect_uri_registered' })
  if (!form) return sendChoice(desk, request, visit, res)
  if (fails) return redirect(res, redirectUri, failure(request))
  if (form.get('decision') === 'refuse') return redirect(res, redirectUri, refusal(request, true))
  const chosen = chosenMeters(form, generation)
  if (!chosen) return sendChoice(desk, request, visit, res, generation === 'v2' ? 'choose_one' : 'choose_of_one')
  const { customer, prms } = chosen
  // This customer never agrees, and v1 does not give `state` back then.
  if (customer.answers === 'refused') return redirect(res, redirectUri, refusal(request, generation === 'v2'))
  if (generation === 'v2' && prms.some((prm) => desk.shares.inForce(request.clientId, prm))) {
    return sendChoice(desk, request, visit, res, 'shared_already', prms)
  }
  return redirect(res, redirectUri, give(desk, request, customer, prms))
}

function give(
  { shares }: ConsentDesk,
  { generation, clientId, state, until }: ConsentRequest,
  customer: Customer,
  prms: readonly string[],
): Readonly<Record<string, string | undefined>> {
  const given = prms.map((prm) => {
    shares.revoke(prm, clientId)
    const share = shares.give({ prm, clientId, until })
    if (customer.answers === 'revoked') shares.revoke(prm, clientId)
    return share
  })
  if (generation === 'v2') return { autorisation_id: given[0]?.authorisation, state }
  return { code: randomBytes(20).toString('base64url'), state, usage_point_id: prms.join(';') }
}

function refusal({ generation, state }: ConsentRequest, withState: boolean): Readonly<Record<string, string | undefined>> {
  const returned = { state: withState ? state : undefined }
  return generation === 'v2'
    ? { error: 'invalid_request', error_description: 'demande_non_aboutie', ...returned }
    : { code: '403', error: 'access_denied', error_description: 'authorization_request_refused', ...returned }
}

function failure({ generation, state }: ConsentRequest): Readonly<Record<string, string | undefined>> {
  return generation === 'v2'
    ? { error: 'server_error', error_description: 'demande_non_aboutie', state }
    : { code: '500', error: 'server_error', error_description: 'lincs-internal-server-error', state }
}

/** One meter, or several of one customer, that can be shared at all; else the person must choose again. */
function chosenMeters(
  form: URLSearchParams,
  generation: ConsentGeneration,
): { readonly customer: Customer; readonly prms: readonly string[] } | undefined {
  const prms = [...new Set(form.getAll('meter'))]
  const customer = customerOf(prms[0] ?? '')
  const rows = prms.map((prm) => meterOf(prm))
  const shareable = rows.every((row) => row !== undefined && isShareable(row))
  const decided = form.get('decision') === 'accept' && (generation === 'v1' || prms.length === 1)
  return customer && shareable && decided && prms.every((prm) => customerOf(prm) === customer) ? { customer, prms } : undefined
}

function sendChoice(
  { shares }: ConsentDesk,
  request: ConsentRequest,
  visit: Visit,
  res: ServerResponse,
  mistake?: 'choose_one' | 'choose_of_one' | 'shared_already',
  chosen: readonly string[] = [],
): void {
  const byDigit = request.generation === 'v1' ? (customerByDigit(request.state)?.meters.map((row) => row.prm) ?? []) : []
  const body = consentForm({
    visit,
    request,
    until: dayIn(visit.language, request.until),
    isShared: (prm) => shares.inForce(request.clientId, prm) !== undefined,
    chosen: mistake === undefined ? byDigit : chosen,
    mistake,
  })
  const title = { fr: 'Partager les données d’un compteur', en: 'Share the data of a meter' }
  const status = mistake === undefined ? 200 : mistake === 'shared_already' ? 409 : 400
  // Browsers hold every redirect that follows a form to it, and where the application sends people next is its own affair.
  sendPage(res, status, visit, { holder: 'enedis', title, body, formTargets: ['http:', 'https:'] })
}

function sendError(res: ServerResponse, visit: Visit, error: ConsentError): void {
  const title = { fr: 'Cette demande n’a pas abouti', en: 'This request came to nothing' }
  sendPage(res, error.status, visit, { holder: 'enedis', title, body: errorBody(visit.language, error) })
}
