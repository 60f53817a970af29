/** The two languages that pages speak. French comes first: it is the law's here. */
import type { Day, Millis } from '../domain/time.ts'

export const LANGUAGES = ['fr', 'en'] as const
export type Language = (typeof LANGUAGES)[number]
/** A text in each language. */
export type Said = Readonly<Record<Language, string>>

/** What the person chose, if anything; else the first language of the browser that we speak; else French. */
export function languageOf(chosen: string | undefined, accept: string | undefined): Language {
  const known = LANGUAGES.find((language) => language === chosen)
  if (known) return known
  for (const part of (accept ?? '').split(',')) {
    const tag = part.trim().slice(0, 2).toLowerCase()
    const spoken = LANGUAGES.find((language) => language === tag)
    if (spoken) return spoken
  }
  return 'fr'
}

const LOCALES: Readonly<Record<Language, string>> = { fr: 'fr-FR', en: 'en-GB' }

/** A day as people read it: 6 octobre 2026. */
export function dayIn(language: Language, day: Day): string {
  return new Intl.DateTimeFormat(LOCALES[language], { dateStyle: 'long', timeZone: 'UTC' }).format(Date.parse(`${day}T00:00:00Z`))
}

/** A moment as people read it, on the clocks of Paris. */
export function momentIn(language: Language, at: Millis): string {
  return new Intl.DateTimeFormat(LOCALES[language], { dateStyle: 'long', timeStyle: 'short', timeZone: 'Europe/Paris' }).format(at)
}

export function numberIn(language: Language, value: number): string {
  return new Intl.NumberFormat(LOCALES[language]).format(value)
}
