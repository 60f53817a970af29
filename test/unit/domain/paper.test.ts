import { deflateSync, gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { zipSync } from 'fflate'
import { describe, expect, test } from 'vitest'
import { MOST_PAPER_BYTES, PAPER_TYPES, readPaper } from '../../../src/domain/paper.ts'
import { aJpeg, aPdf, aPng } from '../../harness/papers.ts'

describe('what is taken', () => {
  test.each([
    ['a PDF', aPdf('mandat'), 'application/pdf'],
    ['a PNG', aPng(100, 100), 'image/png'],
    ['a JPEG', aJpeg(100, 100), 'image/jpeg'],
    ['a page of A4 at 600 dots an inch', aPng(4960, 7016), 'image/png'],
    ['a PDF of just the length', aPdf('x'.repeat(MOST_PAPER_BYTES - aPdf('').byteLength)), 'application/pdf'],
  ])('%s', (_what, bytes, mediaType) => {
    expect(readPaper(bytes)).toStrictEqual({ ok: true, mediaType })
  })
})

describe('what is not', () => {
  test.each([
    ['nothing', Buffer.alloc(0), 'empty'],
    ['a byte too many', aPdf('x'.repeat(MOST_PAPER_BYTES - aPdf('').byteLength + 1)), 'too_long'],
    ['a zip', Buffer.from(zipSync({ 'mandat.pdf': aPdf('x') })), 'archive'],
    ['an archive that holds ten megabytes of nothing', gzipSync(Buffer.alloc(10_000_000)), 'archive'],
    ['a program', Buffer.from('\u007fELF\u0002\u0001'), 'other_type'],
    ['a page of HTML', Buffer.from('<!doctype html><script>1</script>'), 'other_type'],
    ['an SVG', Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>'), 'other_type'],
    ['a PDF behind something else', Buffer.concat([Buffer.from('GIF89a'), aPdf('x')]), 'other_type'],
    ['a PDF that was cut', aPdf('x').subarray(0, 12), 'broken'],
    ['a PDF that runs a program', aPdf('<< /OpenAction << /S /JavaScript /JS (app.alert(1)) >> >>'), 'active'],
    ['a PDF with a file inside', aPdf('<< /Names << /EmbeddedFiles 1 0 R >> >>'), 'active'],
    ['a PNG that unfolds to four gigapixels', aPng(65_535, 65_535), 'too_many_pixels'],
    ['a PNG without its end', aPng(10, 10).subarray(0, -4), 'broken'],
    ['a JPEG of four gigapixels', aJpeg(65_535, 65_535), 'too_many_pixels'],
    ['a JPEG without a frame', Buffer.concat([Buffer.from('ffd8ffe000104a46494600', 'hex'), Buffer.alloc(40)]), 'broken'],
    ['a picture of no size', aPng(0, 10), 'broken'],
  ])('%s', (_what, bytes, flaw) => {
    expect(readPaper(bytes)).toStrictEqual({ ok: false, flaw })
  })
})

test('whatever the bytes, one of three types or a flaw, and never an exception', () => {
  const beginnings = [aPdf('x'), aPng(10, 10), aJpeg(10, 10), deflateSync('x')].map((bytes) => bytes.subarray(0, 24))
  const bytes = fc.tuple(fc.constantFrom(Buffer.alloc(0), ...beginnings), fc.uint8Array({ maxLength: 200 }))
  fc.assert(
    fc.property(bytes, ([head, tail]) => {
      const paper = readPaper(Buffer.concat([head, tail]))
      expect(paper.ok ? PAPER_TYPES.includes(paper.mediaType) : paper.flaw.length > 0).toBe(true)
    }),
  )
})
