/** `ecluse demo [--json] [--port N]`: gate, simulated Enedis and demo permissions on loopback, until SIGTERM or SIGINT. */
import { once } from 'node:events'
import { startDemo } from '../demo.ts'
import type { Demo, DemoRequest } from '../demo.ts'
import { halt } from '../runtime/halt.ts'
import { print, wordsOf } from './words.ts'

export async function run(given: readonly string[]): Promise<number> {
  const words = wordsOf(given, ['json'], ['port'])
  const stopped = Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')])
  const failed = Promise.withResolvers<string>()
  const demo = await startDemo({
    ...(words.option('port') !== undefined && { port: words.number('port', 0) }),
    // Standard output belongs to what the command prints.
    logTo: process.stderr,
    onFatal: failed.resolve,
  })
  const { gate, ops, sandbox, state } = demo
  const requests = demo.requests.map(({ name, method, url, headers, body, expect }) => ({ name, method, url, headers, body, expect }))
  print(words.flag('json'), { gate, ops, sandbox, state, requests }, () => text(demo))
  const why = await Promise.race([failed.promise, stopped.then(() => undefined)])
  await demo.stop()
  if (why === undefined) return 0
  process.stderr.write(`ecluse: the demo stops, because its evidence can no longer be written: ${why}\n`)
  // The owner's thread waits for nothing more, and does not end by itself.
  return halt(1)
}

function text(demo: Demo): string {
  const { gate, ops, sandbox, state, log, requests, credential, otherPorts } = demo
  const shown = requests.slice(0, SHOWN)
  return `Écluse demo: everything on loopback, invented meters, gone when it stops.${otherPorts ? '\nPorts 8080 to 8084 are not all free, so others were picked.' : ''}

In a browser, without a command:

  ${demo.application}  an application that asks to read a meter: connect one, read it, withdraw on the gate's pages, read again
  ${gate}  the gate's pages for people: services, permissions, who read what
  ${demo.console}  the operators' console; its secret: ${demo.consoleSecret}

By command:

  gate     ${gate}
  ops      ${ops}/readyz  ${ops}/metrics
  sandbox  ${sandbox}  (the simulated Enedis and GRDF; meters: ${sandbox}/_sandbox/meters, adict-points, sge-points)
  state    ${state}

Try it:

${shown.map(curl).join('\n\n')}

The headers tell Audit-Entry, and Ecluse-Narrowed or Ecluse-Reason. ${requests.length - shown.length} more requests: ecluse demo --json.

Get a token as a client of Enedis does:

curl -d grant_type=client_credentials -d client_id=${credential.client} -d client_secret=${credential.secret} ${gate}/oauth2/v3/token

Withdraw a permission, and ask again:

npx ecluse permission withdraw house --state ${state}

Verify the evidence, offline; recompute its decisions; open what an entry seals:

npx ecluse audit verify ${log}
npx ecluse audit replay --all --why demo --state ${state}
npx ecluse audit open --client ${credential.client} --why demo --state ${state}

Ctrl-C stops it and removes its state.`
}

/** Data Connect, gas and SOAP: each allowed, narrowed and refused. */
const SHOWN = 9

function curl({ name, shows, expect, url, headers, body }: DemoRequest): string {
  const sent = body === null ? '' : ` -H 'Content-Type: ${headers['Content-Type']}' -d '${body}'`
  return `# ${name}, ${expect}: ${shows}\ncurl -i -H 'Authorization: ${headers['Authorization']}'${sent} '${url}'`
}
