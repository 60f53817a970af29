/**
 * The answer to a request for contract or technical data: one object, written anew from the members that `fields.ts`
 * names, the caller asked for and the part grants. The street address of the meter is a kind of its own.
 */
import type { Part } from '../../domain/decision.ts'
import { bareMeter } from '../../domain/meter.ts'
import type { AccessRequest } from '../../domain/request.ts'
import type { DataKind } from '../../domain/vocabulary.ts'
import type { Answer, Counts, Fed, HolderError, PartReader } from '../adapter.ts'
import type { Shape } from './fields.ts'
import { isFields, pick } from './fields.ts'
import { saidInBody } from './holder-says.ts'
import { CONTENT_TYPE } from './line-answer.ts'
import { Ndjson } from './ndjson.ts'
import type { AboutPoint } from './series.ts'

export function aboutAnswer(shape: Shape, { inside }: AboutPoint, access: AccessRequest, parts: readonly Part[]): Answer {
  return {
    contentType: CONTENT_TYPE,
    part(index) {
      const part = parts[index]
      // One point is one object: two of them cannot be told apart.
      if (!part || parts.length !== 1) throw new RangeError('data about a point has exactly one part')
      return new AboutPart(shape, inside, bareMeter(access.meter), new Set(part.keepKinds))
    },
    skip() {
      // Nothing stands for an answer without data.
    },
    close: () => [],
  }
}

class AboutPart implements PartReader {
  readonly allTooFine = false
  readonly #shape: Shape
  readonly #inside: AboutPoint['inside']
  readonly #point: string
  readonly #granted: ReadonlySet<DataKind>
  readonly #body = new Ndjson((object) => this.#take(object))
  #why: Extract<Fed, { ok: false }>['why'] = 'unreadable'
  #text: string | undefined
  #objects = 0
  #counts: Counts = { readings: 0, dropped: 0, first: null, last: null }
  #said: HolderError | undefined

  constructor(shape: Shape, inside: AboutPoint['inside'], point: string, granted: ReadonlySet<DataKind>) {
    this.#shape = shape
    this.#inside = inside
    this.#point = point
    this.#granted = granted
  }

  push(chunk: Uint8Array): Fed {
    return this.#body.push(chunk) ? { ok: true, out: [] } : { ok: false, why: this.#why }
  }

  end(): Fed {
    if (!this.#body.end()) return { ok: false, why: 'unreadable' }
    return { ok: true, out: this.#text === undefined || this.#said ? [] : [this.#text] }
  }

  get counts(): Counts {
    return this.#said ? { ...this.#counts, readings: 0 } : this.#counts
  }

  get said(): HolderError | undefined {
    return this.#said
  }

  #take(object: Readonly<Record<string, unknown>>): boolean {
    this.#objects += 1
    const { pce } = object
    if (this.#objects > 1 || !isFields(pce)) return false
    if (pce['id_pce'] !== this.#point) {
      this.#why = 'other_meter'
      return false
    }
    this.#said = saidInBody(object['statut_restitution'])
    const tally = { kept: 0, dropped: 0 }
    const kept = pick(object[this.#inside] ?? null, this.#shape, this.#granted, tally)
    if (kept && tally.kept > 0)
      this.#text = `${JSON.stringify({ pce: { id_pce: this.#point }, [this.#inside]: kept, statut_restitution: null })}\n`
    this.#counts = { readings: tally.kept > 0 ? 1 : 0, dropped: tally.dropped, first: null, last: null }
    return true
  }
}
