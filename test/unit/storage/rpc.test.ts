/** The queue to the owner of the state: its order, its bounds by count, size and age, and what is never refused. */
import { EventEmitter } from 'node:events'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { MessageChannel } from 'node:worker_threads'
import type { Worker } from 'node:worker_threads'
import { afterEach, expect, test } from 'vitest'
import type { Unit } from '../../../src/storage/database.ts'
import type { QueueLimits, StateClient } from '../../../src/storage/rpc.ts'
import { CallError, Refused, inOneTransaction, serveCalls, stateClient } from '../../../src/storage/rpc.ts'

type Batch = readonly (readonly [id: number, name: string, args: unknown])[]

/** An owner that answers when the test says so. */
class SlowOwner extends EventEmitter {
  readonly batches: Batch[] = []
  postMessage(batch: Batch): void {
    this.batches.push(batch)
  }
  /** Answers the batch that is out, each call with its own name. */
  answer(): void {
    const batch = this.batches.at(-1) ?? []
    this.emit('message', {
      answers: batch.map(([id, name]) => [id, true, name]),
      gauges: { journalRows: 7, entries: 3, commitMs: 1 },
    })
  }
}

const GAUGES = { journalRows: 0, entries: 0, commitMs: 0, origin: 'a/b', vkey: 'v' }
const ROOMY: QueueLimits = { rows: 1000, bytes: 1_000_000, ageMs: 10_000 }
const FULL = { name: 'CallError', fault: 'full', message: 'too many calls wait for the state' }

function held(limits: Partial<QueueLimits> = {}): { owner: SlowOwner; client: StateClient; fatal: string[] } {
  const owner = new SlowOwner()
  const fatal: string[] = []
  const client = stateClient(
    owner as unknown as Worker,
    { ...ROOMY, ...limits },
    { urgent: new Set(['outcome']) },
    GAUGES,
    (why) => void fatal.push(why),
  )
  return { owner, client, fatal }
}

test('whatever came during one commit is the next batch', async () => {
  const { owner, client } = held()
  const first = client.call('a', {})
  await sleep(1)
  const others = ['b', 'c', 'd'].map((name) => client.call(name, {}))
  await sleep(1)
  expect(owner.batches.map((batch) => batch.map((call) => call[1]))).toStrictEqual([['a']])
  expect(client.queued).toBe(3)
  owner.answer()
  expect(await first).toBe('a')
  expect(owner.batches.map((batch) => batch.map((call) => call[1]))).toStrictEqual([['a'], ['b', 'c', 'd']])
  owner.answer()
  expect(await Promise.all(others)).toStrictEqual(['b', 'c', 'd'])
  expect(client.gauges).toStrictEqual({ journalRows: 7, entries: 3, commitMs: 1 })
})

test.each([
  ['by count', { rows: 2 }, {}],
  ['by size: texts', { bytes: 200 }, { text: 'x'.repeat(100) }],
  ['by size: bytes, however deep', { bytes: 200 }, { list: [{ hash: new Uint8Array(100) }] }],
])('a full queue refuses %s, never what is urgent, and takes calls again by itself', async (_name, limits, args) => {
  const { owner, client } = held(limits)
  const out = client.call('out', args)
  await sleep(1)
  const waiting = [client.call('intent', args), client.call('intent', args)]
  expect(client.full).toBe(true)
  await expect(client.call('intent', args)).rejects.toMatchObject(FULL)
  const outcome = client.call('outcome', args)
  owner.answer()
  await out
  expect(client.full).toBe(false)
  owner.answer()
  expect(await Promise.all([...waiting, outcome])).toStrictEqual(['intent', 'intent', 'outcome'])
  const again = client.call('intent', args)
  await sleep(1)
  owner.answer()
  expect(await again).toBe('intent')
})

test('what the owner has not got within the age is taken back and refused; what is urgent stays', async () => {
  const { owner, client } = held({ ageMs: 60 })
  const out = client.call('out', {})
  await sleep(1)
  const waiting = client.call('intent', {})
  const outcome = client.call('outcome', {})
  expect(client.full).toBe(false)
  await expect(waiting).rejects.toMatchObject(FULL)
  expect(client.full).toBe(true)
  await expect(client.call('intent', {})).rejects.toMatchObject(FULL)
  owner.answer()
  // The intent that was refused never reaches the owner: nobody would make its call.
  expect(owner.batches[1]?.map((call) => call[1])).toStrictEqual(['outcome'])
  expect(await out).toBe('out')
  owner.answer()
  expect(await outcome).toBe('outcome')
  expect(client.full).toBe(false)
})

test('a fatal owner fails all that wait, once, and every later call', async () => {
  const { owner, client, fatal } = held()
  const calls = [client.call('a', {}), client.call('outcome', {})]
  await sleep(1)
  owner.emit('message', { fatal: 'disk I/O error' })
  owner.emit('exit', 1)
  for (const call of calls) await expect(call).rejects.toMatchObject({ fault: 'down', message: 'disk I/O error' })
  await expect(client.call('outcome', {})).rejects.toThrow(CallError)
  expect(client.down).toBe('disk I/O error')
  expect(fatal).toStrictEqual(['disk I/O error'])
})

test('an owner whose thread ends is down', async () => {
  const { owner, client, fatal } = held()
  const call = client.call('a', {})
  owner.emit('exit', 0)
  await expect(call).rejects.toMatchObject({ fault: 'down' })
  expect(fatal).toStrictEqual(['the thread that owns the state has ended'])
})

const open: MessageChannel[] = []
afterEach(() => {
  for (const channel of open.splice(0)) channel.port1.close()
})

/** The owner's side on a real port, with what it does to its transaction written down. */
function served(unit: Partial<Unit> = {}): { send(...calls: Batch): Promise<unknown>; did: string[]; fatal: unknown[] } {
  const channel = new MessageChannel()
  open.push(channel)
  const did: string[] = []
  const fatal: unknown[] = []
  const steps = ['begin', 'commit', 'savepoint', 'release', 'rollbackTo'] as const
  const whole = Object.fromEntries(steps.map((step) => [step, () => void did.push(step)])) as unknown as Unit
  serveCalls(
    channel.port1,
    inOneTransaction(
      {
        intent: (args: { readonly n: number }) => args.n,
        note: () => 'noted',
        no: () => {
          throw new Refused('not this one')
        },
        broken: () => {
          throw new Error('disk I/O error')
        },
        misread: (args: { readonly list: readonly string[] }) => args.list.map((each) => each.length),
        stored: ({ value }: { readonly value: unknown }) => new DatabaseSync(':memory:').prepare('SELECT ?').get(value as string),
        doubled: () => new DatabaseSync(':memory:').exec('CREATE TABLE t (a PRIMARY KEY); INSERT INTO t VALUES (1), (1)'),
      },
      { ...whole, ...unit },
    ),
    {
      after: () => void did.push('after'),
      stopped: () => fatal.length > 0,
      fatal: (error) => void fatal.push(error),
      gauges: (commitMs) => ({ ...GAUGES, commitMs }),
    },
  )
  return {
    did,
    fatal,
    async send(...calls) {
      const answered = new Promise((resolve) => channel.port2.once('message', resolve))
      channel.port2.postMessage(calls)
      const silence = sleep(200).then(() => 'silence')
      return Promise.race([answered, silence])
    },
  }
}

test('one transaction for a batch; the answers leave after its commit', async () => {
  const { send, did } = served()
  expect(await send([1, 'intent', { n: 5 }], [2, 'note', {}])).toMatchObject({
    answers: [
      [1, true, 5],
      [2, true, 'noted'],
    ],
  })
  expect(did).toStrictEqual(['begin', 'savepoint', 'release', 'commit', 'after'])
})

test('a refusal rolls back its own changes and no others', async () => {
  const { send, did, fatal } = served()
  expect(await send([1, 'no', {}], [2, 'intent', { n: 1 }], [3, 'nothing of this name', {}])).toMatchObject({
    answers: [
      [1, false, 'not this one'],
      [2, true, 1],
      [3, false, 'no procedure nothing of this name'],
    ],
  })
  expect(did).toStrictEqual(['begin', 'savepoint', 'rollbackTo', 'commit', 'after'])
  expect(fatal).toStrictEqual([])
})

test.each([
  ['misread', {}],
  ['misread', null],
  ['stored', { value: { no: 'column' } }],
  ['doubled', {}],
])('%s %j: arguments that no procedure takes cost that call, and nobody else', async (name, args) => {
  const { send, did, fatal } = served()
  expect(await send([1, name, args], [2, 'intent', { n: 1 }])).toMatchObject({
    answers: [
      [1, false, expect.any(String)],
      [2, true, 1],
    ],
  })
  expect(did).toStrictEqual(['begin', 'savepoint', 'rollbackTo', 'commit', 'after'])
  expect(fatal).toStrictEqual([])
})

test('a hot procedure never refuses by throwing: there, such an error is final too', async () => {
  const { send, fatal } = served()
  expect(await send([1, 'intent', null])).toBe('silence')
  expect(fatal).toMatchObject([{ name: 'TypeError' }])
})

test('an error in a procedure or in the commit is final: no answer, and nothing is tried again', async () => {
  const procedure = served()
  expect(await procedure.send([1, 'intent', { n: 1 }], [2, 'broken', {}])).toBe('silence')
  expect(procedure.did).toStrictEqual(['begin', 'savepoint'])
  expect(procedure.fatal).toMatchObject([{ message: 'disk I/O error' }])
  // SQLite itself would take the next one.
  expect(await procedure.send([3, 'intent', { n: 1 }])).toBe('silence')
  expect(procedure.did).toStrictEqual(['begin', 'savepoint'])
  const commit = served({
    commit: () => {
      throw new Error('database or disk is full')
    },
  })
  expect(await commit.send([1, 'intent', { n: 1 }])).toBe('silence')
  expect(commit.did).toStrictEqual(['begin'])
  expect(commit.fatal).toMatchObject([{ message: 'database or disk is full' }])
})
