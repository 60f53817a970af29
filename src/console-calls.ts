/** How the console reaches state and commands: what they refuse becomes a sentence for the operator, and nothing else does. */
import type { Call } from './audit.ts'
import type { Operator } from './console/ports.ts'
import { Refusal } from './console/ports.ts'
import type { CommandContext } from './ops/commands.ts'
import { commandsOn } from './ops/commands.ts'
import { CallError } from './storage/rpc.ts'
import type { StateClient } from './storage/rpc.ts'

/** What a procedure or a command says no to, in its own words. What has no words of ours is not caught. */
export async function told<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof Refusal || !(error instanceof Error)) throw error
    if (error instanceof CallError && error.fault !== 'refused')
      throw new Refusal('unavailable', 'the state does not answer now: see the log of the gate', { cause: error })
    const gone = /^(there is no|the log has no|this reading is not on record)/.test(error.message)
    if (gone) throw new Refusal('not_found', error.message, { cause: error })
    if (error instanceof CallError) throw new Refusal('conflict', error.message, { cause: error })
    // Commands throw bare errors with a sentence for whoever asked; a fault has a class or a code of its own.
    if (error.constructor === Error && !('code' in error)) throw new Refusal('invalid', error.message, { cause: error })
    throw error
  }
}

export function ask(state: StateClient) {
  return <T>(name: string, args: unknown): Promise<T> => told(() => state.call<T>(name, args))
}

/** The commands of the control socket, in the name of whoever is signed in. */
export function callAs(context: CommandContext, by: Operator): Call {
  const commands: Readonly<Record<string, (args: never) => Promise<unknown>>> = commandsOn({ ...context, operator: by.id })
  return <T>(name: string, args: unknown) =>
    told(async () => {
      const command = commands[name]
      if (!command) throw new TypeError(`no command ${name}`)
      return (await command(args as never)) as T
    })
}
