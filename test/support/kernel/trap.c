#include "kernel.h"

void trap_start_hart(void) {
  write_csr(stvec, kernel_vector);
  // Timer, software and external interrupts.
  write_csr(sie, 0x222UL);
  // User mode may read cycle, time and instret.
  write_csr(scounteren, 7UL);
}

static void external_interrupt(void) {
  u32 source = plic_claim();
  if (source == UART_INTERRUPT) uart_interrupt();
  else if (source == DISK_INTERRUPT) disk_interrupt();
  // 0: another hart was faster.
  else if (source) panic("interrupt %d", source);
  if (source) plic_complete(source);
}

// Returns whether it was the end of a time slice.
static int interrupt(u64 cause) {
  switch (cause & ~INTERRUPT) {
    case 9:
      external_interrupt();
      return 0;
    case 1:
      clear_csr(sip, 2UL);
      break;
    case 5:
      break;
    default:
      panic("interrupt of cause %lu", cause & ~INTERRUPT);
  }
  if (!timer_is_due()) return 0;
  timer_again();
  if (hart_number() == 0) {
    acquire(&tick_lock);
    ticks++;
    wake((void *)&ticks);
    release(&tick_lock);
  }
  return 1;
}

void kernel_trap(void) {
  u64 cause = read_csr(scause), pc = read_csr(sepc), status = read_csr(sstatus);
  if (!(status & SSTATUS_SPP)) panic("a trap from user mode came to the kernel's vector");
  if (!(cause & INTERRUPT)) panic("cause %lu at %x, value %x", cause, pc, read_csr(stval));
  int slice_ends = interrupt(cause);
  struct process *p = this_hart()->process;
  if (slice_ends && p && p->state == RUNNING) yield();
  // Another trap may have come meanwhile.
  write_csr(sepc, pc);
  write_csr(sstatus, (read_csr(sstatus) & SSTATUS_FS) | (status & ~SSTATUS_FS));
}

static void user_fault(struct process *p, u64 cause, u64 value) {
  const u64 access = cause == 12 ? PTE_X : cause == 13 ? PTE_R : cause == 15 ? PTE_W : 0;
  if (access && user_page(p, value, access)) return;
  print("keel: %s (%d) is killed: cause %lu at %x, value %x\n", p->name, p->id, cause, p->frame->x[0], value);
  p->killed = 1;
}

static void user_trap(void) {
  u64 cause = read_csr(scause), value = read_csr(stval);
  if (read_csr(sstatus) & SSTATUS_SPP) panic("a trap from the kernel came to the user's vector");
  write_csr(stvec, kernel_vector);
  struct process *p = this_process();
  int slice_ends = 0;
  if (cause & INTERRUPT) {
    slice_ends = interrupt(cause);
  } else if (cause == 8) {
    p->frame->x[0] += 4;
    interrupts_on();
    if (!p->killed) system_call(p);
  } else {
    interrupts_on();
    user_fault(p, cause, value);
  }
  if (p->killed) {
    interrupts_on();
    process_exit(-1);
  }
  if (slice_ends) yield();
  user_enter();
}

void user_enter(void) {
  struct process *p = this_process();
  interrupts_off();
  write_csr(stvec, TRAMPOLINE + (user_vector - trampoline));
  u64 status = read_csr(sstatus);
  write_csr(sstatus, (status & ~SSTATUS_SPP) | SSTATUS_SPIE);
  struct frame *frame = p->frame;
  u64 kernel_space = read_csr(satp);
  frame->kernel_space = kernel_space;
  frame->kernel_stack = (u64)p->stack + PAGE;
  frame->kernel_hart = hart_number();
  frame->kernel_trap = (u64)user_trap;
  void (*enter)(u64) = (void (*)(u64))(TRAMPOLINE + (user_return - trampoline));
  enter(space_root(p->space));
  __builtin_unreachable();
}
