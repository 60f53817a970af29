/**
 * A data holder that lies: answers are put together at random of what was asked for and of what must not leave (another
 * meter, other days, other quantities, names, addresses, telephone numbers, remote keys), and cut at random places. What
 * comes out holds none of it, and is well-formed where it is whole.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { addDays, startOfDay } from '../../../src/domain/time.ts'
import { readXml } from '../../../src/providers/enedis-sge/xml.ts'
import type { MeterId } from '../../../src/domain/meter.ts'
import type { ClientRight } from '../../../src/providers/adapter.ts'
import { adapter, aPart, ask, days, fixture, PATHS, POINT, through, UNDER } from './given.ts'

const GRANTED = days('2026-03-03', '2026-03-06')
const RUNS = { numRuns: 400 }
/** Stands in whatever must not leave. */
const CANARY = 'KANARI'

const secret = fc.constantFrom(CANARY, `${CANARY} DUPONT`, `12 RUE ${CANARY}`)
const forbiddenElement = fc
  .tuple(
    fc.constantFrom(
      'nom',
      'prenom',
      'adresse',
      'loginDemandeur',
      'contratId',
      'numeroTelephone',
      'cle',
      'commentaire',
      'matricule',
      'points2',
    ),
    secret,
  )
  .map(([name, text]) => `<${name}>${text}</${name}>`)
const extra = fc
  .array(
    fc.oneof(
      forbiddenElement,
      fc.tuple(forbiddenElement, forbiddenElement).map(([a, b]) => `<bloc>${a}${b}</bloc>`),
    ),
    { maxLength: 2 },
  )
  .map((all) => all.join(''))

/** A value of 7,000,000 and more is one that must not leave. */
const forbiddenValue = fc.integer({ min: 7_000_000, max: 7_999_999 })
const openValue = fc.integer({ min: 0, max: 99_999 })

const insideStamp = fc
  .tuple(fc.integer({ min: 0, max: 2 }), fc.integer({ min: 1, max: 47 }))
  .map(([day, slot]) => stampOf(addDays(GRANTED.from, day), slot))
const outsideStamp = fc
  .tuple(fc.constantFrom(-400, -30, -2, -1, 3, 4, 30), fc.integer({ min: 1, max: 47 }))
  .map(([day, slot]) => stampOf(addDays(GRANTED.from, day), slot))
function stampOf(day: string, slot: number): string {
  return `${day} ${String(slot >> 1).padStart(2, '0')}:${slot % 2 === 1 ? '30' : '00'}:00`
}
const point = fc.oneof(
  fc.tuple(openValue, insideStamp, extra).map(([v, d, more]) => `<points><v>${v}</v><d>${d}</d><p>PT30M</p><n>B</n>${more}</points>`),
  fc.tuple(forbiddenValue, outsideStamp, extra).map(([v, d, more]) => `<points><v>${v}</v><d>${d}</d><p>PT30M</p><n>B</n>${more}</points>`),
  fc.tuple(forbiddenValue, insideStamp).map(([v, d]) => `<points><v>${v}</v><d>${d}</d><p>PT5M</p><n>R</n></points>`),
  fc.tuple(secret, insideStamp).map(([v, d]) => `<points><v>${v}</v><d>${d}</d><p>PT30M</p></points>`),
  fc.tuple(forbiddenValue, secret).map(([v, d]) => `<points><v>${v}</v><d>${d}</d><p>PT30M</p></points>`),
  fc.tuple(forbiddenValue, insideStamp).map(([v, d]) => `<mesure><v>${v}</v><d>${d}</d></mesure>`),
)
const quantity = fc
  .tuple(
    fc.constantFrom<[string, string, string]>(
      ['CONS', 'PA', 'W'],
      ['CONS', 'PA', 'W'],
      ['CONS', 'PA', 'W'],
      ['PROD', 'PA', 'W'],
      ['CONS', 'PRI', 'VAr'],
      ['CONS', 'EA', 'Wh'],
    ),
    fc.array(point, { minLength: 1, maxLength: 8 }),
    extra,
  )
  .map(([[metier, physique, unit], points, more]) => {
    const right = metier === 'CONS' && physique === 'PA'
    const body = right ? points.join('') : points.join('').replaceAll(/<v>\d+<\/v>/g, '<v>7000001</v>')
    return `<grandeur><grandeurMetier>${metier}</grandeurMetier><grandeurPhysique>${physique}</grandeurPhysique><unite>${unit}</unite>${more}${body}</grandeur>`
  })
const meter = fc.constantFrom(POINT, POINT, POINT, POINT, POINT, '99999000000025')
const body = fc
  .tuple(
    meter,
    fc.array(fc.oneof({ weight: 3, arbitrary: quantity }, { weight: 1, arbitrary: extra }), { minLength: 1, maxLength: 4 }),
    fc.constantFrom('', '', '', '', '', '', '<!-- x -->', '<![CDATA[x]]>', '<?x y?>', '<pointId>99999000000025</pointId>'),
  )
  .map(
    ([id, inside, odd]) =>
      `<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body><c:consulterMesuresDetailleesResponseV3 xmlns:c="http://www.enedis.fr/sge/b2b/services/consultationmesuresdetaillees/common"><pointId>${id}</pointId>${inside.join(odd)}</c:consulterMesuresDetailleesResponseV3></e:Body></e:Envelope>`,
  )
const cuts = fc.array(fc.nat(20_000), { maxLength: 5 })

test('a curve: no value, day or name that was not granted comes through, wherever the answer is cut', () => {
  let delivered = 0
  fc.assert(
    fc.property(body, cuts, fc.integer({ min: 0, max: 3 }), (text, at, drop) => {
      const sent = drop === 0 ? text.slice(0, Math.floor(text.length / 2)) : text
      const read = through(fixture('cmd-v3-request-courbe'), PATHS['cmd-v3'], [aPart(GRANTED, { finest: 'PT30M' })], [sent], at)
      expect(read.out).not.toMatch(/KANARI|7\d{6}|99999000000025|PT5M|PROD|PRI/)
      for (const [, stamp] of read.out.matchAll(/<d>([^<]*)<\/d>/g))
        expect(stamp! >= GRANTED.from && stamp!.slice(0, 10) < GRANTED.until).toBe(true)
      if (read.ok && read.out !== '') expect(readXml(Buffer.from(read.out))).toBeDefined()
      if (read.ok) delivered += read.counts.readings
      // However it is cut, it is the same.
      expect(through(fixture('cmd-v3-request-courbe'), PATHS['cmd-v3'], [aPart(GRANTED, { finest: 'PT30M' })], [sent]).ok).toBe(read.ok)
    }),
    RUNS,
  )
  expect(delivered).toBeGreaterThan(30)
})

test('a curve in the one view: the same, as SenML', () => {
  let delivered = 0
  fc.assert(
    fc.property(body, cuts, (text, at) => {
      const parts = [aPart(GRANTED, { finest: 'PT30M' })]
      const read = through(fixture('cmd-v3-request-courbe'), PATHS['cmd-v3'], parts, [text], at, adapter, { view: 'senml' })
      expect(read.out).not.toMatch(/KANARI|"v":7\d{6}\b|99999000000025|reactive|injection|energy/)
      expect(read.ok).toBe(through(fixture('cmd-v3-request-courbe'), PATHS['cmd-v3'], parts, [text]).ok)
      if (!read.ok || read.counts.readings === 0) return
      const records = JSON.parse(read.out) as readonly { readonly t: number; readonly duration: number }[]
      expect(records).toHaveLength(read.counts.readings)
      for (const { t, duration } of records) {
        expect(t * 1000).toBeGreaterThanOrEqual(startOfDay(GRANTED.from))
        expect((t + duration) * 1000).toBeLessThanOrEqual(startOfDay(GRANTED.until))
      }
      delivered += records.length
    }),
    RUNS,
  )
  expect(delivered).toBeGreaterThan(30)
})

/** At midnight the register also closes the day before: the last day granted has its closing value. */
const registerStamp = (day: number): string => `${addDays(GRANTED.from, day)} 00:00:00`
const register = fc.oneof(
  fc.tuple(openValue, fc.integer({ min: 0, max: 3 }), extra).map(([v, d, more]) => valeur(v, registerStamp(d), more)),
  fc.tuple(forbiddenValue, fc.constantFrom(-400, -30, -1, 4, 30), extra).map(([v, d, more]) => valeur(v, registerStamp(d), more)),
  fc.tuple(secret, fc.constant(registerStamp(0))).map(([v, d]) => valeur(v, d, '')),
  fc.tuple(forbiddenValue, secret).map(([v, d]) => valeur(v, d, '')),
)
function valeur(v: number | string, d: string, more: string): string {
  return `<valeur><d>${d}</d><v>${v}</v><iv>0</iv>${more}</valeur>`
}
const registers = fc
  .tuple(
    fc.constantFrom('CONS', 'CONS', 'PROD'),
    fc.array(register, { minLength: 1, maxLength: 6 }),
    fc.array(register, { maxLength: 3 }),
    secret,
    extra,
  )
  .map(([metier, classes, totals, label, more]) => {
    const close = (all: readonly string[]): string =>
      metier === 'CONS' ? all.join('') : all.join('').replaceAll(/<v>\d+<\/v>/g, '<v>7000001</v>')
    return `<contexte><etapeMetier>BRUT</etapeMetier>${more}<grandeur><grandeurMetier>${metier}</grandeurMetier><grandeurPhysique>EA</grandeurPhysique><unite>Wh</unite><calendrier><idCalendrier>DI000003</idCalendrier><libelleCalendrier>${label}</libelleCalendrier><classeTemporelle><idClasseTemporelle>HPH</idClasseTemporelle><libelleClasseTemporelle>${label}</libelleClasseTemporelle><codeCadran>D4</codeCadran>${close(classes)}</classeTemporelle></calendrier><cadranTotalisateur><codeCadran>T</codeCadran>${close(totals)}</cadranTotalisateur></grandeur></contexte>`
  })

test('registers: none read outside the days granted, no label, no name, in both forms', () => {
  const request = fixture('cmd-v3-request-courbe').replace('>COURBE<', '>INDEX<').replace('>PA<', '>EA<')
  let delivered = 0
  fc.assert(
    fc.property(meter, fc.array(registers, { minLength: 1, maxLength: 3 }), cuts, (id, contexts, at) => {
      const sent = fixture('cmd-v3-response-index').replace(/<pointId>.*<\/contexte>/s, `<pointId>${id}</pointId>${contexts.join('')}`)
      const parts = [aPart(GRANTED, { kind: 'index', finest: 'P1D' })]
      const read = through(request, PATHS['cmd-v3'], parts, [sent], at)
      const view = through(request, PATHS['cmd-v3'], parts, [sent], at, adapter, { view: 'senml' })
      expect(read.out).not.toMatch(/KANARI|7\d{6}|99999000000025|PROD/)
      expect([view.ok, view.counts]).toStrictEqual([read.ok, read.counts])
      if (!view.ok || view.counts.readings === 0) return
      for (const { v } of JSON.parse(view.out) as readonly { readonly v: number }[]) expect(v / 3600).toBeLessThan(100_000)
      delivered += read.counts.readings
    }),
    RUNS,
  )
  expect(delivered).toBeGreaterThan(100)
})

const dayOrPeak = fc.oneof(
  fc.tuple(openValue, fc.integer({ min: 0, max: 2 }), fc.boolean()).map(([v, d, clock]) => dated(v, d, clock)),
  fc.tuple(forbiddenValue, fc.constantFrom(-400, -30, -1, 3, 4, 30), fc.boolean()).map(([v, d, clock]) => dated(v, d, clock)),
  fc.tuple(secret, extra).map(([v, more]) => `<points><v>${v}</v><d>${GRANTED.from}</d>${more}</points>`),
  forbiddenElement,
)
function dated(v: number, day: number, clock: boolean): string {
  return `<points><v>${v}</v><d>${addDays(GRANTED.from, day)}${clock ? ' 19:03:00' : ''}</d></points>`
}
test.each([
  ['daily energy', 'cmd-v3-request-energie', 'daily_energy', 'EA', 'Wh'],
  ['peaks', 'cmd-v3-request-pmax', 'max_power', 'PMA', 'VA'],
] as const)('%s: none of another day, no name', (_what, request, kind, physique, unit) => {
  let delivered = 0
  fc.assert(
    fc.property(meter, fc.array(dayOrPeak, { minLength: 1, maxLength: 8 }), cuts, (id, points, at) => {
      const sent = fixture('cmd-v3-response-energie')
        .replace(`<pointId>${POINT}`, `<pointId>${id}`)
        .replace('>EA<', `>${physique}<`)
        .replace('>Wh<', `>${unit}<`)
        .replace(/<points>.*<\/points>/s, points.join(''))
      const read = through(fixture(request), PATHS['cmd-v3'], [aPart(GRANTED, { kind, finest: 'P1D' })], [sent], at)
      expect(read.out).not.toMatch(/KANARI|7\d{6}|99999000000025/)
      if (read.ok) delivered += read.counts.readings
    }),
    RUNS,
  )
  expect(delivered).toBeGreaterThan(100)
})

test('a search: the expected point and nothing else of it, or nothing', () => {
  const request = fixture('rp-v2-request').replace(
    '<infoDemandeur>',
    `<infoFonctionnelles><pointId>${POINT}</pointId></infoFonctionnelles><infoDemandeur>`,
  )
  const found = fc
    .tuple(fc.constantFrom(POINT, '99999000000025', '99999000000033'), extra, secret)
    .map(([id, more, text]) => `<point id="${id}" nom="${text}">${more}<ville>${text}</ville></point>`)
  fc.assert(
    fc.property(fc.array(found, { maxLength: 4 }), extra, cuts, (points, more, at) => {
      const sent = `<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body><r:rechercherPointResponse xmlns:r="http://www.enedis.fr/sge/b2b/services/rechercherpoint/v2.0">${more}<points>${points.join('')}</points></r:rechercherPointResponse></e:Body></e:Envelope>`
      const read = through(request, PATHS['rp-v2'], [aPart(null, { kind: 'identity' })], [sent], at)
      expect(read.out).not.toMatch(/KANARI|99999000000025|99999000000033|ville|nom/)
      expect(read.out.match(/<point [^>]*>/g) ?? []).toHaveLength(read.ok && points.some((text) => text.includes(POINT)) ? 1 : 0)
    }),
    RUNS,
  )
})

test('services of a point: of another point none, of one no contract, label, name or publication', () => {
  const service = fc
    .tuple(fc.constantFrom(POINT, POINT, '99999000000025'), fc.constantFrom('ACTIF', CANARY, `A<b>${CANARY}</b>`), extra, secret)
    .map(
      ([id, state, more, text]) =>
        `<serviceSouscrit>${more}<serviceSouscritId>70012001</serviceSouscritId><pointId>${id}</pointId><serviceSouscritLibelle>${text}</serviceSouscritLibelle><contratId>${text}</contratId><etatCode>${state}</etatCode><dateDebut>${text}</dateDebut></serviceSouscrit>`,
    )
  const asked = ask(PATHS['rsa-v1'], fixture('rsa-v1-request'))
  if (asked.is !== 'rights') throw new Error(asked.is)
  const { understand } = adapter.searchRights!(`prm:${POINT}` as MeterId, UNDER.account)
  let told = 0
  fc.assert(
    fc.property(fc.array(service, { maxLength: 4 }), (services) => {
      const sent = fixture('rsa-v1-response').replace(/<serviceSouscrit>.*<\/serviceSouscrit>/s, services.join(''))
      const { rights } = understand(200, sent)
      if (sent.includes('99999000000025')) expect(rights).toBeUndefined()
      told += rights?.length ?? 0
      const shown = (rights ?? []).map(({ ref, told }) => ({ ref, told }) as ClientRight)
      // A word may stand as a state, whose list Enedis does not publish; anything else may not.
      expect(adapter.showRights!(asked.form, shown).body).not.toMatch(/KANARI D|RUE|<b>|<nom|<cle|contratId>|Libelle>[^<]*KANARI/)
    }),
    RUNS,
  )
  expect(told).toBeGreaterThan(50)
})

const period = fc.oneof(
  fc.tuple(fc.integer({ min: 0, max: 1 }), fc.constant(true)),
  fc.tuple(fc.constantFrom(-40, -31, -2, 2, 30), fc.constant(false)),
)
const measure = fc.tuple(period, openValue, forbiddenValue, extra).map(([[offset, inside], open, closed, more]) => {
  const from = addDays(days('2026-01-14', '2026-01-15').from, inside ? offset * 31 : offset)
  const until = addDays(from, 31)
  const within = from >= '2026-01-14' && until <= '2026-03-17'
  return `<mesure><valeur>${within ? open : closed}</valeur><dateDebut>${from}</dateDebut><dateFin>${until}</dateFin><nature code="REEL"><libelle>${CANARY}</libelle></nature>${more}</mesure>`
})

test('billing periods: none outside the days granted, no label, no name', () => {
  let delivered = 0
  fc.assert(
    fc.property(fc.array(measure, { maxLength: 8 }), extra, cuts, (measures, more, at) => {
      const sent = fixture('cm-v11-response')
        .replace(/<mesure>.*<\/mesure>/s, measures.join(''))
        .replace('<seriesMesuresDateesGrilleTurpe>', `${more}<seriesMesuresDateesGrilleTurpe>`)
      const part = aPart(days('2026-01-14', '2026-03-17'), { kind: 'published_reading', finest: 'P1D' })
      const read = through(fixture('cm-v11-request'), PATHS['cm-v11'], [part], [sent], at)
      expect(read.ok).toBe(true)
      expect(read.out).not.toMatch(/KANARI|7\d{6}|operateur|libelle>[^<]*[a-z ]/)
      delivered += read.counts.readings
    }),
    RUNS,
  )
  expect(delivered).toBeGreaterThan(100)
})

test('what is known of a point: nothing of a kind that is not granted, nothing that has no name here', () => {
  const holes = [
    '<donneesGenerales>',
    '<adresseInstallation>',
    '<situationAlimentation>',
    '<structureTarifaire>',
    '<segment code="C5">',
    '<alimentationPrincipale>',
  ]
  fc.assert(
    fc.property(
      fc.constantFrom(...holes),
      extra,
      cuts,
      fc.subarray(['contract_data', 'technical_data'] as const, { minLength: 1 }),
      (hole, more, at, keepKinds) => {
        const sent = fixture('cdtc-v1-response')
          .replace(hole, `${hole}${more}`)
          .replaceAll('MOULIN', CANARY)
          .replaceAll('VILLE-EXEMPLE', CANARY)
        const read = through(fixture('cdtc-v1-request'), PATHS['cdtc-v1'], [aPart(null, { kind: 'contract_data', keepKinds })], [sent], at)
        expect(read.out).not.toMatch(/KANARI|operateur/)
        if (!keepKinds.includes('contract_data')) expect(read.out).not.toMatch(/structureTarifaire|SERVC|segment/)
        if (!keepKinds.includes('technical_data')) expect(read.out).not.toMatch(/BTINF|niveauOuvertureServices/)
      },
    ),
    RUNS,
  )
})
