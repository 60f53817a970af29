/** The count that must stay 0 counts when it must: on a real response, whoever ends it. */
import { createServer, get } from 'node:http'
import type { ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import type { Witness } from '../../../src/gateway/witness.ts'
import { witness } from '../../../src/gateway/witness.ts'

/** How often a loss was told of one answer, which `serve` ends as it likes. */
async function lost(serve: (seen: Witness, res: ServerResponse) => void, delivers = true): Promise<number> {
  let count = 0
  const server = createServer((_message, res) => {
    serve(
      witness(
        res,
        () => delivers,
        () => (count += 1),
      ),
      res,
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  await new Promise<void>((resolve) => {
    get({ port: (server.address() as AddressInfo).port, host: '127.0.0.1' }, (said) => said.resume().once('close', resolve)).once(
      'error',
      () => resolve(),
    )
  })
  await new Promise((resolve) => server.close(resolve))
  return count
}

test.each<[string, number, (seen: Witness, res: ServerResponse) => void]>([
  ['no call', 0, (_seen, res) => res.end('x')],
  [
    'every call on record before the end',
    0,
    (seen, res) => {
      seen.called()
      seen.recorded()
      seen.called()
      seen.recorded()
      res.end('x')
    },
  ],
  [
    'one call of two without its outcome',
    1,
    (seen, res) => {
      seen.called()
      seen.recorded()
      seen.called()
      res.end('x')
    },
  ],
  [
    'an outcome that comes after the end',
    1,
    (seen, res) => {
      seen.called()
      res.once('finish', () => setImmediate(() => seen.recorded()))
      res.end('x')
    },
  ],
  [
    'an answer that is cut before its end',
    0,
    (seen, res) => {
      seen.called()
      res.write('x')
      setImmediate(() => res.destroy())
    },
  ],
])('%s: %i', async (_what, expected, serve) => {
  expect(await lost(serve)).toBe(expected)
})

test('a refusal in place of the data is no loss: its call is recorded as interrupted', async () => {
  const serve = (seen: Witness, res: ServerResponse): void => {
    seen.called()
    res.writeHead(503).end()
  }
  expect(await lost(serve, false)).toBe(0)
})
