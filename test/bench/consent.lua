-- The consent check of the peers on nginx, in `access_by_lua`: token -> SHA-256 -> the permission that it has on the
-- meter, as JSON in Redis -> its meter, its days (the end excluded), its own end. Lets pass what is covered, else 401 or
-- 403; 503 where Redis does not answer. Records nothing.

local cjson = require "cjson.safe"
local ffi = require "ffi"
local redis = require "nginx.redis"

ffi.cdef "unsigned char *SHA256(const unsigned char *d, size_t n, unsigned char *md);"
local digest = ffi.new("unsigned char[32]")

local CACHED_SECONDS = 5
local DAY = "^%d%d%d%d%-%d%d%-%d%d$"

local function asked_of_redis(port, key)
  local client = redis:new()
  client:set_timeout(250)
  if not client:connect("127.0.0.1", port) then return ngx.exit(503) end
  local found = client:get(key)
  if not found then return ngx.exit(503) end
  client:set_keepalive(60000, 128)
  if found == ngx.null then return ngx.exit(403) end
  return found
end

local function permission_of(port, key, cache)
  if not cache then return asked_of_redis(port, key) end
  local known = cache:get(key)
  if known then return known end
  local found = asked_of_redis(port, key)
  cache:set(key, found, CACHED_SECONDS)
  return found
end

local consent = {}

-- cache: a shared dictionary in front of Redis, or nil
function consent.check(port, cache)
  local header = ngx.var.http_authorization
  if not header or header:sub(1, 7) ~= "Bearer " then return ngx.exit(401) end
  -- Not `ngx.var.arg_pointId`: it takes the first of two in any case, and the data holder may take the other.
  local args, err = ngx.req.get_uri_args(16)
  local meter, from, before = args.pointId, args.dateDebut, args.dateFin
  if err or type(meter) ~= "string" or type(from) ~= "string" or type(before) ~= "string" then return ngx.exit(403) end

  local token = header:sub(8)
  -- Of the OpenSSL that nginx itself is linked with.
  ffi.C.SHA256(token, #token, digest)
  local key = "permission:" .. ngx.encode_base64(ffi.string(digest, 32)) .. ":" .. meter
  local permission = cjson.decode(permission_of(port, key, cache))
  if not permission or permission.meter ~= meter then return ngx.exit(403) end
  if not from:find(DAY) or not before:find(DAY) then return ngx.exit(403) end
  if from < permission.from or before > permission["until"] or ngx.now() * 1000 >= permission.expires then return ngx.exit(403) end
end

return consent
