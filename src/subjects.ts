/**
 * What a person may ask for about all permissions of a meter at once: to be forgotten (GDPR article 17), or that nothing
 * more is done for the time being (article 18). Runs in the owner's transaction; acts are part of it.
 */
import type { Database } from './storage/database.ts'
import type { MeterId } from './domain/meter.ts'
import type { PermissionId } from './domain/permission.ts'
import type { Millis } from './domain/time.ts'
import type { Erasure } from './evidence/erase.ts'
import type { ActDetails, ActResult } from './permissions/record.ts'
import type { Registry } from './permissions/registry.ts'
import { Refused } from './storage/rpc.ts'

interface Asked {
  readonly meter: MeterId
  readonly ground: string
  readonly by: string
  readonly now: Millis
}
export interface Subjects {
  erase(args: Asked): { readonly keys: number; readonly ended: readonly ActResult[] }
  restrict(args: Asked & { readonly on: boolean }): { readonly keys: number; readonly moved: readonly ActResult[] }
}

const OVER = new Set(['ended', 'refused', 'draft'])

export function subjectsOn(db: Database, registry: Registry, erasure: Erasure): Subjects {
  const sql = {
    restricted: db.prepare(
      'SELECT 1 FROM subject s, permission p, json_each(p.key_ids) k WHERE p.meter = ? AND k.value = s.key_id AND s.restricted = 1',
    ),
    forgetShares: db.prepare('DELETE FROM share WHERE meter = ?'),
  }
  const detailsOf = (by: string, reason: string): ActDetails => ({ actorRole: 'operator', actor: by, channel: 'api', reason })
  return {
    erase(args) {
      const { meter, by, now } = args
      const meterToken = registry.meterToken(meter)
      if (sql.restricted.get(meterToken)) throw new Refused('this subject is under restriction: lift it first (subject restrict --lift)')
      const ended = registry
        .onMeter({ meter })
        .filter((p) => !OVER.has(p.status))
        .map((p) =>
          registry.act({ permission: p.id as PermissionId, type: 'withdrawn_by_subject', details: detailsOf(by, 'erasure'), now }),
        )
      sql.forgetShares.run(meterToken)
      return { keys: erasure.order({ ...args, meterToken }), ended }
    },
    restrict(args) {
      const { meter, on, by, now } = args
      // Lifted first: while a person is under restriction nothing of theirs becomes active.
      const keys = erasure.restrict({ ...args, meterToken: registry.meterToken(meter) })
      const moved = registry
        .onMeter({ meter })
        .filter(({ id, status }) => (on ? status === 'active' : status === 'suspended' && isRestricted(id)))
        .map(({ id }) =>
          registry.act({
            permission: id as PermissionId,
            type: on ? 'suspend' : 'resume',
            details: { ...detailsOf(by, 'restriction'), cause: 'restriction' },
            now,
          }),
        )
      return { keys, moved }
    },
  }
  function isRestricted(permission: string): boolean {
    return registry.show({ permission }).suspendCause === 'restriction'
  }
}
