/** What stands on the form that a holder signs, read back out of the PDF. */
import { inflateSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import type { Millis } from '../../../src/domain/time.ts'
import { readPaper } from '../../../src/domain/paper.ts'
import type { MandateForm } from '../../../src/portal/mandate/form.ts'
import { mandateForm } from '../../../src/portal/mandate/form.ts'

const DAY = 86_400_000
const AT = Date.UTC(2026, 10, 26, 9) as Millis
const FORM: MandateForm = {
  permission: 'town-hall',
  scopeHash: `sha256:${'ab'.repeat(32)}`,
  issued: AT,
  client: undefined,
  purposes: [{ code: 'self_view', label: { fr: 'Voir mes consommations', en: 'See my own consumption' } }] as never,
  operator: { name: 'Portail de la Région', contact: 'dpo@region.example', address: '1 place de l’Œuvre, 35000 Rennes' },
  content: {
    meter: 'prm:99999000000017',
    holder: { kind: 'natural', reference: 'x', name: 'LE GOFF MAËLLE' },
    scope: {
      recipient: 'viriya',
      ground: { gdprBasis: 'consent', sectorRelease: 'express_authorisation', legalReference: 'délibération 12' },
      validFrom: AT,
      validUntil: (AT + 365 * DAY) as Millis,
      lines: [
        {
          id: 'l1',
          kind: 'load_curve',
          direction: 'withdrawal',
          finest: 'PT30M',
          coarser: 'fetch',
          purpose: 'self_view',
          data: { from: '2026-01-01', until: '2027-01-01' },
          recurrence: 'on_demand',
        },
      ],
    },
  } as never,
}

/** Text operators of all content streams: strings of Windows-1252, in hexadecimal. */
function textOf(pdf: Buffer): string {
  const source = pdf.toString('latin1')
  return [...source.matchAll(/stream\n([\s\S]*?)\nendstream/g)]
    .filter(([, data = '']) => data.startsWith('x'))
    .map(([, data = '']) => inflateSync(Buffer.from(data, 'latin1')).toString('latin1'))
    .map((page) =>
      [...page.matchAll(/\[([^\]]*)\] TJ/g)]
        .map(([, strings = '']) => [...strings.matchAll(/<([0-9a-f]*)>/g)].map(([, hex = '']) => hex).join(''))
        .map((hex) => new TextDecoder('windows-1252').decode(Buffer.from(hex, 'hex')))
        .join('\n'),
    )
    .join('\n')
}

describe('the form of a mandate', () => {
  test('says who may read what, for what, until when, and how to take it back', async () => {
    const text = textOf(await mandateForm(FORM)).replaceAll(/\s+/g, ' ')
    for (const said of [
      'town-hall',
      `sha256:${'ab'.repeat(32)}`,
      'LE GOFF MAËLLE',
      '99999000000017',
      'viriya',
      'Portail de la Région',
      '1 place de l’Œuvre, 35000 Rennes',
      'Courbe de charge (relevés fins) – consommation, toutes les demi-heures',
      'du 1 janvier 2026 au 31 décembre 2026',
      'usage : Voir mes consommations',
      'du 26 novembre 2026 au 26 novembre 2027',
      'délibération 12',
      'retirer cette autorisation à tout moment',
      'dpo@region.example',
      'www.cnil.fr',
      'Signature',
    ])
      expect(text).toContain(said)
  })
  test('is the same bytes each time, tagged, in French, and a document that would be taken', async () => {
    const [one, two] = await Promise.all([mandateForm(FORM), mandateForm(FORM)])
    expect(one.equals(two)).toBe(true)
    const source = one.toString('latin1')
    expect(source).toContain('/Lang (fr-FR)')
    expect(source).toContain('/MarkInfo')
    expect(source).toContain('/StructTreeRoot')
    expect(readPaper(one)).toStrictEqual({ ok: true, mediaType: 'application/pdf' })
  })
  test('of another scope it is another form', async () => {
    expect((await mandateForm(FORM)).equals(await mandateForm({ ...FORM, scopeHash: 'sha256:other' }))).toBe(false)
  })
  test.each([
    ['combining marks', 'MAE\u0308LLE', 'MAËLLE'],
    ['a letter that its fonts lack', 'WAŁĘSA Čapek', 'WA?ESA Capek'],
    ['narrow spaces', 'A\u202fB', 'A B'],
  ])('%s print as what they are', async (_what, name, printed) => {
    const content = { ...FORM.content, holder: { ...FORM.content.holder, name } }
    expect(textOf(await mandateForm({ ...FORM, content }))).toContain(printed)
  })
  test('forty lines go on to further pages, and the signature is on the last', async () => {
    const [line] = FORM.content.scope.lines
    const lines = Array.from({ length: 40 }, () => line!)
    const content = { ...FORM.content, scope: { ...FORM.content.scope, lines } }
    const pdf = await mandateForm({ ...FORM, content })
    expect(pdf.toString('latin1').match(/\/Type \/Page\n/g)!.length).toBeGreaterThan(1)
    expect(textOf(pdf).match(/Courbe de charge/g)).toHaveLength(40)
  })
})
