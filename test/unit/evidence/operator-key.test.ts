/** The operator's key is one, though two gates make it at once. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { Millis } from '../../../src/domain/time.ts'
import { operatorKeyOn } from '../../../src/evidence/operator-key.ts'
import { keyStore } from '../../../src/storage/keys.ts'
import { openState } from '../../../src/storage/sqlite.ts'

test('whoever comes second takes the first one’s', () => {
  const folder = mkdtempSync(join(tmpdir(), 'ecluse-operator-key-'))
  const state = openState(join(folder, 'state'))
  const keys = keyStore(state.keys, Buffer.alloc(32, 9))
  const now = 1 as Millis
  const first = operatorKeyOn(state.db, keys)
  const second = operatorKeyOn(state.db, {
    ...keys,
    // The other one is done between the look and the write.
    create(at) {
      first(now)
      return keys.create(at)
    },
  })
  expect(second(now)).toBe(first(now))
  expect(keys.get(first(now))).toBeDefined()
  state.close()
  rmSync(folder, { recursive: true })
})
