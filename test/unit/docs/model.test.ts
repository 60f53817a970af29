/** The diagrams of docs/model.md say what the code says: no class, member, act, state or call that is not there. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ACTS, STATUSES } from '../../../src/domain/vocabulary.ts'
import { after } from '../../../src/permissions/lifecycle.ts'

const repository = join(import.meta.dirname, '..', '..', '..')
const text = readFileSync(join(repository, 'docs', 'model.md'), 'utf8')
const source = readdirSync(join(repository, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts'))
  .map((path) => readFileSync(join(repository, 'src', path), 'utf8'))

function diagram(kind: string): string {
  const found = new RegExp(`\`\`\`mermaid\\n${kind}\\n([\\s\\S]*?)\`\`\``).exec(text)?.[1]
  if (found === undefined) throw new Error(`docs/model.md has no ${kind}`)
  return found
}

const classes = [...diagram('classDiagram').matchAll(/class (\w+) \{\n([\s\S]*?)\n {2}\}/g)].map(([, name = '', body = '']) => ({
  name,
  members: body.split('\n').map((line) => line.trim().slice(1)),
}))

/** Members of an interface in their order, without what is nested inside them. */
function membersOf(name: string): string[] {
  const body = source.map((code) => new RegExp(`export interface ${name} \\{\\n([\\s\\S]*?)\\n\\}`).exec(code)?.[1]).find((found) => found)
  return [...(body ?? '').matchAll(/^ {2}readonly (\w+)\??:/gm)].map((m) => m[1] ?? '')
}

test('there are classes', () => expect(classes.length).toBeGreaterThan(10))

test.each(classes)('class $name has the members of the interface', ({ name, members }) => {
  expect(members).toStrictEqual(membersOf(name))
})

test('relations name classes of the diagram', () => {
  const names = [...diagram('classDiagram').matchAll(/^ {2}(\w+) "[^"]+" (?:\*--|-->) "[^"]+" (\w+)/gm)].flatMap((m) => [m[1], m[2]])
  expect(names.length).toBeGreaterThan(10)
  expect(names.filter((name) => !classes.some((c) => c.name === name))).toStrictEqual([])
})

test('states and acts are those of the lifecycle, all of them', () => {
  const drawn = diagram('stateDiagram-v2').trimEnd().split('\n')
  const moves = new Map<string, string[]>()
  for (const from of [undefined, ...STATUSES]) {
    for (const act of ACTS) {
      const to = after(from === undefined ? undefined : { status: from, void: false }, act)
      const move = `  ${from ?? '[*]'} --> ${to?.status}`
      if (to) moves.set(move, [...(moves.get(move) ?? []), act])
    }
  }
  expect(drawn.toSorted()).toStrictEqual([...moves].map(([move, acts]) => `${move} : ${acts.join(', ')}`).toSorted())
})

test('each call of the sequence is made by the gateway, in this order', () => {
  const calls = [...diagram('sequenceDiagram').matchAll(/^ {2}[CG]->>[CGSH]: (\w+)$/gm)].map((m) => m[1] ?? '')
  expect(calls.length).toBeGreaterThan(8)
  const gateway = ['canonical', 'pipeline', 'deliver', 'call-end', 'forward'].map((file) =>
    readFileSync(join(repository, 'src', 'gateway', `${file}.ts`), 'utf8'),
  )
  const missing = calls.filter((call) => !gateway.some((code) => new RegExp(`\\b${call}\\(`).test(code)))
  expect(missing).toStrictEqual([])
  // Within each of the two functions that make one call, the order of the lines is the order of the arrows.
  const code = gateway[2] ?? ''
  const bodyOf = (name: string): string => code.slice(code.indexOf(`async function ${name}(`)).split('\n}\n')[0] ?? ''
  const inCall = bodyOf('callPart').replace('madeCall(', bodyOf('madeCall'))
  // The last of each: a fault is recorded before, where the call is caught.
  const places = ['recordIntent(', 'rewrite(', 'forward(', 'recordOutcome(', 'finish('].map((word) => inCall.lastIndexOf(word))
  expect(places).toStrictEqual(places.toSorted((a, b) => a - b))
  expect(places[0]).toBeGreaterThan(0)
})
