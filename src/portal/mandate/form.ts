/**
 * The form that a holder signs on paper: who would read what, for what, for how long, and how to take it back, in French,
 * with the permission's id and the hash of its scope. The same permission gives the same bytes. Tagged, with its language
 * and title, so that it can be read aloud.
 *
 * Sources: GDPR articles 7 and 13; Code de l'énergie R. 111-27 (express authorisation of the holder), D. 224-26 ff. of the
 * Code de la consommation for the load curve.
 */
import { bareMeter } from '../../domain/meter.ts'
import type { Purpose } from '../../domain/policy.ts'
import type { Millis } from '../../domain/time.ts'
import { parisDay } from '../../domain/time.ts'
import type { GdprBasis } from '../../domain/vocabulary.ts'
import type { PermissionContent } from '../../permissions/record.ts'
import type { ClientSettings } from '../../settings/shape.ts'
import { dayIn } from '../../web/language.ts'
import { spanIn } from '../person/permission.ts'
import { BASIS_WORDS } from '../person/words.ts'
import { daysIn, lineIn } from '../words.ts'

export interface MandateForm {
  readonly permission: string
  readonly content: PermissionContent
  /** SHA-256 of the scope, as the evidence names it. */
  readonly scopeHash: string
  readonly client: ClientSettings | undefined
  readonly purposes: readonly Purpose[]
  /** Who runs the gate and is told the data by Enedis. */
  readonly operator: { readonly name: string; readonly contact?: string; readonly address?: string }
  readonly issued: Millis
}

const MARGIN = 56
const WIDTH = 595.28 - 2 * MARGIN

export async function mandateForm(form: MandateForm): Promise<Buffer> {
  const { permission, content, client, operator, issued } = form
  // Loaded when the first form is made: it takes 33 MB of a process that may never make one.
  const { default: PDFDocument } = await import('pdfkit')
  const pdf = new PDFDocument({
    size: 'A4',
    margin: MARGIN,
    pdfVersion: '1.7',
    tagged: true,
    lang: 'fr-FR',
    displayTitle: true,
    info: { Title: `Mandat ${permission}`, Author: operator.name, CreationDate: new Date(issued) },
  })
  const pieces: Buffer[] = []
  pdf.on('data', (piece: Buffer) => pieces.push(piece))
  const done = new Promise<Buffer>((resolve, reject) => {
    pdf.once('end', () => resolve(Buffer.concat(pieces)))
    pdf.once('error', reject)
  })
  const root = pdf.struct('Document')
  pdf.addStructure(root)
  const add = (tag: 'H1' | 'H2' | 'P' | 'LI', write: () => void): void => void root.add(pdf.struct(tag, {}, write))
  const heading = (text: string): void =>
    add(
      'H2',
      () => void pdf.moveDown(0.8).font('Helvetica-Bold').fontSize(11).text(plain(text), MARGIN, undefined, { width: WIDTH }).moveDown(0.2),
    )
  const paragraph = (text: string): void =>
    add('P', () => void pdf.font('Helvetica').fontSize(9.5).text(plain(text), MARGIN, undefined, { width: WIDTH }).moveDown(0.25))
  const item = (text: string): void =>
    add(
      'LI',
      () =>
        void pdf
          .font('Helvetica')
          .fontSize(9.5)
          .text(`– ${plain(text)}`, MARGIN + 10, undefined, { width: WIDTH - 10 })
          .moveDown(0.15),
    )

  add('H1', () => void pdf.font('Helvetica-Bold').fontSize(16).text(TITLE, { width: WIDTH }).moveDown(0.4))
  paragraph(`Référence de l’autorisation : ${permission}`)
  paragraph(`Empreinte de ce qui est autorisé (SHA-256) : ${form.scopeHash}`)
  paragraph(`Établi le ${dayIn('fr', parisDay(issued))} par ${operator.name}.`)
  heading('Le titulaire du contrat d’électricité')
  paragraph(`${content.holder.kind === 'natural' ? 'Nom et prénom' : 'Dénomination'} : ${content.holder.name ?? ''}`)
  paragraph(`Point de livraison (PRM) : ${bareMeter(content.meter)}`)
  heading('Qui pourra lire ces données')
  paragraph(`${client?.name ?? content.scope.recipient}${client?.ask ? `, ${client.ask.body} (${client.ask.contact})` : ''}`)
  paragraph(
    `${operator.name} les demande pour lui au gestionnaire du réseau, Enedis${operator.address === undefined ? '' : ` ; ${operator.address}`}.`,
  )
  if (client?.ask && client.ask.recipients.length > 0) paragraph(`Autres destinataires : ${client.ask.recipients.join(', ')}`)
  heading('Ce qui pourra être lu, et pour quoi')
  linesOf(form).forEach(item)
  heading('Pour combien de temps')
  paragraph(`Les lectures sont permises ${spanIn('fr', content.scope.validFrom, content.scope.validUntil)}, une fois ce mandat vérifié.`)
  if (client?.ask) paragraph(`Conservation : ${client.ask.retention.fr}`)
  heading('Vos droits')
  for (const right of rightsOf(form)) paragraph(right)
  heading('Signature')
  paragraph(
    'Je suis titulaire du contrat d’électricité de ce point de livraison, ou habilité à l’engager, et j’autorise expressément la communication des données décrites ci-dessus, à elles seules.',
  )
  signature(pdf, add)
  pdf.end()
  return done
}

const TITLE = 'Mandat : autorisation de communiquer des données d’électricité'

function linesOf({ content, purposes }: MandateForm): string[] {
  return content.scope.lines.map((line) => {
    const purpose = purposes.find(({ code }) => code === line.purpose)?.label.fr ?? line.purpose
    return `${lineIn('fr', line)}${line.data ? ` ; jours concernés : ${daysIn('fr', line.data)}` : ''} ; usage : ${purpose}`
  })
}

function rightsOf({ content, operator }: MandateForm): string[] {
  const { ground } = content.scope
  return [
    `Base légale : ${BASIS_WORDS[ground.gdprBasis as GdprBasis].fr}${ground.legalReference === undefined ? '' : `, ${ground.legalReference}`}.`,
    'Rien ne vous oblige à signer. Vous pouvez retirer cette autorisation à tout moment et sans motif, avec effet immédiat : sur votre page, ou par une simple demande à l’adresse ci-dessous. Ce qui a été lu avant l’a été licitement.',
    `Vous pouvez demander l’accès à vos données, leur rectification, leur effacement ou la limitation de leur usage${operator.contact === undefined ? '' : ` : ${operator.contact}`}, et saisir la CNIL (www.cnil.fr).`,
    'Chaque lecture laisse une preuve que vous pouvez consulter et faire vérifier.',
  ]
}

function signature(pdf: PDFKit.PDFDocument, add: (tag: 'P', write: () => void) => void): void {
  if (pdf.y > pdf.page.height - MARGIN - 110) pdf.addPage()
  for (const label of ['Fait à', 'Le', 'Nom et qualité du signataire', 'Signature'])
    add(
      'P',
      () =>
        void pdf
          .font('Helvetica')
          .fontSize(9.5)
          .text(`${label} : ${'.'.repeat(label === 'Signature' ? 60 : 40)}`, MARGIN, undefined, { width: WIDTH })
          .moveDown(0.9),
    )
}

/** The fonts that every reader has know Windows-1252: what is not in it would print as something else. */
function plain(text: string): string {
  return text
    .normalize('NFC')
    .replaceAll(/[\u00a0\u202f\u2009]/g, ' ')
    .replaceAll(
      /[^\u0020-\u007e\u00a1-\u00ff\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2013\u2014\u2018-\u201e\u2020-\u2022\u2026\u2030\u2039\u203a\u20ac\u2122]/g,
      (character) => {
        const bare = character.normalize('NFD').replaceAll(/\p{M}/gu, '')
        return /^[\u0020-\u007e]+$/.test(bare) ? bare : '?'
      },
    )
}
