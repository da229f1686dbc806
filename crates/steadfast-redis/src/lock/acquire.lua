-- Takes a lock if nobody holds it, and gives the next fence.
--
-- KEYS[1] the lock: the holder's token
-- KEYS[2] the fence, in the same slot: the last one given; it ends a day after the lock, so that names that are used
--         once leave nothing behind
-- ARGV[1] the token
-- ARGV[2] for how long, in ms, at least 1
-- Returns the fence, as text: greater than all that were given before; or false if the lock is held.

if redis.call('EXISTS', KEYS[1]) == 1 then
  return false
end
-- Without the last fence, lost or ended, it goes on from the time in microseconds, which no fence has reached.
if redis.call('EXISTS', KEYS[2]) == 0 then
  local time = redis.call('TIME')
  redis.call('SET', KEYS[2], string.format('%d%06d', time[1], time[2]))
end
redis.call('INCR', KEYS[2])
redis.call('PEXPIRE', KEYS[2], string.format('%.0f', ARGV[2] + 86400000))
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
-- Numbers lose digits on their way through Lua; the text does not.
return redis.call('GET', KEYS[2])
