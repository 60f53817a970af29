/**
 * How a document that somebody filed is handed out: as a file to keep, never as a page of ours. Whatever its bytes are,
 * the browser must neither guess a type nor run anything in it.
 */
const TYPES: Readonly<Record<string, string>> = {
  'application/pdf': 'pdf',
  'application/json': 'json',
  'image/jpeg': 'jpg',
  'image/png': 'png',
  'text/plain': 'txt',
}

export function documentHeaders(kind: string, sha256: string, mediaType: string): Readonly<Record<string, string>> {
  const ending = Object.hasOwn(TYPES, mediaType) ? TYPES[mediaType] : undefined
  const name = `${kind.replaceAll(/[^a-z0-9_]/g, '')}-${sha256.slice(0, 8)}.${ending ?? 'bin'}`
  return {
    ...fileHeaders(name, ending === undefined ? 'application/octet-stream' : mediaType),
    'Content-Security-Policy': "sandbox; default-src 'none'; frame-ancestors 'none'",
  }
}

/** `name` is ours: letters, digits, dots, dashes. */
export function fileHeaders(name: string, type: string): Readonly<Record<string, string>> {
  return {
    'Content-Type': type,
    'Content-Disposition': `attachment; filename="${name.replaceAll(/[^A-Za-z0-9._-]/g, '')}"`,
    'X-Content-Type-Options': 'nosniff',
    'Content-Security-Policy': "sandbox; default-src 'none'; frame-ancestors 'none'",
    'Cross-Origin-Resource-Policy': 'same-origin',
    'Referrer-Policy': 'no-referrer',
    'Cache-Control': 'no-store',
  }
}
