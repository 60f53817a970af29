/** One PostgreSQL, and between it and each gate a way that can be broken. */
import type { Socket } from 'node:net'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { dailyOf } from '../../bench/traffic.ts'
import { faultProxy } from '../../harness/fault-proxy.ts'
import type { PostgresServer } from '../../harness/postgres.ts'
import { postgresServer } from '../../harness/postgres.ts'
import type { Ground } from './ground.ts'
import { CONF, oneOf } from './ground.ts'

export async function plain(gates: number): Promise<Ground> {
  const server = await postgresServer(CONF)
  await server.start()
  const links = await Promise.all(Array.from({ length: gates }, () => faultProxy({ port: server.port })))
  return {
    server,
    addressOf: (gate) => ({ host: '127.0.0.1', port: links[gate]?.port ?? 0 }),
    async close() {
      await Promise.all(links.map((link) => link.close()))
      await server.close()
    },
    breakages: {
      async 'kill -9 of PostgreSQL'() {
        await server.kill()
        await sleep(Math.random() * 800)
        await server.start()
      },
      async 'PostgreSQL stopped for a while'() {
        server.signal('SIGSTOP')
        await sleep(300 + Math.random() * 1500)
        server.signal('SIGCONT')
      },
      async 'kill -9 of a gate'({ gates, restart }) {
        const one = Math.floor(Math.random() * gates.length)
        await gates[one]?.kill()
        await restart(one)
      },
      async 'a gate stopped for a while'({ gates }) {
        const child = oneOf(gates)?.child
        child?.kill('SIGSTOP')
        await sleep(300 + Math.random() * 1500)
        child?.kill('SIGCONT')
      },
      async 'connections to PostgreSQL reset'() {
        for (let i = 0; i < 5; i += 1) {
          oneOf(links).reset()
          await sleep(Math.random() * 150)
        }
      },
      async 'a gate cut off from PostgreSQL'() {
        const link = oneOf(links)
        link.set({ halfOpen: true })
        await sleep(500 + Math.random() * 2000)
        await link.heal()
        link.reset()
      },
      async 'answers of PostgreSQL lost'() {
        const link = oneOf(links)
        link.set({ halfOpen: true }, 'toClient')
        await sleep(200 + Math.random() * 800)
        await link.heal()
        link.reset()
      },
      async 'a slow way to PostgreSQL'() {
        for (const link of links) link.set({ latencyMs: 20, jitterMs: 60 })
        await sleep(1500)
        for (const link of links) await link.heal()
      },
      async 'kill -9 of Redis'({ redis }) {
        await redis.kill()
        await sleep(Math.random() * 500)
        await redis.start()
      },
      async 'all gates connect at once, and no connection is left'() {
        const taken = await takeAll(server)
        for (const link of links) link.reset()
        await sleep(1500)
        for (const client of taken) client.end().catch(() => undefined)
      },
      async 'a storm of clients'({ gates }) {
        const storm = gates.flatMap((gate) => Array.from({ length: 600 }, (_, i) => stranger(gate?.port ?? 0, i % 2 === 0)))
        await sleep(1500)
        for (const socket of storm) socket.destroy()
      },
    },
  }
}

/** Every connection that the server gives, those for its administrators too. */
async function takeAll(server: PostgresServer): Promise<readonly pg.Client[]> {
  const taken: pg.Client[] = []
  for (;;) {
    const client = new pg.Client({ host: server.folder, port: server.port, user: 'ecluse', database: 'postgres' })
    client.on('error', () => undefined)
    try {
      await client.connect()
    } catch {
      return taken
    }
    taken.push(client)
  }
}

/** A connection that says nothing, or asks for what it may not have. */
function stranger(port: number, asks: boolean): Socket {
  const socket = connect({ host: '127.0.0.1', port })
  socket.on('error', () => socket.destroy())
  socket.resume()
  if (asks)
    socket.once('connect', () =>
      socket.write(`GET ${dailyOf('30000000000000')} HTTP/1.1\r\nHost: gate\r\nAuthorization: Bearer nobody\r\n\r\n`),
    )
  return socket
}
