/**
 * Who and what is measured. A usage point (PRM, electricity) is never a delivery point of gas (PCE): both may be 14
 * digits, so the kind is part of the identifier. Identifiers stay text end to end; leading zeros count.
 */
export type UsagePointId = `prm:${string}` & { readonly __brand: 'UsagePointId' }
export type GasPointId = `pce:${string}` & { readonly __brand: 'GasPointId' }
export type MeterId = UsagePointId | GasPointId

/** 14 ASCII digits, or undefined. */
export function parsePrm(text: string): UsagePointId | undefined {
  return /^[0-9]{14}$/.test(text) ? (`prm:${text}` as UsagePointId) : undefined
}

/** 14 ASCII digits, or `GI` and 6 digits, or undefined. Source: GRDF ADICT v2. */
export function parsePce(text: string): GasPointId | undefined {
  return /^([0-9]{14}|GI[0-9]{6})$/.test(text) ? (`pce:${text}` as GasPointId) : undefined
}

/** `prm:…` or `pce:…`, or undefined. */
export function parseMeter(text: string): MeterId | undefined {
  if (text.startsWith('prm:')) return parsePrm(text.slice(4))
  return text.startsWith('pce:') ? parsePce(text.slice(4)) : undefined
}

/** The identifier as the data holder writes it, without our prefix. */
export function bareMeter(meter: MeterId): string {
  return meter.slice(4)
}
