// Bare metal in M-mode: tries every semihosting operation and says what came of it, on the terminal of semihosting itself.
typedef unsigned long u64;
typedef long i64;
typedef unsigned char u8;

static i64 call(u64 operation, const void *block) {
  register u64 a0 asm("a0") = operation;
  register const void *a1 asm("a1") = block;
  asm volatile(".option push\n.option norvc\n.balign 16\nslli x0,x0,0x1f\nebreak\nsrai x0,x0,7\n.option pop" : "+r"(a0) : "r"(a1) : "memory");
  return a0;
}

static u64 length(const char *text) {
  u64 n = 0;
  while (text[n]) n++;
  return n;
}
static char line[256];
static u64 used;
static void put(const char *text) {
  while (*text) line[used++] = *text++;
}
static void number(i64 value) {
  if (value < 0) {
    put("-");
    value = -value;
  }
  char digits[24];
  int n = 0;
  do digits[n++] = '0' + value % 10;
  while (value /= 10);
  while (n) line[used++] = digits[--n];
}
static void flush(void) {
  line[used++] = '\n';
  line[used] = 0;
  used = 0;
  call(4, line);
}
static i64 error(void) { return call(0x13, 0); }
/** NAME: result, and the error where it is one. */
static i64 say(const char *name, i64 result) {
  i64 why = result == -1 ? error() : 0;
  put(name);
  put(": ");
  number(result);
  if (why) {
    put(" error ");
    number(why);
  }
  flush();
  return result;
}
static i64 call3(u64 operation, u64 a, u64 b, u64 c) {
  u64 block[4] = {a, b, c, 0};
  return call(operation, block);
}
static i64 open(const char *name, u64 mode) { return call3(1, (u64)name, mode, length(name)); }
static i64 remove(const char *name) { return call3(0x0e, (u64)name, length(name), 0); }
static i64 rename(const char *from, const char *to) {
  u64 block[4] = {(u64)from, length(from), (u64)to, length(to)};
  return call(0x0f, block);
}
static void show(const char *name, const char *bytes, u64 n) {
  put(name);
  put(": [");
  for (u64 i = 0; i < n; i++) line[used++] = bytes[i] >= ' ' && bytes[i] <= '~' ? bytes[i] : '.';
  put("]");
  flush();
}

static char buffer[200000];

void main(void) {
  call(4, "hello\n");
  call(3, "x");
  call(3, "\n");
  i64 out = open(":tt", 4), in = open(":tt", 0), err = open(":tt", 8);
  say("terminal opens", out > 0 && in > 0 && err > 0);
  say("write to it", call3(5, out, (u64) "by handle\n", 10));
  say("write to stderr", call3(5, err, (u64) "error\n", 6));
  say("is a terminal", call3(9, out, 0, 0));
#ifdef INPUT
  say("read a line", call3(6, in, (u64)buffer, 3));
  show("it was", buffer, 3);
  say("read a character", call(7, 0));
#endif

  i64 file = open("made", 4);
  say("made", file > 0);
  say("written", call3(5, file, (u64) "0123456789", 10));
  say("length", call3(0x0c, file, 0, 0));
  say("no terminal", call3(9, file, 0, 0) != 1);
  say("read what is for writing", call3(6, file, (u64)buffer, 4));
  say("closed", call3(2, file, 0, 0));
  say("closed again", call3(2, file, 0, 0));
  say("written when closed", call3(5, file, (u64) "0", 1));
  say("length when closed", call3(0x0c, file, 0, 0));
  say("seek when closed", call3(0x0a, file, 0, 0));

  file = open("made", 0);
  say("read", call3(6, file, (u64)buffer, 4));
  show("it was", buffer, 4);
  say("seek", call3(0x0a, file, 8, 0));
  say("read to the end", call3(6, file, (u64)buffer, 10));
  show("it was", buffer, 2);
  say("read at the end", call3(6, file, (u64)buffer, 10));
  say("write what is for reading", call3(5, file, (u64) "0", 1));
  call3(2, file, 0, 0);

  file = open("made", 2);
  say("seek", call3(0x0a, file, 2, 0));
  say("overwrite", call3(5, file, (u64) "ab", 2));
  call3(0x0a, file, 0, 0);
  say("read all", call3(6, file, (u64)buffer, 10));
  show("it was", buffer, 10);
  call3(2, file, 0, 0);
  file = open("made", 8);
  say("append", call3(5, file, (u64) "++", 2));
  say("length of both", call3(0x0c, file, 0, 0));
  call3(2, file, 0, 0);

  for (u64 i = 0; i < sizeof buffer; i++) buffer[i] = i * 7;
  file = open("large", 6);
  say("write much", call3(5, file, (u64)buffer, sizeof buffer));
  call3(0x0a, file, 0, 0);
  for (u64 i = 0; i < sizeof buffer; i++) buffer[i] = 0;
  say("read much", call3(6, file, (u64)buffer, sizeof buffer));
  i64 wrong = 0;
  for (u64 i = 0; i < sizeof buffer; i++) wrong += (u8)buffer[i] != (u8)(i * 7);
  say("wrong", wrong);
  call3(2, file, 0, 0);

  say("open what there is not", open("none", 0));
  say("open a folder for writing", open("folder", 4));
  file = open("folder/inside", 0);
  say("open below a folder", file > 0);
  say("read", call3(6, file, (u64)buffer, 6));
  show("it was", buffer, 6);
  call3(2, file, 0, 0);
  say("open below a file", open("made/x", 0));
  say("rename", rename("made", "folder/moved"));
  say("rename what there is not", rename("made", "x"));
  say("remove", remove("folder/moved"));
  say("remove again", remove("folder/moved"));
  say("mode that there is not", open("large", 12) == -1);

  say("is an error", call3(8, -1, 0, 0) != 0);
  say("is none", call3(8, 5, 0, 0));
  u64 features[1] = {0};
  file = open(":semihosting-features", 0);
  say("features", call3(6, file, (u64)features, 5));
  show("they are", (char *)features, 4);
  say("which", ((u8 *)features)[4]);
  say("length", call3(0x0c, file, 0, 0));
  call3(2, file, 0, 0);

  u64 line_block[2] = {(u64)buffer, 100};
  say("command line", call(0x15, line_block));
  show("it is", buffer, line_block[1]);
  u64 short_block[2] = {(u64)buffer, 3};
  say("command line without room", call(0x15, short_block));
  say("name of a temporary file", call3(0x0d, (u64)buffer, 1, 100));
  say("it has one", length(buffer) > 4);
  say("without room", call3(0x0d, (u64)buffer, 1, 4));
  u64 heap[4] = {0}, *heap_block[1] = {heap};
  say("heap", call(0x16, heap_block));
  say("in memory", heap[0] >= 0x80000000 && heap[1] > heap[0] && heap[2] == heap[1] && heap[3] <= heap[0]);
  i64 hundredths = call(0x10, 0);
  say("clock", hundredths >= 0 && hundredths < 100000);
  say("time", call(0x11, 0) > 1700000000);
  u64 ticks[1] = {0}, later[1] = {0};
  say("elapsed", call(0x30, ticks));
  call(0x30, later);
  say("forward", later[0] > ticks[0] && later[0] < 100000000000);
  say("frequency", call(0x31, 0));
  say("cache", call(0x19, 0));
  say("nowhere", call(0x0c, (void *)0x100));
  say("write from nowhere", call3(5, out, 0x100, 10));
  say("read to nowhere", call3(6, in, 0x100, 10));
  u64 exit[2] = {0x20026, 7};
  call(0x20, exit);
  call(4, "still there\n");
  for (;;)
    ;
}
