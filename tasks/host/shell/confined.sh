# Asks an image: NAME SECONDS BYTES FOLDER IMAGE PROGRAM WORD ARGUMENT…; program and word are `docker run`. Its output
# is cut after so many bytes, its time after so many seconds, here and not by who asked: that one may be killed
# meanwhile, and the container must not outlive its question. What was left all the same goes with the next question:
# the same promotion's at once, others' after a day. FOLDER is made from a tar archive on standard input, or empty.
# What the image itself asks for counts as little as what the commit asks for. Proxies and schedulers on the host
# obey the labels of all containers, so each is emptied. A volume lies on the host's disk without a bound, so it
# can only be read; where something is mounted below it, it is an empty folder in memory. No anonymous volume
# can be read-only, and a named one has to be removed.

name=$1; seconds=$2; most=$3; folder=$4; image=$5; program=$6; word=$7; shift 7
left=$(docker container ls --all --filter label=sluice.plan --format '{{.ID}} {{.Names}} {{.RunningFor}}' |
  awk -v name="$name" '$2 == name || / (day|week|month|year)s? / {print $1}')
[ -z "$left" ] || docker container rm --force --volumes $left >/dev/null
status= volumes= number=0
over() {
  # A client that was killed, or refused the output, leaves its container behind.
  [ "${status:-255}" -lt 125 ] || docker container rm --force --volumes "$name" >/dev/null 2>&1
  [ -z "$volumes" ] || docker volume rm --force $volumes >/dev/null 2>&1
  [ -z "$folder" ] || rm -rf -- "$folder"
}
trap over EXIT
trap 'exit 143' HUP INT TERM
brought=$(docker image inspect --format '
{{- range $key, $_ := .Config.Labels}}{{printf "label %q\n" $key}}{{end}}
{{- range $path, $_ := .Config.Volumes}}{{printf "volume %q\n" $path}}{{end}}' -- "$image") || exit 125
mounted() {
  for one; do case $one in "--tmpfs=$path$below"*|*"\"target=$path$below"*) return 0 ;; esac; done
  return 1
}
while read -r what quoted; do
  path=${quoted#\"}; path=${path%\"}
  # Each is a word more to look through, and a volume a command more.
  if [ "$#" -gt 2000 ] || [ "$number" -gt 30 ]; then
    echo 'the image has too many labels or volumes' >&2; exit 1
  fi
  case $what$path in
    '') ;;
    *[\\=,\ ]*|volume*:*)
      printf 'the image has a %s whose name cannot be judged: %s\n' "$what" "$quoted" >&2; exit 1 ;;
    label*) set -- "--label=$path=" "$@" ;;
    volume*)
      path=${path%/}
      if below=: mounted "$@" || below='"' mounted "$@"; then continue
      elif below=/ mounted "$@"; then set -- "--tmpfs=$path:TMPFS" "$@"
      else
        # What killed ones left.
        left=$(docker volume ls --quiet --filter label=sluice.plan --filter dangling=true)
        [ "$number" -gt 0 ] || [ -z "$left" ] || docker volume rm --force $left >/dev/null 2>&1
        number=$((number + 1)); volumes="$volumes $name.$number"
        docker volume create --label=sluice.plan "$name.$number" >/dev/null || exit 125
        set -- "--mount=type=volume,source=$name.$number,destination=$path,readonly" "$@"
      fi ;;
  esac
done <<END
$brought
END
set -- "$program" "$word" "$@"
if [ -n "$folder" ]; then
  # Whoever the container runs as must be able to read it; there is nothing in it to hide.
  umask 022
  mkdir -p -- "$folder" && tar -x --no-same-owner -f - -C "$folder" || exit 1
fi
command -v timeout >/dev/null && set -- timeout -s KILL "$seconds" "$@"
exec 3>&1
status=$({
  {
    { { "$@" </dev/null 3>&- 4>&- 5>&-; echo "$?" >&4; } 2>&1 >&5 | tail -c 65536 >&2; } 5>&1 3>&- |
      head -c "$most" >&3
  } 4>&1
})
exit "${status:-255}"
