# Prints `sha256 bytes` of a dump, and nothing where there is none: PATH.

[ -f "$1" ] || exit 0
sum=$(sha256sum < "$1") && printf '%s %s\n' "${sum%% *}" "$(($(wc -c < "$1")))"
