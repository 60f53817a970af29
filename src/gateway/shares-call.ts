/**
 * What a client may read, by the registry: the list with which a client of Data Connect 2026 learns, after a consent,
 * which meter it was given. Answered here; the data holder is not called, and nothing of other clients is in it.
 */
import type { SharesAsked } from '../providers/adapter.ts'
import type { Exchange } from './pipeline.ts'
import { unavailable } from './pipeline.ts'
import type { Gate } from './ports.ts'
import { send } from './respond.ts'

export async function answerSharesCall(gate: Gate, exchange: Exchange, asked: SharesAsked): Promise<void> {
  const { adapter } = exchange.route
  if (!adapter.showShares) throw new TypeError('a list was asked of an interface that has none')
  try {
    const held = await gate.state.heldShares(exchange.client.id, asked.about, exchange.caller.set)
    send(gate, exchange, adapter.showShares(asked, held), null, null)
  } catch (error) {
    gate.log.error({ err: error }, 'the shares of a client could not be looked up')
    unavailable(gate, exchange)
  }
}
