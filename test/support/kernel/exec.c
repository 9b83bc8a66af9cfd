// Programs: statically linked ELF files of RISC-V.
#include "kernel.h"
#include "system.h"

#define ELF_MAGIC 0x464c457f
#define SEGMENT_LOAD 1
#define STACK_PAGES 4

struct elf_header {
  u32 magic;
  u8 ident[12];
  u16 type, machine;
  u32 version;
  u64 entry, segments, sections;
  u32 flags;
  u16 header_size, segment_size, segment_count;
};
struct elf_segment {
  u32 type, flags;
  u64 offset, address, physical, file_size, memory_size, alignment;
};

static int load_segment(struct node *node, u64 *space, const struct elf_segment *segment) {
  u64 flags = PTE_U | PTE_R | (segment->flags & 2 ? PTE_W : 0) | (segment->flags & 1 ? PTE_X : 0);
  for (u64 done = 0; done < segment->memory_size; done += PAGE) {
    void *page = page_new();
    if (!page) return 0;
    if (!space_map(space, segment->address + done, (u64)page, PAGE, flags)) {
      page_drop(page);
      return 0;
    }
    if (done >= segment->file_size) continue;
    u64 part = segment->file_size - done < PAGE ? segment->file_size - done : PAGE;
    if (node_read(node, 0, page, segment->offset + done, part) != (int)part) return 0;
  }
  return 1;
}

// Returns where the program's memory ends, or 0.
static u64 load(struct node *node, u64 *space, u64 *entry) {
  struct elf_header header;
  if (node_read(node, 0, &header, 0, sizeof header) != sizeof header || header.magic != ELF_MAGIC || header.machine != 243) return 0;
  u64 end = USER_BASE;
  for (int i = 0; i < header.segment_count; i++) {
    struct elf_segment segment;
    if (node_read(node, 0, &segment, header.segments + i * sizeof segment, sizeof segment) != sizeof segment) return 0;
    if (segment.type != SEGMENT_LOAD || segment.memory_size == 0) continue;
    if (segment.address % PAGE || segment.address < end || segment.memory_size < segment.file_size) return 0;
    if (segment.memory_size > RAM_END - RAM || segment.address > FRAME / 2) return 0;
    if (!load_segment(node, space, &segment)) return 0;
    end = (segment.address + segment.memory_size + PAGE - 1) / PAGE * PAGE;
  }
  *entry = header.entry;
  return end;
}

// `arguments`: `count` texts, each with its zero, `length` bytes together.
int process_exec(const char *name, char *arguments, int count, u64 length) {
  struct process *p = this_process();
  struct node *node = node_open(name, 0);
  if (!node) return -1;
  u64 *space = space_new(p->frame), entry = 0, end = space ? load(node, space, &entry) : 0;
  node_close(node);
  // Behind the program a page that is not there, then the stack, with the arguments at its top.
  u64 top = end + PAGE * (1 + STACK_PAGES);
  char *highest = 0;
  for (u64 address = end + PAGE; end && address < top; address += PAGE) {
    highest = page_new();
    if (!highest || !space_map(space, address, (u64)highest, PAGE, PTE_U | PTE_R | PTE_W)) {
      if (highest) page_drop(highest);
      end = 0;
    }
  }
  u64 vector[ARGUMENTS + 1], texts = (top - length) & ~15UL, stack = (texts - (count + 1) * sizeof(u64)) & ~15UL;
  if (!end || top - stack > PAGE || count > ARGUMENTS) {
    if (space) space_drop(space);
    return -1;
  }
  char *argument = arguments;
  for (int i = 0; i < count; i++) {
    vector[i] = texts + (argument - arguments);
    argument += string_length(argument) + 1;
  }
  vector[count] = 0;
  memcpy(highest + texts % PAGE, arguments, length);
  memcpy(highest + stack % PAGE, vector, (count + 1) * sizeof(u64));

  u64 *old = p->space;
  p->space = space;
  p->heap = p->end = top;
  space_drop(old);
  const char *last = name;
  for (const char *c = name; *c; c++) {
    if (*c == '/') last = c + 1;
  }
  u64 size = string_length(last);
  if (size > sizeof p->name - 1) size = sizeof p->name - 1;
  memcpy(p->name, last, size);
  p->name[size] = 0;
  memset(p->frame->x, 0, sizeof p->frame->x);
  p->frame->x[0] = entry;
  p->frame->x[2] = stack;
  p->frame->x[11] = stack;
  return count;
}
