/** The section `redis`: where it is, who the gate is there, and what it may cost. That one way is named is a cross-check. */
import * as z from 'zod'
import { count, path, secret, text } from './schema-parts.ts'

const url = z
  .string()
  .superRefine((value, ctx) => {
    const parsed = URL.parse(value)
    if (
      !parsed ||
      (parsed.protocol !== 'redis:' && parsed.protocol !== 'rediss:') ||
      parsed.hostname === '' ||
      !/^(\/\d{0,2})?$/.test(parsed.pathname)
    ) {
      ctx.addIssue({ code: 'custom', message: 'expected redis://HOST:PORT or rediss://HOST:PORT, with /N for a database' })
    } else if (parsed.search !== '' || parsed.hash !== '') ctx.addIssue({ code: 'custom', message: 'expected no query and no fragment' })
  })
  .describe('one server: redis:// or rediss:// (TLS); no user name or password inside')

const place = z
  .string()
  .max(300)
  .regex(/^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+):\d{1,5}$/, 'expected HOST:PORT, such as cache-1.example.fr:6379')
  .superRefine((value, ctx) => {
    const parsed = URL.parse(`redis://${value}`)
    if (!parsed || parsed.port === '0') ctx.addIssue({ code: 'custom', message: 'expected HOST:PORT, such as cache-1.example.fr:6379' })
  })

const tls = (what: string) =>
  z
    .strictObject({
      ca: path('certificate authority, PEM, instead of the public ones').optional(),
      certificate: path('certificate of this gate, PEM, where the server asks for one').optional(),
      key: path('its private key, PEM, mode 0600').optional(),
    })
    .describe(what)
    .optional()

export const redisSchema = z
  .strictObject({
    url: url.optional(),
    sentinels: z.array(place).min(1).max(32).describe('sentinels that name the primary, HOST:PORT; instead of url').optional(),
    name: text().describe('name of the primary, as the sentinels know it').optional(),
    sentinel_username: text().describe('user of the ACL at the sentinels').optional(),
    sentinel_password: secret.optional(),
    sentinel_tls: tls('the sentinels are spoken to by TLS'),
    cluster: z
      .array(place)
      .min(1)
      .max(64)
      .describe('some nodes of a cluster, HOST:PORT, from which it finds the others; instead of url')
      .optional(),
    username: text().describe('user of the ACL').optional(),
    password: secret.optional(),
    ttl_seconds: count(300, 1, 86_400, 'how long a cached value lives'),
    tls: tls("TLS to sentinels' servers and to a cluster; own authority and certificate for rediss://"),
    command_timeout_ms: count(50, 5, 5000, 'after which the registry is asked instead'),
    gates: count(2, 1, 1000, 'how many gates share the accounts at the data holders: without Redis each calls its part of what they allow'),
  })
  .describe('cache, quotas and application tokens shared by several gates; lost, a gate is slower and answers the same')
