/** How an answer of the simulated SGE leaves: whole, as fast as it is read, or as some misbehaviour has it. */
import type { ServerResponse } from 'node:http'
import { gzipSync } from 'node:zlib'
import { sendPieces, sendText } from './send.ts'
import type { SgeMisbehaviour } from './sge-misbehave.ts'

const XML = { 'Content-Type': 'text/xml; charset=utf-8' } as const
const LONG = 4_194_304

export async function sendXml(res: ServerResponse, status: number, pieces: Iterable<string>, odd?: SgeMisbehaviour): Promise<void> {
  switch (odd?.kind) {
    case 'gzip': {
      const packed = gzipSync(beginning(pieces))
      res.writeHead(status, { ...XML, 'Content-Encoding': 'gzip', 'Content-Length': String(packed.byteLength) })
      res.end(packed)
      return undefined
    }
    case 'content_type':
      return sendText(res, status, beginning(pieces), { 'Content-Type': odd.type })
    case 'cut':
    case 'stall':
      return sendHalf(res, status, beginning(pieces), odd)
    default:
      // A fault is short.
      return status === 200 ? sendPieces(res, pieces, XML) : sendText(res, status, beginning(pieces), XML)
  }
}

/** Half of the text; then the end of the connection (`cut`) or nothing more (`stall`). */
async function sendHalf(res: ServerResponse, status: number, text: string, { kind, framing }: SgeMisbehaviour): Promise<void> {
  const bytes = Buffer.from(text)
  res.writeHead(status, { ...XML, ...(framing === 'length' && { 'Content-Length': String(bytes.byteLength) }) })
  await new Promise((taken) => {
    res.once('close', taken)
    res.write(bytes.subarray(0, bytes.byteLength >> 1), taken)
  })
  // Ended, not destroyed: what was written arrives, and the end of the connection after it.
  if (kind === 'cut') res.socket?.destroySoon()
}

export function sendPage(res: ServerResponse, status: number, headers: Readonly<Record<string, string>> = {}): void {
  const text = `<html><head><title>${status}</title></head><body><h1>${status}</h1><p>sge-ws : incident 0xFU1TE</p></body></html>`
  sendText(res, status, text, { ...headers, 'Content-Type': 'text/html' })
}

/** The text, or the first part of a very long one: a spoilt answer need not be whole. */
function beginning(pieces: Iterable<string>): string {
  let text = ''
  for (const piece of pieces) {
    text += piece
    if (text.length > LONG) break
  }
  return text
}
