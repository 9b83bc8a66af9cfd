// What programs may expect of the kernel, and the kernel of the machine. usertests [NAME]
#include "user.h"

static const char *running;
#define expect(condition) \
  if (!(condition)) complain("usertests: %s: line %d: not so: " #condition, running, __LINE__)

// Run in a child, and return how that ended.
static int in_child(void (*what)(void)) {
  int code = 99, child = fork();
  if (child == 0) {
    what();
    exit(0);
  }
  expect(child > 0);
  expect(wait(&code) == child);
  return code;
}

static void exit_codes(void) {
  for (int i = 0; i < 20; i++) {
    int code, child = fork();
    if (child == 0) exit(i * 1000003);
    expect(wait(&code) == child && code == i * 1000003);
  }
  expect(wait(0) == -1);
}

static u32 numbers[20000];

static void copy_on_write(void) {
  for (u32 i = 0; i < 20000; i++) numbers[i] = i;
  for (int child = 0; child < 4; child++) {
    if (fork() == 0) {
      for (u32 i = child; i < 20000; i += 7) numbers[i] += child + 1;
      for (u32 i = 0; i < 20000; i++) expect(numbers[i] == i + (i >= child && (i - child) % 7 == 0 ? child + 1 : 0));
      exit(0);
    }
  }
  for (u32 i = 0; i < 20000; i += 1000) numbers[i] = 5;
  for (int code, child = 0; child < 4; child++) expect(wait(&code) > 0 && code == 0);
  for (u32 i = 0; i < 20000; i++) expect(numbers[i] == (i % 1000 ? i : 5));
}

static void memory_grows(void) {
  u64 pages = free_pages();
  char *start = sbrk(0), *memory = sbrk(1 << 20);
  expect(memory == start && free_pages() == pages);
  for (long i = 0; i < 1 << 20; i += 4096) expect(memory[i] == 0);
  memory[(1 << 20) - 1] = 7;
  expect(sbrk(-(1 << 20)) == start + (1 << 20) && sbrk(0) == start);
  expect(sbrk(4096) == start && start[4095] == 0);
  expect(sbrk(-8192) == (void *)-1 && sbrk(1L << 40) == (void *)-1);
  sbrk(-4096);
}

static void all_memory(void) {
  for (;;) {
    volatile char *page = sbrk(4096);
    if (page == (void *)-1) exit(1);
    *page = 1;
  }
}
// It is killed at its first touch of a page that cannot be had.
static void memory_ends(void) { expect(in_child(all_memory) == -1); }

static volatile u64 target;
static void read_null(void) { target = *(volatile u64 *)8; }
static void read_kernel(void) { target = *(volatile u64 *)0x80000000; }
static void read_device(void) { target = *(volatile u8 *)0x10000000; }
static void read_trampoline(void) { target = *(volatile u64 *)0x3ffffff000; }
static void read_far(void) { target = *(volatile u64 *)0x8000000000000000; }
static void write_code(void) { *(volatile u32 *)(u64)write_code = 0; }
static void run_data(void) {
  static u32 code[] = {0x00008067};
  ((void (*)(void))code)();
}
static void illegal(void) { asm volatile(".word 0"); }
static void supervisor_register(void) { asm volatile("csrr t0, sstatus" : : : "t0"); }
static void breakpoint(void) { asm volatile("ebreak"); }
static void machine_return(void) { asm volatile("mret"); }
static void jump_far(void) { ((void (*)(void))0x123456789abcUL)(); }
static int deeper(int depth) {
  volatile char much[1000];
  much[0] = depth;
  return depth < 0 ? 0 : deeper(depth + 1) + much[0];
}
static void overflow(void) { target = deeper(0); }
static void faults(void) {
  static void (*const bad[])(void) = {read_null, read_kernel, read_device, read_trampoline, read_far, write_code, run_data, illegal,
                                      supervisor_register, breakpoint, machine_return, jump_far, overflow};
  for (u32 i = 0; i < sizeof bad / sizeof *bad; i++) expect(in_child(bad[i]) == -1);
}

static void bad_addresses(void) {
  static const u64 bad[] = {0, 8, 0x80000000, 0x10000000, 0x3fffffe000, 0x3ffffff000, 0x4000000000, 0xffffffffffffff00};
  for (u32 i = 0; i < sizeof bad / sizeof *bad; i++) {
    void *address = (void *)bad[i];
    int files[2];
    expect(pipe(files) == 0);
    expect(write(files[1], address, 10) == -1 && write(1, address, 10) == -1);
    expect(write(files[1], "0123456789", 10) == 10);
    expect(read(files[0], address, 10) == -1);
    close(files[0]), close(files[1]);
    expect(open(address, OPEN_READ) == -1 && exec(address, address) == -1 && pipe(address) == -1 && unlink(address) == -1);
    char *const arguments[] = {"echo", address, 0};
    if (address) expect(exec("echo", arguments) == -1);
  }
  // Into code, and across the end of what is there.
  int file = open("usertests", OPEN_READ);
  expect(read(file, (void *)(u64)bad_addresses, 10) == -1);
  char *end = sbrk(0);
  expect(read(file, end - 5, 10) == -1);
  close(file);
}

static void unaligned(void) {
  static u8 bytes[64];
  for (int i = 0; i < 64; i++) bytes[i] = i;
  for (int i = 0; i < 32; i++) {
    u64 word, expected = 0;
    asm volatile("ld %0, 0(%1)" : "=r"(word) : "r"(bytes + i) : "memory");
    for (int j = 7; j >= 0; j--) expected = expected << 8 | (u8)(i + j);
    expect(word == expected);
  }
  // Over a border of pages that have to be got first.
  char *border = sbrk(8192) + 4096 - (u64)sbrk(0) % 4096;
  asm volatile("sd %0, -3(%1)" : : "r"(0x1122334455667788), "r"(border) : "memory");
  expect(border[-3] == (char)0x88 && border[4] == 0x11);
  sbrk(-8192);
}

static char data[3000];
static void fill_data(u32 seed) {
  for (u32 i = 0; i < sizeof data; i++) data[i] = i * 31 + seed;
}

static void files_keep(void) {
  static char back[sizeof data];
  fill_data(1);
  int file = open("test-file", OPEN_WRITE | OPEN_CREATE | OPEN_EMPTY);
  expect(file >= 0);
  for (int i = 0; i < 10; i++) expect(write(file, data, sizeof data) == sizeof data);
  expect(read(file, back, 1) == -1);
  close(file);
  file = open("test-file", OPEN_READ);
  expect(write(file, data, 1) == -1);
  for (int i = 0; i < 10; i++) {
    memset(back, 0, sizeof back);
    expect(read(file, back, sizeof back) == sizeof back && memcmp(back, data, sizeof back) == 0);
  }
  expect(read(file, back, 1) == 0);
  // It stays for who has it open, though its name is gone.
  expect(unlink("test-file") == 0 && open("test-file", OPEN_READ) == -1 && unlink("test-file") == -1);
  close(file);
  expect(open("none", OPEN_READ) == -1 && open("/", OPEN_WRITE) == -1 && open("echo", 0) == -1);
}

static void files_at_once(void) {
  for (int child = 0; child < 6; child++) {
    if (fork() != 0) continue;
    char name[] = "test-0";
    name[5] = '0' + child;
    for (int round = 0; round < 3; round++) {
      static char back[sizeof data];
      fill_data(child * 16 + round);
      int file = open(name, OPEN_READ | OPEN_WRITE | OPEN_CREATE | OPEN_EMPTY);
      expect(file >= 0);
      for (int i = 0; i < 6; i++) expect(write(file, data, sizeof data) == sizeof data);
      close(file);
      file = open(name, OPEN_READ);
      for (int i = 0; i < 6; i++) expect(read(file, back, sizeof back) == sizeof back && memcmp(back, data, sizeof back) == 0);
      close(file);
    }
    expect(unlink(name) == 0);
    exit(0);
  }
  for (int code, child = 0; child < 6; child++) expect(wait(&code) > 0 && code == 0);
}

static void many_files(void) {
  int opened[20], count = 0;
  while (count < 20 && (opened[count] = open("echo", OPEN_READ)) >= 0) count++;
  expect(count == 13);
  while (count) close(opened[--count]);
  expect(close(5) == -1 && close(-1) == -1 && close(1000) == -1 && dup(7) == -1);
}

static void pipes(void) {
  int files[2];
  expect(pipe(files) == 0);
  int child = fork();
  if (child == 0) {
    for (int round = 0; round < 20; round++) {
      fill_data(round);
      expect(write(files[1], data, sizeof data) == sizeof data);
    }
    exit(0);
  }
  close(files[1]);
  static char back[700];
  u64 all = 0;
  for (int count; (count = read(files[0], back, sizeof back)) != 0; all += count) {
    expect(count > 0);
    for (int i = 0; i < count; i++) {
      u64 at = all + i;
      expect(back[i] == (char)(at % sizeof data * 31 + at / sizeof data));
    }
  }
  expect(all == 20 * sizeof data);
  close(files[0]);
  int code;
  expect(wait(&code) == child && code == 0);
  // Nobody reads any more.
  expect(pipe(files) == 0);
  close(files[0]);
  expect(write(files[1], "x", 1) == -1);
  close(files[1]);
}

static void programs(void) {
  char *none[] = {"none", 0}, *text[] = {"readme", 0};
  expect(exec("none", none) == -1 && exec("readme", text) == -1);
  char *much[ARGUMENTS + 2];
  for (int i = 0; i <= ARGUMENTS; i++) much[i] = "word";
  much[ARGUMENTS + 1] = 0;
  expect(exec("echo", much) == -1);
  int files[2], code;
  expect(pipe(files) == 0);
  int child = fork();
  if (child == 0) {
    close(1);
    dup(files[1]);
    char *arguments[] = {"echo", "one", "two", 0};
    exec("echo", arguments);
    exit(1);
  }
  close(files[1]);
  char back[20];
  int length = 0;
  for (int count; (count = read(files[0], back + length, sizeof back - length)) > 0;) length += count;
  close(files[0]);
  expect(length == 8 && memcmp(back, "one two\n", 8) == 0);
  expect(wait(&code) == child && code == 0);
}

static void time_passes(void) {
  u64 start = uptime(), time = time_now();
  expect(sleep(5) == 0);
  u64 slept = uptime() - start, passed = time_now() - time;
  expect(slept >= 5 && passed >= 3 * 100000 && passed < 100 * 10000000UL);
  u64 cycles, instructions;
  asm volatile("rdcycle %0; rdinstret %1" : "=r"(cycles), "=r"(instructions));
  expect(cycles > 0 && instructions > 0);
}

// Who never gives up its hart must not keep it.
static void slices(void) {
  int children[10];
  for (int i = 0; i < 10; i++) {
    children[i] = fork();
    if (children[i] == 0) {
      for (volatile u64 n = 0;; n++) {}
    }
  }
  u64 start = uptime();
  sleep(3);
  expect(uptime() - start < 1000);
  for (int i = 0; i < 10; i++) expect(kill(children[i]) == 0);
  for (int code, i = 0; i < 10; i++) expect(wait(&code) > 0 && code == -1);
  expect(kill(children[0]) == -1);
}

static void killed_while_it_waits(void) {
  int files[2], code;
  expect(pipe(files) == 0);
  int reader = fork();
  if (reader == 0) {
    char c;
    read(files[0], &c, 1);
    exit(0);
  }
  int sleeper = fork();
  if (sleeper == 0) {
    sleep(1000000);
    exit(0);
  }
  sleep(1);
  expect(kill(reader) == 0 && kill(sleeper) == 0);
  expect(wait(&code) > 0 && code == -1 && wait(&code) > 0 && code == -1);
  close(files[0]), close(files[1]);
}

// Each process has its own f0 to f31, whatever others do between its slices.
static void floats(void) {
  for (int child = 0; child < 5; child++) {
    if (fork() != 0) continue;
    double start = child + 1, kept, upper;
    u64 until = uptime() + 6, rounding;
    asm volatile("fmv.d fs5, %0; fmv.d ft9, %0; fsrm %1" : : "f"(start), "r"((u64)child % 5) : "fs5", "ft9");
    while (uptime() < until) {
      asm volatile("fmv.d %0, fs5; fmv.d %1, ft9; frrm %2" : "=f"(kept), "=f"(upper), "=r"(rounding));
      expect(kept == start && upper == start && rounding == child % 5);
    }
    exit(0);
  }
  for (int code, child = 0; child < 5; child++) expect(wait(&code) > 0 && code == 0);
}

static void orphans(void) {
  for (int i = 0; i < 10; i++) {
    if (fork() == 0) {
      fork(), fork();
      exit(0);
    }
    expect(wait(0) > 0);
  }
  // Until init has buried all of them.
  sleep(20);
}

static const struct {
  const char *name;
  void (*run)(void);
} tests[] = {
    {"exit codes", exit_codes},
    {"copy on write", copy_on_write},
    {"memory grows", memory_grows},
    {"memory ends", memory_ends},
    {"faults", faults},
    {"bad addresses", bad_addresses},
    {"unaligned", unaligned},
    {"files keep", files_keep},
    {"files at once", files_at_once},
    {"many files", many_files},
    {"pipes", pipes},
    {"programs", programs},
    {"time passes", time_passes},
    {"slices", slices},
    {"killed while it waits", killed_while_it_waits},
    {"floats", floats},
    {"orphans", orphans},
};

int main(int count, char **arguments) {
  u64 pages = free_pages();
  int passed = 0;
  for (u32 i = 0; i < sizeof tests / sizeof *tests; i++) {
    running = tests[i].name;
    if (count > 1 && !strings_equal(arguments[1], running)) continue;
    int code = in_child(tests[i].run);
    say("usertests: %s: %s\n", running, code == 0 ? "good" : "FAILED");
    if (code != 0) return 1;
    passed++;
  }
  if (free_pages() != pages) complain("usertests: %ld pages are lost", pages - free_pages());
  say("usertests: %d good\n", passed);
  return 0;
}
