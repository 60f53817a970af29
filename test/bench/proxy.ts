/**
 * The bare proxy that the gate is compared with: node:http in front of undici's dispatch, the client's target and
 * the body of a POST sent on as they came, the answer's bytes handed back as they come. It checks nothing and records nothing.
 *
 * `node proxy.ts HOLDER_URL`; prints its port as a line of JSON.
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Pool } from 'undici'

const POSTED = ['content-type', 'soapaction', 'content-length']
const pool = new Pool(process.argv[2] ?? '', { connections: 64, pipelining: 1, allowH2: false })
const server = createServer({ keepAliveTimeout: 75_000, noDelay: true }, (message, res) => {
  let abort: (() => void) | undefined
  res.once('close', () => abort?.())
  const post = message.method === 'POST'
  const sent = post ? POSTED.flatMap((name) => [name, String(message.headers[name])]) : []
  pool.dispatch(
    {
      path: message.url ?? '/',
      method: post ? 'POST' : 'GET',
      headers: ['accept', '*/*', 'authorization', 'Bearer of-the-proxy', ...sent],
      body: post ? message : null,
    },
    {
      onRequestStart(controller) {
        abort = () => controller.abort(new Error('client'))
      },
      onResponseStart(_controller, status, headers) {
        const length = headers['content-length']
        res.writeHead(status, ['content-type', String(headers['content-type']), ...(length ? ['content-length', String(length)] : [])])
      },
      onResponseData(controller, chunk) {
        if (res.write(chunk)) return
        controller.pause()
        res.once('drain', () => controller.resume())
      },
      onResponseEnd() {
        abort = undefined
        res.end()
      },
      onResponseError() {
        res.destroy()
      },
    },
  )
})
server.listen(0, '127.0.0.1', () => process.stdout.write(`${JSON.stringify({ port: (server.address() as AddressInfo).port })}\n`))
