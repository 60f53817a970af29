/**
 * Secrets stay out of the settings file. `secretsWritten` finds those that were put there all the same; `secretOf` reads
 * one from where the settings say that it lies, when it is needed. Its errors name the place, never the content.
 */
import { open } from 'node:fs/promises'
import { SECRET_SENTENCE, type SecretRef } from './schema-parts.ts'
import type { Path } from './mistakes.ts'

export type Environment = Readonly<Record<string, string | undefined>>

const MAX_BYTES = 65_536
const SECRET_KEY = /(secret|password|passwd|passphrase|token|api_?key|private_?key|credential)s?$/i
// `user:password@` or `user@` before the host of a URL, wherever the text stands.
const USER_IN_URL = /^[a-z][a-z0-9+.-]*:\/\/[^/?#]*@/i
const PEM = /-----BEGIN [A-Z ]*PRIVATE KEY-----/

export class SecretError extends Error {
  override readonly name = 'SecretError'
}

/** Secrets in plain text under keys that sound like one, private keys anywhere, and user names or passwords in URLs. */
export function secretsWritten(value: unknown, path: Path = []): { readonly path: Path; readonly message: string }[] {
  if (typeof value === 'object' && value !== null) {
    const entries: [string | number, unknown][] = Array.isArray(value) ? [...value.entries()] : Object.entries(value)
    return entries.flatMap(([step, inner]) => secretsWritten(inner, [...path, step]))
  }
  const key = path.findLast((step) => typeof step === 'string')
  const plain = (typeof value === 'string' && value !== '') || typeof value === 'number'
  if (plain && key !== undefined && SECRET_KEY.test(key)) return [{ path, message: SECRET_SENTENCE }]
  if (typeof value !== 'string') return []
  if (PEM.test(value)) return [{ path, message: SECRET_SENTENCE }]
  if (USER_IN_URL.test(value)) {
    return [
      { path, message: 'no user name or password in a URL: write them under their own keys, the password as {file: PATH} or {env: NAME}' },
    ]
  }
  return []
}

/**
 * The secret, without one final newline. A file must be regular, UTF-8, not empty, at most 64 KiB, and closed to group
 * and others. Throws a {@link SecretError} that says what to do.
 */
export async function secretOf(ref: SecretRef, env: Environment): Promise<string> {
  if ('env' in ref) {
    const value = Object.hasOwn(env, ref.env) ? env[ref.env] : undefined
    if (value === undefined) throw new SecretError(`environment variable ${ref.env} is not set: set it to the secret`)
    if (value.trim() === '') throw new SecretError(`environment variable ${ref.env} is empty: set it to the secret`)
    return value
  }
  const bytes = await readClosed(ref.file)
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch (cause) {
    throw new SecretError(`secret file ${ref.file} is not UTF-8 text`, { cause })
  }
  const value = text.replace(/\r?\n$/, '')
  if (value.trim() === '') throw new SecretError(`secret file ${ref.file} is empty: write the secret into it`)
  return value
}

async function readClosed(file: string): Promise<Uint8Array> {
  const handle = await open(file, 'r').catch((cause: NodeJS.ErrnoException) => {
    throw new SecretError(`secret file ${file} cannot be opened (${cause.code ?? 'unknown error'})`, { cause })
  })
  try {
    // Of the open file, not of the path: what is checked is what is read.
    const stat = await handle.stat()
    if (!stat.isFile()) throw new SecretError(`secret file ${file} is not a regular file`)
    if ((stat.mode & 0o077) !== 0) {
      const mode = (stat.mode & 0o777).toString(8).padStart(4, '0')
      throw new SecretError(`secret file ${file} can be reached by others (mode ${mode}): chmod 600 it`)
    }
    if (stat.size > MAX_BYTES) throw new SecretError(`secret file ${file} is larger than 64 KiB`)
    return await handle.readFile()
  } finally {
    await handle.close()
  }
}
