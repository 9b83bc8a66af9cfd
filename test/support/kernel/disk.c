// A virtio block device over MMIO, in the manner of old drivers: no VERSION_1, no second word of features, one interrupt for all. Version 2
// of the registers, and version 1 (virtio 1.3 §4.2.4) as QEMU has it unless told otherwise.
#include "kernel.h"

#define REGISTER(offset) (*reg32(DISK + (offset)))
#define MAGIC REGISTER(0x000)
#define VERSION REGISTER(0x004)
#define DEVICE_ID REGISTER(0x008)
#define VENDOR_ID REGISTER(0x00c)
#define DEVICE_FEATURES REGISTER(0x010)
#define DRIVER_FEATURES REGISTER(0x020)
#define QUEUE_SELECT REGISTER(0x030)
#define QUEUE_SIZE_MAX REGISTER(0x034)
#define QUEUE_SIZE REGISTER(0x038)
#define QUEUE_READY REGISTER(0x044)
#define OLD_PAGE_SIZE REGISTER(0x028)
#define OLD_QUEUE_ALIGN REGISTER(0x03c)
#define OLD_QUEUE_PAGE REGISTER(0x040)
#define QUEUE_NOTIFY REGISTER(0x050)
#define INTERRUPT_STATUS REGISTER(0x060)
#define INTERRUPT_ACKNOWLEDGE REGISTER(0x064)
#define STATUS REGISTER(0x070)
#define QUEUE_PARTS 0x080
#define CAPACITY REGISTER(0x100)

#define ACKNOWLEDGE 1
#define DRIVER 2
#define DRIVER_OK 4
#define FEATURES_OK 8
// Read-only, SCSI commands, more queues, writeback, any layout, indirect descriptors, event index: nothing of that.
#define UNWANTED (1 << 5 | 1 << 7 | 1 << 12 | 1 << 11 | 1 << 27 | 1 << 28 | 1 << 29)

#define SLOTS 8
#define NEXT 1
#define DEVICE_WRITES 2
struct descriptor {
  u64 address;
  u32 length;
  u16 flags, next;
};
struct available {
  u16 flags, index, ring[SLOTS];
};
struct used {
  u16 flags, index;
  struct {
    u32 head, length;
  } ring[SLOTS];
};
struct request {
  u32 kind, reserved;
  u64 sector;
};

// Laid out as version 1 wants it.
static struct {
  struct descriptor descriptors[SLOTS];
  struct available available;
  struct used used __attribute__((aligned(PAGE)));
} queue __attribute__((aligned(PAGE)));

static struct lock lock = {.name = "disk"};
static struct descriptor *const descriptors = queue.descriptors;
static struct available *const available = &queue.available;
static volatile struct used *const used = &queue.used;
static u16 seen;
// By the chain's first descriptor.
static struct request requests[SLOTS];
static volatile u8 answers[SLOTS];
static struct block *blocks[SLOTS];
static u8 in_use[SLOTS];

static void set_part(int at, volatile void *part) {
  *reg32(DISK + QUEUE_PARTS + at) = (u64)part;
  *reg32(DISK + QUEUE_PARTS + at + 4) = (u64)part >> 32;
}

void disk_start(void) {
  u32 version = VERSION, status = 0;
  if (MAGIC != 0x74726976 || version < 1 || version > 2 || DEVICE_ID != 2 || VENDOR_ID != 0x554d4551) panic("no disk in the first slot");
  STATUS = status;
  STATUS = status |= ACKNOWLEDGE;
  STATUS = status |= DRIVER;
  DRIVER_FEATURES = DEVICE_FEATURES & ~UNWANTED;
  if (version == 2) {
    STATUS = status |= FEATURES_OK;
    if (!(STATUS & FEATURES_OK)) panic("the disk wants other features");
  } else {
    OLD_PAGE_SIZE = PAGE;
  }
  QUEUE_SELECT = 0;
  if (version == 2 ? QUEUE_READY : OLD_QUEUE_PAGE) panic("the disk's queue is ready before it is set up");
  if (QUEUE_SIZE_MAX < SLOTS) panic("the disk's queue is short");
  QUEUE_SIZE = SLOTS;
  if (version == 2) {
    set_part(0x00, descriptors);
    set_part(0x10, available);
    set_part(0x20, used);
    QUEUE_READY = 1;
  } else {
    OLD_QUEUE_ALIGN = PAGE;
    OLD_QUEUE_PAGE = (u64)&queue / PAGE;
  }
  STATUS = status |= DRIVER_OK;
}

u64 disk_blocks(void) { return ((u64)*reg32(DISK + 0x104) << 32 | CAPACITY) * 512 / BLOCK; }

// All of a chain's descriptors, or none.
static int take_descriptors(int *taken) {
  int count = 0;
  for (int i = 0; i < SLOTS && count < 3; i++) {
    if (!in_use[i]) taken[count++] = i;
  }
  for (int i = 0; i < 3 && count == 3; i++) in_use[taken[i]] = 1;
  return count == 3;
}

void disk_transfer(struct block *block, int write) {
  int at[3];
  acquire(&lock);
  while (!take_descriptors(at)) sleep(in_use, &lock);
  int head = at[0];
  requests[head] = (struct request){write, 0, (u64)block->number * (BLOCK / 512)};
  answers[head] = 0xff;
  blocks[head] = block;
  descriptors[head] = (struct descriptor){(u64)&requests[head], sizeof(struct request), NEXT, at[1]};
  descriptors[at[1]] = (struct descriptor){(u64)block->data, BLOCK, NEXT | (write ? 0 : DEVICE_WRITES), at[2]};
  descriptors[at[2]] = (struct descriptor){(u64)&answers[head], 1, DEVICE_WRITES, 0};
  available->ring[available->index % SLOTS] = head;
  __sync_synchronize();
  available->index++;
  __sync_synchronize();
  QUEUE_NOTIFY = 0;
  while (blocks[head]) sleep(block, &lock);
  if (answers[head] != 0) panic("the disk answers %d", answers[head]);
  for (int i = 0; i < 3; i++) in_use[at[i]] = 0;
  wake(in_use);
  release(&lock);
}

void disk_interrupt(void) {
  acquire(&lock);
  INTERRUPT_ACKNOWLEDGE = INTERRUPT_STATUS & 3;
  __sync_synchronize();
  while (seen != used->index) {
    __sync_synchronize();
    u32 head = used->ring[seen++ % SLOTS].head;
    struct block *block = head < SLOTS ? blocks[head] : 0;
    if (!block) panic("the disk is done with %u, which it did not have", head);
    blocks[head] = 0;
    wake(block);
  }
  release(&lock);
}
