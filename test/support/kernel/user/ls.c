#include "user.h"

struct entry {
  char name[NAME_LENGTH];
  u32 first, size;
};

int main(void) {
  struct entry entry;
  int file = open("/", OPEN_READ);
  while (read(file, &entry, sizeof entry) == sizeof entry) {
    if (entry.name[0]) say("%s %u\n", entry.name, entry.size);
  }
  return 0;
}
