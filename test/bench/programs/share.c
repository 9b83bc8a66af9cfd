/* What the bench does with a file of a shared folder: share read|write FILE COUNT, requests of 4 KiB at random places. */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCK = 4096 };

static char block[BLOCK];

int main(int count, char **words) {
  struct stat status;
  uint64_t seed = 88172645463325252u;
  if (count != 4) return 2;
  int is_write = strcmp(words[1], "write") == 0;
  int file = open(words[2], is_write ? O_RDWR : O_RDONLY);
  if (file < 0 || fstat(file, &status) < 0 || status.st_size < BLOCK) return 1;
  /* What was not asked for is not to be fetched. */
  posix_fadvise(file, 0, 0, POSIX_FADV_RANDOM);
  for (long left = atol(words[3]); left > 0; left--) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    off_t at = (off_t)(seed % (uint64_t)(status.st_size / BLOCK)) * BLOCK;
    if ((is_write ? pwrite(file, block, BLOCK, at) : pread(file, block, BLOCK, at)) != BLOCK) return 1;
  }
  return is_write && fsync(file) < 0;
}
