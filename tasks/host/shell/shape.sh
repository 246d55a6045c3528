# Prints compose's reading of an application without its values: COMPOSE-COMMAND…. What a service is told
# (environment, command, labels, health check) becomes `null` on the host, so that secrets do not travel; the keys
# stay. It relies on compose writing JSON indented by two.

config=$("$@") || exit 1
printf '%s\n' "$config" | awk '
function name_of(line) { sub(/": .*/, "", line); sub(/^ *"/, "", line); return line }
function empty(line) {
  head = line; sub(/": .*/, "\": ", head)
  if (line ~ /[[{]$/) { skip = substr(line, 1, match(line, /[^ ]/) - 1); return }
  print head "null" (line ~ /,$/ ? "," : "")
}
BEGIN {
  split("container_name hostname depends_on network_mode networks volumes links healthcheck cap_add", a, " ")
  kept["security_opt"] = 1; kept["deploy"] = 1
  for (i in a) kept[a[i]] = 1
  skip = "-"
}
skip != "-" {
  if ($0 ~ "^" skip "[]}],?$") { print head "null" ($0 ~ /,$/ ? "," : ""); skip = "-" }
  next
}
/^  "/ { section = name_of($0); if (section != "services" && section != "volumes") { empty($0); next } }
/^      "/ && section == "volumes" { key = name_of($0); if (key != "name" && key != "external") { empty($0); next } }
/^      "/ && section == "services" { key = name_of($0); if (!(key in kept)) { empty($0); next } }
/^        "/ && key == "healthcheck" && name_of($0) == "test" { empty($0); next }
/^        "/ && key == "deploy" && name_of($0) != "resources" { empty($0); next }
{ print }'
