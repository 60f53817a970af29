/** Where a shared quota lies in Redis: the keys of a budget and of a rule, and how scripts are told of several rules. */
import type { Wish } from './quota.ts'

export interface QuotaNames {
  /** Names for Redis: keyed hashes, all of this quota on one node. */
  keyOf(kind: string, value: string): string
  nameOf(kind: string, value: string): string
}
export type BudgetKeys = Readonly<Record<'made' | 'promises' | 'held' | 'waiting' | 'turns' | 'since', string>>
export interface RuleKeys {
  readonly made: string
  readonly promises: string
}

export function budgetKeys(by: QuotaNames, name: string): BudgetKeys {
  const key = (kind: string): string => by.keyOf(`quota-${kind}`, name)
  return {
    made: key('made'),
    promises: key('promises'),
    held: key('held'),
    waiting: key('waiting'),
    turns: key('turns'),
    since: key('since'),
  }
}

export function ruleKeys(by: QuotaNames, { rule, client }: Pick<Wish, 'rule' | 'client'>): RuleKeys | null {
  if (!rule) return null
  const name = `${client}\n${rule.id}`
  return { made: by.keyOf('rule-made', name), promises: by.keyOf('rule-promises', name) }
}

/** Keys of rules in the order in which they are first named, from 1; 0 is none. */
export function placesOfRules(): { readonly all: readonly RuleKeys[]; of(rule: RuleKeys | null): number } {
  const all: RuleKeys[] = []
  return {
    all,
    of(rule) {
      if (!rule) return 0
      const known = all.findIndex(({ made }) => made === rule.made)
      return known >= 0 ? known + 1 : all.push(rule)
    },
  }
}
