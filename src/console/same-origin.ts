/**
 * Whether a request was made by a page of ours, as the browser itself says it: in `Sec-Fetch-Site`, which no page can
 * set, or, where it knows none, in `Origin`. One that says neither is no browser that we can trust a cookie of.
 */
export function isSameOrigin(headers: Readonly<Record<string, string | readonly string[] | undefined>>, origin: string): boolean {
  const site = headers['sec-fetch-site']
  if (site !== undefined) return site === 'same-origin'
  return headers['origin'] === origin
}
