/**
 * Makes the picture of a page small: few colours, which is what text on a plain ground needs, and the strongest
 * compression. A repository keeps every version of a picture for ever.
 *
 * Source: PNG (W3C, third edition), §§ 7, 9 and 11: 8 bits a sample, RGB or RGBA, no interlace, as Chromium writes them.
 */
import { crc32, deflateSync, inflateSync } from 'node:zlib'

interface Pixels {
  readonly width: number
  readonly height: number
  /** Three bytes each. */
  readonly rgb: Uint8Array
}

const SIGNATURE = Buffer.from('89504e470d0a1a0a', 'hex')
const COLOURS = 64
/** Of two colours nearer than this one is enough; the sum of what red, green and blue differ by. */
const ALIKE = 16

export function smaller(png: Buffer): Buffer {
  const { width, height, rgb } = pixelsOf(png)
  const { palette, nearest } = paletteOf(rgb)
  // Each row begins with its filter: none.
  const rows = Buffer.alloc((width + 1) * height)
  for (let y = 0; y < height; y += 1)
    for (let x = 0; x < width; x += 1) rows[y * (width + 1) + 1 + x] = nearest(colourAt(rgb, y * width + x))
  const head = Buffer.alloc(13)
  head.writeUInt32BE(width, 0)
  head.writeUInt32BE(height, 4)
  // Eight bits a pixel, each an index into the palette.
  head.set([8, 3, 0, 0, 0], 8)
  const colours = Buffer.from(palette.flatMap((colour) => [colour >> 16, (colour >> 8) & 255, colour & 255]))
  return Buffer.concat([
    SIGNATURE,
    chunk('IHDR', head),
    chunk('PLTE', colours),
    chunk('IDAT', deflateSync(rows, { level: 9, memLevel: 9 })),
    chunk('IEND', Buffer.alloc(0)),
  ])
}

function chunk(type: string, data: Buffer): Buffer {
  const named = Buffer.concat([Buffer.from(type, 'latin1'), data])
  const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)]
  length.writeUInt32BE(data.length)
  sum.writeUInt32BE(crc32(named))
  return Buffer.concat([length, named, sum])
}

function colourAt(rgb: Uint8Array, pixel: number): number {
  const at = pixel * 3
  return ((rgb[at] ?? 0) << 16) | ((rgb[at + 1] ?? 0) << 8) | (rgb[at + 2] ?? 0)
}

/** The most frequent colours that differ from each other. */
function paletteOf(rgb: Uint8Array): { readonly palette: readonly number[]; readonly nearest: (colour: number) => number } {
  const counts = new Map<number, number>()
  for (let pixel = 0; pixel < rgb.length / 3; pixel += 1) {
    const colour = colourAt(rgb, pixel)
    counts.set(colour, (counts.get(colour) ?? 0) + 1)
  }
  const palette: number[] = []
  for (const [colour] of [...counts].toSorted((a, b) => b[1] - a[1])) {
    if (palette.length === COLOURS) break
    if (palette.every((one) => distance(one, colour) >= ALIKE)) palette.push(colour)
  }
  const known = new Map<number, number>()
  return {
    palette,
    nearest(colour) {
      const found = known.get(colour)
      if (found !== undefined) return found
      const best = palette.reduce((least, one, i) => (distance(one, colour) < distance(palette[least] ?? 0, colour) ? i : least), 0)
      known.set(colour, best)
      return best
    },
  }
}

function distance(a: number, b: number): number {
  return Math.abs((a >> 16) - (b >> 16)) + Math.abs(((a >> 8) & 255) - ((b >> 8) & 255)) + Math.abs((a & 255) - (b & 255))
}

function pixelsOf(png: Buffer): Pixels {
  if (!png.subarray(0, 8).equals(SIGNATURE)) throw new Error('not a PNG')
  const [width, height, depth, type, interlaced] = [png.readUInt32BE(16), png.readUInt32BE(20), png[24], png[25], png[28]]
  if (depth !== 8 || (type !== 2 && type !== 6) || interlaced !== 0) throw new Error(`a PNG of another kind: ${depth}, ${type}`)
  const parts: Buffer[] = []
  for (let at = 8; at < png.length;) {
    const length = png.readUInt32BE(at)
    if (png.toString('latin1', at + 4, at + 8) === 'IDAT') parts.push(png.subarray(at + 8, at + 8 + length))
    at += length + 12
  }
  const samples = type === 6 ? 4 : 3
  const raw = unfiltered(inflateSync(Buffer.concat(parts)), width * samples, height, samples)
  const rgb = new Uint8Array(width * height * 3)
  for (let pixel = 0; pixel < width * height; pixel += 1) for (let i = 0; i < 3; i += 1) rgb[pixel * 3 + i] = raw[pixel * samples + i] ?? 0
  return { width, height, rgb }
}

/** Each row was stored as what it differs from its neighbours by. */
function unfiltered(data: Buffer, stride: number, height: number, samples: number): Uint8Array {
  const out = new Uint8Array(stride * height)
  for (let y = 0; y < height; y += 1) {
    const filter = data[y * (stride + 1)]
    for (let x = 0; x < stride; x += 1) {
      const at = y * stride + x
      const left = x >= samples ? (out[at - samples] ?? 0) : 0
      const up = y > 0 ? (out[at - stride] ?? 0) : 0
      const corner = x >= samples && y > 0 ? (out[at - stride - samples] ?? 0) : 0
      const guess = filter === 1 ? left : filter === 2 ? up : filter === 3 ? (left + up) >> 1 : filter === 4 ? paeth(left, up, corner) : 0
      out[at] = (data[y * (stride + 1) + 1 + x] ?? 0) + guess
    }
  }
  return out
}

function paeth(left: number, up: number, corner: number): number {
  const [a, b, c] = [Math.abs(up - corner), Math.abs(left - corner), Math.abs(left + up - 2 * corner)]
  return a <= b && a <= c ? left : b <= c ? up : corner
}
