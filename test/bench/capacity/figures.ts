/**
 * What capacity is computed from, as measured on one machine. A figure is of the gate on PostgreSQL and Redis, each the real
 * server, asked for answers of 1 KB; every access is one call to the data holder, with its intent and its outcome.
 */
import * as z from 'zod'

const positive = z.number().positive()

export const figuresSchema = z.strictObject({
  measuredAt: z.iso.date(),
  machine: z.string(),
  node: z.string(),
  postgres: z.string(),
  /** How many permissions and accesses the figures rest on. */
  permissions: positive,
  accesses: positive,
  /** Tables and indexes, after a vacuum. */
  permissionBytes: positive,
  /** Of entries, sealed fields, index and deliveries, once all is sealed. */
  accessBytes: positive,
  entriesPerAccess: positive,
  walBytesPerAccess: positive,
  commitsPerAccess: positive,
  /** Published files, compressed by nobody. */
  tileBytesPerAccess: positive,
  /** All threads of the gate. */
  gateMicrosPerAccess: positive,
  /** All processes of PostgreSQL. */
  postgresMicrosPerAccess: positive,
  redisPermissionBytes: positive,
  verifiedEntriesPerSecond: positive,
})
export type Figures = z.output<typeof figuresSchema>
