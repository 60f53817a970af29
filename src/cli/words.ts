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
  process.stdout.write(json ? `${jsonLine(value)}\n` : `${plain(text())}\n`)
}

/** Characters that drive a terminal, turn its text round or make none: those of control and of format, save line and tab. */
const DRIVING = /[[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]--[\n\t]]/gv

/** What comes from files and people is shown without such characters: a name must not drive the terminal. */
export function plain(text: string): string {
  return text.replaceAll(DRIVING, '\ufffd')
}

/** The same value for whoever parses it, and harmless to whoever looks at it. */
function jsonLine(value: unknown): string {
  const escape = (text: string): string =>
    Array.from({ length: text.length }, (_, i) => `\\u${text.charCodeAt(i).toString(16).padStart(4, '0')}`).join('')
  return JSON.stringify(value).replaceAll(DRIVING, escape)
}
