// Ticks, and how harts call each other.
#include "kernel.h"

#ifdef SBI
static long sbi(u64 extension, u64 function, u64 x, u64 y, u64 z) {
  register u64 a0 asm("a0") = x;
  register u64 a1 asm("a1") = y;
  register u64 a2 asm("a2") = z;
  register u64 a6 asm("a6") = function;
  register u64 a7 asm("a7") = extension;
  asm volatile("ecall" : "+r"(a0), "+r"(a1) : "r"(a2), "r"(a6), "r"(a7) : "memory");
  return a0;
}
#define SBI_TIME 0x54494d45
#define SBI_IPI 0x735049
#define SBI_HSM 0x48534d
extern char entry[];

static void wake_at(int hart, u64 time) { sbi(SBI_TIME, 0, time, 0, 0); }
void call_hart(int hart) { sbi(SBI_IPI, 0, 1, hart, 0); }
void start_other_harts(void) {
  for (int hart = 0; hart < HARTS; hart++) {
    if (hart != hart_number()) sbi(SBI_HSM, 0, hart, (u64)entry, 0);
  }
}
#else
static void wake_at(int hart, u64 time) {
  if (hart & 1) write_csr(0x14d, time);
  else *reg64(CLINT + CLINT_MTIMECMP + 8 * hart) = time;
}
void call_hart(int hart) { *reg32(CLINT + 4 * hart) = 1; }
// They came by themselves.
void start_other_harts(void) {}
#endif

void timer_start_hart(void) {
  this_hart()->next_tick = read_csr(time) + TICK;
  wake_at(hart_number(), this_hart()->next_tick);
}

int timer_is_due(void) { return read_csr(time) >= this_hart()->next_tick; }

void timer_again(void) {
  struct hart *hart = this_hart();
  hart->next_tick += TICK;
  // After a pause of the machine the ticks that were missed are not made up for.
  if (read_csr(time) >= hart->next_tick) hart->next_tick = read_csr(time) + TICK;
  wake_at(hart_number(), hart->next_tick);
}
