-- Stands before every script of this folder. Nothing here writes.
--
-- A version is 32 hexadecimal digits: 12 of milliseconds, 8 of a counter, 12 of the node. Numbers compare the
-- parts: how texts compare depends on the server's locale.
--
-- A token is a version, too. Of each node, a key keeps the last token applied to it, in one text:
-- 32 digits of the token and 14 of the server's time in milliseconds, for each node. A node's operations on a key
-- come in the order of their tokens, so whatever is not later than the last one has been applied already.

local HEAD = 'sf1:'

local function later(a, b)
  local from = 1
  for _, to in ipairs({12, 20, 32}) do
    local x, y = tonumber(a:sub(from, to), 16), tonumber(b:sub(from, to), 16)
    if x ~= y then
      return x > y
    end
    from = to + 1
  end
  return false
end

local function is_version(text)
  return type(text) == 'string' and #text == 32 and not text:find('[^0-9a-f]')
end

local function is_number(text)
  return type(text) == 'string' and text:find('^%-?%d+$') ~= nil
end

-- The type of a key: 'none' if there is none.
local function type_of(key)
  return redis.call('TYPE', key).ok
end

-- The latest version of a value that the key or the key beside it knows; '' if none. Second: why there is none
-- that can be understood.
local function stored_version(key, floor)
  local version = ''
  local kind = type_of(key)
  if kind == 'string' then
    local head = redis.call('GETRANGE', key, 0, 36)
    version = head:sub(5, 36)
    if head:sub(1, 4) ~= HEAD or not is_version(version) or head:sub(37, 37) ~= ':' then
      return nil, 'the key holds a value that is none of ours'
    end
  elseif kind ~= 'none' then
    return nil, 'the key holds a ' .. kind
  end
  kind = type_of(floor)
  if kind == 'string' then
    local floored = redis.call('GET', floor)
    if not is_version(floored) then
      return nil, 'the key beside it holds a value that is none of ours'
    end
    if version == '' or later(floored, version) then
      version = floored
    end
  elseif kind ~= 'none' then
    return nil, 'the key beside it holds a ' .. kind
  end
  return version
end

local function server_ms()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

-- The last token of each node, and when it came.
local function read_tokens(text)
  local tokens = {}
  for at = 1, #text, 46 do
    local token = text:sub(at, at + 31)
    tokens[token:sub(21)] = {token = token, ms = tonumber(text:sub(at + 32, at + 45))}
  end
  return tokens
end

local function is_applied(tokens, token)
  local last = tokens[token:sub(21)]
  return last ~= nil and not later(token, last.token)
end

local function add_token(tokens, token, now)
  tokens[token:sub(21)] = {token = token, ms = now}
end

-- As text again, without those that came longer than keep_ms ago.
local function write_tokens(tokens, now, keep_ms)
  local parts = {}
  for _, last in pairs(tokens) do
    if now - last.ms <= keep_ms then
      parts[#parts + 1] = last.token .. string.format('%014.0f', last.ms)
    end
  end
  table.sort(parts)
  return table.concat(parts)
end

