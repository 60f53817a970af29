/** The small shapes that sections of a settings file share. */
import * as z from 'zod'
import type { AccountId, ClientId, PurposeCode } from '../domain/permission.ts'
import { isLoopback } from './network.ts'

export const SECRET_SENTENCE = 'a secret is never written in this file: write {file: PATH} (a file with mode 0600) or {env: NAME}'

export const whole = (min: number, max: number) => z.int().min(min).max(max)
export const count = (byDefault: number, min: number, max: number, what: string) => whole(min, max).default(byDefault).describe(what)
export const text = (max = 200) => z.string().min(1).max(max)
export const path = (what: string) => text(4096).describe(what)
export const said = (what: string) =>
  z.strictObject({ fr: text(500).describe('in French'), en: text(500).describe('in English') }).describe(what)

export const id = z
  .string()
  .max(64)
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, 'expected an identifier: letters, digits, dot, dash and underscore, at most 64')
export const clientId = id.transform((value) => value as ClientId)
export const accountId = id.transform((value) => value as AccountId)
export const purposeCode = z
  .string()
  .max(64)
  .regex(/^[a-z][a-z0-9_]*$/, 'expected the code of a purpose: small letters, digits and underscore, at most 64')
  .transform((value) => value as PurposeCode)

export const secret = z
  .union(
    [
      z.strictObject({ file: path('file that holds the secret, readable by its owner only') }),
      z.strictObject({
        env: z
          .string()
          .regex(/^[A-Za-z_][A-Za-z0-9_]*$/)
          .describe('environment variable that holds the secret'),
      }),
    ],
    { error: SECRET_SENTENCE },
  )
  .describe('where a secret is found; never the secret itself')
export type SecretRef = z.output<typeof secret>

export const port = (byDefault: number, what: string) => count(byDefault, 0, 65_535, `${what}; 0 picks a free one`)
export const address = (what: string) =>
  z
    .union([z.ipv4(), z.ipv6(), z.literal('localhost')], { error: 'expected an IP address, such as 127.0.0.1 or ::, or localhost' })
    .default('127.0.0.1')
    .describe(what)

export const proxies = z
  .array(z.union([z.ipv4(), z.ipv6(), z.cidrv4(), z.cidrv6()], { error: 'expected an IP address or a network, such as 10.0.0.0/8' }))
  .default([])
  .describe('reverse proxies in front, by address or network: limits count the visitor whom they name in X-Forwarded-For')

/** What is wrong with `value` as an origin, or undefined. Plain http is for loopback only. */
export function originFlaw(value: string): string | undefined {
  const flaw = urlFlaw(value)
  if (flaw !== undefined) return flaw
  const url = new URL(value)
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '') return 'expected an origin: no path, no query, no fragment'
  return undefined
}

function urlFlaw(value: string): string | undefined {
  const url = URL.parse(value)
  if (!url || url.hostname === '' || (url.protocol !== 'https:' && url.protocol !== 'http:'))
    return 'expected https://HOST, with :PORT where needed'
  if (url.protocol === 'http:' && !isLoopback(url.hostname)) return 'expected https: plain http is for loopback addresses only'
  return undefined
}

/** An address that others are sent to: https, or http on loopback; a path is allowed, a final slash is not. */
export const listenerUrl = (what: string) =>
  z
    .string()
    .superRefine((value, ctx) => {
      const flaw = urlFlaw(value)
      const url = URL.parse(value)
      if (flaw !== undefined) ctx.addIssue({ code: 'custom', message: flaw })
      else if (url && (url.search !== '' || url.hash !== '' || url.username !== '' || value.endsWith('/')))
        ctx.addIssue({ code: 'custom', message: 'expected no user name, query or fragment, and no final slash' })
    })
    .describe(what)
