/** Every error of the API, as RFC 9457 tells it. Titles are fixed; details are sentences of ours, never a value that was sent. */
import type { ApiAnswer } from './route.ts'

export const PROBLEMS = {
  malformed: { status: 400, title: 'The request is not of the form that the API takes' },
  key_missing: { status: 400, title: 'Each POST carries an Idempotency-Key' },
  unauthorized: { status: 401, title: 'Who asks is not known' },
  forbidden: { status: 403, title: 'Your role may not do this' },
  not_found: { status: 404, title: 'There is no such thing' },
  conflict: { status: 409, title: 'Not possible as things stand' },
  in_progress: { status: 409, title: 'The first request with this key is not answered yet' },
  interrupted: { status: 409, title: 'The first request with this key was interrupted: whether it was done is not known' },
  precondition_failed: { status: 412, title: 'It changed since you read it' },
  too_large: { status: 413, title: 'More was sent than is taken' },
  unsupported_media_type: { status: 415, title: 'The body is JSON' },
  invalid: { status: 422, title: 'What was sent cannot be done' },
  key_reused: { status: 422, title: 'This Idempotency-Key was used with another request' },
  precondition_required: { status: 428, title: 'Say with If-Match what you saw' },
  too_many_attempts: { status: 429, title: 'Too many wrong secrets came from your address' },
  fault: { status: 500, title: 'The gate failed; its log says where' },
  unavailable: { status: 503, title: 'Not now' },
} as const satisfies Record<string, { status: number; title: string }>
export type ProblemCode = keyof typeof PROBLEMS

export interface ProblemError {
  readonly at: string
  readonly detail: string
}

export class Problem extends Error {
  override readonly name = 'Problem'
  readonly code: ProblemCode
  readonly detail: string | undefined
  readonly errors: readonly ProblemError[] | undefined
  readonly headers: Readonly<Record<string, string>>
  constructor(
    code: ProblemCode,
    detail?: string,
    more: { errors?: readonly ProblemError[]; headers?: Readonly<Record<string, string>> } = {},
  ) {
    super(PROBLEMS[code].title)
    this.code = code
    this.detail = detail
    this.errors = more.errors
    this.headers = more.headers ?? {}
  }
}

export function answerOf({ code, detail, errors, headers }: Problem): ApiAnswer {
  const { status, title } = PROBLEMS[code]
  const body = {
    type: `urn:ecluse:problem:${code}`,
    title,
    status,
    ...(detail !== undefined && { detail }),
    ...(errors && { errors }),
  }
  return { status, body, headers: { ...headers, 'Content-Type': 'application/problem+json' } }
}
