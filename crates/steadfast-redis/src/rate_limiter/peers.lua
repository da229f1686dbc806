-- Says that a process is there, and counts those that are.
-- KEYS[1]  a sorted set of processes by when they were last heard of, in ms
-- ARGV[1]  this process
-- ARGV[2]  ms after which one that is silent is gone
-- returns  the number of processes
local gone = tonumber(ARGV[2])
if not gone then
  return redis.error_reply('ERR the time must be a number')
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - gone)
redis.call('PEXPIRE', KEYS[1], gone * 2)
return redis.call('ZCARD', KEYS[1])
