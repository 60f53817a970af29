/**
 * The request path of the gate as it is, with a state that keeps nothing: token and permissions stand in memory, an
 * intent and an outcome resolve at once. What it costs more than the bare proxy is identifying, deciding, filtering;
 * what `ecluse serve` costs more than this is evidence.
 *
 * `node gate-without-evidence.ts TOKEN CONFIG < PERMISSIONS`; prints its port as a line of JSON. PERMISSIONS: the text of
 * an import.
 */
import { randomUUID } from 'node:crypto'
import { text } from 'node:stream/consumers'
import type { ClientId, PermissionId } from '../../src/domain/permission.ts'
import type { MeterId } from '../../src/domain/meter.ts'
import type { Millis } from '../../src/domain/time.ts'
import { listen } from '../../src/gateway/listener.ts'
import { decisionWatch } from '../../src/gateway/decision-watch.ts'
import { handle } from '../../src/gateway/pipeline.ts'
import type { Gate, Live } from '../../src/gateway/ports.ts'
import { refusalBudget } from '../../src/gateway/refusals.ts'
import { underWay } from '../../src/gateway/under-way.ts'
import { dataHoldersOf } from '../../src/holders.ts'
import { parseImport } from '../../src/permissions/import.ts'
import { meterTokenOf, scopeHashOf } from '../../src/permissions/registry.ts'
import type { Identity } from '../../src/permissions/tokens.ts'
import { tokenHash } from '../../src/permissions/tokens.ts'
import { routesOf } from '../../src/routes.ts'
import { loggerTo } from '../../src/runtime/logger.ts'
import { metricsOf } from '../../src/runtime/metrics.ts'
import { placesBehind } from '../../src/runtime/place.ts'
import { readSettings } from '../../src/settings/settings.ts'

const [, , token = '', config = ''] = process.argv
const accepted = await readSettings(config, process.env)
if (!accepted.ok) throw new Error(JSON.stringify(accepted.mistakes))
const { settings } = accepted
const log = loggerTo('error', 'bench', process.stderr)
const live: Live = {
  policy: accepted.policy,
  policyHash: accepted.policyHash,
  clients: new Map(settings.clients.map((client) => [client.id, client])),
  tokenTtlSeconds: settings.tokens.ttlSeconds,
  tokensPerCredential: settings.tokens.perCredentialCap,
}
const imported = parseImport(await text(process.stdin), {
  unverified: true,
  policy: accepted.policy,
  clients: new Map(settings.clients.map((c) => [c.id, c.purpose])),
  accounts: new Set(dataHoldersOf(settings).flatMap(([id, { accounts }]) => accounts.map((account) => `${id}/${account.id}`))),
})
if (!imported.ok) throw new Error(JSON.stringify(imported.mistakes))
const views = new Map(
  imported.drafts.map(({ id, version, content }) => [
    content.meter,
    {
      generation: 1,
      permissions: [
        {
          id: id as PermissionId,
          version,
          meter: content.meter,
          scope: content.scope,
          scopeHash: scopeHashOf(content.scope),
          status: 'active' as const,
          head: 'bench.localhost/journal/2026/1',
          bindings: content.bindings,
          deliveries: [],
        },
      ],
    },
  ]),
)
const identity: Identity = {
  client: 'viriya' as ClientId,
  purpose: live.clients.get('viriya' as ClientId)?.purpose ?? ('' as Identity['purpose']),
  set: 'all',
  expiresAt: (Date.now() + 86_400_000) as Millis,
  disabled: false,
  credential: 'bench',
}
const identities = new Map([[tokenHash(token).toString('base64'), identity]])
const meterTokens = new Map<MeterId, Buffer>()
let entries = 0
const metrics = metricsOf()
const routes = await routesOf(settings, process.env, log)
const gate: Gate = {
  placeOf: placesBehind([]),
  live: () => live,
  rights: { of: () => Promise.resolve('none'), stop: () => Promise.resolve('none') },
  state: {
    ready: true,
    identify: (hash) => Promise.resolve(identities.get(hash.toString('base64'))),
    views: (_client, meter) => Promise.resolve(views.get(meter) ?? { generation: 0, permissions: [] }),
    holderOf: () => Promise.resolve(null),
    meterToken(meter) {
      const known = meterTokens.get(meter) ?? meterTokenOf(Buffer.alloc(32), meter)
      meterTokens.set(meter, known)
      return known
    },
    intent: ({ now }) => Promise.resolve({ is: 'recorded', n: (entries += 1), entry: `bench.localhost/journal/2026/${entries}`, at: now }),
    outcome: () => Promise.resolve({ entry: `bench.localhost/journal/2026/${(entries += 1)}` }),
    refused: () => Promise.resolve({ is: 'confirmed' }),
    keptDays: () => Promise.resolve(null),
    keepDays: () => Promise.resolve(),
    exchange: () => Promise.resolve(undefined),
    tokenFor: () => Promise.resolve(undefined),
    heldShares: () => Promise.resolve([]),
    holderRefused: () => Promise.resolve(),
  },
  routeOf: routes.of,
  refusals: refusalBudget(),
  underWay: underWay(),
  metrics,
  log,
  now: () => Date.now() as Millis,
  newId: randomUUID,
  draining: () => false,
  people: undefined,
  watch: decisionWatch(metrics, log),
  maxTarget: 2048,
}
const listener = await listen(
  settings.listeners.gate,
  (message, res) => {
    handle(gate, message, res).catch((error: unknown) => {
      log.error({ err: error }, 'a request failed')
      res.destroy()
    })
  },
  () => undefined,
)
process.stdout.write(`${JSON.stringify({ port: listener.port })}\n`)
