# Scripts that go too far.
@type
eval "local t = {} for i = 1, 150 do t = {t} end return t" 0
eval "local function f(t) return f({t}) + 1 end return f(1)" 0
eval "return string.rep('x', 100):len()" 0
eval "local t = setmetatable({}, {__gc = function() redis.call('set', 'gc', 1) end}) t = nil collectgarbage() return redis.call('get', 'gc')" 0
get gc
eval "return tostring(setmetatable({}, {__index = function() error('no') end}).x)" 0
eval "return setmetatable({1, 2}, {__index = function() error('no') end})" 0
eval "return {verbatim_string = setmetatable({}, {__index = function() return nil end})}" 0
eval "return error()" 0
eval "return error(nil)" 0
eval "return error(5)" 0
eval "return error(true)" 0
eval "return coroutine.wrap(function() return redis.call('set', 'co', 1) end)().ok" 0
eval "return coroutine.wrap(function() redis.call('nosuch') end)()" 0
command getkeys eval "return 1" 2 a b c
command getkeys evalsha e0e1f9fabfc9d4800c877a703b823ac0578ff8db 1 a c
command getkeys eval "return 1" 0
eval "local s = 0 for i = 1, 5e6 do s = s + i end return s" 0
eval "local t = {} for i = 1, 200000 do t[i] = i end return redis.call('rpush', 'l', unpack(t, 1, 5000))" 0
