-- Remembers that a key was seen, and by whom first, until the last of all windows ends.
--
-- KEYS[1] the key: the version of its first sighting
-- ARGV[1] the version of this sighting
-- ARGV[2] what is left of its window, in ms, at least 1
-- Returns {'applied'}, again if this sighting is the one that is remembered; {'conflicted', why} if another one
-- is, or if the key holds something else.

if not is_version(ARGV[1]) or not is_number(ARGV[2]) or tonumber(ARGV[2]) < 1 then
  return redis.error_reply('ERR remember: bad arguments')
end
local kind = type_of(KEYS[1])
if kind ~= 'string' and kind ~= 'none' then
  return {'conflicted', 'the key holds a ' .. kind}
end
local first = redis.call('GET', KEYS[1])
if first == ARGV[1] then
  return {'applied'}
end
if first and is_version(first) then
  local left = redis.call('PTTL', KEYS[1])
  if left >= 0 and tonumber(ARGV[2]) > left then
    redis.call('PEXPIRE', KEYS[1], ARGV[2])
  end
  return {'conflicted', 'seen first as ' .. first}
end
if first then
  return {'conflicted', 'the key holds a value that is none of ours'}
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return {'applied'}
