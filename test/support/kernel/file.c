// Open files: the console, what the disk has, and pipes.
#include "kernel.h"
#include "system.h"

#define FILES 128
#define PIPE_SIZE 512
struct pipe {
  struct lock lock;
  u64 put, taken;
  int readers, writers;
  char data[PIPE_SIZE];
};
struct file {
  enum { CONSOLE, NODE, PIPE } kind;
  int users, readable, writable;
  u64 offset;
  struct node *node;
  struct pipe *pipe;
};

static struct lock lock = {.name = "files"};
static struct file files[FILES];

static struct file *file_new(int kind, int flags) {
  struct file *file = 0;
  acquire(&lock);
  for (int i = 0; i < FILES && !file; i++) {
    if (files[i].users == 0) file = &files[i];
  }
  if (file) *file = (struct file){.kind = kind, .users = 1, .readable = flags & OPEN_READ, .writable = (flags & OPEN_WRITE) != 0};
  release(&lock);
  return file;
}

void file_share(struct file *file) {
  acquire(&lock);
  file->users++;
  release(&lock);
}

static void pipe_drop(struct pipe *pipe, int writer) {
  acquire(&pipe->lock);
  if (writer) pipe->writers--;
  else pipe->readers--;
  int rest = pipe->readers + pipe->writers;
  wake(&pipe->put);
  wake(&pipe->taken);
  release(&pipe->lock);
  if (!rest) page_drop(pipe);
}

void file_drop(struct file *file) {
  acquire(&lock);
  struct file was = *file;
  file->users--;
  release(&lock);
  if (was.users > 1) return;
  if (was.kind == NODE) node_close(was.node);
  if (was.kind == PIPE) pipe_drop(was.pipe, was.writable);
}

static int number_of(struct file *file) {
  struct process *p = this_process();
  for (int i = 0; file && i < FILES_OPEN; i++) {
    if (p->files[i]) continue;
    p->files[i] = file;
    return i;
  }
  return -1;
}

static struct file *file_of(int number) { return number < 0 || number >= FILES_OPEN ? 0 : this_process()->files[number]; }

int file_open(const char *name, int flags) {
  if (!(flags & (OPEN_READ | OPEN_WRITE))) return -1;
  int is_console = strings_equal(name, "console");
  struct node *node = is_console ? 0 : node_open(name, flags & OPEN_CREATE);
  if (!is_console && !node) return -1;
  int is_directory = strings_equal(name, "/");
  struct file *file = is_directory && (flags & OPEN_WRITE) ? 0 : file_new(is_console ? CONSOLE : NODE, flags);
  if (!file) {
    if (node) node_close(node);
    return -1;
  }
  file->node = node;
  if (node && (flags & OPEN_WRITE) && (flags & OPEN_EMPTY)) node_empty(node);
  int number = number_of(file);
  if (number < 0) file_drop(file);
  return number;
}

// Stores the two numbers, of which the first reads what is written to the second.
int file_pipe(u64 to) {
  struct pipe *pipe = page_new();
  struct file *ends[2] = {0, 0};
  int numbers[2] = {-1, -1};
  if (pipe) {
    pipe->lock.name = "pipe";
    pipe->readers = pipe->writers = 1;
    ends[0] = file_new(PIPE, OPEN_READ);
    ends[1] = file_new(PIPE, OPEN_WRITE);
  }
  if (!ends[0] || !ends[1]) {
    for (int i = 0; i < 2; i++) {
      if (ends[i]) ends[i]->users = 0;
    }
    if (pipe) page_drop(pipe);
    return -1;
  }
  for (int i = 0; i < 2; i++) {
    ends[i]->pipe = pipe;
    numbers[i] = number_of(ends[i]);
  }
  if (numbers[1] >= 0 && copy_out(this_process(), to, numbers, sizeof numbers)) return 0;
  for (int i = 0; i < 2; i++) {
    if (numbers[i] >= 0) this_process()->files[numbers[i]] = 0;
    file_drop(ends[i]);
  }
  return -1;
}

int file_dup(int number) {
  struct file *file = file_of(number);
  int copy = number_of(file);
  if (copy >= 0) file_share(file);
  return copy;
}

int file_close(int number) {
  struct file *file = file_of(number);
  if (!file) return -1;
  this_process()->files[number] = 0;
  file_drop(file);
  return 0;
}

static int pipe_read(struct pipe *pipe, struct process *p, u64 to, u64 length) {
  u64 count = 0;
  acquire(&pipe->lock);
  while (pipe->put == pipe->taken && pipe->writers && !p->killed) sleep(&pipe->put, &pipe->lock);
  while (count < length && pipe->taken != pipe->put) {
    if (!copy_out(p, to + count, &pipe->data[pipe->taken % PIPE_SIZE], 1)) break;
    pipe->taken++, count++;
  }
  int failed = p->killed || (count < length && pipe->taken != pipe->put);
  wake(&pipe->taken);
  release(&pipe->lock);
  return failed ? -1 : (int)count;
}

static int pipe_write(struct pipe *pipe, struct process *p, u64 from, u64 length) {
  int failed = 0;
  acquire(&pipe->lock);
  for (u64 count = 0; count < length && !failed; count++) {
    while (pipe->put - pipe->taken == PIPE_SIZE && pipe->readers && !p->killed) {
      wake(&pipe->put);
      sleep(&pipe->taken, &pipe->lock);
    }
    failed = !pipe->readers || p->killed || !copy_in(p, &pipe->data[pipe->put % PIPE_SIZE], from + count, 1);
    if (!failed) pipe->put++;
  }
  wake(&pipe->put);
  release(&pipe->lock);
  return failed ? -1 : (int)length;
}

int file_read(int number, u64 to, u64 length) {
  struct file *file = file_of(number);
  struct process *p = this_process();
  if (!file || !file->readable || length > 1 << 30) return -1;
  if (file->kind == CONSOLE) return console_read(p, to, length);
  if (file->kind == PIPE) return pipe_read(file->pipe, p, to, length);
  int count = node_read(file->node, p, (void *)to, file->offset, length);
  if (count > 0) file->offset += count;
  return count;
}

int file_write(int number, u64 from, u64 length) {
  struct file *file = file_of(number);
  struct process *p = this_process();
  if (!file || !file->writable || length > 1 << 30) return -1;
  if (file->kind == CONSOLE) return console_write(p, from, length);
  if (file->kind == PIPE) return pipe_write(file->pipe, p, from, length);
  int count = node_write(file->node, p, (void *)from, file->offset, length);
  if (count > 0) file->offset += count;
  return count;
}
