/**
 * The part of a settings file that is about people: where they meet the gate (portal), where its operators do
 * (console), and what a client asks of a person. Same habits as `schema.ts`, which puts it all together.
 */
import * as z from 'zod'
import { DATA_KINDS, DIRECTIONS, STEPS } from '../domain/vocabulary.ts'
import { address, count, listenerUrl, path, port, proxies, said, secret, text, whole, accountId, clientId } from './schema-parts.ts'

/** ISO 8601 in years, months, weeks or days, as Enedis takes it; three years at most. */
const validity = z
  .string()
  .regex(
    /^P(?:[1-3]Y|(?:[1-9]|[12]\d|3[0-6])M|\d{1,3}W|\d{1,4}D)$/,
    'expected a duration of one unit, three years at most: P1Y, P18M, P26W or P90D',
  )
  .default('P1Y')
  .describe('how long the client may read, from the moment it is given')

export const oauthSchema = z
  .strictObject({
    redirect_uris: z
      .array(z.url({ protocol: /^https?$/ }))
      .max(20)
      .default([])
      .describe('where the browser may be sent back to; compared as written'),
    public: z.boolean().default(false).describe('the client keeps no secret: an application on a machine of its user'),
    jwks: path("the client's public keys as a JSON Web Key Set, for private_key_jwt instead of a secret").optional(),
    format: z.enum(['opaque', 'jwt']).default('opaque').describe('form of its access tokens; both are decided on anew at each call'),
    rotate_refresh: z.boolean().default(true).describe('each refresh gives a new refresh token; DomoticzLinky keeps its first one: false'),
    refresh_days: whole(1, 1461).default(1461).describe('life of a refresh token'),
  })
  .describe('how the client obtains tokens in the name of a person')

export const askSchema = z
  .strictObject({
    body: text().describe('legal name of who decides about the data (controller)'),
    contact: text().describe('where a person reaches it about its data: an e-mail or postal address'),
    url: z
      .url({ protocol: /^https?$/ })
      .describe('page of the service')
      .optional(),
    ground: z.enum(['consent', 'contract']).default('consent').describe('legal basis (GDPR article 6)'),
    contract: text().describe('reference of the contract, where that is the basis').optional(),
    validity,
    notice: whole(1, 1_000_000).default(1).describe('version of this section: raise it whenever something here changes'),
    retention: said('how long the client keeps what it reads'),
    recipients: z.array(text()).max(20).default([]).describe('who else sees the data, by name'),
    lines: z
      .array(
        z.strictObject({
          kind: z.enum(DATA_KINDS).describe('kind of data'),
          direction: z
            .enum(DIRECTIONS)
            .default('withdrawal')
            .describe('taken from the network (withdrawal), fed into it (injection), or n_a'),
          finest: z.enum(STEPS).describe('finest step'),
          history_days: whole(0, 1125).default(0).describe('days before the consent that may be read as well'),
          for: clientId.describe('another client of the same body, whose purpose this line serves: advice beside viewing').optional(),
          recurrence: z.enum(['once', 'on_demand', 'P1D', 'P1M']).default('on_demand').describe('how often it may be read'),
          why: said('what the data is for, in one sentence that people read beside the box'),
        }),
      )
      .min(1)
      .max(20)
      .describe('one box each on the page that asks; none is ticked beforehand'),
  })
  .describe('what the client asks of a person; without it no person can be asked')

const franceConnect = z
  .strictObject({
    issuer: listenerUrl('issuer, such as https://oidc.franceconnect.gouv.fr/api/v2'),
    client_id: text().describe('identifier in the partner space'),
    client_secret: secret,
    algorithm: z.enum(['ES256', 'RS256']).default('ES256').describe('of the signatures on ID token and UserInfo'),
  })
  .describe('FranceConnect v2: a person proves who it is')

export const portalSchema = z
  .strictObject({
    url: listenerUrl("address of the gate's listener as browsers see it; also the issuer of its tokens"),
    operator: z
      .strictObject({
        name: text().describe('who runs this gate'),
        contact: text().describe('where a person reaches it'),
        address: text(500).describe('postal address'),
      })
      .describe('shown on every notice and receipt'),
    account: accountId.describe('account at Enedis through which people share their data'),
    consent: z
      .strictObject({
        url: listenerUrl("Enedis's consent page").default('https://mon-compte-particulier.enedis.fr'),
        generation: z.enum(['v2', 'v1']).default('v2').describe('v2 since 28 September 2026; v1 before'),
      })
      .describe('where Enedis asks the person')
      .prefault({}),
    journey_minutes: count(30, 5, 240, 'how long a person may take, the page of Enedis included'),
    link_hours: count(72, 1, 720, 'life of a one-time link to the person’s page'),
    session_minutes: count(30, 5, 480, 'how long a person stays known after the last page'),
    reconcile_hours: count(24, 1, 168, 'how often the registry is compared with what Enedis holds'),
    franceconnect: franceConnect.optional(),
  })
  .describe('pages for people and the OAuth server, on the listener of the gate')

export const papersSchema = z
  .strictObject({
    mandate_days: count(30, 1, 365, 'after which a mandate that nobody signed ends'),
    scan: z
      .strictObject({
        command: z
          .array(text(500))
          .min(1)
          .max(20)
          .describe('program and arguments; it reads the document on its input and ends with 0 (clean) or 1 (malware)'),
        seconds: count(30, 1, 300, 'how long it may take; a document that could not be scanned is not taken'),
      })
      .describe('malware scanner for what people hand in, such as [clamdscan, --no-summary, "-"]')
      .optional(),
  })
  .describe('documents that people hand in as proof')
  .prefault({})

export const adminListenerSchema = z
  .strictObject({
    address: address('where operators reach API and console'),
    port: port(9443, 'port for operators'),
    url: listenerUrl('address as browsers see it'),
    proxies,
    tls: z
      .strictObject({ certificate: path('certificate chain, PEM'), key: path('private key, PEM, mode 0600') })
      .describe('the listener ends TLS itself')
      .optional(),
  })
  .describe('admin API and console')

export const consoleSchema = z
  .strictObject({
    bootstrap: secret.describe('a secret that opens the console and the API as operator; 32 characters at least').optional(),
    session_minutes: count(60, 5, 720, 'how long an operator stays signed in'),
    oidc: z
      .strictObject({
        issuer: listenerUrl('OpenID provider of the organisation'),
        client_id: text().describe('identifier of the console there'),
        client_secret: secret,
        role_claim: z
          .string()
          .regex(/^[A-Za-z0-9_.:/-]{1,100}$/)
          .default('roles')
          .describe('claim of the ID token that lists roles'),
        operators: z.array(text()).min(1).describe('values of it that make an operator'),
        auditors: z.array(text()).default([]).describe('values of it that make an auditor: reads, changes nothing'),
      })
      .describe('sign-in of operators')
      .optional(),
  })
  .describe('who may use console and admin API')
