/** One visit to a page: what the visitor asked, who it is, and the pieces of HTML that pages share. */
import type { Content, Html } from '../../web/html.ts'
import type { FilesBounds, Upload } from '../../web/files.ts'
import { html } from '../../web/html.ts'
import type { Language, Said } from '../../web/language.ts'
import type { Millis } from '../../domain/time.ts'
import { rfc3339 } from '../../domain/time.ts'
import { momentIn } from '../../web/language.ts'
import type { ConsoleParts, Operator, Role } from '../ports.ts'
import type { Packs } from '../packs.ts'

export interface Visit {
  readonly parts: ConsoleParts
  readonly packs: Packs
  readonly language: Language
  readonly operator: Operator
  readonly csrf: string
  readonly params: Readonly<Record<string, string>>
  readonly query: Readonly<Record<string, string>>
  readonly form: Readonly<Record<string, string>>
  /** Files of a form that brings some; a form that was too long or broke off has none. */
  readonly uploads: readonly Upload[] | 'too_long' | 'unreadable'
  say(said: Said): string
}

/** What of a form could not be taken, and in which field. */
export interface Flaw {
  readonly field: string
  readonly sentence: string
}

export type Shown =
  | {
      readonly is: 'page'
      readonly title: string
      readonly body: Content
      readonly status?: number
      /** Asked for by whoever looks, and stopped as easily. */
      readonly refresh?: { readonly seconds: number; readonly href: string }
    }
  | { readonly is: 'redirect'; readonly to: string }
  | { readonly is: 'bytes'; readonly bytes: Uint8Array | string; readonly headers: Readonly<Record<string, string>> }
  | { readonly is: 'file'; readonly file: string; readonly headers: Readonly<Record<string, string>> }

export interface PageRoute {
  readonly method: 'GET' | 'POST'
  readonly path: string
  readonly role: Role
  /** The form brings files, so many of so many bytes. */
  readonly files?: FilesBounds
  handle(visit: Visit): Promise<Shown> | Shown
}

export function page(title: string, body: Content, more: { status?: number; refresh?: { seconds: number; href: string } } = {}): Shown {
  return {
    is: 'page',
    title,
    body: html`<h1>${title}</h1>
      ${body}`,
    ...more,
  }
}

export const redirect = (to: string): Shown => ({ is: 'redirect', to })

export const mayChange = ({ operator }: Visit): boolean => operator.role === 'operator'

/**
 * A form of ours: each carries the session's token, before its files.
 * @param files whether it brings any
 */
export function form(visit: Visit, action: string, body: Content, button: Content, files = false): Html {
  return html`<form method="post" action="${action}" ${files && html`enctype="multipart/form-data"`}>
    <input type="hidden" name="csrf" value="${visit.csrf}" />
    ${body}
    <div class="actions">${button}</div>
  </form>`
}

export function textField(
  name: string,
  label: string,
  more: {
    value?: string
    hint?: string
    required?: boolean
    flaw?: Flaw | undefined
    type?: 'text' | 'date' | 'password'
    max?: number
  } = {},
): Html {
  const flaw = more.flaw?.field === name ? more.flaw : undefined
  const described = [more.hint !== undefined && `${name}-hint`, flaw && `${name}-flaw`].filter((one) => typeof one === 'string').join(' ')
  const described_by = described === '' ? undefined : html` aria-describedby="${described}"`
  return html`<label class="field" for="${name}">${label}</label>
    ${more.hint !== undefined && html`<p class="soft" id="${name}-hint">${more.hint}</p>`}
    ${flaw && html`<p class="bad" id="${name}-flaw">${flaw.sentence}</p>`}
    <input
      type="${more.type ?? 'text'}"
      id="${name}"
      name="${name}"
      value="${more.value ?? ''}"
      ${described_by}${flaw && html` aria-invalid="true"`}${more.required === true && html` required`}
      maxlength="${more.max ?? 500}"
      autocomplete="off"
    />`
}

export function fileField(name: string, label: string, more: { required?: boolean; hint?: string; flaw?: Flaw | undefined } = {}): Html {
  const flaw = more.flaw?.field === name ? more.flaw : undefined
  const described = [more.hint !== undefined && `${name}-hint`, flaw && `${name}-flaw`].filter((one) => typeof one === 'string').join(' ')
  return html`<label class="field" for="${name}">${label}</label>
    ${more.hint !== undefined && html`<p class="soft" id="${name}-hint">${more.hint}</p>`}
    ${flaw && html`<p class="bad" id="${name}-flaw">${flaw.sentence}</p>`}
    <input
      type="file"
      id="${name}"
      name="${name}"
      accept="application/pdf,image/png,image/jpeg"
      ${described !== '' && html`aria-describedby="${described}"`}
      ${flaw && html`aria-invalid="true"`}
      ${more.required === true && html`required`}
    />`
}

export function checkField(name: string, label: string, checked = false): Html {
  return html`<div class="choice">
    <input type="checkbox" id="${name}" name="${name}" value="yes" ${checked && html`checked`} />
    <label for="${name}">${label}</label>
  </div>`
}

export function choiceField(
  name: string,
  label: string,
  options: readonly { readonly value: string; readonly text: string }[],
  chosen = '',
  required = false,
): Html {
  return html`<label class="field" for="${name}">${label}</label>
    <select id="${name}" name="${name}" ${required && html`required`}>
      ${options.map(({ value, text }) => html`<option value="${value}" ${value === chosen && html`selected`}>${text}</option>`)}
    </select>`
}

/** On top of a form that was not taken: said at once to who cannot see the field. */
export function flawNotice(visit: Visit, flaw: Flaw | undefined): Content {
  return (
    flaw &&
    html`<div class="error" role="alert">
      <p>
        ${visit.say({ fr: 'Le formulaire n’a pas été accepté :', en: 'The form was not taken:' })}
        <a href="#${flaw.field}">${flaw.sentence}</a>
      </p>
    </div>`
  )
}

export function table(caption: string, heads: readonly string[], rows: readonly (readonly Content[])[]): Html {
  return html`<div class="scroll" role="region" aria-label="${caption}" tabindex="0">
    <table>
      <caption>
        ${caption}
      </caption>
      <thead>
        <tr>
          ${heads.map((head) => html`<th scope="col">${head}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          (row) =>
            html`<tr>
              ${row.map((cell, i) => (i === 0 ? html`<th scope="row">${cell}</th>` : html`<td>${cell}</td>`))}
            </tr>`,
        )}
      </tbody>
    </table>
  </div>`
}

export function facts(list: readonly (readonly [string, Content] | false | undefined)[]): Html {
  return html`<dl class="facts">
    ${list.map(
      (one) =>
        one &&
        html`<dt>${one[0]}</dt>
          <dd>${one[1]}</dd>`,
    )}
  </dl>`
}

export function when(visit: Visit, rfc3339: string): Html {
  return html`<time datetime="${rfc3339}">${momentIn(visit.language, Date.parse(rfc3339) as Millis)}</time>`
}

/** To the second, for what is watched as it happens. */
export function whenExactly({ language }: Visit, at: Millis): Html {
  const text = new Intl.DateTimeFormat(language === 'fr' ? 'fr-FR' : 'en-GB', {
    dateStyle: 'short',
    timeStyle: 'medium',
    timeZone: 'Europe/Paris',
  }).format(at)
  return html`<time datetime="${rfc3339(at)}">${text}</time>`
}

export function moreLink(visit: Visit, href: string | null): Content {
  return (
    href !== null &&
    html`<p><a class="button plain" rel="next" href="${href}">${visit.say({ fr: 'Page suivante', en: 'Next page' })}</a></p>`
  )
}

/** A path of ours with what of a query has a value. */
export function withQuery(path: string, query: Readonly<Record<string, string | number | undefined>>): string {
  const words = new URLSearchParams(
    Object.entries(query).flatMap(([name, value]) => (value === undefined || value === '' ? [] : [[name, String(value)]])),
  ).toString()
  return words === '' ? path : `${path}?${words}`
}

export const seg = (text: string): string => encodeURIComponent(text)

const WHY: Said = { fr: 'Pourquoi ?', en: 'Why?' }
const WHY_HINT: Said = {
  fr: 'Reste scellé dans les preuves pour toujours : ni numéro de compteur, ni téléphone, ni adresse.',
  en: 'Stays sealed in the evidence for good: no meter, telephone number or address in it.',
}

/**
 * The evidence's own rule for reasons, told in the visitor's language before anything is asked of it. What it would refuse
 * for another reason still is.
 */
export function whyFlaw({ form: { why = '' }, say }: Visit): Flaw | undefined {
  const field = 'why'
  const text = why.trim()
  if (text === '') return { field, sentence: say({ fr: 'Dites pourquoi.', en: 'Say why.' }) }
  return isTelling(text) ? { field, sentence: say(NO_NUMBERS) } : undefined
}

/** It would outlive the person whom it names. */
export function isTelling(text: string): boolean {
  return /\d{8}|@/.test(text)
}
export const NO_NUMBERS: Said = {
  fr: 'Ni numéro de compteur ou de téléphone, ni adresse ici.',
  en: 'No meter, telephone number or address here.',
}
export const NO_METER: Said = {
  fr: 'Ce n’est pas un compteur : 14 chiffres, ou pce: et le numéro du point de gaz.',
  en: 'This is no meter: 14 digits, or pce: and the number of the gas point.',
}

/** Of every form that opens what is sealed. */
export function whyField(visit: Visit, more: { value?: string; flaw?: Flaw | undefined; max?: number } = {}): Html {
  return textField('why', visit.say(WHY), { hint: visit.say(WHY_HINT), required: true, value: visit.form['why'] ?? '', ...more })
}
