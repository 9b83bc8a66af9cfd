#!/bin/sh
# Installs Hartbox's guest tools into this Linux, as README.md beside this file tells: sh install.sh, or sh install.sh remove.
set -e
here=$(cd "$(dirname "$0")" && pwd)
# That of modules/dkms.conf.
drivers=hartbox/1.0
source=/usr/src/hartbox-1.0
modules='hartbox_ai hartbox_wdt'
kernel=$(uname -r)
missing=

say() { echo "install.sh: $*" >&2; }
has() { command -v "$1" > /dev/null 2>&1; }

if [ "$(id -u)" != 0 ]; then
  say 'only root can install drivers and programs. Run it again as root: sudo sh install.sh'
  exit 1
fi

# Where Python 3 looks for modules that no package has brought.
python_folder() { python3 -c 'import sysconfig; print(sysconfig.get_path("purelib"))'; }

remove() {
  for module in $modules; do modprobe -q -r "$module" || true; done
  if has dkms; then dkms remove "$drivers" --all > /dev/null 2>&1 || true; fi
  for module in $modules; do rm -f /lib/modules/*/updates/"$module".ko*; done
  rm -rf "$source"
  depmod -a 2> /dev/null || true
  rm -f /usr/local/bin/hartbox-ai /usr/local/include/hartbox_ai.h /usr/local/lib/libhartbox-ai.a
  if has python3; then rm -f "$(python_folder)/hartbox_ai.py"; fi
}

case $1 in
  remove)
    remove
    echo 'Hartbox guest tools: removed.'
    exit
    ;;
  '') ;;
  *)
    say "expected nothing or 'remove', not '$1'."
    exit 2
    ;;
esac

# The disc cannot be written to, and what is made of it must not be left in anybody's way.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cp -r "$here/modules" "$here/ai" "$work"
chmod -R u+w "$work"

echo 'Hartbox guest tools: drivers'
if has dkms && [ -e "/lib/modules/$kernel/build" ]; then
  # DKMS makes them again for each new kernel.
  remove
  cp -r "$work/modules" "$source"
  if ! dkms install "$drivers"; then
    say 'DKMS could not make the drivers; see above.'
    missing=1
  fi
elif has make && has gcc && [ -e "/lib/modules/$kernel/build" ]; then
  remove
  if make -C "$work/modules" modules; then
    mkdir -p "/lib/modules/$kernel/updates"
    for module in $modules; do cp "$work/modules/$module.ko" "/lib/modules/$kernel/updates"; done
    depmod -a
    say 'there is no DKMS here: run this again after each new kernel.'
  else
    say 'the drivers could not be made; see above.'
    missing=1
  fi
else
  say "the drivers need make, gcc and the headers of the kernel $kernel, and DKMS to last: apt-get install dkms linux-headers-$kernel"
  missing=1
fi
# Those of which the box has the device.
for modalias in /sys/bus/virtio/devices/*/modalias; do
  [ -e "$modalias" ] && modprobe -q "$(cat "$modalias")" || true
done

echo 'Hartbox guest tools: AI'
if has make && has cc; then
  make -C "$work/ai" install PREFIX=/usr/local || missing=1
else
  say 'the command hartbox-ai and its library need make and a C compiler: apt-get install make gcc libc6-dev'
  missing=1
fi
if has python3; then
  folder=$(python_folder)
  mkdir -p "$folder"
  cp "$work/ai/hartbox_ai.py" "$folder"
  echo "$folder/hartbox_ai.py"
fi

if [ -n "$missing" ]; then
  say 'not everything could be installed; see above.'
  exit 1
fi
echo 'Hartbox guest tools: done.'
