/*
 * Does at random what programs do with a file, and compares with what it should hold: file-exerciser FILE OPERATIONS SEED [plain].
 * `plain`: without mapping it. Prints `right SIZE`, or what was wrong.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LARGEST = 300000, APPENDED = 100 };

static unsigned char model[LARGEST], buffer[LARGEST];
static long size, operation;
static unsigned long long state = 88172645463325252u;

static long below(long limit) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return (long)(state % (unsigned long long)limit);
}

static void check(int is_right, const char *what) {
  if (is_right) return;
  printf("wrong: %s, operation %ld, size %ld: %s\n", what, operation, size, strerror(errno));
  exit(1);
}

static void fill(unsigned char *bytes, long length) {
  for (long i = 0; i < length; i++) bytes[i] = (unsigned char)below(256);
}

static void grow(long to) {
  if (to > size) size = to;
}

static void map(int file, long at, long length) {
  unsigned char *bytes = mmap(0, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  check(bytes != MAP_FAILED, "mmap");
  check(memcmp(bytes, model, size) == 0, "what is mapped");
  fill(model + at, length);
  memcpy(bytes + at, model + at, length);
  if (below(2)) check(msync(bytes, size, MS_SYNC) == 0, "msync");
  munmap(bytes, size);
}

static void copy(int file) {
  long from = below(size / 2), length = 1 + below(size / 4), to = size / 2 + size / 4 + below(LARGEST / 8);
  loff_t source = from, target = to;
  if (from + length > to || to + length > LARGEST) return;
  for (long left = length; left > 0;) {
    ssize_t done = copy_file_range(file, &source, file, &target, left, 0);
    check(done > 0, "copy_file_range");
    left -= done;
  }
  memcpy(model + to, model + from, length);
  grow(to + length);
}

int main(int count, char **words) {
  struct stat status;
  int is_plain = count == 5;
  if (count < 4) return 2;
  state += strtoull(words[3], 0, 10) * 7919;
  int file = open(words[1], O_RDWR | O_CREAT | O_TRUNC, 0644);
  check(file >= 0, "open");
  for (long left = atol(words[2]); left > 0; left--) {
    long at = below(LARGEST), length = 1 + below(below(4) ? 5000 : 70000);
    if (at + length > LARGEST) length = LARGEST - at;
    operation++;
    switch (below(9)) {
    case 0:
    case 1:
      fill(model + at, length);
      check(pwrite(file, model + at, length, at) == length, "write");
      grow(at + length);
      break;
    case 2:
    case 3: {
      long there = at >= size ? 0 : at + length > size ? size - at : length;
      check(pread(file, buffer, length, at) == there, "length of what is read");
      check(memcmp(buffer, model + at, there) == 0, "what is read");
      break;
    }
    case 4:
      check(ftruncate(file, at) == 0, "ftruncate");
      if (at < size) memset(model + at, 0, size - at);
      size = at;
      break;
    case 5:
      if (is_plain || size == 0) break;
      at %= size;
      map(file, at, at + length > size ? size - at : length);
      break;
    case 6:
      if (below(2)) check(fsync(file) == 0, "fsync");
      close(file);
      if (size + APPENDED <= LARGEST) {
        file = open(words[1], O_WRONLY | O_APPEND);
        check(file >= 0, "open for appending");
        fill(model + size, APPENDED);
        check(write(file, model + size, APPENDED) == APPENDED, "append");
        size += APPENDED;
        close(file);
      }
      file = open(words[1], O_RDWR);
      check(file >= 0, "open again");
      break;
    case 7:
      /* Not every protocol has it, nor every file system of a host. */
      if (fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, length) == 0 && at < size)
        memset(model + at, 0, at + length > size ? size - at : length);
      if (size >= APPENDED) copy(file);
      break;
    case 8:
      check(fstat(file, &status) == 0 && status.st_size == size, "size");
      break;
    }
  }
  check(pread(file, buffer, LARGEST, 0) == size && memcmp(buffer, model, size) == 0, "what is left");
  printf("right %ld\n", size);
  return 0;
}
