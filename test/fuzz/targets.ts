/** All fuzz targets, in the order in which they run. */
import { controlTarget } from './control.ts'
import { evidenceTarget } from './evidence.ts'
import { listenerTarget } from './listener.ts'
import { answersTarget, holderErrorTarget } from './answers.ts'
import { daysTarget } from './days.ts'
import { importTarget, settingsTarget } from './documents.ts'
import type { Target } from './target.ts'

export const TARGETS: readonly Target[] = [
  listenerTarget,
  answersTarget,
  holderErrorTarget,
  settingsTarget,
  daysTarget,
  evidenceTarget,
  importTarget,
  controlTarget,
]
