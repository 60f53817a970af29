/**
 * One call to the data holder, on undici's dispatch: every byte of a good answer goes through the part's reader, the
 * text of a refusal is read up to 64 KB, and nothing else of the answer is looked at. Back-pressure, time and size
 * are bounded here; both sides' hang-ups end the call.
 */
import { randomFillSync } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import type { Dispatcher } from 'undici'
import type { OutgoingCall, PartReader } from '../providers/adapter.ts'
import type { Holder } from './holder.ts'

/** Where what the reader lets through goes. */
export interface Sink {
  push(out: readonly string[]): void
  /** The client reads more slowly than the holder sends. */
  readonly full: boolean
  onDrain(resume: () => void): void
}

export type Cut = 'client_abort' | 'withdrawn' | 'timeout' | 'limit'
export type Forwarded =
  | { readonly is: 'complete'; readonly holderBytes: number }
  | {
      readonly is: 'error'
      readonly status: number
      readonly body: string
      readonly retryAfter: string | null
      readonly holderBytes: number
    }
  | {
      readonly is: 'broken'
      readonly why: Cut | 'not_sent' | 'lost' | 'unreadable'
      readonly holderBytes: number
      /** The holder answered nothing at all on a socket that had been in use: a retry as a new call is safe. */
      readonly retryable: boolean
    }

const MAX_ERROR_BODY = 65_536
const MAX_INFORMATIONAL = 16
/** Errors before which no byte of the request can have left. */
const NOT_SENT = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ERR_ADDRESS_REFUSED',
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_DESTROYED',
  'UND_ERR_CLOSED',
])

/** The holder answered, and what it sent is no answer. */
const FRAMING = new Set(['UND_ERR_RES_CONTENT_LENGTH_MISMATCH', 'UND_ERR_HEADERS_OVERFLOW'])

/** Of a signal that was given. */
export function cutBy({ reason }: AbortSignal): Cut {
  return reason === 'withdrawn' || reason === 'timeout' ? reason : 'client_abort'
}

export function forward(
  holder: Holder,
  call: OutgoingCall,
  authorization: string | null,
  reader: PartReader,
  sink: Sink,
  signal: AbortSignal,
): Promise<Forwarded> {
  return new Promise((resolve) => {
    const { settings } = holder
    let controller: Dispatcher.DispatchController | undefined
    let status = 0
    let informational = 0
    let holderBytes = 0
    let errorBody = ''
    let retryAfter: string | null = null
    let cut: Cut | undefined
    let unreadable = false
    let settled = false
    let stalled: NodeJS.Timeout | undefined
    let decoder: TextDecoder | undefined

    const total = setTimeout(() => stop('timeout'), settings.timeouts.totalSeconds * 1000)
    const onAbort = (): void => stop(cutBy(signal))
    function finish(result: Forwarded): void {
      if (settled) return
      settled = true
      clearTimeout(total)
      clearTimeout(stalled)
      signal.removeEventListener('abort', onAbort)
      resolve(result)
    }
    function stop(why: Cut): void {
      cut ??= why
      if (controller) controller.abort(new Error(why))
      else finish({ is: 'broken', why, holderBytes, retryable: false })
    }
    function fail(): void {
      unreadable = true
      controller?.abort(new Error('unreadable'))
    }
    if (signal.aborted) return onAbort()
    signal.addEventListener('abort', onAbort, { once: true })

    const handler: Dispatcher.DispatchHandler = {
      onRequestStart(started) {
        controller = started
        // Cut while it waited for a connection: nothing has left yet.
        if (cut !== undefined) started.abort(new Error(cut))
      },
      onResponseStart(_started, code, headers) {
        if (code < 200) {
          informational += 1
          if (informational > MAX_INFORMATIONAL) fail()
          return
        }
        status = code
        retryAfter = oneOf(headers['retry-after'])
        const coding = headers['content-encoding']
        if (code === 200 && coding !== undefined && coding !== 'identity') fail()
      },
      onResponseData(running, chunk) {
        holderBytes += chunk.byteLength
        if (status !== 200) {
          decoder ??= new TextDecoder()
          if (errorBody.length < MAX_ERROR_BODY) errorBody += decoder.decode(chunk, { stream: true })
          else fail()
          return
        }
        if (holderBytes > settings.maxAnswerBytes) return stop('limit')
        const fed = reader.push(chunk)
        if (!fed.ok) return fail()
        sink.push(fed.out)
        if (sink.full && cut === undefined) {
          running.pause()
          // bodyTimeout rests while paused: a client that reads nothing has a deadline of its own.
          clearTimeout(stalled)
          stalled = setTimeout(() => stop('limit'), settings.timeouts.slowClientSeconds * 1000)
          sink.onDrain(() => {
            clearTimeout(stalled)
            running.resume()
          })
        }
      },
      onResponseEnd() {
        if (unreadable) return finish({ is: 'broken', why: 'unreadable', holderBytes, retryable: false })
        if (cut !== undefined) return finish({ is: 'broken', why: cut, holderBytes, retryable: false })
        if (status !== 200) return finish({ is: 'error', status, body: errorBody, retryAfter, holderBytes })
        const fed = reader.end()
        if (!fed.ok) return finish({ is: 'broken', why: 'unreadable', holderBytes, retryable: false })
        sink.push(fed.out)
        finish({ is: 'complete', holderBytes })
      },
      onResponseError(_controller, error) {
        const code = 'code' in error ? String(error.code) : ''
        if (unreadable) return finish({ is: 'broken', why: 'unreadable', holderBytes, retryable: false })
        if (cut !== undefined) return finish({ is: 'broken', why: cut, holderBytes, retryable: false })
        if (code === 'UND_ERR_HEADERS_TIMEOUT' || code === 'UND_ERR_BODY_TIMEOUT')
          return finish({ is: 'broken', why: 'timeout', holderBytes, retryable: false })
        if (NOT_SENT.has(code) || (controller === undefined && status === 0))
          return finish({ is: 'broken', why: 'not_sent', holderBytes, retryable: false })
        const framing = error.name === 'HTTPParserError' || FRAMING.has(code)
        finish({
          is: 'broken',
          why: framing ? 'unreadable' : 'lost',
          holderBytes,
          retryable: status === 0 && holderBytes === 0 && !framing && call.method === 'GET',
        })
      },
    }
    holder.pool.dispatch(
      {
        path: call.target,
        method: call.method,
        headers: headersOf(call, authorization),
        body: call.body?.text ?? null,
      },
      handler,
    )
  })
}

function headersOf({ accept, body }: OutgoingCall, authorization: string | null): string[] {
  const headers = ['accept', accept, 'accept-encoding', 'identity']
  if (authorization !== null) headers.push('authorization', authorization)
  headers.push('user-agent', 'ecluse', 'traceparent', traceparent())
  if (body) headers.push('content-type', body.contentType, 'soapaction', body.soapAction)
  return headers
}

function oneOf(header: IncomingHttpHeaders[string]): string | null {
  return typeof header === 'string' ? header : null
}

/** A trace of our own: the client's is not continued, because it would link its systems to the holder's. W3C Trace Context. */
function traceparent(): string {
  if (nextTrace === traces.byteLength) {
    randomFillSync(traces)
    nextTrace = 0
  }
  const hex = traces.toString('hex', nextTrace, nextTrace + TRACE_BYTES)
  nextTrace += TRACE_BYTES
  return `00-${hex.slice(0, 32)}-${hex.slice(32)}-00`
}
// Asked of the system for many calls at once: alone, each costs microseconds.
const TRACE_BYTES = 24
const traces = Buffer.alloc(TRACE_BYTES * 128)
let nextTrace = traces.byteLength
