/** The store under oidc-provider: what it keeps, what it does not, and what may be used once. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Millis } from '../../../../src/domain/time.ts'
import type { ClientId, PurposeCode } from '../../../../src/domain/permission.ts'
import { adapterOf } from '../../../../src/portal/oauth/adapter.ts'
import { hashOf } from '../../../../src/portal/oauth/bearer.ts'
import { credentialOf, grantsOn } from '../../../../src/portal/oauth/grants.ts'
import type { OAuthState } from '../../../../src/portal/oauth/ports.ts'
import type { Stores } from '../../../contract/stores.ts'
import { NOW, sqliteStores } from '../../../contract/stores.ts'
import { aTree, declare, permit, VIRIYA } from '../../../contract/given.ts'
import { aClient } from './given.ts'

let stores: Stores
let now: number = NOW
const ended: string[] = []
beforeAll(async () => {
  stores = await sqliteStores()
  await declare(stores)
})
afterAll(() => stores.close())

function adapters() {
  const state = stores as unknown as OAuthState
  const told = (hash: Uint8Array): Promise<void> => {
    ended.push(Buffer.from(hash).toString('hex'))
    return Promise.resolve()
  }
  const parts = { issuer: 'https://gate.test', state, now: () => now as Millis, ended: told }
  const grants = grantsOn(parts)
  return {
    grants,
    of: adapterOf({
      ...parts,
      client: (id) => (id === 'viriya' ? aClient('viriya') : undefined),
      keysOf: () => undefined,
      tokens: () => ({ ttlSeconds: 60, perCredentialCap: 20 }),
      endGrant: (grantId) => grants.end(undefined, grantId),
    }),
  }
}

test('is found by id, uid and user code, until it ends', async () => {
  const adapter = adapters().of('DeviceCode')
  const payload = { jti: 'id-1', uid: 'uid-1', userCode: 'BCDFGHJK', clientId: 'viriya' }
  await adapter.upsert('id-1', payload, 60)
  for (const found of [adapter.find('id-1'), adapter.findByUid('uid-1'), adapter.findByUserCode('BCDFGHJK')])
    expect(await found).toStrictEqual(payload)
  expect(await adapters().of('AuthorizationCode').find('id-1'), 'of another kind').toBeUndefined()
  now = NOW + 3_660_000 - 1
  expect(await adapter.find('id-1'), 'remembered for a while, to be told as over').toBeDefined()
  now = NOW + 3_660_000
  expect(await adapter.find('id-1')).toBeUndefined()
  now = NOW
})

test('the second use ends the grant: its tokens, its codes, and itself', async () => {
  await permit(stores, aTree('adapter-1'))
  const { of } = adapters()
  await of('Grant').upsert('grant-1', { jti: 'grant-1', clientId: 'viriya' }, 600)
  await of('AuthorizationCode').upsert('code-1', { jti: 'code-1', grantId: 'grant-1' }, 60)
  await of('RefreshToken').upsert('refresh-1', { jti: 'refresh-1', grantId: 'grant-1' }, 600)
  await of('RefreshToken').upsert('refresh-2', { jti: 'refresh-2', grantId: 'grant-2' }, 600)
  await stores.tokens.record({
    value: 'access-1',
    client: VIRIYA,
    purpose: 'self_view' as PurposeCode,
    permissions: null,
    credential: credentialOf('grant-1'),
    ttlSeconds: 60,
    cap: 5,
    now: NOW,
  })
  await of('AuthorizationCode').consume('code-1')
  expect(await of('AuthorizationCode').find('code-1')).toMatchObject({ consumed: true })
  expect(await stores.tokens.identify({ hash: hashOf('access-1') })).toBeDefined()
  await expect(of('AuthorizationCode').consume('code-1')).rejects.toThrow('invalid_grant')
  expect(await stores.tokens.identify({ hash: hashOf('access-1') })).toBeUndefined()
  expect(ended).toStrictEqual([hashOf('access-1').toString('hex')])
  for (const [kind, id] of [
    ['Grant', 'grant-1'],
    ['AuthorizationCode', 'code-1'],
    ['RefreshToken', 'refresh-1'],
  ] as const)
    expect(await of(kind).find(id), kind).toBeUndefined()
  expect(await of('RefreshToken').find('refresh-2'), 'of another grant').toBeDefined()
})

test('of two uses at once one succeeds', async () => {
  const { of } = adapters()
  await of('RefreshToken').upsert('once', { jti: 'once' }, 60)
  const uses = await Promise.allSettled([1, 2, 3].map(() => of('RefreshToken').consume('once')))
  expect(uses.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
})

test('no session is ever found again, and clients are those of the settings', async () => {
  const { of } = adapters()
  await of('Session').upsert('s', { jti: 's', uid: 'u' }, 60)
  expect([await of('Session').find('s'), await of('Session').findByUid('u')]).toStrictEqual([undefined, undefined])
  expect(await of('Client').find('viriya')).toMatchObject({ client_id: 'viriya', token_endpoint_auth_method: 'client_secret_basic' })
  expect(await of('Client').find('nobody')).toBeUndefined()
})

test('an access token that is given back ends in the registry, its client’s alone', async () => {
  const { of } = adapters()
  const record = (value: string) =>
    stores.tokens.record({
      value,
      client: 'office' as ClientId,
      purpose: 'solar_sizing' as PurposeCode,
      permissions: null,
      credential: 'crd_1',
      ttlSeconds: 60,
      cap: 5,
      now: NOW,
    })
  await record('back-1')
  await of('ClientCredentials').upsert('back-1', { jti: 'back-1', clientId: 'office' }, 60)
  await of('ClientCredentials').destroy('back-1')
  expect(await stores.tokens.identify({ hash: hashOf('back-1') })).toBeUndefined()
  expect(ended.at(-1)).toBe(hashOf('back-1').toString('hex'))
  await expect(of('ClientCredentials').destroy('back-1')).resolves.toBeUndefined()
})
