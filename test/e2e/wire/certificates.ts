/** Certificates of a test's own, made by openssl: an authority, and whatever it signs. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface Certificate {
  readonly certificate: string
  readonly key: string
  readonly pem: { readonly cert: string; readonly key: string }
}

export interface Authority {
  /** File of its own certificate. */
  readonly file: string
  readonly pem: string
  sign(name: string, options: { readonly names: string; readonly days?: number }): Certificate
  selfSigned(name: string, names: string): Certificate
  remove(): void
}

export function anAuthority(): Authority {
  const folder = mkdtempSync(join(tmpdir(), 'ecluse-tls-'))
  const at = (file: string): string => join(folder, file)
  const openssl = (...args: readonly string[]): void =>
    void execFileSync('openssl', args, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] })
  const fresh = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  openssl('req', '-x509', ...fresh, '-keyout', 'ca.key', '-out', 'ca.pem', '-subj', '/CN=authority of a test', '-days', '2')
  const made = (name: string): Certificate => {
    const [certificate, key] = [at(`${name}.pem`), at(`${name}.key`)]
    return { certificate, key, pem: { cert: readFileSync(certificate, 'utf8'), key: readFileSync(key, 'utf8') } }
  }
  return {
    file: at('ca.pem'),
    pem: readFileSync(at('ca.pem'), 'utf8'),
    sign(name, { names, days = 2 }) {
      writeFileSync(at(`${name}.ext`), `subjectAltName=${names}\n`)
      openssl('req', ...fresh, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`)
      const by = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial']
      openssl('x509', '-req', '-in', `${name}.csr`, ...by, '-days', String(days), '-extfile', `${name}.ext`, '-out', `${name}.pem`)
      return made(name)
    },
    selfSigned(name, names) {
      const files = ['-keyout', `${name}.key`, '-out', `${name}.pem`]
      openssl('req', '-x509', ...fresh, ...files, '-subj', `/CN=${name}`, '-addext', `subjectAltName=${names}`, '-days', '2')
      return made(name)
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}
