/**
 * A form that brings files (`multipart/form-data`, RFC 7578), read whole within bounds: so many files of so many bytes, a
 * few short fields, nothing twice. No file is looked at before the form has shown that it is one of ours: its token comes
 * before its files. Of what a file calls itself nothing is kept.
 */
import type { FastifyRequest } from 'fastify'

export interface Upload {
  readonly field: string
  readonly bytes: Buffer
}
export type FilesForm =
  | { readonly is: 'form'; readonly fields: Readonly<Record<string, string>>; readonly uploads: readonly Upload[] }
  | { readonly is: 'foreign' }
  | { readonly is: 'too_long' }
  | { readonly is: 'unreadable' }

export interface FilesBounds {
  readonly files: number
  readonly bytes: number
}

const FIELDS = 20
const FIELD_BYTES = 2000

/** Registered where forms bring files. */
export { default as filesPlugin } from '@fastify/multipart'

/** @param isOurs told the fields that came before the first file */
export async function filesForm(
  request: FastifyRequest,
  bounds: FilesBounds,
  isOurs: (fields: Readonly<Record<string, string>>) => boolean,
): Promise<FilesForm> {
  if (!request.isMultipart()) return { is: 'unreadable' }
  const fields: Record<string, string> = {}
  const uploads: Upload[] = []
  const limits = { files: bounds.files, fileSize: bounds.bytes, fields: FIELDS, fieldSize: FIELD_BYTES, parts: FIELDS + bounds.files }
  let foreign = false
  try {
    for await (const part of request.parts({ limits })) {
      if (part.type === 'field') {
        if (Object.hasOwn(fields, part.fieldname) || typeof part.value !== 'string') return { is: 'unreadable' }
        fields[part.fieldname] = part.value
        continue
      }
      foreign ||= !isOurs(fields)
      if (foreign) {
        part.file.resume()
        continue
      }
      const bytes = await part.toBuffer()
      // A field of the form in which nothing was chosen.
      if (bytes.byteLength > 0 || part.filename !== '') uploads.push({ field: part.fieldname, bytes })
    }
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === 'FST_REQ_FILE_TOO_LARGE' || code === 'FST_FILES_LIMIT') return { is: 'too_long' }
    // A form that breaks off or is no form: its sender's fault. What nobody here can name is ours.
    if (code !== undefined || (error instanceof Error && /multipart|terminated|boundary|header/i.test(error.message)))
      return { is: 'unreadable' }
    throw error
  }
  return foreign || !isOurs(fields) ? { is: 'foreign' } : { is: 'form', fields, uploads }
}
