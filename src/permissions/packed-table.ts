/**
 * A table of short byte strings under short byte strings in a few large buffers, for a million entries that nobody but
 * the gate sees: an object of the language costs ten times as much.
 *
 * Bounded by its bytes. It is two halves: what is written goes into the young one; once that is full it becomes the old one,
 * and what was the old one is gone. What is found in the old one is written again, so that what is used stays.
 */
import { randomInt } from 'node:crypto'

export interface PackedTable {
  /** A view of the table's own memory, good until the next call. */
  get(key: Uint8Array): Uint8Array | undefined
  /** Nothing is kept of a key of more than 255 bytes or a value of more than 65,535. */
  set(key: Uint8Array, value: Uint8Array): void
  delete(key: Uint8Array): void
  clear(): void
}

const CHUNK_BYTES = 1 << 20
/** Length of the key, length of the value. */
const HEAD_BYTES = 3
const LEAST_PLACES = 1024
/** Places looked at for one key: of keys chosen to meet, no more are kept. */
const MOST_STEPS = 128
const FREE = 0
const GONE = 0xff_ff_ff_ff

/** @param maxBytes of both halves together, without their indexes: these take about ten bytes an entry */
export function packedTable(maxBytes: number): PackedTable {
  const seed = randomInt(2 ** 32)
  let young = half(seed, LEAST_PLACES)
  let old = half(seed, LEAST_PLACES)
  function set(key: Uint8Array, value: Uint8Array): void {
    const size = HEAD_BYTES + key.byteLength + value.byteLength
    if (key.byteLength > 0xff || value.byteLength > 0xff_ff || size > maxBytes / 2) return remove(key)
    if (young.bytes + size > maxBytes / 2) {
      old = young
      // It will have as many: growing through all sizes again would hold requests up each time.
      young = half(seed, old.places)
    }
    old.delete(key)
    young.set(key, value)
  }
  function remove(key: Uint8Array): void {
    young.delete(key)
    old.delete(key)
  }
  return {
    get(key) {
      const found = young.get(key)
      if (found) return found
      const before = old.get(key)
      // A copy: what is written again may end the half in which it lies.
      if (before) set(key, Uint8Array.from(before))
      return young.get(key)
    },
    set,
    delete: remove,
    clear() {
      young = half(seed, LEAST_PLACES)
      old = half(seed, LEAST_PLACES)
    },
  }
}

interface Half {
  /** Written so far, with what has been written again or deleted since. */
  readonly bytes: number
  readonly places: number
  get(key: Uint8Array): Uint8Array | undefined
  set(key: Uint8Array, value: Uint8Array): void
  delete(key: Uint8Array): void
}

function half(seed: number, least: number): Half {
  const chunks: Buffer[] = []
  /** Where the next entry goes: entries lie one after the other, none across two chunks. */
  let end = 0
  let bytes = 0
  /** Open addressing: 1 + where an entry lies. */
  let places = new Uint32Array(least)
  /** Places that are not free, with those that are gone. */
  let taken = 0

  function chunkAt(offset: number): Buffer {
    return chunks[Math.floor(offset / CHUNK_BYTES)] ?? Buffer.alloc(0)
  }
  function keyAt(offset: number): Buffer {
    const chunk = chunkAt(offset)
    const at = offset % CHUNK_BYTES
    return chunk.subarray(at + HEAD_BYTES, at + HEAD_BYTES + chunk.readUInt8(at))
  }
  function valueAt(offset: number): Buffer {
    const chunk = chunkAt(offset)
    const at = offset % CHUNK_BYTES
    const from = at + HEAD_BYTES + chunk.readUInt8(at)
    return chunk.subarray(from, from + chunk.readUInt16LE(at + 1))
  }
  /** The place of a key, or undefined. */
  function placeOf(key: Uint8Array): number | undefined {
    const mask = places.length - 1
    for (let step = 0, place = hashOf(key, seed) & mask; step < MOST_STEPS; step += 1, place = (place + 1) & mask) {
      const entry = places[place] ?? FREE
      if (entry === FREE) return undefined
      if (entry !== GONE && keyAt(entry - 1).equals(key)) return place
    }
    return undefined
  }
  /** Whether a place for it is near enough. */
  function put(key: Uint8Array, offset: number): boolean {
    const mask = places.length - 1
    for (let step = 0, place = hashOf(key, seed) & mask; step < MOST_STEPS; step += 1, place = (place + 1) & mask) {
      if (places[place] !== FREE) continue
      places[place] = offset + 1
      taken += 1
      return true
    }
    return false
  }
  function grow(): void {
    const before = places
    places = new Uint32Array(before.length * 2)
    taken = 0
    for (const entry of before) if (entry !== FREE && entry !== GONE && !put(keyAt(entry - 1), entry - 1)) wipe(entry - 1)
  }
  /** What is deleted is not in memory any more, though its room is. */
  function wipe(offset: number): void {
    keyAt(offset).fill(0)
    valueAt(offset).fill(0)
  }
  function write(key: Uint8Array, value: Uint8Array): number {
    const size = HEAD_BYTES + key.byteLength + value.byteLength
    if ((end % CHUNK_BYTES) + size > CHUNK_BYTES || chunks.length * CHUNK_BYTES === end) {
      end = chunks.length * CHUNK_BYTES
      chunks.push(Buffer.alloc(CHUNK_BYTES))
    }
    const offset = end
    const chunk = chunkAt(offset)
    const at = offset % CHUNK_BYTES
    chunk.writeUInt8(key.byteLength, at)
    chunk.writeUInt16LE(value.byteLength, at + 1)
    chunk.set(key, at + HEAD_BYTES)
    chunk.set(value, at + HEAD_BYTES + key.byteLength)
    end += size
    bytes += size
    return offset
  }
  return {
    get bytes() {
      return bytes
    },
    get places() {
      return places.length
    },
    get(key) {
      const place = placeOf(key)
      return place === undefined ? undefined : valueAt((places[place] ?? 0) - 1)
    },
    set(key, value) {
      const place = placeOf(key)
      const offset = write(key, value)
      if (place !== undefined) {
        wipe((places[place] ?? 0) - 1)
        places[place] = offset + 1
      } else {
        if (taken * 4 >= places.length * 3) grow()
        if (put(key, offset)) return
        // In a table that is half empty only keys chosen to meet find no place.
        if (taken * 2 > places.length) grow()
        if (!put(key, offset)) wipe(offset)
      }
    },
    delete(key) {
      const place = placeOf(key)
      if (place === undefined) return
      wipe((places[place] ?? 0) - 1)
      places[place] = GONE
    },
  }
}

/** FNV-1a, from a seed, its bits mixed once more at the end (MurmurHash3). Who chooses keys that meet gains little: see {@link MOST_STEPS}. */
function hashOf(key: Uint8Array, seed: number): number {
  let hash = 0x81_1c_9d_c5 ^ seed
  for (const byte of key) hash = Math.imul(hash ^ byte, 0x01_00_01_93)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85_eb_ca_6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2_b2_ae_35)
  return (hash ^ (hash >>> 16)) >>> 0
}
