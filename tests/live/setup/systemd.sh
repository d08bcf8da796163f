#!/usr/bin/env bash
# A whole small Debian sid with systemd as its init, llama-server, Caddy and curl: what the units of
# a systemd deployment run on. Debian's programs stand for the upstream builds that bin/install brings.
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

[[ $(id -u) == 0 ]] || fail "needs root (debootstrap and chroot)"
need unshare wget
mirror=$(debian_mirror)
keyring=$(debian_keyring)
unpack_debs sid .debootstrap debootstrap
export DEBOOTSTRAP_DIR=$PWD/.debootstrap/usr/share/debootstrap
# In a mount namespace, so that what debootstrap mounts is gone however it ends.
step 900 unshare --mount --propagation private \
  .debootstrap/usr/sbin/debootstrap --variant=minbase --keyring="$keyring" \
  --include=systemd,systemd-sysv,llama.cpp-tools,caddy,curl,ca-certificates sid root "$mirror" \
  >debootstrap.log
# Nothing but the tested units is to start: no login prompts, and not Debian's own Caddy.
rm -f root/etc/systemd/system/*.wants/* root/etc/machine-id
touch root/etc/machine-id root/etc/hosts root/etc/resolv.conf
ln -sf /usr/lib/systemd/system/multi-user.target root/etc/systemd/system/default.target
rm -rf .debootstrap .keyring root/var/cache/apt/archives/*.deb root/var/lib/apt/lists/*
