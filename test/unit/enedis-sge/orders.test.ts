/**
 * Access services as a client orders, looks for and stops them: the example envelopes from the request to the answer, what
 * is declared in place of what the caller declares, and what of an answer leaves.
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { MeterId } from '../../../src/domain/meter.ts'
import type { AccountId, PermissionId } from '../../../src/domain/permission.ts'
import type { Millis } from '../../../src/domain/time.ts'
import type { ClientRight } from '../../../src/providers/adapter.ts'
import type { SgeForm } from '../../../src/providers/enedis-sge/sge.ts'
import { readXml } from '../../../src/providers/enedis-sge/xml.ts'
import type { Short } from './given.ts'
import { accessOf, adapter, aPart, ask, current, days, fixture, flawOf, OPERATOR, PATHS, POINT, textsOf, through, UNDER } from './given.ts'

const HOLDER = { kind: 'natural', name: 'EXEMPLE Camille' } as const
const UNTIL = days('2026-11-26', '2027-03-01')
const sad = fixture('sad-v1-request')
const cadm = fixture('cadm-v1-request')

/** What leaves for Enedis, for an order that was granted until 1 March. */
function sent(
  path: string,
  request: string,
  kinds: readonly string[] = ['load_curve', 'daily_energy'],
  holder = HOLDER as typeof UNDER.holder,
): string {
  const { access, form } = accessOf(ask(path, request))
  expect(adapter.namesHolder?.(form)).toBe(true)
  const part = aPart(UNTIL, { kind: access.kind, keepKinds: kinds as never })
  return adapter.rewrite(form, access, part, { ...UNDER, ...(holder && { holder }) }).body!.text
}

describe('an order', () => {
  test('sad-v1-request: what it asks for', () => {
    expect(accessOf(ask(PATHS['sad-v1'], sad)).access).toStrictEqual({
      provider: 'enedis-sge',
      api: 'sge',
      meter: `prm:${POINT}`,
      kind: 'load_curve',
      direction: 'withdrawal',
      step: 'recorded',
      period: days('2026-11-26', '2027-06-30'),
      order: { kinds: ['load_curve', 'daily_energy'], openEnded: false },
    })
  })
  test('cadm-v1-request: what it asks for, from today at the earliest', () => {
    expect(accessOf(ask(PATHS['cadm-v1'], cadm)).access).toMatchObject({
      meter: 'prm:99999000000033',
      kind: 'index',
      step: 'P1D',
      period: days('2026-11-26', '2028-12-31'),
      order: { kinds: ['index'], openEnded: false },
    })
  })
  test('without an end: as long as Enedis allows, and as is granted', () => {
    const access = accessOf(ask(PATHS['sad-v1'], sad.replace(/<dateFin>[^<]*<\/dateFin>/, ''))).access
    expect(access).toMatchObject({ period: days('2026-11-26', '2029-11-26'), order: { openEnded: true } })
  })
  test('callers may write it in the namespace of its first schema files; Enedis is asked in the other', () => {
    const old = sad.replace('sge/ws/', 'sge/b2b/')
    expect(accessOf(ask(PATHS['sad-v1'], old)).access.kind).toBe('load_curve')
    expect(sent(PATHS['sad-v1'], old)).toContain('xmlns:sge="http://www.enedis.fr/sge/ws/commanderservicesaccesdonnees/v1.0"')
  })
  test.each([
    ['sad-v1', sad, ['load_curve', 'daily_energy']],
    ['cadm-v1', cadm, ['index']],
  ] as const)('%s leaves in the order of its schema, in the name of the permission alone', (short, request, kinds) => {
    const text = sent(PATHS[short], request, kinds)
    expect(text).toMatchSnapshot()
    for (const gone of ['operateur.sge@example.org', '1234567', 'CONSENT-2026', 'Mme', 'COMMUNE', 'optionsPublication'])
      expect(text).not.toContain(gone)
    // What left is taken by the same model.
    expect(ask(PATHS[short], text).is).toBe('access')
    expect(text).toContain(`<refExterne>${UNDER.permission.id}</refExterne>`)
    expect(text).toContain(OPERATOR.login)
    expect(text).toContain('<dateFin>2027-03-01</dateFin>')
    expect(text).toContain('<accord>true</accord>')
  })
  test('of a body, its name', () => {
    const text = sent(PATHS['sad-v1'], sad, undefined, { kind: 'legal', name: 'COMMUNE & <fils>' })
    expect(textsOf(readXml(Buffer.from(text)), 'denominationSociale')).toStrictEqual(['COMMUNE & <fils>'])
    expect(text).not.toContain('personnePhysique')
  })
  test('nobody is named in what the evidence says of it, and without a name nothing is written', () => {
    const { access, form } = accessOf(ask(PATHS['sad-v1'], sad))
    const part = aPart(UNTIL, { keepKinds: ['load_curve'] })
    expect(adapter.rewrite(form, access, part, { ...UNDER, holder: HOLDER }).body?.says).toBe('typeDonnees=CDC&dateFin=2027-03-01')
    expect(() => adapter.rewrite(form, access, part, UNDER)).toThrow(RangeError)
  })
  test.each([
    ['a declaration of no agreement counts as little as one of agreement', sad.replace('<accord>true', '<accord>false')],
    ['nor is one missed', sad.replace(/<declarationAccordClient>[\s\S]*<\/declarationAccordClient>/, '')],
    ['a boolean as a digit', sad.replace('<accord>true', '<accord>1')],
    ['an end with the offset of Paris', sad.replace('2027-06-30', '2027-06-30+02:00')],
  ])('%s', (_what, request) => {
    expect(ask(PATHS['sad-v1'], request).is).toBe('access')
    expect(sent(PATHS['sad-v1'], request)).toContain('<accord>true</accord>')
  })
  test.each([
    ['a meter of 13 digits', sad.replace(POINT, POINT.slice(1)), 'elements'],
    ['a meter with a blank', sad.replace(`<pointId>${POINT}`, `<pointId> ${POINT}`), 'elements'],
    ['an end before its direction', sad.replace(/(<dateFin>.*<\/dateFin>)\s*(<sens>.*<\/sens>)/, '$2$1'), 'elements'],
    ['a child with a namespace', sad.replace('<demande>', '<demande xmlns="http://www.enedis.fr/x">'), 'elements'],
    [
      'both persons',
      sad.replace(
        '</personnePhysique>',
        '</personnePhysique><personneMorale><denominationSociale>X</denominationSociale></personneMorale>',
      ),
      'elements',
    ],
    ['no agreement in the declaration', sad.replace('<accord>true</accord>', ''), 'elements'],
    ['an unknown kind of data', sad.replace('CDC', 'TOUT'), 'elements'],
    ['the same kind twice', sad.replace('ENERGIE', 'CDC'), 'quantity'],
    ['an end that has passed', sad.replace('2027-06-30', '2026-11-26'), 'order'],
    ['an end that is no day', sad.replace('2027-06-30', '2027-02-30'), 'order'],
    ['a civility of its own', sad.replace('Mme', 'Dr'), 'elements'],
    ['two requests', sad.replace('</demande>', '</demande><demande/>'), 'elements'],
  ])('with %s is refused', (_what, request, flaw) => {
    expect(flawOf(ask(PATHS['sad-v1'], request))).toBe(flaw)
  })
  test.each([
    ['both directions', cadm.replace('<injection>false', '<injection>true'), 'direction'],
    ['no direction', cadm.replace('<soutirage>true', '<soutirage>false'), 'direction'],
    ['another object', cadm.replace('AME', 'ASS'), 'elements'],
    ['no first day', cadm.replace(/<dateDebut>.*<\/dateDebut>/, ''), 'elements'],
    ['an end before its beginning', cadm.replace('2026-03-10', '2029-01-01'), 'order'],
  ])('of one service with %s is refused', (_what, request, flaw) => {
    expect(flawOf(ask(PATHS['cadm-v1'], request))).toBe(flaw)
  })
  test('with neither direction said, what is drawn is meant; one that begins later begins then', () => {
    const request = cadm.replace(/<soutirage>.*<\/injection>/s, '').replace('2026-03-10', '2027-01-01')
    expect(accessOf(ask(PATHS['cadm-v1'], request)).access).toMatchObject({
      direction: 'withdrawal',
      period: days('2027-01-01', '2028-12-31'),
    })
  })
})

describe('the answer to an order', () => {
  const part = aPart(UNTIL, { keepKinds: ['load_curve', 'daily_energy'] })
  const read = (request: string, path: string, body: string, cuts: readonly number[] = []) => through(request, path, [part], [body], cuts)

  test('sad-v1-response: its services are told, and are for the record', () => {
    const { ok, out, counts } = read(sad, PATHS['sad-v1'], fixture('sad-v1-response'))
    expect(ok).toBe(true)
    expect(out).toMatchSnapshot()
    expect(counts.readings).toBe(2)
    expect(openedBy(sad, PATHS['sad-v1'], fixture('sad-v1-response'))).toStrictEqual(['70012001', '70012002'])
    for (const gone of ['operateur.sge@example.org', 'Acces aux donnees', 'Succès']) expect(out).not.toContain(gone)
  })
  test('cadm-v1-response, cut anywhere', () => {
    const request = cadm.replace('99999000000033', POINT)
    const whole = read(request, PATHS['cadm-v1'], fixture('cadm-v1-response')).out
    expect(whole).toMatchSnapshot()
    fc.assert(
      fc.property(fc.array(fc.nat(3000), { maxLength: 6 }), (cuts) => {
        expect(read(request, PATHS['cadm-v1'], fixture('cadm-v1-response'), cuts).out).toBe(whole)
      }),
      { numRuns: 50 },
    )
  })
  test.each([
    ['of another meter', fixture('sad-v1-response').replace(POINT, '99999000000025'), 'other_meter'],
    ['of another service', fixture('asad-v1-response'), 'unreadable'],
    ['without a service', fixture('sad-v1-response').replaceAll(/<serviceSouscritId>\d+</g, '<serviceSouscritId><'), 'unreadable'],
    ['with a case that is none', fixture('sad-v1-response').replace('A0ZZ0801', '<b/>'), 'unreadable'],
    ['with a document type', fixture('sad-v1-response').replace('?>', '?><!DOCTYPE a>'), 'unreadable'],
  ])('%s is cut off', (_what, body, why) => {
    const { ok, why: because, out } = read(sad, PATHS['sad-v1'], body)
    expect([ok, because, out]).toStrictEqual([false, why, ''])
  })
  test('that refuses is told as the word of Enedis', () => {
    const { said, out } = read(sad, PATHS['sad-v1'], fixture('fault-no-consent-order'))
    expect([said?.code, said?.says.means, out]).toStrictEqual(['SGT566', 'refused', ''])
  })
  test('a lying answer never gets a name, a login or another meter through', () => {
    const secrets = fc.constantFrom('Camille', 'operateur.sge@example.org', '99999000000025', 'LE GOFF', '12 RUE DU MOULIN')
    const places = fc.constantFrom('<affaire>', '<affaireId>', '<fiche libelle="', '<serviceSouscritMesures>', '<rang>')
    fc.assert(
      fc.property(places, secrets, fc.array(fc.nat(4000), { maxLength: 4 }), (place, secret, cuts) => {
        const added =
          place.endsWith('>') && !['<affaireId>', '<rang>'].includes(place) ? `${place}<nom>${secret}</nom>` : `${place}${secret}`
        const { out } = read(sad, PATHS['sad-v1'], fixture('sad-v1-response').replace(place, added), cuts)
        expect(out).not.toContain(secret)
      }),
      { numRuns: 200 },
    )
  })
  function openedBy(request: string, path: string, body: string): readonly string[] | undefined {
    const { access, form } = accessOf(ask(path, request))
    const reader = adapter.answer(form, access, [part]).part(0)
    reader.push(Buffer.from(body))
    reader.end()
    return reader.opened
  }
})

describe('what is open already', () => {
  const named = (short: Short, request = fixture(`${short}-request`)) => ask(PATHS[short], request)
  const formOf = (short: Short): SgeForm => {
    const found = named(short)
    if (found.is !== 'stop' && found.is !== 'rights') throw new Error(found.is)
    return found.form
  }
  const right = (ref: string, told?: Readonly<Record<string, string>>): ClientRight => ({
    ref,
    account: 'sge' as AccountId,
    meter: `prm:${POINT}` as MeterId,
    direction: 'withdrawal',
    state: 'open',
    since: 0 as Millis,
    proof: null,
    scope: UNDER.permission.scope,
    ...(told && { told }),
  })

  test('a search and two stops are the gate’s own to answer', () => {
    expect(named('rsa-v1')).toMatchObject({ is: 'rights', meters: [`prm:${POINT}`] })
    expect(named('asad-v1')).toMatchObject({
      is: 'stop',
      asked: { meter: `prm:${POINT}`, refs: ['70012001', '70012002'], direction: 'withdrawal' },
    })
    expect(named('cassm-v1')).toMatchObject({ is: 'stop', asked: { refs: ['70010042'], direction: null } })
    expect(flawOf(ask(PATHS['cassm-v1'], fixture('cassm-v1-request'), {}, current))).toBe('unknown_route')
  })
  test('they never leave as they came', () => {
    const form = formOf('rsa-v1')
    expect(() => adapter.rewrite(form, {} as never, aPart(UNTIL), UNDER)).toThrow(RangeError)
    expect(() => adapter.answer(form, {} as never, [])).toThrow(RangeError)
  })
  test.each([
    ['rsa-v1', (t: string) => t.replace('<contratId>1234567</contratId>', ''), 'elements'],
    ['asad-v1', (t: string) => t.replace('<sens>SOUTIRAGE</sens>', ''), 'elements'],
    ['asad-v1', (t: string) => t.replace('70012001', 'X'), 'elements'],
    ['cassm-v1', (t: string) => t.replace('ASS', 'AME'), 'elements'],
  ] as const)('%s of another form is refused', (short, change, flaw) => {
    expect(flawOf(named(short, change(fixture(`${short}-request`))))).toBe(flaw)
  })
  test('the gate asks Enedis in its own name, and understands what it says', () => {
    const { call, understand } = adapter.searchRights!(`prm:${POINT}` as MeterId, UNDER.account)
    expect(call.body).toContain(`<criteres><pointId>${POINT}</pointId><contratId>${OPERATOR.contract}</contratId></criteres>`)
    const found = understand(200, fixture('rsa-v1-response'))
    expect(found).toMatchObject({ rights: [{ ref: '70012001', told: { etatCode: 'ACTIF', mesuresTypeCode: 'CDC' } }], code: null })
    expect(understand(200, fixture('rsa-v1-response').replaceAll(POINT, '99999000000025')).rights).toBeUndefined()
    expect(understand(200, fixture('asad-v1-response')).rights).toBeUndefined()
    expect(understand(503, '<html/>')).toStrictEqual({ rights: undefined, code: '503' })
    expect(understand(500, fixture('fault-period')).rights).toBeUndefined()
  })
  test('rsa-v1-response: told in the order of the schema, without contract, labels and publication', () => {
    const { rights = [] } = adapter.searchRights!(`prm:${POINT}` as MeterId, UNDER.account).understand(200, fixture('rsa-v1-response'))
    const reply = adapter.showRights!(
      formOf('rsa-v1'),
      rights.map(({ ref, told }) => right(ref, told)),
    )
    expect(reply.body).toMatchSnapshot()
    for (const gone of ['contratId', '1234567', 'Acces a la courbe', 'optionPublication', 'operateur.sge@example.org'])
      expect(reply.body).not.toContain(gone)
    expect(readXml(Buffer.from(adapter.showRights!(formOf('rsa-v1'), []).body))).toBeDefined()
  })
  test('a stop is told with the case that it became at Enedis, and with none that nobody named', () => {
    expect(
      adapter.showStopped!(formOf('asad-v1'), [
        { ref: '70012001', code: 'A0ZZ0910' },
        { ref: '70012002', code: null },
      ]).body,
    ).toMatchSnapshot()
    expect(adapter.showStopped!(formOf('cassm-v1'), [{ ref: '70010042', code: 'M0ZZ0533' }]).body).toContain(
      '<affaireId>M0ZZ0533</affaireId>',
    )
  })
  test('a service that Enedis acknowledges leaves its case', () => {
    const about = { ref: '70012001', direction: 'withdrawal', meter: `prm:${POINT}` as MeterId, permission: 'p' as PermissionId } as const
    const { understand } = adapter.endRight!(about, UNDER.account)
    expect(understand(200, fixture('asad-v1-response'))).toStrictEqual({ ended: true, code: 'A0ZZ0910' })
    expect(understand(200, fixture('asad-v1-response').replace('70012001', '70012009')).ended).toBe(false)
  })
})
