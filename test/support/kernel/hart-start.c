// M-mode: what has to be done before S-mode. Not in kernels that firmware starts.
#include "kernel.h"

#ifndef SBI
void main(void);
extern char machine_vector[];

struct machine_area {
  u64 saved[2];
  u64 mtimecmp, msip;
};
static struct machine_area areas[HARTS];

#define MSTATUS_MPP (3UL << 11)
#define MPP_S (1UL << 11)

void hart_start(void) {
  int hart = hart_number();
  write_csr(mstatus, (read_csr(mstatus) & ~MSTATUS_MPP) | MPP_S);
  write_csr(mepc, (u64)main);
  write_csr(satp, 0UL);
  write_csr(medeleg, 0xffffUL);
  write_csr(mideleg, 0x222UL);
  // All memory, for S-mode and below.
  write_csr(pmpaddr0, ~0UL >> 10);
  write_csr(pmpcfg0, 0xfUL);
  write_csr(mcounteren, 7UL);

  areas[hart].mtimecmp = CLINT + CLINT_MTIMECMP + 8 * hart;
  areas[hart].msip = CLINT + 4 * hart;
  write_csr(mscratch, &areas[hart]);
  write_csr(mtvec, machine_vector);
  *reg64(areas[hart].mtimecmp) = ~0UL;
  // Odd harts are woken by stimecmp (Sstc), which menvcfg.STCE allows; even ones through mtimecmp.
  if (hart & 1) {
    set_csr(0x30a, 1UL << 63);
    write_csr(mie, 1UL << 3);
  } else {
    write_csr(mie, 1UL << 3 | 1UL << 7);
  }
  asm volatile("mret");
  __builtin_unreachable();
}
#endif
