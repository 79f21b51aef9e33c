#!/bin/sh
# enter.sh ROOT PYTHON LAUNCHER FOLDER... -- COMMAND...
#
# Run COMMAND with ROOT as the root of the file system and the machine's own root at /host. Each
# FOLDER appears at its own path, and LAUNCHER at the path PYTHON. Wants a mount namespace of its
# own (unshare --mount), as root. Not a chroot: Apptainer must find its root among the mounts.
set -e
root=$1 python=$2 launcher=$3
shift 3
here=$PWD
mount --bind "$root" "$root"
while [ "$1" != -- ]; do
    mkdir -p "$root$1"
    mount --rbind "$1" "$root$1"
    shift
done
shift
[ -e "$root$python" ] || touch "$root$python"
mount --bind "$launcher" "$root$python"
mkdir -p "$root/host"
cd "$root"
pivot_root . host
cd "$here"
exec "$@"
