/**
 * Run inside a page, by the browser's debugger: it works where the page itself may run no script.
 */
globalThis.inPage = {
  /** What can be said of any page of ours by looking at its elements. */
  structure(language) {
    const wrong = []
    if (document.documentElement.lang !== language) wrong.push(`lang is «${document.documentElement.lang}»`)
    const headings = document.querySelectorAll('h1')
    if (headings.length !== 1) wrong.push(`${headings.length} h1`)
    const heading = headings[0]?.textContent.trim().replaceAll(/\s+/g, ' ') ?? ''
    if (heading === '') wrong.push('an empty h1')
    if (document.title.trim() === '') wrong.push('no title')
    for (const landmark of ['header', 'nav', 'main', 'footer'])
      if (document.querySelectorAll(`body ${landmark}`).length < 1) wrong.push(`no ${landmark}`)
    const scripts = document.querySelectorAll('script, iframe, object, embed, [style], style, [onclick]')
    if (scripts.length > 0) wrong.push(`scripts, frames or inline styles: ${scripts.length}`)
    if (/undefined|\[object|NaN|\bnull\b/.test(document.querySelector('main')?.innerText.replaceAll(/\{[^]*?\}/g, '') ?? ''))
      wrong.push('a text that nobody meant: undefined, null, NaN')
    return wrong
  },

  /** What sticks out to the right, of a page that can be scrolled sideways. */
  overflow() {
    const root = document.documentElement
    if (root.scrollWidth <= innerWidth) return []
    const out = [...document.querySelectorAll('body *')].filter(
      (one) => one.checkVisibility() && !one.closest('.scroll') && one.getBoundingClientRect().right > innerWidth + 0.5,
    )
    const names = out.slice(0, 3).map((one) => `${one.tagName.toLowerCase()} «${one.textContent.trim().slice(0, 40)}»`)
    return [`${root.scrollWidth} px wide in a window of ${innerWidth}: ${names.join(', ')}`]
  },

  /** Notes where the tab key goes from now on; how many controls there are for it. */
  listen() {
    const found = [...document.querySelectorAll('a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex="0"]')]
    const controls = found.filter((one) => !one.disabled && one.checkVisibility({ visibilityProperty: true }))
    const met = new Set()
    const wrong = []
    const nameOf = (one) => `${one.tagName.toLowerCase()} «${(one.innerText || one.name || one.id || '').trim().slice(0, 40)}»`
    addEventListener('focusin', ({ target: at }) => {
      if (met.has(at)) return
      const style = getComputedStyle(at)
      if (style.outlineStyle === 'none' || parseFloat(style.outlineWidth) < 2) wrong.push(`no visible focus on ${nameOf(at)}`)
      const box = at.getBoundingClientRect()
      if (box.width < 1 || box.right < 1 || box.left > innerWidth) wrong.push(`focus goes where nobody sees it: ${nameOf(at)}`)
      const last = [...met].at(-1)
      if (last && !(last.compareDocumentPosition(at) & Node.DOCUMENT_POSITION_FOLLOWING)) wrong.push(`focus goes back to ${nameOf(at)}`)
      met.add(at)
    })
    window.walked = () => {
      // One stop is enough for the buttons of a radio group.
      const groups = new Set([...met].filter((one) => one.type === 'radio').map((one) => one.name))
      const missed = controls.filter((one) => !met.has(one) && !(one.type === 'radio' && groups.has(one.name)))
      return [...wrong, ...missed.map((one) => `the tab key never comes to ${nameOf(one)}`)]
    }
    return controls.length + 4 * controls.filter((one) => one.type === 'date').length
  },
}
