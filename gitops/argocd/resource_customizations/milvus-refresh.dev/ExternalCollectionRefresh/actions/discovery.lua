local status = obj.status or {}
local held = obj.spec.suspend == true
local busy = status.observedGeneration ~= obj.metadata.generation or obj.metadata.deletionTimestamp ~= nil
for _, condition in ipairs(status.conditions or {}) do
  if condition.type == "Reconciling" and condition.status == "True" then
    busy = true
  end
end

-- Offered where it starts a run now. While one goes on it would ask for a second one; while suspended, for one later.
return {
  refresh = { iconClass = "fa fa-fw fa-sync", disabled = busy or held },
  suspend = { iconClass = "fa fa-fw fa-pause-circle", disabled = held },
  resume = { iconClass = "fa fa-fw fa-play-circle", disabled = not held },
}
