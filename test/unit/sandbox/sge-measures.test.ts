/** Measures by day of the simulated SGE: which days, how stamped, and which are refused. */
import { describe, expect, test } from 'vitest'
import type { Demand } from './sge-given.ts'
import { all, aSender, cadm, cmd, example, HOUSE, inside, LOGIN, NEW_FLAT, PANELS, TOWN_HALL, ways, WORKSHOP } from './sge-given.ts'

async function told(demand: Demand): Promise<string> {
  const { send } = await aSender()
  const { text, status } = await send('CMD', cmd(demand))
  if (status !== 200) throw new Error(text)
  return text
}

test('points of a C5 meter are stamped at the end of the half hour, the last at the day that is excluded', async () => {
  const text = await told({ from: '2026-03-02', until: '2026-03-04' })
  const stamps = all(text, 'd')
  expect(stamps).toHaveLength(96)
  expect([stamps[0], stamps[47], stamps.at(-1)]).toStrictEqual(['2026-03-02 00:30:00', '2026-03-03 00:00:00', '2026-03-04 00:00:00'])
  expect(new Set(all(text, 'p'))).toStrictEqual(new Set(['PT30M']))
  expect(all(text, 'ec')).toHaveLength(96)
})

test.each([
  [TOWN_HALL, 'PT10M', 144, '23:50:00'],
  [WORKSHOP, 'PT5M', 288, '23:55:00'],
])('points of the C4 meter %s are stamped at the start of %s', async (pointId, step, count, last) => {
  const text = await told({ pointId, from: '2026-03-02', until: '2026-03-03' })
  const stamps = all(text, 'd')
  expect(stamps).toHaveLength(count)
  expect([stamps[0], stamps.at(-1)]).toStrictEqual(['2026-03-02 00:00:00', `2026-03-02 ${last}`])
  expect(new Set(all(text, 'p'))).toStrictEqual(new Set([step]))
  expect(new Set(all(text, 'n'))).toStrictEqual(new Set(['R']))
})

test('the clock changes: 46 and 50 half hours, and in autumn the same stamps twice', async () => {
  const { send, clock } = await aSender()
  clock.now = Date.UTC(2026, 10, 25, 9)
  const day = async (from: string, until: string) => all((await send('CMD', cmd({ from, until }))).text, 'd')
  const spring = await day('2026-03-29', '2026-03-30')
  expect(spring).toHaveLength(46)
  expect(spring.slice(3, 5)).toStrictEqual(['2026-03-29 03:00:00', '2026-03-29 03:30:00'])
  const autumn = await day('2026-10-25', '2026-10-26')
  expect(autumn).toHaveLength(50)
  expect(autumn.filter((stamp) => stamp.endsWith(' 02:30:00'))).toHaveLength(2)
})

test('the older version writes the same moments with their offset', async () => {
  const { send, clock } = await aSender()
  clock.now = Date.UTC(2026, 10, 25, 9)
  const asked = (from: string, until: string) =>
    example('cmd-v2-request', { '99999000000033': HOUSE, '2023-05-01': from, '2023-05-08': until })
  const spring = all((await send('CMD_V2', asked('2026-03-29', '2026-03-30'))).text, 'd')
  expect(spring.slice(2, 4)).toStrictEqual(['2026-03-29T01:30:00.000+01:00', '2026-03-29T03:00:00.000+02:00'])
  const autumn = all((await send('CMD_V2', asked('2026-10-25', '2026-10-26'))).text, 'd')
  expect(autumn[3]).toBe('2026-10-25T02:00:00.000+02:00')
  expect(autumn.slice(4, 7)).toStrictEqual([
    '2026-10-25T02:30:00.000+02:00',
    '2026-10-25T02:00:00.000+01:00',
    '2026-10-25T02:30:00.000+01:00',
  ])
  const moments = autumn.map((stamp) => Date.parse(stamp))
  expect(moments.every((at, i) => i === 0 || at - (moments[i - 1] ?? 0) === 1_800_000)).toBe(true)
})

test('energy of a day is that of its curve, and of the registers before and after it', async () => {
  const { send } = await aSender()
  const days = { from: '2026-03-02', until: '2026-03-05' }
  const curve = all((await send('CMD', cmd(days))).text, 'v').map(Number)
  const energies = (await send('CMD', cmd({ ...days, type: 'ENERGIE', physique: 'EA' }))).text
  const energy = all(energies, 'v').map(Number)
  expect(all(energies, 'd')).toStrictEqual(['2026-03-02', '2026-03-03', '2026-03-04'])
  energy.forEach((wh, i) => expect(Math.abs(wh - curve.slice(i * 48, i * 48 + 48).reduce((sum, w) => sum + w / 2, 0))).toBeLessThan(1))
  const index = (await send('CMD', cmd({ ...days, until: '2026-03-06', type: 'INDEX', physique: 'EA' }))).text
  const total = inside(index, 'cadranTotalisateur')
    .children.slice(1)
    .map((value) => Number(value.children[1]?.text))
  expect(total.slice(1).map((v, i) => v - (total[i] ?? 0))).toStrictEqual(energy)
  expect(all(index, 'mesuresCorrigees')).toStrictEqual([])
})

test('five minutes have the mean of ten, and reactive quantities come of C4 meters only', async () => {
  const text = await told({ pointId: WORKSHOP, physique: 'TOUT', from: '2026-03-02', until: '2026-03-03' })
  expect(all(text, 'grandeurPhysique')).toStrictEqual(['PA', 'PRI', 'PRC', 'E'])
  expect(all(text, 'unite')).toStrictEqual(['W', 'VAr', 'VAr', 'V'])
  expect(all(await told({ physique: 'TOUT' }), 'grandeurPhysique')).toStrictEqual(['PA'])
  const { send } = await aSender()
  expect((await send('CMD', cmd({ physique: 'PRI' }))).code).toBe('SGT4G3')
})

test('peaks of days, and of months within the days that were asked for', async () => {
  const days = await told({ type: 'PMAX', physique: 'PMA', pas: 'P1D', from: '2026-02-10', until: '2026-03-10' })
  expect(all(days, 'v')).toHaveLength(28)
  expect(all(days, 'd')[0]).toMatch(/^2026-02-10 \d\d:\d\d:\d\d$/)
  const months = await told({ type: 'PMAX', physique: 'PMA', pas: 'P1M', from: '2026-02-10', until: '2026-03-10' })
  const peaks = all(days, 'v').map(Number)
  expect(all(months, 'v').map(Number)).toStrictEqual([Math.max(...peaks.slice(0, 19)), Math.max(...peaks.slice(19))])
  expect(all(months, 'pas')).toStrictEqual(['P1M'])
})

test('what is injected is PROD, of a meter that does', async () => {
  const text = await told({ pointId: PANELS, sens: 'INJECTION' })
  expect(all(text, 'grandeurMetier')).toStrictEqual(['PROD'])
  const index = await told({ pointId: PANELS, sens: 'INJECTION', type: 'INDEX', physique: 'EA' })
  expect(index).toContain('IDX_EAI_T')
  const { send } = await aSender()
  expect((await send('CMD', cmd({ sens: 'INJECTION' }))).code).toBe('SGT4G3')
  const both = example('cmd-v2-request', {
    '99999000000033': PANELS,
    '2023-05-01': '2026-03-02',
    '2023-05-08': '2026-03-03',
    '<injection>false': '<injection>1',
  })
  expect(all((await send('CMD_V2', both)).text, 'grandeurMetier')).toStrictEqual(['CONS', 'PROD'])
})

test('corrected measures are BEST, others BRUT; what was asked for is the period', async () => {
  const best = await told({ corrected: 'true' })
  expect(all(best, 'mesuresCorrigees')).toStrictEqual(['BEST'])
  expect([all(best, 'dateDebut'), all(best, 'dateFin')]).toStrictEqual([['2026-03-02'], ['2026-03-09']])
  expect(all(await told({}), 'mesuresCorrigees')).toStrictEqual(['BRUT'])
})

test('the same question has the same answer, whatever was asked before', async () => {
  expect(await told({})).toBe(await told({}))
})

describe('days', () => {
  test('of before the present holder, and those that are not over, are left out', async () => {
    const flat = await told({ pointId: NEW_FLAT, type: 'ENERGIE', physique: 'EA', from: '2026-02-01', until: '2026-05-01' })
    const days = all(flat, 'd')
    expect([days[0], days.at(-1)]).toStrictEqual(['2026-02-16', '2026-04-01'])
    const { send } = await aSender()
    expect((await send('CMD', cmd({ pointId: NEW_FLAT, from: '2026-02-01', until: '2026-02-08' }))).code).toBe('SGT4G3')
    expect((await send('CMD', cmd({ from: '2026-04-02', until: '2026-04-03' }))).code).toBe('SGT4G3')
  })

  test.each<readonly [string, Demand, string | undefined]>([
    ['seven days of a curve', { from: '2026-03-02', until: '2026-03-09' }, undefined],
    ['eight days of a curve', { from: '2026-03-02', until: '2026-03-10' }, 'SGT4L8'],
    ['no day', { from: '2026-03-02', until: '2026-03-02' }, 'SGT4L8'],
    ['backwards', { from: '2026-03-02', until: '2026-03-01' }, 'SGT4L8'],
    ['a curve of 24 months ago', { from: '2024-04-02', until: '2024-04-03' }, undefined],
    ['a curve of a day earlier', { from: '2024-04-01', until: '2024-04-02' }, 'SGT4L8'],
    ['energy of 36 months', { type: 'ENERGIE', physique: 'EA', from: '2023-04-02', until: '2026-04-02' }, undefined],
    ['energy of a day earlier', { type: 'ENERGIE', physique: 'EA', from: '2023-04-01', until: '2026-04-02' }, 'SGT4L8'],
    ['a step of curves', { pas: 'P1D' }, 'SGT400'],
    ['a quantity of another kind', { physique: 'EA' }, 'SGT400'],
    ['an unknown quantity', { physique: 'XX' }, 'SGT400'],
    ['an unknown meter', { pointId: '99999000000000' }, 'SGT401'],
    ['the holder itself', { cadre: 'EST_TITULAIRE' }, 'SGT211'],
    ['without an access service', { cadre: 'SERVICE_ACCES' }, 'SGT211'],
  ])('%s', async (_name, demand, code) => {
    const { send } = await aSender()
    const heard = await send('CMD', cmd(demand))
    expect({ status: heard.status, code: heard.code }).toStrictEqual({ status: code === undefined ? 200 : 500, code })
  })
})

test('an access service opens its own kind, meter and direction, as long as it is active', async () => {
  const { send, sandbox, clock } = await aSender()
  const ask = async (demand: Demand) => (await send('CMD', cmd({ cadre: 'SERVICE_ACCES', ...demand }))).code
  expect((await send('CADM', cadm('CDC', { pointId: PANELS, until: '2026-06-30' }))).code).toBe('SGT200')
  expect(await ask({ pointId: PANELS })).toBe(undefined)
  expect(await ask({ pointId: PANELS, sens: 'INJECTION' })).toBe('SGT211')
  expect(await ask({ pointId: PANELS, type: 'ENERGIE', physique: 'EA' })).toBe('SGT211')
  // The service that is there is another party's.
  expect(await ask({ pointId: HOUSE })).toBe('SGT211')
  clock.now = Date.UTC(2026, 5, 30, 12)
  expect(await ask({ pointId: PANELS })).toBe(undefined)
  clock.now = Date.UTC(2026, 6, 1, 12)
  expect(await ask({ pointId: PANELS })).toBe('SGT211')
  expect(sandbox.sge.services().at(-1)).toMatchObject({ etatCode: 'TERMINE' })
})

test('the older version wants the customer’s agreement, and one direction at least', async () => {
  const { send } = await aSender()
  const asked = (more: Readonly<Record<string, string>>) =>
    send('CMD_V2', example('cmd-v2-request', { '2023-05-01': '2026-03-02', '2023-05-08': '2026-03-09', ...more }))
  expect((await asked({ '<accordClient>true': '<accordClient>0' })).code).toBe('SGT4K2')
  expect((await asked({ '<soutirage>true': '<soutirage>false' })).code).toBe('SGT400')
})

test('a fault tells the login of the account', async () => {
  const { send } = await aSender()
  const { text } = await send('CMD', cmd({ cadre: 'SERVICE_ACCES' }))
  expect(all(text, 'loginDemandeur')).toStrictEqual([LOGIN])
  expect(all(text, 'pointId')).toStrictEqual([HOUSE])
  expect(ways(text)[0]).toBe('/{http://schemas.xmlsoap.org/soap/envelope/}Envelope')
})
