/**
 * A permission that an operator prepares: by mandate, to be signed (SGE), or with a document at hand, which GRDF confirms
 * with the holder. What the form says goes through the same import as everything else, and its mistakes come back here.
 */
import { createHash, randomBytes } from 'node:crypto'
import { MOST_PAPER_BYTES } from '../../domain/paper.ts'
import type { Day } from '../../domain/time.ts'
import { addDays, addMonths, parisDay, parseDay, rfc3339, startOfDay } from '../../domain/time.ts'
import type { DataKind, ProviderId, Step } from '../../domain/vocabulary.ts'
import { minutesOf } from '../../domain/vocabulary.ts'
import type { Content } from '../../web/html.ts'
import { html } from '../../web/html.ts'
import type { Said } from '../../web/language.ts'
import { PAPER_WORDS, papersFrom } from '../../web/papers.ts'
import type { TakenPaper } from '../../web/papers.ts'
import type { Flaw, PageRoute, Shown, Visit } from './visit.ts'
import { checkField, choiceField, fileField, flawNotice, form, page, redirect, seg, textField } from './visit.ts'
import { KIND } from './words.ts'

type Way = 'mandate' | 'gas'

interface Journey {
  readonly title: Said
  readonly provider: ProviderId
  /** What may be asked for, with the finest step of each; null: no days. */
  readonly kinds: Readonly<Partial<Record<DataKind, Step | null>>>
  readonly meterHint: Said
}
const JOURNEYS: Readonly<Record<Way, Journey>> = {
  mandate: {
    title: { fr: 'Préparer un mandat (SGE)', en: 'Prepare a mandate (SGE)' },
    provider: 'enedis-sge',
    kinds: {
      load_curve: 'PT30M',
      daily_energy: 'P1D',
      max_power: 'P1D',
      index: 'P1D',
      published_reading: 'P1M',
      contract_data: null,
      technical_data: null,
    },
    meterHint: { fr: '14 chiffres', en: '14 digits' },
  },
  gas: {
    title: { fr: 'Demander un droit d’accès (GRDF)', en: 'Ask for an access right (GRDF)' },
    provider: 'grdf-adict',
    kinds: { daily_energy: 'P1D', published_reading: 'P1D', contract_data: null, technical_data: null },
    meterHint: { fr: '14 chiffres, ou GI et 6 chiffres', en: '14 digits, or GI and 6 digits' },
  },
}
const IDENTITIES: Readonly<Record<string, Said>> = {
  id_document_check: { fr: 'pièce d’identité vérifiée', en: 'identity document checked' },
  contract_document_check: { fr: 'facture ou contrat vérifié', en: 'bill or contract checked' },
  known_in_person: { fr: 'rencontrée en personne', en: 'met in person' },
}

/** C5 meters record half-hours, larger ones ten or five minutes. */
const CURVE_STEPS = ['PT30M', 'PT10M', 'PT5M'] as const

const kindsOf = (way: Way): readonly DataKind[] => Object.keys(JOURNEYS[way].kinds) as DataKind[]

async function show(visit: Visit, way: Way, mistakes: readonly string[] = [], flaw?: Flaw): Promise<Shown> {
  const { parts, say, language, form: sent } = visit
  const { title, provider, meterHint } = JOURNEYS[way]
  const accounts = parts.journeys.accounts().filter((one) => one.startsWith(`${provider}/`))
  if (accounts.length === 0)
    return page(
      say(title),
      html`<p>
        ${say({ fr: 'Les paramètres n’ont pas de compte pour cela :', en: 'The settings have no account for it:' })}
        <code>providers.${provider}</code>
      </p>`,
      { status: 409 },
    )
  const clients = (await parts.clients.list()).filter(({ purpose, disabled }) => purpose !== null && !disabled)
  const today = parisDay(parts.now())
  const value = (name: string, otherwise = ''): string => sent[name] ?? otherwise
  const text = (name: string, label: Said, more: { hint?: Said; type?: 'date'; otherwise?: string; required?: boolean } = {}) =>
    textField(name, say(label), {
      value: value(name, more.otherwise),
      required: more.required ?? true,
      flaw,
      ...(more.type && { type: more.type }),
      ...(more.hint && { hint: say(more.hint) }),
    })
  return page(
    say(title),
    html`${flawNotice(visit, flaw)}
    ${
      mistakes.length > 0 &&
      html`<div class="error" role="alert">
        <p>${say({ fr: 'Rien n’a été enregistré :', en: 'Nothing was put on record:' })}</p>
        <ul lang="en">
          ${mistakes.map((one) => html`<li>${one}</li>`)}
        </ul>
      </div>`
    }
    ${form(
      visit,
      `/permissions/new/${way}`,
      html`${text('id', { fr: 'Identifiant', en: 'Id' }, { otherwise: `p-${randomBytes(4).toString('hex')}x`, hint: { fr: 'paraît en clair dans les journaux : ni nom, ni numéro', en: 'stands in clear in logs: no name, no number' } })}
        ${choiceField(
          'client',
          say({ fr: 'Client', en: 'Client' }),
          clients.map(({ id, name }) => ({ value: id, text: `${name} (${id})` })),
          value('client'),
          true,
        )}
        ${choiceField(
          'account',
          say({ fr: 'Compte', en: 'Account' }),
          accounts.map((one) => ({ value: one.slice(provider.length + 1), text: one })),
          value('account'),
          true,
        )}
        ${text('meter', { fr: 'Point de livraison', en: 'Delivery point' }, { hint: meterHint })}
        ${choiceField(
          'kind',
          say({ fr: 'Titulaire', en: 'Holder' }),
          [
            { value: 'natural', text: say({ fr: 'une personne', en: 'a person' }) },
            { value: 'legal', text: say({ fr: 'un organisme', en: 'a body' }) },
          ],
          value('kind'),
        )}
        ${text('name', { fr: 'Nom du titulaire, comme au contrat', en: 'Name of the holder, as in the contract' })}
        ${way === 'gas' && gasFields(visit, text, flaw)}
        <fieldset>
          <legend>${say({ fr: 'Données demandées', en: 'Data asked for' })}</legend>
          ${kindsOf(way).map((kind) => checkField(`line-${kind}`, KIND[kind][language], sent[`line-${kind}`] === 'yes'))}
        </fieldset>
        ${
          way === 'mandate' &&
          choiceField(
            'direction',
            say({ fr: 'Sens', en: 'Direction' }),
            [
              { value: 'withdrawal', text: say({ fr: 'consommation', en: 'consumption' }) },
              { value: 'injection', text: say({ fr: 'production', en: 'production' }) },
            ],
            value('direction'),
          )
        }
        ${
          way === 'mandate' &&
          choiceField(
            'finest',
            say({ fr: 'Pas de la courbe de charge', en: 'Step of the load curve' }),
            CURVE_STEPS.map((step) => ({ value: step, text: `${minutesOf(step)} min` })),
            value('finest'),
          )
        }
        ${text('from', { fr: 'Premier jour des données', en: 'First day of the data' }, { type: 'date', otherwise: addMonths(today, -12) })}
        ${text('last', { fr: 'Dernier jour de l’autorisation', en: 'Last day of the permission' }, { type: 'date', otherwise: addDays(addMonths(today, 12), -1) })}
        ${way === 'mandate' && checkField('order', say({ fr: 'Commander un service d’accès à Enedis une fois le mandat vérifié', en: 'Order an access service at Enedis once the mandate is checked' }), sent['order'] === 'yes')}`,
      html`<button>${say({ fr: 'Enregistrer', en: 'Put on record' })}</button>`,
      way === 'gas',
    )}`,
    mistakes.length > 0 || flaw ? { status: 422 } : {},
  )
}

type TextField = (name: string, label: Said, more?: { hint?: Said; type?: 'date'; otherwise?: string; required?: boolean }) => Content

function gasFields(visit: Visit, text: TextField, flaw: Flaw | undefined): Content {
  const { say, language, form: sent, parts } = visit
  return html`${text('postcode', { fr: 'Code postal du compteur', en: 'Postcode of the meter' })}
  ${text('email', { fr: 'Courriel du titulaire, où GRDF lui écrira', en: 'E-mail of the holder, to which GRDF will write' })}
  ${text('phone', { fr: 'Mobile du titulaire (facultatif)', en: 'Mobile of the holder (optional)' }, { required: false })}
  ${fileField('signed', say({ fr: 'Accord signé par le titulaire', en: 'Agreement signed by the holder' }), { required: true, flaw, hint: say({ fr: 'GRDF peut le demander plus tard ; PDF, PNG ou JPEG, 4 Mo au plus', en: 'GRDF may ask for it later; PDF, PNG or JPEG, 4 MB at most' }) })}
  ${text('on', { fr: 'Signé le', en: 'Signed on' }, { type: 'date', otherwise: parisDay(parts.now()) })}
  ${choiceField(
    'identity',
    say({ fr: 'Identité', en: 'Identity' }),
    Object.entries(IDENTITIES).map(([value, said]) => ({ value, text: said[language] })),
    sent['identity'],
  )}`
}

/** As `ecluse permission import` takes it. */
function composed(visit: Visit, way: Way, days: { from: Day; last: Day; on: Day }, purpose: string, paper: TakenPaper | undefined) {
  const { form: sent } = visit
  const { provider, kinds } = JOURNEYS[way]
  const direction = sent['direction'] === 'injection' ? 'injection' : 'withdrawal'
  const until = addDays(days.last, 1)
  const lines = kindsOf(way)
    .filter((kind) => sent[`line-${kind}`] === 'yes')
    .map((kind) =>
      kinds[kind] === null
        ? { kind, direction: 'n_a', purpose }
        : { kind, direction, finest: kind === 'load_curve' ? sent['finest'] : kinds[kind], purpose, from: days.from, until },
    )
  const phone = (sent['phone'] ?? '').replaceAll(/\s/g, '')
  const name = (sent['name'] ?? '').trim()
  return {
    id: sent['id'],
    meter: `${way === 'gas' ? 'pce' : 'prm'}:${(sent['meter'] ?? '').replaceAll(/\s/g, '')}`,
    holder: { kind: sent['kind'], reference: name, name },
    client: sent['client'],
    ground: { gdpr_basis: 'consent', sector_release: 'express_authorisation' },
    valid_from: rfc3339(startOfDay(parisDay(visit.parts.now()))),
    valid_until: rfc3339(startOfDay(until)),
    lines,
    ...(way === 'mandate' && {
      mandate: true,
      bindings: [{ provider, account: sent['account'], ...(sent['order'] === 'yes' && { order: true }) }],
    }),
    ...(paper && {
      notice: { id: 'signed_document', version: '1', sha256: createHash('sha256').update(paper.bytes).digest('hex'), language: 'fr' },
      will: { channel: 'paper', occurred_at: rfc3339(startOfDay(days.on)) },
      identity: { method: sent['identity'], strength: 'S2' },
      holder_match: { method: 'operator_check', result: 'exact' },
      attachments: [{ kind: 'signed_mandate', file: 'signed', media_type: paper.mediaType }],
      bindings: [
        {
          provider,
          account: sent['account'],
          declare: { postcode: sent['postcode'], email: (sent['email'] ?? '').trim(), ...(phone !== '' && { phone }) },
        },
      ],
    }),
  }
}

async function make(visit: Visit, way: Way): Promise<Shown> {
  const { parts, operator, form: sent, uploads, say } = visit
  const from = parseDay(sent['from'] ?? '')
  const last = parseDay(sent['last'] ?? '')
  const today = parisDay(parts.now())
  const on = way === 'gas' ? parseDay(sent['on'] ?? '') : today
  const badDay =
    from === undefined
      ? 'from'
      : last === undefined || last < today || last < from
        ? 'last'
        : on === undefined || on > today
          ? 'on'
          : undefined
  if (badDay !== undefined || from === undefined || last === undefined || on === undefined)
    return show(visit, way, [], { field: badDay ?? 'from', sentence: say({ fr: 'Ce jour ne va pas.', en: 'This day does not do.' }) })
  let paper: TakenPaper | undefined
  if (way === 'gas') {
    const why = uploads === 'too_long' ? 'too_long' : uploads === 'unreadable' ? 'broken' : undefined
    const papers =
      typeof uploads === 'string' ? undefined : await papersFrom(uploads, { signed: 'signed_mandate' }, 'signed', parts.journeys.scan)
    const flaw = papers && 'why' in papers ? papers.why : why
    if (flaw !== undefined || !papers || 'why' in papers)
      return show(visit, way, [], { field: 'signed', sentence: say(PAPER_WORDS[flaw ?? 'missing']) })
    paper = papers[0]
  }
  const purpose = (await parts.clients.list()).find(({ id }) => id === sent['client'])?.purpose ?? ''
  const permission = composed(visit, way, { from, last, on }, purpose, paper)
  const done = await parts.permissions.import(operator, {
    text: JSON.stringify({ permissions: [permission] }),
    documents: paper ? { signed: Buffer.from(paper.bytes).toString('base64') } : {},
    dryRun: false,
    unverified: false,
  })
  if (!done.ok)
    return show(
      visit,
      way,
      done.mistakes.map(({ where, message }) => `${where}: ${message}`),
    )
  return redirect(`/permissions/${seg(String(permission.id))}`)
}

export const NEW_PAGES: readonly PageRoute[] = [
  { method: 'GET', path: '/permissions/new/mandate', role: 'operator', handle: (visit) => show(visit, 'mandate') },
  { method: 'POST', path: '/permissions/new/mandate', role: 'operator', handle: (visit) => make(visit, 'mandate') },
  { method: 'GET', path: '/permissions/new/gas', role: 'operator', handle: (visit) => show(visit, 'gas') },
  {
    method: 'POST',
    path: '/permissions/new/gas',
    role: 'operator',
    files: { files: 1, bytes: MOST_PAPER_BYTES },
    handle: (visit) => make(visit, 'gas'),
  },
]
