/**
 * The operator's own malware scanner, for documents that people hand in: a program that reads the document on its input
 * and ends with 0 (clean) or 1 (not). It is started without a shell and without this process's environment. Whatever
 * else happens, a program that is missing, that is slow, that ends otherwise, no document is taken.
 */
import { spawn } from 'node:child_process'

export type Scanned = 'clean' | 'infected' | 'unknown'
export type Scan = (bytes: Uint8Array) => Promise<Scanned>
export interface ScanSettings {
  readonly command: readonly string[]
  readonly seconds: number
}

/** @param failed is told what kept the scanner from answering: no word of the document */
export function scanBy({ command, seconds }: ScanSettings, failed: (why: string) => void): Scan {
  const [program = '', ...args] = command
  return (bytes) =>
    new Promise((resolve) => {
      const child = spawn(program, args, {
        stdio: ['pipe', 'ignore', 'ignore'],
        env: { PATH: process.env['PATH'] ?? '' },
        timeout: seconds * 1000,
        killSignal: 'SIGKILL',
      })
      child.once('error', (error) => {
        // It never ran: that it has closed says no more.
        child.removeAllListeners('close')
        failed(error.message)
        resolve('unknown')
      })
      child.once('close', (code, signal) => {
        if (code === 0) return resolve('clean')
        if (code === 1) return resolve('infected')
        failed(signal === null ? `it ended with ${code}` : `it was ended by ${signal}`)
        resolve('unknown')
      })
      // A scanner that has seen enough closes its input: its own end says what it thinks.
      child.stdin.once('error', () => undefined)
      child.stdin.end(bytes)
    })
}
