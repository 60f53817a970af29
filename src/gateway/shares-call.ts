/**
 * What a client may read, by the registry: the list with which a client of Data Connect 2026 learns, after a consent,
 * which meter it was given. Answered here; the data holder is not called, and nothing of other clients is in it.
 */
import type { IncomingMessage } from 'node:http'
import type { Canonical } from './canonical.ts'
import type { Exchange } from './pipeline.ts'
import { refuse, unavailable } from './pipeline.ts'
import type { Gate } from './ports.ts'
import { readBody } from './read-body.ts'
import { send } from './respond.ts'

/** A thousand meters and what stands around them. */
const MAX_BODY = 32_768

export async function answerSharesCall(gate: Gate, exchange: Exchange, canonical: Canonical, message: IncomingMessage): Promise<void> {
  const { adapter } = gate.route
  if (canonical.wantsContinue) exchange.res.writeContinue()
  const body = await readBody(message, MAX_BODY)
  const asked = body === undefined || canonical.wire.query.size > 0 ? undefined : adapter.readShares(body)
  if (!asked) return refuse(gate, exchange, null, 'route', { reason: 'malformed', flaw: 'shares' })
  try {
    const held = await gate.state.heldShares(exchange.client.id, asked.about, exchange.caller.set)
    send(gate, exchange, adapter.showShares(asked, held), null, null)
  } catch (error) {
    gate.log.error({ err: error }, 'the shares of a client could not be looked up')
    unavailable(gate, exchange)
  }
}
