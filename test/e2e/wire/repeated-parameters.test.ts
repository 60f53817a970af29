/**
 * GRDF's `filtre`, the one parameter that may stand more than once: it comes through as a closed list, is asked for in an
 * order of the gate's own, and strips the answer. Whatever else stands twice, there or elsewhere, is refused unheard.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { TestGate } from '../../harness/gate.ts'
import { aGate } from '../../harness/gate.ts'
import { answer } from '../../harness/holder.ts'
import type { Tree } from '../../harness/settings.ts'
import { METER, today } from '../../harness/settings.ts'
import type { WireAnswer } from '../../harness/wire.ts'
import { headerOf, wire } from '../../harness/wire.ts'
import { fixture, PCE, text } from '../../unit/grdf-adict/given.ts'
import { ask, head, recordedBy } from './given.ts'

let gate: TestGate
let token: string
beforeAll(async () => {
  gate = await aGate({
    change(tree) {
      const providers = tree['providers'] as Record<string, Tree>
      const url = providers['enedis-data-connect']?.['url'] as string
      providers['grdf-adict'] = {
        url,
        token_url: `${url}/oauth2/v3/token`,
        allow_private: true,
        accounts: [
          {
            id: 'grdf-adict',
            client_id: 'gas',
            client_secret: { env: 'TEST_ENEDIS_SECRET' },
            quota: { per_second: 1000, per_day: 1_000_000 },
          },
        ],
      }
      for (const purpose of tree['purposes'] as Tree[]) purpose['kinds'] = [...(purpose['kinds'] as string[]), 'technical_data']
      tree['rules'] = [{ id: 'all', purpose: '*', kind: '*', provider: '*' }]
      const [viriya] = tree['clients'] as [Tree]
      viriya['identifies_by'] = ['bearer', 'path']
    },
  })
  // Whatever it is asked for, GRDF sends the whole contract.
  gate.holder.script = (_request, socket) => answer(socket, 200, text(fixture('contractuelles')))
  const lines = ['contract_data', 'technical_data'].map((kind) => ({ kind, direction: 'n_a', finest: 'TOTAL', purpose: 'self_view' }))
  const daily = { kind: 'daily_energy', direction: 'withdrawal', finest: 'P1D', purpose: 'self_view', from: today(-50), until: today(0) }
  await gate.permit({ id: 'gas', meter: `pce:${PCE}`, provider: 'grdf-adict', lines: [...lines, daily] }, { id: 'p1' })
  token = await gate.token()
})
afterAll(async () => {
  await gate.stop()
  await gate.holder.close()
})

const POINT = `/adict/v2/pce/${PCE}`
const CONTRACT = `${POINT}/donnees_contractuelles`
async function told(request: string): Promise<WireAnswer> {
  const line = await wire(gate.port)
  line.send(request)
  const given = await line.next()
  line.end()
  return given
}

test.each([
  ['?filtre=tarif_acheminement&filtre=car', '?filtre=car&filtre=tarif_acheminement', ['car', 'tarif_acheminement']],
  ['?filtre=%64ate_mes', '?filtre=date_mes', ['date_mes']],
  ['', '', ['date_mes', 'tarif_acheminement', 'car', 'profil']],
])('«%s» is asked for as «%s», and gives %o', async (query, sent, names) => {
  const { status, body } = await told(ask(token, CONTRACT + query))
  expect(status).toBe(200)
  expect(gate.holder.calls.at(-1)?.target).toBe(CONTRACT + sent)
  expect(Object.keys((JSON.parse(body) as { donnees_contractuelles: object }).donnees_contractuelles)).toStrictEqual(names)
})

test('so it is below a token in the address', async () => {
  const given = await told(head(`GET /with-token/${token}${CONTRACT}?filtre=cja&filtre=car HTTP/1.1`, 'Host: gate.test'))
  expect(given.status).toBe(200)
  expect(gate.holder.calls.at(-1)?.target).toBe(`${CONTRACT}?filtre=car&filtre=cja`)
})

test('a part that GRDF has nothing of is no data, and no empty answer', async () => {
  const entries = await recordedBy(gate, async () => {
    const given = await told(ask(token, `${CONTRACT}?filtre=cja`))
    expect([given.status, given.body]).toStrictEqual([404, expect.stringContaining('"code":"1000008"')])
  })
  expect(entries).toMatchObject([{ t: 'access.intent' }, { t: 'access.outcome', result: 'no_data', bytes: 0 }])
})

const [from, until] = [today(-20), today(-18)]
test.each([
  ['an equal value', `${CONTRACT}?filtre=car&filtre=car`],
  ['an equal value, written otherwise', `${CONTRACT}?filtre=car&filtre=%63ar`],
  ['another name twice', `${CONTRACT}?filtre=car&x=1&x=2`],
  ['another name twice, equal', `${CONTRACT}?filtre=car&filtre=cja&x=1&x=1`],
  ['the name in capitals twice', `${CONTRACT}?Filtre=car&Filtre=cja`],
  ['filters of technical data', `${POINT}/donnees_techniques?filtre=car&filtre=cja`],
  ['filters of readings', `${POINT}/donnees_consos_informatives?date_debut=${from}&date_fin=${until}&filtre=car&filtre=cja`],
  ['a day of gas twice', `${POINT}/donnees_consos_informatives?date_debut=${from}&date_debut=${from}&date_fin=${until}`],
  ['a path that is nearly that one', `${CONTRACT}/?filtre=car&filtre=cja`],
  ['filters of another data holder', `/mesure_synchrone_auto/v2/consommation_quotidienne?filtre=car&filtre=cja`],
  [
    'a meter twice',
    `/mesure_synchrone_auto/v2/consommation_quotidienne?pointId=${METER}&pointId=${METER}&dateDebut=${from}&dateFin=${until}`,
  ],
])('%s is refused before anybody is identified', async (_what, target) => {
  const calls = gate.holder.calls.length
  const entries = await recordedBy(gate, async () => {
    const given = await told(ask(token, target))
    expect([given.status, headerOf(given, 'ecluse-reason'), headerOf(given, 'connection')]).toStrictEqual([400, 'malformed', 'close'])
  })
  expect(entries).toStrictEqual([])
  expect(gate.holder.calls).toHaveLength(calls)
})

test.each(['filtre=adresse', 'filtre=car&filtre=adresse', 'filtre=', 'filtre=car,cja'])(
  '«%s» is malformed, and on record',
  async (query) => {
    const calls = gate.holder.calls.length
    const entries = await recordedBy(gate, async () => {
      const given = await told(ask(token, `${CONTRACT}?${query}`))
      expect([given.status, headerOf(given, 'ecluse-reason')]).toStrictEqual([400, 'malformed'])
    })
    expect(entries).toMatchObject([{ t: 'access.refused' }])
    expect(gate.holder.calls).toHaveLength(calls)
  },
)
