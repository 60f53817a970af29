/**
 * Counts what must never happen: a whole answer with a data holder's data, of which a call has no outcome on record. It
 * watches the response itself and knows nothing of the order in which the code that serves it works.
 */
import type { ServerResponse } from 'node:http'

export interface Witness {
  /** The intent of a call is on record. */
  called(): void
  /** Its outcome is. */
  recorded(): void
}

/** @param delivers whether the answer is the data of a holder, and not the refusal that takes its place */
export function witness(res: ServerResponse, delivers: () => boolean, onLost: () => void): Witness {
  let open = 0
  res.once('finish', () => {
    if (open > 0 && delivers()) onLost()
  })
  return {
    called() {
      open += 1
    },
    recorded() {
      open -= 1
    },
  }
}
