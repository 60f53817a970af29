/** One operation of the API as data: the listener serves it, and the OpenAPI document describes it, from the same value. */
import type * as z from 'zod'
import type { ConsoleParts, Operator, Role } from '../ports.ts'
import type { ProblemCode } from './problem.ts'

export interface ApiAnswer {
  readonly status: number
  /** JSON; absent: none. */
  readonly body?: unknown
  /** Anything else than JSON. */
  readonly bytes?: Uint8Array | string
  readonly headers?: Readonly<Record<string, string>>
  /** Instead of the hash of what is answered. */
  readonly etag?: string
}

export interface ApiCall<P, Q, B> {
  readonly by: Operator
  readonly params: P
  readonly query: Q
  readonly body: B
  /** The tags of If-Match; `*` for any; undefined where none was sent. */
  readonly ifMatch: '*' | readonly string[] | undefined
}

interface Shape<P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType> {
  readonly method: 'GET' | 'POST' | 'DELETE'
  /** As OpenAPI writes it: `/v1/clients/{client}`. */
  readonly path: string
  readonly id: string
  readonly summary: string
  readonly tag: string
  /** The least role; an operator may do what an auditor may. */
  readonly role: Role
  readonly params: P
  readonly query: Q
  readonly body: B
  readonly answers: Readonly<Record<number, { readonly what: string; readonly schema?: z.ZodType; readonly media?: string }>>
  readonly problems: readonly ProblemCode[]
  /** Whether If-Match is understood, or must be there. */
  readonly ifMatch?: 'taken' | 'required'
  readonly maxBodyBytes?: number
}
export interface RouteOf<P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType> extends Shape<P, Q, B> {
  handle(parts: ConsoleParts, call: ApiCall<z.output<P>, z.output<Q>, z.output<B>>): Promise<ApiAnswer>
}
export interface ApiRoute extends Shape<z.ZodType, z.ZodType, z.ZodType> {
  handle(parts: ConsoleParts, call: ApiCall<never, never, never>): Promise<ApiAnswer>
}

/** Lets the schemas give the types of what the handler is handed. */
export function route<P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType>(defined: RouteOf<P, Q, B>): ApiRoute {
  return defined as unknown as ApiRoute // the server calls it with what these very schemas gave
}
