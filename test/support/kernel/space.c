// Address spaces of Sv39 (privileged spec §10.4): one for the kernel, in which memory lies where it is, and one for each process.
#include "kernel.h"

#define SV39 (8UL << 60)
#define MEGAPAGE (2UL << 20)
#define TO_PTE(address) ((u64)(address) >> 12 << 10)
#define FROM_PTE(pte) ((u64)(pte) >> 10 << 12)
#define LEAF (PTE_R | PTE_W | PTE_X)

extern char entry[], kernel_code_end[];
static u64 *kernel_space;

u64 space_root(u64 *space) { return SV39 | (u64)space >> 12; }

// The entry for an address at a level (2: 1 GiB, 0: 4 KiB), or 0: there is no table for it, or no page for one.
static u64 *entry_of(u64 *table, u64 address, int level, int make) {
  for (int at = 2;; at--) {
    u64 *entry = &table[address >> (12 + 9 * at) & 511];
    if (at == level) return entry;
    if (!(*entry & PTE_V)) {
      void *next = make ? page_new() : 0;
      if (!next) return 0;
      *entry = TO_PTE(next) | PTE_V;
    }
    table = (u64 *)FROM_PTE(*entry);
  }
}

int space_map(u64 *space, u64 address, u64 physical, u64 length, u64 flags) {
  for (u64 done = 0; done < length;) {
    int large = !(flags & PTE_U) && length - done >= MEGAPAGE && ((address + done) | (physical + done)) % MEGAPAGE == 0;
    u64 *entry = entry_of(space, address + done, large, 1);
    if (!entry) return 0;
    if (*entry & PTE_V) panic("%x is mapped twice", address + done);
    *entry = TO_PTE(physical + done) | flags | PTE_V;
    done += large ? MEGAPAGE : PAGE;
  }
  return 1;
}

void kernel_space_start(void) {
  kernel_space = page_new();
  const u64 data = PTE_R | PTE_W | PTE_A | PTE_D, code = PTE_R | PTE_X | PTE_A;
  space_map(kernel_space, FINISHER, FINISHER, PAGE, data);
  space_map(kernel_space, CLINT, CLINT, 0x10000, data);
  space_map(kernel_space, PLIC, PLIC, 0x400000, data);
  space_map(kernel_space, UART, UART, PAGE, data);
  space_map(kernel_space, DISK, DISK, PAGE, data);
  u64 start = (u64)entry, end = (u64)kernel_code_end;
  space_map(kernel_space, start, start, end - start, code);
  space_map(kernel_space, end, end, RAM_END - end, data);
  space_map(kernel_space, TRAMPOLINE, (u64)trampoline, PAGE, code);
}

void kernel_space_enter(void) {
  asm volatile("sfence.vma" : : : "memory");
  write_csr(satp, space_root(kernel_space));
  asm volatile("sfence.vma" : : : "memory");
}

// An address space with nothing but what every process has, or 0.
u64 *space_new(void *frame) {
  u64 *space = page_new();
  if (!space) return 0;
  if (space_map(space, TRAMPOLINE, (u64)trampoline, PAGE, PTE_R | PTE_X) && space_map(space, FRAME, (u64)frame, PAGE, PTE_R | PTE_W)) {
    return space;
  }
  space_drop(space);
  return 0;
}

static void drop_table(u64 *table) {
  for (int i = 0; i < 512; i++) {
    u64 entry = table[i];
    if (!(entry & PTE_V)) continue;
    if (!(entry & LEAF)) drop_table((u64 *)FROM_PTE(entry));
    else if (entry & PTE_U) page_drop((void *)FROM_PTE(entry));
  }
  page_drop(table);
}

// With its pages, but without the frame and the trampoline.
void space_drop(u64 *space) { drop_table(space); }

// Both spaces have the pages of the first below `end` from now on; the first that stores to one gets a copy.
int space_copy(u64 *from, u64 *to, u64 end) {
  for (u64 address = USER_BASE; address < end; address += PAGE) {
    u64 *entry = entry_of(from, address, 0, 0);
    if (!entry || !(*entry & PTE_V)) continue;
    if (*entry & PTE_W) *entry = (*entry & ~(PTE_W | PTE_D)) | PTE_COPY;
    u64 *copy = entry_of(to, address, 0, 1);
    if (!copy) return 0;
    page_share((void *)FROM_PTE(*entry));
    *copy = *entry;
  }
  return 1;
}

void space_trim(u64 *space, u64 from, u64 to) {
  for (u64 address = from; address < to; address += PAGE) {
    u64 *entry = entry_of(space, address, 0, 0);
    if (!entry || !(*entry & PTE_V)) continue;
    page_drop((void *)FROM_PTE(*entry));
    *entry = 0;
  }
}

// The page with an address of a process, ready for an access (PTE_R, PTE_W or PTE_X) from user mode; 0 if it may not.
void *user_page(struct process *p, u64 address, u64 access) {
  address = address / PAGE * PAGE;
  if (address < USER_BASE || address >= p->end) return 0;
  u64 *entry = entry_of(p->space, address, 0, address >= p->heap);
  if (!entry) return 0;
  if (!(*entry & PTE_V)) {
    if (address < p->heap || access == PTE_X) return 0;
    void *page = page_new();
    if (!page) return 0;
    *entry = TO_PTE(page) | PTE_V | PTE_U | PTE_R | PTE_W;
  }
  if (!(*entry & PTE_U)) return 0;
  if (access == PTE_W && (*entry & PTE_COPY)) {
    void *page = (void *)FROM_PTE(*entry);
    u64 flags = (*entry & 1023 & ~PTE_COPY) | PTE_W;
    if (page_is_shared(page)) {
      void *copy = page_new();
      if (!copy) return 0;
      memcpy(copy, page, PAGE);
      page_drop(page);
      page = copy;
    }
    *entry = TO_PTE(page) | flags;
  }
  if (!(*entry & access)) return 0;
  // For harts that leave these bits to us.
  *entry |= PTE_A | (access == PTE_W ? PTE_D : 0);
  return (void *)FROM_PTE(*entry);
}

static int copy(struct process *p, u64 user, char *kernel, u64 length, u64 access) {
  while (length > 0) {
    char *page = user_page(p, user, access);
    if (!page) return 0;
    u64 offset = user % PAGE, part = PAGE - offset < length ? PAGE - offset : length;
    if (access == PTE_W) memcpy(page + offset, kernel, part);
    else memcpy(kernel, page + offset, part);
    user += part, kernel += part, length -= part;
  }
  return 1;
}

int copy_in(struct process *p, void *to, u64 from, u64 length) { return copy(p, from, to, length, PTE_R); }
int copy_out(struct process *p, u64 to, const void *from, u64 length) { return copy(p, to, (char *)from, length, PTE_W); }

// A text that ends within `length`.
int copy_string(struct process *p, char *to, u64 from, u64 length) {
  for (u64 i = 0; i < length; i++) {
    if (!copy_in(p, &to[i], from + i, 1)) return 0;
    if (!to[i]) return 1;
  }
  return 0;
}
