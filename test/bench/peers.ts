/**
 * What else could stand in the gate's place, each where its parts are installed (`scripts/bench-peers`): nginx bare, nginx
 * whose Lua asks Redis for the permission of each request, the same with a cache in nginx, and an ordinary Node stack.
 * Those that check keep their permissions in one Redis that the bench starts. None records anything that one could show.
 *
 * A subject's Redis has the subject's core, as the gate's state thread has: what a peer needs to decide is part of it.
 * Before it is measured each has to refuse what it must.
 */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, globSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { freePort, listening } from '../harness/redis.ts'
import { today } from '../harness/settings.ts'
import { onPath } from '../system.ts'
import { ended, pinned, started } from './processes.ts'
import type { Stop, Subject, SubjectId } from './subjects.ts'
import { dailyOf, METERS } from './traffic.ts'

/** Who the token of the ordinary stack is about. */
const CLIENT = 'viriya'
const EXPIRED_METER = '20000000008888'
const MODULES = '/usr/lib/nginx/modules'
const INSTALLED = join(import.meta.dirname, '..', '..', '.bench-peers')
/** nginx lies where a user's PATH need not look. */
const ENV = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` }

/** Part → whether it is here. */
const PARTS = {
  nginx: () => onPath('nginx'),
  'libnginx-mod-http-lua': () => existsSync(`${MODULES}/ngx_http_lua_module.so`) && existsSync(`${MODULES}/ndk_http_module.so`),
  'lua-nginx-redis': () => existsSync('/usr/share/lua/5.1/nginx/redis.lua'),
  'lua-cjson': () => globSync('/usr/lib/*/lua/5.1/cjson.so').length > 0,
  'redis-server': () => onPath('redis-server'),
  '@fastify/reply-from': () => existsSync(join(INSTALLED, 'node_modules', '@fastify', 'reply-from')),
}
const LUA = ['nginx', 'libnginx-mod-http-lua', 'lua-nginx-redis', 'lua-cjson', 'redis-server'] as const

export interface Peers {
  readonly subjects: readonly Subject[]
  /** A line for each that is not here. */
  readonly missing: readonly string[]
}

/**
 * @param token the consent token with which the gate is asked too
 * @param stops gets what ends each process and removes its folder, as soon as there is something to end
 */
export async function peers(holderUrl: string, token: string, stops: Stop[]): Promise<Peers> {
  const missing: string[] = []
  const subjects: Subject[] = []
  let server: Server | undefined
  const redis = async (): Promise<Server> => (server ??= await permissionsInRedis(token, stops))
  const add = async (title: string, needed: readonly (keyof typeof PARTS)[], start: () => Promise<Subject>): Promise<void> => {
    const absent = needed.filter((part) => !PARTS[part]())
    if (absent.length > 0) missing.push(`no row «${title}»: missing ${absent.join(', ')}; scripts/bench-peers installs that`)
    else subjects.push(await start())
  }
  const nginx = (id: SubjectId, title: string, check: Check | undefined): Promise<Subject> =>
    nginxOf({ id, title, token }, holderUrl, check, stops)

  await add('nginx bare', ['nginx'], () => nginx('nginx', 'nginx bare: checks nothing', undefined))
  await add('nginx + Lua + Redis', LUA, async () =>
    nginx('nginx-redis', 'nginx + Lua + Redis: asks it each time, no record', { redis: await redis(), cached: false }),
  )
  await add('nginx + Lua + cache', LUA, async () =>
    nginx('nginx-cache', 'nginx + Lua + cache: asks Redis each 5 s, no record', { redis: await redis(), cached: true }),
  )
  await add('ordinary Node stack', ['redis-server', '@fastify/reply-from'], async () => ordinary(holderUrl, await redis(), stops))
  for (const subject of subjects) if (subject.redis !== undefined) await mustRefuse(subject)
  return { subjects, missing }
}

interface Server {
  readonly port: number
  readonly pid: number
}

/** Each peer finds the same permission under its own name of the caller: digest of the token, or client. */
async function permissionsInRedis(token: string, stops: Stop[]): Promise<Server> {
  const port = await freePort()
  const folder = mkdtempSync(join(tmpdir(), 'ecluse-bench-redis-'))
  const settings = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', '', '--appendonly', 'no']
  const [command = '', ...args] = [...pinned('subject'), 'redis-server', ...settings]
  const child = spawn(command, args, { stdio: 'ignore', env: ENV })
  stops.push(async () => {
    await ended(child)
    rmSync(folder, { recursive: true, force: true })
  })
  await listening(port)
  const client = new Redis(port, '127.0.0.1', { replyMapping: 'legacy' })
  const names = [createHash('sha256').update(token).digest('base64'), CLIENT]
  for (const meter of [...METERS, EXPIRED_METER]) {
    const expires = Date.now() + (meter === EXPIRED_METER ? -1000 : 86_400_000)
    const permission = { id: `bench-${meter}`, client: CLIENT, purpose: 'self_view', meter, from: today(-365), until: today(30), expires }
    for (const name of names) await client.set(`permission:${name}:${meter}`, JSON.stringify(permission))
  }
  await client.quit()
  return { port, pid: child.pid ?? 0 }
}

interface Check {
  readonly redis: Server
  readonly cached: boolean
}

async function nginxOf(
  named: Pick<Subject, 'id' | 'title' | 'token'>,
  holderUrl: string,
  check: Check | undefined,
  stops: Stop[],
): Promise<Subject> {
  const folder = mkdtempSync(join(tmpdir(), 'ecluse-nginx-'))
  const port = await freePort()
  writeFileSync(join(folder, 'nginx.conf'), nginxConf(folder, port, holderUrl, check))
  const [command, ...args] = [...pinned('subject'), 'nginx', '-p', folder, '-c', join(folder, 'nginx.conf')]
  const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'inherit'], env: ENV })
  stops.push(async () => {
    // Its master ends the workers.
    await ended(child, 'SIGTERM')
    rmSync(folder, { recursive: true, force: true })
  })
  await listening(port, 'nginx')
  const subject = { ...named, port, pid: child.pid ?? 0 }
  return check ? { ...subject, only: 'data-connect', redis: check.redis.pid } : subject
}

function nginxConf(folder: string, port: number, holderUrl: string, check: Check | undefined): string {
  const load = `load_module ${MODULES}/ndk_http_module.so; load_module ${MODULES}/ngx_http_lua_module.so;`
  const lua = `lua_package_path "${import.meta.dirname}/?.lua;/usr/share/lua/5.1/?.lua;;"; lua_shared_dict permissions 16m;
       init_by_lua_block { consent = require "consent" }`
  const cache = check?.cached === true ? 'ngx.shared.permissions' : 'nil'
  const access = `access_by_lua_block { consent.check(${check?.redis.port}, ${cache}) } proxy_set_header Authorization "Bearer of-the-proxy";`
  return `${check ? load : ''}
     daemon off; worker_processes 1; pid ${folder}/pid; error_log ${folder}/error.log;
     events { worker_connections 1024; }
     http {
       access_log off; keepalive_timeout 75s; keepalive_requests 1000000000;
       ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${folder}/${name};`).join(' ')}
       ${check ? lua : ''}
       upstream holder { server ${new URL(holderUrl).host}; keepalive 64; keepalive_requests 1000000000; }
       server {
         listen 127.0.0.1:${port};
         location / {
           ${check ? access : ''}
           proxy_pass http://holder; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off;
         }
       }
     }`
}

async function ordinary(holderUrl: string, redis: Server, stops: Stop[]): Promise<Subject> {
  const { child, ready } = await started('subject', 'ordinary.mjs', [holderUrl, String(redis.port), INSTALLED, CLIENT])
  stops.push(() => ended(child))
  const { port, token } = ready as unknown as { readonly port: number; readonly token: string }
  const title = 'ordinary Node stack: Fastify, jose, ioredis, a line of pino'
  return { id: 'ordinary', title, port, pid: child.pid ?? 0, token, only: 'data-connect', redis: redis.pid }
}

/** A peer that lets everything through would be no peer. */
async function mustRefuse({ title, port, token }: Subject): Promise<void> {
  const good = dailyOf(METERS[0] ?? '')
  const other = METERS[1] ?? ''
  const statusOf = async (target: string, authorization: string): Promise<number> => {
    const answer = await fetch(`http://127.0.0.1:${port}${target}`, { headers: authorization === '' ? {} : { authorization } })
    await answer.arrayBuffer()
    return answer.status
  }
  const asked: Readonly<Record<string, readonly [string, string]>> = {
    'no token': [good, ''],
    'the token of a stranger': [good, 'Bearer a-stranger'],
    'a token that was changed': [good, `Bearer ${token.slice(0, -5)}${token.endsWith('AAAAA') ? 'BBBBB' : 'AAAAA'}`],
    'another meter': [dailyOf('29999999999999'), `Bearer ${token}`],
    'two meters': [`${good}&pointId=29999999999999`, `Bearer ${token}`],
    'two meters, both permitted': [`${good}&pointId=${other}`, `Bearer ${token}`],
    'a day too early': [good.replace(/dateDebut=[^&]*/, `dateDebut=${today(-366)}`), `Bearer ${token}`],
    'a day too late': [good.replace(/dateFin=[^&]*/, `dateFin=${today(31)}`), `Bearer ${token}`],
    'what is no day': [good.replace(/dateDebut=[^&]*/, 'dateDebut=9'), `Bearer ${token}`],
    'a permission that has ended': [dailyOf(EXPIRED_METER), `Bearer ${token}`],
  }
  for (const [what, [target, authorization]] of Object.entries(asked)) {
    const status = await statusOf(target, authorization)
    if (status !== 401 && status !== 403) throw new Error(`«${title}» answers ${status} to ${what}: it has to refuse`)
  }
  // Twice: the second time it may come from a cache, as may a refusal that was wrongly kept.
  for (const time of ['first', 'second']) {
    const status = await statusOf(good, `Bearer ${token}`)
    if (status !== 200) throw new Error(`«${title}» answers ${status} to what is permitted, the ${time} time`)
  }
}
