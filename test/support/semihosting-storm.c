// Bare metal in M-mode: thousands of semihosting calls with arguments that make no sense, then one that ends the machine.
typedef unsigned long u64;
typedef long i64;

static i64 call(u64 operation, u64 block) {
  register u64 a0 asm("a0") = operation;
  register u64 a1 asm("a1") = block;
  asm volatile(".option push\n.option norvc\n.balign 16\nslli x0,x0,0x1f\nebreak\nsrai x0,x0,7\n.option pop" : "+r"(a0) : "r"(a1) : "memory");
  return a0;
}
static u64 state = SEED;
static u64 random(void) {
  state ^= state << 13;
  state ^= state >> 7;
  return state ^= state << 17;
}
static char area[8192];
static const char *const names[] = {"made", "../secret", "/", "folder/../../secret", ":tt", ":semihosting-features", "folder", "link", "a\xff\xfe", ""};
static u64 any(void) {
  switch (random() % 12) {
  case 0: return random();
  case 1: return (u64)area + random() % sizeof area;
  case 2: return (u64)names[random() % (sizeof names / sizeof *names)];
  // Not in the program itself, which an answer there would end.
  case 3: return 0x80100000 + random() % 0x1000;
  case 4: return -(random() % 64);
  case 5: return 0x10000000 + random() % 16;
  case 6: return 0x80ffffff - random() % 16;
  case 7: return 0x7fffffffffffffff;
  case 8: return (u64)area;
  default: return random() % 24;
  }
}
void main(void) {
  for (int i = 0; i < 3000; i++) {
    u64 operation = random() % 16 ? random() % 0x34 : random();
    // Not those that end the machine, or wait for keys.
    if (operation == 0x18 || operation == 0x20 || operation == 7) continue;
    u64 block[4] = {any(), any(), any(), any()};
    if (operation == 6 && block[0] < 64) block[0] = 64;
    call(operation, random() % 16 ? (u64)block : any());
  }
  u64 exit[2] = {0x20026, 42};
  call(0x18, (u64)exit);
  for (;;);
}
