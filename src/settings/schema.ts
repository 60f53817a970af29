/**
 * What a settings file may hold: the one place where its keys, bounds and defaults are written. The check before start,
 * the check at reload and the published JSON Schema all come from here. Keys are `snake_case` in the file; `shape.ts`
 * gives the `camelCase` types that the rest of the gate reads.
 *
 * Every object is strict, so a misspelt key is a mistake and never a silent default. A secret has no key that could hold
 * it: only where it lies (`file`) or what carries it (`env`) can be written.
 */
import * as z from 'zod'
import { COARSER, DATA_KINDS, GDPR_BASES, PROVIDERS, STEPS } from '../domain/vocabulary.ts'
import { openRouteSchema } from './open-routes.ts'
import {
  accountId,
  address,
  clientId,
  count,
  id,
  listenerUrl,
  originFlaw,
  path,
  port,
  proxies,
  purposeCode,
  secret,
  text,
  whole,
} from './schema-parts.ts'
import { adminListenerSchema, askSchema, consoleSchema, oauthSchema, papersSchema, portalSchema } from './schema-people.ts'
import { redisSchema } from './schema-redis.ts'
import { storageSchema } from './schema-storage.ts'

/** One value, a list of values, or `*` for all. */
function match<T extends z.ZodType>(one: T, what: string) {
  return z.union([z.literal('*'), one, z.array(one).min(1)]).describe(what)
}

const holderUrl = z
  .string()
  .superRefine((value, ctx) => {
    const flaw = originFlaw(value)
    if (flaw) ctx.addIssue({ code: 'custom', message: flaw })
  })
  .describe("origin of the data holder's API: https, or http on loopback; no path, no user name")

const corsOrigin = z.string().superRefine((value, ctx) => {
  const flaw = originFlaw(value)
  if (flaw) ctx.addIssue({ code: 'custom', message: flaw })
  else if (new URL(value).origin !== value)
    ctx.addIssue({ code: 'custom', message: 'expected an origin as browsers send it: no final slash' })
})

const instance = z
  .strictObject({
    name: z
      .string()
      .max(120)
      .regex(
        /^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+$/,
        'expected a name like that of a host: gate.example.fr, in small letters',
      )
      .describe('identity of this gate, like a host name; the evidence log takes it as prefix and keeps it for ever'),
    node: id.default('gate-1').describe('which process of the instance this is, in logs and metrics'),
    state: path('folder of registry, evidence and control socket; one gate owns it'),
  })
  .describe('who this gate is, and where it keeps its state')

const listeners = z
  .strictObject({
    gate: z
      .strictObject({
        address: address('where clients reach the gate'),
        port: port(8080, 'port for clients'),
        tls: z
          .strictObject({
            certificate: path('certificate chain, PEM'),
            key: path('private key, PEM, mode 0600'),
            client_certificates: z
              .boolean()
              .default(false)
              .describe('ask callers for a certificate: for clients that identify by one; others may have none'),
          })
          .describe('the gate ends TLS itself; without it, something before it must')
          .optional(),
        proxies,
        idle_seconds: count(75, 75, 3600, 'how long an idle connection is kept; clients reuse theirs for 60 s'),
        limits: z
          .strictObject({
            header_bytes: count(16_384, 4096, 65_536, 'all headers of one request'),
            target_bytes: count(4096, 256, 16_384, 'path and query of one request'),
            headers_seconds: count(10, 1, 120, 'to receive the headers'),
            request_seconds: count(30, 1, 600, 'to receive the whole request'),
            max_connections: count(2000, 1, 1_000_000, 'open at once, all clients together'),
          })
          .describe('what a stranger can use up before anything is known of it')
          .prefault({}),
      })
      .describe('for clients')
      .prefault({}),
    ops: z
      .strictObject({
        address: address('where health and metrics are read'),
        port: port(9090, 'port for health and metrics'),
        beyond_loopback: z
          .boolean()
          .default(false)
          .describe('allow an address that other machines reach; nothing here asks for a credential'),
      })
      .describe('for health and metrics')
      .prefault({}),
    admin: adminListenerSchema.optional(),
  })
  .describe('where the gate listens')
  .prefault({})

const holderLimit = z.strictObject({
  kind: z.enum(DATA_KINDS).describe('kind of data'),
  call_days: whole(1, 3660).describe('longest period of one call; a longer request is split'),
  history: z
    .strictObject({ months: whole(0, 600).describe('whole months'), days: whole(0, 366).default(0).describe('and days') })
    .describe('how far back the data holder keeps data'),
})
const ADICT_LIMITS = [
  { kind: 'daily_energy' as const, call_days: 1096, history: { months: 36, days: 0 } },
  { kind: 'published_reading' as const, call_days: 1827, history: { months: 60, days: 0 } },
]
const DATA_CONNECT_LIMITS = [
  { kind: 'load_curve' as const, call_days: 7, history: { months: 24, days: 15 } },
  { kind: 'daily_energy' as const, call_days: 365, history: { months: 36, days: 15 } },
  { kind: 'max_power' as const, call_days: 365, history: { months: 36, days: 15 } },
]

/** How a data holder is called, whichever it is. */
const calling = {
  url: holderUrl,
  ca: path('certificate authority of the data holder, PEM, instead of the public ones').optional(),
  allow_private: z.boolean().default(false).describe('allow a private or loopback address: simulators only'),
  timeouts: z
    .strictObject({
      connect_seconds: count(5, 1, 60, 'to connect, TLS included'),
      headers_seconds: count(30, 1, 300, 'from the request to the first byte'),
      body_seconds: count(30, 1, 300, 'between two pieces of an answer'),
      total_seconds: count(300, 1, 3600, 'for the whole call'),
      slow_client_seconds: count(60, 1, 600, 'how long a client may read nothing before it is cut'),
    })
    .describe('when to give a call up')
    .prefault({}),
  max_answer_bytes: count(33_554_432, 65_536, 1_073_741_824, 'largest answer; beyond it the call is cut'),
}
function accounts<Q extends z.ZodType>(quota: Q) {
  return z
    .array(
      z.strictObject({
        id: accountId.describe('name of the account; permissions are bound to it'),
        client_id: text().describe('identifier of the application at the data holder; not a secret'),
        client_secret: secret,
        quota,
      }),
    )
    .min(1)
    .describe("the operator's applications at the data holder")
}
const SHARED = 'what the data holder allows this account; clients share it fairly'

const dataConnect = z
  .strictObject({
    generation: z.enum(['2026', 'v5']).default('2026').describe('which generation is spoken to Enedis; clients may speak either'),
    ...calling,
    connections: count(32, 1, 1024, 'to the data holder at once, for each account'),
    accounts: accounts(
      z
        .strictObject({
          per_second: count(5, 1, 10_000, 'calls in a second'),
          per_hour: count(1000, 1, 10_000_000, 'calls in an hour; 2026 counts per API'),
        })
        .describe(SHARED)
        .prefault({}),
    ),
    limits: z.array(holderLimit).default(DATA_CONNECT_LIMITS).describe('what the data holder answers to, for each kind'),
  })
  .describe('Enedis Data Connect')

const adict = z
  .strictObject({
    ...calling,
    token_url: listenerUrl('where its identity provider gives tokens; which of the two is told by GRDF'),
    upper_bound: z
      .enum(['excluded', 'included'])
      .default('excluded')
      .describe('whether GRDF takes date_fin as the day after the last one, or as the last one'),
    confirmation_days: count(30, 1, 365, 'how long a person may take to answer the mail of GRDF'),
    connections: count(2, 1, 64, 'to the data holder at once, for each account'),
    accounts: accounts(
      z
        .strictObject({
          per_second: count(1, 1, 10_000, 'calls in a second'),
          per_day: count(6000, 1, 10_000_000, 'calls in a day, all services together'),
        })
        .describe(SHARED)
        .prefault({}),
    ),
    limits: z.array(holderLimit).default(ADICT_LIMITS).describe('what the data holder answers to, for each kind'),
  })
  .describe('GRDF ADICT v2: gas')

const SGE_LIMITS = [
  { kind: 'load_curve' as const, call_days: 7, history: { months: 24, days: 0 } },
  { kind: 'daily_energy' as const, call_days: 1096, history: { months: 36, days: 0 } },
  { kind: 'max_power' as const, call_days: 1096, history: { months: 36, days: 0 } },
  { kind: 'index' as const, call_days: 1096, history: { months: 36, days: 0 } },
  { kind: 'published_reading' as const, call_days: 1127, history: { months: 36, days: 0 } },
]
const sgeAccount = z.strictObject({
  id: accountId.describe('name of the account; permissions are bound to it'),
  login: z.email().max(100).describe("the operator's login at SGE; written into every call in place of the caller's"),
  contract: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,15}$/, 'expected the identifier of a contract: 1 to 15 letters and digits')
    .describe('identifier of the contract; written into every call in place of the caller’s'),
  tls: z
    .strictObject({ certificate: path('certificate chain, PEM'), key: path('private key, PEM, mode 0600') })
    .describe('client certificate that Enedis has installed; replaced files are used from the next connection on')
    .optional(),
  basic: z
    .strictObject({ user: text().describe('user'), password: secret })
    .describe('user and password beside the certificate, where Enedis asks for them')
    .optional(),
  quota: z
    .strictObject({
      per_second: count(1, 1, 10_000, 'calls in a second: measured in homologation, that of production is not published'),
      per_hour: count(3600, 1, 10_000_000, 'calls in an hour'),
    })
    .describe(SHARED)
    .prefault({}),
})
const sge = z
  .strictObject({
    ...calling,
    connections: count(4, 1, 256, 'to the data holder at once, for each account'),
    legacy: z.boolean().default(false).describe('serve services too that Enedis has withdrawn: ConsultationMesuresDetaillees v2.0'),
    quantities: z
      .enum(['active', 'all'])
      .default('active')
      .describe('what a permission for measures opens: active energy and power, or reactive ones and voltage as well'),
    accounts: z.array(sgeAccount).min(1).describe("the operator's contracts at the data holder"),
    limits: z.array(holderLimit).default(SGE_LIMITS).describe('what the data holder answers to, for each kind'),
  })
  .describe('Enedis SGE Tiers: every segment, by SOAP')

const providers = z
  .strictObject({ 'enedis-data-connect': dataConnect, 'enedis-sge': sge.optional(), 'grdf-adict': adict.optional() })
  .describe('the data holders')

const perClient = {
  concurrency: whole(1, 10_000).describe('requests of one client at once'),
  refusals_per_minute: whole(1, 100_000).describe('refusals recorded one by one; beyond it they join a summary'),
  requests_per_second: whole(1, 100_000).describe('requests in a second; absent, no limit of its own').optional(),
}
const clientLimits = z
  .strictObject({
    ...perClient,
    concurrency: perClient.concurrency.default(16),
    refusals_per_minute: perClient.refusals_per_minute.default(60),
  })
  .describe('limits of each client that has none of its own')
  .prefault({})

export const clientSchema = z.strictObject({
  id: clientId.describe('stable identifier; permissions name it as their recipient'),
  name: text().describe('name that people read'),
  purpose: purposeCode.describe('the one purpose of this client: a credential proves a client, hence a purpose'),
  denial_style: z
    .enum(['native', 'enedis', 'domoticz', 'conso'])
    .default('native')
    .describe(
      'shape of refusals. native: as the server in whose place the gate stands, which is told by the path; enedis: 403; domoticz: 404 for clients that erase their token on a 403; conso: 401 for a meter not of the token, and texts that end an import',
    ),
  refuses_narrowing: z.boolean().default(false).describe('prefers a refusal to a part of what it asked for'),
  identifies_by: z
    .array(z.enum(['bearer', 'basic', 'path', 'certificate']))
    .min(1)
    .default(['bearer'])
    .describe(
      'how it proves who it is. bearer: a consent token in the header; basic: identifier and secret in the header; path: a consent token before the path, /with-token/TOKEN/…; certificate: a TLS client certificate, where the gate ends TLS itself',
    ),
  certificates: z
    .array(z.string().regex(/^[0-9a-f]{64}$/, 'expected the SHA-256 of a certificate: 64 hexadecimal digits in small letters'))
    .default([])
    .describe('SHA-256 fingerprints of its TLS client certificates'),
  disabled: z.boolean().default(false).describe('refused at once, its permissions kept'),
  cors_origins: z.array(corsOrigin).default([]).describe('web pages that may call with this client'),
  oauth: oauthSchema.prefault({}),
  ask: askSchema.optional(),
  limits: z
    .strictObject({
      concurrency: perClient.concurrency.optional(),
      refusals_per_minute: perClient.refusals_per_minute.optional(),
      requests_per_second: perClient.requests_per_second,
    })
    .describe('instead of client_limits')
    .prefault({}),
})

export const purposeSchema = z.strictObject({
  code: purposeCode.describe('stable code'),
  version: whole(1, 1_000_000).describe('raised whenever the row changes: notices name it'),
  label: z.strictObject({ fr: text().describe('in French'), en: text().describe('in English') }).describe('what people read'),
  grounds: z.array(z.enum(GDPR_BASES)).describe('legal bases that a permission for this purpose may have; empty: none is accepted'),
  kinds: z.array(z.enum(DATA_KINDS)).describe('kinds of data that this purpose may read'),
  finest: z.enum(STEPS).describe('finest step that this purpose may read'),
  keep: z
    .strictObject({
      keep_days: whole(1, 1100).describe('days after which what was read is deleted'),
      settled_after_days: whole(0, 1100).describe('days after which a day no longer changes at the data holder').default(30),
      revalidate_hours: whole(0, 8760).describe('hours after which a day that may still change is asked for anew').default(24),
    })
    .describe('closed days that were read are kept, encrypted, and given again; absent: nothing is kept')
    .optional(),
})

export const ruleSchema = z.strictObject({
  id: id.describe('stable identifier; decisions name it'),
  purpose: match(purposeCode, 'purposes it speaks of'),
  kind: match(z.enum(DATA_KINDS), 'kinds of data it speaks of'),
  provider: match(z.enum(PROVIDERS), 'data holders it speaks of'),
  on_overrun: z
    .enum(['refuse', 'narrow'])
    .describe('when more is asked for than is granted; absent: narrow for measures, refuse for the rest')
    .optional(),
  coarser: z
    .enum(COARSER)
    .default('fetch')
    .describe("a coarser series than granted: none, the holder's own call (fetch), or also a sum made here (derive)"),
  straddling: z
    .enum(['drop', 'keep'])
    .default('drop')
    .describe('a reading about days of which only some are granted (a billing period at the edge): dropped, or kept whole'),
  orders: z
    .enum(['refuse', 'narrow'])
    .default('refuse')
    .describe('an access service that a client orders for longer than is granted: refused, or ordered for what is granted'),
  degrade: z
    .boolean()
    .default(false)
    .describe('answer a question about a point without its contract, where the permission opens technical data and no contract (SGE)'),
  longest_days: whole(1, 36_600).describe('longest period of one request').optional(),
  oldest_days: whole(1, 36_600).describe('how many days before today may be asked for').optional(),
  calls_per_hour: whole(1, 10_000_000).describe('calls to the data holder that one client may cause in an hour under this rule').optional(),
})

const evidence = z
  .strictObject({
    origin: z
      .string()
      .max(200)
      .regex(
        /^[a-z0-9.-]+(\/[A-Za-z0-9._-]+)+$/,
        'expected the origin of a log, without scheme: audit.example.fr/journal/2027, at most 200 characters',
      )
      .describe('identity of the log; absent: NAME/journal/YEAR, of the year in which it is opened')
      .optional(),
    keys: z
      .strictObject({ signing: secret, master: secret, index: secret })
      .describe('keys: signing (checkpoints), master (sealed fields), index (keyed hashes of meters)'),
    checkpoint_seconds: count(1, 1, 60, 'how often a checkpoint is signed, if there is something new'),
    queue: z
      .strictObject({
        rows: count(10_000, 10, 1_000_000, 'entries that wait for the disk'),
        bytes: count(16_777_216, 65_536, 1_073_741_824, 'their size'),
        backlog: count(100_000, 100, 10_000_000, 'durable rows that wait to be sealed'),
      })
      .describe('beyond any of these the gate answers 503 and calls nobody')
      .prefault({}),
    low_water_mb: count(512, 16, 1_048_576, 'free space on the disk under which no new request is taken'),
  })
  .describe('what proves each access')

const tokens = z
  .strictObject({
    ttl_seconds: count(12_600, 60, 86_400, 'life of a consent token'),
    per_credential_cap: count(20, 1, 10_000, 'tokens alive at once for one credential; the oldest goes'),
  })
  .describe('consent tokens')
  .prefault({})

const logging = z
  .strictObject({
    level: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace']).default('info').describe('least level that is written'),
  })
  .describe('operational log; it holds no personal data at any level')
  .prefault({})

export const settingsSchema = z
  .strictObject({
    instance,
    listeners,
    providers,
    client_limits: clientLimits,
    clients: z.array(clientSchema).describe('who may ask; credentials are made by `ecluse client add`'),
    purposes: z.array(purposeSchema).describe('the register of purposes'),
    rules: z.array(ruleSchema).describe('the policy: the first rule that fits speaks, and without one the answer is no'),
    evidence,
    storage: storageSchema.optional(),
    redis: redisSchema.optional(),
    tokens,
    open_routes: z
      .array(openRouteSchema)
      .min(1)
      .describe('paths that lead to portals of open data, without token and without consent')
      .optional(),
    portal: portalSchema.optional(),
    console: consoleSchema.optional(),
    papers: papersSchema,
    shadow_policy: path(
      'a second settings file whose rules, purposes and limits are evaluated beside the policy in force; it decides nothing',
    ).optional(),
    logging,
  })
  .describe('Settings of Écluse, a consent gate for French energy data')
