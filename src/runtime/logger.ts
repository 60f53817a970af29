/**
 * The operational log: fixed sentences and allow-listed fields, for operators. It is not evidence (lines can be lost)
 * and holds no meter, token, name or text of a request. An error is written as name and code, never with its own
 * properties: those carry headers.
 */
import type { Logger } from 'pino'
import pino from 'pino'

export type { Logger } from 'pino'

export function loggerTo(level: string, node: string, destination?: pino.DestinationStream): Logger {
  const out = destination ?? pino.destination({ dest: 1, sync: true })
  return pino(
    {
      level,
      base: { node },
      timestamp: pino.stdTimeFunctions.isoTime,
      serializers: { err: errorFields },
    },
    out,
  )
}

export function errorFields(error: unknown): { readonly name: string; readonly code?: string } {
  if (!(error instanceof Error)) return { name: typeof error }
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined
  return { name: error.name, ...(code !== undefined && { code }) }
}
