-- A connection that the operator retries is Progressing, one that somebody must correct is Degraded.
local status = obj.status or {}
local conditions = {}
for _, condition in ipairs(status.conditions or {}) do
  conditions[condition.type] = condition
end

local function holds(name)
  return conditions[name] ~= nil and conditions[name].status == "True"
end

local function message(name)
  return conditions[name] ~= nil and conditions[name].message or ""
end

if status.observedGeneration ~= obj.metadata.generation then
  return { status = "Progressing", message = "Waiting for the operator to act on this spec." }
end
if holds("Stalled") then
  return { status = "Degraded", message = message("Stalled") }
end
if not holds("Ready") then
  return { status = "Progressing", message = message("Ready") }
end
-- Refreshes go on; only what watches such a source does not.
if conditions["SourcesReady"] ~= nil and conditions["SourcesReady"].status == "False" then
  return { status = "Healthy", message = message("Ready") .. " SourcesReady: " .. message("SourcesReady") }
end
return { status = "Healthy", message = message("Ready") }
