/**
 * The access rights that third parties hold at the simulated GRDF, and what becomes of them: accepted or refused by the
 * holder, revoked, over, checked. The one state of the simulator; every answer about a right comes from here.
 *
 * What the calendar does to a right is done whenever it is looked at: it ends with its last day, and a company that has
 * not answered for two days has accepted. A person who never answers stays asked for ever: no source gives an end.
 */
import { randomBytes, randomUUID } from 'node:crypto'
import type { Day, Millis } from '../domain/time.ts'
import { addDays, parisDay, startOfDay } from '../domain/time.ts'
import type { AdictPoint, Holder } from './adict-points.ts'
import { BOILER_PCE, HOUSE_PCE, pointOf } from './adict-points.ts'
import { dayOf } from './meters.ts'

export const ROLES = [
  'AUTORISE_CONTRAT_FOURNITURE',
  'DETENTEUR_CONTRAT_FOURNITURE',
  'AUTORISE_CONTRAT_INJECTION',
  'DETENTEUR_CONTRAT_INJECTION',
] as const
export type Role = (typeof ROLES)[number]
/** The four switches of a right; `published` opens injections as well. */
export const FAMILIES = ['published', 'informative', 'contract', 'technical'] as const
export type Family = (typeof FAMILIES)[number]

/** `to_check`: what begins and ends it is not known; nothing here leads to it but an order. */
export const RIGHT_STATES = ['to_validate', 'active', 'to_check', 'refused', 'revoked', 'obsolete'] as const
export type RightState = (typeof RIGHT_STATES)[number]
export type ProofState = 'awaited' | 'being_checked' | 'ok' | 'ko'

/** What a third party declares, or a test orders. */
export interface Declaration {
  readonly pce: string
  readonly role: Role
  readonly holder: Holder
  readonly postcode: string
  readonly email: string | null
  readonly phone: string | null
  /** When one may call; the last day is included. */
  readonly validFrom: Day
  readonly validUntil: Day
  /** Which gas days may be read, the last included (no source says so, but one day alone may be declared); null: all. */
  readonly dataFrom: Day | null
  readonly dataUntil: Day | null
  readonly families: readonly Family[]
}
export interface AdictRight extends Declaration {
  readonly id: string
  readonly clientId: string
  readonly createdAt: Millis
  readonly state: RightState
  /** Of a right that is refused, revoked or obsolete. `move`: the holder has left the point; `end`: it was over. */
  readonly ended: { readonly at: Millis; readonly by: 'holder' | 'third_party' | 'end' | 'move' } | null
  readonly journey: 'TIERS_DIRECT' | 'CLIENT_CONNECT'
  readonly proof: {
    readonly state: ProofState
    readonly deadline: Day
    readonly files: readonly { readonly name: string; readonly bytes: number }[]
  } | null
  /** The end of the address of the mail to the holder: `/adict/mail/…`; null where nobody was asked. */
  readonly mail: string | null
}

export interface AdictOrder {
  readonly pce: string
  /** Absent: the first client. */
  readonly clientId?: string | undefined
  /** Absent: authorised by the holder, on the contract that the point has. */
  readonly role?: Role | undefined
  /** Absent: from today, for a year; the last day included. */
  readonly validFrom?: Day | undefined
  readonly validUntil?: Day | undefined
  /** Absent: three years back, and until the right ends; the last day included. */
  readonly dataFrom?: Day | undefined
  readonly dataUntil?: Day | undefined
  /** Absent: all four. */
  readonly families?: readonly Family[] | undefined
  /** Absent: active. */
  readonly state?: 'to_validate' | 'active' | 'to_check' | undefined
  readonly journey?: AdictRight['journey'] | undefined
}

export interface Rights {
  /** In order of their creation. */
  all(): readonly AdictRight[]
  of(clientId: string): readonly AdictRight[]
  byMail(token: string): AdictRight | undefined
  /** Asks the holder, unless the third party is the holder. */
  declare(clientId: string, declaration: Declaration): AdictRight
  order(order: AdictOrder): AdictRight
  /** The following are false where the right is not there, or not such that it can be done. */
  accept(id: string): boolean
  refuse(id: string): boolean
  revoke(id: string, by: 'holder' | 'third_party'): boolean
  askProof(id: string, deadline?: Day): boolean
  takeProof(id: string, files: readonly { readonly name: string; readonly bytes: number }[]): boolean
  judgeProof(id: string, outcome: 'ok' | 'ko'): boolean
  /** False where GRDF knows no such point. What came before is no longer the new holder's to give. */
  moveOut(pce: string): boolean
  holderOf(point: AdictPoint): Holder
  /** The first day of the contract that the point has now. */
  contractSince(point: AdictPoint): Day
}

const SILENT_COMPANY_MS = 2 * 86_400_000
/** Twenty working days. */
const DAYS_FOR_A_PROOF = 28

export function rightsOf(clientIds: readonly string[], now: () => number): Rights {
  const rights: AdictRight[] = []
  const moved = new Map<string, { readonly on: Day; readonly times: number }>()
  const at = (): Millis => now() as Millis
  const today = (): Day => parisDay(at())

  /** @param only of those that are so, else nothing is changed */
  function change(id: string, only: (right: AdictRight) => boolean, made: (right: AdictRight) => AdictRight): boolean {
    const right = all().find((one) => one.id === id)
    if (!right || !only(right)) return false
    rights[rights.indexOf(right)] = made(right)
    return true
  }
  function all(): readonly AdictRight[] {
    rights.forEach((right, i) => {
      rights[i] = settled(right, at())
    })
    return [...rights]
  }
  function add(clientId: string, declaration: Declaration, said: Pick<AdictRight, 'id' | 'state' | 'journey'>): AdictRight {
    const mail = said.state === 'to_validate' ? randomBytes(18).toString('base64url') : null
    const right: AdictRight = { ...declaration, ...said, clientId, createdAt: at(), ended: null, proof: null, mail }
    rights.push(right)
    return settled(right, at())
  }
  function order(wanted: AdictOrder, id: string = randomUUID()): AdictRight {
    const point = pointOf(wanted.pce)
    const clientId = wanted.clientId ?? clientIds[0]
    if (!point) throw new RangeError('no such point')
    if (clientId === undefined || !clientIds.includes(clientId)) throw new RangeError('no such client')
    const validFrom = wanted.validFrom ?? today()
    const validUntil = wanted.validUntil ?? addDays(validFrom, 365)
    const declaration: Declaration = {
      pce: point.pce,
      role: wanted.role ?? (point.way === 'injects' ? 'AUTORISE_CONTRAT_INJECTION' : 'AUTORISE_CONTRAT_FOURNITURE'),
      holder: holderOf(point),
      postcode: point.postcode,
      email: mailOf(holderOf(point)),
      phone: '0600000000',
      validFrom,
      validUntil,
      dataFrom: wanted.dataFrom ?? addDays(today(), -1095),
      dataUntil: wanted.dataUntil ?? validUntil,
      families: FAMILIES.filter((family) => wanted.families?.includes(family) ?? true),
    }
    return add(clientId, declaration, { id, state: wanted.state ?? 'active', journey: wanted.journey ?? 'TIERS_DIRECT' })
  }
  function holderOf(point: AdictPoint): Holder {
    const { times = 0 } = moved.get(point.pce) ?? {}
    if (times === 0) return point.holder
    return { is: point.holder.is, name: point.holder.is === 'person' ? `SUIVANT CAMILLE ${times}` : `REPRENEUR EXEMPLE SA ${times}` }
  }
  const isWaiting = ({ state }: AdictRight): boolean => state === 'to_validate'
  const isOpen = ({ state }: AdictRight): boolean => state === 'to_validate' || state === 'active' || state === 'to_check'

  if (clientIds.length > 0) {
    for (const [i, pce] of [HOUSE_PCE, BOILER_PCE].entries()) {
      const days = { validFrom: addDays(today(), -100), validUntil: addDays(today(), 200), dataFrom: addDays(today(), -400) }
      order({ pce, ...days }, `00000000-0000-4000-8000-00000000000${i + 1}`)
    }
  }
  return {
    all,
    of: (clientId) => all().filter((right) => right.clientId === clientId),
    byMail: (token) => all().find(({ mail }) => mail === token),
    declare: (clientId, declaration) =>
      add(clientId, declaration, {
        id: randomUUID(),
        state: declaration.role.startsWith('DETENTEUR') ? 'active' : 'to_validate',
        journey: 'TIERS_DIRECT',
      }),
    order: (wanted) => order(wanted),
    accept: (id) => change(id, isWaiting, (right) => ({ ...right, state: 'active' })),
    refuse: (id) => change(id, isWaiting, (right) => ({ ...right, state: 'refused', ended: { at: at(), by: 'holder' } })),
    revoke: (id, by) => change(id, isOpen, (right) => ({ ...right, state: 'revoked', ended: { at: at(), by } })),
    askProof: (id, deadline = addDays(today(), DAYS_FOR_A_PROOF)) =>
      change(id, isOpen, (right) => ({ ...right, proof: { state: 'awaited', deadline, files: [] } })),
    takeProof: (id, files) =>
      change(
        id,
        ({ proof }) => proof?.state === 'awaited' || proof?.state === 'being_checked',
        (right) => ({
          ...right,
          proof: right.proof && { ...right.proof, state: 'being_checked', files: [...right.proof.files, ...files] },
        }),
      ),
    judgeProof: (id, outcome) =>
      change(
        id,
        ({ proof }) => proof !== null,
        (right) => ({ ...right, proof: right.proof && { ...right.proof, state: outcome } }),
      ),
    moveOut(pce) {
      if (!pointOf(pce)) return false
      moved.set(pce, { on: today(), times: (moved.get(pce)?.times ?? 0) + 1 })
      for (const right of all()) {
        if (right.pce !== pce) continue
        change(right.id, isOpen, (open) => ({ ...open, state: 'obsolete', ended: { at: at(), by: 'move' } }))
      }
      return true
    },
    holderOf,
    contractSince: (point) => moved.get(point.pce)?.on ?? dayOf(point.commissioned, today()),
  }
}

function settled(right: AdictRight, at: Millis): AdictRight {
  if (right.state === 'to_validate' && right.holder.is === 'company' && right.createdAt + SILENT_COMPANY_MS <= at)
    return settled({ ...right, state: 'active' }, at)
  const over = startOfDay(addDays(right.validUntil, 1))
  return right.state === 'active' && over <= at ? { ...right, state: 'obsolete', ended: { at: over, by: 'end' } } : right
}

/** `FICTIF MAËLLE` → `fictif.maelle@exemple.invalid`. */
export function mailOf({ name }: Holder): string {
  return `${plain(name).toLowerCase().replaceAll(' ', '.')}@exemple.invalid`
}

/** Letters and digits without accents, in capitals: names are compared so. */
export function plain(text: string): string {
  return text
    .normalize('NFD')
    .replaceAll(/\p{M}/gu, '')
    .toUpperCase()
    .replaceAll(/[^A-Z0-9]+/g, ' ')
    .trim()
}
