/**
 * The OpenAPI 3.1 document, made of the routes that are served. Its schemas are JSON Schema 2020-12, which is the
 * dialect of OpenAPI 3.1 itself, so what zod gives stands in it as it is.
 */
import * as z from 'zod'
import { CLIENT_ROUTES } from './clients.ts'
import { EVIDENCE_ROUTES } from './evidence.ts'
import { PERMISSION_ROUTES } from './permissions.ts'
import type { ProblemCode } from './problem.ts'
import { PROBLEMS } from './problem.ts'
import type { ApiRoute } from './route.ts'
import * as s from './schemas.ts'

export const ROUTES: readonly ApiRoute[] = [...CLIENT_ROUTES, ...PERMISSION_ROUTES, ...EVIDENCE_ROUTES]

type Tree = Record<string, unknown>
const EVERYWHERE: readonly ProblemCode[] = ['malformed', 'unauthorized', 'forbidden', 'too_many_attempts', 'fault', 'unavailable']
const POSTED: readonly ProblemCode[] = ['key_missing', 'in_progress', 'interrupted', 'key_reused', 'too_large', 'unsupported_media_type']

export function openApi(): Tree {
  const schemas: Tree = {}
  const paths: Record<string, Tree> = {}
  for (const one of ROUTES) (paths[one.path] ??= {})[one.method.toLowerCase()] = operationOf(one, schemas)
  jsonSchema(s.problem, 'output', schemas)
  return {
    openapi: '3.1.1',
    info: {
      title: 'Écluse admin API',
      version: '1',
      summary: 'Clients, permissions, tokens and evidence of one gate',
      license: { name: 'EUPL-1.2', identifier: 'EUPL-1.2' },
    },
    servers: [{ url: '/' }],
    security: [{ secret: [] }, { session: [] }],
    paths,
    components: {
      responses: Object.fromEntries(Object.entries(problemsOf(EVERYWHERE, false)).map(([status, told]) => [nameOf(status), told])),
      schemas: Object.fromEntries(Object.entries(schemas).toSorted(([a], [b]) => (a < b ? -1 : 1))),
      securitySchemes: {
        secret: { type: 'http', scheme: 'bearer', description: 'the bootstrap secret of the settings' },
        session: {
          type: 'apiKey',
          in: 'cookie',
          name: '__Host-ecluse-console',
          description:
            'of the console; a change also needs X-CSRF-Token, as each GET with the cookie answers it. Over plain http the cookie is named ecluse-console',
        },
      },
    },
  }
}

function operationOf(one: ApiRoute, schemas: Tree): Tree {
  const posted = one.method === 'POST'
  const conditional: readonly ProblemCode[] = one.ifMatch === undefined ? [] : ['precondition_failed', 'precondition_required']
  const problems = [...EVERYWHERE, ...(posted ? POSTED : []), ...conditional, ...one.problems]
  return {
    operationId: one.id,
    summary: one.summary,
    tags: [one.tag],
    'x-least-role': one.role,
    parameters: [...parametersOf(one.params, 'path', schemas), ...parametersOf(one.query, 'query', schemas), ...headersOf(one)],
    ...(posted && {
      requestBody: {
        required: one.body !== s.nothing,
        content: { 'application/json': { schema: jsonSchema(one.body, 'input', schemas) } },
      },
    }),
    responses: { ...answersOf(one, schemas), ...problemsOf(problems, true) },
  }
}

function answersOf({ answers, method }: ApiRoute, schemas: Tree): Tree {
  const told = Object.entries(answers).map(([status, { what, schema, media = 'application/json' }]) => {
    const content = schema ? jsonSchema(schema, 'output', schemas) : { type: 'string' }
    const headers = method === 'GET' ? { ETag: { schema: { type: 'string' } } } : undefined
    const empty = schema === undefined && status === '204'
    return [status, { description: what, ...(headers && { headers }), ...(!empty && { content: { [media]: { schema: content } } }) }]
  })
  return { ...Object.fromEntries(told), ...(method === 'GET' && { 304: { description: 'what If-None-Match names is still so' } }) }
}

const nameOf = (status: string): string => `Problem${status}`

/** What every operation may answer stands once, among the components. */
function problemsOf(codes: readonly ProblemCode[], refer: boolean): Tree {
  const byStatus = Map.groupBy([...new Set(codes)], (code) => PROBLEMS[code].status)
  return Object.fromEntries(
    [...byStatus].map(([status, same]) => {
      if (refer && same.every((code) => EVERYWHERE.includes(code)))
        return [status, { $ref: `#/components/responses/${nameOf(String(status))}` }]
      const description = same.map((code) => `\`${code}\`: ${PROBLEMS[code].title}`).join('; ')
      return [status, { description, content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } } }]
    }),
  )
}

function headersOf({ method, ifMatch }: ApiRoute): Tree[] {
  const header = (name: string, required: boolean, description: string): Tree => ({
    name,
    in: 'header',
    required,
    description,
    schema: { type: 'string' },
  })
  return [
    ...(method === 'POST' ? [header('Idempotency-Key', true, 'new for each new request; the first answer is kept for a day')] : []),
    ...(method === 'GET' ? [header('If-None-Match', false, 'ETag of an earlier answer')] : []),
    ...(ifMatch === undefined ? [] : [header('If-Match', ifMatch === 'required', 'ETag of what was read, or `*`')]),
  ]
}

function parametersOf(schema: z.ZodType, where: 'path' | 'query', schemas: Tree): Tree[] {
  const { properties = {}, required = [] } = jsonSchema(schema, 'input', schemas) as {
    properties?: Record<string, Tree>
    required?: string[]
  }
  return Object.entries(properties).map(([name, { description, ...rest }]) => ({
    name,
    in: where,
    required: where === 'path' || required.includes(name),
    ...(description !== undefined && { description }),
    schema: rest,
  }))
}

/** What has an id goes to the components, and is referred to. */
function jsonSchema(schema: z.ZodType, io: 'input' | 'output', schemas: Tree): Tree {
  const { $schema: _, $defs = {}, ...own } = z.toJSONSchema(schema, { io, target: 'draft-2020-12' }) as Tree & { $defs?: Tree }
  const inComponents = (value: unknown): unknown => JSON.parse(JSON.stringify(value).replaceAll('"#/$defs/', '"#/components/schemas/'))
  for (const [id, one] of Object.entries($defs)) schemas[id] = inComponents(one)
  const id = schema.meta()?.id
  if (id === undefined) return inComponents(own) as Tree
  // zod puts a schema with an id among the definitions by itself, and refers to it.
  if (!Object.hasOwn($defs, id)) schemas[id] = inComponents(own)
  return { $ref: `#/components/schemas/${id}` }
}
