/** The body of a small request, whole: bounded in size and in time. */
import type { IncomingMessage } from 'node:http'

const BODY_MS = 5000

/** Undefined where it is too long, or did not come. */
export function readBody(message: IncomingMessage, most: number): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = []
    let size = 0
    const timer = setTimeout(() => resolve(undefined), BODY_MS)
    const done = (value: Buffer | undefined): void => {
      clearTimeout(timer)
      resolve(value)
    }
    message.on('data', (chunk: Buffer) => {
      size += chunk.byteLength
      if (size > most) done(undefined)
      else chunks.push(chunk)
    })
    message.once('end', () => done(Buffer.concat(chunks)))
    message.once('close', () => done(undefined))
  })
}
