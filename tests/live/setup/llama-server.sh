#!/usr/bin/env bash
# llama.cpp's llama-server and curl as Debian sid builds them, in a root file system of their own:
# sid's libc is newer than a stable machine's, so the binary cannot run outside of it.
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
  --include=llama.cpp-tools,curl,ca-certificates sid root "$mirror" >debootstrap.log
touch root/etc/hosts root/etc/resolv.conf
rm -rf .debootstrap .keyring root/var/cache/apt/archives/*.deb root/var/lib/apt/lists/*
