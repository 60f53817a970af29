/** Starts the thread that owns the state, and tells the rest of the program what it holds. */
import { Worker } from 'node:worker_threads'
import type { StateOptions, StateReady } from './state.ts'
import type { CallKinds, QueueLimits, StateClient } from './storage/rpc.ts'
import { stateClient } from './storage/rpc.ts'

export interface OwnedState {
  readonly client: StateClient
  readonly ready: StateReady
  /** Drains, publishes, closes. Rejects with {@link StateBroken} where that fails. */
  stop(): Promise<void>
}

/** Withdrawals, erasures and outcomes, and what these wait for, are never refused for want of room: who signed in, and what to withdraw. */
const URGENT = new Set(
  'act actAt ticketGet showPermission outcome ownOutcome summary holderRefused erase restrict drained erasuresPending revokeToken syncClients addCredential expire clock policy'.split(
    ' ',
  ),
)
/** How a call to a data holder ended: nobody else knows, however long the database is away. */
const KEPT = new Set(['outcome', 'ownOutcome'])
/** No request waits longer for its intent: a disk that slow is told as 503. */
export const QUEUE_AGE_MS = 5_000

/** The disk failed under the state: whoever hears of it halts, and closes nothing. */
export class StateBroken extends Error {
  override readonly name = 'StateBroken'
}

/** Rejects with the sentence that says why the state cannot be owned, and what to do. */
export function ownState(
  options: StateOptions,
  limits: QueueLimits,
  onFatal: (why: string) => void,
  onCommit?: (ms: number) => void,
  onLate?: CallKinds['onLate'],
): Promise<OwnedState> {
  // Type stripping is refused under node_modules: the worker's file has the ending of this one.
  const entry = new URL(import.meta.url.endsWith('.ts') ? './state.ts' : './state.js', import.meta.url)
  const worker = new Worker(entry, { workerData: options })
  const kinds: CallKinds = { urgent: URGENT, ...(options.postgres && { kept: KEPT, ...(onLate && { onLate }) }) }
  return new Promise((resolve, reject) => {
    const ended = (): void => reject(new Error('the thread that owns the state ended before it was ready'))
    worker.once('error', reject)
    worker.once('exit', ended)
    worker.once('message', (message: { readonly ready?: StateReady; readonly fatal?: string; readonly broken?: boolean }) => {
      worker.off('error', reject)
      worker.off('exit', ended)
      if (message.ready === undefined) {
        const why = message.fatal ?? 'the thread that owns the state did not start'
        // Ended, the thread would close its files.
        if (message.broken === true) reject(new StateBroken(why))
        // The lock is free when the caller hears of it.
        else void worker.terminate().then(() => reject(new Error(why)), reject)
        return
      }
      let fatal = onFatal
      const client = stateClient(worker, limits, kinds, message.ready.gauges, (why) => fatal(why), onCommit)
      resolve({
        client,
        ready: message.ready,
        stop: () =>
          new Promise((done, fail) => {
            let stopped = false
            fatal = (why) => {
              if (!stopped) fail(new StateBroken(why))
            }
            worker.on('message', (last: { readonly stopped?: true }) => {
              stopped ||= last.stopped === true
            })
            worker.once('exit', () => done())
            worker.postMessage('stop')
          }),
      })
    })
  })
}
