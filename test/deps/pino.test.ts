/**
 * Where pino 10 would let a secret or a doubled key through, so that what is logged is picked, never redacted after.
 * Source: https://github.com/pinojs/pino/blob/main/docs/redaction.md
 */
import { Writable } from 'node:stream'
import { pino, type LoggerOptions } from 'pino'
import { expect, test } from 'vitest'

/** What one logging call writes. */
function written(options: LoggerOptions, log: (logger: pino.Logger) => void): string {
  let text = ''
  const into = new Writable({
    write(chunk: Buffer, _encoding, done) {
      text += chunk.toString()
      done()
    },
  })
  log(pino({ base: null, timestamp: false, ...options }, into))
  return text
}

test('a redacted path is exact: another case of the name goes through', () => {
  const text = written({ redact: ['headers.authorization'] }, (log) =>
    log.info({ headers: { authorization: 'one', Authorization: 'two' } }),
  )
  expect(text).not.toContain('one')
  expect(text).toContain('two')
})

test('a wildcard is one level deep', () => {
  const text = written({ redact: ['*.token'] }, (log) => log.info({ a: { token: 'one', b: { token: 'two' } }, token: 'three' }))
  expect(text).not.toContain('one')
  expect(text).toContain('two')
  expect(text).toContain('three')
})

test('a name with a dash is redacted, with brackets and without', () => {
  const logged = (path: string): string => written({ redact: [path] }, (log) => log.info({ headers: { 'x-api-key': 'one' } }))
  expect(logged('headers["x-api-key"]')).not.toContain('one')
  expect(logged('headers.x-api-key')).not.toContain('one')
})

test('nothing inside the message or a stack is redacted', () => {
  const text = written({ redact: ['token', 'err.token'] }, (log) => log.info({ err: new Error('token=one') }, 'token=two'))
  expect(text).toContain('token=one')
  expect(text).toContain('token=two')
})

test('an object with level or msg of its own writes the key twice', () => {
  const text = written({}, (log) => log.info({ level: 'forged', msg: 'forged' }, 'fixed'))
  expect(text.match(/"level":/g)).toHaveLength(2)
  expect(text.match(/"msg":/g)).toHaveLength(2)
})

test('the standard serializer prints every property of an error', () => {
  const error = Object.assign(new Error('failed'), { headers: { authorization: 'Bearer one' } })
  expect(written({}, (log) => log.error({ err: error }))).toContain('Bearer one')
})

test('line breaks are escaped; U+2028 and C1 controls are not', () => {
  const text = written({}, (log) => log.info({ a: 'x\ny\u2028z\u0085' }))
  expect(text.trimEnd().split('\n')).toHaveLength(1)
  expect(text).toContain('\u2028')
  expect(text).toContain('\u0085')
})

test('a child keeps what it was given, and the level changes at run time', () => {
  const text = written({ level: 'warn' }, (log) => {
    const child = log.child({ requestId: 'r1' })
    child.info('unseen')
    child.level = 'info'
    child.info('seen')
  })
  expect(text).toBe('{"level":30,"requestId":"r1","msg":"seen"}\n')
})
