/** The tests by which `npm run mutation` judges `src/decide`: the decision cases, and nothing slower. */
import { defineConfig } from 'vitest/config'

export default defineConfig({ test: { include: ['test/cases/**/*.test.ts'], testTimeout: 10_000 } })
