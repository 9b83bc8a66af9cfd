#include "user.h"

static char buffer[512];

static void copy(int file) {
  int count;
  while ((count = read(file, buffer, sizeof buffer)) > 0) {
    if (write(1, buffer, count) != count) complain("cat: cannot write");
  }
  if (count < 0) complain("cat: cannot read");
}

int main(int count, char **arguments) {
  if (count < 2) copy(0);
  for (int i = 1; i < count; i++) {
    int file = open(arguments[i], OPEN_READ);
    if (file < 0) complain("cat: no %s", arguments[i]);
    copy(file);
    close(file);
  }
  return 0;
}
