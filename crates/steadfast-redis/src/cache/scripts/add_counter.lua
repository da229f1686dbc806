-- Adds to a counter, once for each token.
--
-- KEYS[1] the counter's key: a hash of n, the sum, and s, the last token of each node
-- ARGV[1] the token
-- ARGV[2] what to add
-- ARGV[3] what is left of the counter's window, in ms, for a counter that is not there yet; 0: it never ends
-- ARGV[4] for how long tokens are remembered, in ms
-- Returns {'applied', sum} for a counter that was not there or a token that has been applied already;
-- {'merged', sum} when it was added to what others added; {'conflicted', why} if the key holds something else or
-- the sum does not fit.

if not is_version(ARGV[1]) or not is_number(ARGV[2]) or not is_number(ARGV[3]) or not is_number(ARGV[4]) then
  return redis.error_reply('ERR add_counter: bad arguments')
end
local kind = type_of(KEYS[1])
if kind ~= 'hash' and kind ~= 'none' then
  return {'conflicted', 'the key holds a ' .. kind}
end
local tokens = read_tokens(redis.call('HGET', KEYS[1], 's') or '')
if is_applied(tokens, ARGV[1]) then
  return {'applied', redis.call('HGET', KEYS[1], 'n') or '0'}
end
-- Refuses, without a write, what is no number or does not fit. Other errors are the server's state of today.
local sum = redis.pcall('HINCRBY', KEYS[1], 'n', ARGV[2])
if type(sum) == 'table' then
  if sum.err:find('integer') or sum.err:find('overflow') then
    return {'conflicted', sum.err}
  end
  return sum
end
local now = server_ms()
add_token(tokens, ARGV[1], now)
redis.call('HSET', KEYS[1], 's', write_tokens(tokens, now, tonumber(ARGV[4])))
-- Numbers lose digits on their way through Lua; the text does not.
sum = redis.call('HGET', KEYS[1], 'n')
if kind == 'none' then
  if tonumber(ARGV[3]) > 0 then
    redis.call('PEXPIRE', KEYS[1], ARGV[3])
  end
  return {'applied', sum}
end
return {'merged', sum}
