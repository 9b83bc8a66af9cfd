// The board, and the registers of a hart. Also for assembly.
#define HARTS 8
#define PAGE 4096

#define FINISHER 0x100000
#define CLINT 0x2000000
#define CLINT_MTIMECMP 0x4000
#define PLIC 0xc000000
#define UART 0x10000000
#define UART_INTERRUPT 10
#define DISK 0x10001000
#define DISK_INTERRUPT 1
#define RAM 0x80000000
// What the kernel uses of it, however much there is.
#define RAM_END 0x84000000
#define TICK 100000

// In both kinds of space, at the top of what Sv39 gives: the code that changes from one to the other; in user space, below it, its frame.
#define TRAMPOLINE 0x3ffffff000
#define FRAME 0x3fffffe000
#define USER_BASE 0x10000

// struct frame
#define FRAME_KERNEL_SPACE 256
#define FRAME_KERNEL_STACK 264
#define FRAME_KERNEL_HART 272
#define FRAME_KERNEL_TRAP 280
