/** kill -9 of the gate under load: the short form of `npm run kills`. */
import { expect, test } from 'vitest'
import { killCampaign } from './kills.ts'

test('killed 15 times at random moments, the gate loses nothing and its log verifies', { timeout: 300_000 }, async () => {
  const counts = await killCampaign(15, () => {})
  expect(counts.kills).toBe(15)
  // It was under load: else nothing above could fail.
  for (const name of ['answered', 'calls', 'intents', 'interrupted', 'withdrawals', 'checkpoints'] as const)
    expect(counts[name], name).toBeGreaterThan(0)
})
