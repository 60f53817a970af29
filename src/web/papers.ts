/** Documents of a form, each looked at for what it is and scanned; and what is said of one that is not taken. */
import type { PaperFlaw } from '../domain/paper.ts'
import { readPaper } from '../domain/paper.ts'
import type { Upload } from './files.ts'
import type { Said } from './language.ts'

export interface TakenPaper {
  readonly kind: string
  readonly mediaType: string
  readonly bytes: Uint8Array
}
/** `unsigned`, `duplicate`, `closed`: by what is on record. */
export type PaperRefusal = PaperFlaw | 'missing' | 'infected' | 'unscanned' | 'unsigned' | 'duplicate' | 'closed'
export interface RefusedPaper {
  readonly field: string
  readonly why: PaperRefusal
}

/**
 * @param kinds kind of document by field; a file of another field is none of ours, and nothing is taken
 * @param required the field that must bring one
 */
export async function papersFrom(
  uploads: readonly Upload[],
  kinds: Readonly<Record<string, string>>,
  required: string,
  scan: ((bytes: Uint8Array) => Promise<'clean' | 'infected' | 'unknown'>) | undefined,
): Promise<readonly TakenPaper[] | RefusedPaper> {
  if (!uploads.some(({ field }) => field === required)) return { field: required, why: 'missing' }
  const papers: TakenPaper[] = []
  for (const { field, bytes } of uploads) {
    const kind = Object.hasOwn(kinds, field) ? kinds[field] : undefined
    if (kind === undefined) return { field: required, why: 'other_type' }
    const paper = readPaper(bytes)
    if (!paper.ok) return { field, why: paper.flaw }
    const scanned = scan ? await scan(bytes) : 'clean'
    if (scanned !== 'clean') return { field, why: scanned === 'infected' ? 'infected' : 'unscanned' }
    papers.push({ kind, mediaType: paper.mediaType, bytes })
  }
  return papers
}

export const PAPER_WORDS: Readonly<Record<PaperRefusal, Said>> = {
  missing: { fr: 'Choisissez le document signé.', en: 'Choose the signed document.' },
  empty: { fr: 'Ce document est vide.', en: 'This document is empty.' },
  too_long: { fr: 'Ce document dépasse 4 Mo, ou il y en a trop.', en: 'This document has more than 4 MB, or there are too many.' },
  archive: {
    fr: 'Les archives ne sont pas ouvertes : envoyez le document lui-même.',
    en: 'Archives are not opened: send the document itself.',
  },
  other_type: { fr: 'Envoyez un PDF, ou une photo PNG ou JPEG.', en: 'Send a PDF, or a picture as PNG or JPEG.' },
  broken: { fr: 'Ce document est abîmé : il ne peut pas être lu.', en: 'This document is damaged: it cannot be read.' },
  too_many_pixels: {
    fr: 'Cette image est démesurée : numérisez à 300 points par pouce.',
    en: 'This picture is too large: scan at 300 dots an inch.',
  },
  active: {
    fr: 'Ce PDF contient un programme ou un fichier joint : imprimez-le et numérisez-le.',
    en: 'This PDF holds a program or an attached file: print it and scan it.',
  },
  infected: { fr: 'L’antivirus a refusé ce document.', en: 'The malware scanner refused this document.' },
  unscanned: {
    fr: 'Ce document n’a pas pu être vérifié : réessayez dans un instant.',
    en: 'This document could not be scanned: try again in a moment.',
  },
  unsigned: { fr: 'C’est le formulaire vierge : signez-le d’abord.', en: 'This is the blank form: sign it first.' },
  duplicate: { fr: 'Le même document a été choisi deux fois.', en: 'The same document was chosen twice.' },
  closed: { fr: 'Ce mandat n’est plus attendu.', en: 'This mandate is waited for no more.' },
}
