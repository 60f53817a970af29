/** Calls of the disk that fail or are the last: the short form of `npm run syscall-faults`. */
import { expect, test } from 'vitest'
import { faultsUpTo, syscallFaults } from './syscalls.ts'

test('a write or fsync that fails, or during which the process is killed, loses nothing acknowledged', { timeout: 400_000 }, async () => {
  const faults = faultsUpTo(30, 5)
  const counts = await syscallFaults(faults, () => {})
  expect(counts.runs).toBe(faults.length)
  // Nearly all of these calls are made: else nothing above could fail.
  expect(counts.hit).toBeGreaterThan(faults.length * 0.8)
  expect(counts.acknowledged).toBeGreaterThan(100)
  expect(counts.checkpoints).toBeGreaterThan(5)
})
