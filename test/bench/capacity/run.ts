/**
 * `npm run capacity`: prints how much gate, database and disk a load takes, from the figures in docs/capacity.json. With
 * `--meters N --calls-a-day N` or `--per-second N`, for a load of your own. `--measure` measures the figures anew on this machine
 * and writes docs/capacity.json and docs/capacity.md; `--short` measures little and only prints.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { figuresSchema } from './figures.ts'
import { measure } from './measure.ts'
import { tablesOf, wishesOf } from './tables.ts'

const docs = join(import.meta.dirname, '..', '..', '..', 'docs')
const FIGURES = join(docs, 'capacity.json')
const PAGE = join(docs, 'capacity.md')
const MARK = '<!-- computed by npm run capacity from capacity.json -->\n'

const { values } = parseArgs({
  options: {
    measure: { type: 'boolean', default: false },
    short: { type: 'boolean', default: false },
    meters: { type: 'string' },
    'calls-a-day': { type: 'string' },
    'per-second': { type: 'string' },
  },
})
const count = (name: 'meters' | 'calls-a-day' | 'per-second'): number | undefined => {
  const text = values[name]
  if (text === undefined) return undefined
  const value = Number(text)
  if (!(value > 0) || !Number.isFinite(value)) throw new Error(`--${name} needs a number above 0`)
  return value
}
const [meters, callsADay, perSecond] = [count('meters'), count('calls-a-day'), count('per-second')]
if (meters === undefined && callsADay !== undefined) throw new Error('--calls-a-day needs --meters')
if (meters !== undefined && perSecond !== undefined) throw new Error('--meters and --per-second are two loads: give one')

const measured = values.measure || values.short
const figures = measured
  ? await measure(values.short ? { permissions: 500, seconds: 3 } : { permissions: 10_000, seconds: 20 })
  : figuresSchema.parse(JSON.parse(readFileSync(FIGURES, 'utf8')))
const wishes = wishesOf({
  ...(meters !== undefined && { meters }),
  ...(callsADay !== undefined && { callsADay }),
  ...(perSecond !== undefined && { perSecond }),
})
process.stdout.write(`${tablesOf(figures, wishes)}\n`)
if (values.measure && !values.short) {
  writeFileSync(FIGURES, `${JSON.stringify(figures, undefined, 2)}\n`)
  const [head = ''] = readFileSync(PAGE, 'utf8').split(MARK)
  writeFileSync(PAGE, `${head}${MARK}\n${tablesOf(figures, wishesOf({}))}\n`)
}
