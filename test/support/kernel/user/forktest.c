// As many processes as there can be, all of which come and go, some rounds.
#include "user.h"

int main(int count, char **arguments) {
  int rounds = count > 1 ? number(arguments[1]) : 3;
  u64 pages = free_pages();
  for (int round = 0; round < rounds; round++) {
    int made = 0, sum = 0, expected = 0, code;
    for (;;) {
      int child = fork();
      if (child < 0) break;
      if (child == 0) exit(made);
      expected += made++;
    }
    for (int i = 0; i < made; i++) {
      if (wait(&code) < 0) complain("forktest: a child is lost");
      sum += code;
    }
    if (wait(0) >= 0) complain("forktest: a child too many");
    if (sum != expected) complain("forktest: codes sum up to %d, not %d", sum, expected);
    if (made < 50) complain("forktest: only %d children", made);
  }
  if (free_pages() != pages) complain("forktest: %lu pages are lost", pages - free_pages());
  say("forktest: good\n");
  return 0;
}
