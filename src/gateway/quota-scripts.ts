/**
 * What gates share of a quota, in Lua. Keys of one data holder lie together, because a request reserves in the budget of
 * an account and in that of a rule at once. Moments are Redis's own clock, so those of the gates need not agree.
 *
 * A span is a sorted set of calls (id → moment) and a hash of promises (reservation → `calls left:until`): a promise
 * whose gate fell silent ends by itself. Gates are a sorted set (name → last word): one that fell silent without leaving
 * may be cut off and calling its own part, so its part is kept back. `since` is when Redis began to know the budget:
 * whoever knew another one tells it the calls that it knows of.
 *
 * Each script is the same twice: a reservation and a call that are known are granted again and counted once.
 */

export interface QuotaTimes {
  /** A gate that said nothing for so long may be cut off. */
  readonly silentMs: number
  /** How long a promise is good without another word of its gate. */
  readonly promiseMs: number
}
export const QUOTA_TIMES: QuotaTimes = { silentMs: 12_000, promiseMs: 30_000 }

/** One second and a little: the data holder's clock and the way there are not ours. */
const SECOND_MS = 1050
/** How long a turn is kept for a client that waits at another gate, beyond the moment at which it should ask. */
const GRACE_MS = 300
/** Before who has no turn yet, though one is free, asks again: it is kept for somebody elsewhere. */
const NEXT_MS = 25

const common = ({ silentMs, promiseMs }: QuotaTimes): string => `
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local function made(key, window)
  redis.call('ZREMRANGEBYSCORE', key, '-inf', now - window)
  return redis.call('ZCARD', key)
end
local function promised(key)
  local sum = 0
  local all = redis.call('HGETALL', key)
  for i = 1, #all, 2 do
    local left, till = string.match(all[i + 1], '^(%d+):(%d+)$')
    if tonumber(till) < now then redis.call('HDEL', key, all[i]) else sum = sum + tonumber(left) end
  end
  return sum
end
local function promise(key, id, calls)
  redis.call('HSET', key, id, string.format('%d:%d', calls, now + ${promiseMs}))
  redis.call('PEXPIRE', key, ${2 * promiseMs})
end
local function silent(key, node, window)
  redis.call('ZADD', key, now, node)
  redis.call('ZREMRANGEBYSCORE', key, '-inf', now - window)
  redis.call('PEXPIRE', key, window)
  return redis.call('ZCOUNT', key, '-inf', now - ${silentMs})
end
local function sinceOf(key, window)
  local since = redis.call('GET', key) or string.format('%d', now)
  redis.call('SET', key, since, 'PX', 2 * window)
  return since
end
local function call(key, id, at, window)
  redis.call('ZADD', key, 'NX', at, id)
  redis.call('PEXPIRE', key, window)
end
`

/**
 * KEYS made promises held gates waiting since [rule's made, rule's promises]
 * ARGV node self id calls most part window perSecond partOfSecond client waitingHere mostWait [ruleMost ruleWindow]
 * → `ok` since left | `rule` or `holder` since msToWait
 */
const RESERVE = `
local node, self, id, client = ARGV[1], ARGV[2], ARGV[3], ARGV[10]
local calls, most, part, window = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local function waitFor(key, span, short)
  local frees = redis.call('ZRANGE', key, math.max(0, short - 1), math.max(0, short - 1), 'WITHSCORES')[2] or now
  return tonumber(frees) + span - now
end
local since = sinceOf(KEYS[6], window)
local away = silent(KEYS[4], node, window)
local free = most - away * part - made(KEYS[1], window) - promised(KEYS[2])
if redis.call('HEXISTS', KEYS[2], id) == 1 then return {'ok', since, free} end
if KEYS[7] then
  local short = calls - (tonumber(ARGV[13]) - made(KEYS[7], tonumber(ARGV[14])) - promised(KEYS[8]))
  if short > 0 then return {'rule', since, waitFor(KEYS[7], tonumber(ARGV[14]), short)} end
end
local held = redis.call('PTTL', KEYS[3])
if held > 0 then return {'holder', since, held} end
if free < calls then return {'holder', since, waitFor(KEYS[1], window, calls - free)} end
local mine, clients, others = tonumber(ARGV[11]), {}, 0
clients[client] = true
local all = redis.call('HGETALL', KEYS[5])
for i = 1, #all, 2 do
  local gate, who = string.match(all[i], '^([^|]*)|(.*)$')
  local count, till = string.match(all[i + 1], '^(%d+):(%d+)$')
  if tonumber(till) >= now then
    if who == client and gate ~= self then mine = mine + tonumber(count) end
    clients[who] = true
  end
end
for _ in pairs(clients) do others = others + 1 end
local second = math.max(1, tonumber(ARGV[8]) - away * tonumber(ARGV[9]))
local expected = mine * others / second * ${SECOND_MS}
if expected > tonumber(ARGV[12]) then return {'holder', since, math.ceil(expected)} end
promise(KEYS[2], id, calls)
if KEYS[8] then promise(KEYS[8], id, calls) end
return {'ok', since, free - calls}
`

/**
 * Gives turns to clients that wait here, as many as are theirs: those whose last turn is longest ago come first, wherever
 * they wait.
 *
 * KEYS made promises gates waiting turns since [rule's made, rule's promises]…
 * ARGV node self most part window perSecond partOfSecond clients, and for each client: name waitingHere asks, and for
 *      each ask: reservation call promised(1|0) ruleIndex(0: none) ruleMost ruleWindow
 * → since msToWait left, and for each ask in its order: 1 granted, 0 not yet, 2 no call is left
 */
const TURNS = `
local node, self = ARGV[1], ARGV[2]
local most, part, window = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local since = sinceOf(KEYS[6], window)
local away = silent(KEYS[3], node, window)
local second = math.max(1, tonumber(ARGV[6]) - away * tonumber(ARGV[7]))
local left = most - away * part - made(KEYS[1], window) - promised(KEYS[2])
local used = redis.call('ZCOUNT', KEYS[1], '(' .. (now - ${SECOND_MS}), '+inf')
local answers, asks, waiting, last = {}, {}, {}, {}
local at, number = 9, 0
for _ = 1, tonumber(ARGV[8]) do
  local name, count, many = ARGV[at], tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
  at = at + 3
  waiting[name], asks[name] = count, {}
  for _ = 1, many do
    number = number + 1
    answers[number] = 0
    local ask = {number, ARGV[at], ARGV[at + 1], ARGV[at + 2] == '1', tonumber(ARGV[at + 3]), tonumber(ARGV[at + 4]), tonumber(ARGV[at + 5])}
    at = at + 6
    if redis.call('ZSCORE', KEYS[1], ask[3]) then
      answers[number] = 1
      waiting[name] = waiting[name] - 1
    else table.insert(asks[name], ask) end
  end
end
local mine = {}
for name in pairs(asks) do mine[name] = true end
local elsewhere = {}
local all = redis.call('HGETALL', KEYS[4])
for i = 1, #all, 2 do
  local gate, who = string.match(all[i], '^([^|]*)|(.*)$')
  local count, till = string.match(all[i + 1], '^(%d+):(%d+)$')
  if tonumber(till) < now then redis.call('HDEL', KEYS[4], all[i])
  elseif gate ~= self then elsewhere[who] = (elsewhere[who] or 0) + tonumber(count) end
end
local turn = tonumber(redis.call('HGET', KEYS[5], '#') or 0)
local function lastOf(name)
  if not last[name] then last[name] = tonumber(redis.call('HGET', KEYS[5], name) or 0) end
  return last[name]
end
local function keep(key, id)
  local calls = tonumber(string.match(redis.call('HGET', key, id) or '', '^(%d+):') or 0)
  if calls > 1 then promise(key, id, calls - 1) elseif calls == 1 then redis.call('HDEL', key, id) end
end
local free = second - used
local granted = 0
while free > 0 do
  local best
  for name, list in pairs(asks) do
    if #list > 0 and (not best or lastOf(name) < lastOf(best)) then best = name end
  end
  if not best then break end
  for name, count in pairs(elsewhere) do
    if count > 0 and not (asks[name] and #asks[name] > 0) and lastOf(name) < lastOf(best) then best = name end
  end
  turn = turn + 1
  last[best] = turn
  if asks[best] and #asks[best] > 0 then
    local ask = table.remove(asks[best], 1)
    local ruleMade, rulePromises = KEYS[5 + 2 * ask[5]], KEYS[6 + 2 * ask[5]]
    local ok = ask[4] or left > 0
    if ok and not ask[4] and ask[5] > 0 then ok = ask[6] - made(ruleMade, ask[7]) - promised(rulePromises) > 0 end
    waiting[best] = waiting[best] - 1
    if ok then
      call(KEYS[1], ask[3], now, window)
      if ask[5] > 0 then call(ruleMade, ask[3], now, ask[7]) end
      if ask[4] then
        keep(KEYS[2], ask[2])
        if ask[5] > 0 then keep(rulePromises, ask[2]) end
      else left = left - 1 end
      redis.call('HSET', KEYS[5], best, turn, '#', turn)
      answers[ask[1]] = 1
      granted = granted + 1
      free = free - 1
    else answers[ask[1]] = 2 end
  else
    elsewhere[best] = elsewhere[best] - 1
    free = free - 1
  end
end
redis.call('PEXPIRE', KEYS[5], 3600000)
local wait = ${NEXT_MS}
if used + granted >= second then
  local oldest = redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. (now - ${SECOND_MS}), '+inf', 'WITHSCORES', 'LIMIT', 0, 1)[2]
  wait = math.max(1, tonumber(oldest or now) + ${SECOND_MS} - now)
end
for name in pairs(mine) do
  local field = self .. '|' .. name
  if waiting[name] > 0 then redis.call('HSET', KEYS[4], field, string.format('%d:%d', waiting[name], now + wait + ${GRACE_MS}))
  else redis.call('HDEL', KEYS[4], field) end
end
redis.call('PEXPIRE', KEYS[4], 60000)
return {since, wait, left, unpack(answers)}
`

/** KEYS promises [rule's promises]; ARGV id. What was not called is given back. */
const RELEASE = `
for _, key in ipairs(KEYS) do redis.call('HDEL', key, ARGV[1]) end
return 1
`

/**
 * KEYS made promises gates held since [rule's promises]…
 * ARGV node most part window samples knownSince, and for each reservation that is alive: id left ruleIndex
 * → since left heldMs calls promises, and the age of the calls at so many even steps, the oldest first
 *
 * A promise that is there is good for longer, with what is left of it here: a turn of it may be under way to its gate.
 */
const BEAT = `
local most, part, window, samples = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local since = sinceOf(KEYS[5], window)
local away = silent(KEYS[3], ARGV[1], window)
local function renew(key, id, calls)
  local known = string.match(redis.call('HGET', key, id) or '', '^(%d+):')
  if known then promise(key, id, tonumber(known)) elseif since ~= ARGV[6] then promise(key, id, calls) end
end
for i = 7, #ARGV, 3 do
  local rule = tonumber(ARGV[i + 2])
  renew(KEYS[2], ARGV[i], tonumber(ARGV[i + 1]))
  if rule > 0 then renew(KEYS[5 + rule], ARGV[i], tonumber(ARGV[i + 1])) end
end
local calls, open = made(KEYS[1], window), promised(KEYS[2])
local answer = {since, most - away * part - calls - open, math.max(0, redis.call('PTTL', KEYS[4])), calls, open}
for i = 1, calls > 0 and samples or 0 do
  local rank = math.ceil(i * calls / samples) - 1
  local at = redis.call('ZRANGE', KEYS[1], rank, rank, 'WITHSCORES')[2]
  table.insert(answer, math.max(0, math.floor(now - tonumber(at))))
end
return answer
`

/**
 * KEYS made since [rule's made]…; ARGV window ruleWindow, and for each call: id age recalled(1|0) ruleIndex
 * A call that a gate recalls from its evidence has lost its id: it counts where Redis cannot know it.
 */
const TELL = `
local window = tonumber(ARGV[1])
local since = tonumber(sinceOf(KEYS[2], window))
for i = 3, #ARGV, 4 do
  local at, rule = now - tonumber(ARGV[i + 1]), tonumber(ARGV[i + 3])
  if ARGV[i + 2] == '0' or at < since then
    if at > now - window then call(KEYS[1], ARGV[i], at, window) end
    if rule > 0 and at > now - tonumber(ARGV[2]) then call(KEYS[2 + rule], ARGV[i], at, tonumber(ARGV[2])) end
  end
end
return 1
`

/** KEYS held; ARGV ms. The longest word of the data holder holds. */
const HOLD = `
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[1]) then redis.call('SET', KEYS[1], '1', 'PX', ARGV[1]) end
return 1
`

/**
 * A word of life, and of the budgets that this gate knows: one that has called nothing yet learns of those of others.
 *
 * KEYS gates budgets; ARGV node window, and for each budget: name box
 * → how many gates there are, those included that fell silent, and the boxes of all budgets
 */
const HERE = `
silent(KEYS[1], ARGV[1], tonumber(ARGV[2]))
for i = 3, #ARGV, 2 do redis.call('HSETNX', KEYS[2], ARGV[i], ARGV[i + 1]) end
redis.call('PEXPIRE', KEYS[2], 2 * tonumber(ARGV[2]))
return {redis.call('ZCARD', KEYS[1]), unpack(redis.call('HVALS', KEYS[2]))}
`

/** KEYS gates; ARGV node. It has ended in order: its part is anybody's. */
const LEAVE = `
return redis.call('ZREM', KEYS[1], ARGV[1])
`

export function quotaScripts(times: QuotaTimes = QUOTA_TIMES) {
  const before = common(times)
  return {
    reserve: before + RESERVE,
    turns: before + TURNS,
    beat: before + BEAT,
    tell: before + TELL,
    here: before + HERE,
    release: RELEASE,
    hold: HOLD,
    leave: LEAVE,
  } as const
}

/**
 * An answer of the scripts above: so many texts, then whole numbers, `numbers` of them at least. Whatever stands in the
 * place of Redis and answers otherwise gives no turn and refuses nobody.
 */
export function answerOf(
  said: unknown,
  texts: number,
  numbers: number,
): { readonly texts: readonly string[]; readonly numbers: readonly number[] } {
  const list: readonly unknown[] = Array.isArray(said) ? said : []
  const found = { texts: list.slice(0, texts), numbers: list.slice(texts) }
  const whole =
    list.length >= texts + numbers &&
    found.texts.every((one) => typeof one === 'string') &&
    found.numbers.every((one) => Number.isSafeInteger(one))
  if (!whole) throw new TypeError('what answers in the place of Redis does not carry out scripts')
  return found as { readonly texts: readonly string[]; readonly numbers: readonly number[] }
}
