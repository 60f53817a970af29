/** Certificates that an instance shows or trusts: they parse, fit their key, and are in force for a while yet. */
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { dataHoldersOf } from './holders.ts'
import type { Finding } from './ops/finding.ts'
import { codeOf, fail, ok, warn } from './ops/finding.ts'
import type { RedisTls } from './runtime/redis.ts'
import type { Settings } from './settings/shape.ts'

const SOON_MS = 14 * 86_400_000

export function certificates(settings: Settings): Finding[] {
  const { listeners, redis } = settings
  const { tls } = listeners.gate
  return [
    ...(tls ? ofListener(tls) : []),
    ...dataHoldersOf(settings).flatMap(([id, { ca }]) => (ca === undefined ? [] : [inForce(`authority of ${id}`, ca)])),
    ...dataHoldersOf(settings).flatMap(([id, { accounts }]) =>
      accounts.flatMap((account) =>
        'tls' in account && account.tls ? pair(`certificate of account ${account.id} at ${id}`, account.tls) : [],
      ),
    ),
    ...redisTls('Redis', redis?.tls),
    ...redisTls('the sentinels of Redis', redis?.sentinelTls),
    ...(settings.storage?.postgres.tls?.ca === undefined ? [] : [inForce('authority of PostgreSQL', settings.storage.postgres.tls.ca)]),
  ]
}

function redisTls(of: string, tls: RedisTls | undefined): Finding[] {
  const { ca, certificate, key } = tls ?? {}
  return [
    ...(ca === undefined ? [] : [inForce(`authority of ${of}`, ca)]),
    ...(certificate === undefined || key === undefined ? [] : pair(`certificate at ${of}`, { certificate, key })),
  ]
}

interface Pair {
  readonly certificate: string
  readonly key: string
}

function ofListener(tls: Pair): Finding[] {
  const found = pair('certificate of the listener', tls)
  if (found.some(({ standing }) => standing === 'fail')) return found
  if (new X509Certificate(readFileSync(tls.certificate)).subjectAltName === undefined)
    found.push(warn('certificates', `${tls.certificate} names no host (no subjectAltName)`, 'clients refuse it: have it made anew'))
  return found
}

/** A certificate and the key that it is for. */
function pair(what: string, { certificate, key }: Pair): Finding[] {
  const found = [inForce(what, certificate)]
  if (found[0]?.standing === 'fail') return found
  try {
    const own = new X509Certificate(readFileSync(certificate))
    if (!own.checkPrivateKey(createPrivateKey(readFileSync(key)))) {
      found.push(
        fail(
          'certificates',
          `${key} is not the key of ${certificate}`,
          'give the pair: the first certificate of the chain is the one of the key',
        ),
      )
    }
  } catch (error) {
    found.push(
      fail(
        'certificates',
        `the private key ${key} cannot be read (${codeOf(error)})`,
        'PEM without passphrase, readable by the user of the gate',
      ),
    )
    return found
  }
  if ((statSync(key).mode & 0o077) !== 0) found.push(warn('certificates', `${key} can be read by others`, `chmod 600 ${key}`))
  return found
}

function inForce(what: string, file: string): Finding {
  try {
    const { validFrom, validTo } = new X509Certificate(readFileSync(file))
    return certificateFinding(`${what} (${file})`, Date.parse(validFrom), Date.parse(validTo), Date.now())
  } catch (error) {
    return fail(
      'certificates',
      `${what}: ${file} cannot be read as a certificate (${codeOf(error)})`,
      'PEM, readable by the user of the gate',
    )
  }
}

/** @param what begins the sentence */
export function certificateFinding(what: string, from: number, until: number, now: number): Finding {
  const day = (at: number): string => new Date(at).toISOString().slice(0, 10)
  if (now < from) return fail('certificates', `${what} is in force from ${day(from)} only`, 'see the clock, or have it made anew')
  if (until <= now) return fail('certificates', `${what} ended on ${day(until)}`, 'renew it')
  if (until < now + SOON_MS) return warn('certificates', `${what} ends on ${day(until)}`, 'renew it')
  return ok('certificates', `${what} is in force until ${day(until)}`)
}
