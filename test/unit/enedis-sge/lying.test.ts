/**
 * A data holder that lies: answers are put together at random of what was asked for and of what must not leave (another
 * meter, other days, other quantities, names, addresses, telephone numbers, remote keys), and cut at random places. What
 * comes out holds none of it, and is well-formed where it is whole.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { addDays } from '../../../src/domain/time.ts'
import { readXml } from '../../../src/providers/enedis-sge/xml.ts'
import { aPart, days, fixture, PATHS, POINT, through } from './given.ts'

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
