/**
 * `npm run screens`: the same walks, with a picture of each page in docs/screens/ instead of the checks, and docs/pages.md.
 * Names of pages as arguments make only those pictures.
 */
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { startDemo } from '../../src/demo.ts'
import { LANGUAGES } from '../../src/web/language.ts'
import { listed, PAGE_NAMES, pagesDocument, pictureOf, picturesOf } from './catalogue.ts'
import { launch, PHONE } from './chromium.ts'
import type { Sight } from './visitor.ts'
import { visitor } from './visitor.ts'
import { WALKS } from './walks/all.ts'

const docs = join(import.meta.dirname, '..', '..', 'docs')
const folder = join(docs, 'screens')
const WIDTHS = { desktop: 960, phone: 320 } as const
/** A long table is not worth a long picture. */
const TALLEST = { desktop: 2400, phone: 2400 } as const
const wanted = new Set(process.argv.slice(2))

/** As WebP, which playwright's own screenshots are not: small, and a repository keeps every version for ever. */
async function photograph({ name, language, page }: Sight): Promise<void> {
  const { shots, english } = listed(name)
  if ((language === 'en' && english !== true) || (wanted.size > 0 && !wanted.has(name))) return
  const chromium = await page.context().newCDPSession(page)
  for (const shot of shots) {
    await page.setViewportSize({ width: WIDTHS[shot], height: 600 })
    const tall = await page.evaluate<number>('document.documentElement.scrollHeight')
    const clip = { x: 0, y: 0, width: WIDTHS[shot], height: Math.min(tall, TALLEST[shot]), scale: 1 }
    const { data } = await chromium.send('Page.captureScreenshot', { format: 'webp', quality: 50, clip, captureBeyondViewport: true })
    writeFileSync(join(folder, pictureOf(name, shot, language)), Buffer.from(data, 'base64'))
  }
  await chromium.detach()
  await page.setViewportSize(PHONE)
}

mkdirSync(folder, { recursive: true })
const browser = await launch()
try {
  for (const language of LANGUAGES) {
    const demo = await startDemo({ port: 0, logTo: process.stderr, onFatal: (why) => process.stderr.write(`${why}\n`) })
    try {
      for (const [title, walk] of WALKS) {
        process.stdout.write(`${language}: ${title}\n`)
        const person = await visitor({ browser, demo, language, eye: photograph, wrong: (what) => process.stderr.write(`${what}\n`) })
        await walk(person)
        await person.close()
      }
    } finally {
      await demo.stop()
    }
  }
} finally {
  await browser.close()
}
const kept = new Set(PAGE_NAMES.flatMap(picturesOf))
for (const file of readdirSync(folder)) if (!kept.has(file)) rmSync(join(folder, file))
writeFileSync(join(docs, 'pages.md'), pagesDocument())
