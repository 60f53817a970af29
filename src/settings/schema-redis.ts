/** How Redis is reached: one server, a primary that Sentinels name, or a cluster. */
import * as z from 'zod'
import { count, path, secret, text } from './schema-parts.ts'

const redisUrl = z
  .string()
  .superRefine((value, ctx) => {
    const url = URL.parse(value)
    if (!url || (url.protocol !== 'redis:' && url.protocol !== 'rediss:') || url.hostname === '' || !/^(\/\d{0,2})?$/.test(url.pathname)) {
      ctx.addIssue({ code: 'custom', message: 'expected redis://HOST:PORT or rediss://HOST:PORT, with /N for a database' })
    } else if (url.search !== '' || url.hash !== '') ctx.addIssue({ code: 'custom', message: 'expected no query and no fragment' })
  })
  .describe('one server: redis:// or rediss:// (TLS); no user name or password inside')

const host = z
  .string()
  .max(300)
  .regex(/^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+):\d{1,5}$/, 'expected HOST:PORT')

export const redisSchema = z
  .strictObject({
    url: redisUrl.optional(),
    sentinels: z.array(host).min(1).max(9).describe('in place of url: the Sentinels that know the primary').optional(),
    primary: text().describe('the name under which the Sentinels know it').optional(),
    sentinel_password: secret.optional(),
    cluster: z.array(host).min(1).max(50).describe('in place of url: some nodes of a cluster').optional(),
    username: text().describe('user of the ACL').optional(),
    password: secret.optional(),
    ttl_seconds: count(300, 1, 86_400, 'how long a cached value lives'),
    tls: z
      .strictObject({
        ca: path('certificate authority, PEM; absent: the system trusts it').optional(),
        certificate: path('client certificate, PEM').optional(),
        key: path('its private key, PEM').optional(),
      })
      .describe('of a rediss:// server; Sentinels and cluster are asked by TLS where this is there')
      .optional(),
    command_timeout_ms: count(50, 5, 5000, 'after which the registry is asked instead'),
  })
  .describe('cache shared by several gates; lost, the gate is slower and answers the same')
