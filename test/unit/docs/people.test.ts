/** The pages that docs/people.md lists are those that are served, and the reasons for an end those of the code. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { END_REASONS } from '../../../src/domain/vocabulary.ts'

const repository = join(import.meta.dirname, '..', '..', '..')
const page = readFileSync(join(repository, 'docs', 'people.md'), 'utf8')
const section = (title: string): string => page.split(`## ${title}\n`)[1]?.split('\n## ')[0] ?? ''

/** Routes of journeys, as their files write them. */
const routes = readdirSync(join(repository, 'src', 'portal', 'journey')).flatMap((file) => {
  const text = readFileSync(join(repository, 'src', 'portal', 'journey', file), 'utf8')
    .replaceAll('${JOURNEY}', '/consent/oauth')
    .replaceAll('${generation}', 'v1')
  return [...text.matchAll(/app\.(?:get|post)\(\s*['`](\/[^'`]*)['`]/g)].map((m) => m[1] ?? '')
})

test('the pages of journeys in docs/people.md are those of the code', () => {
  const listed = [...section('Pages').matchAll(/^\| `([^`]+)` \|/gm)].map((m) => m[1] ?? '')
  // Back at the OAuth server: nobody sees it. The two generations are one route in the code.
  const served = [...new Set(routes)].filter((path) => path !== '/consent/oauth/:uid/return')
  expect(served.length).toBeGreaterThan(8)
  expect(listed.filter((path) => path !== '/me' && path !== '/dataconnect/v2/oauth2/authorize').toSorted()).toStrictEqual(served.toSorted())
})

test('the ends that a comparison leads to are ends of the model', () => {
  const named = [...section('Once a day').matchAll(/ends: `([a-z_]+)`/g)].map((m) => m[1] ?? '')
  expect(named.length).toBeGreaterThan(3)
  expect(named.filter((reason) => !END_REASONS.some((known) => known === reason))).toStrictEqual([])
})
