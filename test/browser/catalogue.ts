/**
 * Every page that people see: what it is, where it stands, and in which width its picture is kept. The walks must come
 * to each of them in both languages; `npm run screens` writes the pictures, and docs/pages.md from this list.
 */
export type Shot = 'desktop' | 'phone'

export interface Listed {
  readonly at: string
  readonly what: string
  readonly shots: readonly [Shot, ...Shot[]]
  /** Kept in English as well. */
  readonly english?: true
}

const both = ['desktop', 'phone'] as const
const desktop = ['desktop'] as const
const phone = ['phone'] as const

export const SITES = {
  portal: 'Portal (the gate’s own address)',
  console: 'Operators’ console',
  sample: 'Sample application (demo)',
  enedis: 'Simulated Enedis (demo)',
  grdf: 'Simulated GRDF (demo)',
  franceconnect: 'Simulated FranceConnect (demo)',
} as const
export type Site = keyof typeof SITES

/** Name → page; the part before the first `-` is its site. */
export const CATALOGUE = {
  'portal-home': { at: '/', what: 'the services that ask', shots: both },
  'portal-ask': { at: '/consent/:id', what: 'who asks for what, one box a line', shots: both, english: true },
  'portal-ask-nothing': { at: '/consent/:id (answer)', what: 'nothing was ticked', shots: phone },
  'portal-wait': { at: '/consent/:id/check', what: 'Enedis has no word yet', shots: phone },
  'portal-choose': { at: '/consent/:id/check', what: 'several meters came back', shots: phone },
  'portal-choose-nothing': { at: '/consent/:id/meters (answer)', what: 'no meter was chosen', shots: phone },
  'portal-done-token': { at: '/consent/callback', what: 'the end, with a token to paste', shots: both },
  'portal-done': { at: '/consent/:id/done', what: 'the end, of a device', shots: phone },
  'portal-refused': { at: '/consent/:id/done', what: 'the person said no on our page', shots: phone },
  'portal-not-shared': { at: '/consent/:id/done', what: 'the person said no on Enedis’s page', shots: phone },
  'portal-holder-failed': { at: '/consent/callback', what: 'Enedis could not do it', shots: phone },
  'portal-foreign': { at: '/consent/callback', what: 'a share that is not the person’s', shots: desktop },
  'portal-stranger': { at: '/consent/:id', what: 'of another browser', shots: phone },
  'portal-form-refused': { at: '/consent/:id (answer)', what: 'a form that is out of date', shots: phone },
  'portal-not-found': { at: 'elsewhere', what: 'no such page', shots: phone },
  'portal-request-refused': { at: '/oauth/authorize', what: 'a service that nobody knows', shots: desktop },
  'portal-ways-in': { at: '/me', what: 'nobody is signed in', shots: both },
  'portal-permissions': { at: '/me', what: 'who may read what, until when', shots: both, english: true },
  'portal-permission': { at: '/me/:permission', what: 'one permission, and who read when', shots: both, english: true },
  'portal-evidence': { at: '/me/:permission/evidence/:n', what: 'the proof of one access, checked', shots: both },
  'portal-evidence-opened': { at: '/me/:permission/evidence/:n (answer)', what: 'its sealed fields', shots: phone },
  'portal-receipt': { at: '/receipts/:permission', what: 'the receipt of a permission', shots: both },
  'portal-withdrawn': { at: '/me/:permission/withdrawn', what: 'the receipt of a withdrawal', shots: both },
  'portal-permissions-ended': { at: '/me', what: 'nothing stands any more', shots: desktop },
  'portal-permission-missing': { at: '/me/:permission', what: 'not the person’s, or none', shots: phone },
  'portal-linked': { at: '/me?linked=1', what: 'linked with FranceConnect', shots: phone },
  'portal-signed-out': { at: '/franceconnect/signed-out', what: 'signed out, here and there', shots: phone },
  'portal-none-linked': { at: '/me', what: 'an identity to which nothing is linked', shots: phone },
  'portal-not-proven': { at: '/franceconnect/callback', what: 'FranceConnect proved nobody', shots: phone },
  'portal-link': { at: '/link/:token', what: 'a one-time link, before it is used', shots: phone },
  'portal-link-used': { at: '/link/:token', what: 'a link that was used', shots: phone },
  'portal-mandate': { at: '/me/:permission', what: 'a mandate to be signed', shots: both },
  'portal-mandate-refused': { at: '/me/:permission/mandate (answer)', what: 'the blank form came back', shots: phone },
  'portal-mandate-checking': { at: '/me/:permission', what: 'the operator checks it', shots: phone },
  'portal-gas-mail': { at: '/me/:permission', what: 'GRDF has written', shots: both },
  'portal-device': { at: '/device', what: 'the code of a device', shots: phone },
  'portal-device-wrong': { at: '/device (answer)', what: 'no such code', shots: phone },
  'portal-device-confirm': { at: '/device?code=', what: 'is it the person’s own device?', shots: phone },

  'sample-home': { at: '/', what: 'not connected yet', shots: phone },
  'sample-connected': { at: '/', what: 'connected, with its token', shots: phone },
  'sample-read': { at: '/#read', what: 'seven days were read', shots: desktop },
  'sample-read-refused': { at: '/#read', what: 'the same, after the withdrawal', shots: desktop },
  'sample-problem': { at: '/', what: 'the person refused', shots: phone },

  'enedis-share': { at: '/dataconnect/v2/oauth2/authorize', what: 'which meter to share', shots: both },
  'enedis-share-mistake': { at: '/dataconnect/v2/oauth2/authorize (answer)', what: 'none was chosen', shots: phone },
  'enedis-shared-already': { at: '/dataconnect/v2/oauth2/authorize (answer)', what: 'shared already', shots: phone },
  'enedis-error': { at: '/dataconnect/v2/oauth2/authorize', what: 'a request as no application may make it', shots: phone },
  'enedis-account': { at: '/mon-compte', what: 'shares of the invented customers', shots: desktop },
  'enedis-account-deleted': { at: '/mon-compte?deleted=', what: 'a share was deleted', shots: phone },

  'grdf-mails': { at: '/adict/mail', what: 'mails to the invented people', shots: desktop },
  'grdf-mail': { at: '/adict/mail/:token', what: 'GRDF asks the holder', shots: phone },
  'grdf-mail-answered': { at: '/adict/mail/:token', what: 'the holder has accepted', shots: phone },

  'franceconnect-sign-in': { at: '/franceconnect/api/v2/authorize', what: 'whom to be', shots: phone },
  'franceconnect-mistake': { at: '/franceconnect/api/v2/authorize (answer)', what: 'nobody was chosen', shots: phone },
  'franceconnect-error': { at: '/franceconnect/api/v2/authorize', what: 'a request as no service may make it', shots: phone },
  'franceconnect-signed-out': { at: '/franceconnect/api/v2/session/end', what: 'signed out, with nowhere to go back to', shots: phone },

  'console-sign-in': { at: '/sign-in', what: 'the bootstrap secret', shots: phone },
  'console-wrong-secret': { at: '/sign-in (answer)', what: 'a wrong one', shots: phone },
  'console-overview': { at: '/', what: 'standing, quotas, accesses by day', shots: both },
  'console-permissions': { at: '/permissions', what: 'permissions, with filters', shots: desktop },
  'console-permission': { at: '/permissions/:permission', what: 'one, with its timeline and what can be done', shots: both },
  'console-act-refused': { at: '/permissions/:permission/acts (answer)', what: 'it changed meanwhile', shots: phone },
  'console-link': { at: '/permissions/:permission/links (answer)', what: 'a one-time link for the person', shots: phone },
  'console-new-mandate': { at: '/permissions/new/mandate', what: 'a mandate is prepared', shots: both },
  'console-new-mistakes': { at: '/permissions/new/mandate (answer)', what: 'what the import refused', shots: phone },
  'console-mandate-awaited': { at: '/permissions/:permission', what: 'a mandate is awaited', shots: desktop },
  'console-mandate-refused': { at: '/permissions/:permission/mandate (answer)', what: 'an archive is not taken', shots: phone },
  'console-mandate-check': { at: '/permissions/:permission', what: 'a mandate to be checked', shots: both },
  'console-check-refused': { at: '/permissions/:permission/check (answer)', what: 'not all was looked at', shots: phone },
  'console-new-gas': { at: '/permissions/new/gas', what: 'a right at GRDF is asked for', shots: both },
  'console-proof': { at: '/permissions/:permission', what: 'GRDF asks for the proof', shots: desktop },
  'console-proof-refused': { at: '/permissions/:permission/proof (answer)', what: 'no document was chosen', shots: phone },
  'console-decisions': { at: '/decisions', what: 'decisions as they are made', shots: desktop },
  'console-decision': { at: '/decisions/:entry', what: 'before one is explained', shots: phone },
  'console-explained': { at: '/decisions/:entry (answer)', what: 'the one fact that decided', shots: desktop },
  'console-evidence': { at: '/evidence', what: 'entries, newest first', shots: desktop },
  'console-entry': { at: '/evidence/:entry', what: 'one entry and its proof', shots: both },
  'console-open-refused': { at: '/evidence/:entry/readings (answer)', what: 'no reason was given that may stand', shots: phone },
  'console-opened': { at: '/evidence/:entry/readings (answer)', what: 'its sealed fields', shots: phone },
  'console-opened-meter': { at: '/evidence/readings (answer)', what: 'all about one meter', shots: desktop },
  'console-packs': { at: '/packs', what: 'an audit request', shots: desktop },
  'console-packs-mistake': { at: '/packs (answer)', what: 'what it names is not known', shots: phone },
  'console-pack': { at: '/packs/:pack', what: 'the pack, made', shots: desktop },
  'console-clients': { at: '/clients', what: 'clients', shots: desktop },
  'console-client': { at: '/clients/:client', what: 'its credentials and tokens', shots: desktop },
  'console-secret': { at: '/clients/:client/credentials (answer)', what: 'a secret, shown once', shots: phone },
  'console-token-mistake': { at: '/clients/:client/tokens (answer)', what: 'a permission that is not its own', shots: phone },
  'console-shadow': { at: '/shadow', what: 'a policy on trial', shots: desktop },
  'console-session': { at: '/session', what: 'who is signed in', shots: phone },
  'console-not-found': { at: 'elsewhere', what: 'no such page', shots: phone },
} as const satisfies Record<`${Site}-${string}`, Listed>

export type PageName = keyof typeof CATALOGUE
export const PAGE_NAMES = Object.keys(CATALOGUE) as readonly PageName[]

export function listed(name: PageName): Listed {
  return CATALOGUE[name]
}

export function pictureOf(name: PageName, shot: Shot, language: 'fr' | 'en'): string {
  return `${name}${shot === 'phone' ? '-320' : ''}${language === 'en' ? '-en' : ''}.webp`
}

/** Names of every picture that is kept. */
export function picturesOf(name: PageName): readonly string[] {
  const { shots, english } = listed(name)
  return (['fr', 'en'] as const).flatMap((language) =>
    language === 'en' && english !== true ? [] : shots.map((shot) => pictureOf(name, shot, language)),
  )
}

/** docs/pages.md, whole. */
export function pagesDocument(): string {
  const tables = Object.entries(SITES).map(([site, title]) => {
    const rows = PAGE_NAMES.filter((name) => name.startsWith(`${site}-`)).map((name) => {
      const { at, what } = listed(name)
      const pictures = picturesOf(name).map((file) => `[${labelOf(file)}](screens/${file})`)
      return `| ${what} | \`${at}\` | ${pictures.join(' · ')} |`
    })
    return `## ${title}\n\n| page | path | picture |\n| --- | --- | --- |\n${rows.join('\n')}\n`
  })
  return `# Pages

Every page that people see. \`npm test\` walks them all in a browser, in French and English, without script and 320 px
wide; axe-core finds nothing in any of them. \`npm run screens\` makes the pictures anew, and this page. «(answer)» is
what comes back to a form.

${tables.join('\n')}`
}

function labelOf(file: string): string {
  return `${file.includes('-320') ? '320 px' : 'wide'}${file.endsWith('-en.webp') ? ', English' : ''}`
}
