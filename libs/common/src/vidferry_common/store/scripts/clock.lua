-- The time. It stands behind messages.lua, before every other library.

local clock
-- Milliseconds with their fraction, so that calls within one millisecond keep their order. The time stands still in a script.
local function now_ms()
  if not clock then
    local time = redis.call('TIME')
    clock = time[1] * 1000 + time[2] / 1000
  end
  return clock
end
