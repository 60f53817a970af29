/**
 * Two projects: `unit` runs its files side by side, several in one process (a fresh one each costs a third of the time),
 * and opens nothing but loopback ports of its own; `system` starts real processes, kills some of them and measures
 * nothing, so its files run one after the other. What is only about packages of others (`deps`) is there as well: it
 * waits a lot, and changes with package.json alone.
 */
import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['test/unit/**/*.test.ts', 'test/contract/registry.test.ts', 'test/cases/**/*.test.ts'],
          testTimeout: 10_000,
          isolate: false,
          maxWorkers: availableParallelism(),
        },
      },
      {
        extends: true,
        test: {
          name: 'system',
          include: [
            'test/contract/postgres.test.ts',
            'test/deps/**/*.test.ts',
            'test/e2e/**/*.test.ts',
            'test/faults/**/*.test.ts',
            'test/fuzz/**/*.test.ts',
            'test/foreign/**/*.test.ts',
            'test/browser/**/*.test.ts',
          ],
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
})
