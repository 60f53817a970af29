/**
 * Intents, outcomes and refusals on PostgreSQL: all of one moment in one statement (`access_batch`), which takes the
 * locks, checks and records, and is over when it returns. Each batch of a log has a number; asked again under the same
 * number, because the connection broke before the answer came, the database gives the answer of the first time.
 *
 * An intent shares the locks of its client and of the client's permissions on the meter with other intents; one on a line
 * that recurs holds the latter alone, because what it may read depends on what others have read. An act holds them alone.
 */
import { logOf } from '../domain/position.ts'
import type { PermissionId } from '../domain/permission.ts'
import type { Millis } from '../domain/time.ts'
import type { Journal } from '../storage/journal.ts'
import type { LockName, Row, Value } from '../storage/database.ts'
import type { Logs } from '../storage/logs.ts'
import { lockKey } from '../storage/postgres.ts'
import type { IntentArgs, IntentResult, OutcomeArgs, RefusedArgs, RefusedResult, Settled, StaleBecause } from './access.ts'

export type AccessCall =
  | { readonly is: 'intent'; readonly args: IntentArgs }
  | { readonly is: 'outcome'; readonly args: OutcomeArgs }
  | { readonly is: 'refused'; readonly args: RefusedArgs }
export type AccessAnswer = IntentResult | RefusedResult | Settled

/** A batch as it is sent, and sent again. */
export interface Batch {
  readonly number: number
  readonly calls: readonly AccessCall[]
  readonly values: readonly Value[]
}

export interface AccessBatches {
  /** The next one of this log, made from the journal as it stands. */
  of(calls: readonly AccessCall[]): Batch
  /** Sends it; throws where the connection breaks, and may then be called again with the same one. */
  send(batch: Batch): readonly AccessAnswer[]
}

type Query = (sql: string, ...values: readonly Value[]) => readonly Row[]

interface Answered {
  readonly at: number
  readonly next: Readonly<Record<string, number>>
  readonly answers: readonly Readonly<Record<string, unknown>>[]
}

/** @param now a time in place of the database's own, for tests that move it */
export function accessBatchesOn(
  query: Query,
  journal: Journal,
  logs: Logs,
  permissionToken: (id: string) => string,
  now?: (call: AccessCall) => Millis,
): AccessBatches {
  let log = -1
  let last = 0
  /** Each log's batches have numbers of their own. */
  function reload(): void {
    log = journal.log
    last = Number(query('SELECT batch FROM log WHERE id = $1', log)[0]?.['batch'] ?? 0)
  }
  reload()
  return {
    of(calls) {
      if (journal.log !== log) reload()
      const own = calls.map((call) => asSent(call, journal, permissionToken))
      const involved = [...new Set(own.map((call) => call.log))]
      const heads = {
        at: journal.instant(0 as Millis),
        ...(now && calls[0] && { now: now(calls[0]) }),
        ...Object.fromEntries(involved.map((id) => [id, journal.next(id)])),
      }
      const origins = Object.fromEntries(involved.map((id) => [id, logs.originOf(id)]))
      const values = [log, last + 1, JSON.stringify(own), JSON.stringify(heads), JSON.stringify(origins)]
      return { number: last + 1, calls, values }
    },
    send({ number, calls, values }) {
      const [row] = query('SELECT access_batch($1, $2, $3::jsonb, $4::jsonb, $5::jsonb) AS answer', ...values)
      if (!row) throw new Error('the database gave no answer to a batch')
      const { at, next, answers } = row['answer'] as unknown as Answered // made by the function
      last = number
      for (const [id, n] of Object.entries(next)) if (n > journal.next(Number(id))) journal.wrote(Number(id), n, at as Millis)
      return answers.map((answer, i) => asAnswered(calls[i] as AccessCall, answer, at as Millis, journal))
    },
  }
}

interface Sent {
  readonly log: number
  readonly [field: string]: unknown
}

function asSent({ is, args }: AccessCall, journal: Journal, permissionToken: (id: string) => string): Sent {
  switch (is) {
    case 'intent': {
      const { fields, permission, recurrence, client, meterToken, first } = args
      const alone = recurrence !== null
      return {
        is,
        log: first !== null && journal.writes(logOf(first)) ? logOf(first) : journal.log,
        locks: [lockOf([client, meterToken], alone), lockOf([client, null], false)],
        token: hex(args.tokenHash),
        client,
        purpose: fields.clear['purpose'],
        permission: permission.id,
        version: permission.version,
        scopeHash: permission.scopeHash,
        generation: args.generation,
        meter: hex(meterToken),
        injection: args.injection,
        req: args.req,
        call: args.call,
        line: recurrence?.line ?? null,
        once: recurrence?.once === true ? 1 : 0,
        from: recurrence?.period?.from ?? null,
        until: recurrence?.period?.until ?? null,
        seen: JSON.stringify(recurrence?.seen ?? []),
        row: journal.text(fields),
        index: JSON.stringify([Buffer.from(meterToken).toString('hex'), permissionToken(permission.id)]),
      }
    }
    case 'outcome': {
      const { fields, intent, delivered, asked, over } = args
      return { is, log: logOf(intent), locks: [], intent, row: journal.text(fields), delivered, asked, over }
    }
    case 'refused': {
      const { fields, client, meter, record } = args
      return {
        is,
        log: journal.log,
        // It is decided on the permissions as they are: no act may be half done.
        locks: [lockOf([client, null], false), ...(meter === null ? [] : [lockOf([client, meter.token], false)])],
        token: hex(args.tokenHash),
        client,
        meter: meter === null ? null : hex(meter.token),
        generation: meter?.generation ?? null,
        record,
        row: journal.text(fields),
      }
    }
  }
}

function asAnswered({ is }: AccessCall, answer: Readonly<Record<string, unknown>>, at: Millis, journal: Journal): AccessAnswer {
  if (answer['is'] === 'stale') return is === 'intent' ? { is: 'stale', why: answer['why'] as StaleBecause } : { is: 'stale' }
  if (answer['is'] === 'confirmed') return { is: 'confirmed' }
  const n = Number(answer['n'])
  const entry = journal.nameOf(n)
  if (is === 'intent') return { is: 'recorded', n, entry, at }
  if (is === 'refused') return { is: 'recorded', n, entry }
  return { n, entry, permission: answer['permission'] as PermissionId, counted: answer['counted'] as readonly PermissionId[] }
}

function lockOf(name: LockName, alone: boolean): readonly [string, boolean] {
  return [lockKey(name), alone]
}

/** As PostgreSQL reads bytes from a text. */
function hex(bytes: Uint8Array): string {
  return `\\x${Buffer.from(bytes).toString('hex')}`
}
