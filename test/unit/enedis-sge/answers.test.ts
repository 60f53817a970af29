/** What of an answer of SGE leaves: the examples, narrowed in every way, cut at every place, and answers that lie. */
import { describe, expect, test } from 'vitest'
import type { Part } from '../../../src/domain/decision.ts'
import type { readXml } from '../../../src/providers/enedis-sge/xml.ts'
import { aPart, days, find, findAll, fixture, PATHS, POINT, textsOf, through, wide } from './given.ts'

const CMD = PATHS['cmd-v3']
const curve = fixture('cmd-v3-request-courbe')
const answered = fixture('cmd-v3-response-courbe')
const WEEK = days('2026-03-02', '2026-03-09')

interface Point {
  readonly v: number
  readonly d: string
  readonly p?: string
  readonly n?: string
}
/** A curve as Enedis answers it, of these points. */
function curveOf(
  points: readonly Point[],
  over: {
    readonly point?: string
    readonly unit?: string
    readonly metier?: string
    readonly quantity?: string
    readonly more?: string
  } = {},
): string {
  const written = points.map(
    ({ v, d, p = 'PT30M', n }) => `<points><v>${v}</v><d>${d}</d><p>${p}</p>${n === undefined ? '' : `<n>${n}</n>`}</points>`,
  )
  const { point = POINT, unit = 'W', metier = 'CONS', quantity = 'PA', more = '' } = over
  return `<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body><c:consulterMesuresDetailleesResponseV3 xmlns:c="http://www.enedis.fr/sge/b2b/services/consultationmesuresdetaillees/common"><pointId>${point}</pointId><mesuresCorrigees>BRUT</mesuresCorrigees><periode><dateDebut>2026-03-02</dateDebut><dateFin>2026-03-09</dateFin></periode><grandeur><grandeurMetier>${metier}</grandeurMetier><grandeurPhysique>${quantity}</grandeurPhysique><unite>${unit}</unite>${written.join('')}</grandeur>${more}<modeCalcul>MESURE</modeCalcul></c:consulterMesuresDetailleesResponseV3></e:Body></e:Envelope>`
}
const stampsOf = (read: { readonly tree: ReturnType<typeof readXml> }): readonly string[] => textsOf(read.tree, 'd')
const ofCurve = (body: string, part: Part = aPart(WEEK), cuts: readonly number[] = []) => through(curve, CMD, [part], [body], cuts)

test('the example of a curve comes out whole, and is the same wherever it is cut', () => {
  const whole = ofCurve(answered)
  expect(whole).toMatchObject({ ok: true, counts: { readings: 3, dropped: 0, first: '2026-03-02 00:30:00', last: '2026-03-02 01:30:00' } })
  expect(textsOf(whole.tree, 'v')).toStrictEqual(['612', '588', '1340'])
  expect(textsOf(whole.tree, 'iv')).toStrictEqual(['0', '0', '0'])
  expect(textsOf(whole.tree, 'modeCalcul')).toStrictEqual(['MESURE'])
  const root = find(whole.tree, 'consulterMesuresDetailleesResponseV3')
  expect(root?.ns).toBe('http://www.enedis.fr/sge/b2b/services/consultationmesuresdetaillees/common')
  expect(root?.children.map(({ name, ns }) => `${ns}${name}`)).toStrictEqual([
    'pointId',
    'mesuresCorrigees',
    'periode',
    'grandeur',
    'modeCalcul',
  ])
  for (let cut = 1; cut < answered.length; cut += 1) expect(ofCurve(answered, aPart(WEEK), [cut]).out).toBe(whole.out)
})

test('a long answer with each element on a line of its own', () => {
  const points = Array.from({ length: 300 }, (_, i) => ({ v: i, d: `2026-03-0${3 + (i % 4)} 08:00:00`, n: 'B' }))
  const body = curveOf(points).replaceAll('><', `>\n${' '.repeat(12)}<`)
  expect(ofCurve(body)).toMatchObject({ ok: true, counts: { readings: 300 } })
  expect(ofCurve(body.replace('</points>', '</points>x')).why).toBe('unreadable')
})

describe('the edges of the days granted', () => {
  const linky = [
    { v: 1, d: '2026-03-03 00:00:00', n: 'B' },
    { v: 2, d: '2026-03-03 00:30:00', n: 'B' },
    { v: 3, d: '2026-03-04 00:00:00', n: 'B' },
    { v: 4, d: '2026-03-04 00:30:00', n: 'B' },
  ]
  const industrial = [
    { v: 1, d: '2026-03-02 23:50:00', p: 'PT10M', n: 'R' },
    { v: 2, d: '2026-03-03 00:00:00', p: 'PT10M', n: 'R' },
    { v: 3, d: '2026-03-03 23:50:00', p: 'PT10M', n: 'R' },
    { v: 4, d: '2026-03-04 00:00:00', p: 'PT10M', n: 'R' },
  ]
  const DAY = aPart(days('2026-03-03', '2026-03-04'))
  test('a Linky stamps the end: 00:00 belongs to the day before', () => {
    expect(textsOf(ofCurve(curveOf(linky), DAY).tree, 'v')).toStrictEqual(['2', '3'])
  })
  test('the other segments stamp the start: 00:00 belongs to the day that begins', () => {
    expect(textsOf(ofCurve(curveOf(industrial), DAY).tree, 'v')).toStrictEqual(['2', '3'])
  })
  test.each([
    ['without nature, half-hours are of a Linky', linky.map(({ v, d }) => ({ v, d })), ['2', '3']],
    ['without nature, steps of ten minutes are not', industrial.map(({ v, d, p }) => ({ v, d, p })), ['2', '3']],
    ['marks that contradict each other: neither of two points at the edge', industrial.map((point) => ({ ...point, n: 'B' })), ['3']],
    [
      'an hour without nature: neither',
      [
        { v: 1, d: '2026-03-03 00:00:00', p: 'PT60M' },
        { v: 2, d: '2026-03-03 05:00:00', p: 'PT60M' },
        { v: 3, d: '2026-03-04 00:00:00', p: 'PT60M' },
      ],
      ['2'],
    ],
  ])('%s', (_what, points, kept) => {
    expect(textsOf(ofCurve(curveOf(points), DAY).tree, 'v')).toStrictEqual(kept)
  })
  test('the autumn hour that comes twice leaves twice, in its order', () => {
    const stamps = ['2026-10-25 02:00:00', '2026-10-25 02:30:00', '2026-10-25 02:00:00', '2026-10-25 02:30:00', '2026-10-25 03:00:00']
    const request = curve.replace('2026-03-02', '2026-10-25').replace('2026-03-09', '2026-10-26')
    const read = through(request, CMD, [aPart(days('2026-10-25', '2026-10-26'))], [curveOf(stamps.map((d, v) => ({ v, d, n: 'B' })))])
    expect(stampsOf(read)).toStrictEqual(stamps)
  })
})

test('points finer than granted are dropped; where all are, that is why', () => {
  const points = [10, 20, 30].map((minute) => ({ v: minute, d: `2026-03-03 08:${minute}:00`, p: 'PT10M', n: 'R' }))
  const read = ofCurve(curveOf([...points, { v: 1, d: '2026-03-03 09:00:00', p: 'PT30M', n: 'R' }]), aPart(WEEK, { finest: 'PT30M' }))
  expect(textsOf(read.tree, 'v')).toStrictEqual(['1'])
  expect(read.allTooFine).toBe(false)
  expect(ofCurve(curveOf(points), aPart(WEEK, { finest: 'PT30M' }))).toMatchObject({
    ok: true,
    out: '',
    allTooFine: true,
    counts: { readings: 0, dropped: 3 },
  })
})

test('a whole day of a curve is summed to its energy, and no other day', () => {
  const at = (on: string, slot: number): string =>
    slot === 48
      ? `2026-03-0${Number(on) + 1} 00:00:00`
      : `2026-03-0${on} ${String(slot >> 1).padStart(2, '0')}:${slot % 2 ? '30' : '00'}:00`
  const day = (on: string, slots: number): Point[] => Array.from({ length: slots }, (_, i) => ({ v: 400, d: at(on, i + 1), n: 'B' }))
  const energy = fixture('cmd-v3-request-energie').replace(
    /<dateDebut>.*<\/dateFin>/s,
    '<dateDebut>2026-03-02</dateDebut><dateFin>2026-03-09</dateFin>',
  )
  const read = through(
    energy,
    CMD,
    [aPart(WEEK, { how: 'derive', kind: 'load_curve' })],
    [curveOf([...day('2', 48), ...day('3', 47), ...day('4', 48)])],
  )
  expect([textsOf(read.tree, 'v'), stampsOf(read)]).toStrictEqual([
    ['9600', '9600'],
    ['2026-03-02', '2026-03-04'],
  ])
  expect(['grandeurPhysique', 'unite', 'modeCalcul', 'pas', 'typeValeur'].map((name) => textsOf(read.tree, name)[0])).toStrictEqual([
    'EA',
    'Wh',
    'INTEG.COURBE',
    'P1D',
    'GLOBALE',
  ])
})

test('several calls become one answer: adjacent quantities are one, and the period is that of all', () => {
  const weeks = [WEEK, days('2026-03-09', '2026-03-12')].map((period) => aPart(period))
  const request = curve.replace('2026-03-09', '2026-03-12')
  const read = through(request, CMD, weeks, [curveOf([{ v: 1, d: '2026-03-03 08:00:00' }]), curveOf([{ v: 2, d: '2026-03-10 08:00:00' }])])
  expect(findAll(read.tree, 'grandeur')).toHaveLength(1)
  expect(textsOf(read.tree, 'v')).toStrictEqual(['1', '2'])
  expect(find(read.tree, 'periode')?.children.map(({ text }) => text)).toStrictEqual(['2026-03-02', '2026-03-12'])
})

describe('days, peaks and registers', () => {
  test('daily energy of the example: the days of the part', () => {
    const request = fixture('cmd-v3-request-energie')
    const read = through(
      request,
      CMD,
      [aPart(days('2025-11-02', '2026-03-01'), { kind: 'daily_energy', finest: 'P1D' })],
      [fixture('cmd-v3-response-energie')],
    )
    expect([stampsOf(read), textsOf(read.tree, 'v'), textsOf(read.tree, 'pas')]).toStrictEqual([['2025-11-02'], ['13875'], ['P1D']])
  })
  test('a peak belongs to the day of its moment, or to its month', () => {
    const request = fixture('cmd-v3-request-pmax')
    const peaks = curveOf(
      [
        { v: 6000, d: '2026-02-01 19:03:00' },
        { v: 7000, d: '2026-02-28 00:00:00' },
        { v: 8000, d: '2026-03-01 00:00:00' },
      ],
      { quantity: 'PMA', unit: 'VA' },
    )
    const part = aPart(days('2026-02-01', '2026-03-01'), { kind: 'max_power', finest: 'P1D' })
    expect(textsOf(through(request, CMD, [part], [peaks]).tree, 'v')).toStrictEqual(['6000', '7000'])
    const monthly = through(request.replace('>P1D<', '>P1M<'), CMD, [part], [peaks])
    expect(textsOf(monthly.tree, 'v')).toStrictEqual(['6000', '7000'])
  })
  test('a register at midnight is the opening one of its day, and the closing one of the last day granted', () => {
    const request = curve.replace('>COURBE<', '>INDEX<').replace('>PA<', '>EA<')
    const body = fixture('cmd-v3-response-index')
    const read = (from: string, until: string) =>
      through(request, CMD, [aPart(days(from, until), { kind: 'index', finest: 'P1D' })], [body])
    expect(stampsOf(read('2026-03-02', '2026-03-03'))).toStrictEqual(['2026-03-02 00:00:00', '2026-03-03 00:00:00', '2026-03-02 00:00:00'])
    expect(stampsOf(read('2026-03-03', '2026-03-04'))).toStrictEqual(['2026-03-03 00:00:00'])
    expect(read('2026-03-04', '2026-03-05').out).toBe('')
    const whole = read('2026-03-02', '2026-03-04')
    const context = find(whole.tree, 'contexte')
    expect(context?.children.map(({ name }) => name)).toStrictEqual(['etapeMetier', 'contexteReleve', 'typeReleve', 'grandeur'])
    // Labels are anybody's text: the code stands in their place.
    expect(textsOf(whole.tree, 'libelleCalendrier')).toStrictEqual(['DI000003'])
    expect(textsOf(whole.tree, 'libelleClasseTemporelle')).toStrictEqual(['HPH'])
  })
  test('version 2 has other words, and offsets', () => {
    const read = through(
      fixture('cmd-v2-request'),
      PATHS['cmd-v2'],
      [aPart(days('2023-05-01', '2023-05-02'))],
      [fixture('cmd-v2-response').replaceAll('99999000000033', '99999000000033')],
    )
    expect(read.ok).toBe(true)
    expect(textsOf(read.tree, 'v')).toStrictEqual(['41000', '39000'])
    expect(findAll(read.tree, 'mesure')).toHaveLength(2)
  })
  test('billing periods: whole ones inside; one across the edge is dropped, or kept where the rule says so', () => {
    const read = (from: string, until: string, change: Partial<Part> = {}) =>
      through(
        fixture('cm-v11-request'),
        PATHS['cm-v11'],
        [aPart(days(from, until), { kind: 'published_reading', finest: 'P1D', ...change })],
        [fixture('cm-v11-response')],
      )
    expect(textsOf(read('2026-01-14', '2026-02-14').tree, 'valeur')).toStrictEqual(['412'])
    expect(read('2026-01-15', '2026-02-14').out).toBe('')
    expect(read('2026-01-14', '2026-02-13').out).toBe('')
    expect(textsOf(read('2026-01-15', '2026-02-14', { keepsStraddling: true }).tree, 'valeur')).toStrictEqual(['412'])
    expect(read('2026-02-14', '2026-03-14', { keepsStraddling: true }).out).toBe('')
    const { tree, out } = read('2026-01-01', '2026-03-01')
    expect(find(tree, 'acquittement')?.children.map(({ name }) => name)).toStrictEqual(['resultat', 'infoFonctionnelles'])
    expect(out).not.toMatch(/operateur|Reelle|Energie active/)
    expect(find(tree, 'nature')?.attributes.get('code')).toBe('REEL')
  })
})

describe('what is known of a point', () => {
  const read = (body: string, ...keepKinds: readonly ('contract_data' | 'technical_data' | 'address')[]) =>
    through(fixture('cdtc-v1-request'), PATHS['cdtc-v1'], [aPart(null, { kind: 'contract_data', keepKinds })], [body])
  const remote =
    '<situationComptage><dispositifComptage><compteurs><compteur><matricule>042</matricule><ticActivee>true</ticActivee><parametresTeleAcces><numeroTelephone>0600000000</numeroTelephone><cle>S3CRET</cle></parametresTeleAcces></compteur></compteurs></dispositifComptage></situationComptage>'
  const body = fixture('cdtc-v1-response').replace('<situationContractuelle>', `${remote}<situationContractuelle>`)
  test('each kind by itself', () => {
    const contract = read(body, 'contract_data')
    expect(find(contract.tree, 'point')?.attributes.get('id')).toBe(POINT)
    expect(contract.out).not.toMatch(/MOULIN|BTINF|niveauOuverture|ticActivee/)
    expect(textsOf(contract.tree, 'valeur')).toStrictEqual(['9'])
    const technical = read(body, 'technical_data')
    expect(technical.out).not.toMatch(/MOULIN|SERVC|structureTarifaire/)
    expect(textsOf(technical.tree, 'ticActivee')).toStrictEqual(['true'])
    expect(read(body, 'address').out).toContain('12 RUE DU MOULIN')
    for (const never of ['S3CRET', '0600000000', '042', 'operateur', 'VILLE-EXEMPLE'])
      expect(read(body, 'contract_data', 'technical_data', 'address').out).not.toContain(never)
  })
  test('another point, two points, and none', () => {
    expect(read(body.replace(`id="${POINT}"`, 'id="99999000000025"'), 'contract_data').why).toBe('other_meter')
    expect(read(body.replace(`<pointId>${POINT}`, '<pointId>99999000000025'), 'contract_data').why).toBe('other_meter')
    expect(read(body.replace(/(<point id.*<\/point>)/s, '$1$1'), 'contract_data').why).toBe('unreadable')
    expect(read(body.replace(/<point id.*<\/point>/s, ''), 'contract_data').why).toBe('unreadable')
  })
  test('of a search only whether the expected point is in it', () => {
    const request = fixture('rp-v2-request').replace(
      '<infoDemandeur>',
      `<infoFonctionnelles><pointId>${POINT}</pointId></infoFonctionnelles><infoDemandeur>`,
    )
    const found = (ids: readonly string[]): string =>
      `<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body><r:rechercherPointResponse xmlns:r="http://www.enedis.fr/sge/b2b/services/rechercherpoint/v2.0"><points>${ids.map((id) => `<point id="${id}"><adresseInstallationNormalisee><ligne4>9 RUE DES VOISINS</ligne4></adresseInstallationNormalisee><matricule>7</matricule><nomClientFinalOuDenominationSociale>VOISIN</nomClientFinalOuDenominationSociale></point>`).join('')}</points></r:rechercherPointResponse></e:Body></e:Envelope>`
    const part = aPart(null, { kind: 'identity' })
    const mine = through(request, PATHS['rp-v2'], [part], [found(['99999000000025', POINT])])
    expect(findAll(mine.tree, 'point').map(({ attributes, children }) => [attributes.get('id'), children.length])).toStrictEqual([
      [POINT, 0],
    ])
    expect(mine.out).not.toMatch(/VOISIN|25/)
    expect(through(request, PATHS['rp-v2'], [part], [found(['99999000000025'])]).out).toBe('')
  })
})

describe('answers that are none', () => {
  test.each<[string, string, string]>([
    ['another meter', curveOf([{ v: 1, d: '2026-03-03 08:00:00' }], { point: '99999000000025' }), 'other_meter'],
    [
      'another meter, somewhere',
      curveOf([{ v: 1, d: '2026-03-03 08:00:00' }], { more: '<x><pointId>99999000000025</pointId></x>' }),
      'other_meter',
    ],
    ['no meter', curveOf([{ v: 1, d: '2026-03-03 08:00:00' }]).replace(/<pointId>.*<\/pointId>/, ''), 'unreadable'],
    ['two meters, one right', curveOf([{ v: 1, d: '2026-03-03 08:00:00' }]).replace(/(<pointId>.*<\/pointId>)/, '$1$1'), 'unreadable'],
    ['another unit', curveOf([{ v: 1, d: '2026-03-03 08:00:00' }], { unit: 'kW' }), 'other_unit'],
    ['a document type', `<!DOCTYPE x>${curveOf([])}`, 'unreadable'],
    ['an entity', curveOf([{ v: 1, d: '&x;' }]), 'unreadable'],
    ['a comment in a value', curveOf([{ v: 1, d: '2026-03-03<!-- --> 08:00:00' }]), 'unreadable'],
    ['CDATA', curveOf([{ v: 1, d: '<![CDATA[2026-03-03 08:00:00]]>' }]), 'unreadable'],
    ['another answer', curveOf([]).replaceAll('consulterMesuresDetailleesResponseV3', 'consulterMesuresResponse'), 'unreadable'],
    ['HTML', '<html><body>503</body></html>', 'unreadable'],
    ['nothing', '', 'unreadable'],
    [
      'an element without end',
      `<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body><${'x'.repeat(200_000)}`,
      'unreadable',
    ],
  ])('%s', (_what, body, why) => {
    const read = ofCurve(body)
    expect(read.why).toBe(why)
    expect(read.out).not.toContain('<v>')
  })
  test('cut anywhere, an answer is no answer', () => {
    for (let length = 1; length < answered.trimEnd().length; length += 7) expect(ofCurve(answered.slice(0, length)).ok).toBe(false)
  })
  test.each([
    ['fault-period', 'period_refused', 'SGT4L8'],
    ['fault-no-consent-consultation', 'refused', 'SGT4K2'],
    ['fault-no-access-service', 'refused', 'SGT211'],
  ])('%s in an answer with status 200 is the holder’s word', (name, means, code) => {
    expect(ofCurve(fixture(name))).toMatchObject({ ok: true, out: '', said: { says: { means }, code } })
  })
})

test('other quantities and directions are not asked for: dropped, and counted', () => {
  const mixed = curveOf([{ v: 1, d: '2026-03-03 08:00:00' }]).replace(
    '<modeCalcul>',
    '<grandeur><grandeurMetier>CONS</grandeurMetier><grandeurPhysique>PRI</grandeurPhysique><unite>VAr</unite><points><v>9</v><d>2026-03-03 08:00:00</d><p>PT30M</p></points></grandeur><grandeur><grandeurMetier>PROD</grandeurMetier><grandeurPhysique>PA</grandeurPhysique><unite>W</unite><points><v>8</v><d>2026-03-03 08:00:00</d><p>PT30M</p></points></grandeur><modeCalcul>',
  )
  expect(ofCurve(mixed)).toMatchObject({ counts: { readings: 1, dropped: 2 } })
  expect(textsOf(ofCurve(mixed).tree, 'v')).toStrictEqual(['1'])
  const all = through(curve.replace('>PA<', '>TOUT<'), CMD, [aPart(WEEK)], [mixed], [], wide)
  expect(textsOf(all.tree, 'v')).toStrictEqual(['1', '9'])
})
