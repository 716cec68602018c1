-- As wrk_summary.lua, and no two requests are the same: what a proxy remembers of the last one does not help it.
dofile(debug.getinfo(1, "S").source:match("@(.*/)") .. "wrk_summary.lua")

local count = 0
function request()
   count = count + 1
   return wrk.format(nil, wrk.path .. "?n=" .. count)
end
