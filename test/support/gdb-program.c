/*
 * What the tests of the debugger debug: a bare-metal program in machine mode at the start of RAM, on one hart or several. Hart 0 works in
 * rounds: tick(), an ecall, floating point, and a visit to a page that supervisor mode can only execute, at FAR; the others count.
 */
typedef unsigned long word;
#define HARTS 8
#define FAR 0xffffffc000000000UL

volatile word watched = 5, rounds, counts[HARTS];
volatile double number = 1.5;
word stacks[HARTS][512];
__attribute__((aligned(4096))) word root[512], middle[512], leaves[512];
__attribute__((aligned(4096))) word user_page[512] = {0x1122334455667788};
extern word far_code[], handler[];
word visit(word value);

__asm__(
    ".section .text.first\n"
    ".globl _start\n_start: csrr a0, mhartid\n la sp, stacks\n addi t0, a0, 1\n slli t0, t0, 12\n add sp, sp, t0\n call start\n"
    ".text\n"
    /* An ecall of machine mode is passed over; one of supervisor mode ends visit(). */
    ".balign 4\n.globl handler\nhandler: csrw mscratch, t0\n csrr t0, mcause\n addi t0, t0, -9\n beqz t0, 1f\n"
    " csrr t0, mepc\n addi t0, t0, 4\n csrw mepc, t0\n j 2f\n"
    "1: la t0, back\n csrw mepc, t0\n li t0, 3 << 11\n csrs mstatus, t0\n2: csrr t0, mscratch\n mret\n"
    ".globl visit\n.type visit, @function\nvisit: li t0, 3 << 11\n csrc mstatus, t0\n li t0, 1 << 11\n csrs mstatus, t0\n"
    " li t0, 0xffffffc000000000\n csrw mepc, t0\n mret\nback: ret\n"
    ".section .far\n.globl far_code\nfar_code: nop\n nop\n addi a0, a0, 1\n ecall\n.text\n");

__attribute__((noinline)) word tick(word n) {
  word twice = n * 2;
  watched = watched + twice;
  return watched;
}

__attribute__((noinline)) void count(word hart) {
  counts[hart]++;
}

static void map(void) {
  root[256] = ((word)middle >> 12 << 10) | 1;
  middle[0] = ((word)leaves >> 12 << 10) | 1;
  leaves[0] = ((word)far_code >> 12 << 10) | 0xc9;  /* V X A D */
  leaves[1] = ((word)user_page >> 12 << 10) | 0xd7; /* V R W U A D */
  root[2] = (0x80000000UL >> 12 << 10) | 0xcf;      /* RAM where it is */
  __asm__ volatile("csrw pmpaddr0, %0; csrw pmpcfg0, %1" ::"r"(-1UL), "r"(0x1fUL));
  __asm__ volatile("csrw satp, %0; sfence.vma" ::"r"((8UL << 60) | ((word)root >> 12)));
}

void start(word hart) {
  __asm__ volatile("csrw mtvec, %0; csrs mstatus, %1" ::"r"(handler), "r"(1UL << 13));
  while (hart) count(hart);
  map();
  for (;;) {
    rounds++;
    tick(rounds);
    __asm__ volatile("ecall");
    number = number * 1.25;
    if (visit(rounds) != rounds + 1) break;
  }
}
