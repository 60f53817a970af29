/**
 * `/_sandbox/…`: what those who test against the simulated Enedis tell it and ask it. Answered only to a caller that
 * names it by a loopback address.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import * as z from 'zod'
import type { Day } from '../domain/time.ts'
import { parseDay } from '../domain/time.ts'
import { adictMisbehaviour } from './adict-misbehave.ts'
import { pointOf } from './adict-points.ts'
import { FAMILIES, ROLES } from './adict-rights.ts'
import { FRANCE_WRONGS } from './france-connect-wrong.ts'
import { METERS, meterOf } from './meters.ts'
import { misbehaviour } from './misbehave.ts'
import { isLoopback, readBody } from './receive.ts'
import type { Sandbox } from './sandbox.ts'
import { sendText } from './send.ts'
import { sgeMisbehaviour } from './sge-misbehave.ts'
import { MEASURE_KINDS, WAYS } from './shares.ts'

const prm = z.string().refine((text) => meterOf(text) !== undefined, 'no such meter')
const date = z.string().transform((text, context): Day => {
  const read = parseDay(text)
  if (read) return read
  context.addIssue('a day in the form YYYY-MM-DD')
  return z.NEVER
})
const shareOrder = z.strictObject({
  prm,
  clientId: z.string().min(1),
  kinds: z.array(z.enum(MEASURE_KINDS)).optional(),
  ways: z.array(z.enum(WAYS)).optional(),
  from: date.optional(),
  until: date.optional(),
  authorisation: z
    .string()
    .regex(/^[1-9]\d{0,18}$/)
    .optional(),
})
const meterAlone = z.strictObject({ prm })
const registration = z.strictObject({ clientId: z.string().min(1), redirectUri: z.url({ protocol: /^https?$/ }) })

const service = z.strictObject({
  clientId: z.string().min(1),
  secret: z.string().min(1),
  redirectUris: z.array(z.url({ protocol: /^https?$/ })),
  postLogoutUris: z.array(z.url({ protocol: /^https?$/ })),
  encryption: z.looseObject({ kty: z.string(), alg: z.enum(['RSA-OAEP-256', 'ECDH-ES']) }).optional(),
})
const franceWrong = z.strictObject({ wrong: z.enum(FRANCE_WRONGS), times: z.int().min(1).max(1_000_000).default(1) })

const pce = z.string().refine((text) => pointOf(text) !== undefined, 'no such point')
const rightAlone = z.strictObject({ id: z.uuid() })
const rightOrder = z.strictObject({
  pce,
  clientId: z.string().min(1).optional(),
  role: z.enum(ROLES).optional(),
  validFrom: date.optional(),
  validUntil: date.optional(),
  dataFrom: date.optional(),
  dataUntil: date.optional(),
  families: z.array(z.enum(FAMILIES)).optional(),
  state: z.enum(['to_validate', 'active', 'to_check']).optional(),
  journey: z.enum(['TIERS_DIRECT', 'CLIENT_CONNECT']).optional(),
})

type Told = { readonly status: number; readonly said: unknown }
type Command = (sandbox: Sandbox, body: unknown) => Promise<Told>

/** A command whose body fits, done; else what does not. */
function told<T>(schema: z.ZodType<T>, act: (sandbox: Sandbox, wanted: T) => unknown): Command {
  return async (sandbox, body) => {
    const wanted = schema.safeParse(body)
    if (!wanted.success) return { status: 400, said: { error: z.prettifyError(wanted.error) } }
    try {
      return { status: 200, said: await act(sandbox, wanted.data) }
    } catch (error) {
      if (error instanceof RangeError) return { status: 400, said: { error: error.message } }
      throw error
    }
  }
}

const COMMANDS: Readonly<Record<string, Command>> = {
  reset: told(z.unknown(), (sandbox) => {
    sandbox.reset()
    return { reset: true }
  }),
  misbehave: told(misbehaviour, (sandbox, wanted) => {
    sandbox.misbehave(wanted)
    return { misbehaves: wanted }
  }),
  register: told(registration, (sandbox, { clientId, redirectUri }) => {
    sandbox.register(clientId, redirectUri)
    return { registered: true }
  }),
  share: told(shareOrder, (sandbox, order) => sandbox.share(order)),
  revoke: told(meterAlone, (sandbox, { prm: meter }) => ({ done: sandbox.revoke(meter) })),
  expire: told(meterAlone, (sandbox, { prm: meter }) => ({ done: sandbox.expire(meter) })),
  stop: told(z.strictObject({ prm, kind: z.enum(MEASURE_KINDS) }), (sandbox, { prm: meter, kind }) => ({
    done: sandbox.stop(meter, kind),
  })),
  'change-holder': told(meterAlone, (sandbox, { prm: meter }) => ({ done: sandbox.changeHolder(meter) })),
  'delay-services': told(z.strictObject({ times: z.int().min(0).max(1_000_000) }), (sandbox, { times }) => {
    sandbox.delayServices(times)
    return { delayed: times }
  }),
  'franceconnect-register': told(service, (sandbox, { encryption, ...client }) => {
    sandbox.franceConnect.register({ ...client, ...(encryption && { encryption }) })
    return { registered: true }
  }),
  'franceconnect-misbehave': told(franceWrong, (sandbox, { wrong, times }) => {
    sandbox.franceConnect.misbehave(wrong, times)
    return { misbehaves: { wrong, times } }
  }),
  'franceconnect-rotate': told(z.unknown(), async (sandbox) => {
    await sandbox.franceConnect.rotateKeys()
    return { rotated: true }
  }),
  'adict-misbehave': told(adictMisbehaviour, ({ adict }, wanted) => {
    adict.misbehave(wanted)
    return { misbehaves: wanted }
  }),
  'adict-order': told(rightOrder, ({ adict }, order) => adict.order(order)),
  'adict-accept': told(rightAlone, ({ adict }, { id }) => ({ done: adict.accept(id) })),
  'adict-refuse': told(rightAlone, ({ adict }, { id }) => ({ done: adict.refuse(id) })),
  'adict-revoke': told(rightAlone, ({ adict }, { id }) => ({ done: adict.revoke(id) })),
  'adict-move-out': told(z.strictObject({ pce }), ({ adict }, { pce: point }) => ({ done: adict.moveOut(point) })),
  'adict-ask-proof': told(rightAlone.extend({ deadline: date.optional() }), ({ adict }, { id, deadline }) => ({
    done: adict.askProof(id, deadline),
  })),
  'adict-proof': told(rightAlone.extend({ outcome: z.enum(['ok', 'ko']) }), ({ adict }, { id, outcome }) => ({
    done: adict.proof(id, outcome),
  })),
  'sge-misbehave': told(sgeMisbehaviour, ({ sge }, wanted) => {
    sge.misbehave(wanted)
    return { misbehaves: wanted }
  }),
  'sge-down': told(z.strictObject({ down: z.boolean() }), ({ sge }, { down }) => {
    sge.down(down)
    return { down }
  }),
}

/** What is asked, by its name; `after` a call that was seen already. */
const LISTS: Readonly<Record<string, (sandbox: Sandbox, after: number) => unknown>> = {
  meters: () => METERS,
  calls: (sandbox, after) => ({ calls: sandbox.calls().filter((call) => call.n > after) }),
  'adict-points': ({ adict }) => adict.points(),
  'adict-rights': ({ adict }) => adict.rights(),
  'adict-mails': ({ adict }) => adict.mails(),
  'adict-calls': ({ adict }, after) => ({ calls: adict.calls().filter((call) => call.n > after) }),
  'sge-points': ({ sge }) => sge.points(),
  'sge-services': ({ sge }) => sge.services(),
  'sge-calls': ({ sge }, after) => ({ calls: sge.calls().filter((call) => call.n > after) }),
}

export async function control(sandbox: Sandbox, message: IncomingMessage, url: URL, res: ServerResponse): Promise<void> {
  const name = url.pathname.slice('/_sandbox/'.length)
  const body = await readBody(message)
  if (!isLoopback(message)) return sendText(res, 403, '{"error":"loopback only"}')
  const list = message.method === 'GET' && Object.hasOwn(LISTS, name) ? LISTS[name] : undefined
  if (list) return sendText(res, 200, JSON.stringify(list(sandbox, Number(url.searchParams.get('after') ?? 0))))
  const command = message.method === 'POST' && Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined
  if (!command) {
    const known = `POST ${Object.keys(COMMANDS).join(', ')}; GET ${Object.keys(LISTS).join(', ')}`
    return sendText(res, 404, JSON.stringify({ error: known }))
  }
  const { status, said } = await command(sandbox, json(body ?? ''))
  return sendText(res, status, JSON.stringify(said))
}

function json(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // which the schema refuses, and says so
  }
}
