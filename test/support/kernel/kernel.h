#pragma once
#include "machine.h"
#include "text.h"

#define read_csr(name) ({ u64 value_; asm volatile("csrr %0, " #name : "=r"(value_) : : "memory"); value_; })
#define write_csr(name, value) asm volatile("csrw " #name ", %0" : : "r"(value) : "memory")
#define set_csr(name, bits) asm volatile("csrs " #name ", %0" : : "r"(bits) : "memory")
#define clear_csr(name, bits) asm volatile("csrc " #name ", %0" : : "r"(bits) : "memory")

#define SSTATUS_SIE (1UL << 1)
#define SSTATUS_SPIE (1UL << 5)
#define SSTATUS_SPP (1UL << 8)
#define SSTATUS_FS (3UL << 13)
#define SSTATUS_FS_CLEAN (2UL << 13)
#define INTERRUPT (1UL << 63)

static inline int hart_number(void) {
  u64 hart;
  asm volatile("mv %0, tp" : "=r"(hart));
  return hart;
}
static inline int interrupts_are_on(void) { return (read_csr(sstatus) & SSTATUS_SIE) != 0; }
static inline void interrupts_on(void) { set_csr(sstatus, SSTATUS_SIE); }
static inline void interrupts_off(void) { clear_csr(sstatus, SSTATUS_SIE); }
static inline volatile u8 *reg8(u64 address) { return (volatile u8 *)address; }
static inline volatile u32 *reg32(u64 address) { return (volatile u32 *)address; }
static inline volatile u64 *reg64(u64 address) { return (volatile u64 *)address; }

// lock.c
struct lock {
  u32 held;
  int hart;
  const char *name;
};
// Held for long: who waits for it sleeps.
struct sleep_lock {
  struct lock lock;
  int held;
};
void acquire(struct lock *lock);
void release(struct lock *lock);
int holds(struct lock *lock);
void acquire_sleep(struct sleep_lock *lock);
void release_sleep(struct sleep_lock *lock);

struct process;

// console.c
void print(const char *text, ...);
void panic(const char *text, ...) __attribute__((noreturn));
void halt(int code) __attribute__((noreturn));
void console_receive(int c);
int console_read(struct process *p, u64 to, u64 length);
int console_write(struct process *p, u64 from, u64 length);
extern u64 console_lost;

// uart.c
void uart_start(void);
void uart_put(char c);
void uart_put_now(char c);
void uart_interrupt(void);

// plic.c
void plic_start(void);
void plic_start_hart(void);
u32 plic_claim(void);
void plic_complete(u32 source);

// main.c, timer.c
extern int harts_started;
void timer_start_hart(void);
int timer_is_due(void);
void timer_again(void);
void call_hart(int hart);
void start_other_harts(void);

// page.c: pages of 4 KiB, each with a count of those that use it
void pages_start(void);
void *page_new(void);
void page_share(void *page);
void page_drop(void *page);
int page_is_shared(void *page);
u64 pages_free(void);

// space.c: address spaces
#define PTE_V 1UL
#define PTE_R 2UL
#define PTE_W 4UL
#define PTE_X 8UL
#define PTE_U 16UL
#define PTE_A 64UL
#define PTE_D 128UL
#define PTE_COPY 256UL
void kernel_space_start(void);
void kernel_space_enter(void);
u64 *space_new(void *frame);
void space_drop(u64 *space);
int space_map(u64 *space, u64 address, u64 physical, u64 length, u64 flags);
int space_copy(u64 *from, u64 *to, u64 end);
void space_trim(u64 *space, u64 from, u64 to);
u64 space_root(u64 *space);
void *user_page(struct process *p, u64 address, u64 access);
int copy_in(struct process *p, void *to, u64 from, u64 length);
int copy_out(struct process *p, u64 to, const void *from, u64 length);
int copy_string(struct process *p, char *to, u64 from, u64 length);

// process.c
struct context {
  u64 ra, sp, s[12];
};
// Where trampoline.S keeps the registers of user mode; x[0] is the pc.
struct frame {
  u64 x[32];
  u64 kernel_space, kernel_stack, kernel_hart, kernel_trap;
};
enum state { FREE, NEW, RUNNABLE, RUNNING, SLEEPING, ZOMBIE };
#define PROCESSES 64
#define FILES_OPEN 16
struct process {
  enum state state;
  int id, killed, code;
  void *channel;
  struct process *parent;
  char *stack;
  struct frame *frame;
  u64 *space;
  // Memory lies from USER_BASE to `end`; from `heap` on it is given when touched.
  u64 heap, end;
  struct context context;
  struct file *files[FILES_OPEN];
  char name[16];
  u64 floats[33];
};
struct hart {
  struct process *process;
  struct context scheduler;
  int off_depth, was_on, idle;
  u64 next_tick;
};
extern struct hart harts[HARTS];
extern struct lock tick_lock;
extern volatile u64 ticks;
static inline struct hart *this_hart(void) { return &harts[hart_number()]; }
struct process *this_process(void);
void first_process(void);
void schedule(void) __attribute__((noreturn));
void yield(void);
void sleep(void *channel, struct lock *lock);
void wake(void *channel);
int process_fork(void);
void process_exit(int code) __attribute__((noreturn));
int process_wait(u64 code);
int process_kill(int id);
void process_list(void);
int process_grow(long bytes);
int process_exec(const char *name, char *arguments, int count, u64 length);

// trap.c, trampoline.S
void trap_start_hart(void);
void user_enter(void) __attribute__((noreturn));
void switch_context(struct context *from, struct context *to);
void floats_save(u64 *to);
void floats_load(const u64 *from);
extern char trampoline[], user_vector[], user_return[], kernel_vector[];

// system-call.c
void system_call(struct process *p);

// disk.c, cache.c
#define BLOCK 1024
struct block {
  u32 number;
  int valid, busy, users;
  u64 used;
  u8 *data;
};
void disk_start(void);
u64 disk_blocks(void);
void disk_transfer(struct block *block, int write);
void disk_interrupt(void);
void cache_start(void);
struct block *block_get(u32 number);
void block_write(struct block *block);
void block_put(struct block *block);

// store.c: the file system
struct node;
void store_start(void);
struct node *node_open(const char *name, int create);
void node_empty(struct node *node);
void node_close(struct node *node);
int node_read(struct node *node, struct process *p, void *to, u64 offset, u64 length);
int node_write(struct node *node, struct process *p, const void *from, u64 offset, u64 length);
int node_unlink(const char *name);

// file.c
int file_open(const char *name, int flags);
int file_pipe(u64 to);
int file_dup(int number);
int file_close(int number);
int file_read(int number, u64 to, u64 length);
int file_write(int number, u64 from, u64 length);
void file_share(struct file *file);
void file_drop(struct file *file);
