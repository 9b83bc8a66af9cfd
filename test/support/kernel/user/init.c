#include "user.h"

int main(void) {
  open("console", OPEN_READ | OPEN_WRITE);
  dup(0);
  dup(0);
  for (;;) {
    say("init: starting sh\n");
    int shell = fork();
    if (shell == 0) {
      char *arguments[] = {"sh", 0};
      exec("sh", arguments);
      complain("init: no sh");
    }
    // Others are children of processes that ended before them.
    while (wait(0) != shell) {}
  }
}
