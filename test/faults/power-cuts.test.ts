/** The power is cut under a busy writer: the short form of `npm run power-cuts`. */
import { expect, test } from 'vitest'
import type { Cut } from './power-cuts.ts'
import { cutPower, whyNoDisk } from './power-cuts.ts'

test.for(['ext4', 'xfs'] as const)(
  '%s: what was acknowledged outlives the power, as long as fsync does its work',
  async (kind, { skip }) => {
    const why = whyNoDisk(kind)
    if (why !== undefined) skip(`skipped: ${why}`)
    const cuts: Cut[] = []
    await cutPower(kind, ['kept', 'kept', 'ignored'], (cut) => void cuts.push(cut))
    const [first, second, control] = cuts
    for (const cut of [first, second]) expect(cut).toMatchObject({ fsync: 'kept', lost: 0 })
    expect(first?.acknowledged).toBeGreaterThan(0)
    expect(second?.checkpoints).toBeGreaterThan(2)
    // The same with an fsync that does nothing: else nothing above could fail.
    expect(control?.fsync).toBe('ignored')
    expect(control?.lost).not.toBe(0)
  },
)
