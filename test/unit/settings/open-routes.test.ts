/** Open routes of a settings file: what is accepted, and each way in which one could lead to data of a person, refused at its place. */
import { describe, expect, test } from 'vitest'
import { TOKEN_PATHS } from '../../../src/providers/grdf-adict/adict.ts'
import { BASE } from '../../../src/providers/grdf-adict/series.ts'
import { SERVED_PATHS } from '../../../src/providers/enedis-data-connect/data-connect.ts'
import { SERVICES } from '../../../src/providers/enedis-sge/sge.ts'
import { TOKEN_PREFIX } from '../../../src/gateway/identify.ts'
import { DEVICE_CODE_PATH, DEVICE_TOKEN_PATH, V1_TOKEN_PATH } from '../../../src/portal/oauth/compat.ts'
import { JOURNEY, ROUTES } from '../../../src/portal/oauth/provider.ts'
import { isIndividual, isTaken } from '../../../src/settings/open-routes.ts'
import { parseSettings } from '../../../src/settings/settings.ts'
import { SMALL, told } from './given.ts'

const ROUTE = 'id: grdf, path: /open/grdf, to: https://opendata.grdf.fr/api/explore/v2.1'
/** Mistakes of routes, one flow map a line from line 47 on: its keys begin at column 7. */
function said(...routes: readonly string[]): string[] {
  return told(parseSettings(`${SMALL}open_routes:\n${routes.map((route) => `  - { ${route} }\n`).join('')}`))
}
const withKeys = (keys: string): string => `id: a, path: /open/a, to: https://opendata.example.fr${keys}`

test('a route is accepted, and what it does not say has a bound', () => {
  const parsed = parseSettings(`${SMALL}open_routes:\n  - { ${ROUTE} }\n`)
  expect(parsed.ok && parsed.settings.openRoutes).toStrictEqual([
    {
      id: 'grdf',
      path: '/open/grdf',
      to: 'https://opendata.grdf.fr/api/explore/v2.1',
      allowPrivate: false,
      connections: 16,
      requestsPerMinute: 600,
      timeouts: { connectSeconds: 5, headersSeconds: 30, bodySeconds: 30, totalSeconds: 300, slowClientSeconds: 60, idleSeconds: 120 },
      maxAnswerBytes: 268_435_456,
      websocket: false,
      subprotocols: [],
      maxSockets: 100,
    },
  ])
})

test('without the section there is none', () => {
  const parsed = parseSettings(SMALL)
  expect(parsed.ok && parsed.settings.openRoutes).toBeUndefined()
})

const PATH = 'expected a path such as /open/grdf: letters, digits, dot, dash and underscore, no final slash'
const OF_PERSONS = 'leads to an interface for data of persons: an open route leads to open data only'
const TO = 'open_routes[0].to'

test.each<[string, string, string[]]>([
  ['a path without a slash', ROUTE.replace('/open/grdf', 'open'), [`48:23 open_routes[0].path: ${PATH}`]],
  ['the root', ROUTE.replace('/open/grdf', '/'), [`48:23 open_routes[0].path: ${PATH}`]],
  ['a final slash', ROUTE.replace('/open/grdf', '/open/'), [`48:23 open_routes[0].path: ${PATH}`]],
  ['a step up', ROUTE.replace('/open/grdf', '/open/..'), [`48:23 open_routes[0].path: ${PATH}`]],
  ['a percent sign', ROUTE.replace('/open/grdf', '/open/%41'), [`48:23 open_routes[0].path: ${PATH}`]],
  ['a target in clear', ROUTE.replace('https:', 'http:'), [`48:39 ${TO}: expected https: plain http is for loopback addresses only`]],
  ['a target of another scheme', ROUTE.replace('https:', 'ftp:'), [`48:39 ${TO}: expected https://HOST, with :PORT where needed`]],
  [
    'a target with a query',
    ROUTE.replace('v2.1', 'v2.1?x=1'),
    [`48:39 ${TO}: expected no user name, query or fragment, and no final slash`],
  ],
  [
    'a target that a parser would change',
    ROUTE.replace('explore', 'explore/../x'),
    [`48:39 ${TO}: expected a path of letters, digits, dot, dash and underscore, such as /api/explore/v2.1`],
  ],
  [
    'a private target',
    withKeys('').replace('opendata.example.fr', '10.0.0.1'),
    [`48:33 ${TO}: a private address: set 'allow_private: true' if this is a simulator`],
  ],
  ['an address', withKeys('').replace('opendata.example.fr', '192.0.2.1'), [`48:33 ${TO}: expected the name of a host, not an address`]],
  ['a method', withKeys(', methods: [POST]'), ["48:62 open_routes[0].methods: unknown key 'methods'"]],
  ['no bound at all', withKeys(', requests_per_minute: 0'), ['48:83 open_routes[0].requests_per_minute: must be at least 1']],
  [
    'text for a switch',
    withKeys(', websocket: "on"'),
    ['48:73 open_routes[0].websocket: expected true or false, found text: write it without quotes or unit'],
  ],
])('%s is a mistake', (_name, route, mistakes) => {
  expect(said(route)).toStrictEqual(mistakes)
})

describe('two routes', () => {
  test.each<[string, string, string, string[]]>([
    ['of one path', '/open/a', '/open/a', ['49:20 open_routes[1].path: overlaps the path of open_routes[0]: choose one beside it']],
    ['one below the other', '/open', '/open/a', ['49:20 open_routes[1].path: overlaps the path of open_routes[0]: choose one beside it']],
    [
      'one above the other',
      '/open/a/b',
      '/open/a',
      ['49:20 open_routes[1].path: overlaps the path of open_routes[0]: choose one beside it'],
    ],
    ['side by side', '/open/a', '/open/ab', []],
  ])('%s', (_name, first, second, mistakes) => {
    const route = (id: string, path: string): string => `id: ${id}, path: ${path}, to: https://opendata.example.fr`
    expect(said(route('a', first), route('b', second))).toStrictEqual(mistakes)
  })

  test('of one id', () => {
    expect(said(withKeys(''), withKeys('').replace('/open/a', '/open/b'))).toStrictEqual([
      "49:11 open_routes[1].id: 'a' is taken by open_routes[0]: choose another",
    ])
  })
})

test('no path of a data holder, of the OAuth server or of a page can be one of an open route, nor any beside it', () => {
  const pages = ['consent', 'device', 'me', 'receipts', 'link', 'assets', 'dataconnect', 'franceconnect'].map((first) => `/${first}/x`)
  const oauth = [...Object.values(ROUTES), JOURNEY, DEVICE_CODE_PATH, DEVICE_TOKEN_PATH, V1_TOKEN_PATH, '/.well-known/openid-configuration']
  const served = [
    ...SERVED_PATHS,
    ...SERVICES.map(({ path }) => path),
    `${BASE}/pce/1/x`,
    ...TOKEN_PATHS,
    ...pages,
    ...oauth,
    `${TOKEN_PREFIX}x/y`,
  ]
  expect(served.length).toBeGreaterThan(50)
  expect(served.filter((path) => !isTaken(path))).toStrictEqual([])
  expect(['/open/grdf', '/opendata', '/portal/enedis'].filter(isTaken)).toStrictEqual([])
})

test.each(['/adict/v2', '/adict', '/metering_data_dc', '/data/open', '/ConsultationMesures', '/with-token', '/me/open', '/oauth2', '/v5'])(
  'the path %s is taken',
  (path) => {
    const [mistake = ''] = said(ROUTE.replace('/open/grdf', path))
    expect(mistake).toBe('48:23 open_routes[0].path: the gate serves paths that begin so itself: choose another, such as /open/…')
  },
)

test.each([
  'ext.hml.api.enedis.fr',
  'gw.ext.prod.api.enedis.fr',
  'api.enedis.fr',
  'sge-ws.enedis.fr',
  'sge-homologation-b2b.enedis.fr',
  'SGE-WS.ENEDIS.FR',
  'sge-ws.enedis.fr.',
  'mon-compte-particulier.enedis.fr',
  'enedis.fr',
  'api.grdf.fr',
  'adict-connexion.grdf.fr',
  'sofit-sso-oidc.grdf.fr',
  'api.opendata.grdf.fr',
  'opendata.grdf.fr.api.grdf.fr',
  'conso.boris.sh',
  'www.myelectricaldata.fr',
])('the host %s is none of open data', (host) => {
  expect(isIndividual(new URL(`https://${host}`).hostname)).toBe(true)
  expect(said(withKeys('').replace('opendata.example.fr', host))).toStrictEqual([`48:33 ${TO}: ${OF_PERSONS}`])
})

test.each(['opendata.grdf.fr', 'opendata.enedis.fr', 'data.enedis.fr', 'odre.opendatasoft.com', 'opendata.example.fr'])(
  'the host %s is one',
  (host) => {
    expect(said(withKeys('').replace('opendata.example.fr', host))).toStrictEqual([])
  },
)

test('no host that the settings name for something else is a target, whatever its port', () => {
  const text = (to: string) =>
    `${SMALL.replace('https://gw.ext.prod.api.enedis.fr', 'https://holder.example.fr')}open_routes:\n  - { id: a, path: /open/a, to: '${to}' }\n`
  for (const to of ['https://holder.example.fr', 'https://holder.example.fr:8443/open', 'https://HOLDER.example.fr.'])
    expect(told(parseSettings(text(to)))).toStrictEqual([
      `48:33 ${TO}: leads to the host of 'providers.enedis-data-connect.url': an open route leads to open data only`,
    ])
  expect(told(parseSettings(text('https://other.example.fr')))).toStrictEqual([])
})

test('on one machine, simulators are told apart by their ports', () => {
  const holder = 'http://127.0.0.1:7001\n    allow_private: true'
  const text = (to: string) =>
    `${SMALL.replace('https://gw.ext.prod.api.enedis.fr', holder)}open_routes:\n  - { id: a, path: /open/a, to: '${to}', allow_private: true }\n`
  expect(told(parseSettings(text('http://localhost:7001')))).toHaveLength(1)
  expect(told(parseSettings(text('http://127.0.0.1:7002')))).toStrictEqual([])
})
