/** `ecluse schema`: the JSON Schema of the settings file, for editors. */
import { settingsJsonSchema } from '../settings/settings.ts'

export function run(): Promise<number> {
  process.stdout.write(`${JSON.stringify(settingsJsonSchema(), null, 2)}\n`)
  return Promise.resolve(0)
}
