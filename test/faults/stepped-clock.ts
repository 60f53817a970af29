/** Preloaded into a gate (`--import`): its wall clock is off by what stands in a file, in milliseconds; the steady one is not. */
import { readFileSync } from 'node:fs'

const file = process.env['TEST_CLOCK_FILE'] ?? ''
const real = Date.now
Date.now = () => real() + Number(readFileSync(file, 'utf8'))
