# Prints those of the given images that the engine does not have: IMAGE….

for image; do
  docker image inspect --format= -- "$image" >/dev/null 2>&1 || printf '%s\n' "$image"
done
