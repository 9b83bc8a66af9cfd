// A program without an operating system that does what its command line says, word by word, and prints what it finds:
// what one command line makes of a machine, here and on QEMU. Without words it says hello and switches off.
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long u64;

#define FINISHER (*(volatile u32 *)0x100000)
#define UART ((volatile u8 *)0x10000000)
#define VIRTIO(slot) ((volatile u32 *)(0x10001000UL + (slot) * 0x1000UL))
#define FW_CFG ((volatile u8 *)0x10100000)
#define ECAM ((volatile u32 *)0x30000000UL)

volatile u32 alive = 1, trapped;

static void put(char c) {
  while (!(UART[5] & 0x20)) {
  }
  UART[0] = c;
}
static void text(const char *s) {
  while (*s) put(*s++);
}
static void hex(u64 v) {
  text("0x");
  int shift = 60;
  while (shift > 0 && !(v >> shift)) shift -= 4;
  for (; shift >= 0; shift -= 4) put("0123456789abcdef"[(v >> shift) & 15]);
}
static void number(const char *what, u64 v) {
  text(what);
  put(' ');
  hex(v);
  put('\n');
}
static int same(const char *a, const char *b) {
  while (*a && *a == *b) a++, b++;
  return *a == *b;
}
static int begins(const char *s, const char *with) {
  while (*with) if (*s++ != *with++) return 0;
  return 1;
}
static u64 parse(const char *s) {
  u64 v = 0;
  for (; *s >= '0' && *s <= '9'; s++) v = v * 10 + (*s - '0');
  return v;
}

// The device tree (devicetree.org, flattened format), as far as the probe needs it.
static u32 be(const u8 *p) { return p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3]; }
static u64 be64(const u8 *p) { return (u64)be(p) << 32 | be(p + 4); }
static const u8 *tree;
static u32 cpus;
static u64 memory_base, memory_size, initrd_start, initrd_end;
static const char *arguments = "", *isa = "", *model = "";

static void readTree(void) {
  const u8 *p = tree + be(tree + 8);
  const char *names = (const char *)tree + be(tree + 12);
  const char *node = "";
  for (;;) {
    u32 token = be(p);
    p += 4;
    if (token == 1) {
      node = (const char *)p;
      if (begins(node, "cpu@")) cpus++;
      while (*p++) {
      }
      p = (const u8 *)(((u64)p + 3) & ~3UL);
    } else if (token == 3) {
      u32 length = be(p);
      const char *name = names + be(p + 4);
      const u8 *value = p + 8;
      if (begins(node, "memory@") && same(name, "reg")) memory_base = be64(value), memory_size = be64(value + 8);
      if (same(node, "chosen") && same(name, "bootargs")) arguments = (const char *)value;
      if (same(node, "chosen") && same(name, "linux,initrd-start")) initrd_start = length == 8 ? be64(value) : be(value);
      if (same(node, "chosen") && same(name, "linux,initrd-end")) initrd_end = length == 8 ? be64(value) : be(value);
      if (begins(node, "cpu@") && same(name, "riscv,isa")) isa = (const char *)value;
      if (!*node && same(name, "model")) model = (const char *)value;
      p = value + ((length + 3) & ~3U);
    } else if (token == 9) {
      return;
    }
  }
}

static void end(u32 word) {
  FINISHER = word;
  for (;;) {
  }
}

// A virtio disk (virtio 1.2, §4.2 and §5.2; version 1 is the legacy interface).
static u8 ring[3 * 4096] __attribute__((aligned(4096)));
static struct { u32 type, zero; u64 sector; } request;
static u8 sector[512] __attribute__((aligned(16))), status;
static u32 turn;

static void transfer(int slot, int write) {
  volatile u32 *r = VIRTIO(slot);
  u32 version = r[1];
  for (u32 i = 0; i < sizeof ring; i++) ring[i] = 0;
  r[0x70 / 4] = 0;
  r[0x70 / 4] = 3;
  r[0x24 / 4] = 0;
  r[0x20 / 4] = 0;
  if (version > 1) {
    r[0x24 / 4] = 1;
    r[0x20 / 4] = 1;
    r[0x70 / 4] = 11;
  } else r[0x28 / 4] = 4096;
  r[0x30 / 4] = 0;
  r[0x38 / 4] = 4;
  u64 at = (u64)ring;
  if (version > 1) {
    r[0x80 / 4] = at, r[0x84 / 4] = at >> 32;
    r[0x90 / 4] = at + 64, r[0x94 / 4] = at >> 32;
    r[0xa0 / 4] = at + 4096, r[0xa4 / 4] = at >> 32;
    r[0x44 / 4] = 1;
  } else {
    r[0x3c / 4] = 4096;
    r[0x40 / 4] = at / 4096;
  }
  r[0x70 / 4] = version > 1 ? 15 : 7;
  request.type = write;
  request.sector = 0;
  status = 0xff;
  volatile struct { u64 address; u32 length; u16 flags, next; } *d = (void *)ring;
  d[0].address = (u64)&request, d[0].length = 16, d[0].flags = 1, d[0].next = 1;
  d[1].address = (u64)sector, d[1].length = 512, d[1].flags = write ? 1 : 3, d[1].next = 2;
  d[2].address = (u64)&status, d[2].length = 1, d[2].flags = 2, d[2].next = 0;
  volatile u16 *available = (u16 *)(ring + 64), *used = (u16 *)(ring + 4096);
  available[2] = 0;
  __sync_synchronize();
  available[1] = 1;
  __sync_synchronize();
  r[0x50 / 4] = 0;
  for (turn = 0; used[1] == 0 && turn < 200000000; turn++) {
  }
  r[0x70 / 4] = 0;
}

static void disks(int write) {
  for (int slot = 0; slot < 8; slot++) {
    volatile u32 *r = VIRTIO(slot);
    if (r[0] != 0x74726976 || r[2] != 2) continue;
    text("disk in slot ");
    hex(slot);
    text(", version ");
    hex(r[1]);
    text(", sectors ");
    hex(*(volatile u64 *)(r + 0x40) );
    if (write) {
      for (int i = 0; i < 512; i++) sector[i] = 'w';
      transfer(slot, 1);
      text(", write ");
      hex(status);
    }
    transfer(slot, 0);
    text(", read ");
    hex(status);
    put(' ');
    for (int i = 0; i < 8; i++) put(sector[i] >= ' ' && sector[i] < 127 ? sector[i] : '.');
    put('\n');
  }
}

static void virtioDevices(void) {
  for (int slot = 0; slot < 8; slot++) {
    volatile u32 *r = VIRTIO(slot);
    if (r[2] == 0) continue;
    text("slot ");
    hex(slot);
    number(": device", r[2]);
  }
}

static void macs(void) {
  for (int slot = 7; slot >= 0; slot--) {
    volatile u32 *r = VIRTIO(slot);
    if (r[2] != 1) continue;
    text("adapter");
    for (int i = 0; i < 6; i++) put(' '), hex(((volatile u8 *)r)[0x100 + i]);
    put('\n');
  }
}

static void pci(void) {
  for (int device = 1; device < 32; device++) {
    u32 id = ECAM[device << 13];
    if (id == 0xffffffff) continue;
    text("pci ");
    hex(device);
    number(":", id);
  }
}

static void item(const char *name) {
  *(volatile u16 *)(FW_CFG + 8) = 0x1900;
  u32 count = 0;
  for (int i = 0; i < 4; i++) count = count << 8 | FW_CFG[0];
  u32 size = 0, key = 0;
  for (u32 n = 0; n < count; n++) {
    u8 entry[64];
    for (int i = 0; i < 64; i++) entry[i] = FW_CFG[0];
    if (same((char *)entry + 8, name)) size = be(entry), key = entry[4] << 8 | entry[5];
  }
  text(name);
  text(": ");
  if (key) *(volatile u16 *)(FW_CFG + 8) = key >> 8 | (key & 255) << 8;
  for (u32 i = 0; key && i < size; i++) put(FW_CFG[0]);
  put('\n');
}

static void echo(void) {
  for (;;) {
    while (!(UART[5] & 1)) {
    }
    u8 c = UART[0];
    put(c == '\r' ? '\n' : c);
    if (c == '\n' || c == '\r') return;
  }
}

#ifdef MACHINE
#define TRY(name, code)                                   \
  if (same(word, "try=" name)) {                          \
    trapped = 0;                                          \
    asm volatile(code ::: "t0", "t1", "a0", "a1", "memory"); \
    number(name, trapped);                                \
  }
static long semihosting(long operation, const void *parameter) {
  register long a0 asm("a0") = operation;
  register const void *a1 asm("a1") = parameter;
  asm volatile(".option push\n.option norvc\n.balign 16\nslli zero, zero, 0x1f\nebreak\nsrai zero, zero, 7\n.option pop"
               : "+r"(a0) : "r"(a1) : "memory");
  return a0;
}
static void semihostingArguments(void) {
  static char line[128];
  struct { char *buffer; u64 length; } block = {line, sizeof line};
  u64 result = semihosting(0x15, &block);
  text("arguments ");
  hex(result);
  put(' ');
  text(line);
  put('\n');
}
#endif

static void obey(const char *word) {
  if (same(word, "hello")) text("hello\n");
  else if (same(word, "cpus")) number("cpus", cpus);
  else if (same(word, "alive")) {
    for (u64 i = 0; alive < cpus && i < 300000000; i++) {
    }
    number("alive", alive);
  } else if (same(word, "memory")) {
    number("memory", memory_base);
    number("bytes", memory_size);
  } else if (same(word, "top")) {
    volatile u64 *last = (u64 *)(memory_base + memory_size - 8);
    *last = 0x123456789abcdefUL;
    number("top", *last);
  } else if (same(word, "isa")) {
    text(isa);
    put('\n');
  } else if (same(word, "devices")) virtioDevices();
  else if (same(word, "macs")) macs();
  else if (same(word, "pci")) pci();
  else if (same(word, "disks")) disks(0);
  else if (same(word, "write")) disks(1);
  else if (begins(word, "item=")) item(word + 5);
  else if (same(word, "initrd")) {
    number("initrd", initrd_end - initrd_start);
    for (u64 at = initrd_start; at < initrd_end; at++) put(*(u8 *)at);
  } else if (begins(word, "peek=")) {
    number("peek", *(volatile u32 *)(parse(word + 5) << 12));
  } else if (same(word, "echo")) echo();
  else if (same(word, "forever")) {
    for (;;) asm volatile("wfi");
  } else if (same(word, "spin")) {
    for (;;) {
    }
  } else if (same(word, "reset")) end(0x7777);
  else if (begins(word, "fail=")) end((u32)parse(word + 5) << 16 | 0x3333);
  else if (same(word, "off")) end(0x5555);
#ifdef MACHINE
  else if (same(word, "semi")) semihosting(4, "by semihosting\n");
  else if (same(word, "arguments")) semihostingArguments();
  else if (begins(word, "semiexit=")) {
    struct { u64 reason, code; } block = {0x20026, parse(word + 9)};
    semihosting(0x20, &block);
  } else {
    TRY("zba", ".word 0x20a52533")   // sh1add a0, a0, a0
    TRY("zbb", ".word 0x60051513")   // clz a0, a0
    TRY("zbc", ".word 0x0ab51533")   // clmul a0, a0, a1
    TRY("zbs", ".word 0x48a51533")   // bclr a0, a0, a0
    TRY("sstc", "csrr t0, 0x14d")
    TRY("f", "csrr t0, mstatus\n li t1, 0x2000\n csrs mstatus, t1\n fmv.w.x ft0, zero")
    TRY("v", ".word 0x57")
    TRY("nothing", ".word 0xffffffff")
  }
#endif
}

void probe(u64 hart, const u8 *blob) {
  (void)hart;
  tree = blob;
  readTree();
  text("--- probe\n");
  static char words[512];
  const char *from = *arguments ? arguments : "hello";
  char *to = words;
  while (*from && to < words + sizeof words - 1) *to++ = *from++;
  *to = 0;
  for (char *word = words; *word;) {
    char *next = word;
    while (*next && *next != ' ') next++;
    if (*next) *next++ = 0;
    obey(word);
    word = next;
  }
  end(0x5555);
}
