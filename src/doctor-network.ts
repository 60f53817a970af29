/**
 * Whoever an instance meets on the network: the ports that it takes, each data holder (name, TLS, application token), and
 * Redis. The operator's credentials are used, for a token call and nothing else: no call about a meter is made.
 */
import { lookup } from 'node:dns/promises'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { certificateFinding } from './doctor-certificates.ts'
import { CONTROL_MS } from './doctor-machine.ts'
import type { AccountId } from './domain/permission.ts'
import type { ProviderId } from './domain/vocabulary.ts'
import { applicationToken } from './gateway/application-token.ts'
import type { Called } from './holders.ts'
import { dataHoldersOf, tokenCallOf } from './holders.ts'
import { callControl } from './ops/control.ts'
import { errorFields, loggerTo } from './runtime/logger.ts'
import type { ErrorFields } from './runtime/logger.ts'
import { placesOf, redisClient } from './runtime/redis.ts'
import { isPrivate } from './settings/network.ts'
import type { SecretRef } from './settings/schema-parts.ts'
import type { Environment } from './settings/secret.ts'
import { secretOf } from './settings/secret.ts'
import type { Finding } from './ops/finding.ts'
import { codeOf, fail, ok, warn } from './ops/finding.ts'
import type { Settings } from './settings/shape.ts'

export async function ports({ listeners, instance }: Settings): Promise<Finding[]> {
  const running = await callControl(instance.state, 'status', {}, CONTROL_MS).catch(() => undefined)
  if (running?.ok) return []
  const found: Finding[] = []
  for (const [name, { address, port }] of Object.entries({
    gate: listeners.gate,
    ops: listeners.ops,
    ...(listeners.admin && { admin: listeners.admin }),
  })) {
    if (port === 0) continue
    const code = await canListen(address, port)
    found.push(
      code === undefined
        ? ok('ports', `${address}:${port} (${name}) is free`)
        : fail(
            'ports',
            `${address}:${port} (${name}) cannot be taken (${code})`,
            `choose another in listeners.${name}, or stop what holds it`,
          ),
    )
  }
  return found
}

function canListen(address: string, port: number): Promise<string | undefined> {
  const server = createServer()
  return new Promise((resolve) => {
    server.once('error', (error) => resolve(codeOf(error)))
    server.listen({ host: address, port }, () => server.close(() => resolve(undefined)))
  })
}

export async function dataHolders(settings: Settings, env: Environment): Promise<Finding[]> {
  const found: Finding[] = []
  for (const [id, called] of dataHoldersOf(settings)) found.push(...(await dataHolder(id, called, env)))
  return found
}

async function dataHolder(check: ProviderId, dc: Called, env: Environment): Promise<Finding[]> {
  const url = new URL(dc.url)
  const host = url.hostname.replace(/^\[|\]$/g, '')
  const addresses = await lookup(host, { all: true }).catch((error: unknown) => codeOf(error))
  if (typeof addresses === 'string')
    return [fail(check, `the name ${host} cannot be resolved (${addresses})`, 'see the DNS of this machine')]
  const reachable = dc.allowPrivate ? addresses : addresses.filter(({ address }) => !isPrivate(address))
  if (reachable.length === 0) {
    return [
      fail(
        check,
        `${host} leads to a private address, where no call is made`,
        'see the DNS of this machine; allow_private is for simulators',
      ),
    ]
  }
  const found = [ok(check, `${host} is resolved`)]
  if (url.protocol === 'https:') {
    const shown = await tlsOf(check, host, Number(url.port || 443), reachable[0]?.address ?? host, dc.ca, dc.timeouts.connectSeconds * 1000)
    found.push(shown)
    if (shown.standing === 'fail') return found
  }
  for (const account of dc.accounts) {
    if (!('clientId' in account)) continue
    const secret = await secretOf(account.clientSecret, env).catch(() => undefined)
    // That it is missing is told among the secrets.
    if (secret !== undefined) found.push(await tokenOf(check, { ...account, secret }, dc))
  }
  return found
}

function tlsOf(
  check: ProviderId,
  host: string,
  port: number,
  address: string,
  ca: string | undefined,
  timeoutMs: number,
): Promise<Finding> {
  return new Promise((resolve) => {
    const socket = connectTls({
      host: address,
      port,
      servername: host,
      minVersion: 'TLSv1.2',
      // Looked at below, so that what is wrong can be told.
      rejectUnauthorized: false,
      ...(ca !== undefined && { ca: readFileSync(ca, 'utf8') }),
    })
    const end = (finding: Finding): void => {
      socket.destroy()
      resolve(finding)
    }
    socket.setTimeout(timeoutMs, () =>
      end(fail(check, `${host}:${port} does not answer within ${timeoutMs / 1000} s`, 'see the firewall and the proxy of this network')),
    )
    socket.once('error', (error) =>
      end(fail(check, `no TLS connection to ${host}:${port} (${codeOf(error)})`, 'see the firewall and the proxy of this network')),
    )
    socket.once('secureConnect', () => {
      const flaw = socket.authorizationError as unknown
      if (!socket.authorized) {
        const code = flaw instanceof Error ? codeOf(flaw) : String(flaw)
        return end(
          fail(
            check,
            `${host} shows a certificate that is not trusted (${code})`,
            `something stands between, or providers.${check}.ca is another authority`,
          ),
        )
      }
      const { valid_from: from, valid_to: until } = socket.getPeerCertificate()
      end({
        ...certificateFinding(`${socket.getProtocol()}; the certificate of ${host}`, Date.parse(from), Date.parse(until), Date.now()),
        check,
      })
    })
  })
}

async function tokenOf(
  check: ProviderId,
  account: { readonly id: AccountId; readonly clientId: string; readonly secret: string },
  dc: Called,
): Promise<Finding> {
  let why: ErrorFields | undefined
  const silent = loggerTo('silent', 'doctor', { write: () => undefined })
  const log = {
    ...silent,
    dropped: 0,
    warn: (fields: unknown) => {
      if (typeof fields === 'object' && fields !== null && 'err' in fields) why = errorFields(fields.err)
    },
  }
  const refusesAddress = dc.allowPrivate ? undefined : isPrivate
  const token = applicationToken(account, { ...dc, ca: dc.ca, refusesAddress }, tokenCallOf(dc), () => performance.now(), log)
  try {
    const started = performance.now()
    if ((await token.authorization()) !== undefined)
      return ok(check, `account ${account.id} gets an application token (${Math.round(performance.now() - started)} ms)`)
    const told = [why?.cause?.code ?? why?.code ?? why?.name, why?.status].filter((one) => one !== undefined).join(', ')
    const credentials = why?.status !== undefined && why.status < 500
    return fail(
      check,
      `account ${account.id} gets no application token (${told === '' ? 'no answer' : told})`,
      credentials
        ? 'see client_id and client_secret of the account, and the state of the application at the data holder'
        : 'try again; see whether the data holder tells of an outage',
    )
  } finally {
    await token.close()
  }
}

/** Optional for the gate: without it, the same answers, more slowly. Hence nothing here fails. */
export async function redisServer({ redis }: Settings, env: Environment): Promise<Finding[]> {
  if (!redis) return []
  const secret = async (ref: SecretRef | undefined): Promise<string | undefined> => ref && secretOf(ref, env).catch(() => undefined)
  const secrets = { password: await secret(redis.password), sentinelPassword: await secret(redis.sentinelPassword) }
  const client = redisClient(redis, secrets, { commandTimeoutMs: 3000, again: false })
  const places = placesOf(redis)
  let told: unknown
  client.on('error', (error) => (told = error))
  const slower = 'until then the gate asks its registry each time: same answers, more slowly'
  try {
    await client.connect()
    const started = performance.now()
    await client.ping()
    const ms = performance.now() - started
    const says = `${places} answers in ${ms.toFixed(1)} ms`
    return [
      ms > redis.commandTimeoutMs
        ? warn('redis', `${says}, later than command_timeout_ms`, 'raise it, or bring the server nearer')
        : ok('redis', says),
    ]
  } catch (error) {
    const word = [told, error]
      .flatMap((one) => (one instanceof Error ? [/^(WRONGPASS|NOAUTH|NOPERM|ERR|LOADING|READONLY)\b/.exec(one.message)?.[1]] : []))
      .find((one) => one !== undefined)
    return word === undefined
      ? [warn('redis', `${places} cannot be reached (${codeOf(told ?? error)})`, `see the address and the network; ${slower}`)]
      : [warn('redis', `${places} refuses (${word})`, `see redis.username and redis.password; ${slower}`)]
  } finally {
    client.disconnect()
  }
}
