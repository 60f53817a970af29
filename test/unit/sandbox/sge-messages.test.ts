/** The simulated SGE takes each example of its services, answers in the shape of the examples, and refuses what does not fit. */
import { describe, expect, test } from 'vitest'
import type { SgeServiceName } from '../../../src/sandbox/sge-operations.ts'
import type { Sender } from './sge-given.ts'
import { aSender, cadm, cmd, example, HOUSE, inside, LOGIN, pathOf, SGE_TODAY, ways } from './sge-given.ts'

type Before = (sender: Sender) => Promise<Readonly<Record<string, string>>>
type Example = readonly [SgeServiceName, request: string, answer: string, Before]
const asItIs: Before = async () => ({})

/** Opens what the example stops, or reads by. */
const ordered =
  (...types: readonly string[]): Before =>
  async ({ send, sandbox }: Sender) => {
    for (const type of types) await send('CADM', cadm(type))
    const [first = '', second = ''] = sandbox.sge
      .services()
      .slice(1)
      .map(({ serviceSouscritId }) => serviceSouscritId)
    return types.length === 2 ? { '70012001': first, '70012002': second } : { '70010042': first }
  }
const EXAMPLES: readonly Example[] = [
  ['CMD', 'cmd-v3-request-courbe', 'cmd-v3-response-courbe', asItIs],
  ['CMD', 'cmd-v3-request-energie', 'cmd-v3-response-energie', asItIs],
  ['CMD', 'cmd-v3-request-pmax', '', async (sender) => (await ordered('PMAX')(sender), {})],
  ['CMD_V2', 'cmd-v2-request', 'cmd-v2-response', async () => ({ '2023-05-01': '2026-03-02', '2023-05-08': '2026-03-09' })],
  ['CM', 'cm-v11-request', 'cm-v11-response', asItIs],
  ['CDTC', 'cdtc-v1-request', 'cdtc-v1-response', asItIs],
  ['RP', 'rp-v2-request', '', asItIs],
  ['RSA', 'rsa-v1-request', '', asItIs],
  ['SAD', 'sad-v1-request', 'sad-v1-response', asItIs],
  ['ASAD', 'asad-v1-request', 'asad-v1-response', ordered('CDC', 'IDX')],
  ['CADM', 'cadm-v1-request', 'cadm-v1-response', async () => ({ '2026-03-10': SGE_TODAY })],
  ['CASSM', 'cassm-v1-request', 'cassm-v1-response', ordered('CDC')],
]

test.each(EXAMPLES)('%s: %s is accepted, and %s is within the shape of the answer', async (service, request, answer, before) => {
  const sender = await aSender()
  const replaced = await before(sender)
  const { status, text, headers } = await sender.send(service, example(request, replaced))
  expect({ status, text: status === 200 ? '' : text }).toStrictEqual({ status: 200, text: '' })
  expect(headers.get('content-type')).toBe('text/xml; charset=utf-8')
  if (answer === '') return
  const [ours, theirs] = [ways(text), ways(example(answer))]
  // All that the example has, in its order.
  expect(ours.filter((way) => theirs.includes(way))).toStrictEqual(theirs)
})

test('the answer of the index service is in the shape of the example', async () => {
  const { send } = await aSender()
  const { text } = await send('CMD', cmd({ type: 'INDEX', physique: 'EA', from: '2026-03-02', until: '2026-03-04' }))
  expect(ways(text)).toStrictEqual(ways(example('cmd-v3-response-index')))
})

test('RSA lists an ordered service in the shape of the example', async () => {
  const { send } = await aSender()
  await send('SAD', example('sad-v1-request'))
  const { text } = await send('RSA', example('rsa-v1-request'))
  const missing = ways(example('rsa-v1-response')).filter((way) => !ways(text).includes(way))
  expect(missing).toStrictEqual([])
})

test.each(['fault-no-consent-consultation', 'fault-no-consent-order', 'fault-period', 'fault-no-access-service'])(
  '%s is in the shape of a fault of ours',
  async (name) => {
    const { send } = await aSender()
    const { status, text } = await send('CMD', cmd({ pointId: '99999000000000' }))
    expect(status).toBe(500)
    expect(ways(example(name)).filter((way) => !ways(text).includes(way))).toStrictEqual([])
  },
)

describe('what does not fit is a malformed message', () => {
  const rightCmd = cmd()
  const sad = example('sad-v1-request')
  const cm = example('cm-v11-request')
  const moved = (text: string, first: RegExp, second: RegExp): string => {
    const [a = '', b = ''] = [first.exec(text)?.[0], second.exec(text)?.[0]]
    return text.replace(a, '§').replace(b, a).replace('§', b)
  }
  const without = (text: string, name: string): string => text.replace(new RegExp(`<${name}>[^<]*</${name}>`), '')
  test.each<readonly [string, SgeServiceName, string, where: string]>([
    ['no XML', 'CMD', 'hello', 'XML'],
    ['nothing', 'CMD', '', 'XML'],
    ['an element left open', 'CMD', rightCmd.replace('</demande>', ''), 'XML'],
    ['an unknown prefix', 'CMD', rightCmd.replace('<demande>', '<x:demande>').replace('</demande>', '</x:demande>'), 'XML'],
    ['a DOCTYPE', 'CMD', `<!DOCTYPE x>${rightCmd}`, 'XML'],
    ['an entity', 'CMD', `<!DOCTYPE x [<!ENTITY p "${HOUSE}">]>${rightCmd.replace(HOUSE, '&p;')}`, 'XML'],
    ['a processing instruction', 'CMD', rightCmd.replace('<demande>', '<?x y?><demande>'), 'XML'],
    ['another encoding', 'CMD', `<?xml version="1.0" encoding="ISO-8859-1"?>${rightCmd}`, 'XML'],
    ['far too deep', 'CMD', rightCmd.replace('<demande>', `${'<a>'.repeat(9000)}${'</a>'.repeat(9000)}<demande>`), 'XML'],
    [
      'SOAP 1.2',
      'CMD',
      rightCmd.replace('http://schemas.xmlsoap.org/soap/envelope/', 'http://www.w3.org/2003/05/soap-envelope'),
      'Envelope',
    ],
    ['no Body', 'CMD', '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"/>', 'Envelope/Body'],
    ['two Bodies', 'CMD', rightCmd.replace('</s:Envelope>', '<s:Body/></s:Envelope>'), 'Envelope'],
    ['an empty Body', 'CMD', rightCmd.replace(/<s:Body>[\s\S]*<\/s:Body>/, '<s:Body/>'), 'Body'],
    ['two operations', 'CMD', rightCmd.replace(/<c:[\s\S]*V3>/, (all) => all + all), 'Body'],
    ['another service’s operation', 'CMD', cm, 'Body/consulterMesuresDetailleesV3'],
    ['the older namespace', 'CMD', rightCmd.replace('/common', '/v3.0'), 'Body/consulterMesuresDetailleesV3'],
    ['an order in sge/b2b', 'SAD', sad.replace('/sge/ws/', '/sge/b2b/'), 'Body/commanderServicesAccesDonnees'],
    ['a qualified child', 'CMD', rightCmd.replaceAll('demande>', 'c:demande>'), 'consulterMesuresDetailleesV3/demande'],
    ['a default namespace', 'CM', cm.replace('<cm:consulterMesures>', '<cm:consulterMesures xmlns="urn:x">'), 'consulterMesures/pointId'],
    ['an attribute', 'CMD', rightCmd.replace('<pointId>', '<pointId x="1">'), 'consulterMesuresDetailleesV3/demande/pointId/@x'],
    ['text beside elements', 'CMD', rightCmd.replace('<demande>', '<demande>x'), 'consulterMesuresDetailleesV3/demande'],
    [
      'a wrong order',
      'CMD',
      moved(rightCmd, /<dateDebut>.*?<\/dateDebut>/, /<dateFin>.*?<\/dateFin>/),
      'consulterMesuresDetailleesV3/demande/dateDebut',
    ],
    [
      'dateFin after the declaration',
      'SAD',
      moved(sad, /<dateFin>.*?<\/dateFin>/, /<sens>.*?<\/sens>/),
      'commanderServicesAccesDonnees/demande/donneesGenerales/dateFin',
    ],
    ['no cadreAcces', 'CMD', without(rightCmd, 'cadreAcces'), 'consulterMesuresDetailleesV3/demande/cadreAcces'],
    ['no accord', 'SAD', without(sad, 'accord'), 'commanderServicesAccesDonnees/demande/donneesGenerales/declarationAccordClient/accord'],
    [
      'a pointId twice',
      'CMD',
      rightCmd.replace('<pointId>', `<pointId>${HOUSE}</pointId><pointId>`),
      'consulterMesuresDetailleesV3/demande/mesuresTypeCode',
    ],
    [
      'an element too many',
      'CM',
      cm.replace('</cm:', '<autorisationClient>true</autorisationClient></cm:'),
      'consulterMesures/autorisationClient',
    ],
    ['an unknown cadreAcces', 'CMD', cmd({ cadre: 'TOUT_VA_BIEN' }), 'consulterMesuresDetailleesV3/demande/cadreAcces'],
    ['an unknown kind', 'CMD', cmd({ type: 'COURBES' }), 'consulterMesuresDetailleesV3/demande/mesuresTypeCode'],
    ['13 digits', 'CMD', cmd({ pointId: '9999900000001' }), 'consulterMesuresDetailleesV3/demande/pointId'],
    ['a blank before the meter', 'CMD', cmd({ pointId: ` ${HOUSE}` }), 'consulterMesuresDetailleesV3/demande/pointId'],
    ['a line end after the meter', 'CMD', cmd({ pointId: `${HOUSE}\n` }), 'consulterMesuresDetailleesV3/demande/pointId'],
    ['an element within the meter', 'CMD', cmd({ pointId: `${HOUSE}<b/>` }), 'consulterMesuresDetailleesV3/demande/pointId'],
    ['a day that is none', 'CMD', cmd({ from: '2026-02-30' }), 'consulterMesuresDetailleesV3/demande/dateDebut'],
    ['a moment for a day', 'CMD', cmd({ from: '2026-03-02T00:00:00' }), 'consulterMesuresDetailleesV3/demande/dateDebut'],
    ['yes for true', 'CMD', cmd({ corrected: 'oui' }), 'consulterMesuresDetailleesV3/demande/mesuresCorrigees'],
    ['a step of curves', 'CMD', cmd({ pas: 'PT30M' }), 'consulterMesuresDetailleesV3/demande/mesuresPas'],
    ['a contract of 16 characters', 'CM', cm.replace('1234567<', '1234567890123456<'), 'consulterMesures/contratId'],
    [
      'a login that is no address',
      'CM',
      cm.replace(`<loginDemandeur>${LOGIN}</loginDemandeur>\n      <contratId>`, '<loginDemandeur>operateur</loginDemandeur><contratId>'),
      'consulterMesures/loginDemandeur',
    ],
    [
      'an unknown civilite',
      'SAD',
      sad.replace('>Mme<', '>Madame<'),
      'commanderServicesAccesDonnees/demande/donneesGenerales/declarationAccordClient/personnePhysique/civilite',
    ],
    [
      'both persons',
      'SAD',
      sad.replace(
        '</personnePhysique>',
        '</personnePhysique><personneMorale><denominationSociale>X</denominationSociale></personneMorale>',
      ),
      'commanderServicesAccesDonnees/demande/donneesGenerales/declarationAccordClient/personneMorale',
    ],
    [
      'both authorisations',
      'CM',
      cm.replace('<autorisationClient>', '<contratConcluNouveauClientSurSite>true</contratConcluNouveauClientSurSite><autorisationClient>'),
      'consulterMesures/autorisationClient',
    ],
    [
      'an empty list of services',
      'SAD',
      sad.replace(/<servicesSouscrits>[\s\S]*<\/servicesSouscrits>/, '<servicesSouscrits/>'),
      'commanderServicesAccesDonnees/demande/servicesSouscrits/serviceSouscrit',
    ],
    ['no header', 'CM', cm.replace(/<soapenv:Header>[\s\S]*<\/soapenv:Header>/, ''), 'Header/entete'],
    ['an empty header', 'CM', cm.replace(/<tec:entete>[\s\S]*<\/tec:entete>/, ''), 'Header/entete'],
    ['a header where there is none', 'CMD', rightCmd.replace('<s:Body>', '<s:Header><x xmlns="urn:x"/></s:Header><s:Body>'), 'Header'],
    ['another header', 'CM', cm.replaceAll('tec:entete', 'tec:enteteP'), 'Header/entete'],
    ['another version', 'CM', cm.replace('<version>1.1', '<version>1.0'), 'entete/version'],
    [
      'another meter in the header',
      'CM',
      cm.replace('<infoDemandeur>', '<infoFonctionnelles><pointId>99999000000025</pointId></infoFonctionnelles><infoDemandeur>'),
      'entete/infoFonctionnelles/pointId',
    ],
    [
      'an order of another object',
      'CADM',
      cadm('CDC').replace('>AME<', '>ASS<'),
      'commanderAccesDonneesMesures/demande/donneesGenerales/objetCode',
    ],
  ])('%s', async (_name, service, envelope, where) => {
    const { send, sandbox } = await aSender()
    const { status, text, code } = await send(service, envelope)
    expect({ status, code }).toStrictEqual({ status: 500, code: 'SGT562' })
    expect(inside(text, 'commentaire').text).toBe(where)
    expect(sandbox.sge.services()).toHaveLength(1)
  })

  test.each(['application/soap+xml; charset=utf-8', 'application/xml', 'text/xml; charset=iso-8859-1', 'text/xmlx'])(
    'as %s',
    async (type) => {
      const { send } = await aSender()
      expect(await send('CMD', cmd(), { 'Content-Type': type })).toMatchObject({ status: 500, code: 'SGT562' })
    },
  )

  test('more than SGE reads', async () => {
    const { send } = await aSender()
    expect(await send('CMD', `${cmd()}${' '.repeat(200_000)}`)).toMatchObject({ status: 500, code: 'SGT562' })
  })
})

test.each([
  ['a comment in the meter', cmd({ pointId: '9999<!-- -->9000000017' })],
  ['CDATA', cmd({ pointId: `<![CDATA[${HOUSE}]]>` })],
  ['a day with an offset', cmd({ from: '2026-03-02+01:00', until: '2026-03-09Z' })],
  ['blanks around a day and a boolean', cmd({ from: ' 2026-03-02 ', corrected: '\n0 ' })],
  ['a byte order mark', `\uFEFF${cmd()}`],
  [
    'two prefixes for SOAP',
    cmd().replaceAll('s:Body>', 'n:Body>').replace('<n:Body>', '<n:Body xmlns:n="http://schemas.xmlsoap.org/soap/envelope/">'),
  ],
  ['an empty header', cmd().replace('<s:Body>', '<s:Header/><s:Body>')],
])('what the schema allows is taken: %s', async (_name, envelope) => {
  const { send } = await aSender()
  expect((await send('CMD', envelope)).status).toBe(200)
})

test('whoever is at a wrong address or asks otherwise than by POST is refused before SGE', async () => {
  const { sandbox } = await aSender()
  const asked = async (path: string, method: string): Promise<number> => (await fetch(`${sandbox.url}${path}`, { method })).status
  expect(await asked('/ConsultationMesuresDetaillees/v4.0', 'POST')).toBe(403)
  expect(await asked('/Autre/v1.0', 'GET')).toBe(403)
  expect(await asked(pathOf('CMD'), 'GET')).toBe(405)
})

describe('accounts', () => {
  const other = { login: 'autre@example.org', contratId: '7654321' }
  test.each([
    ['an unknown login', 'CM', example('cm-v11-request', { [LOGIN]: 'inconnu@example.org' }), 'login'],
    ['another contract', 'CM', example('cm-v11-request', { '1234567': '7654321' }), 'contratId'],
    [
      'another login in the header',
      'CM',
      example('cm-v11-request').replace(LOGIN, 'autre@example.org'),
      'entete/infoDemandeur/loginDemandeur',
    ],
    ['an unknown login of measures', 'CMD', cmd().replace(LOGIN, 'x'), 'login'],
    ['another contract in a block', 'CADM', cadm('CDC').replace('1234567', '7654321'), 'contratId'],
  ] as const)('%s is refused', async (_name, service, envelope, where) => {
    const { send } = await aSender()
    const { status, code, text } = await send(service, envelope)
    expect({ status, code }).toStrictEqual({ status: 500, code: 'SGT400' })
    expect(inside(text, 'commentaire').text).toBe(where)
  })

  test('each has its own contract', async () => {
    const { send } = await aSender({ sgeAccounts: [{ login: LOGIN, contratId: '1234567' }, other] })
    expect((await send('CM', example('cm-v11-request', { [LOGIN]: other.login, '1234567': other.contratId }))).status).toBe(200)
    expect((await send('CM', example('cm-v11-request', { [LOGIN]: other.login }))).code).toBe('SGT400')
  })

  test('HTTP Basic is asked for where an account has it, and names the account', async () => {
    const basic = { user: 'gate', password: 'a:secret' }
    const { send, sandbox } = await aSender({
      sgeAccounts: [
        { login: LOGIN, contratId: '1234567', basic },
        { ...other, basic: { user: 'x', password: 'y' } },
      ],
    })
    const as = (pair: string) => ({ Authorization: `Basic ${Buffer.from(pair).toString('base64')}` })
    expect((await send('CMD', cmd())).status).toBe(401)
    expect((await send('CMD', cmd(), as('gate:wrong'))).status).toBe(401)
    expect((await send('CMD', cmd(), as('x:y'))).code).toBe('SGT400')
    expect((await send('CMD', cmd(), as('gate:a:secret'))).status).toBe(200)
    expect(sandbox.sge.calls().at(-1)?.headers['authorization']).toBe('Basic')
  })
})
