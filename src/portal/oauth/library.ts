/**
 * oidc-provider, loaded. At its import it warns of every Node without a long-term-support name, which the Node 26 that
 * comes with the gate is for its first half year; an operator can do nothing about that sentence, and it would be the
 * first line of every start. Any other warning is let through.
 */
const { warn } = console
console.warn = (...said: readonly unknown[]): void => {
  if (!String(said[0]).includes('Unsupported runtime')) warn.apply(console, [...said])
}
const library = await import('oidc-provider')
console.warn = warn

export const { errors, interactionPolicy, Provider } = library
