// The console: lines are edited in a ring of 256, as they are typed.
#include "kernel.h"

#define RING 256
#define CONTROL(letter) ((letter) - '@')
#define DELETE 0x7f

static struct lock print_lock = {.name = "print"};
static struct lock lock = {.name = "console"};
static char ring[RING];
// Of characters: taken by readers, whole lines, typed.
static u64 taken, lines, typed;
// That came while the ring was full.
u64 console_lost;
static volatile int panicking;

static void put_now(void *to, char c) { uart_put_now(c); }

void print(const char *text, ...) {
  va_list arguments;
  va_start(arguments, text);
  if (!panicking) acquire(&print_lock);
  format(put_now, 0, text, arguments);
  if (!panicking) release(&print_lock);
  va_end(arguments);
}

void halt(int code) {
  *reg32(FINISHER) = code == 0 ? 0x5555 : code << 16 | 0x3333;
  for (;;) {}
}

void panic(const char *text, ...) {
  interrupts_off();
  panicking = 1;
  va_list arguments;
  va_start(arguments, text);
  print("\nkeel: panic at hart %d: ", hart_number());
  format(put_now, 0, text, arguments);
  print("\n");
  halt(250);
}

static void rub_out(void) {
  typed--;
  uart_put_now('\b'), uart_put_now(' '), uart_put_now('\b');
}

void console_receive(int c) {
  acquire(&lock);
  if (c == CONTROL('P')) {
    process_list();
  } else if (c == CONTROL('U')) {
    while (typed != lines && ring[(typed - 1) % RING] != '\n') rub_out();
  } else if (c == DELETE || c == '\b') {
    if (typed != lines) rub_out();
  } else if (typed - taken == RING) {
    console_lost++;
  } else {
    if (c == '\r') c = '\n';
    if (c != CONTROL('D')) uart_put_now(c);
    ring[typed++ % RING] = c;
    if (c == '\n' || c == CONTROL('D') || typed - taken == RING) {
      lines = typed;
      wake(&taken);
    }
  }
  release(&lock);
}

// At most a line; nothing after control-D.
int console_read(struct process *p, u64 to, u64 length) {
  u64 count = 0;
  acquire(&lock);
  while (count < length) {
    while (taken == lines) {
      if (p->killed) {
        release(&lock);
        return -1;
      }
      sleep(&taken, &lock);
    }
    char c = ring[taken++ % RING];
    if (c == CONTROL('D')) {
      // For the next read, if there was something before it.
      if (count > 0) taken--;
      break;
    }
    if (!copy_out(p, to + count, &c, 1)) {
      release(&lock);
      return -1;
    }
    count++;
    if (c == '\n') break;
  }
  release(&lock);
  return count;
}

int console_write(struct process *p, u64 from, u64 length) {
  char part[64];
  for (u64 done = 0; done < length;) {
    u64 now = length - done < sizeof part ? length - done : sizeof part;
    if (!copy_in(p, part, from + done, now)) return -1;
    for (u64 i = 0; i < now; i++) uart_put(part[i]);
    done += now;
  }
  return length;
}
