/**
 * A copy of an instance that can be taken while it serves, and a start from one. What happened since the copy is not in it:
 * so a restored instance goes on in a log of its own, and no permission is in force until an operator has looked, because
 * it may have been withdrawn meanwhile.
 *
 * The three keys are no part of it: without them it is of no use to whoever finds it.
 */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createReadStream, existsSync } from 'node:fs'
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { backup as copyDatabase, DatabaseSync } from 'node:sqlite'
import { text } from 'node:stream/consumers'
import { getCACertificates } from 'node:tls'
import * as z from 'zod'
import { rfc3339 } from './domain/time.ts'
import type { Millis } from './domain/time.ts'
import { syncPath, writeDurably } from './storage/files.ts'
import type { PostgresSettings } from './storage/postgres.ts'

const FORMAT = 'ecluse-backup/v1'
const MANIFEST = 'backup.json'
const DUMP = 'postgres.dump'
/** Copied in this order: what is shown of a log is never more than the database behind it holds, and no paper is named that is not there. */
const DATABASES = ['ecluse.db', 'keys.db'] as const

const manifestSchema = z.strictObject({
  format: z.literal(FORMAT),
  madeAt: z.string(),
  store: z.enum(['sqlite', 'postgres']),
  files: z.array(z.strictObject({ path: z.string(), bytes: z.int(), sha256: z.string() })),
})
export type BackupManifest = z.output<typeof manifestSchema>

export interface BackupPlace {
  /** The state folder. */
  readonly folder: string
  readonly postgres: PostgresSettings | undefined
}

/** Writes a backup into a folder that must not exist. Throws with a sentence where something is missing. */
export async function backUp({ folder, postgres }: BackupPlace, out: string, now: Millis): Promise<BackupManifest> {
  if (existsSync(out)) throw new Error(`${out} exists: a backup is never written over something else`)
  if (!postgres && !existsSync(join(folder, 'ecluse.db'))) throw new Error(`there is no state in ${folder}`)
  const unfinished = `${out}.unfinished`
  if (existsSync(unfinished)) throw new Error(`${unfinished} is left of a backup that did not end: delete it first`)
  await mkdir(unfinished, { recursive: true, mode: 0o700 })
  if (existsSync(join(folder, 'log')))
    await cp(join(folder, 'log'), join(unfinished, 'log'), { recursive: true, filter: (name) => !name.endsWith('.unfinished') })
  if (postgres) await dumped(postgres, join(unfinished, DUMP))
  else for (const name of DATABASES) await copied(join(folder, name), join(unfinished, name))
  if (existsSync(join(folder, 'attachments'))) await cp(join(folder, 'attachments'), join(unfinished, 'attachments'), { recursive: true })
  const files: BackupManifest['files'][number][] = []
  for (const path of (await filesOf(unfinished)).toSorted()) {
    const file = join(unfinished, path)
    syncPath(file)
    files.push({ path, bytes: (await stat(file)).size, sha256: await hashOf(file) })
  }
  const manifest: BackupManifest = { format: FORMAT, madeAt: rfc3339(now), store: postgres ? 'postgres' : 'sqlite', files }
  writeDurably(join(unfinished, MANIFEST), Buffer.from(`${JSON.stringify(manifest, undefined, 1)}\n`), 0o600)
  await rename(unfinished, out)
  return manifest
}

/** Puts a backup where no state is yet. Throws with a sentence where it is not whole, or there is one. */
export async function putBack(from: string, { folder, postgres }: BackupPlace): Promise<BackupManifest> {
  const manifest = await readManifest(from)
  if ((manifest.store === 'postgres') !== (postgres !== undefined))
    throw new Error(
      `the backup is of ${manifest.store}, and the settings name ${postgres ? 'PostgreSQL' : 'no PostgreSQL'}: use settings of the same kind`,
    )
  if (existsSync(folder) && (await readdir(folder)).some((name) => name !== 'lock.db'))
    throw new Error(`${folder} is not empty: a backup is put back where no state is (move the folder away, and keep it as evidence)`)
  for (const { path, bytes, sha256 } of manifest.files) {
    const file = join(from, path)
    if (!existsSync(file) || (await stat(file)).size !== bytes || (await hashOf(file)) !== sha256)
      throw new Error(`${file} is not what the backup holds: it was changed or cut short`)
  }
  await mkdir(folder, { recursive: true, mode: 0o700 })
  for (const { path } of manifest.files) {
    if (path === DUMP) continue
    await cp(join(from, path), join(folder, path), { recursive: true })
    await chmod(join(folder, path), path.startsWith('log/') ? 0o644 : 0o600)
    syncPath(join(folder, path))
  }
  if (postgres) await loaded(postgres, join(from, DUMP))
  return manifest
}

async function readManifest(from: string): Promise<BackupManifest> {
  const written = await readFile(join(from, MANIFEST), 'utf8').catch(() => undefined)
  if (written === undefined) throw new Error(`${from} holds no backup: it has no ${MANIFEST}`)
  const parsed = manifestSchema.safeParse(JSON.parse(written))
  if (!parsed.success) throw new Error(`${join(from, MANIFEST)} is not of a form that this version knows`)
  const outside = parsed.data.files.find(({ path }) => relative('.', path).startsWith('..') || path.startsWith('/'))
  if (outside) throw new Error(`${join(from, MANIFEST)} names a file outside the backup`)
  return parsed.data
}

/** One moment of it, whatever is written meanwhile. */
async function copied(from: string, to: string): Promise<void> {
  const db = new DatabaseSync(from, { readOnly: true, timeout: 5000 })
  try {
    await copyDatabase(db, to)
    await chmod(to, 0o600)
  } finally {
    db.close()
  }
}

async function dumped(postgres: PostgresSettings, file: string): Promise<void> {
  await program('pg_dump', postgres, ['--format=custom', '--no-owner', `--schema=${postgres.schema}`, `--file=${file}`])
  await chmod(file, 0o600)
}

async function loaded(postgres: PostgresSettings, file: string): Promise<void> {
  const there = await program('psql', postgres, [
    '-Atqc',
    `SELECT count(*) FROM information_schema.tables WHERE table_schema = '${postgres.schema}'`,
  ])
  if (there.trim() !== '0') throw new Error(`the schema ${postgres.schema} has tables already: a backup is put back where no state is`)
  await program(
    'pg_restore',
    postgres,
    ['--no-owner', '--exit-on-error', '--single-transaction', `--dbname=${postgres.database}`, file],
    false,
  )
}

/** PostgreSQL's own tools: they know how to copy a database that is written to. */
async function program(name: string, postgres: PostgresSettings, args: readonly string[], names = true): Promise<string> {
  if (!postgres.tls) return ran(name, postgres, args, names, {})
  // The tools want a file: of the authority, or of those whom the gate trusts.
  const folder = await mkdtemp(join(tmpdir(), 'ecluse-ca-'))
  const file = join(folder, 'ca.pem')
  try {
    await writeFile(file, postgres.tls.ca ?? getCACertificates('default').join('\n'))
    return await ran(name, postgres, args, names, { PGSSLMODE: 'verify-full', PGSSLROOTCERT: file })
  } finally {
    await rm(folder, { recursive: true })
  }
}

async function ran(
  name: string,
  postgres: PostgresSettings,
  args: readonly string[],
  names: boolean,
  tls: Readonly<Record<string, string>>,
): Promise<string> {
  const to = ['-h', postgres.host, '-p', String(postgres.port), '-U', postgres.user, ...(names ? ['-d', postgres.database] : [])]
  const child = spawn(name, [...to, '-w', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      ...(postgres.password !== undefined && { PGPASSWORD: postgres.password }),
      ...tls,
    },
  })
  const failed = new Promise<never>((_, reject) =>
    child.once('error', () =>
      reject(new Error(`${name} is not on this machine: install PostgreSQL's client programs (Debian: postgresql-client)`)),
    ),
  )
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
  const [out, complaint, code] = await Promise.race([Promise.all([text(child.stdout), text(child.stderr), ended]), failed])
  if (code !== 0) throw new Error(`${name}: ${complaint.trim().split('\n').at(-1) ?? `ended with ${String(code)}`}`)
  return out
}

async function filesOf(folder: string): Promise<readonly string[]> {
  const names = await readdir(folder, { recursive: true })
  const kinds = await Promise.all(names.map(async (name) => [name, (await stat(join(folder, name))).isFile()] as const))
  return kinds.filter(([, isFile]) => isFile).map(([name]) => name)
}

async function hashOf(file: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const piece of createReadStream(file)) hash.update(piece as Buffer)
  return hash.digest('hex')
}
