-- Deletes a value, unless the server knows a later version of it, and remembers that it was deleted.
--
-- KEYS[1] the value's key
-- KEYS[2] the key beside it, in the same slot: the latest version where there is no value
-- ARGV[1] the version
-- ARGV[2] for how long the deletion is to be remembered, in ms, at least 1
-- Returns {'applied'}, again if it has been applied already; {'superseded', the later version};
-- {'conflicted', why} if the keys hold something else.

if not is_version(ARGV[1]) or not is_number(ARGV[2]) or tonumber(ARGV[2]) < 1 then
  return redis.error_reply('ERR delete_value: bad arguments')
end
local stored, why = stored_version(KEYS[1], KEYS[2])
if why then
  return {'conflicted', why}
end
if stored ~= '' and later(stored, ARGV[1]) then
  return {'superseded', stored}
end
-- First what a server without memory refuses.
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
redis.call('DEL', KEYS[1])
return {'applied'}
