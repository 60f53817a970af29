/**
 * Every page and every journey, as a person has them: Debian's Chromium on a running demo, in both languages, without
 * script, 320 px wide. What each page is held to stands in inspect.ts.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import type { Browser } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Demo } from '../../src/demo.ts'
import { startDemo } from '../../src/demo.ts'
import { LANGUAGES } from '../../src/web/language.ts'
import { PAGE_NAMES, pagesDocument, picturesOf } from './catalogue.ts'
import { contextOf, launch, PHONE } from './chromium.ts'
import type { Lens } from './inspect.ts'
import { faultsOf, lensOf } from './inspect.ts'
import type { Visitor } from './visitor.ts'
import { visitor } from './visitor.ts'
import { WALKS } from './walks/all.ts'

const docs = join(import.meta.dirname, '..', '..', 'docs')
let browser: Browser
let lens: Lens

beforeAll(async () => {
  browser = await launch()
  lens = await lensOf(browser)
})
afterAll(() => browser.close())

describe.each(LANGUAGES)('a person who reads %s', (language) => {
  let demo: Demo
  let person: Visitor
  let faults: string[]
  const seen = new Set<string>()

  beforeAll(async () => {
    const log = new Writable({ write: (_chunk, _encoding, done) => done() })
    demo = await startDemo({ port: 0, logTo: log, onFatal: (why) => faults.push(why) })
  })
  afterAll(() => demo.stop())
  beforeEach(async () => {
    faults = []
    person = await visitor({
      browser,
      demo,
      language,
      wrong: (what) => faults.push(what),
      async eye(sight) {
        seen.add(sight.name)
        faults.push(...(await faultsOf(sight, lens)))
      },
    })
  })
  afterEach(() => person.close())

  test.each(WALKS)('%s', async (_name, walk) => {
    await walk(person)
    expect(faults).toStrictEqual([])
  })

  test('would notice what a page loads from elsewhere', async () => {
    await person.go('about:blank')
    await person.page.setContent(`<img src="${demo.sandbox}/picture.png"><img src="http://127.0.0.1:9/picture.png">`)
    expect(faults).toStrictEqual(
      expect.arrayContaining([`image of another origin: ${demo.sandbox}/picture.png`, 'a request elsewhere: http://127.0.0.1:9']),
    )
  })

  test('has been on every page there is', () => {
    expect(PAGE_NAMES.filter((name) => !seen.has(name))).toStrictEqual([])
  })
})

describe('the check itself', () => {
  const page = (body: string): string => `<!doctype html><html lang="fr"><head><title>Essai</title></head><body>${body}</body></html>`
  test.each([
    ['a picture without words', '<main><h1>Titre</h1><img src="data:,"></main>', 'image-alt'],
    ['a field without a label', '<main><h1>Titre</h1><input type="text"></main>', 'label'],
    [
      'a target that is too small',
      `<main><h1>Titre</h1>${'<button style="all:unset;width:9px">x</button>'.repeat(2)}</main>`,
      'target-size',
    ],
    ['a heading out of order', '<main><h1>Titre</h1><h4>Partie</h4></main>', 'heading-order'],
    ['a page that reloads by itself', '<meta http-equiv="refresh" content="3; url=/"><main><h1>Titre</h1></main>', 'meta-refresh'],
    ['what cannot be read', '<main style="background:#fff"><h1 style="color:#eee">Titre</h1></main>', 'color-contrast'],
  ])('finds %s', async (_name, body, id) => {
    const found = await lens.violations('http://127.0.0.1/', page(body), PHONE)
    expect(found.filter((one) => one.includes(id))).not.toStrictEqual([])
  })
  test.each([
    ['a focus that cannot be seen', '<a href="/" style="outline:none">Lien</a>', 'no visible focus on a «Lien»'],
    ['what no key comes to', '<a href="/" tabindex="-1">Lien</a>', 'the tab key never comes to a «Lien»'],
    ['what comes before its turn', '<a href="/">Un</a><a href="/" tabindex="1">Deux</a>', 'focus goes back to a «Un»'],
    ['what is out of sight', '<a href="/" style="position:absolute;left:-99rem">Lien</a>', 'focus goes where nobody sees it: a «Lien»'],
  ])('finds %s', async (_name, body, fault) => {
    await lens.violations('http://127.0.0.1/', page(`<style>:focus { outline: 2px solid }</style><main>${body}</main>`), PHONE)
    expect(await lens.byKeyboard()).toContain(fault)
  })
  test.each([
    ['what is wider than its window', '<div style="width:400px">Large</div>', /\d+ px wide in a window of 320: .*div «Large»/],
    ['a second heading', '<h1>Autre</h1>', /2 h1/],
    ['a script', '<script>1</script>', /scripts, frames or inline styles: 1/],
    ['a text that nobody meant', '<p>Bonjour undefined</p>', /a text that nobody meant/],
    ['a page without its frame', '', /no footer/],
  ])('finds %s', async (_name, body, fault) => {
    const context = await contextOf(browser, 'fr')
    const open = await context.newPage()
    const text = page(`<main><h1>Titre</h1>${body}</main>`)
    await open.setContent(text)
    const faults = await faultsOf({ name: 'portal-home', language: 'fr', page: open, url: 'http://127.0.0.1/', text }, lens)
    await context.close()
    expect(faults).toStrictEqual(expect.arrayContaining([expect.stringMatching(fault)]))
  })
  test('finds what cannot be read in the dark alone', async () => {
    const body = page(
      '<style>@media (prefers-color-scheme: dark) { h1 { color: #333; background: #222 } }</style><main><h1>Titre</h1></main>',
    )
    expect(await lens.violations('http://127.0.0.1/', body, PHONE)).toStrictEqual([])
    expect(await lens.tooDark('http://127.0.0.1/', body)).toStrictEqual([expect.stringContaining('color-contrast')])
  })
})

test('each page is in docs/pages.md, and its pictures are kept', () => {
  expect(readFileSync(join(docs, 'pages.md'), 'utf8')).toBe(pagesDocument())
  const wanted = PAGE_NAMES.flatMap(picturesOf)
  expect(wanted.filter((file) => !existsSync(join(docs, 'screens', file)))).toStrictEqual([])
  expect(readdirSync(join(docs, 'screens')).filter((file) => !wanted.includes(file))).toStrictEqual([])
})
