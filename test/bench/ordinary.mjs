/**
 * A consent check as it is ordinarily built on Node: Fastify, a signed token verified by jose on each request, the
 * permission asked of Redis, the call handed on by reply-from, one line of pino a request. RS256 is what issuers sign with
 * unless told otherwise, and half as dear to verify as ES256; pipelining and a buffered log are on: the stack at its best.
 *
 * `node ordinary.mjs HOLDER_URL REDIS_PORT FOLDER CLIENT`; its packages lie in FOLDER, or where ours do. Prints `{"port","token"}`, a token of
 * the client.
 */
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

const [holder, redisPort, folder, client] = process.argv.slice(2)
const { resolve } = createRequire(join(folder, 'package.json'))
const load = (name) => import(pathToFileURL(resolve(name)).href)
const [{ default: Fastify }, { default: replyFrom }, { Redis }, jose, { default: pino }] = await Promise.all(
  ['fastify', '@fastify/reply-from', 'ioredis', 'jose', 'pino'].map(load),
)
const redis = new Redis(Number(redisPort), '127.0.0.1', { enableAutoPipelining: true, replyMapping: 'legacy' })
const { publicKey, privateKey } = await jose.generateKeyPair('RS256')
const expected = { issuer: 'https://issuer.example', audience: 'gate', typ: 'at+jwt', algorithms: ['RS256'] }
const token = await new jose.SignJWT()
  .setProtectedHeader({ alg: 'RS256', typ: 'at+jwt' })
  .setSubject(client)
  .setIssuer(expected.issuer)
  .setAudience(expected.audience)
  .setIssuedAt()
  .setExpirationTime('1d')
  .sign(privateKey)

const DAY = /^\d{4}-\d\d-\d\d$/
const isDay = (value) => typeof value === 'string' && DAY.test(value)

process.removeAllListeners('warning')
const app = Fastify({
  disableRequestLogging: true,
  loggerInstance: pino({}, pino.destination({ dest: '/dev/null', sync: false, minLength: 4096 })),
})
await app.register(replyFrom, { base: holder, undici: { connections: 64, pipelining: 1 } })
app.get('/*', async (request, reply) => {
  const { pointId, dateDebut, dateFin } = request.query
  let subject
  try {
    const { payload } = await jose.jwtVerify((request.headers.authorization ?? '').slice('Bearer '.length), publicKey, expected)
    subject = payload.sub
  } catch {
    return reply.code(401).send({ error: 'token' })
  }
  // A parameter that comes twice is a list.
  if (typeof pointId !== 'string' || !isDay(dateDebut) || !isDay(dateFin)) return reply.code(403).send({ error: 'consent' })
  const found = await redis.get(`permission:${subject}:${pointId}`)
  const permission = found === null ? undefined : JSON.parse(found)
  const covered = permission?.meter === pointId && dateDebut >= permission.from && dateFin <= permission.until
  if (!covered || Date.now() >= permission.expires) return reply.code(403).send({ error: 'consent' })
  request.log.info({ client: subject, permission: permission.id, from: dateDebut, until: dateFin }, 'access')
  return reply.from(request.url, { rewriteRequestHeaders: (_request, headers) => ({ ...headers, authorization: 'Bearer of-the-proxy' }) })
})
await app.listen({ port: 0, host: '127.0.0.1' })
process.stdout.write(`${JSON.stringify({ port: app.server.address().port, token })}\n`)
