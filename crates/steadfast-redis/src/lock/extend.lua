-- Prolongs a lock that is still held under this token.
--
-- KEYS[1] the lock
-- ARGV[1] the token
-- ARGV[2] for how long from now on, in ms, at least 1
-- Returns 1; 0 if it is not held, or by somebody else.

if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
