/** Several gates on one PostgreSQL under faults: the short form of `npm run gates`, and that its check can fail. */
import { expect, test } from 'vitest'
import { gatesCampaign, PLANTS, TERRAINS } from './gates.ts'

const SECONDS: Readonly<Record<string, number>> = { plain: 35 }

test.for(Object.entries(TERRAINS))(
  'on the ground «%s», whatever breaks, nothing is read after a withdrawal, nothing is lost, and every log is whole',
  { timeout: 300_000 },
  async ([on, { whyNot }], { skip }) => {
    const why = whyNot?.()
    if (why !== undefined) skip(`skipped: ${why}`)
    const counts = await gatesCampaign({ on, gates: 2, seconds: SECONDS[on] ?? 0, say: () => undefined })
    expect(counts.faults).toStrictEqual([])
    // It was under load, and each fault came: else nothing above could fail.
    for (const name of ['answered', 'calls', 'intents', 'withdrawals'] as const) expect(counts[name], name).toBeGreaterThan(20)
  },
)

test.each(Object.entries(PLANTS))('the check finds that %s are gone', { timeout: 120_000 }, async (_what, plant) => {
  const { faults } = await gatesCampaign({ gates: 2, seconds: 8, breakages: [], plant, clients: 24, say: () => undefined })
  expect(faults.length).toBeGreaterThan(0)
  expect(faults.join('\n')).toMatch(/reads under p-\d+-\d+, which ended before it|was committed \d+ µs after/)
})
