/**
 * Settings as the gate reads them: `camelCase`, read-only, complete (every default filled in, every limit of a client
 * resolved, every path absolute). Plain data: it survives `JSON.stringify` and holds no secret.
 */
import { isAbsolute, resolve } from 'node:path'
import type * as z from 'zod'
import type { settingsSchema } from './schema.ts'

type CamelKey<K extends string> = K extends `${infer Head}_${infer Tail}` ? `${Head}${Capitalize<CamelKey<Tail>>}` : K
type Camel<T> = T extends string | number | boolean | null
  ? T
  : T extends readonly (infer Item)[]
    ? readonly Camel<Item>[]
    : { readonly [K in keyof T as CamelKey<K & string>]: Camel<Exclude<T[K], undefined>> }

/** What the schema gives: `snake_case`, defaults filled in. */
export type Written = z.output<typeof settingsSchema>
type AsWritten = Camel<Written>
type WrittenClient = AsWritten['clients'][number]

export type ClientLimits = AsWritten['clientLimits']
export type ClientSettings = Omit<WrittenClient, 'limits'> & { readonly limits: ClientLimits }
export type Settings = Omit<AsWritten, 'clients'> & { readonly clients: readonly ClientSettings[] }

/** @param folder against which relative paths are taken: that of the settings file */
export function toSettings(written: Written, folder: string | undefined): Settings {
  // The one place where the type follows the renaming that the code below does; a test compares both.
  const settings = camel(written, undefined, folder) as AsWritten
  return {
    ...settings,
    clients: settings.clients.map((client) => ({ ...client, limits: { ...settings.clientLimits, ...client.limits } })),
  }
}

/** `snake_case` of a `camelCase` key, as the file writes it. */
export function snakeKey(key: string): string {
  return key.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}

/** Keys whose text is a path, wherever they stand. */
const PATHS: ReadonlySet<string> = new Set(['file', 'state', 'certificate', 'key', 'ca', 'jwks', 'shadow_policy'])

function camel(value: unknown, key: string | undefined, folder: string | undefined): unknown {
  if (Array.isArray(value)) return value.map((item: unknown) => camel(item, undefined, folder))
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(
      Object.entries(value).map(([name, inner]) => [
        name.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase()),
        camel(inner, name, folder),
      ]),
    )
  }
  if (typeof value === 'string' && folder !== undefined && key !== undefined && PATHS.has(key) && !isAbsolute(value)) {
    return resolve(folder, value)
  }
  return value
}
