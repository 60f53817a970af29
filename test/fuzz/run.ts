/**
 * `npm run fuzz [-- --seconds 300 --target NAME --seed N --cases N]`: each target in turn for that long. The seed is told
 * at once; a finding is told with the command that brings it about again, and the exit status is then 1.
 */
import { parseArgs } from 'node:util'
import { Finding, drive } from './target.ts'
import { TARGETS } from './targets.ts'

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '300' },
    target: { type: 'string' },
    seed: { type: 'string' },
    cases: { type: 'string' },
  },
})
const seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(values.seed)
const chosen = TARGETS.filter(({ name }) => values.target === undefined || values.target.split(',').includes(name))
if (chosen.length === 0 || !Number.isSafeInteger(seed)) {
  process.stderr.write(`targets: ${TARGETS.map(({ name }) => name).join(', ')}\n`)
  process.exit(2)
}
const limits = { seconds: Number(values.seconds), cases: values.cases === undefined ? Number.POSITIVE_INFINITY : Number(values.cases) }
for (const target of chosen) {
  process.stdout.write(`${target.name}: seed ${seed}, ${limits.seconds} s\n`)
  const { cases, about, found } = await drive(target, seed, limits)
  if (found) {
    const { error } = found
    process.exitCode = 1
    process.stdout.write(
      `${target.name}: FOUND after ${cases} cases: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
    )
    if (error instanceof Finding) process.stdout.write(`  input: ${JSON.stringify(error.input.slice(0, 2000))}\n`)
    process.stdout.write(`  again: npm run fuzz -- --target ${target.name} --seed ${found.seed} --cases 1\n`)
  } else process.stdout.write(`${target.name}: ${cases} cases, nothing found; ${about}\n`)
}
// Sockets of a target that found something may still be open.
process.exit()
