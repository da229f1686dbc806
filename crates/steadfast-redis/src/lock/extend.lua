-- Prolongs a lock that is still held under this token.
--
-- KEYS[1] the lock
-- KEYS[2] its fence, which outlives it
-- ARGV[1] the token
-- ARGV[2] for how long from now on, in ms, at least 1
-- Returns 1; 0 if it is not held, or by somebody else.

if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
redis.call('PEXPIRE', KEYS[2], string.format('%.0f', ARGV[2] + 86400000))
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
