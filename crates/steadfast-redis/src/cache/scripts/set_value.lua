-- Sets a value, unless the server knows a later version of it.
--
-- KEYS[1] the value's key: 'sf1:' version ':' value
-- KEYS[2] the key beside it, in the same slot: the latest version where there is no value
-- ARGV[1] the version
-- ARGV[2] what is left of the value's lifetime, in ms, at least 1
-- ARGV[3] for how long the version is to be remembered, in ms; 0: as long as the value lives
-- ARGV[4] the value
-- Returns {'applied'}, again if it has been applied already; {'superseded', the later version};
-- {'conflicted', why} if the keys hold something else.

if not is_version(ARGV[1]) or not is_number(ARGV[2]) or tonumber(ARGV[2]) < 1 or not is_number(ARGV[3]) then
  return redis.error_reply('ERR set_value: bad arguments')
end
local stored, why = stored_version(KEYS[1], KEYS[2])
if why then
  return {'conflicted', why}
end
if stored == ARGV[1] then
  return {'applied'}
end
if stored ~= '' and later(stored, ARGV[1]) then
  return {'superseded', stored}
end
redis.call('SET', KEYS[1], HEAD .. ARGV[1] .. ':' .. ARGV[4], 'PX', ARGV[2])
if tonumber(ARGV[3]) > 0 then
  redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[3])
end
return {'applied'}
