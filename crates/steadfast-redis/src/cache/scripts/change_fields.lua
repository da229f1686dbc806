-- Puts and removes fields of a set or hash, each operation once. An operation replaces the versions of its field
-- that its writer knew; versions that it did not know stay beside it, so adding wins over removing.
--
-- KEYS[1] the key: a hash of s, the last token of each node, and for each field f:field, its versions, one after
--         another: 32 digits of the version, 8 hexadecimal digits of the value's length, the value
-- ARGV[1] for how long tokens are remembered, in ms
-- ARGV[2...] for each operation, in the order of versions: version, which is its token, field, 'p' to put or 'r' to remove, value, and
--         the versions that it replaces, 32 digits each: of each node that version and those before it
-- Returns {'applied'}; {'merged'} if versions that the operations did not know stay beside them;
-- {'conflicted', why} if the key holds something else.

local count = (#ARGV - 1) / 5
if not is_number(ARGV[1]) or count ~= math.floor(count) or count < 1 then
  return redis.error_reply('ERR change_fields: bad arguments')
end
for i = 1, count do
  local at = 5 * i - 3
  if not is_version(ARGV[at]) or not ARGV[at + 2]:find('^[pr]$') or #ARGV[at + 4] % 32 ~= 0
      or ARGV[at + 4]:find('[^0-9a-f]') then
    return redis.error_reply('ERR change_fields: bad arguments')
  end
end
local kind = type_of(KEYS[1])
if kind ~= 'hash' and kind ~= 'none' then
  return {'conflicted', 'the key holds a ' .. kind}
end

-- The versions of a field, or nil if they are none of ours.
local function read_field(text)
  local versions, at = {}, 1
  while at <= #text do
    local version, length = text:sub(at, at + 31), tonumber(text:sub(at + 32, at + 39), 16)
    if not is_version(version) or not length or at + 39 + length > #text then
      return nil
    end
    versions[#versions + 1] = {version = version, value = text:sub(at + 40, at + 39 + length)}
    at = at + 40 + length
  end
  return versions
end

-- Whether a version is, of one of the observed nodes, the observed one or one before it.
local function is_observed(observed, version)
  for at = 1, #observed, 32 do
    local known = observed:sub(at, at + 31)
    if known:sub(21) == version:sub(21) and not later(version, known) then
      return true
    end
  end
  return false
end

-- What is left of a field's versions after an operation. Second: whether others' are.
local function change(versions, operation, value, observed)
  local kept, others, outdated = {}, false, false
  for _, stored in ipairs(versions) do
    if stored.version:sub(21) == operation:sub(21) then
      -- A node knows its own versions.
      if later(stored.version, operation) then
        kept[#kept + 1] = stored
        outdated = true
      end
    elseif not is_observed(observed, stored.version) then
      kept[#kept + 1] = stored
      others = true
    end
  end
  if value and not outdated then
    kept[#kept + 1] = {version = operation, value = value}
  end
  return kept, others
end

local tokens = read_tokens(redis.call('HGET', KEYS[1], 's') or '')
local now = server_ms()
local fields, names, merged = {}, {}, false
for i = 1, count do
  local at = 5 * i - 3
  local version, name = ARGV[at], ARGV[at + 1]
  if not is_applied(tokens, version) then
    if not fields[name] then
      local versions = read_field(redis.call('HGET', KEYS[1], 'f:' .. name) or '')
      if not versions then
        return {'conflicted', 'a field holds a value that is none of ours'}
      end
      fields[name] = versions
      names[#names + 1] = name
    end
    local others
    fields[name], others = change(fields[name], version, ARGV[at + 2] == 'p' and ARGV[at + 3], ARGV[at + 4])
    merged = merged or others
    add_token(tokens, version, now)
    -- What it replaces has been done, or must not be any more: it may still come, from a process that is gone.
    local observed = ARGV[at + 4]
    for from = 1, #observed, 32 do
      local known = observed:sub(from, from + 31)
      if known:sub(21) ~= version:sub(21) and not is_applied(tokens, known) then
        add_token(tokens, known, now)
      end
    end
  end
end

for _, name in ipairs(names) do
  local parts = {}
  for _, stored in ipairs(fields[name]) do
    parts[#parts + 1] = stored.version .. string.format('%08x', #stored.value) .. stored.value
  end
  if #parts > 0 then
    redis.call('HSET', KEYS[1], 'f:' .. name, table.concat(parts))
  else
    redis.call('HDEL', KEYS[1], 'f:' .. name)
  end
end
if #names > 0 then
  redis.call('HSET', KEYS[1], 's', write_tokens(tokens, now, tonumber(ARGV[1])))
  -- Of a set without fields only the tokens are left, for as long as they count.
  if redis.call('HLEN', KEYS[1]) == redis.call('HEXISTS', KEYS[1], 's') then
    redis.call('PEXPIRE', KEYS[1], ARGV[1])
  else
    redis.call('PERSIST', KEYS[1])
  end
end
return {merged and 'merged' or 'applied'}
