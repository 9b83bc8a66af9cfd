#include "kernel.h"
#include "system.h"

static char *argument_page(struct process *p, u64 vector, int *count, u64 *length) {
  char *page = page_new();
  *count = 0, *length = 0;
  for (; page; (*count)++) {
    u64 text;
    if (*count == ARGUMENTS + 1 || !copy_in(p, &text, vector + *count * sizeof text, sizeof text)) break;
    if (text == 0) return page;
    if (!copy_string(p, page + *length, text, PAGE / 2 - *length)) break;
    *length += string_length(page + *length) + 1;
  }
  if (page) page_drop(page);
  return 0;
}

static long exec(struct process *p, u64 name, u64 vector) {
  char path[NAME_LENGTH];
  int count;
  u64 length;
  if (!copy_string(p, path, name, sizeof path)) return -1;
  char *page = argument_page(p, vector, &count, &length);
  if (!page) return -1;
  long result = process_exec(path, page, count, length);
  page_drop(page);
  return result;
}

static long sleep_ticks(struct process *p, u64 count) {
  acquire(&tick_lock);
  u64 start = ticks;
  while (ticks - start < count && !p->killed) sleep((void *)&ticks, &tick_lock);
  release(&tick_lock);
  return p->killed ? -1 : 0;
}

static long named(struct process *p, u64 number, u64 name, u64 flags) {
  char path[NAME_LENGTH];
  if (!copy_string(p, path, name, sizeof path)) return -1;
  return number == SYS_open ? file_open(path, flags) : node_unlink(path);
}

static long grow(struct process *p, long bytes) {
  u64 end = p->end;
  return process_grow(bytes) < 0 ? -1 : (long)end;
}

void system_call(struct process *p) {
  u64 *x = p->frame->x, a = x[10], b = x[11], c = x[12];
  long result;
  switch (x[17]) {
    case SYS_exit: process_exit(a);
    case SYS_fork: result = process_fork(); break;
    case SYS_wait: result = process_wait(a); break;
    case SYS_exec: result = exec(p, a, b); break;
    case SYS_open: result = named(p, SYS_open, a, b); break;
    case SYS_unlink: result = named(p, SYS_unlink, a, 0); break;
    case SYS_close: result = file_close(a); break;
    case SYS_read: result = file_read(a, b, c); break;
    case SYS_write: result = file_write(a, b, c); break;
    case SYS_sbrk: result = grow(p, a); break;
    case SYS_sleep: result = sleep_ticks(p, a); break;
    case SYS_getpid: result = p->id; break;
    case SYS_kill: result = process_kill(a); break;
    case SYS_uptime: result = ticks; break;
    case SYS_pipe: result = file_pipe(a); break;
    case SYS_dup: result = file_dup(a); break;
    case SYS_halt: halt(a & 0xffff);
    case SYS_hart: result = hart_number(); break;
    case SYS_free_pages: result = pages_free(); break;
    case SYS_harts: result = harts_started; break;
    case SYS_lost: result = console_lost; break;
    default:
      print("keel: %s (%d) asks for system call %lu\n", p->name, p->id, x[17]);
      result = -1;
  }
  x[10] = result;
}
