/**
 * How a command finds its instance (`--config FILE`, `ECLUSE_CONFIG`, `--state DIR`) and reaches its state: through the
 * control socket of a running gate, or, with none running, by owning the folder itself for as long as the command runs.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { commandsOn } from '../ops/commands.ts'
import { callControl } from '../ops/control.ts'
import type { Millis } from '../domain/time.ts'
import { isLoopback } from '../settings/network.ts'
import { readSettings } from '../settings/settings.ts'
import { formatMistakes } from '../settings/mistakes.ts'
import { halt } from '../runtime/halt.ts'
import { instanceKeys, originOf, postgresOf } from '../instance.ts'
import type { Accepted } from '../main.ts'
import { dataHoldersOf } from '../holders.ts'
import { mandatesIssuedBy } from '../mandate-forms.ts'
import { ownState } from '../state-thread.ts'
import type { Words } from './words.ts'
import { CliError } from './words.ts'

export const INSTANCE_OPTIONS = ['config', 'state'] as const

export async function settingsOf(words: Words): Promise<{ readonly file: string; readonly accepted: Accepted }> {
  const file = words.option('config') ?? process.env['ECLUSE_CONFIG']
  if (file === undefined)
    throw new CliError('which instance? give --config FILE, or set ECLUSE_CONFIG, or give --state DIR of a running gate')
  const accepted = await readSettings(file, process.env)
  if (!accepted.ok) throw new CliError(`the settings have mistakes:\n${formatMistakes(file, accepted.mistakes)}`)
  return { file, accepted }
}

export async function stateFolderOf(words: Words): Promise<string> {
  const state = words.option('state')
  if (state !== undefined) {
    if (!existsSync(state)) throw new CliError(`there is no folder ${state}`)
    return state
  }
  return (await settingsOf(words)).accepted.settings.instance.state
}

export type Call = <T>(command: string, args: unknown) => Promise<T>

/** Runs `work` against the state, wherever its owner is. */
/** @param restored when the copy was made from which the state was just put back */
export async function withState<T>(words: Words, work: (call: Call) => Promise<T>, restored?: string): Promise<T> {
  const folder = await stateFolderOf(words)
  const first = await callControl(folder, 'status', {})
  if (first !== undefined) {
    return work(async <R>(command: string, args: unknown): Promise<R> => {
      const answer = await callControl(folder, command, args)
      if (!answer) throw new CliError('the gate has just stopped: run the command again')
      if (!answer.ok) throw new CliError(answer.error ?? 'the gate refused', 1)
      return answer.value as R
    })
  }
  if (words.option('config') === undefined && process.env['ECLUSE_CONFIG'] === undefined) {
    throw new CliError(
      `no gate answers at ${join(folder, 'control.sock')}; to work without one give --config FILE, which says where the keys are`,
    )
  }
  return alone(words, work, restored)
}

async function alone<T>(words: Words, work: (call: Call) => Promise<T>, restored?: string): Promise<T> {
  const { accepted } = await settingsOf(words)
  const { settings } = accepted
  const now = (): Millis => Date.now() as Millis
  const postgres = await postgresOf(settings, process.env)
  const state = await ownState(
    {
      folder: settings.instance.state,
      node: settings.instance.node,
      origin: originOf(settings, now()),
      keys: await instanceKeys(settings, process.env),
      ...(postgres && { postgres }),
      ...(restored !== undefined && { restored }),
      checkpointMs: 1000,
      now: now(),
    },
    // A command alone has all the time that the disk needs.
    { ...settings.evidence.queue, ageMs: 3_600_000 },
    (why) => {
      process.stderr.write(`ecluse: the state can no longer be written: ${why}\n`)
      halt(2)
    },
  )
  try {
    const clients = settings.clients.map(({ id, disabled }) => ({ id, disabled }))
    await state.client.call('syncClients', { clients, now: now() })
    const commands: Readonly<Record<string, (args: never) => Promise<unknown>>> = commandsOn({
      state: state.client,
      now,
      operator: `uid:${process.getuid?.() ?? 'unknown'}`,
      document: () => accepted.document,
      clients: () => new Map(settings.clients.map((c) => [c.id, c.purpose])),
      accounts: () => dataHoldersOf(settings).flatMap(([id, { accounts }]) => accounts.map((account) => `${id}/${account.id}`)),
      simulated: () => isLoopback(new URL(settings.providers['enedis-data-connect'].url).hostname),
      tokenTtlSeconds: () => settings.tokens.ttlSeconds,
      issueMandate: mandatesIssuedBy({ state: state.client, settings: () => settings, purposes: () => accepted.policy.purposes, now }),
      onActs: () => Promise.resolve(),
      onToken: () => Promise.resolve(),
      onClient: () => Promise.resolve(),
      status: () => ({
        origin: state.client.gauges.origin,
        vkey: state.client.gauges.vkey,
        entries: state.client.gauges.entries,
        gate: 'not running',
      }),
    })
    return await work(async <R>(name: string, args: unknown): Promise<R> => {
      const command = commands[name]
      if (!command) throw new CliError(`no command ${name}`)
      try {
        return (await command(args as never)) as R
      } catch (error) {
        throw new CliError(error instanceof Error ? error.message : 'unknown', 1)
      }
    })
  } finally {
    await state.stop()
  }
}
