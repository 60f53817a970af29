/**
 * Random lines into the control socket of a running gate. Each line has one answer, in order of nothing but being there;
 * whatever an operator's tool sends, the gate goes on.
 */
import type { Socket } from 'node:net'
import { connect } from 'node:net'
import { aGate, bearer, curve } from '../harness/gate.ts'
import { METER, permissionTree, today } from '../harness/settings.ts'
import { controlSocketOf } from '../../src/ops/control.ts'
import type { Random } from './random.ts'
import { mangled, pieces } from './random.ts'
import type { Target } from './target.ts'
import { Finding } from './target.ts'

const ANSWER_MS = 10_000
/** Commands that change what the next good request needs, or that wait, are sent with arguments of their own. */
const SPARED = new Set(['clock confirm'])

export const controlTarget: Target = {
  name: 'control',
  async open() {
    const gate = await aGate()
    await gate.permit({ id: 'p1', from: today(-100), until: today(-10) })
    const token = await gate.token('viriya', ['p1'])
    const names = Object.keys(gate.gate.commands).filter((name) => !SPARED.has(name))
    let good = 0
    let bad = 0
    return {
      async once(random) {
        const lines = Array.from({ length: 1 + random.int(6) }, () => aLine(random, names))
        const answers = await exchanged(controlSocketOf(gate.state), random, lines)
        for (const answer of answers) {
          if (answer.ok) good += 1
          else bad += 1
        }
        if (gate.fatal.length > 0) throw new Finding(`the gate stops: ${gate.fatal.join()}`, lines.join('\n'))
        if (!random.oneIn(10)) return
        const served = await fetch(gate.url + curve(METER, today(-20), today(-18)), bearer(token))
        await served.arrayBuffer()
        if (served.status !== 200) throw new Finding(`the next good request is answered with ${served.status}`, lines.join('\n'))
      },
      async close() {
        await gate.stop()
        return `${good} commands done, ${bad} refused`
      },
    }
  },
}

function aLine(random: Random, names: readonly string[]): string {
  const line = JSON.stringify({ command: random.oneIn(10) ? random.text(12) : random.pick(names), args: someArgs(random) })
  const now = random.oneIn(5) ? mangled(random, line, ['{', 'null', '"args":', '[]']) : line
  return now.replaceAll('\n', ' ')
}

const FIELDS = [
  'permission',
  'client',
  'token',
  'meter',
  'text',
  'documents',
  'dryRun',
  'unverified',
  'limit',
  'after',
  'status',
  'type',
  'reason',
  'channel',
  'permissions',
  'ttlSeconds',
  'ground',
  'lift',
  'select',
  'why',
  'from',
  'sha256',
  'entries',
  'scope',
  'manifest',
]

function someArgs(random: Random): unknown {
  if (random.oneIn(8)) return anything(random, 2)
  const args = Object.fromEntries(
    Array.from({ length: random.int(6) }, () => random.pick(FIELDS)).map((name) => [name, fitting(random, name)]),
  )
  if (random.oneIn(6)) args['text'] = importText(random)
  return args
}

function fitting(random: Random, name: string): unknown {
  if (random.oneIn(3)) return anything(random, 2)
  switch (name) {
    case 'client':
      return random.pick(['office', 'domoticz', 'nobody', '__proto__'])
    case 'permission':
      return random.pick(['p2', 'p3', 'none', "' OR 1=1 --"])
    case 'meter':
      return random.pick(['prm:10000000000009', random.digits(14), 'x'])
    case 'select':
      return random.pick<unknown>([{ meter: 'prm:10000000000009' }, { entries: [0, 1] }, { permission: 'p2' }, {}, { client: 'office' }])
    case 'dryRun':
    case 'unverified':
    case 'lift':
      return random.oneIn(2)
    case 'documents':
      return {}
    case 'limit':
    case 'from':
      return random.pick([0, 1, 10, -1, 1.5, 2 ** 53, 1e300])
    default:
      return random.text(10)
  }
}

function importText(random: Random): string {
  const text = JSON.stringify({ permissions: [permissionTree({ id: `p${2 + random.int(3)}`, meter: '10000000000009', client: 'office' })] })
  return random.oneIn(2) ? text : mangled(random, text)
}

function anything(random: Random, depth: number): unknown {
  switch (random.int(depth > 0 ? 9 : 7)) {
    case 0:
      return null
    case 1:
      return random.pick([0, -1, 1e308, 0.5, 2 ** 53])
    case 2:
      return random.oneIn(2)
    case 3:
      return ''
    case 4:
      return random.text(20)
    case 5:
      return 'x'.repeat(5000)
    case 6:
      return random.digits(14)
    case 7:
      return Array.from({ length: random.int(4) }, () => anything(random, depth - 1))
    default:
      return Object.fromEntries(
        Array.from({ length: random.int(4) }, () => [random.pick([...FIELDS, '__proto__', 'length']), anything(random, depth - 1)]),
      )
  }
}

/** Sends the lines in pieces, and waits for as many answers. */
function exchanged(path: string, random: Random, lines: readonly string[]): Promise<readonly { readonly ok: boolean }[]> {
  const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(''))
  return new Promise((resolve, reject) => {
    const socket: Socket = connect(path)
    let text = ''
    const fail = (what: string): void => {
      socket.destroy()
      reject(new Finding(`${what} after ${JSON.stringify(text.slice(0, 300))}`, bytes))
    }
    const timer = setTimeout(() => fail(`no answer in ${ANSWER_MS} ms`), ANSWER_MS)
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString()
      const answers = text.split('\n').slice(0, -1)
      if (answers.length < lines.length) return
      clearTimeout(timer)
      socket.destroy()
      resolve(answers.map((line) => JSON.parse(line) as { readonly ok: boolean }))
    })
    socket.once('error', (error) => fail(error.message))
    socket.once('close', () => {
      clearTimeout(timer)
      fail('closed')
    })
    for (const piece of pieces(random, bytes)) socket.write(piece)
  })
}
