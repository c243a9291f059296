#!/bin/bash
# First process of the guest: runs the tests that the kernel's command line names (tests=PATH), and switches off.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tmpfs tmpfs /tmp
/lib/systemd/systemd-udevd --daemon
udevadm trigger --action=add
mkdir -p /run/out
mount -t 9p -o trans=virtio,version=9p2000.L out /run/out
tests=$(sed -n 's/.*\btests=\([^ ]*\).*/\1/p' /proc/cmdline)
cd /run/repo || exit
export PYTHONPATH=/run/repo PYTHONDONTWRITEBYTECODE=1
python3 -m pytest -v -p no:cacheprovider -c /dev/null --rootdir=/run/repo --confcutdir=tests/appliance/in_guest \
  --junitxml=/run/out/results.xml "$tests"
sync
echo o > /proc/sysrq-trigger
sleep 60
