#include "user.h"

int main(int count, char **arguments) {
  for (int i = 1; i < count; i++) say(i + 1 < count ? "%s " : "%s", arguments[i]);
  say("\n");
  return 0;
}
