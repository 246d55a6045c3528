# Ends a process group: PID SECONDS. It is asked first, and killed when it is still there after that time.

kill -TERM "-$1" 2>/dev/null || exit 0
tries=0
while kill -0 "-$1" 2>/dev/null; do
  [ "$tries" -ge "$(($2 * 10))" ] && break
  tries=$((tries + 1))
  sleep 0.1 2>/dev/null || { sleep 1; tries=$((tries + 9)); }
done
kill -KILL "-$1" 2>/dev/null
exit 0
