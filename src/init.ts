/**
 * A new instance: a folder with the commented settings, its three keys and the place of the Enedis secret. What is made
 * loads, starts without root, and is never written over: a lost key cannot be made again, and neither can what it sealed.
 *
 * The settings are `config/ecluse.yaml` itself, with paths beside the file: one text is explained, tested and shipped.
 */
import { randomBytes } from 'node:crypto'
import { lstatSync } from 'node:fs'
import { mkdir, open, readFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { DEFAULT_APPLICATION } from './sandbox/applications.ts'
import { formatMistakes, parseSettings } from './settings/settings.ts'

/** Stands in the file of the Enedis secret until the operator writes the real one; `doctor` knows it. */
export const PLACEHOLDER_SECRET = 'replace-me-by-the-client-secret-of-your-application-at-enedis'
export const PLACEHOLDER_CLIENT_ID = '00000000-0000-0000-0000-000000000000'

export interface InitOptions {
  /** Identity of the gate; by default from the name of the machine. */
  readonly name?: string | undefined
  /** URL of `ecluse sandbox` on loopback, instead of Enedis: its application is known, and needs no placeholder. */
  readonly sandbox?: string | undefined
}
export interface MadeInstance {
  readonly name: string
  readonly settings: string
  readonly keys: readonly string[]
  readonly enedisSecret: string
}

export class InitError extends Error {
  override readonly name = 'InitError'
}

const KEYS = ['signing', 'master', 'index'] as const

/** Rejects with an {@link InitError} whose sentence says what is in the way; nothing is written then. */
export async function initInstance(folder: string, { name = nameOfMachine(), sandbox }: InitOptions): Promise<MadeInstance> {
  const settings = join(folder, 'ecluse.yaml')
  const secrets = join(folder, 'secrets')
  const keys = KEYS.map((key) => join(secrets, `${key}.key`))
  const enedisSecret = join(secrets, 'enedis-client-secret')
  const there = [settings, ...keys, enedisSecret].find((file) => lstatSync(file, { throwIfNoEntry: false }) !== undefined)
  if (there !== undefined) {
    throw new InitError(
      `${there} is there already, so nothing was written: keys are never replaced, because what they sealed could not be opened again. Name another folder`,
    )
  }
  const text = await starterSettings(name, sandbox)
  const parsed = parseSettings(text, { file: settings })
  if (!parsed.ok) throw new InitError(`no settings can be made of this:\n${formatMistakes(settings, parsed.mistakes)}`)

  await mkdir(folder, { recursive: true })
  await mkdir(secrets, { recursive: true, mode: 0o700 })
  await mkdir(join(folder, 'state'), { recursive: true, mode: 0o700 })
  for (const key of keys) await writeNew(key, `${randomBytes(32).toString('base64')}\n`, 0o600)
  await writeNew(enedisSecret, `${sandbox === undefined ? PLACEHOLDER_SECRET : DEFAULT_APPLICATION.secret}\n`, 0o600)
  await syncFolder(secrets)
  await writeNew(settings, text, 0o644)
  await syncFolder(folder)
  return { name, settings, keys, enedisSecret }
}

async function starterSettings(name: string, sandbox: string | undefined): Promise<string> {
  const shipped = await readFile(new URL('../config/ecluse.yaml', import.meta.url), 'utf8')
  const edits: readonly (readonly [from: string, to: string])[] = [
    ['gate.example.fr', name],
    ['state: /var/lib/ecluse', 'state: ./state'],
    ['/etc/ecluse/', './'],
    ...(sandbox === undefined
      ? []
      : ([
          ['url: https://gw.ext.prod.api.enedis.fr', `url: ${JSON.stringify(sandbox)}`],
          ['allow_private: false', 'allow_private: true'],
          [PLACEHOLDER_CLIENT_ID, DEFAULT_APPLICATION.clientId],
        ] as const)),
  ]
  const edited = edits.reduce((text, [from, to]) => {
    if (!text.includes(from)) throw new Error(`the settings that are shipped do not hold '${from}'`)
    return text.replaceAll(from, () => to)
  }, shipped)
  return LATER.reduce(commentedOut, edited)
}

/**
 * People, operators and other data holders come once the gate runs: these sections need addresses, contracts and secrets
 * that nobody has on the first day.
 */
const LATER = ['admin', 'enedis-sge', 'grdf-adict', 'portal', 'console'] as const

/** The section of this key, and all that stands under it, as a comment at its own depth. */
function commentedOut(text: string, key: string): string {
  const lines = text.split('\n')
  const first = lines.findIndex((line) => line.trim() === `${key}:`)
  if (first < 0) throw new Error(`the settings that are shipped have no section ${key}`)
  const depth = (lines[first] ?? '').search(/\S/)
  const after = lines.findIndex((line, i) => i > first && (line === '' || line.search(/\S/) <= depth))
  const last = after < 0 ? lines.length : after
  return lines.map((line, i) => (i < first || i >= last ? line : `${line.slice(0, depth)}# ${line.slice(depth)}`)).join('\n')
}

function nameOfMachine(): string {
  const labels = hostname()
    .toLowerCase()
    .split('.')
    .filter((label) => /^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/.test(label))
  return labels.length > 1 ? labels.join('.') : `${labels[0] ?? 'gate'}.localhost`
}

/** On the disk when it returns: a key that a power cut takes is lost for good. */
async function writeNew(file: string, text: string, mode: number): Promise<void> {
  const handle = await open(file, 'wx', mode)
  try {
    // The umask may have taken something away, and never adds.
    await handle.chmod(mode)
    await handle.writeFile(text)
    await handle.sync()
  } finally {
    await handle.close()
  }
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
