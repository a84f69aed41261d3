import { recordMark } from './reporter.ts';

/** Where a guest finds what it is to run, of the command line of the kernel. */
export const filesWord = 'shale.test.files=';
export const secondsWord = 'shale.test.seconds=';
export const variableWord = 'shale.test.variable=';

/**
 * The first process: modules, the root filesystem, and on to `guestInit`. What it is told of a failure stands on the console.
 */
export const firstInit = `#!/bin/busybox sh
busybox=/bin/busybox
$busybox mount -t devtmpfs dev /dev
while read -r module; do $busybox insmod "/m/$module.ko" || echo "no module $module"; done </modules
$busybox mount -t ext4 -o noatime /dev/vda /root || echo 'no root filesystem'
$busybox mount -o move /dev /root/dev
exec $busybox switch_root /root /sbin/init
`;

/**
 * Runs the test files one after the other, all that they write going to the first port, and turns the machine off. No
 * file outlasts the seconds that it was given, should nobody be there any more to end the machine. QEMU 7.2 emulates something wrong that Node's
 * compilers do: of twenty starts one ends with SIGSEGV or SIGTRAP. Such a file is run once more.
 */
export const guestInit = `#!/usr/bin/busybox sh
export PATH=/usr/sbin:/usr/bin:/usr/lib/busybox HOME=/root TMPDIR=/tmp SHALE_REQUIRE_ALL=1 SHALE_TEST_GUEST=1
mount -t proc proc /proc
mount -t sysfs sys /sys
mkdir -p /dev/shm /dev/pts
if [ -b /dev/vdb ]; then
  mkfs.ext4 -q /dev/vdb
  mount -t ext4 /dev/vdb /tmp
else
  mount -t tmpfs tmp /tmp
fi
mount -t tmpfs run /run
ip link set lo up
for word in $(cat /proc/cmdline); do
  case $word in
    ${filesWord}*) files=$(echo "\${word#*=}" | tr , ' ') ;;
    ${secondsWord}*) seconds=\${word#*=} ;;
    ${variableWord}*) export "\${word#*=}" ;;
  esac
done
port=
while [ -z "$port" ]; do
  for name in /sys/class/virtio-ports/*/name; do
    [ "$(cat "$name" 2>/dev/null)" != shale.0 ] || port=/dev/$(basename "$(dirname "$name")")
  done
  [ -n "$port" ] || usleep 10000
done
cd /shale
{
  for file in $files; do
    for attempt in 1 2; do
      printf '\\n${recordMark}{"file":"%s"}\\n' "$file"
      timeout -s KILL "$seconds" node --disable-warning=ExperimentalWarning \\
        --test-reporter=./test/vm/reporter.ts --test-reporter-destination=stdout "$file"
      status=$?
      printf '\\n${recordMark}{"file":"%s","status":%d}\\n' "$file" $status
      case $status in 132 | 133 | 134 | 139) ;; *) break ;; esac
    done
  done
  printf '\\n${recordMark}{"end":true}\\n'
} >"$port" 2>&1 </dev/null
sync
poweroff -f
`;
