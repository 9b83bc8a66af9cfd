#include "user.h"

int main(void) {
  say("harts: %d\n", harts());
  return 0;
}
