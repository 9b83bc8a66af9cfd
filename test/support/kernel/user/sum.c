// How many bytes come on standard input or are in a file, and their checksum; of standard input at most as many as asked for.
#include "user.h"

static char buffer[4096];

int main(int count, char **arguments) {
  int file = 0;
  u64 most = ~0UL, all = 0;
  u32 sum = 0x811c9dc5;
  if (count == 3 && strings_equal(arguments[1], "-n")) most = number(arguments[2]);
  else if (count == 2) file = open(arguments[1], OPEN_READ);
  if (file < 0) complain("sum: no %s", arguments[1]);
  if (most != ~0UL) say("sum: ready\n");
  while (all < most) {
    u64 next = most - all < sizeof buffer ? most - all : sizeof buffer;
    int part = read(file, buffer, next);
    if (part < 0) complain("sum: cannot read");
    if (part == 0) break;
    sum = add_to_sum(sum, buffer, part);
    all += part;
  }
  say("\nsum: %lu bytes %x, %lu lost\n", all, (u64)sum, lost());
  return 0;
}
