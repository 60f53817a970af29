/** Journeys as tickets: found by their id, and by the `state` with which the browser comes back. */
import { randomBytes } from 'node:crypto'
import type { PortalParts } from '../ports.ts'
import type { Journey } from './journey.ts'

export interface Journeys {
  put(journey: Journey): Promise<void>
  get(id: string): Promise<Journey | undefined>
  /** Whose way to Enedis had this `state`; once. A second time it is `used`. */
  comeBack(state: string): Promise<Journey | 'used' | undefined>
  newId(): string
}

const KIND = 'journey'
const STATE = 'journey state'

export function journeysOf({ state, settings, now }: Pick<PortalParts, 'state' | 'settings' | 'now'>): Journeys {
  const ttlSeconds = settings.journeyMinutes * 60
  const found = (ticket: { payload: string } | null): Journey | undefined =>
    ticket === null ? undefined : (JSON.parse(ticket.payload) as Journey)
  const journeys: Journeys = {
    newId: () => randomBytes(24).toString('base64url'),
    async put(journey) {
      await state.call('ticketPut', { kind: KIND, id: journey.id, payload: JSON.stringify(journey), ttlSeconds, now: now() })
      if (journey.sent && !journey.back && !journey.end)
        await state.call('ticketPut', { kind: STATE, id: journey.sent.state, payload: journey.id, ttlSeconds, now: now() })
    },
    async get(id) {
      if (!/^[A-Za-z0-9_-]{32}$/.test(id)) return undefined
      return found(await state.call<{ payload: string } | null>('ticketGet', { kind: KIND, id, now: now() }))
    },
    async comeBack(text) {
      if (text.length > 100) return undefined
      const ticket = await state.call<{ payload: string } | null>('ticketGet', { kind: STATE, id: text, now: now() })
      if (ticket === null) return undefined
      const first = await state.call<boolean>('ticketConsume', { kind: STATE, id: text, now: now() })
      return first ? journeys.get(ticket.payload) : 'used'
    },
  }
  return journeys
}
