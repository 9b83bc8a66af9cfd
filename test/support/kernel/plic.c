#include "kernel.h"

// The context of S-mode, of each hart.
static u64 context(void) { return 2 * hart_number() + 1; }

void plic_start(void) {
  *reg32(PLIC + 4 * UART_INTERRUPT) = 1;
  *reg32(PLIC + 4 * DISK_INTERRUPT) = 1;
}

void plic_start_hart(void) {
  *reg32(PLIC + 0x2000 + 0x80 * context()) = 1 << UART_INTERRUPT | 1 << DISK_INTERRUPT;
  *reg32(PLIC + 0x200000 + 0x1000 * context()) = 0;
}

u32 plic_claim(void) { return *reg32(PLIC + 0x200004 + 0x1000 * context()); }
void plic_complete(u32 source) { *reg32(PLIC + 0x200004 + 0x1000 * context()) = source; }
