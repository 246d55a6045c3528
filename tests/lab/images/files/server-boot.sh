#!/bin/bash
# A server's start: its disk, the way to the registry, the engine, then sshd.
set -euo pipefail

is_sound() {
    local status=0
    [[ -s $1 ]] || return 1
    e2fsck -p "$1" >/dev/null || status=$?
    # Below 4: nothing was wrong, or it is mended.
    ((status < 4))
}

make_disk() {
    rm -f "$1"
    truncate --size 20G "$1"
    # A lab's disk need not survive a power cut, and is faster so.
    mkfs.ext4 -q -O ^has_journal -E lazy_itable_init=1 -m 0 "$1"
}

# The disk is a file with a file system of its own, so that it can be full.
mount_disk() {
    local disk=/disk/server.img next number
    is_sound "$disk" || make_disk "$disk"
    # The kernel may name a loop device for which this container has no node. Where one has no node, its name is
    # followed by " (lost)".
    next=$(losetup --find)
    next=${next%% *}
    next=${next#/dev/loop}
    for ((number = next; number < next + 32; number++)); do
        [[ -b /dev/loop$number ]] || mknod -m 660 "/dev/loop$number" b 7 "$number"
    done
    # Servers that start at the same time may be given the same one.
    for _ in {1..100}; do
        mount -o loop,noatime,nobarrier "$disk" /srv 2>/dev/null && return
        sleep 0.1
    done
    echo "no loop device for $disk" >&2
    return 1
}

# The registry has the same address here as on the controller, so that image names agree: a loopback address, which
# each engine trusts without TLS.
forward_registry() {
    sysctl -q -w net.ipv4.conf.all.route_localnet=1
    iptables -t nat -A OUTPUT -d 127.0.0.1 -p tcp --dport "$REGISTRY_PORT" -j DNAT --to-destination "$REGISTRY_TARGET"
    iptables -t nat -A POSTROUTING -s 127.0.0.1 -d "${REGISTRY_TARGET%:*}" -p tcp -j MASQUERADE
}

mount_disk
install -d /srv/docker /var/lib/docker /run/sshd
mount --bind /srv/docker /var/lib/docker
install -d -o deploy -g deploy -m 700 /srv/home
mount --bind /srv/home /home/deploy
forward_registry
install -m 600 /etc/sluice-lab/ssh_host_ed25519_key /etc/ssh/ssh_host_ed25519_key
install -D -m 644 /etc/sluice-lab/authorized_keys /etc/ssh/authorized_keys/deploy
server-engine
exec /usr/sbin/sshd -D -e
