/**
 * Whether a request was made by a page of ours, as the browser itself says it. `Sec-Fetch-Site` speaks first: our pages
 * ask for no referrer, so that browsers write `Origin: null` on their forms. One that says neither is no browser that we
 * can trust a cookie of.
 */
export function isSameOrigin(headers: Readonly<Record<string, string | readonly string[] | undefined>>, origin: string): boolean {
  const site = headers['sec-fetch-site']
  if (site !== undefined) return site === 'same-origin'
  return headers['origin'] === origin
}
