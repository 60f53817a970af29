/** What a worker's settings are, and which instance can have workers. */
import { expect, test } from 'vitest'
import { settingsOfWorker } from '../../src/instance.ts'
import { parseSettings } from '../../src/settings/settings.ts'
import { hindrance } from '../../src/workers.ts'
import { settingsTree, settingsYaml } from '../harness/settings.ts'
import type { Tree } from '../harness/settings.ts'

function accepted(change: (tree: Tree) => void) {
  const tree = settingsTree('http://127.0.0.1:9', '/var/lib/ecluse')
  change(tree)
  const parsed = parseSettings(settingsYaml(tree), {})
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.mistakes))
  return parsed
}
const shared = (tree: Tree): void => {
  tree['storage'] = { postgres: { host: '127.0.0.1', user: 'ecluse' } }
  tree['redis'] = { url: 'redis://127.0.0.1:6379', gates: 2 }
}

test('each has a name and a folder of its own; the console is at the first alone', () => {
  const given = accepted((tree) => {
    shared(tree)
    tree['listeners'] = { ...(tree['listeners'] as object), admin: { port: 9443, url: 'http://127.0.0.1:9443' } }
    tree['console'] = { bootstrap: { env: 'TEST_BOOTSTRAP' } }
  })
  const [one, two] = [1, 2].map((number) => settingsOfWorker(given, number).settings)
  expect([one, two]).toMatchObject([
    { instance: { node: 'test.1', state: '/var/lib/ecluse/worker-1' }, listeners: { admin: { port: 9443 } } },
    { instance: { node: 'test.2', state: '/var/lib/ecluse/worker-2' } },
  ])
  expect(two?.listeners.admin).toBeUndefined()
  expect(given.settings.instance).toMatchObject({ node: 'test', state: '/var/lib/ecluse' })
})

test.each([0, 1, 65])('%i workers are none', (count) => {
  expect(hindrance(accepted(shared).settings, count)).toContain('--workers takes 2 to 64')
})
