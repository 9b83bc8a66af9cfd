// The CPU set of the bench: `cpu NAME` does a fixed amount of work and prints its seconds and a checksum that
// must be the same on every machine. `cpu run COMMAND…` times another program.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

int main(int argc, char **argv) {
  static const struct {
    const char *name;
    uint32_t (*work)(void);
  } works[] = {{"integer", integer}, {"records", records}, {"sha256", sha256}, {"qsort", sort},         {"switch", interpreter}, {"chase", chase},
               {"matrix", matrix},   {"memory", memory},   {"syscall", syscalls}, {"fork", forks}};
  double start = now();
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
