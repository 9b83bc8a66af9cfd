// Some processes do what comes, for a number of ticks: files, pipes, memory, children, kills. grind TICKS [SEED]
#include "user.h"

static u64 state;
static u32 below(u32 limit) { return random_word(&state) % limit; }

static void use_file(void) {
  char name[] = "grind-a", data[1500], read_back[1500];
  name[6] = 'a' + getpid() % 20;
  u32 length = 1 + below(sizeof data);
  for (u32 i = 0; i < length; i++) data[i] = below(256);
  int file = open(name, OPEN_READ | OPEN_WRITE | OPEN_CREATE | OPEN_EMPTY);
  if (file < 0) return;
  // Others may write it at the same time: what comes back need not be ours, but must come.
  if (write(file, data, length) < 0) say("grind: the disk is full\n");
  close(file);
  file = open(name, OPEN_READ);
  if (file >= 0) {
    while (read(file, read_back, sizeof read_back) > 0) {}
    close(file);
  }
  if (below(2)) unlink(name);
}

static void use_memory(void) {
  long bytes = 1 + below(200000);
  char *memory = sbrk(bytes);
  if (memory == (char *)-1) return;
  for (long i = 0; i < bytes; i += 1 + below(9000)) memory[i] = i;
  int child = fork();
  if (child == 0) {
    for (long i = 0; i < bytes; i += 1 + below(9000)) memory[i] = 1;
    exit(0);
  }
  if (child > 0) wait(0);
  sbrk(-bytes);
}

static void use_pipe(void) {
  int files[2];
  if (pipe(files) < 0) return;
  u32 length = below(3000), sum = 0, got = 0;
  int child = fork();
  if (child == 0) {
    for (u32 i = 0; i < length; i++) {
      u8 byte = i * 7;
      write(files[1], &byte, 1);
    }
    exit(0);
  }
  close(files[1]);
  u8 part[100];
  for (int count; (count = read(files[0], part, sizeof part)) > 0; got += count) {
    for (int i = 0; i < count; i++) sum += part[i] != (u8)((got + i) * 7);
  }
  close(files[0]);
  if (child > 0) wait(0);
  if (sum || (child > 0 && got != length)) complain("grind: a pipe brought %u of %u, %u wrong", got, length, sum);
}

static void kill_one(void) {
  int child = fork();
  if (child == 0) {
    for (;;) getpid();
  }
  if (child < 0) return;
  if (below(2)) sleep(below(3));
  kill(child);
  int code = 0;
  wait(&code);
  if (code != -1) complain("grind: a killed child ended with %d", code);
}

static void run_program(void) {
  char *arguments[] = {"echo", 0};
  int child = fork();
  if (child == 0) {
    close(1);
    exec("echo", arguments);
    exit(9);
  }
  int code = 0;
  if (child > 0 && wait(&code) == child && code != 0) complain("grind: echo ended with %d", code);
}

int main(int count, char **arguments) {
  u64 until = uptime() + (count > 1 ? number(arguments[1]) : 100);
  u64 seed = count > 2 ? number(arguments[2]) : 1, pages = free_pages();
  int failed = 0, code;
  for (int i = 0; i < 4; i++) {
    if (fork() != 0) continue;
    state = (seed * 4 + i + 1) * 0x9e3779b97f4a7c15;
    while (uptime() < until) {
      static void (*const acts[])(void) = {use_file, use_memory, use_pipe, kill_one, run_program};
      acts[below(5)]();
    }
    exit(0);
  }
  while (wait(&code) >= 0) failed |= code;
  for (char name[] = "grind-a"; name[6] < 'a' + 20; name[6]++) unlink(name);
  if (failed || free_pages() != pages) complain("grind: failed, %ld pages lost", pages - free_pages());
  say("grind: good\n");
  return 0;
}
