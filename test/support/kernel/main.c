// S-mode starts here, on every hart.
#include "kernel.h"

static volatile int started;
#ifdef SBI
// Firmware starts one hart, which starts the others.
static int first;
static int is_first(void) { return __atomic_exchange_n(&first, 1, __ATOMIC_ACQ_REL) == 0; }
#else
static int is_first(void) { return hart_number() == 0; }
#endif

int harts_started;

static void start_hart(void) {
  kernel_space_enter();
  trap_start_hart();
  plic_start_hart();
  timer_start_hart();
  __atomic_fetch_add(&harts_started, 1, __ATOMIC_RELAXED);
}

void main(void) {
  if (is_first()) {
    uart_start();
    print("keel starts\n");
    pages_start();
    kernel_space_start();
    plic_start();
    start_hart();
    disk_start();
    cache_start();
    first_process();
    __atomic_store_n(&started, 1, __ATOMIC_RELEASE);
    start_other_harts();
  } else {
    while (!__atomic_load_n(&started, __ATOMIC_ACQUIRE)) {}
    start_hart();
  }
  schedule();
}
