/** A primary with a synchronous standby behind one address that moves, as a virtual one does. */
import { setTimeout as sleep } from 'node:timers/promises'
import { faultProxy } from '../../harness/fault-proxy.ts'
import { postgresPair } from '../../harness/postgres-pair.ts'
import type { Ground } from './ground.ts'
import { CONF, LONG_MS } from './ground.ts'

export async function standby(): Promise<Ground> {
  const pair = await postgresPair('synchronous', CONF)
  const address = await faultProxy({ port: pair.primary.port })
  /** The old primary does not come back as one: a new standby follows the one that took its place. */
  async function moved(before: Awaited<ReturnType<typeof pair.promote>>): Promise<void> {
    address.retarget(pair.primary.port)
    await sleep(Math.random() * 1000)
    await before.close()
    await pair.follow()
  }
  return {
    get server() {
      return pair.primary
    },
    addressOf: () => ({ host: '127.0.0.1', port: address.port }),
    async close() {
      await address.close()
      await pair.close()
    },
    breakages: {
      async 'the primary killed, its standby promoted'() {
        await pair.primary.kill()
        await sleep(Math.random() * 1000)
        await moved(pair.promote())
      },
      async 'the standby cut off, then the primary killed and the standby promoted'() {
        pair.stream.set({ halfOpen: true })
        await sleep(500 + Math.random() * 1500)
        await pair.primary.kill()
        await moved(pair.promote())
      },
      async 'the primary stopped, its standby promoted, and the old one woken'() {
        pair.primary.signal('SIGSTOP')
        const before = pair.promote()
        address.retarget(pair.primary.port)
        await sleep(300)
        // Connections of before still lead to it.
        before.signal('SIGCONT')
        await sleep(1500)
        await moved(before)
      },
      async 'the standby away for a while'() {
        pair.standby?.signal('SIGSTOP')
        await sleep(500 + Math.random() * 1500)
        pair.standby?.signal('SIGCONT')
      },
      async 'the standby away for longer than any timeout'() {
        pair.standby?.signal('SIGSTOP')
        await sleep(LONG_MS)
        pair.standby?.signal('SIGCONT')
      },
    },
  }
}
