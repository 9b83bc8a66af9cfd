// Processes: one table under one lock, which also passes from who gives up a hart to who gets it.
#include "kernel.h"

struct lock tick_lock = {.name = "ticks"};
volatile u64 ticks;
static struct lock table_lock = {.name = "processes"};
static struct process table[PROCESSES];
static struct process *init;
static int last_id;

struct process *this_process(void) {
  // Between reading the hart and its process it must not become another hart.
  int were_on = interrupts_are_on();
  interrupts_off();
  struct process *p = this_hart()->process;
  if (were_on) interrupts_on();
  return p;
}

static void load_floats(struct process *p) {
  set_csr(sstatus, SSTATUS_FS);
  floats_load(p->floats);
  clear_csr(sstatus, SSTATUS_FS);
  set_csr(sstatus, SSTATUS_FS_CLEAN);
}

static void save_floats(struct process *p) {
  if ((read_csr(sstatus) & SSTATUS_FS) == SSTATUS_FS) floats_save(p->floats);
}

// Where a process begins to run.
static void process_start(void) {
  struct process *p = this_process();
  load_floats(p);
  release(&table_lock);
  if (p == init) {
    // Reads the disk, for which it has to be able to sleep.
    store_start();
    if (process_exec("init", "init", 1, 5) < 0) panic("there is no init on the disk");
    p->frame->x[10] = 1;
  }
  user_enter();
}

static void discard(struct process *p) {
  if (p->space) space_drop(p->space);
  if (p->frame) page_drop(p->frame);
  if (p->stack) page_drop(p->stack);
  p->space = 0, p->frame = 0, p->stack = 0;
  p->parent = 0;
  p->state = FREE;
}

static struct process *process_new(void) {
  struct process *p = 0;
  acquire(&table_lock);
  for (int i = 0; i < PROCESSES && !p; i++) {
    if (table[i].state == FREE) p = &table[i];
  }
  if (p) {
    p->state = NEW;
    p->id = ++last_id;
  }
  release(&table_lock);
  if (!p) return 0;
  p->killed = p->code = 0;
  p->channel = 0;
  p->end = p->heap = USER_BASE;
  memset(p->floats, 0, sizeof p->floats);
  memset(&p->context, 0, sizeof p->context);
  p->stack = page_new();
  p->frame = page_new();
  p->space = p->frame ? space_new(p->frame) : 0;
  if (!p->stack || !p->space) {
    discard(p);
    return 0;
  }
  p->context.ra = (u64)process_start;
  p->context.sp = (u64)p->stack + PAGE;
  return p;
}

static void runnable(struct process *p) {
  p->state = RUNNABLE;
  for (int i = 0; i < HARTS; i++) {
    if (!harts[i].idle || i == hart_number()) continue;
    harts[i].idle = 0;
    call_hart(i);
    return;
  }
}

void first_process(void) {
  init = process_new();
  if (!init) panic("no memory for the first process");
  memcpy(init->name, "init", 5);
  acquire(&table_lock);
  runnable(init);
  release(&table_lock);
}

// Each hart: run what can run, in turn.
void schedule(void) {
  struct hart *hart = this_hart();
  int next = hart_number();
  for (;;) {
    // For a moment, so that what is pending gets in.
    interrupts_on();
    interrupts_off();
    acquire(&table_lock);
    struct process *found = 0;
    for (int i = 0; i < PROCESSES && !found; i++) {
      next = (next + 1) % PROCESSES;
      if (table[next].state == RUNNABLE) found = &table[next];
    }
    hart->idle = !found;
    if (found) {
      found->state = RUNNING;
      hart->process = found;
      switch_context(&hart->scheduler, &found->context);
      hart->process = 0;
    }
    release(&table_lock);
    // Wakes although interrupts are off, so that none is missed.
    if (!found) asm volatile("wfi");
  }
}

// Give up the hart; the table's lock is held, and it alone.
static void reschedule(void) {
  struct process *p = this_process();
  if (!holds(&table_lock) || this_hart()->off_depth != 1) panic("%s gives up its hart with a lock", p->name);
  if (p->state == RUNNING) panic("%s runs and gives up its hart", p->name);
  int was_on = this_hart()->was_on;
  save_floats(p);
  switch_context(&p->context, &this_hart()->scheduler);
  load_floats(p);
  this_hart()->was_on = was_on;
}

void yield(void) {
  acquire(&table_lock);
  this_process()->state = RUNNABLE;
  reschedule();
  release(&table_lock);
}

// Sleep until somebody wakes the channel. The lock is free meanwhile.
void sleep(void *channel, struct lock *lock) {
  struct process *p = this_process();
  if (!p) panic("a hart without a process sleeps");
  if (lock != &table_lock) {
    acquire(&table_lock);
    release(lock);
  }
  p->channel = channel;
  p->state = SLEEPING;
  reschedule();
  p->channel = 0;
  if (lock != &table_lock) {
    release(&table_lock);
    acquire(lock);
  }
}

static void wake_with_lock(void *channel) {
  for (struct process *p = table; p < table + PROCESSES; p++) {
    if (p->state == SLEEPING && p->channel == channel) runnable(p);
  }
}

void wake(void *channel) {
  acquire(&table_lock);
  wake_with_lock(channel);
  release(&table_lock);
}

int process_fork(void) {
  struct process *p = this_process(), *child = process_new();
  if (!child) return -1;
  if (!space_copy(p->space, child->space, p->end)) {
    // What it has already got goes with it.
    acquire(&table_lock);
    discard(child);
    release(&table_lock);
    return -1;
  }
  child->heap = p->heap, child->end = p->end;
  memcpy(child->frame, p->frame, sizeof *p->frame);
  child->frame->x[10] = 0;
  interrupts_off();
  save_floats(p);
  memcpy(child->floats, p->floats, sizeof p->floats);
  interrupts_on();
  for (int i = 0; i < FILES_OPEN; i++) {
    child->files[i] = p->files[i];
    if (child->files[i]) file_share(child->files[i]);
  }
  memcpy(child->name, p->name, sizeof p->name);
  int id = child->id;
  acquire(&table_lock);
  child->parent = p;
  runnable(child);
  release(&table_lock);
  return id;
}

void process_exit(int code) {
  struct process *p = this_process();
  if (p == init) panic("init ended with %d", code);
  for (int i = 0; i < FILES_OPEN; i++) {
    if (p->files[i]) file_drop(p->files[i]);
    p->files[i] = 0;
  }
  acquire(&table_lock);
  for (struct process *child = table; child < table + PROCESSES; child++) {
    if (child->parent != p) continue;
    child->parent = init;
    if (child->state == ZOMBIE) wake_with_lock(init);
  }
  p->code = code;
  p->state = ZOMBIE;
  wake_with_lock(p->parent);
  reschedule();
  panic("a process came back");
}

// Returns a child that ended, with its code at an address unless that is 0; −1 if there is none, or the address is wrong.
int process_wait(u64 code) {
  struct process *p = this_process();
  acquire(&table_lock);
  for (;;) {
    int children = 0;
    for (struct process *child = table; child < table + PROCESSES; child++) {
      if (child->parent != p) continue;
      children = 1;
      if (child->state != ZOMBIE) continue;
      int id = child->id, ended = child->code;
      discard(child);
      release(&table_lock);
      return !code || copy_out(p, code, &ended, sizeof ended) ? id : -1;
    }
    if (!children || p->killed) break;
    sleep(p, &table_lock);
  }
  release(&table_lock);
  return -1;
}

int process_kill(int id) {
  int found = -1;
  acquire(&table_lock);
  for (struct process *p = table; p < table + PROCESSES; p++) {
    if (p->id != id || p->state == FREE || p->state == ZOMBIE || p == init) continue;
    p->killed = 1;
    if (p->state == SLEEPING) runnable(p);
    found = 0;
  }
  release(&table_lock);
  return found;
}

int process_grow(long bytes) {
  struct process *p = this_process();
  u64 end = p->end + bytes;
  if (bytes < 0 ? end < p->heap || end > p->end : end < p->end || end > FRAME - PAGE) return -1;
  u64 first = (end + PAGE - 1) / PAGE * PAGE;
  if (bytes < 0) space_trim(p->space, first, p->end);
  p->end = end;
  return 0;
}

// Looks without locks: it may be called where all of them are held.
void process_list(void) {
  static const char *states[] = {"free", "new", "runnable", "running", "sleeping", "zombie"};
  for (struct process *p = table; p < table + PROCESSES; p++) {
    if (p->state != FREE) print("\n%d %s %s", p->id, states[p->state], p->name);
  }
  print("\n%lu ticks, %lu pages free, %lu characters lost\n", ticks, pages_free(), console_lost);
}
