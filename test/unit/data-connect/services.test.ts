/** What Enedis says is shared: ids of 64 bits stay digit by digit what they were, and a row that cannot be read spoils the answer. */
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { UsagePointId } from '../../../src/domain/meter.ts'
import { isAuthorisationId, readServices, servicesBody } from '../../../src/providers/enedis-data-connect/services.ts'

/** As the answer of the Swagger, with the authorisation's id as a bare number. */
function row(over: Readonly<Record<string, unknown>> = {}, authorisation = '481516234'): string {
  const value = {
    id: '770001',
    serviceCode: 'ACCES',
    soutirage: true,
    injection: false,
    pointId: '10000000000001',
    dateDebut: '2026-10-06',
    dateFin: '2029-10-05',
    etatCode: 'ACTIF',
    mesuresTypeCode: 'CDC',
    mesuresPas: 'PT30M',
    autorisation: { autorisationId: '@', autorisationType: 'EXPLICITE' },
    ...over,
  }
  return JSON.stringify(value).replace('"@"', authorisation)
}
const answer = (...rows: readonly string[]): string => `{"nbTotalServices":${rows.length},"serviceSouscrit":[${rows.join(',')}]}`

test('a row of the Swagger', () => {
  expect(readServices(answer(row()))).toStrictEqual({
    ok: true,
    total: 1,
    services: [
      {
        id: '770001',
        meter: 'prm:10000000000001',
        authorisation: '481516234',
        kind: 'load_curve',
        direction: 'withdrawal',
        step: 'PT30M',
        from: '2026-10-06',
        until: '2029-10-05',
        state: 'active',
      },
    ],
  })
})

describe('what a row says', () => {
  const one = (over: Readonly<Record<string, unknown>>) => {
    const read = readServices(answer(row(over)))
    return read.ok ? read.services[0] : undefined
  }
  test.each([
    [
      { mesuresTypeCode: 'ENERGIE', mesuresPas: 'P1D' },
      { kind: 'daily_energy', step: 'P1D' },
    ],
    [{ mesuresTypeCode: 'IDX' }, { kind: 'index' }],
    [{ mesuresTypeCode: 'PMAX' }, { kind: 'max_power' }],
    [{ injection: true, soutirage: false }, { direction: 'injection' }],
    [{ etatCode: 'DEMANDE' }, { state: 'asked' }],
    [{ etatCode: 'TERMINE' }, { state: 'ended' }],
    [{ etatCode: 'SUPPRIME' }, { state: 'removed' }],
  ])('%j', (over, expected) => {
    expect(one(over)).toMatchObject(expected)
  })
  test.each([
    ['a kind that this gate does not know', { mesuresTypeCode: 'ITC' }, 'kind'],
    ['a kind from the prototype', { mesuresTypeCode: 'constructor' }, 'kind'],
    ['no step', { mesuresPas: 'NA' }, 'step'],
    ['no authorisation', { autorisation: null }, 'authorisation'],
    ['an authorisation of another type', { autorisation: { autorisationId: true } }, 'authorisation'],
  ])('%s is left out, and the row is read', (_name, over, field) => {
    const read = one(over)
    expect(read).toBeDefined()
    expect(read).not.toHaveProperty(field)
  })
  test.each([
    ['no id', { id: 770001 }],
    ['a meter of 13 digits', { pointId: '1000000000000' }],
    ['a meter as a number', { pointId: 10000000000001 }],
    ['an unreal date', { dateDebut: '2026-02-30' }],
    ['no end', { dateFin: null }],
    ['an unknown state', { etatCode: 'AUTRE' }],
    ['a state from the prototype', { etatCode: 'toString' }],
    ['both ways', { injection: true, soutirage: true }],
    ['neither way', { injection: false, soutirage: false }],
    ['ways that are not told', { injection: undefined, soutirage: undefined }],
    ['ways in words', { injection: 'false', soutirage: 'false' }],
  ])('%s spoils the whole answer: nothing is half known', (_name, over) => {
    expect(readServices(answer(row(), row(over)))).toStrictEqual({ ok: false })
  })
})

test.each([
  '',
  'null',
  '[]',
  '{}',
  '{"nbTotalServices":"1","serviceSouscrit":[]}',
  '{"nbTotalServices":1,"serviceSouscrit":{}}',
  '{"nbTotalServices":1,"serviceSouscrit":[null]}',
  '{"nbTotalServices":1,"serviceSouscrit":[[]]}',
  '<html></html>',
  '{"nbTotalServices":1,',
])('%j is no answer', (text) => {
  expect(readServices(text)).toStrictEqual({ ok: false })
})
test('an empty list is one', () => {
  expect(readServices('{"nbTotalServices":0}')).toStrictEqual({ ok: true, total: 0, services: [] })
})

describe('ids of 64 bits', () => {
  const idOf = (text: string): string | undefined => {
    const read = readServices(answer(row({}, text)))
    return read.ok ? read.services[0]?.authorisation : 'unreadable'
  }
  test.each(['1', '9007199254740991', '9007199254740992', '9007199254740993', '9223372036854775807', '"9007199254740993"'])(
    '%s stays',
    (text) => {
      expect(idOf(text)).toBe(text.replaceAll('"', ''))
    },
  )
  test.each(['0', '-1', '1.5', '9223372036854775808', '1e19', '"01"', '" 1"', '99999999999999999999'])('%s is none', (text) => {
    expect(idOf(text)).toBeUndefined()
  })

  test('property: read back as it was written, and asked about as it was read', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 1n, max: 2n ** 63n - 1n }), fc.boolean(), (id, quoted) => {
        expect(isAuthorisationId(String(id))).toBe(true)
        expect(idOf(quoted ? `"${id}"` : String(id))).toBe(String(id))
        expect(servicesBody({ authorisation: String(id) }, 1)).toContain(`{"autorisationId":${id},`)
      }),
      { numRuns: 1000 },
    )
  })

  test('property: whatever text is no id is never written into a question', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.constantFrom('1,"comptage":true', '1}', '01', '1e3')), (text) => {
        if (isAuthorisationId(text)) expect(text).toMatch(/^[1-9]\d{0,18}$/)
        else expect(() => servicesBody({ authorisation: text }, 1)).toThrow('not the id of an authorisation')
      }),
    )
  })
})

test('the question: also ended shares, so that over is told from unknown; a page at a time', () => {
  expect(JSON.parse(servicesBody({ meters: ['prm:10000000000001' as UsagePointId] }, 3))).toStrictEqual({
    pointId: ['10000000000001'],
    comptage: false,
    etatCode: ['DEMANDE', 'ACTIF', 'TERMINE', 'SUPPRIME'],
    serviceType: 'ACCES',
    page: 3,
  })
})

test('property: no text makes the reader fail', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
      expect([true, false]).toContain(readServices(text).ok)
    }),
    { numRuns: 1000 },
  )
})
