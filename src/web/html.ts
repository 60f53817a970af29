/**
 * HTML that cannot be injected into: whatever is put into a template is escaped, unless it is a template itself. There
 * is no way to mark a text as safe, so that no text of a person, a client or a data holder ever is.
 *
 * Attributes must stand in double quotes: `<a href="${url}">`. Values of `href`, `src` and `action` are given as paths
 * of ours or as URLs that were parsed; nothing else belongs there.
 */
export class Html {
  readonly text: string
  /** Of this file alone: a template is the only way to one. */
  constructor(text: string) {
    this.text = text
  }
  toString(): string {
    return this.text
  }
}

/** `false`, `null` and `undefined` leave nothing; lists are joined. */
export type Content = Html | string | number | false | null | undefined | readonly Content[]

export function html(strings: TemplateStringsArray, ...values: readonly Content[]): Html {
  let text = strings[0] ?? ''
  values.forEach((value, i) => {
    text += written(value) + (strings[i + 1] ?? '')
  })
  return new Html(text)
}

function written(value: Content): string {
  if (value instanceof Html) return value.text
  if (value === false || value === null || value === undefined) return ''
  if (typeof value === 'object') return value.map(written).join('')
  return escaped(String(value))
}

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }

function escaped(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => ENTITIES[character] ?? '')
}
