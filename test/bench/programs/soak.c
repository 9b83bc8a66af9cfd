// A program that generates code without end, like a JIT in the guest: writes functions, flushes the instruction cache, runs each hot
// enough to be translated, checks its results, and goes on. Prints what it has done once a second.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#define FUNCTIONS 64
#define FUNCTION_WORDS 128
#define ARENA_BYTES (FUNCTIONS * FUNCTION_WORDS * 4)
// Arenas that exist at a time: those before them are unmapped, and so other physical pages become code.
#define ARENAS 128
// A little more than makes a place hot.
#define ROUNDS 9000
#define PASSES 4

typedef uint64_t function(uint64_t rounds, uint64_t x, uint64_t y);

static uint64_t state = 0x9e3779b97f4a7c15;
static uint32_t next_random(void) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state >> 32;
}

// The instructions of a function: op rd, rs1, rs2 on x, y and a third register.
struct step {
  uint8_t op, rd, rs1, rs2;
  int16_t immediate;
};
enum { ADD, SUB, XOR, OR, AND, SLTU, MUL, ADDI, SRLI, XORI, OPS };
#define STEPS_MAX 24

static const uint32_t FUNCT3[] = {0, 0, 4, 6, 7, 3, 0};

static uint32_t encode(struct step s) {
  uint32_t rd = 11 + s.rd, rs1 = 11 + s.rs1, rs2 = 11 + s.rs2;
  if (s.op == ADDI) return (uint32_t)(s.immediate & 0xfff) << 20 | rs1 << 15 | rd << 7 | 0x13;
  if (s.op == XORI) return (uint32_t)(s.immediate & 0xfff) << 20 | rs1 << 15 | 4 << 12 | rd << 7 | 0x13;
  if (s.op == SRLI) return (uint32_t)(s.immediate & 63) << 20 | rs1 << 15 | 5 << 12 | rd << 7 | 0x13;
  uint32_t funct7 = s.op == SUB ? 0x20 : s.op == MUL ? 1 : 0;
  return funct7 << 25 | rs2 << 20 | rs1 << 15 | FUNCT3[s.op] << 12 | rd << 7 | 0x33;
}

static void evaluate(struct step s, uint64_t v[3]) {
  uint64_t a = v[s.rs1], b = v[s.rs2], i = (uint64_t)(int64_t)s.immediate;
  switch (s.op) {
    case ADD: v[s.rd] = a + b; break;
    case SUB: v[s.rd] = a - b; break;
    case XOR: v[s.rd] = a ^ b; break;
    case OR: v[s.rd] = a | b; break;
    case AND: v[s.rd] = a & b; break;
    case SLTU: v[s.rd] = a < b; break;
    case MUL: v[s.rd] = a * b; break;
    case ADDI: v[s.rd] = a + i; break;
    case XORI: v[s.rd] = a ^ i; break;
    case SRLI: v[s.rd] = a >> (i & 63); break;
  }
}

static struct step steps[FUNCTIONS][STEPS_MAX];
static int counts[FUNCTIONS];

// loop: steps; addi a0, a0, -1; bnez a0, loop; add a0, a1, a2; add a0, a0, a3; ret
static void write_function(uint32_t *code, int number) {
  int count = counts[number] = 4 + next_random() % (STEPS_MAX - 4);
  uint32_t *at = code;
  *at++ = 0 << 20 | 0 << 15 | 13 << 7 | 0x13;
  for (int i = 0; i < count; i++) {
    struct step *s = &steps[number][i];
    s->op = next_random() % OPS;
    s->rd = next_random() % 3;
    s->rs1 = next_random() % 3;
    s->rs2 = next_random() % 3;
    s->immediate = (int16_t)(next_random() % 4096) - 2048;
    *at++ = encode(*s);
  }
  *at++ = 0xfff50513;
  uint32_t offset = (uint32_t)(-4 * (count + 1));
  *at++ = (offset >> 12 & 1) << 31 | (offset >> 5 & 0x3f) << 25 | 10 << 15 | 1 << 12 | (offset >> 1 & 0xf) << 8 | (offset >> 11 & 1) << 7 | 0x63;
  *at++ = 0x00c58533;
  *at++ = 0x00d50533;
  *at++ = 0x00008067;
}

static uint64_t expected(int number, uint64_t rounds, uint64_t x, uint64_t y) {
  uint64_t v[3] = {x, y, 0};
  while (rounds-- > 0)
    for (int i = 0; i < counts[number]; i++) evaluate(steps[number][i], v);
  return v[0] + v[1] + v[2];
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

int main(void) {
  static uint32_t *arenas[ARENAS];
  double said = 0;
  for (unsigned long generation = 1;; generation++) {
    uint32_t **arena = &arenas[generation % ARENAS];
    // Every second time the code takes the place of other code, else it lies where there was none.
    if (*arena && generation % 2 == 0) {
      munmap(*arena, ARENA_BYTES);
      *arena = 0;
    }
    if (!*arena) {
      *arena = mmap(0, ARENA_BYTES, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      if (*arena == MAP_FAILED) {
        perror("mmap");
        return 1;
      }
    }
    for (int i = 0; i < FUNCTIONS; i++) write_function(*arena + i * FUNCTION_WORDS, i);
    __builtin___clear_cache((char *)*arena, (char *)*arena + ARENA_BYTES);
    uint64_t first[FUNCTIONS];
    for (int pass = 0; pass < PASSES; pass++) {
      for (int i = 0; i < FUNCTIONS; i++) {
        function *f = (function *)(*arena + i * FUNCTION_WORDS);
        uint64_t few = f(3, generation, i), many = f(ROUNDS, generation, i);
        if (pass == 0) first[i] = many;
        if (few != expected(i, 3, generation, i) || many != first[i]) {
          printf("SOAK WRONG generation %lu function %d pass %d\n", generation, i, pass);
          return 1;
        }
      }
    }
    if (now() - said >= 1) {
      said = now();
      printf("SOAK %lu\n", generation * FUNCTIONS);
      fflush(stdout);
    }
  }
}
