// Writes to block devices, past the page cache, until the power is cut: `flushing-writer AFTER BLOCKS DEVICE…`. On each device WRITERS
// processes number their writes from AFTER + 1 on; what a write has and where it goes follows from writer and number alone (as in
// flushed-blocks.ts), so that who looks at the disk later needs to know only which numbers were acknowledged by a flush. These are
// printed, a line each: `DEVICE WRITER NUMBER`. The last writer of each device flushes every write (O_DSYNC).
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define WRITERS 4
#define BLOCK 4096
#define WORDS (BLOCK / 4)
// Blocks that a writer owns in a row, two of which make a usual cluster of qcow2.
#define STRIPE 8

static uint32_t mix(uint32_t x) {
  x = (x ^ x >> 16) * 0x85ebca6b;
  x = (x ^ x >> 13) * 0xc2b2ae35;
  return x ^ x >> 16;
}

static void die(const char *what) {
  perror(what);
  exit(1);
}

static void write_forever(int device, const char *path, uint32_t blocks, uint32_t writer, uint32_t number) {
  int every = writer == WRITERS - 1;
  int file = open(path, O_WRONLY | O_DIRECT | (every ? O_DSYNC : 0));
  if (file < 0) die(path);
  static uint32_t words[STRIPE * WORDS] __attribute__((aligned(BLOCK)));
  for (;;) {
    number++;
    uint32_t place = mix(number * WRITERS + writer), extent = mix(place + 1);
    uint32_t stripe = place % (blocks / STRIPE / WRITERS) * WRITERS + writer;
    uint32_t first = extent % STRIPE, count = 1 + (extent >> 8) % (STRIPE - first);
    for (uint32_t i = 0; i < count; i++) {
      uint32_t block = stripe * STRIPE + first + i, *content = words + i * WORDS;
      uint32_t seed = mix(number ^ mix(block));
      content[0] = number;
      for (uint32_t word = 1; word < WORDS; word++) content[word] = mix(seed + word);
    }
    off_t offset = (off_t)(stripe * STRIPE + first) * BLOCK;
    if (pwrite(file, words, count * BLOCK, offset) != count * BLOCK) die("write");
    if (!every && (extent >> 16) % 8 != 0) continue;
    if (!every && fdatasync(file) != 0) die("flush");
    char line[64];
    int length = snprintf(line, sizeof line, "%d %u %u\n", device, writer, number);
    if (write(1, line, length) != length) die("output");
  }
}

int main(int count, char **arguments) {
  uint32_t after = strtoul(arguments[1], 0, 10), blocks = strtoul(arguments[2], 0, 10);
  for (int device = 0; device < count - 3; device++) {
    for (uint32_t writer = 0; writer < WRITERS; writer++) {
      if (fork() == 0) write_forever(device, arguments[3 + device], blocks, writer, after);
    }
  }
  wait(0);
  return 1;
}
