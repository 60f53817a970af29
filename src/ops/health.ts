/**
 * Health and metrics, on a listener of their own that asks nobody who they are: it tells no meter, client or path.
 *
 * `/livez`: the process answers. `/readyz`: requests are taken; each dependency by name. `/metrics`: Prometheus text.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Scrape } from './scrape.ts'

/** One dependency as `/readyz` names it. Only `down` of the gate's own makes it unready: see `Readiness.ready`. */
export type Standing = 'ok' | 'stale' | 'slow' | 'down' | 'off'
export interface Readiness {
  readonly ready: boolean
  readonly checks: Readonly<Record<string, Standing>>
}

const HERE = 'here are /livez, /readyz and /metrics'

export async function serveHealth(
  at: { readonly address: string; readonly port: number },
  readiness: () => Readiness | Promise<Readiness>,
  scrape: () => Promise<Scrape>,
): Promise<{ readonly url: string; close(): Promise<void> }> {
  async function answer(message: IncomingMessage, res: ServerResponse): Promise<void> {
    const json = (status: number, value: unknown, headers: Readonly<Record<string, string>> = {}): void => {
      res.writeHead(status, { 'Content-Type': 'application/json', 'Cache-Control': 'no-store', ...headers })
      res.end(`${JSON.stringify(value)}\n`)
    }
    if (message.method !== 'GET') return json(405, { error: 'only GET' }, { Allow: 'GET', Connection: 'close' })
    switch (message.url) {
      case '/livez':
        return json(200, { live: true })
      case '/readyz': {
        const { ready, checks } = await readiness()
        return json(ready ? 200 : 503, { ready, ...checks })
      }
      case '/metrics': {
        const { type, text } = await scrape()
        res.writeHead(200, { 'Content-Type': type, 'Cache-Control': 'no-store' })
        res.end(text)
        return
      }
      default:
        // What was asked for is not repeated: it may be a path of the gate, with a meter in it.
        json(404, { error: HERE })
    }
  }
  const server = createServer({ maxHeaderSize: 8192, headersTimeout: 5000, requestTimeout: 5000 }, (message, res) => {
    answer(message, res).catch(() => res.destroy())
  })
  server.maxConnections = 100
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(at.port, at.address, resolve)
  })
  const { port } = server.address() as AddressInfo
  return {
    url: `http://${at.address.includes(':') ? `[${at.address}]` : at.address}:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
