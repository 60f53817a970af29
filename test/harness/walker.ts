/**
 * A person's browser without a window: keeps cookies, follows redirects, fills in forms. It knows no script, loads no
 * picture, and sends with a form what a browser sends: where it comes from.
 *
 * A redirect to an origin that the test does not serve is where the walk ends: `left` is the address.
 */
export interface Page {
  readonly url: string
  readonly status: number
  readonly headers: Headers
  readonly text: string
  /** Where the browser would go next, outside of what the test serves. */
  readonly left?: string
  /** Every address on the way to this page. */
  readonly way: readonly string[]
}
export type Values = readonly (readonly [name: string, value: string])[]
export interface Request {
  readonly method?: 'GET' | 'POST'
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: URLSearchParams
  readonly signal?: AbortSignal
}

export interface Walker {
  get(url: string, headers?: Readonly<Record<string, string>>): Promise<Page>
  /** One request; where it redirects to is in `location`, and nobody goes there. */
  step(url: string, request?: Request): Promise<Page>
  /** Sends a form of the page with its hidden fields and these values. */
  submit(page: Page, values: Values, headers?: Readonly<Record<string, string>>, form?: number): Promise<Page>
  /** The same, without following where it leads. */
  post(page: Page, values: Values, headers?: Readonly<Record<string, string>>, form?: number): Promise<Page>
  /** Cookies of a host, as the browser would send them. */
  cookies(host?: string): string
  /** The same browser at this moment, as its session restore or a thief would have it. */
  copy(): Walker
}

const MOST_REDIRECTS = 12

/** @param origins what the test serves */
export function walker(origins: readonly string[], jar: Map<string, Map<string, string>> = new Map()): Walker {
  async function step(url: string, request: Request = {}, way: readonly string[] = []): Promise<Page> {
    const host = new URL(url).hostname
    const cookie = cookiesOf(jar, host)
    const answer = await fetch(url, {
      method: request.method ?? 'GET',
      redirect: 'manual',
      headers: { 'accept-language': 'fr', ...request.headers, ...(cookie !== '' && { cookie }) },
      ...(request.body && { body: request.body }),
      ...(request.signal && { signal: request.signal }),
    })
    for (const line of answer.headers.getSetCookie()) keep(jar, host, line)
    return { url, status: answer.status, headers: answer.headers, text: await answer.text(), way: [...way, url] }
  }
  async function follow(first: Page): Promise<Page> {
    let page = first
    for (let i = 0; i < MOST_REDIRECTS; i += 1) {
      const to = page.headers.get('location')
      if (to === null || page.status < 300 || page.status > 399) return page
      const next = new URL(to, page.url)
      if (!origins.includes(next.origin)) return { ...page, left: next.href }
      page = await step(next.href, {}, page.way)
    }
    throw new Error(`redirected in circles: ${page.way.join(' ')}`)
  }
  async function post(page: Page, values: Values, headers: Readonly<Record<string, string>> = {}, form = 0): Promise<Page> {
    const { action, body } = formOf(page, form)
    for (const [name, value] of values) body.append(name, value)
    const from = { origin: new URL(page.url).origin, 'sec-fetch-site': 'same-origin', ...headers }
    return step(action, { method: 'POST', body, headers: from })
  }
  return {
    step,
    get: async (url, headers = {}) => follow(await step(url, { headers })),
    submit: async (page, values, headers, form) => follow(await post(page, values, headers, form)),
    post,
    cookies: (host = '127.0.0.1') => cookiesOf(jar, host),
    copy: () => walker(origins, new Map([...jar].map(([host, cookies]) => [host, new Map(cookies)]))),
  }
}

function cookiesOf(jar: Map<string, Map<string, string>>, host: string): string {
  return [...(jar.get(host) ?? [])].map(([name, value]) => `${name}=${value}`).join('; ')
}

function keep(jar: Map<string, Map<string, string>>, host: string, line: string): void {
  const [, name = '', value = ''] = /^([^=;]+)=([^;]*)/.exec(line) ?? []
  const cookies = jar.get(host) ?? new Map<string, string>()
  cookies.set(name, value)
  jar.set(host, cookies)
}

/** Where a form leads, and its hidden fields. */
export function formOf(page: Page, form = 0): { readonly action: string; readonly body: URLSearchParams } {
  const forms = [...page.text.matchAll(/<form[^>]*\baction="([^"]*)"[^>]*>([\s\S]*?)<\/form>/g)]
  const found = forms[form]
  if (!found) throw new Error(`no form on ${page.url} (${page.status}): ${mainOf(page)}`)
  const body = new URLSearchParams()
  for (const [tag] of (found[2] ?? '').matchAll(/<input[^>]*type="hidden"[^>]*>/g))
    body.append(attribute(tag, 'name'), attribute(tag, 'value'))
  return { action: new URL(unescaped(found[1] ?? ''), page.url).href, body }
}

/** What stands in the page itself, without its frame. */
export function mainOf(page: Page): string {
  return /<main[^>]*>([\s\S]*)<\/main>/.exec(page.text)?.[1] ?? page.text
}

export function attribute(tag: string, name: string): string {
  return unescaped(new RegExp(`\\b${name}="([^"]*)"`).exec(tag)?.[1] ?? '')
}

function unescaped(text: string): string {
  return text.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&quot;', '"').replaceAll('&#39;', "'").replaceAll('&amp;', '&')
}
