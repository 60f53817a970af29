/** Starts the thread that owns the state, and tells the rest of the program what it holds. */
import { Worker } from 'node:worker_threads'
import type { StateOptions, StateReady } from './state.ts'
import type { StateClient } from './storage/rpc.ts'
import { stateClient } from './storage/rpc.ts'

export interface OwnedState {
  readonly client: StateClient
  readonly ready: StateReady
  /** Drains, publishes, closes. */
  stop(): Promise<void>
}

/** Withdrawals, erasures and outcomes are never refused for want of room. */
const URGENT = new Set(['act', 'outcome', 'erase', 'restrict', 'revokeToken', 'syncClients', 'addCredential', 'expire', 'clock'])

/** Rejects with the sentence that says why the state cannot be owned, and what to do. */
export function ownState(options: StateOptions, queueLimit: number, onFatal: (why: string) => void): Promise<OwnedState> {
  // Type stripping is refused under node_modules: the worker's file has the ending of this one.
  const entry = new URL(import.meta.url.endsWith('.ts') ? './state.ts' : './state.js', import.meta.url)
  const worker = new Worker(entry, { workerData: options })
  return new Promise((resolve, reject) => {
    worker.once('error', reject)
    worker.once('message', (message: { readonly ready?: StateReady; readonly fatal?: string }) => {
      worker.off('error', reject)
      if (message.ready === undefined) {
        void worker.terminate()
        reject(new Error(message.fatal ?? 'the thread that owns the state did not start'))
        return
      }
      let stopping = false
      const client = stateClient(worker, queueLimit, URGENT, (why) => {
        if (!stopping) onFatal(why)
      })
      resolve({
        client,
        ready: message.ready,
        stop() {
          stopping = true
          return new Promise((done) => {
            worker.once('exit', () => done())
            worker.postMessage('stop')
          })
        },
      })
    })
  })
}
