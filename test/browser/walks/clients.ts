/** Journeys that a service or a device begins: the OAuth code flow of the sample application, the device flow of DomoticzLinky. */
import { expect } from 'vitest'
import * as z from 'zod'
import type { Visitor } from '../visitor.ts'
import { ask, PEOPLE, REFUSE, share } from './steps.ts'

const READ = 'form[action="/read"] button'

export async function connectsAnApplication(visitor: Visitor): Promise<void> {
  const { page, demo } = visitor
  await visitor.go(`${demo.application}/`)
  await visitor.see('sample-home')
  await visitor.press('form[action="/start"] button')
  await visitor.press(REFUSE)
  expect(new URL(page.url()).origin).toBe(demo.application)
  await visitor.see('sample-problem')

  await visitor.press('form[action="/start"] button')
  expect(new URL(page.url()).origin).toBe(demo.gate)
  await ask(visitor, ['l1', 'l2'])
  await share(visitor, PEOPLE.second)
  expect(new URL(page.url()).origin).toBe(demo.application)
  await visitor.see('sample-connected')
  await visitor.press(READ)
  expect(await visitor.text('#status')).toContain('200')
  await visitor.see('sample-read')

  await visitor.press(`a[href="${demo.gate}/me"]`)
  await visitor.press('article a.button[href^="/me/"]')
  await visitor.press('form[action$="/withdraw"] button')
  await visitor.go(`${demo.application}/`)
  await visitor.press(READ)
  expect(await visitor.text('#status')).toContain('403')
  expect(await visitor.text('#read')).toContain('ecluse-reason: withdrawn')
  await visitor.see('sample-read-refused')
}

/** The plugin, as it is published. */
const DOMOTICZ = 'd198fd52-61c0-4b77-8725-06a1ef90da9f'
const Code = z.object({ device_code: z.string(), user_code: z.string() })

export async function connectsADevice(visitor: Visitor): Promise<void> {
  const { page, demo } = visitor
  const post = (path: string, form: Readonly<Record<string, string>>): Promise<Response> =>
    fetch(`${demo.gate}${path}`, { method: 'POST', body: new URLSearchParams(form) })
  const { device_code, user_code } = Code.parse(await (await post('/device/code', { client_id: DOMOTICZ })).json())
  const poll = { client_id: DOMOTICZ, device_code, grant_type: 'urn:ietf:params:oauth:grant-type:device_code' }

  await visitor.go(`${demo.gate}/device`)
  await visitor.see('portal-device')
  await page.fill('#code', 'BBBB-BBBB')
  await visitor.press('main button')
  expect(visitor.status()).toBe(422)
  await visitor.see('portal-device-wrong')
  await page.fill('#code', user_code.toLowerCase())
  await visitor.press('main button')
  expect(await visitor.text()).toContain(user_code)
  await visitor.see('portal-device-confirm')
  await visitor.press('button[name="mine"]')
  expect((await post('/device/token', poll)).status).not.toBe(200)
  await ask(visitor, ['l1'])
  await share(visitor, PEOPLE.third)
  await visitor.see('portal-done')
  const granted = await post('/device/token', poll)
  expect([granted.status, await granted.json()]).toStrictEqual([
    200,
    expect.objectContaining({ access_token: expect.any(String), refresh_token: expect.any(String) }),
  ])
}
