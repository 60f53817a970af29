/** Access services of the simulated SGE: ordered, listed, stopped, refused. */
import { expect, test } from 'vitest'
import { all, aSender, cadm, example, HOUSE, inside, PANELS, SGE_TODAY, TOWN_HALL } from './sge-given.ts'

const sad = (replaced: Readonly<Record<string, string>> = {}): string => example('sad-v1-request', replaced)

test('an order opens a service of each kind, of today until its end, with what was declared', async () => {
  const { send, sandbox } = await aSender()
  const { text, code } = await send('SAD', sad())
  expect(code).toBe('SGT200')
  const [first, second] = sandbox.sge.services().slice(1)
  expect(all(text, 'serviceSouscritId')).toStrictEqual([first?.serviceSouscritId, second?.serviceSouscritId])
  expect(all(text, 'affaireId')).toStrictEqual([first?.affaireId, second?.affaireId])
  expect(first?.affaireId).toMatch(/^[0-9A-Z]{4,8}$/)
  expect(first).toMatchObject({
    pointId: HOUSE,
    contratId: '1234567',
    typeDonnees: 'CDC',
    soutirage: true,
    injection: false,
    dateDebut: SGE_TODAY,
    dateFin: '2027-06-30',
    options: [{ mesuresCorrigees: 'false', periodiciteTransmission: 'P1M' }],
    refExterne: 'CONSENT-2026-000118',
    personne: 'EXEMPLE Camille',
    etatCode: 'ACTIF',
    order: 'SAD',
  })
  expect(second).toMatchObject({ typeDonnees: 'ENERGIE', options: [] })
})

test.each([
  ['accord=false', sad({ '<accord>true': '<accord>false' }), 'SGT566'],
  ['accord=0', sad({ '<accord>true': '<accord>0' }), 'SGT566'],
  ['no declaration', sad().replace(/<declarationAccordClient>[\s\S]*<\/declarationAccordClient>/, ''), 'SGT566'],
  ['1096 days', sad({ '2027-06-30': '2029-04-02' }), 'SGT200'],
  ['1097 days', sad({ '2027-06-30': '2029-04-03' }), 'SGT5O9'],
  ['until today', sad({ '2027-06-30': SGE_TODAY }), 'SGT200'],
  ['until yesterday', sad({ '2027-06-30': '2026-04-01' }), 'SGT400'],
  ['no end', sad().replace(/<dateFin>.*<\/dateFin>/, ''), 'SGT200'],
  ['an unknown kind', sad({ '>CDC<': '>COURBE<' }), 'SGT4Q1'],
  ['the same kind twice', sad({ '>ENERGIE<': '>CDC<' }), 'SGT570'],
  [
    'energy to be published',
    sad({
      '<typeDonnees>ENERGIE</typeDonnees>':
        '<typeDonnees>ENERGIE</typeDonnees><optionsPublication><optionPublication><periodiciteTransmission>P1D</periodiciteTransmission></optionPublication></optionsPublication>',
    }),
    'SGT4T2',
  ],
  ['injection of a meter that injects nothing', sad({ SOUTIRAGE: 'INJECTION' }), 'SGT400'],
  ['injection of one that does', sad({ SOUTIRAGE: 'INJECTION', [HOUSE]: PANELS }), 'SGT200'],
  ['an unknown meter', sad({ [HOUSE]: '99999000000000' }), 'SGT401'],
])('SAD, %s', async (_name, envelope, code) => {
  const { send, sandbox } = await aSender()
  expect((await send('SAD', envelope)).code).toBe(code)
  expect(sandbox.sge.services()).toHaveLength(code === 'SGT200' ? 3 : 1)
})

test('the same service again is refused while it is active, in whichever way it was ordered', async () => {
  const { send } = await aSender()
  expect((await send('SAD', sad())).code).toBe('SGT200')
  expect((await send('SAD', sad())).code).toBe('SGT570')
  expect((await send('CADM', cadm('CDC'))).code).toBe('SGT570')
  expect((await send('CADM', cadm('IDX'))).code).toBe('SGT200')
  expect((await send('CADM', cadm('CDC', { pointId: TOWN_HALL }))).code).toBe('SGT200')
})

test.each([
  ['accord=false', cadm('CDC', { accord: 'false' }), 'SGT566'],
  ['a kind as the documentation calls it', cadm('COURBE'), 'SGT4Q1'],
  ['more than three years', cadm('CDC', { until: '2029-04-03' }), 'SGT5O9'],
  ['not from today', cadm('CDC').replace(SGE_TODAY, '2026-04-03'), 'SGT400'],
  ['no direction', cadm('CDC').replace('<soutirage>true', '<soutirage>false'), 'SGT400'],
  ['no word of directions', cadm('CDC').replace(/<soutirage>[\s\S]*<\/injection>/, ''), 'SGT200'],
])('CADM, %s', async (_name, envelope, code) => {
  const { send } = await aSender()
  expect((await send('CADM', envelope)).code).toBe(code)
})

test('CADM tells one service, of a company', async () => {
  const { send, sandbox } = await aSender()
  const { text } = await send('CADM', cadm('CDC'))
  expect(all(text, 'serviceSouscritId')).toStrictEqual([sandbox.sge.services().at(-1)?.serviceSouscritId])
  expect(sandbox.sge.services().at(-1)).toMatchObject({ order: 'CADM', personne: 'COMMUNE DE VILLE-EXEMPLE', dateFin: '2028-12-31' })
})

test('a stop ends all that it names, once', async () => {
  const { send, sandbox } = await aSender()
  await send('SAD', sad())
  const ids = sandbox.sge
    .services()
    .slice(1)
    .map(({ serviceSouscritId }) => serviceSouscritId)
  const stop = (replaced: Readonly<Record<string, string>> = {}) =>
    send('ASAD', example('asad-v1-request', { '70012001': ids[0] ?? '', '70012002': ids[1] ?? '', ...replaced }))
  const { text, code } = await stop()
  expect(code).toBe('SGT200')
  expect(all(text, 'serviceSouscritId')).toStrictEqual(ids)
  expect(sandbox.sge.services().slice(1)).toMatchObject([
    { etatCode: 'RESILIE', dateFin: SGE_TODAY, stoppedBy: 'ASAD' },
    { etatCode: 'RESILIE', dateFin: SGE_TODAY, stoppedBy: 'ASAD' },
  ])
  expect((await stop()).code).toBe('SGT400')
  // What was stopped may be ordered again.
  expect((await send('SAD', sad())).code).toBe('SGT200')
})

test.each([
  ['another party’s service', { '70012002': '70010001' }],
  ['an unknown service', { '70012002': '1' }],
  ['the same service twice', { '70012002': '70012001' }],
  ['another meter', { [HOUSE]: PANELS }],
  ['the other direction', { SOUTIRAGE: 'INJECTION' }],
])('a stop of %s stops nothing', async (_name, replaced) => {
  const { send, sandbox } = await aSender()
  await send('SAD', sad())
  expect((await send('ASAD', example('asad-v1-request', replaced))).code).toBe('SGT400')
  expect(sandbox.sge.services().every(({ etatCode }) => etatCode === 'ACTIF')).toBe(true)
})

test('the older stop ends one service, and tells its case in the header too', async () => {
  const { send, sandbox } = await aSender()
  await send('SAD', sad())
  const { text, code } = await send('CASSM', example('cassm-v1-request', { '70010042': '70012001' }))
  expect(code).toBe('SGT200')
  const [inHeader, inBody] = all(text, 'affaireId')
  expect(inHeader).toBe(inBody)
  expect(sandbox.sge.services()[1]).toMatchObject({ etatCode: 'RESILIE', stoppedBy: 'CASSM' })
  expect((await send('CASSM', example('cassm-v1-request'))).code).toBe('SGT400')
})

test('the list tells of all services of the meter, also another party’s and those that are over', async () => {
  const { send, sandbox } = await aSender()
  await send('SAD', sad())
  await send('CASSM', example('cassm-v1-request', { '70010042': '70012001' }))
  const { text } = await send('RSA', example('rsa-v1-request'))
  expect(all(text, 'serviceSouscritId')).toStrictEqual(sandbox.sge.services().map(({ serviceSouscritId }) => serviceSouscritId))
  expect(all(text, 'contratId')).toStrictEqual(['7654321', '1234567', '1234567'])
  expect(all(text, 'contratLibelle')[0]).toContain('AUTRE TIERS')
  expect(all(text, 'etatCode')).toStrictEqual(['ACTIF', 'RESILIE', 'ACTIF'])
  const empty = await send('RSA', example('rsa-v1-request', { [HOUSE]: PANELS }))
  expect(empty.code).toBe('SGT200')
  expect(() => inside(empty.text, 'servicesSouscrits')).toThrow('no servicesSouscrits')
})
