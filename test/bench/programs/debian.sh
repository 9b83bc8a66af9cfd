#!/bin/bash
# Debian's own programs, for the bench: `debian.sh NAME` prints a value (seconds, or what the program itself says) and a checksum
# that must be the same on every machine.
cd /tmp || exit

# timed CHECK COMMAND…: the command's seconds by the shell's own clock; CHECK is what has to come out the same: a file, or - for its output.
timed() {
  local check=$1 start=$EPOCHREALTIME end
  "${@:2}" > output 2>&1
  end=$EPOCHREALTIME
  [ "$check" = - ] && check=output
  local microseconds=$((10#${end/./} - 10#${start/./}))
  printf '\nRESULT %d.%06d %s\n' $((microseconds / 1000000)) $((microseconds % 1000000)) "$(sum < "$check")"
}
sum() { cksum | cut -d ' ' -f 1; }

# speed ALGORITHM: MB/s for blocks of 16 KiB; the checksum is of what the algorithm makes of a file.
speed() {
  local rate
  rate=$(openssl speed -mr -seconds 1 -bytes 16384 -evp "$1" 2> /dev/null | sed -n 's/^+F:[^:]*:[^:]*://p')
  printf '\nRESULT %s %s\n' "$(awk "BEGIN { print $rate / 1e6 }")" "$(made "$1" < /bench/cpu | sum)"
}
made() {
  case $1 in
    sha*) openssl dgst -"$1" ;;
    # GCM is not for streams; its counter mode is what there is to compare.
    *) openssl enc -"${1/gcm/ctr}" -K 000102030405060708090a0b0c0d0e0f -iv 0f0e0d0c0b0a09080706050403020100 ;;
  esac
}

case $1 in
  gcc-warm)
    [ -e cpu.o ] || gcc -O2 -c -o cpu.o /bench/cpu.c
    timed cpu.o gcc -O2 -c -o cpu.o /bench/cpu.c
    ;;
  gcc) timed cpu.o gcc -O2 -c -o cpu.o /bench/cpu.c ;;
  python-objects) timed - python3 /bench/loops.py objects ;;
  python-numbers) timed - python3 /bench/loops.py numbers ;;
  # One pass of 7-Zip's benchmark checks what it unpacks.
  7z)
    7z b 1 -mmt1 -md18 > output
    printf '\nRESULT %s %s\n' "$(awk '$1 == "Tot:" { print $NF }' output)" "$(grep -c '^Tot:' output)"
    ;;
  xz) timed cpu.xz 7z a -txz -mx5 -mmt1 cpu.xz /bench/cpu ;;
  *) speed "$1" ;;
esac
