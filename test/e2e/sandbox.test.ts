/** `ecluse sandbox`: what a gate that runs elsewhere needs of it. */
import { spawn, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { expect, onTestFinished, test } from 'vitest'
import * as z from 'zod'

const main = join(import.meta.dirname, '..', '..', 'src', 'cli', 'main.ts')
const CALLBACK = 'http://127.0.0.1:9/callback'
const IDENTITY = 'http://127.0.0.1:9/identity'

test('sends people back where its words say', async () => {
  const words = ['sandbox', '--json', '--port', '0', '--callback', CALLBACK, '--identity-callback', IDENTITY]
  const child = spawn(process.execPath, [main, ...words], { stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => void child.kill())
  const [line] = await Array.fromAsync(firstLine(child.stdout))
  const { sandbox } = z.object({ sandbox: z.url() }).parse(JSON.parse(line ?? ''))
  const consent = await fetch(
    `${sandbox}/dataconnect/v2/oauth2/authorize?client_id=demo-application&response_type=code&state=s&duration=P1Y`,
    {
      method: 'POST',
      body: new URLSearchParams({ meter: '30000000000001', decision: 'accept' }),
      redirect: 'manual',
    },
  )
  expect(consent.headers.get('location')).toMatch(/^http:\/\/127\.0\.0\.1:9\/callback\?autorisation_id=\d+&state=s$/)
  const asked = new URLSearchParams({
    client_id: 'demo-gate',
    redirect_uri: IDENTITY,
    response_type: 'code',
    scope: 'openid',
    acr_values: 'eidas1',
    state: 's',
    nonce: 'n'.repeat(43),
  })
  expect((await fetch(`${sandbox}/franceconnect/api/v2/authorize?${asked.toString()}`)).status).toBe(200)
})

test('an address that is none is refused', () => {
  const { status, stderr } = spawnSync(process.execPath, [main, 'sandbox', '--callback', 'ftp://there'], { encoding: 'utf8' })
  expect(status).toBe(2)
  expect(stderr).toContain('--callback needs an http or https address')
})

async function* firstLine(stream: NodeJS.ReadableStream): AsyncGenerator<string> {
  for await (const line of createInterface({ input: stream })) {
    yield line
    return
  }
}
