/**
 * What else could stand in the gate's place, where its parts are installed (`scripts/bench-peers`): nginx bare, nginx
 * whose Lua asks Redis for the consent of each request, the same with a cache in its workers, and an ordinary Node stack.
 * All keep their permissions in one Redis that the bench starts. None of them records anything.
 *
 * Before it is measured each has to refuse what it must: a stranger, another meter, days that were not granted.
 */
import type { ChildProcess } from 'node:child_process'
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { freePort } from '../harness/redis.ts'
import { today } from '../harness/settings.ts'
import { pinned, started } from './processes.ts'
import type { Subject, SubjectId } from './subjects.ts'
import { dailyOf, METERS } from './traffic.ts'

export interface Peers {
  readonly subjects: readonly Subject[]
  /** Sentences about those that are not here. */
  readonly missing: readonly string[]
  stop(): Promise<void>
}

const MODULES = '/usr/lib/nginx/modules'
const INSTALL = 'scripts/bench-peers installs them'
const repository = join(import.meta.dirname, '..', '..')

/** @param token the consent token with which the gate is asked too */
export async function peers(holderUrl: string, token: string): Promise<Peers> {
  const subjects: Subject[] = []
  const missing: string[] = []
  const nginx = spawnSync('nginx', ['-v']).error === undefined
  const lua = nginx && existsSync(`${MODULES}/ngx_http_lua_module.so`) && existsSync('/usr/share/lua/5.1/nginx/redis.lua')
  const packages = join(repository, '.bench-peers', 'node_modules', '@fastify', 'reply-from')
  const redis = spawnSync('redis-server', ['--version']).error === undefined ? await aRedis(token) : undefined
  if (nginx) subjects.push(await nginxOf('nginx', 'nginx, bare: no check', holderUrl, token, ''))
  else missing.push(`no nginx: ${INSTALL}`)
  if (lua && redis) {
    subjects.push(await nginxOf('nginx-redis', 'nginx + Lua + Redis on each request', holderUrl, token, luaOf(redis.port, false)))
    subjects.push(await nginxOf('nginx-cache', 'nginx + Lua + cache, Redis behind it', holderUrl, token, luaOf(redis.port, true)))
  } else missing.push(`no nginx with Lua, or no Redis: ${INSTALL}`)
  if (redis && existsSync(packages)) subjects.push(await ordinary(holderUrl, redis.port))
  else missing.push(`no packages of an ordinary Node stack: ${INSTALL}`)
  for (const subject of subjects) if (subject.id !== 'nginx') await mustRefuse(subject)
  return { subjects, missing, stop: async () => redis?.stop() }
}

async function aRedis(token: string): Promise<{ readonly port: number; stop(): Promise<void> }> {
  const port = await freePort()
  const folder = mkdtempSync(join(tmpdir(), 'ecluse-bench-redis-'))
  const [command, ...args] = [
    ...pinned('load'),
    'redis-server',
    '--port',
    String(port),
    '--bind',
    '127.0.0.1',
    '--dir',
    folder,
    '--save',
    '',
  ]
  const child = spawn(command, args, { stdio: 'ignore' })
  await sleep(300)
  const client = new Redis(port, '127.0.0.1', { replyMapping: 'legacy' })
  const hash = createHash('sha256').update(token).digest('hex')
  const consent = JSON.stringify({ from: today(-365), until: today(30), expires: Date.now() + 86_400_000 })
  for (const meter of METERS) {
    await client.set(`consent:${hash}:${meter}`, consent)
    await client.set(`consent:bench:${meter}`, consent)
  }
  await client.quit()
  return {
    port,
    async stop() {
      await killed(child)
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** The check in `access_by_lua`: token → SHA-256 → the permission of this token on this meter → its days and its end. */
function luaOf(redisPort: number, cached: boolean): string {
  const get = `
    local red = redis:new()
    red:set_timeout(250)
    local ok = red:connect("127.0.0.1", ${redisPort})
    if not ok then return ngx.exit(503) end
    local found = red:get(key)
    red:set_keepalive(60000, 128)
    if found == ngx.null or not found then return ngx.exit(403) end
    text = found`
  return `access_by_lua_block {
    local header = ngx.var.http_authorization
    if not header or header:sub(1, 7) ~= "Bearer " then return ngx.exit(401) end
    local meter, from, upto = ngx.var.arg_pointId, ngx.var.arg_dateDebut, ngx.var.arg_dateFin
    if not meter or not from or not upto then return ngx.exit(400) end
    local token = header:sub(8)
    crypto.SHA256(token, #token, digest)
    local key = "consent:" .. hex(ffi.string(digest, 32)) .. ":" .. meter
    local text
    ${cached ? `text = ngx.shared.consents:get(key)\n if not text then ${get}\n ngx.shared.consents:set(key, text, 5) end` : get}
    local consent = cjson.decode(text)
    if from < consent.from or upto > consent["until"] or ngx.now() * 1000 >= consent.expires then return ngx.exit(403) end
    ngx.req.set_header("Authorization", "Bearer of-the-proxy")
  }`
}

const LUA_INIT = `init_by_lua_block {
  ffi = require "ffi"
  cjson = require "cjson.safe"
  redis = require "nginx.redis"
  ffi.cdef "unsigned char *SHA256(const unsigned char *d, size_t n, unsigned char *md);"
  crypto = ffi.load("crypto.so.3")
  digest = ffi.new("unsigned char[32]")
  local digits = {}
  for i = 0, 255 do digits[string.char(i)] = string.format("%02x", i) end
  hex = function(bytes) return (bytes:gsub(".", digits)) end
}`

async function nginxOf(id: SubjectId, title: string, holderUrl: string, token: string, check: string): Promise<Subject> {
  const folder = mkdtempSync(join(tmpdir(), 'ecluse-nginx-'))
  const port = await freePort()
  const modules = check === '' ? '' : `load_module ${MODULES}/ndk_http_module.so; load_module ${MODULES}/ngx_http_lua_module.so;`
  writeFileSync(
    join(folder, 'nginx.conf'),
    `${modules}
     daemon off; worker_processes 1; pid ${folder}/pid; error_log ${folder}/error.log;
     events { worker_connections 1024; }
     http {
       access_log off; keepalive_timeout 75s; keepalive_requests 1000000000;
       ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${folder}/${name};`).join(' ')}
       ${check === '' ? '' : `lua_package_path "/usr/share/lua/5.1/?.lua;;"; lua_shared_dict consents 16m; ${LUA_INIT}`}
       upstream holder { server ${new URL(holderUrl).host}; keepalive 64; keepalive_requests 1000000000; }
       server {
         listen 127.0.0.1:${port};
         location / { ${check} proxy_pass http://holder; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off; }
       }
     }`,
  )
  const [command, ...args] = [...pinned('subject'), 'nginx', '-p', folder, '-c', join(folder, 'nginx.conf')]
  const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'inherit'] })
  await sleep(400)
  if (child.exitCode !== null) throw new Error(`nginx did not start: see ${folder}/error.log`)
  return {
    id,
    title,
    port,
    pid: child.pid ?? 0,
    token,
    only: 'data-connect',
    async stop() {
      child.kill('SIGTERM')
      if (child.exitCode === null) await once(child, 'exit')
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

async function ordinary(holderUrl: string, redisPort: number): Promise<Subject> {
  const { child, ready } = await started('subject', 'ordinary.mjs', [holderUrl, String(redisPort), join(repository, '.bench-peers')])
  const { port, token } = ready as unknown as { readonly port: number; readonly token: string }
  return {
    id: 'ordinary',
    title: 'Fastify + reply-from + jose + ioredis + pino',
    port,
    pid: child.pid ?? 0,
    token,
    only: 'data-connect',
    stop: () => killed(child),
  }
}

/** A peer that lets everything through would be no peer. */
async function mustRefuse({ title, port, token }: Subject): Promise<void> {
  const ask = async (path: string, bearer: string): Promise<number> => {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`, { headers: { authorization: `Bearer ${bearer}` } })
    await answer.arrayBuffer()
    return answer.status
  }
  const good = dailyOf(METERS[0] ?? '')
  const seen = [
    await ask(good, token),
    await ask(good, 'a-stranger'),
    await ask(dailyOf('29999999999999'), token),
    await ask(good.replace(/dateDebut=[^&]*/, `dateDebut=${today(-900)}`), token),
  ]
  const [allowed, ...refused] = seen
  if (allowed !== 200 || !refused.every((status) => status === 401 || status === 403))
    throw new Error(`${title} decides otherwise than it must: ${seen.join(', ')}`)
}

async function killed(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGKILL')
  await once(child, 'exit')
}
