/** The words of a command: `--flag`, `--option value` (or `=value`), and the rest in order. Unknown options are refused. */
export class CliError extends Error {
  override readonly name = 'CliError'
  readonly exit: 1 | 2
  constructor(message: string, exit: 1 | 2 = 2) {
    super(message)
    this.exit = exit
  }
}

export interface Words {
  readonly rest: readonly string[]
  flag(name: string): boolean
  option(name: string): string | undefined
  /** Of an option that may stand several times: all that was given, in order. */
  all(name: string): readonly string[]
  need(name: string): string
  number(name: string, byDefault: number): number
}

export function wordsOf(given: readonly string[], flags: readonly string[], options: readonly string[]): Words {
  const set = new Set<string>()
  const values = new Map<string, string[]>()
  const rest: string[] = []
  for (let i = 0; i < given.length; i += 1) {
    const word = given[i] ?? ''
    if (!word.startsWith('--')) {
      rest.push(word)
      continue
    }
    const [name = '', inline] = word.slice(2).split(/=(.*)/s, 2)
    if (flags.includes(name) && inline === undefined) set.add(name)
    else if (options.includes(name)) {
      const value = inline ?? given[(i += 1)]
      if (value === undefined) throw new CliError(`--${name} needs a value`)
      values.set(name, [...(values.get(name) ?? []), value])
    } else
      throw new CliError(`unknown option --${name}: this command knows ${[...flags, ...options].map((o) => `--${o}`).join(', ') || 'none'}`)
  }
  return {
    rest,
    flag: (name) => set.has(name),
    option: (name) => values.get(name)?.at(-1),
    all: (name) => values.get(name) ?? [],
    need(name) {
      const value = values.get(name)?.at(-1)
      if (value === undefined) throw new CliError(`--${name} is needed`)
      return value
    },
    number(name, byDefault) {
      const value = Number(values.get(name)?.at(-1) ?? byDefault)
      if (!Number.isSafeInteger(value) || value < 0) throw new CliError(`--${name} needs a whole number`)
      return value
    },
  }
}

export function print(json: boolean, value: unknown, text: () => string): void {
  process.stdout.write(json ? `${JSON.stringify(value)}\n` : `${plain(text())}\n`)
}

/** What comes from files and people is shown without control characters: a name must not drive the terminal. */
export function plain(text: string): string {
  // eslint-disable-next-line no-control-regex -- the control characters that a terminal obeys
  return text.replaceAll(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028\u2029]/g, '\ufffd')
}
