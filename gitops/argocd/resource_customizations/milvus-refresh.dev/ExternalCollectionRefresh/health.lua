-- Progressing holds a sync wave, Degraded fails it. What only a person or the clock continues (a suspended refresh, one that
-- waits for its first run) is Healthy with a message: Argo CD's own Suspended would hold the wave indefinitely.
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

-- What does not keep the refresh from being done, and should be seen.
local function remarks()
  local text = ""
  for _, name in ipairs({ "Verified", "SourceFresh" }) do
    if conditions[name] ~= nil and conditions[name].status ~= "True" and message(name) ~= "" then
      text = text .. " " .. name .. ": " .. message(name)
    end
  end
  return text
end

-- The operator tells requests apart by their first 256 bytes.
local request = obj.metadata.annotations and obj.metadata.annotations["milvus-refresh.dev/requestedAt"] or ""
local asked = request ~= "" and #request <= 256 and request ~= status.lastHandledRequest

if holds("Reconciling") then
  return { status = "Progressing", message = message("Ready") }
end
if status.observedGeneration ~= obj.metadata.generation then
  return { status = "Progressing", message = "Waiting for the operator to act on this spec." }
end
if asked and not holds("Suspended") then
  return { status = "Progressing", message = "Waiting for the operator to start the requested run." }
end
if holds("Stalled") then
  return { status = "Degraded", message = message("Stalled") }
end
if holds("Suspended") then
  return { status = "Healthy", message = message("Suspended") .. remarks() }
end
if holds("Ready") then
  return { status = "Healthy", message = message("Ready") .. remarks() }
end
return { status = "Progressing", message = message("Ready") }
