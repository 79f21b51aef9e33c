#!/bin/sh
# enter.sh ROOT LAUNCHER FOLDER... -- PYTHON... -- COMMAND...
#
# Run COMMAND with ROOT as the root of the file system and the machine's own root at /host. Each
# FOLDER appears at its own path, and LAUNCHER at each path PYTHON. Wants a mount namespace of its
# own (unshare --mount), as root. Not a chroot: Apptainer must find its root among the mounts.
set -e
root=$1 launcher=$2
shift 2
here=$PWD
mount --bind "$root" "$root"
while [ "$1" != -- ]; do
    mkdir -p "$root$1"
    mount --rbind "$1" "$root$1"
    shift
done
shift
while [ "$1" != -- ]; do
    [ -e "$root$1" ] || touch "$root$1"
    mount --bind "$launcher" "$root$1"
    shift
done
shift
mkdir -p "$root/host"
cd "$root"
pivot_root . host
cd "$here"
exec "$@"
