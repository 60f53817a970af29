/**
 * A consent check as it is ordinarily built on Node: Fastify, a signed token (ES256) verified by jose on each request, the
 * permission asked of Redis, the call handed on by reply-from, one line of pino a request.
 *
 * `node ordinary.mjs HOLDER_URL REDIS_PORT FOLDER`; its packages lie in FOLDER. Prints `{"port","token"}`.
 */
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

const [holder, redisPort, folder] = process.argv.slice(2)
const { resolve } = createRequire(join(folder, 'package.json'))
const load = (name) => import(pathToFileURL(resolve(name)).href)
const [{ default: Fastify }, { default: replyFrom }, { Redis }, jose, { default: pino }] = await Promise.all(
  ['fastify', '@fastify/reply-from', 'ioredis', 'jose', 'pino'].map(load),
)
const redis = new Redis(Number(redisPort), '127.0.0.1', { enableAutoPipelining: true, replyMapping: 'legacy' })
const { publicKey, privateKey } = await jose.generateKeyPair('ES256')
const claims = { issuer: 'https://issuer.example', audience: 'gate' }
const token = await new jose.SignJWT({ client: 'bench' })
  .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt' })
  .setIssuer(claims.issuer)
  .setAudience(claims.audience)
  .setIssuedAt()
  .setExpirationTime('1h')
  .sign(privateKey)

process.removeAllListeners('warning')
const app = Fastify({
  disableRequestLogging: true,
  loggerInstance: pino({}, pino.destination({ dest: '/dev/null', sync: false, minLength: 4096 })),
})
await app.register(replyFrom, { base: holder, undici: { connections: 64, pipelining: 1 } })
app.get('/*', async (request, reply) => {
  const { pointId, dateDebut, dateFin } = request.query
  let client
  try {
    const { payload } = await jose.jwtVerify((request.headers.authorization ?? '').slice(7), publicKey, {
      ...claims,
      algorithms: ['ES256'],
    })
    client = payload.client
  } catch {
    return reply.code(401).send({ error: 'token' })
  }
  const found = await redis.get(`consent:${client}:${pointId}`)
  const consent = found === null ? undefined : JSON.parse(found)
  if (!consent || dateDebut < consent.from || dateFin > consent.until || Date.now() >= consent.expires) {
    return reply.code(403).send({ error: 'consent' })
  }
  request.log.info({ client, from: dateDebut, until: dateFin }, 'access')
  return reply.from(request.url, { rewriteRequestHeaders: (_request, headers) => ({ ...headers, authorization: 'Bearer of-the-proxy' }) })
})
await app.listen({ port: 0, host: '127.0.0.1' })
process.stdout.write(`${JSON.stringify({ port: app.server.address().port, token })}\n`)
