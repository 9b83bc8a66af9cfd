#pragma once
#include "../system.h"
#include "../text.h"

void exit(int code) __attribute__((noreturn));
int fork(void);
int wait(int *code);
int exec(const char *name, char *const *arguments);
int open(const char *name, int flags);
int close(int file);
int read(int file, void *to, u64 length);
int write(int file, const void *from, u64 length);
int unlink(const char *name);
void *sbrk(long bytes);
int sleep(int ticks);
int getpid(void);
int kill(int id);
u64 uptime(void);
int pipe(int *files);
int dup(int file);
void halt(int code) __attribute__((noreturn));
int hart(void);
u64 free_pages(void);
u64 lost(void);
int harts(void);

// lib.c
void say(const char *text, ...);
void complain(const char *text, ...) __attribute__((noreturn));
long number(const char *text);
int read_line(char *line, u64 length);
u32 add_to_sum(u32 sum, const void *data, u64 length);
u64 random_word(u64 *state);

static inline u64 time_now(void) {
  u64 time;
  asm volatile("rdtime %0" : "=r"(time));
  return time;
}
