// Locks that spin, with interrupts off at the hart that holds one, and locks that sleep.
#include "kernel.h"

struct hart harts[HARTS];

static void off_push(void) {
  int was_on = interrupts_are_on();
  interrupts_off();
  struct hart *hart = this_hart();
  if (hart->off_depth++ == 0) hart->was_on = was_on;
}

static void off_pop(void) {
  struct hart *hart = this_hart();
  if (interrupts_are_on() || hart->off_depth < 1) panic("interrupts came on while a lock was held");
  if (--hart->off_depth == 0 && hart->was_on) interrupts_on();
}

int holds(struct lock *lock) { return lock->held && lock->hart == hart_number() + 1; }

void acquire(struct lock *lock) {
  off_push();
  if (holds(lock)) panic("%s is taken twice", lock->name);
  while (__atomic_exchange_n(&lock->held, 1, __ATOMIC_ACQUIRE)) {}
  lock->hart = hart_number() + 1;
}

void release(struct lock *lock) {
  if (!holds(lock)) panic("%s is not held", lock->name);
  lock->hart = 0;
  __atomic_store_n(&lock->held, 0, __ATOMIC_RELEASE);
  off_pop();
}

void acquire_sleep(struct sleep_lock *lock) {
  acquire(&lock->lock);
  while (lock->held) sleep(lock, &lock->lock);
  lock->held = 1;
  release(&lock->lock);
}

void release_sleep(struct sleep_lock *lock) {
  acquire(&lock->lock);
  lock->held = 0;
  wake(lock);
  release(&lock->lock);
}
