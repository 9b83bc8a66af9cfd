// The CPU set of the bench: `cpu NAME` does a fixed amount of work and prints its seconds and a checksum that
// must be the same on every machine. `cpu run COMMAND…` times another program.
#define _GNU_SOURCE
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

static uint32_t seed = 1;
static uint32_t next_random(void) {
  seed ^= seed << 13;
  seed ^= seed >> 17;
  seed ^= seed << 5;
  return seed;
}

static uint16_t crc16(uint16_t crc, uint8_t byte) {
  for (int i = 0; i < 60; i++) {
    int mix = (crc ^ byte) & 1;
    crc >>= 1;
    if (mix) crc ^= 0xa001;
    byte >>= 1;
  }
  return crc;
}

// Lists, small integer matrices, a state machine over text, and checksums of all: the mix that CoreMark made common.
struct item {
  struct item *next;
  int16_t key, value;
};
static struct item *reverse(struct item *list) {
  struct item *result = 0;
  while (list) {
    struct item *rest = list->next;
    list->next = result;
    result = list;
    list = rest;
  }
  return result;
}
static int classify(const char *text, uint32_t counts[4]) {
  int state = 0;
  for (; *text; text++) {
    char c = *text;
    switch (state) {
      case 0: state = c >= '0' && c <= '9' ? 1 : c == '+' || c == '-' ? 2 : 3; break;
      case 1: state = c == '.' ? 2 : c >= '0' && c <= '9' ? 1 : 3; break;
      case 2: state = c >= '0' && c <= '9' ? 2 : 3; break;
      default: if (c == ',') state = 0; break;
    }
    counts[state]++;
  }
  return state;
}
static uint32_t integer(void) {
  enum { ITEMS = 64, N = 12 };
  static struct item items[ITEMS];
  static int16_t a[N][N], b[N][N];
  static int32_t c[N][N];
  uint16_t crc = 0xffff;
  for (int round = 0; round < 12000; round++) {
    for (int i = 0; i < ITEMS; i++) items[i] = (struct item){i + 1 < ITEMS ? &items[i + 1] : 0, (i * 37 + round) & 0x7f, i};
    struct item *list = reverse(items);
    for (int key = 0; key < 16; key++) {
      struct item *at = list;
      while (at && at->key != key) at = at->next;
      crc = crc16(crc, at ? at->value : 0xff);
    }
    for (int i = 0; i < N; i++)
      for (int j = 0; j < N; j++) a[i][j] = i * j + round, b[i][j] = i - j;
    for (int i = 0; i < N; i++)
      for (int j = 0; j < N; j++) {
        int32_t sum = 0;
        for (int k = 0; k < N; k++) sum += a[i][k] * b[k][j];
        c[i][j] = sum;
        crc = crc16(crc, sum);
      }
    uint32_t counts[4] = {0};
    classify("5012,+1.25,-874,x,3.14159,T0.3e-1F,-110,0.5,+0,99999,abc,1,2,3", counts);
    for (int i = 0; i < 4; i++) crc = crc16(crc, counts[i]);
  }
  return crc + c[3][4];
}

// Records, strings and short calls, as in the old Dhrystone.
struct record {
  struct record *other;
  int kind, number;
  char text[32];
};
__attribute__((noinline)) static int compare_texts(const char *one, const char *other) { return strcmp(one, other) > 0; }
__attribute__((noinline)) static void exchange(struct record *from) {
  struct record *to = from->other;
  *to = *from;
  to->number = from->number + 5;
  to->other = from;
  if (to->kind == 0) to->number += 6;
}
static uint32_t records(void) {
  static struct record one, other;
  static int numbers[50];
  uint32_t sum = 0;
  strcpy(one.text, "SOME STRING OF THE PROGRAM, 1ST");
  for (int i = 0; i < 4000000; i++) {
    one.other = &other;
    one.kind = i & 1;
    one.number = i % 50;
    exchange(&one);
    char text[32];
    strcpy(text, "SOME STRING OF THE PROGRAM, 2ND");
    sum += compare_texts(one.text, text) + other.number;
    numbers[one.number] += i;
  }
  for (int i = 0; i < 50; i++) sum += numbers[i];
  return sum;
}

static const uint32_t K[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be,
    0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa,
    0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85,
    0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3,
    0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f,
    0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};
static uint32_t rotate(uint32_t x, int n) { return x >> n | x << (32 - n); }
static uint32_t sha256(void) {
  uint32_t h[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19}, w[64];
  for (int block = 0; block < 500000; block++) {
    for (int i = 0; i < 16; i++) w[i] = block * 16 + i;
    for (int i = 16; i < 64; i++) {
      uint32_t s0 = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ w[i - 15] >> 3;
      uint32_t s1 = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ w[i - 2] >> 10;
      w[i] = w[i - 16] + s0 + w[i - 7] + s1;
    }
    uint32_t a = h[0], b = h[1], c = h[2], d = h[3], e = h[4], f = h[5], g = h[6], l = h[7];
    for (int i = 0; i < 64; i++) {
      uint32_t t1 = l + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + ((e & f) ^ (~e & g)) + K[i] + w[i];
      uint32_t t2 = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
      l = g, g = f, f = e, e = d + t1, d = c, c = b, b = a, a = t1 + t2;
    }
    h[0] += a, h[1] += b, h[2] += c, h[3] += d, h[4] += e, h[5] += f, h[6] += g, h[7] += l;
  }
  return h[0] ^ h[7];
}

static int by_value(const void *one, const void *other) {
  uint32_t a = *(const uint32_t *)one, b = *(const uint32_t *)other;
  return a < b ? -1 : a > b;
}
static uint32_t sort(void) {
  enum { N = 700000 };
  static uint32_t values[N];
  for (int i = 0; i < N; i++) values[i] = next_random();
  qsort(values, N, sizeof *values, by_value);
  return values[N / 2];
}

// A little stack machine that counts: dispatch by a dense switch.
static uint32_t interpreter(void) {
  enum { PUSH, ADD, XOR, DUP, DROP, LOAD, STORE, DEC, JNZ, HALT };
  static const int program[] = {PUSH, 3000000, STORE, 0, PUSH, 7,   STORE, 1, LOAD, 1, DUP, PUSH, 13, ADD, XOR,
                                PUSH, 5,       ADD,   STORE, 1, DEC, 0,     LOAD, 0, JNZ, 8, HALT};
  int64_t stack[16], memory[4] = {0}, *top = stack;
  for (const int *at = program;;) {
    switch (*at++) {
      case PUSH: *top++ = *at++; break;
      case ADD: top--; top[-1] += *top; break;
      case XOR: top--; top[-1] ^= *top; break;
      case DUP: *top = top[-1]; top++; break;
      case DROP: top--; break;
      case LOAD: *top++ = memory[*at++]; break;
      case STORE: memory[*at++] = *--top; break;
      case DEC: memory[*at++]--; break;
      case JNZ: at = *--top ? program + *at : at + 1; break;
      case HALT: return memory[1];
    }
  }
}

static uint32_t chase(void) {
  enum { N = 1 << 20 };
  uint32_t *next = malloc(N * sizeof *next);
  for (uint32_t i = 0; i < N; i++) next[i] = i;
  // One cycle through all (Sattolo).
  for (uint32_t i = N - 1; i > 0; i--) {
    uint32_t j = next_random() % i, t = next[i];
    next[i] = next[j];
    next[j] = t;
  }
  uint32_t at = 0;
  for (int i = 0; i < 2000000; i++) at = next[at];
  return at;
}

static uint32_t matrix(void) {
  enum { N = 180 };
  static double a[N][N], b[N][N], c[N][N];
  for (int i = 0; i < N; i++)
    for (int j = 0; j < N; j++) a[i][j] = (i * 7 + j * 3) % 11 * 0.5, b[i][j] = (i * 5 + j) % 13 * 0.25;
  double trace = 0;
  for (int round = 0; round < 6; round++) {
    for (int i = 0; i < N; i++)
      for (int j = 0; j < N; j++) {
        double sum = 0;
        for (int k = 0; k < N; k++) sum += a[i][k] * b[k][j];
        c[i][j] = sum + round;
      }
    for (int i = 0; i < N; i++) trace += c[i][i];
  }
  return (uint32_t)trace;
}

// The same as a program's inner loop has it: sums of products, each rounded once. (The rest is compiled without contraction.)
static uint32_t fused(void) {
  enum { N = 180 };
  static double a[N][N], b[N][N];
  for (int i = 0; i < N; i++)
    for (int j = 0; j < N; j++) a[i][j] = (i * 7 + j * 3) % 11 / 3.0, b[i][j] = (i * 5 + j) % 13 / 7.0;
  double trace = 0;
  for (int round = 0; round < 4; round++)
    for (int i = 0; i < N; i++)
      for (int j = 0; j < N; j++) {
        double sum = round;
        for (int k = 0; k < N; k++) sum = fma(a[i][k], b[k][j], sum);
        trace = fma(sum, 0.5, -trace);
      }
  uint64_t bits;
  memcpy(&bits, &trace, sizeof bits);
  return bits ^ bits >> 32;
}

// Additions and multiplications in registers, and a branch on them.
static uint32_t mandelbrot(void) {
  uint32_t count = 0;
  for (int y = 0; y < 300; y++)
    for (int x = 0; x < 400; x++) {
      double cr = x / 160.0 - 2.0, ci = y / 150.0 - 1.0, r = 0, i = 0;
      for (int n = 0; n < 100; n++) {
        double rr = r * r, ii = i * i;
        if (rr + ii > 4.0) break;
        i = (r + r) * i + ci;
        r = rr - ii + cr;
        count++;
      }
    }
  return count;
}

// A filter over samples in single precision.
static uint32_t filter(void) {
  enum { N = 48000, TAPS = 32 };
  static float in[N + TAPS], out[N], taps[TAPS];
  for (int i = 0; i < TAPS; i++) taps[i] = 1.0f / (i + 2);
  for (int i = 0; i < N + TAPS; i++) in[i] = (float)(next_random() & 0xffff) / 65536.0f - 0.5f;
  float sum = 0;
  for (int round = 0; round < 6; round++)
    for (int i = 0; i < N; i++) {
      float value = 0;
      for (int k = 0; k < TAPS; k++) value += taps[k] * in[i + k];
      out[i] = value;
      sum += value * 0.001f;
    }
  uint32_t bits;
  memcpy(&bits, &sum, sizeof bits);
  return bits ^ (uint32_t)(out[N / 2] * 1000);
}

// Divisions, square roots and conversions among them: bodies that attract each other.
static uint32_t bodies(void) {
  enum { N = 5 };
  double x[N][3], v[N][3] = {{0}}, mass[N];
  for (int i = 0; i < N; i++) {
    mass[i] = 1.0 / (i + 1);
    for (int d = 0; d < 3; d++) x[i][d] = (i * 7 + d * 5) % 11 - 5.0;
  }
  for (int step = 0; step < 120000; step++) {
    for (int i = 0; i < N; i++)
      for (int j = i + 1; j < N; j++) {
        double d0 = x[i][0] - x[j][0], d1 = x[i][1] - x[j][1], d2 = x[i][2] - x[j][2];
        double square = d0 * d0 + d1 * d1 + d2 * d2 + 0.01, pull = 0.001 / (square * sqrt(square));
        v[i][0] -= d0 * mass[j] * pull, v[i][1] -= d1 * mass[j] * pull, v[i][2] -= d2 * mass[j] * pull;
        v[j][0] += d0 * mass[i] * pull, v[j][1] += d1 * mass[i] * pull, v[j][2] += d2 * mass[i] * pull;
      }
    for (int i = 0; i < N; i++)
      for (int d = 0; d < 3; d++) x[i][d] += v[i][d] * 0.001;
  }
  double sum = 0;
  for (int i = 0; i < N; i++) sum += x[i][0] + x[i][1] + x[i][2];
  return (uint32_t)(int64_t)(sum * 1e6);
}

// Calls of functions that the compiler may not inline.
__attribute__((noinline)) static uint32_t fibonacci(uint32_t n) { return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2); }
__attribute__((noinline)) static uint32_t leaf(uint32_t a, uint32_t b) { return (a ^ b) * 5; }
__attribute__((noinline)) static uint32_t inner(uint32_t a, uint32_t b) { return leaf(a + 1, b) + leaf(b, a); }
static uint32_t calls(void) {
  uint32_t sum = fibonacci(33);
  for (int i = 0; i < 15000000; i++) sum = inner(sum, i);
  return sum;
}

// Calls through pointers, to targets that change: a table of functions, and objects of several classes.
struct shape {
  const struct shape_class *class;
  uint32_t a, b;
};
struct shape_class {
  uint32_t (*area)(const struct shape *);
  void (*grow)(struct shape *, uint32_t);
};
#define OPERATION(name, expression) \
  __attribute__((noinline)) static uint32_t name(uint32_t x, uint32_t y) { return expression; }
OPERATION(op_add, x + y)
OPERATION(op_subtract, x - y)
OPERATION(op_xor, x ^ y)
OPERATION(op_multiply, x * (y | 1))
OPERATION(op_shift, x >> (y & 7) | y << 8)
OPERATION(op_and, (x & y) + 3)
OPERATION(op_or, (x | y) - 5)
OPERATION(op_mix, x * 31 + (y >> 3))
static uint32_t square_area(const struct shape *s) { return s->a * s->a; }
static uint32_t rectangle_area(const struct shape *s) { return s->a * s->b; }
static uint32_t triangle_area(const struct shape *s) { return s->a * s->b / 2; }
static uint32_t circle_area(const struct shape *s) { return s->a * s->a * 3; }
static void grow_a(struct shape *s, uint32_t by) { s->a = (s->a + by) & 0xff; }
static void grow_both(struct shape *s, uint32_t by) { s->a = (s->a + by) & 0x7f, s->b = (s->b ^ by) & 0x7f; }
static uint32_t pointers(void) {
  static uint32_t (*const volatile table[8])(uint32_t, uint32_t) = {op_add, op_subtract, op_xor, op_multiply, op_shift, op_and, op_or, op_mix};
  uint32_t sum = 1, order[64];
  for (int i = 0; i < 64; i++) order[i] = next_random() & 7;
  for (uint32_t i = 0; i < 12000000; i++) sum = table[order[i & 63]](sum, i);
  return sum;
}
static uint32_t virtuals(void) {
  static const struct shape_class classes[4] = {
      {square_area, grow_a}, {rectangle_area, grow_both}, {triangle_area, grow_both}, {circle_area, grow_a}};
  enum { N = 256 };
  static struct shape shapes[N];
  for (int i = 0; i < N; i++) shapes[i] = (struct shape){&classes[next_random() & 3], next_random() & 0xff, next_random() & 0xff};
  uint32_t sum = 0;
  for (int round = 0; round < 25000; round++)
    for (int i = 0; i < N; i++) {
      struct shape *s = &shapes[i];
      s->class->grow(s, round);
      sum += s->class->area(s);
    }
  return sum;
}

// What the C library does to strings of the lengths that programs have.
static uint32_t strings(void) {
  static char text[1 << 16], copy[1 << 16];
  static const char *const words[] = {"the", "register", "of", "a", "hart", "translation", "is", "in", "memory", "page"};
  size_t length = 0;
  while (length < sizeof text - 32) length = stpcpy(stpcpy(text + length, words[next_random() % 10]), " ") - text;
  uint32_t sum = 0;
  for (int round = 0; round < 100; round++) {
    strcpy(copy, text);
    sum += strlen(copy);
    char *rest, *last = "";
    for (char *word = strtok_r(copy, " ", &rest); word; word = strtok_r(0, " ", &rest)) {
      char buffer[32];
      memcpy(buffer, word, strlen(word) + 1);
      sum = sum * 31 + (strcmp(buffer, last) < 0) + (strchr(buffer, 'e') != 0);
      last = word;
    }
    for (const char *at = text; (at = strstr(at, "hart")); at += 4) sum++;
    for (const char *at = text; (at = memchr(at, 'y', text + length - at)); at++) sum += 3;
  }
  return sum;
}

static uint32_t memory(void) {
  enum { BYTES = 16 << 20 };
  char *one = malloc(BYTES), *other = malloc(BYTES);
  for (int i = 0; i < 60; i++) {
    memset(one, i, BYTES);
    memcpy(other, one, BYTES);
  }
  return other[BYTES - 1];
}

static uint32_t syscalls(void) {
  uint32_t same = 0;
  for (int i = 0; i < 300000; i++) same += syscall(SYS_getppid) == getppid();
  return same;
}

static uint32_t forks(void) {
  uint32_t sum = 0;
  for (int i = 0; i < 300; i++) {
    pid_t child = fork();
    if (child == 0) _exit(i & 0x7f);
    int status;
    waitpid(child, &status, 0);
    sum += WEXITSTATUS(status);
  }
  return sum;
}

static int run(char **command) {
  pid_t child = fork();
  if (child == 0) {
    execvp(command[0], command);
    _exit(127);
  }
  int status;
  waitpid(child, &status, 0);
  return WEXITSTATUS(status);
}

static uint32_t executions(void) {
  uint32_t sum = 0;
  for (int i = 0; i < 150; i++) sum += run((char *[]){"/proc/self/exe", "nothing", 0});
  return sum;
}

// Two processes that wait for each other: two context switches a round.
static uint32_t pipes(void) {
  int there[2], back[2];
  if (pipe(there) || pipe(back)) return 0;
  uint32_t value = 0, sum = 0;
  pid_t child = fork();
  if (child == 0) {
    close(there[1]);
    while (read(there[0], &value, sizeof value) == sizeof value) {
      value += 3;
      if (write(back[1], &value, sizeof value) != sizeof value) break;
    }
    _exit(0);
  }
  for (uint32_t i = 0; i < 20000; i++) {
    value = i;
    if (write(there[1], &value, sizeof value) != sizeof value || read(back[0], &value, sizeof value) != sizeof value) return 0;
    sum += value;
  }
  close(there[1]);
  waitpid(child, 0, 0);
  return sum;
}

enum { YIELDS = 25000, YIELDERS = 4 };
static void *yielding(void *count) {
  for (int i = 0; i < YIELDS; i++) {
    ++*(uint32_t *)count;
    sched_yield();
  }
  return 0;
}
static uint32_t threads(void) {
  pthread_t others[YIELDERS];
  uint32_t counts[YIELDERS] = {0}, sum = 0;
  for (int i = 0; i < YIELDERS; i++) pthread_create(&others[i], 0, yielding, &counts[i]);
  for (int i = 0; i < YIELDERS; i++) pthread_join(others[i], 0), sum += counts[i];
  return sum;
}

// Pages that the kernel makes when they are touched, and takes back.
enum { PAGE = 4096, PAGES = 4096 };
static uint32_t faults(void) {
  uint32_t sum = 0;
  for (int round = 0; round < 25; round++) {
    char *pages = mmap(0, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED) return 0;
    madvise(pages, PAGES * PAGE, MADV_NOHUGEPAGE);
    for (int i = 0; i < PAGES; i++) pages[i * PAGE] = i, sum += pages[i * PAGE + 1] + 1;
    munmap(pages, PAGES * PAGE);
  }
  return sum;
}
// Pages that a child gets copies of when it writes to them.
static uint32_t copies(void) {
  char *pages = mmap(0, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) return 0;
  madvise(pages, PAGES * PAGE, MADV_NOHUGEPAGE);
  for (int i = 0; i < PAGES; i++) pages[i * PAGE] = i;
  uint32_t sum = 0;
  for (int round = 0; round < 12; round++) {
    pid_t child = fork();
    if (child == 0) {
      for (int i = 0; i < PAGES; i++) pages[i * PAGE]++;
      _exit(pages[5 * PAGE]);
    }
    int status;
    waitpid(child, &status, 0);
    sum += WEXITSTATUS(status);
  }
  return sum;
}

int main(int argc, char **argv) {
  static const struct {
    const char *name;
    uint32_t (*work)(void);
  } works[] = {{"integer", integer}, {"records", records},   {"sha256", sha256},     {"qsort", sort},     {"switch", interpreter},
               {"chase", chase},     {"strings", strings},   {"calls", calls},       {"pointers", pointers}, {"virtual", virtuals},
               {"matrix", matrix},   {"mandelbrot", mandelbrot}, {"filter", filter}, {"fused", fused},    {"bodies", bodies},
               {"memory", memory},   {"syscall", syscalls},  {"pipe", pipes},        {"yield", threads},  {"faults", faults},
               {"copies", copies},   {"fork", forks},        {"exec", executions}};
  double start = now();
  if (argc > 1 && strcmp(argv[1], "nothing") == 0) return 1;
  if (argc > 2 && strcmp(argv[1], "run") == 0) {
    int status = run(argv + 2);
    printf("\nRESULT %.6f %d\n", now() - start, status);
    return 0;
  }
  for (unsigned i = 0; argc > 1 && i < sizeof works / sizeof *works; i++) {
    if (strcmp(argv[1], works[i].name) == 0) {
      uint32_t sum = works[i].work();
      printf("\nRESULT %.6f %u\n", now() - start, sum);
      return 0;
    }
  }
  return 2;
}
