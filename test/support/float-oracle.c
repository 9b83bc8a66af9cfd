/*
 * Oracle for engine/hart/helpers/softfloat.ts: carries out floating-point instructions under qemu-riscv64.
 * stdin: records { u32 function, u32 rm, u64 a, b, c }; stdout: records { u64 result, u64 fflags }, in order.
 * Functions are numbered as in FLOAT_FUNCTIONS of float-oracle.ts.
 */
#include <stdint.h>
#include <stdio.h>

typedef struct {
  uint32_t function, rm;
  uint64_t a, b, c;
} Request;

typedef struct {
  uint64_t result, flags;
} Reply;

/* Operands arrive in t0, t1, t2 and as floats of width W in ft0, ft1, ft2; the result is left in t3. */
#define CASE(W, code)                                                                                                  \
  {                                                                                                                    \
    uint64_t result, flags;                                                                                            \
    __asm__ volatile("mv t0, %2\n mv t1, %3\n mv t2, %4\n"                                                             \
                     "fmv." W ".x ft0, t0\n fmv." W ".x ft1, t1\n fmv." W ".x ft2, t2\n"                               \
                     "fsrm %5\n fsflags zero\n" code "\n frflags %1\n mv %0, t3"                                       \
                     : "=&r"(result), "=&r"(flags)                                                                     \
                     : "r"(request.a), "r"(request.b), "r"(request.c), "r"((uint64_t)request.rm)                       \
                     : "t0", "t1", "t2", "t3", "ft0", "ft1", "ft2", "ft3");                                            \
    reply.result = result;                                                                                             \
    reply.flags = flags;                                                                                               \
    break;                                                                                                             \
  }

/* Everything that exists alike for both widths: F is the mnemonic's suffix, W that of fmv, N the first number. */
#define FORMAT(F, W, N)                                                                                                \
  case N + 0: CASE(W, "fadd." F " ft3, ft0, ft1\n fmv.x." W " t3, ft3")                                                \
  case N + 1: CASE(W, "fsub." F " ft3, ft0, ft1\n fmv.x." W " t3, ft3")                                                \
  case N + 2: CASE(W, "fmul." F " ft3, ft0, ft1\n fmv.x." W " t3, ft3")                                                \
  case N + 3: CASE(W, "fdiv." F " ft3, ft0, ft1\n fmv.x." W " t3, ft3")                                                \
  case N + 4: CASE(W, "fsqrt." F " ft3, ft0\n fmv.x." W " t3, ft3")                                                    \
  case N + 5: CASE(W, "fmadd." F " ft3, ft0, ft1, ft2\n fmv.x." W " t3, ft3")                                          \
  case N + 6: CASE(W, "fcvt.w." F " t3, ft0, dyn")                                                                     \
  case N + 7: CASE(W, "fcvt.wu." F " t3, ft0, dyn")                                                                    \
  case N + 8: CASE(W, "fcvt.l." F " t3, ft0, dyn")                                                                     \
  case N + 9: CASE(W, "fcvt.lu." F " t3, ft0, dyn")                                                                    \
  case N + 10: CASE(W, "fcvt." F ".w ft3, t0\n fmv.x." W " t3, ft3")                                                   \
  case N + 11: CASE(W, "fcvt." F ".wu ft3, t0\n fmv.x." W " t3, ft3")                                                  \
  case N + 12: CASE(W, "fcvt." F ".l ft3, t0\n fmv.x." W " t3, ft3")                                                   \
  case N + 13: CASE(W, "fcvt." F ".lu ft3, t0\n fmv.x." W " t3, ft3")                                                  \
  case N + 14: CASE(W, "feq." F " t3, ft0, ft1")                                                                       \
  case N + 15: CASE(W, "flt." F " t3, ft0, ft1")                                                                       \
  case N + 16: CASE(W, "fle." F " t3, ft0, ft1")                                                                       \
  case N + 17: CASE(W, "fmin." F " ft3, ft0, ft1\n fmv.x." W " t3, ft3")                                               \
  case N + 18: CASE(W, "fmax." F " ft3, ft0, ft1\n fmv.x." W " t3, ft3")                                               \
  case N + 19: CASE(W, "fclass." F " t3, ft0")

int main(void) {
  Request request;
  Reply reply;
  static char in[1 << 16], out[1 << 16];
  setvbuf(stdin, in, _IOFBF, sizeof in);
  setvbuf(stdout, out, _IOFBF, sizeof out);
  while (fread(&request, sizeof request, 1, stdin) == 1) {
    switch (request.function) {
      FORMAT("s", "w", 0)
      FORMAT("d", "d", 20)
      case 40: CASE("w", "fcvt.d.s ft3, ft0\n fmv.x.d t3, ft3")
      case 41: CASE("d", "fcvt.s.d ft3, ft0\n fmv.x.w t3, ft3")
      default: return 1;
    }
    if (fwrite(&reply, sizeof reply, 1, stdout) != 1) return 1;
  }
  return 0;
}
