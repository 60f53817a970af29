/**
 * The operational log: fixed sentences and allow-listed fields, for operators. It is not evidence (lines can be lost,
 * and are then counted) and holds no meter, token, name or text of a request.
 *
 * Guarantees: a field that is not in `FIELDS`, or is of another type, is not written, so that no caller can add a second
 * `level`, `time` or `msg`; text is cut and rid of every character at which some reader breaks a line (pino leaves C1 and
 * U+2028/2029); an error is written as name, code and place, never with its message or its own properties: those carry
 * headers and URLs. A reader that stops or goes away stops nothing here.
 */
import { fstatSync, writeSync } from 'node:fs'
import { isatty } from 'node:tty'
import pino from 'pino'

export interface LogFields {
  readonly err?: unknown
  /** Of the settings: the account at a data holder. */
  readonly account?: string
  readonly failures?: number
  readonly interrupted?: number
  readonly stepMs?: number
  /** Permissions compared with the data holder, what that led to, and meters of which it said nothing. */
  readonly compared?: number
  readonly acts?: number
  readonly unanswered?: number
  readonly policy?: string
  /** Rules of the policy in force and of the one beside it, and how the two compare. */
  readonly rule?: string
  readonly shadowRule?: string
  readonly outcome?: string
  readonly url?: string
  readonly ops?: string
  /** An open route of the settings, and what passed on it. */
  readonly open?: string
  readonly status?: number
  readonly bytes?: number
  readonly ms?: number
  /** A sentence of our own, or of SQLite. */
  readonly why?: string
  /** What keeps a settings file from being taken: places and sentences, in which no value of the file is echoed. */
  readonly mistakes?: readonly { readonly line: number; readonly column: number; readonly path: string; readonly message: string }[]
  /** Keys that a running gate cannot take over. */
  readonly needsRestart?: readonly string[]
  /** Number of a worker, and how it ended; how many there are. */
  readonly worker?: number
  readonly exit?: number | undefined
  readonly signal?: string | undefined
  readonly workers?: number
}
type Say = { (fields: LogFields, sentence: string): void; (sentence: string): void }
export interface Logger {
  readonly fatal: Say
  readonly error: Say
  readonly warn: Say
  readonly info: Say
  readonly debug: Say
  /** Lines that could not be written. */
  readonly dropped: number
}

export interface LogOutput {
  write(line: string): void
  readonly dropped?: number
}

const MAX_TEXT = 500
const MAX_ITEMS = 100
const MAX_CAUSES = 2
/** Lines that wait for a slow reader of standard output; beyond it they are dropped. */
const MAX_PENDING_BYTES = 1_048_576

const FIELDS: Readonly<Record<keyof LogFields, (value: unknown) => unknown>> = {
  err: (value) => errorFields(value),
  account: text,
  failures: number,
  interrupted: number,
  stepMs: number,
  compared: number,
  acts: number,
  unanswered: number,
  policy: text,
  rule: text,
  shadowRule: text,
  outcome: text,
  url: text,
  ops: text,
  open: text,
  status: number,
  bytes: number,
  ms: number,
  why: text,
  mistakes: (value) =>
    list(value, (item) => {
      const { line, column, path, message } = item as Readonly<Record<string, unknown>>
      return { line: number(line), column: number(column), path: text(path), message: text(message) }
    }),
  needsRestart: (value) => list(value, text),
  worker: number,
  exit: number,
  signal: text,
  workers: number,
}

export function loggerTo(level: string, node: string, output: LogOutput = standardOutput()): Logger {
  const logger = pino(
    { level, base: { node: text(node) }, timestamp: pino.stdTimeFunctions.isoTime, serializers: { err: (kept: unknown) => kept } },
    output,
  )
  const say =
    (at: 'fatal' | 'error' | 'warn' | 'info' | 'debug'): Say =>
    (first: LogFields | string, sentence?: string) => {
      if (typeof first === 'string') logger[at](first)
      else logger[at](picked(first), sentence)
    }
  return {
    fatal: say('fatal'),
    error: say('error'),
    warn: say('warn'),
    info: say('info'),
    debug: say('debug'),
    get dropped() {
      return output.dropped ?? 0
    },
  }
}

/**
 * Where one cause fails every request: of its errors one line in `everyMs`, with how many there were since the last one.
 */
export function sparingly(log: Logger, isCommon: (error: unknown) => boolean, now: () => number, everyMs = 10_000): Logger {
  let last = -Infinity
  let failures = 0
  function error(first: LogFields | string, sentence = ''): void {
    if (typeof first === 'string') return log.error(first)
    if (!isCommon(first.err)) return log.error(first, sentence)
    failures += 1
    if (now() - last < everyMs) return
    log.error({ ...first, failures }, sentence)
    last = now()
    failures = 0
  }
  const { fatal, warn, info, debug } = log
  return {
    fatal,
    error,
    warn,
    info,
    debug,
    get dropped() {
      return log.dropped
    },
  }
}

function picked(fields: LogFields): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(FIELDS).flatMap(([name, of]) => {
      const value = Object.hasOwn(fields, name) ? of(fields[name as keyof LogFields]) : undefined
      return value === undefined ? [] : [[name, value]]
    }),
  )
}

export interface ErrorFields {
  readonly name: string
  readonly code?: string
  readonly status?: number
  readonly at?: string
  readonly cause?: ErrorFields
}

/** What may be told of an error: its class, its code, an HTTP status, where in our own source it was made, and the same of its cause. */
export function errorFields(error: unknown, depth = 0): ErrorFields {
  if (!(error instanceof Error)) return { name: typeof error }
  const name = /^[A-Za-z]\w{0,59}$/.test(error.name) ? error.name : 'Error'
  const code = 'code' in error && typeof error.code === 'string' && /^\w{1,60}$/.test(error.code) ? error.code : undefined
  const status = 'status' in error && typeof error.status === 'number' ? error.status : undefined
  const at = placeOf(error)
  const cause = error.cause instanceof Error && depth < MAX_CAUSES ? errorFields(error.cause, depth + 1) : undefined
  return {
    name,
    ...(code !== undefined && { code }),
    ...(status !== undefined && { status }),
    ...(at !== undefined && { at }),
    ...(cause && { cause }),
  }
}

/** The first line of the stack that lies in our source. The message stands before it, and may say anything: it is skipped whole. */
function placeOf({ stack, message }: Error): string | undefined {
  const end = stack?.indexOf(message) ?? -1
  if (stack === undefined || end < 0) return undefined
  return /\n {4}at .*\/((?:src|dist)\/[\w/-]+\.[jt]s:\d+:\d+)\)?$/m.exec(stack.slice(end + message.length))?.[1]
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value.slice(0, MAX_TEXT).replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '\ufffd') : undefined
}

function number(value: unknown): number | undefined {
  return typeof value === 'number' ? value : undefined
}

function list(value: unknown, each: (item: unknown) => unknown): unknown[] | undefined {
  return Array.isArray(value) ? value.slice(0, MAX_ITEMS).map(each) : undefined
}

/**
 * Standard output that never waits. A pipe goes through the event loop: a write that blocks would stop the gate with its
 * reader. Into a file each line is written at once, so that kill -9 loses none of them.
 */
function standardOutput(): LogOutput {
  const stats = fstatSync(1)
  return stats.isFIFO() || stats.isSocket() || isatty(1) ? outputToStream(process.stdout, MAX_PENDING_BYTES) : outputToFile(1)
}

export function outputToStream(stream: NodeJS.WritableStream & { readonly writableLength: number }, maxPending: number): LogOutput {
  let dropped = 0
  let gone = false
  // Without a listener a reader that went away (EPIPE) would end the process.
  stream.on('error', () => {
    gone = true
  })
  return {
    write(line) {
      if (gone || stream.writableLength + line.length > maxPending) dropped += 1
      else stream.write(line)
    },
    get dropped() {
      return dropped
    },
  }
}

export function outputToFile(fd: number): LogOutput {
  let dropped = 0
  let torn = false
  return {
    write(line) {
      // What a full disk cut off must not run into the next line.
      const bytes = Buffer.from(torn ? `\n${line}` : line)
      let written = 0
      try {
        written = writeSync(fd, bytes)
      } catch {
        // Counted below: the log is not evidence, and a gate with a full log disk goes on.
      }
      if (written > 0) torn = written < bytes.byteLength
      if (written < bytes.byteLength) dropped += 1
    },
    get dropped() {
      return dropped
    },
  }
}
