/**
 * A document that somebody hands in as proof: what it really is, told from its own bytes. What a browser or a file name
 * says of it counts for nothing. Taken are PDF, PNG and JPEG as they are, never an archive, so that nothing is unpacked;
 * pictures that would unfold to more than a scanned page needs are refused unopened. Whether there is malware in it is for
 * the operator's own scanner to say.
 *
 * Sources: ISO 32000-1 § 7.5; PNG (ISO/IEC 15948) §§ 5 and 11.2.2; JPEG (ITU-T T.81) annex B; GRDF takes three files of
 * 4 MB for a control of proofs.
 */
export const PAPER_TYPES = ['application/pdf', 'image/png', 'image/jpeg'] as const
export type PaperType = (typeof PAPER_TYPES)[number]
export const MOST_PAPERS = 3
/** Read as 10⁶: of the two readings of GRDF's «4 Mo» the one that cannot be too long. */
export const MOST_PAPER_BYTES = 4_000_000

export const PAPER_FLAWS = ['empty', 'too_long', 'archive', 'other_type', 'broken', 'too_many_pixels', 'active'] as const
export type PaperFlaw = (typeof PAPER_FLAWS)[number]
export type Paper = { readonly ok: true; readonly mediaType: PaperType } | { readonly ok: false; readonly flaw: PaperFlaw }

/** A0 at 300 dots an inch is 140 million; a page of A4 at 600 is 35. */
const MOST_PIXELS = 50_000_000
const ARCHIVES = ['504b0304', '504b0506', '1f8b', '377abcaf271c', '526172211a07', 'fd377a585a00', '425a68', '28b52ffd']
const PNG = '89504e470d0a1a0a'
const PDF_TAIL = 2048

const flawed = (flaw: PaperFlaw): Paper => ({ ok: false, flaw })

export function readPaper(bytes: Uint8Array): Paper {
  if (bytes.byteLength === 0) return flawed('empty')
  if (bytes.byteLength > MOST_PAPER_BYTES) return flawed('too_long')
  const head = Buffer.from(bytes.subarray(0, 8)).toString('hex')
  if (ARCHIVES.some((mark) => head.startsWith(mark))) return flawed('archive')
  if (head.startsWith('255044462d')) return readPdf(bytes)
  if (head === PNG) return readPng(bytes)
  return head.startsWith('ffd8ff') ? readJpeg(bytes) : flawed('other_type')
}

/** A program or a file inside is refused where it is written in plain sight; what hides is the scanner's business. */
function readPdf(bytes: Uint8Array): Paper {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
  if (!text.slice(-PDF_TAIL).includes('%%EOF')) return flawed('broken')
  if (/\/(?:JavaScript|JS|Launch|EmbeddedFiles?|RichMedia|XFA)\b/.test(text)) return flawed('active')
  return { ok: true, mediaType: 'application/pdf' }
}

function readPng(bytes: Uint8Array): Paper {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const isWhole = bytes.byteLength >= 45 && textAt(bytes, 12) === 'IHDR' && textAt(bytes, bytes.byteLength - 8) === 'IEND'
  if (!isWhole) return flawed('broken')
  return sized(view.getUint32(16) * view.getUint32(20), 'image/png')
}

/** Marker by marker to the frame header, which says how large the picture is. */
function readJpeg(bytes: Uint8Array): Paper {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  for (let at = 2; at + 9 < bytes.byteLength;) {
    if (view.getUint8(at) !== 0xff) return flawed('broken')
    const marker = view.getUint8(at + 1)
    if (marker === 0xff) {
      at += 1
      continue
    }
    // SOF0 to SOF15 but for DHT, JPG and DAC.
    if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker))
      return sized(view.getUint16(at + 5) * view.getUint16(at + 7), 'image/jpeg')
    if (marker === 0xda || marker === 0xd9) return flawed('broken')
    at += 2 + view.getUint16(at + 2)
  }
  return flawed('broken')
}

function sized(pixels: number, mediaType: PaperType): Paper {
  if (pixels === 0) return flawed('broken')
  return pixels > MOST_PIXELS ? flawed('too_many_pixels') : { ok: true, mediaType }
}

function textAt(bytes: Uint8Array, at: number): string {
  return Buffer.from(bytes.subarray(at, at + 4)).toString('latin1')
}
