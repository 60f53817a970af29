/** The operator's own key: who looked and why, and which calls of its own the gate made, is sealed under it. */
import type { Database } from '../storage/database.ts'
import type { Millis } from '../domain/time.ts'
import type { KeyStore } from '../storage/keys.ts'

export function operatorKeyOn(db: Database, keys: KeyStore): (now: Millis) => string {
  const find = db.prepare("SELECT value FROM meta WHERE key = 'operator_key'")
  const keep = db.prepare("INSERT INTO meta (key, value) VALUES ('operator_key', ?) ON CONFLICT DO NOTHING")
  return (now) => {
    const known = find.get()
    if (known) return String(known['value'])
    keep.run(keys.create(now))
    // Of two gates that made one at once, the first one's is everybody's.
    return String(find.get()?.['value'])
  }
}
