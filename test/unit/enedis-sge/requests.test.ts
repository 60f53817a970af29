/** What of a SOAP request is understood, what is refused, and what leaves for Enedis in its place. */
import { describe, expect, test } from 'vitest'
import type { SectorRelease } from '../../../src/domain/vocabulary.ts'
import { readXml } from '../../../src/providers/enedis-sge/xml.ts'
import { aPermission } from '../../given.ts'
import {
  accessOf,
  adapter,
  aPart,
  ask,
  current,
  days,
  find,
  fixture,
  flawOf,
  OPERATOR,
  pathOf,
  PATHS,
  POINT,
  textsOf,
  UNDER,
  wide,
} from './given.ts'

const CURVE = fixture('cmd-v3-request-courbe')
const CMD = PATHS['cmd-v3']
const rp = fixture('rp-v2-request').replace(
  '<infoDemandeur>',
  `<infoFonctionnelles><pointId>${POINT}</pointId></infoFonctionnelles><infoDemandeur>`,
)

test.each<[string, string, object]>([
  [
    'cmd-v3-request-courbe',
    CURVE,
    { kind: 'load_curve', direction: 'withdrawal', step: 'recorded', period: days('2026-03-02', '2026-03-09') },
  ],
  ['cmd-v3-request-energie', fixture('cmd-v3-request-energie'), { kind: 'daily_energy', direction: 'withdrawal', step: 'P1D' }],
  ['cmd-v3-request-pmax', fixture('cmd-v3-request-pmax'), { kind: 'max_power', step: 'P1D', period: days('2026-02-01', '2026-03-01') }],
  ['cmd-v2-request', fixture('cmd-v2-request'), { kind: 'load_curve', direction: 'withdrawal', step: 'recorded' }],
  ['cm-v11-request', fixture('cm-v11-request'), { kind: 'published_reading', step: 'recorded', period: days('2023-11-26', '2026-11-26') }],
  ['cdtc-v1-request', fixture('cdtc-v1-request'), { kind: 'contract_data', direction: 'n_a', step: 'TOTAL', period: null }],
  ['rp-v2-request', rp, { kind: 'identity', direction: 'n_a', period: null, meter: `prm:${POINT}` }],
])('%s is understood, and leaves anew with the operator’s own login', (name, body, expected) => {
  const named = accessOf(ask(pathOf(name), body))
  expect(named.access).toMatchObject({ provider: 'enedis-sge', api: 'sge', ...expected })
  const { access, form } = named
  const part = aPart(access.period, { kind: access.kind, keepKinds: [access.kind] })
  const call = adapter.rewrite(form, access, part, UNDER)
  expect([call.method, call.target, call.accept]).toStrictEqual(['POST', pathOf(name), 'text/xml'])
  const sent = readXml(Buffer.from(call.body?.text ?? ''))
  expect(call.body?.text).not.toContain('operateur.sge')
  const logins = ['initiateurLogin', 'loginUtilisateur', 'loginDemandeur'].flatMap((element) => textsOf(sent, element))
  expect(new Set(logins)).toStrictEqual(new Set([OPERATOR.login]))
  expect(textsOf(sent, 'contratId').every((text) => text === OPERATOR.contract)).toBe(true)
  // What is sent is understood as what was asked for; of a search the point is in the header, which is not passed on.
  if (name !== 'rp-v2-request') expect(accessOf(ask(pathOf(name), call.body?.text ?? '')).access).toStrictEqual(access)
  expect(call.body?.says).not.toMatch(/EXEMPLE|MOULIN|@/)
})

test('what is sent has the order of the schema and no declaration of the caller’s', () => {
  const { access, form } = accessOf(ask(CMD, CURVE.replace('ACCORD_CLIENT', 'EST_TITULAIRE')))
  const { body } = adapter.rewrite(form, access, aPart(days('2026-03-03', '2026-03-05')), UNDER)
  const demande = find(readXml(Buffer.from(body?.text ?? '')), 'demande')
  expect(demande?.children.map(({ name, text }) => [name, text])).toStrictEqual([
    ['initiateurLogin', OPERATOR.login],
    ['pointId', POINT],
    ['mesuresTypeCode', 'COURBE'],
    ['grandeurPhysique', 'PA'],
    ['dateDebut', '2026-03-03'],
    ['dateFin', '2026-03-05'],
    ['mesuresCorrigees', 'false'],
    ['sens', 'SOUTIRAGE'],
    ['cadreAcces', 'ACCORD_CLIENT'],
  ])
  expect(demande?.ns).toBe('')
  expect(body).toMatchObject({
    contentType: 'text/xml; charset=utf-8',
    soapAction: '"http://www.enedis.fr/sge/b2b/services/consultationmesuresdetaillees/v3.0"',
    says: 'mesuresTypeCode=COURBE&grandeurPhysique=PA&dateDebut=2026-03-03&dateFin=2026-03-05&mesuresCorrigees=false&sens=SOUTIRAGE&cadreAcces=ACCORD_CLIENT',
  })
})

test.each<[SectorRelease, boolean, string]>([
  ['express_authorisation', false, 'ACCORD_CLIENT'],
  ['acc_contract', false, 'ACCORD_CLIENT'],
  ['subscribed_access', false, 'ACCORD_CLIENT'],
  ['subscribed_access', true, 'SERVICE_ACCES'],
  ['holder_itself', false, 'EST_TITULAIRE'],
])('the ground %s (a service opened: %s) is declared as %s', (sectorRelease, opened, frame) => {
  const { access, form } = accessOf(ask(CMD, CURVE))
  const base = aPermission()
  const ground = { gdprBasis: 'consent', sectorRelease } as const
  const bindings = [{ provider: 'enedis-sge' as const, account: UNDER.account, ready: true, ...(opened && { opened: true as const }) }]
  const { body } = adapter.rewrite(form, access, aPart(access.period), {
    ...UNDER,
    permission: { ...base, bindings, scope: { ...base.scope, ground } },
  })
  expect(body?.text).toContain(`<cadreAcces>${frame}</cadreAcces>`)
})

test('a day’s energy that is summed here is called as a curve', () => {
  const { access, form } = accessOf(ask(CMD, fixture('cmd-v3-request-energie')))
  const { body } = adapter.rewrite(form, access, aPart(days('2026-03-02', '2026-03-04'), { how: 'derive' }), UNDER)
  expect(body?.text).toContain('<mesuresTypeCode>COURBE</mesuresTypeCode><grandeurPhysique>PA</grandeurPhysique>')
})

test('TOUT is what the settings let a permission open, and other quantities are closed', () => {
  const all = CURVE.replace('<grandeurPhysique>PA', '<grandeurPhysique>TOUT')
  const sent = (by: typeof adapter): string => {
    const { access, form } = accessOf(ask(CMD, all, {}, by))
    return by.rewrite(form, access, aPart(access.period), UNDER).body?.text ?? ''
  }
  expect(sent(adapter)).toContain('<grandeurPhysique>PA</grandeurPhysique>')
  expect(sent(wide)).toContain('<grandeurPhysique>TOUT</grandeurPhysique>')
  const reactive = CURVE.replace('<grandeurPhysique>PA', '<grandeurPhysique>PRI')
  expect(flawOf(ask(CMD, reactive))).toBe('kind_not_covered')
  expect(accessOf(ask(CMD, reactive, {}, wide)).access.kind).toBe('load_curve')
  expect(flawOf(ask(CMD, CURVE.replace('<grandeurPhysique>PA', '<grandeurPhysique>EA'), {}, wide))).toBe('quantity')
})

test('contract data only where the permission opens it', () => {
  const { access, form } = accessOf(ask(PATHS['cdtc-v1'], fixture('cdtc-v1-request')))
  const sent = (...keepKinds: readonly ('contract_data' | 'technical_data')[]): string =>
    adapter.rewrite(form, access, aPart(null, { kind: access.kind, keepKinds }), UNDER).body?.text ?? ''
  expect(sent('contract_data', 'technical_data')).toContain('<autorisationClient>true</autorisationClient>')
  expect(sent('technical_data')).toContain('<autorisationClient>false</autorisationClient>')
  for (const word of ['false', '0'])
    expect(accessOf(ask(PATHS['cdtc-v1'], fixture('cdtc-v1-request').replace('>true<', `>${word}<`))).access.kind).toBe('technical_data')
})

describe('dates', () => {
  test.each(['Z', '+01:00', '+02:00'])('an offset %s is taken as written', (offset) => {
    const body = CURVE.replace('2026-03-02<', `2026-03-02${offset}<`)
    expect(accessOf(ask(CMD, body)).access.period).toStrictEqual(days('2026-03-02', '2026-03-09'))
    const { access, form } = accessOf(ask(CMD, body))
    expect(adapter.rewrite(form, access, aPart(access.period), UNDER).body?.text).toContain('<dateDebut>2026-03-02</dateDebut>')
  })
  test.each([
    ['2026-03-02', '2026-03-02+03:00', 'elements'],
    ['2026-03-02', '2026-02-30', 'order'],
    ['2026-03-02', '2026-03-09', 'order'],
    ['2026-03-02', '2026-03-10', 'order'],
    ['2026-03-02', '02/03/2026', 'elements'],
    ['2026-03-02', '', 'elements'],
  ])('%s written as %s is refused', (from, to, flaw) => {
    expect(flawOf(ask(CMD, CURVE.replace(`<dateDebut>${from}<`, `<dateDebut>${to}<`)))).toBe(flaw)
  })
  test('days to come only', () => {
    const body = CURVE.replace('2026-03-02', '2026-11-26').replace('2026-03-09', '2026-11-30')
    expect(flawOf(ask(CMD, body))).toBe('future')
  })
})

describe('what the schema refuses, and what it would not', () => {
  test.each<[string, (text: string) => string, string]>([
    ['a point of 13 digits', (t) => t.replace(POINT, POINT.slice(1)), 'elements'],
    ['a point with a leading blank', (t) => t.replace(POINT, ` ${POINT}`), 'elements'],
    ['a point in full-width digits', (t) => t.replace(POINT, '９９９９９００００００００１７'), 'elements'],
    ['no cadreAcces', (t) => t.replace(/<cadreAcces>.*<\/cadreAcces>/, ''), 'elements'],
    ['an unknown cadreAcces', (t) => t.replace('ACCORD_CLIENT', 'ACCORD'), 'elements'],
    [
      'dateFin before dateDebut in order',
      (t) => t.replace(/(<dateDebut>.*<\/dateDebut>)(\s*)(<dateFin>.*<\/dateFin>)/, '$3$2$1'),
      'elements',
    ],
    ['a qualified child', (t) => t.replaceAll('pointId', 'cmd:pointId'), 'elements'],
    ['a default namespace on the operation', (t) => t.replace('<demande>', '<demande xmlns="urn:x">'), 'elements'],
    ['an unknown quantity', (t) => t.replace('>PA<', '>XX<'), 'elements'],
    ['an unknown kind', (t) => t.replace('>COURBE<', '>TENSION<'), 'elements'],
    ['a step for a curve', (t) => t.replace('<mesuresCorrigees>', '<mesuresPas>P1D</mesuresPas><mesuresCorrigees>'), 'step'],
    ['an element more', (t) => t.replace('<sens>', '<autre>1</autre><sens>'), 'elements'],
    ['two points', (t) => t.replace(`<pointId>${POINT}</pointId>`, `<pointId>${POINT}</pointId><pointId>${POINT}</pointId>`), 'elements'],
    ['two requests', (t) => t.replace('</demande>', '</demande><demande/>'), 'elements'],
    ['text beside elements', (t) => t.replace('<demande>', '<demande>x'), 'envelope'],
    ['an attribute', (t) => t.replace('<pointId>', '<pointId id="1">'), 'elements'],
    ['another operation', (t) => t.replaceAll('consulterMesuresDetailleesV3', 'consulterMesures'), 'operation'],
    ['another namespace', (t) => t.replace('consultationmesuresdetaillees/common', 'consultationmesuresdetaillees/v2.0'), 'operation'],
    [
      'a header where there is none',
      (t) =>
        t.replace(
          '<soapenv:Header/>',
          '<soapenv:Header><tec:entete xmlns:tec="http://www.enedis.fr/sge/b2b/technique/v1.0"/></soapenv:Header>',
        ),
      'elements',
    ],
  ])('%s', (_what, change, flaw) => {
    const body = change(CURVE)
    expect(body).not.toBe(CURVE)
    expect(flawOf(ask(CMD, body))).toBe(flaw)
  })
  test('both declarations in one, both directions in one, and none', () => {
    const cm = fixture('cm-v11-request')
    const both = cm.replace(
      '<autorisationClient>',
      '<contratConcluNouveauClientSurSite>true</contratConcluNouveauClientSurSite><autorisationClient>',
    )
    expect(flawOf(ask(PATHS['cm-v11'], both))).toBe('elements')
    expect(accessOf(ask(PATHS['cm-v11'], cm.replace(/<autorisationClient>.*<\/autorisationClient>/, ''))).access.kind).toBe(
      'published_reading',
    )
    const v2 = fixture('cmd-v2-request')
    expect(flawOf(ask(PATHS['cmd-v2'], v2.replace('<injection>false', '<injection>1')))).toBe('direction')
    expect(flawOf(ask(PATHS['cmd-v2'], v2.replace('<soutirage>true', '<soutirage>0')))).toBe('direction')
    const injection = v2.replace('<soutirage>true', '<soutirage>0').replace('<injection>false', '<injection>1')
    expect(accessOf(ask(PATHS['cmd-v2'], injection)).access.direction).toBe('injection')
  })
  test('a search without the point that is expected, and two points that differ', () => {
    expect(flawOf(ask(PATHS['rp-v2'], fixture('rp-v2-request')))).toBe('header_point')
    const cm = fixture('cm-v11-request').replace(
      '<infoDemandeur>',
      '<infoFonctionnelles><pointId>99999000000025</pointId></infoFonctionnelles><infoDemandeur>',
    )
    expect(flawOf(ask(PATHS['cm-v11'], cm))).toBe('header_point')
  })
  test('services that Enedis has withdrawn only where the settings say so; GET and unknown paths never', () => {
    expect(flawOf(ask(PATHS['cmd-v2'], fixture('cmd-v2-request'), {}, current))).toBe('unknown_route')
    expect(flawOf(ask('/CommandeCollectePublicationMesures/v3.0', fixture('ccpm-v3-request')))).toBe('unknown_route')
    expect(adapter.classify({ method: 'GET', path: CMD, query: new Map() }, days('2026-11-26', '2026-11-27').from)).toMatchObject({
      reason: 'unknown_route',
    })
  })
  test('the address, the content type and the SOAPAction', () => {
    expect(flawOf(ask(CMD, CURVE, { contentType: 'application/json' }))).toBe('content_type')
    expect(flawOf(ask(CMD, CURVE, { contentType: 'multipart/related; type="application/xop+xml"' }))).toBe('content_type')
    expect(flawOf(ask(CMD, CURVE, { contentType: 'text/xml; charset=utf-16' }))).toBe('content_type')
    for (const soapAction of ['""', '', 'urn:anything', '"http://www.enedis.fr/sge/b2b/services/consultationmesuresdetaillees/v3.0"'])
      expect(accessOf(ask(CMD, CURVE, { soapAction })).is).toBe('access')
    expect(flawOf(ask(CMD, CURVE, { soapAction: '"http://www.enedis.fr/sge/b2b/services/consultationmesuresdetaillees/v2.0"' }))).toBe(
      'soap_action',
    )
    expect(flawOf(ask(CMD, CURVE, { soapAction: 'http://www.enedis.fr/sge/b2b/services/rechercherpoint/v2.0' }))).toBe('soap_action')
    const asked = adapter.classify(
      { method: 'POST', path: CMD, query: new Map([['wsdl', '1']]), contentType: 'text/xml' },
      days('2026-11-26', '2026-11-27').from,
    )
    expect(asked).toMatchObject({ is: 'refused', flaw: 'query' })
  })
})

describe('XML that means two things, or too much', () => {
  const inside = (text: string): string => CURVE.replace(`<pointId>${POINT}</pointId>`, text)
  const prolog = (text: string): string => CURVE.replace('?>', `?>${text}`)
  test.each<[string, string | Uint8Array]>([
    ['a document type', prolog('<!DOCTYPE x>')],
    ['entities that multiply', prolog('<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>').replace(POINT, '&b;')],
    ['an external entity', prolog('<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>').replace(POINT, '&a;')],
    ['an entity that nobody declared', inside('<pointId>&nbsp;</pointId>')],
    ['a comment inside a value', inside(`<pointId>99999<!-- x -->000000017</pointId>`)],
    ['a comment between elements', inside(`<!-- x --><pointId>${POINT}</pointId>`)],
    ['CDATA', inside(`<pointId><![CDATA[${POINT}]]></pointId>`)],
    ['a processing instruction', inside(`<?x y?><pointId>${POINT}</pointId>`)],
    ['xsi:type', inside(`<pointId xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="x">${POINT}</pointId>`)],
    ['mustUnderstand', CURVE.replace('<demande>', '<demande soapenv:mustUnderstand="1">')],
    [
      'WS-Addressing',
      CURVE.replace('<soapenv:Header/>', '<soapenv:Header><a:To xmlns:a="http://www.w3.org/2005/08/addressing">x</a:To></soapenv:Header>'),
    ],
    ['xop:Include', inside('<pointId><xop:Include xmlns:xop="http://www.w3.org/2004/08/xop/include" href="cid:x"/></pointId>')],
    ['SOAP 1.2', CURVE.replaceAll('http://schemas.xmlsoap.org/soap/envelope/', 'http://www.w3.org/2003/05/soap-envelope')],
    ['two operations', CURVE.replace('</soapenv:Body>', '<cmd:consulterMesuresDetailleesV3/></soapenv:Body>')],
    ['two bodies', CURVE.replace('</soapenv:Envelope>', '<soapenv:Body/></soapenv:Envelope>')],
    ['no body', '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"/>'],
    ['a body in another namespace', CURVE.replaceAll('soapenv:Body', 'cmd:Body')],
    ['another encoding', CURVE.replace('UTF-8', 'ISO-8859-1')],
    ['UTF-16', Buffer.from(CURVE, 'utf16le')],
    [
      'bytes that are no UTF-8',
      Buffer.concat([Buffer.from(CURVE.slice(0, 400)), Buffer.from([0xc3, 0x28]), Buffer.from(CURVE.slice(400))]),
    ],
    ['what is not closed', CURVE.slice(0, -20)],
    ['two roots', `${CURVE}<x/>`],
    ['text after the root', `${CURVE}x`],
    ['nothing', ''],
    ['50,000 elements deep', `${'<a>'.repeat(5000)}${'</a>'.repeat(5000)}`],
    [
      'a thousand namespaces',
      CURVE.replace('<demande>', `<demande ${Array.from({ length: 1000 }, (_, i) => `xmlns:n${i}="urn:${i}"`).join(' ')}>`),
    ],
    ['a name of 10,000 letters', CURVE.replaceAll('demande>', `${'d'.repeat(10_000)}>`)],
    ['a text of 60,000 letters', inside(`<pointId>${'1'.repeat(60_000)}</pointId>`)],
  ])('%s is refused', (_what, body) => {
    expect(['envelope', 'elements']).toContain(flawOf(ask(CMD, body)))
    if (typeof body === 'string') expect(body).not.toBe(CURVE)
  })
  test('what a real client sends besides is understood: two prefixes for SOAP, unused namespaces, character references', () => {
    const body = CURVE.replaceAll('soapenv:Body', 'ns1:Body')
      .replace(
        '<soapenv:Envelope',
        '<soapenv:Envelope xmlns:ns1="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"',
      )
      .replace(POINT, '&#57;9999000000017')
    expect(accessOf(ask(CMD, body)).access.meter).toBe(`prm:${POINT}`)
  })
  test('a byte order mark before the document', () => {
    const asked = ask(CMD, Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), Buffer.from(CURVE)]))
    expect(['envelope', undefined]).toContain(flawOf(asked))
  })
})
