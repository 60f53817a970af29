/** Health and metrics, on a listener of their own that asks nobody who they are: it tells no meter, client or path. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Metrics } from '../runtime/metrics.ts'

/** One dependency as `/readyz` names it. `stale` and `slow` do not make the gate unready. */
export type Standing = 'ok' | 'stale' | 'slow' | 'down' | 'off'
export interface Readiness {
  readonly ready: boolean
  readonly checks: Readonly<Record<string, Standing>>
}

export async function serveHealth(
  at: { readonly address: string; readonly port: number },
  readiness: () => Readiness,
  metrics: Metrics,
  refresh: () => Promise<void>,
): Promise<{ readonly url: string; close(): Promise<void> }> {
  async function answer(message: IncomingMessage, res: ServerResponse): Promise<void> {
    const json = (status: number, value: unknown): void => {
      res.writeHead(status, { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' })
      res.end(`${JSON.stringify(value)}\n`)
    }
    if (message.method !== 'GET') return json(405, { error: 'only GET' })
    if (message.url === '/livez') return json(200, { live: true })
    if (message.url === '/readyz') {
      const { ready, checks } = readiness()
      return json(ready ? 200 : 503, { ready, ...checks })
    }
    if (message.url === '/metrics') {
      await refresh()
      const text = await metrics.registry.metrics()
      res.writeHead(200, { 'Content-Type': metrics.registry.contentType, 'Cache-Control': 'no-store' })
      res.end(text)
      return
    }
    json(404, { error: 'here are /livez, /readyz and /metrics' })
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
