/** Where the state lies: in the folder of the instance, or in a PostgreSQL that several gates share. */
import * as z from 'zod'
import { count, path, secret, text } from './schema-parts.ts'

export const storageSchema = z
  .strictObject({
    postgres: z
      .strictObject({
        host: text().describe('name or address of the server, or of what stands before its primary'),
        port: count(5432, 1, 65_535, 'its port'),
        database: text(63).default('ecluse').describe('the database'),
        schema: text(63)
          .regex(/^[a-z_][a-z0-9_]*$/, 'expected small letters, digits and _')
          .default('ecluse')
          .describe('the schema in which the tables lie; made where it is missing'),
        user: text(63).default('ecluse').describe('the role; it owns the schema'),
        password: secret.optional(),
        tls: z
          .strictObject({ ca: path('certificate authority, PEM; absent: the system trusts it').optional() })
          .describe('the connection is encrypted, and the server must be the one named')
          .optional(),
        synchronous_commit: z
          .enum(['local', 'on', 'remote_apply'])
          .default('on')
          .describe(
            'what an acknowledged record survives: `on` also the loss of the primary, where a synchronous standby is set up; `local` its crash alone',
          ),
        connect_timeout_ms: count(3000, 100, 60_000, 'after which a connection is taken for failed'),
        statement_timeout_ms: count(10_000, 1000, 120_000, 'after which a statement is taken for failed'),
      })
      .describe('PostgreSQL 14 or later, shared by all gates of the instance'),
  })
  .describe('absent: SQLite in the state folder, for one gate')
