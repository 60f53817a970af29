/**
 * Permissions that come by paper and by mail: a mandate from the form to the service that Enedis opened and its end, and a
 * right at GRDF from the mail to the control of its proof. Person, operator and data holder each in a browser of its own.
 */
import { expect } from 'vitest'
import { setTimeout as sleep } from 'node:timers/promises'
import { callControl } from '../../../src/ops/control.ts'
import type { Visitor } from '../visitor.ts'
import { entersConsole } from './console.ts'

const TOWN_HALL = '99999000000033'
const FLAT = '99000000000004'
/** What was printed, signed and scanned: other bytes than the form. */
const signed = (form: Buffer): Buffer => Buffer.concat([form, Buffer.from('\n% Camille Exemple\n%%EOF\n')])
const pdf = (name: string, buffer: Buffer) => ({ name, mimeType: 'application/pdf', buffer })

export async function signsAMandate(operator: Visitor): Promise<void> {
  const { page, demo } = operator
  await entersConsole(operator)
  await operator.press('nav a[href="/permissions"]')
  await operator.press('a[href="/permissions/new/mandate"]')
  await operator.see('console-new-mandate')
  await page.fill('#id', 'town-hall')
  await page.selectOption('#client', 'viriya')
  await page.selectOption('#kind', 'legal')
  await page.fill('#meter', '999990000000331')
  await page.fill('#name', 'COMMUNE DE VILLE-EXEMPLE')
  await page.check('#order')
  await operator.press('main form button')
  expect(operator.status()).toBe(422)
  await operator.see('console-new-mistakes')
  await page.fill('#meter', TOWN_HALL)
  await page.check('#line-daily_energy')
  await operator.press('main form button')
  expect(new URL(page.url()).pathname).toBe('/permissions/town-hall')
  await operator.see('console-mandate-awaited')
  await page.setInputFiles('#signed', {
    name: 'mandat.pdf',
    mimeType: 'application/pdf',
    buffer: Buffer.from('PK\u0003\u0004 not a mandate'),
  })
  await operator.press('form[action$="/mandate"] button')
  expect(operator.status()).toBe(422)
  await operator.see('console-mandate-refused')

  const person = await byLink(operator, 'town-hall')
  await person.see('portal-mandate')
  const form = await person.fetches('a[href$="/mandate.pdf"]')
  expect(form.bytes.subarray(0, 8).toString()).toBe('%PDF-1.7')
  await person.page.setInputFiles('#signed', pdf('mandat.pdf', form.bytes))
  await person.press('form[action$="/mandate"] button')
  expect(person.status()).toBe(422)
  await person.see('portal-mandate-refused')
  await person.page.setInputFiles('#signed', pdf('mandat.pdf', signed(form.bytes)))
  await person.page.setInputFiles('#power', pdf('deliberation.pdf', Buffer.from('%PDF-1.4\n% délibération\n%%EOF\n')))
  await person.press('form[action$="/mandate"] button')
  await person.see('portal-mandate-checking')
  // Until it is checked it opens nothing.
  expect(await reads(operator)).toContain('ECL403')

  await operator.go(`${demo.console}/permissions/town-hall`)
  await operator.see('console-mandate-check')
  await page.check('#signature')
  await operator.press('button[value="accept"]')
  expect(operator.status()).toBe(422)
  await operator.see('console-check-refused')
  for (const check of ['name', 'meter', 'dates', 'authority']) await page.check(`#${check}`)
  await operator.press('button[value="accept"]')
  await until(operator, 'town-hall', (shown) => shown.rights.some(({ state }) => state === 'open'))
  expect(await reads(operator)).toContain('<unite>Wh</unite>')

  await person.go(`${demo.gate}/me/town-hall`)
  await person.press('button.stop')
  expect(await reads(operator)).toContain('ECL403')
  await until(operator, 'town-hall', (shown) => shown.rights.every(({ state }) => state === 'ended'))
}

export async function askedByGrdf(operator: Visitor): Promise<void> {
  const { page, demo } = operator
  await entersConsole(operator)
  await operator.go(`${demo.console}/permissions/new/gas`)
  await page.fill('#id', 'gas-flat')
  await page.selectOption('#client', 'viriya')
  await page.fill('#meter', FLAT)
  await page.fill('#name', 'INVENTÉE SALOMÉ')
  await page.fill('#postcode', '00110')
  await page.fill('#email', 'salome@exemple.invalid')
  await page.setInputFiles('#signed', pdf('accord.pdf', Buffer.from('%PDF-1.4\n% accord signé\n%%EOF\n')))
  await page.check('#line-daily_energy')
  await operator.see('console-new-gas')
  await operator.press('main form button')
  expect(new URL(page.url()).pathname).toBe('/permissions/gas-flat')
  await until(operator, 'gas-flat', ({ status }) => status === 'awaiting_confirmation')

  const person = await byLink(operator, 'gas-flat')
  await person.see('portal-gas-mail')
  await person.go(`${demo.sandbox}/${person.language}/adict/mail`)
  await person.see('grdf-mails')
  await person.press(`tr:has-text("${FLAT}") a`)
  await person.see('grdf-mail')
  await person.press('button[value="accept"]')
  await person.see('grdf-mail-answered')
  await compare(operator)
  const right = (await until(operator, 'gas-flat', ({ status }) => status === 'active')).rights[0]?.ref ?? ''

  await operator.tell('adict-ask-proof', { id: right })
  await compare(operator)
  await operator.go(`${demo.console}/permissions/gas-flat`)
  await operator.see('console-proof')
  await operator.press('form[action$="/proof"] button')
  expect(operator.status()).toBe(422)
  await operator.see('console-proof-refused')
  await page.locator('input[name^="filed-"]').first().check()
  await operator.press('form[action$="/proof"] button')
  await until(operator, 'gas-flat', ({ rights }) => rights[0]?.proof === 'being_checked')
  // Not good enough: as if it had never been given.
  await operator.tell('adict-proof', { id: right, outcome: 'ko' })
  await compare(operator)
  const over = await until(operator, 'gas-flat', ({ status }) => status === 'ended')
  expect(over).toMatchObject({ endReason: 'invalidated', void: true })
}

/** In a browser of its own, by the one-time link that the operator makes. */
async function byLink(operator: Visitor, permission: string): Promise<Visitor> {
  await operator.go(`${operator.demo.console}/permissions/${permission}`)
  await operator.press('form[action$="/links"] button')
  const person = await operator.another()
  await person.go((await operator.text('#one-time-link')).trim())
  await person.press('form[action^="/link/"] button')
  await person.press(`a[href="/me/${permission}"]`)
  return person
}

/** Five days of the town hall, by SOAP, with the very request of the demo. */
async function reads({ demo }: Visitor): Promise<string> {
  const request = demo.requests.find(({ name }) => name === 'soap-allowed')
  const body = (request?.body ?? '')
    .replace(/<pointId>\d+/, `<pointId>${TOWN_HALL}`)
    .replace('>COURBE<', '>ENERGIE<')
    .replace('>PA<', '>EA<')
  return (await fetch(request?.url ?? '', { method: 'POST', headers: request?.headers ?? {}, body })).text()
}

interface Known {
  readonly status: string
  readonly endReason: string | null
  readonly void: boolean
  readonly rights: readonly { readonly state: string; readonly ref?: string; readonly proof: string | null }[]
}
async function until({ demo }: Visitor, permission: string, holds: (known: Known) => boolean): Promise<Known> {
  for (let waited = 0; waited < 20_000; waited += 100) {
    const answer = await callControl(demo.state, 'permission show', { permission })
    const known = answer?.ok === true ? (answer.value as Known) : undefined
    if (known && holds(known)) return known
    await sleep(100)
  }
  throw new Error(`${permission} never came so far`)
}

/** What the gate does by itself each quarter of an hour while somebody has not answered. */
async function compare({ demo }: Visitor): Promise<void> {
  const answer = await callControl(demo.state, 'permission reconcile', {})
  if (answer?.ok !== true) throw new Error(`the registry was not compared: ${JSON.stringify(answer)}`)
}
