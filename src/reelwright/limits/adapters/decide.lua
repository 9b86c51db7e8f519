-- Decides many requests in one call, each over any number of limits: all of a request's limits are charged, or none.
-- The same algorithms as core/*.py in whole ticks; one conformance suite holds both to the same answers.
--
-- KEYS: the clock, then every state once.
-- ARGV: one list in MessagePack, which costs both sides less than as many arguments: ticks a second; earliest and latest time it can be, by the caller's monotonic clock (0, 0: it does not know);
--       a name for a new epoch; how many limits; 6 numbers a limit (algorithm, count, period, a, b, ttl in ms);
--       then for each request: -asks to settle, +asks to decide or 0 to take what there is of one, and 3 numbers an ask
--       (limit, state, cost), where a negative limit is one in shadow mode. A take has 2 more: how much of an earlier
--       one is given back, and when that was granted.
-- Answers the same way: time, epoch, and 4 numbers an ask (allowed or how much was taken, remaining, wait, reset). A settled request
-- answers nothing.
local NEVER = -1
local TTL_MOST = 1e13 -- ms: three hundred years
local floor, max = math.floor, math.max

-- The clock: this server's, moved by an offset so that it never goes back. Where it cannot be what it says, by the
-- caller's clock, it has stepped, and the earliest that it can be is taken: that never admits too much.
local said = cmsgpack.unpack(ARGV[1])
local ticks, earliest, latest = said[1], said[2], said[3]
local raw = redis.call('TIME')
local values = redis.call('MGET', unpack(KEYS))
local high, offset, epoch, born = 0, 0, said[4], nil
if values[1] then
  high, offset, epoch, born = unpack(cmsgpack.unpack(values[1]))
end
local wall = raw[1] * ticks + floor(raw[2] * ticks / 1000000)
local now = wall + offset
if latest > 0 and (now < earliest or now > latest) then now = earliest end
if now < high then now = high end
born = born or now -- what was granted before this store's life is not taken back

local function gcra(count, period, tolerance)
  local interval = floor((period + count - 1) / count)
  local function settle(tat, delta)
    return max(now, max(tat or 0, now) + delta * interval)
  end
  local function step(tat, cost)
    tat = tat or 0
    local ahead = max(0, tat - now)
    local after = ahead + cost * interval
    if after <= tolerance then
      return now + after, 1, floor((tolerance - after) / interval), 0, after
    end
    local wait = cost * interval <= tolerance and after - tolerance or NEVER
    return tat, 0, max(0, floor((tolerance - ahead) / interval)), wait, ahead
  end
  return step, settle
end

local function leaky(count, period, tolerance)
  local meter, settle = gcra(count, period, tolerance)
  local function step(tat, cost)
    local kept, allowed, left, wait, reset = meter(tat, cost)
    if allowed == 1 then wait = max(0, (tat or 0) - now) end
    return kept, allowed, left, wait, reset
  end
  return step, settle
end

local function moved(state, period)
  local index = floor(now / period)
  if not state or state[1] < index - 1 then return index, 0, 0 end
  if state[1] < index then return index, 0, state[2] end
  return state[1], state[2], state[3]
end

local function counts(period)
  return function(state, delta)
    local index, used, before = moved(state, period)
    return { index, max(0, used + delta), before }
  end
end

local function fixed(count, period)
  local function step(state, cost)
    local index, used = moved(state, period)
    local ends = (index + 1) * period - now
    if used + cost <= count then
      used = used + cost
      return { index, used, 0 }, 1, count - used, 0, used > 0 and ends or 0
    end
    return { index, used, 0 }, 0, max(0, count - used), cost <= count and ends or NEVER, ends
  end
  return step, counts(period)
end

local function counter(count, period)
  local function step(state, cost)
    local index, used, before = moved(state, period)
    local rest = (index + 1) * period - now
    local weighed = math.ceil(before * rest / period)
    local allowed = used + weighed + cost <= count
    local wait = 0
    if allowed then
      used = used + cost
    elseif cost > count then
      wait = NEVER
    elseif count - cost - used >= 0 then
      wait = rest - floor((count - cost - used) * period / before)
    else
      wait = rest + period - floor((count - cost) * period / used)
    end
    local reset = used > 0 and rest + period or before > 0 and rest or 0
    return { index, used, before }, allowed and 1 or 0, max(0, count - used - weighed), wait, reset
  end
  return step, counts(period)
end

local function window(count, period, width)
  local oldest = floor((now - period + 1) / width)
  local function alive(state)
    local kept, used = {}, 0
    for place = 1, state and #state or 0, 2 do
      if state[place] >= oldest then
        kept[#kept + 1] = state[place]
        kept[#kept + 1] = state[place + 1]
        used = used + state[place + 1]
      end
    end
    return kept, used
  end
  local function leaves(cell)
    return (cell + 1) * width + period - 1 - now
  end
  local function add(kept, cost)
    local cell = floor(now / width)
    if #kept > 0 and kept[#kept - 1] >= cell then
      kept[#kept] = kept[#kept] + cost
    else
      kept[#kept + 1] = cell
      kept[#kept + 1] = cost
    end
    return kept
  end
  local function step(state, cost)
    local kept, used = alive(state)
    if used + cost <= count then
      if cost > 0 then add(kept, cost) end
      return kept, 1, count - used - cost, 0, #kept > 0 and leaves(kept[#kept - 1]) or 0
    end
    local wait, missing = NEVER, used + cost - count
    if cost <= count then
      for place = 1, #kept, 2 do
        missing = missing - kept[place + 1]
        if missing <= 0 then
          wait = leaves(kept[place])
          break
        end
      end
    end
    return kept, 0, max(0, count - used), wait, #kept > 0 and leaves(kept[#kept - 1]) or 0
  end
  local function settle(state, delta)
    local kept = alive(state)
    if delta > 0 then return add(kept, delta) end
    local first = 1
    while first < #kept and delta < 0 do
      local left = kept[first + 1] + delta
      if left > 0 then
        kept[first + 1], delta = left, 0
      else
        first, delta = first + 2, left
      end
    end
    local rest = {}
    for place = first, #kept do rest[#rest + 1] = kept[place] end
    kept = rest
    return kept
  end
  return step, settle
end

local function slots(count, period)
  local function alive(state)
    local kept = {}
    for place = 1, state and #state or 0 do
      if state[place] > now then kept[#kept + 1] = state[place] end
    end
    return kept
  end
  local function take(kept, cost)
    for _ = 1, cost do kept[#kept + 1] = now + period end
    return kept
  end
  local function step(state, cost)
    local kept = alive(state)
    local held = #kept + cost
    if held <= count then
      take(kept, cost)
      return kept, 1, count - held, 0, #kept > 0 and kept[#kept] - now or 0
    end
    local wait = cost <= count and kept[held - count] - now or NEVER
    return kept, 0, max(0, count - #kept), wait, #kept > 0 and kept[#kept] - now or 0
  end
  local function settle(state, delta)
    local kept = alive(state)
    if delta > 0 then return take(kept, delta) end
    local rest = {}
    for place = 1 - delta, #kept do rest[#rest + 1] = kept[place] end
    return rest
  end
  return step, settle
end

local function nothing()
  local function step(state, cost)
    return state, cost == 0 and 1 or 0, 0, cost == 0 and 0 or NEVER, 0
  end
  return step, function(state) return state end
end

local MAKE = { gcra, leaky, fixed, counter, window, slots, nothing }
local PLAIN = 2 -- the algorithms up to here keep one number, the others a list

local limits, place = {}, 6
for number = 1, said[5] do
  local algorithm = said[place]
  local step, settle = MAKE[algorithm](said[place + 1], said[place + 2], said[place + 3])
  limits[number] = {
    step = step,
    settle = settle,
    plain = algorithm <= PLAIN,
    tolerance = said[place + 3],
    ttl = said[place + 5],
    count = said[place + 1],
    period = said[place + 2],
  }
  place = place + 6
end

local states, changed = {}, {}
local function state_of(number, limit)
  local known = states[number]
  if known == nil then
    local value = values[number]
    if value then
      known = limit.plain and tonumber(value) or not limit.plain and cmsgpack.unpack(value) or nil
      states[number] = known
    end
  end
  return known
end

local answer = { now, epoch }
local last = #said
while place <= last do
  local asks = said[place]
  place = place + 1
  if asks == 0 then
    local limit, number = limits[said[place]], said[place + 1]
    local want, state = said[place + 2], state_of(number, limit)
    local back, since = said[place + 3], said[place + 4]
    if back > 0 and since >= born and since <= now then
      local credit = back - math.ceil((now - since) * limit.count / limit.period)
      if credit > 0 then
        state = limit.settle(state, -credit)
        changed[number] = limit
      end
    end
    local _, whole, left, wait = limit.step(state, want)
    local taken = whole == 1 and want or left
    local kept, _, rest, _, reset = limit.step(state, taken)
    states[number] = kept
    if taken > 0 then changed[number] = limit end
    local at = #answer
    answer[at + 1], answer[at + 2], answer[at + 3], answer[at + 4] = taken, rest, wait, reset
    place = place + 5
  elseif asks < 0 then
    for _ = 1, -asks do
      local limit, number = limits[said[place]], said[place + 1]
      states[number] = limit.settle(state_of(number, limit), said[place + 2])
      changed[number] = limit
      place = place + 3
    end
  else
    local after, refused, first = {}, false, #answer
    for ask = 1, asks do
      local which, number, cost = said[place], said[place + 1], said[place + 2]
      local limit = limits[which < 0 and -which or which]
      local kept, allowed, left, wait, reset = limit.step(state_of(number, limit), cost)
      after[ask] = kept
      refused = refused or (allowed == 0 and which > 0)
      answer[first + 1], answer[first + 2], answer[first + 3], answer[first + 4] = allowed, left, wait, reset
      first = first + 4
      place = place + 3
    end
    local from = place - 3 * asks
    for ask = 1, asks do
      local which, number = said[from], said[from + 1]
      local limit = limits[which < 0 and -which or which]
      local at = first - 4 * (asks - ask)
      if not refused then
        if answer[at - 3] == 1 then
          states[number] = after[ask]
          changed[number] = limit
        end
      elseif answer[at - 3] == 1 then
        local _, allowed, left, wait, reset = limit.step(state_of(number, limit), 0)
        answer[at - 3], answer[at - 2], answer[at - 1], answer[at] = allowed, left, wait, reset
      end
      from = from + 3
    end
  end
end

for number, limit in pairs(changed) do
  local state = states[number]
  if state ~= nil then
    local value = limit.plain and string.format('%.0f', state) or cmsgpack.pack(state)
    local owed = limit.plain and max(0, state - now - limit.tolerance) * 1000 / ticks or 0 -- charged beyond a lifetime
    redis.call('SET', KEYS[number], value, 'PX', string.format('%.0f', math.min(limit.ttl + owed, TTL_MOST)))
  end
end
if not values[1] or now - high >= ticks / 100 or now - wall ~= offset then
  redis.call('SET', KEYS[1], cmsgpack.pack({ now, now - wall, epoch, born }))
end
return cmsgpack.pack(answer)
