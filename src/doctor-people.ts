/** Whom people and operators sign in with, and the policy that is tried beside the one in force. Nothing is sent but a question for metadata. */
import { fetch } from 'undici'
import type { Finding } from './ops/finding.ts'
import { codeOf, fail, ok, warn } from './ops/finding.ts'
import { isLoopback } from './settings/network.ts'
import type { Environment } from './settings/secret.ts'
import { formatMistakes, readSettings } from './settings/settings.ts'
import type { Settings } from './settings/shape.ts'

const WAIT_MS = 5000

export async function people(settings: Settings, env: Environment): Promise<Finding[]> {
  const { portal, console: desk, shadowPolicy, clients } = settings
  const found: Finding[] = []
  if (portal) {
    const asking = clients.filter((client) => client.ask && !client.disabled).length
    found.push(
      asking === 0
        ? warn('portal', 'no client asks anybody anything', 'give a client a section ask, or leave out the section portal')
        : ok(
            'portal',
            `clients that ask people: ${asking}; register ${portal.url}/consent/callback at Enedis for the account ${portal.account}`,
          ),
    )
    if (portal.url.startsWith('http:') && !isLoopback(new URL(portal.url).hostname))
      found.push(fail('portal', 'people would be asked without TLS', 'make portal.url an https address'))
    if (portal.franceconnect) found.push(await provider('franceconnect', portal.franceconnect.issuer))
  }
  if (desk?.oidc) found.push(await provider('console', desk.oidc.issuer))
  if (shadowPolicy !== undefined) {
    const other = await readSettings(shadowPolicy, env)
    found.push(
      other.ok
        ? ok('shadow policy', `${shadowPolicy} is good; policy ${other.policyHash}`)
        : fail('shadow policy', formatMistakes(shadowPolicy, other.mistakes), 'correct the file, then reload the gate (SIGHUP)'),
    )
  }
  return found
}

/** OpenID Connect Discovery 1.0 § 4: what it tells of itself must bear the name by which it was asked. */
async function provider(check: string, issuer: string): Promise<Finding> {
  const todo = 'see the issuer in the settings, the network, and whether the provider is up'
  try {
    const answer = await fetch(`${issuer}/.well-known/openid-configuration`, { redirect: 'error', signal: AbortSignal.timeout(WAIT_MS) })
    const said = (await answer.json()) as { readonly issuer?: unknown }
    if (answer.status !== 200) return fail(check, `${issuer} answers ${answer.status}`, todo)
    return said.issuer === issuer
      ? ok(check, `${issuer} answers`)
      : fail(check, `${issuer} calls itself otherwise`, 'write the issuer as the provider itself does')
  } catch (error) {
    return fail(check, `${issuer} cannot be asked (${codeOf(error)})`, todo)
  }
}
