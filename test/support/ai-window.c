/*
 * What no program should do with memory that it shares with the host through /dev/hartbox-ai: says "well" if each is refused or harmless.
 * The HELLO that it sends is the message of 28 bytes of docs/ai.md.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

struct hbai_send {
  uint32_t message, length, answer, room;
};
#define HBAI_SEND _IOW('H', 0xa1, struct hbai_send)
enum { PAGE = 4096, SIZE = 3 << 20, HEADER = 24, HELLO = 28 };

static int file;

static void expect(int is_well, const char *what) {
  if (is_well) return;
  printf("%s: %s\n", what, strerror(errno));
  exit(1);
}

static int ask(uint32_t message, uint32_t length, uint32_t answer, uint32_t room) {
  struct hbai_send send = {message, length, answer, room};
  return ioctl(file, HBAI_SEND, &send);
}

static void *map(size_t size, int flags) { return mmap(NULL, size, PROT_READ | PROT_WRITE, flags, file, 0); }

static void say_hello(unsigned char *at) {
  static const unsigned char hello[HELLO] = {HELLO, 0, 0, 0, 1, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 1};
  memcpy(at, hello, HELLO);
}

static uint32_t answer_header(unsigned char *header) {
  uint32_t length;
  expect(read(file, header, HEADER) == HEADER, "the header of an answer");
  memcpy(&length, header, 4);
  return length;
}

int main(void) {
  unsigned char header[HEADER];
  file = open("/dev/hartbox-ai", O_RDWR);
  expect(file >= 0, "open");
  expect(ask(0, HELLO, PAGE, PAGE) < 0 && errno == EINVAL, "without memory");
  expect(map(PAGE, MAP_PRIVATE) == MAP_FAILED && errno == EINVAL, "a private mapping");
  expect(map((size_t)1 << 30, MAP_SHARED) == MAP_FAILED, "a large mapping");
  expect(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, file, PAGE) == MAP_FAILED, "a mapping from further on");

  unsigned char *memory = map(SIZE, MAP_SHARED);
  expect(memory != MAP_FAILED, "mmap");
  for (size_t i = 0; i < SIZE; i++) expect(memory[i] == 0, "memory that was somebody's");
  const uint32_t wrong[][4] = {
    {0, HEADER - 1, PAGE, PAGE}, {0, HELLO, PAGE, HEADER - 1}, {0, 0, PAGE, PAGE},     {SIZE, HELLO, 0, PAGE},
    {SIZE - HELLO + 1, HELLO, 0, PAGE}, {0, HELLO, SIZE - PAGE + 1, PAGE}, {0, HELLO, SIZE, HEADER}, {UINT32_MAX, HELLO, 0, PAGE},
    {0, UINT32_MAX, 0, PAGE}, {0, HELLO, UINT32_MAX, PAGE}, {0, HELLO, 0, UINT32_MAX}, {UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX},
  };
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
    expect(ask(wrong[i][0], wrong[i][1], wrong[i][2], wrong[i][3]) < 0 && errno == EINVAL, "a place outside");
  expect(ioctl(file, HBAI_SEND, (void *)16) < 0 && errno == EFAULT, "an argument that is nowhere");
  expect(ioctl(file, HBAI_SEND + 1, memory) < 0 && errno == ENOTTY, "another command");

  /* Across two pieces of the driver's memory, and to the last byte. */
  const uint32_t right[][2] = {{0, PAGE}, {(1 << 20) - 8, 1 << 16}, {SIZE - HELLO, (2 << 20) - 40}, {64, SIZE - 1024}};
  for (size_t i = 0; i < sizeof right / sizeof *right; i++) {
    unsigned char *answer = memory + right[i][1];
    say_hello(memory + right[i][0]);
    expect(ask(right[i][0], HELLO, right[i][1], 1024) == 0, "a request");
    uint32_t length = answer_header(header);
    expect(memcmp(header, answer, HEADER) == 0 && length > HEADER && memmem(answer, length, "ONNX", 4), "an answer");
    memset(answer, 0, length);
  }
  /* The length in the message is another; the answer goes where the request is. */
  say_hello(memory);
  memory[0] = 200;
  expect(ask(0, HELLO, PAGE, PAGE) == 0 && answer_header(header) > HEADER && header[6] == 1, "a wrong length");
  say_hello(memory);
  expect(ask(0, HELLO, 0, SIZE) == 0 && answer_header(header) > HEADER && header[6] == 0, "an answer over its request");

  /* Other memory, without it, in a child, and gone while the host is at it; many at once and nobody reads. */
  for (int round = 0; round < 40; round++) {
    unsigned char *other = map(SIZE, MAP_SHARED);
    expect(other != MAP_FAILED, "mmap again");
    say_hello(other);
    expect(ask(0, HELLO, PAGE, PAGE) == 0, "a request");
    munmap(other, round % 2 ? SIZE : PAGE);
    if (round % 2 == 0) munmap(other + PAGE, SIZE - PAGE);
    if (round % 8 == 0) {
      pid_t child = fork();
      if (child == 0) {
        memory[0] = 1;
        munmap(memory, SIZE);
        _exit(map(PAGE, MAP_SHARED) == MAP_FAILED);
      }
      int status;
      expect(waitpid(child, &status, 0) == child && status == 0, "a child");
    }
    if (round % 4 == 3)
      for (int i = 0; i < 4; i++) answer_header(header);
  }
  fcntl(file, F_SETFL, O_NONBLOCK);
  memory = map(SIZE, MAP_SHARED);
  expect(memory != MAP_FAILED, "mmap");
  int sent = 0;
  for (say_hello(memory); ask(0, HELLO, PAGE, PAGE) == 0; sent++) expect(sent < 1000, "requests without end");
  expect(errno == EAGAIN && sent > 0, "too many requests");
  close(file);
  memory[0] = 1;
  expect(memory[0] == 1, "memory after the end");
  puts("well");
  return 0;
}
