-- Decides on one request by the generic cell rate algorithm, in the server's time.
-- KEYS[1]  where the theoretical arrival time is kept, in us
-- ARGV[1]  us that this request costs
-- ARGV[2]  us that may be used at once
-- returns  {allowed 0|1, us of room left, us until it may be tried again, us until all room is there again}
local cost, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
if not cost or not burst then
  return redis.error_reply('ERR cost and burst must be numbers')
end
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local arrival = tonumber(redis.call('GET', KEYS[1])) or now
if arrival < now then
  arrival = now
end
local after = arrival + cost
local room = burst - (after - now)
if room < 0 then
  return {0, math.max(0, burst - (arrival - now)), -room, arrival - now}
end
redis.call('SET', KEYS[1], string.format('%d', after), 'PX', math.max(1, math.ceil((after - now) / 1000)))
return {1, room, 0, after - now}
