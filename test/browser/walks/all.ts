/** Every walk, under the name that its test has. */
import type { Visitor } from '../visitor.ts'
import { connectsADevice, connectsAnApplication } from './clients.ts'
import { looksAfterTheGate } from './console.ts'
import { askedByGrdf, signsAMandate } from './paper.ts'
import { givesAndWithdraws, meetsTrouble, provesWhoItIs, saysNo, waitsAndChooses } from './consent.ts'

export const WALKS: readonly (readonly [string, (visitor: Visitor) => Promise<void>])[] = [
  ['gives a permission, sees who read, checks it and withdraws', givesAndWithdraws],
  ['says no, here and on Enedis’s page', saysNo],
  ['waits for Enedis and chooses among meters', waitsAndChooses],
  ['meets what goes wrong', meetsTrouble],
  ['proves who it is, by Enedis and by FranceConnect', provesWhoItIs],
  ['connects an application, which is refused after the withdrawal', connectsAnApplication],
  ['connects a device by its code', connectsADevice],
  ['signs a mandate on paper, which an operator checks', signsAMandate],
  ['is asked by a mail of GRDF, which then wants to see the proof', askedByGrdf],
  ['looks after the gate in the console', looksAfterTheGate],
]
