/**
 * Reads the Dockerfile where there is no engine to build it with: each path it copies is in the repository and reaches the
 * engine through .dockerignore, stages that are named exist, the base is pinned, and the program runs without privilege.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Script } from 'node:vm'
import { expect, test } from 'vitest'

const repository = join(import.meta.dirname, '..', '..')
const scripts = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8')).scripts as Record<string, string>
const sent = lines('.dockerignore').flatMap((line) => (line.startsWith('!') ? [line.slice(1)] : []))
const instructions = lines('Dockerfile').map((line) => ({ name: line.split(/\s/)[0] ?? '', rest: line.replace(/^\S+\s+/, '') }))
const all = (name: string): string[] => instructions.filter((one) => one.name === name).map(({ rest }) => rest)

function lines(file: string): string[] {
  return readFileSync(join(repository, file), 'utf8')
    .replace(/^\s*#.*\n/gm, '')
    .replace(/\\\n\s*/g, ' ')
    .split('\n')
    .filter((line) => line.trim() !== '')
}

test('only known instructions are used', () => {
  const known = ['FROM', 'WORKDIR', 'COPY', 'RUN', 'ENV', 'USER', 'VOLUME', 'EXPOSE', 'STOPSIGNAL', 'HEALTHCHECK', 'ENTRYPOINT', 'CMD']
  expect(instructions.filter(({ name }) => !known.includes(name))).toStrictEqual([])
})

test('every stage starts from the Node that the tests run on, pinned to the patch', () => {
  expect(new Set(all('FROM').map((rest) => rest.split(' ')[0]))).toStrictEqual(new Set(['node:26.10.0-bookworm-slim']))
  expect(process.versions.node).toBe('26.10.0')
})

test('every path copied from the repository exists and is sent to the engine', () => {
  const paths = all('COPY')
    .filter((rest) => !rest.startsWith('--from='))
    .flatMap((rest) => rest.split(' ').slice(0, -1))
  expect(paths.length).toBeGreaterThan(0)
  expect(paths.filter((path) => !existsSync(join(repository, path)))).toStrictEqual([])
  expect(paths.filter((path) => !sent.includes(path.replace(/^\.\//, '')))).toStrictEqual([])
})

test('every stage copied from is named before', () => {
  const named = all('FROM').flatMap((rest) => / AS (\S+)$/.exec(rest)?.[1] ?? [])
  const used = all('COPY').flatMap((rest) => /^--from=(\S+)/.exec(rest)?.[1] ?? [])
  expect(used.filter((stage) => !named.includes(stage))).toStrictEqual([])
})

test('every npm script that is run exists', () => {
  const run = all('RUN').flatMap((rest) => /npm run (\S+)/.exec(rest)?.[1] ?? [])
  expect(run.filter((name) => !(name in scripts))).toStrictEqual([])
})

test('the last stage runs without privilege, stops on SIGTERM, and keeps its state on a volume that it owns', () => {
  expect(all('USER')).toStrictEqual(['node'])
  expect(all('STOPSIGNAL')).toStrictEqual(['SIGTERM'])
  expect(all('VOLUME')).toStrictEqual(['/var/lib/ecluse'])
  const order = instructions.map(({ name }) => name)
  expect(order.lastIndexOf('RUN'), 'nothing is run after the privilege is gone').toBeLessThan(order.indexOf('USER'))
  expect(all('RUN').at(-1)).toContain('install -d -o node -g node -m 0700 /var/lib/ecluse')
})

test('the health check is one line that Node can run, and asks for /livez', () => {
  const command: unknown = JSON.parse(/CMD (\[.*\])$/.exec(all('HEALTHCHECK')[0] ?? '')?.[1] ?? 'null')
  expect(command).toStrictEqual(['node', '-e', expect.stringContaining('/livez')])
  const [, , code] = command as [string, string, string]
  expect(() => new Script(code)).not.toThrow()
})

test('the command is the packaged launcher, not a shell, so that signals reach it', () => {
  expect(all('ENTRYPOINT')).toStrictEqual(['["node", "/opt/ecluse/bin/ecluse.js"]'])
  expect(all('CMD')).toStrictEqual(['["serve"]'])
})
