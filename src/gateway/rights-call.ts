/**
 * What a client asks about services and rights that a data holder has open: those of its own permissions are told, and
 * ended. Of others nothing is told, not even that they exist. An end is queued before it is asked of the data holder, so
 * that it is asked on where that does not answer.
 */
import type { StopAsked } from '../providers/adapter.ts'
import type { MeterId } from '../domain/meter.ts'
import type { Exchange } from './pipeline.ts'
import { refuse, unavailable } from './pipeline.ts'
import type { Gate } from './ports.ts'
import { send } from './respond.ts'

const ASK_AGAIN_SECONDS = 30

export async function answerRightsCall(gate: Gate, exchange: Exchange, meters: 'all' | readonly MeterId[]): Promise<void> {
  const { adapter, id: provider } = exchange.route
  if (!adapter.showRights) throw new TypeError('rights were asked of an interface that has none')
  const { client, set } = exchange.caller
  try {
    const found = await gate.rights.of({ client, set, provider, meters })
    if (found === 'none') return await refuse(gate, exchange, null, 'route', { reason: 'no_permission' })
    if (found === 'unknown')
      return await refuse(gate, exchange, null, 'holder', { reason: 'holder_down', retryAfterSeconds: ASK_AGAIN_SECONDS })
    send(gate, exchange, adapter.showRights(exchange.form, found), null, null)
  } catch (error) {
    gate.log.error({ err: error }, 'the rights of a client could not be looked up')
    unavailable(gate, exchange)
  }
}

export async function answerStopCall(gate: Gate, exchange: Exchange, asked: StopAsked): Promise<void> {
  const { adapter, id: provider } = exchange.route
  if (!adapter.showStopped) throw new TypeError('an end was asked of an interface that has none')
  const { client, set } = exchange.caller
  // What takes room in the evidence waits with everything else.
  if (!gate.state.ready) return unavailable(gate, exchange)
  try {
    const stopped = await gate.rights.stop({ client, set, provider, ...asked, credential: exchange.identity.credential })
    if (stopped === 'none') return await refuse(gate, exchange, null, 'route', { reason: 'no_permission' })
    exchange.entry = { n: stopped.n, name: stopped.entry }
    if (stopped.ended) return send(gate, exchange, adapter.showStopped(exchange.form, stopped.ended), null, stopped.entry)
    const refusal = { reason: 'holder_down', retryAfterSeconds: ASK_AGAIN_SECONDS } as const
    send(gate, exchange, adapter.refuse(exchange.form, exchange.client.denialStyle, refusal), 'holder_down', stopped.entry)
  } catch (error) {
    gate.log.error({ err: error }, 'an end that a client asked for could not be recorded')
    unavailable(gate, exchange)
  }
}
