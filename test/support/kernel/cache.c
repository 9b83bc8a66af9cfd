// Blocks of the disk that were used last. Who has got one has it alone, until it is put back.
#include "kernel.h"

#define COUNT 32
static struct lock lock = {.name = "blocks"};
static struct block blocks[COUNT];
static u64 clock;

void cache_start(void) {
  for (int i = 0; i < COUNT; i++) {
    if (i % (PAGE / BLOCK)) blocks[i].data = blocks[i - 1].data + BLOCK;
    else blocks[i].data = page_new();
  }
}

// The entry of a block; or one that can become it, the longest unused; or 0.
static struct block *find(u32 number) {
  struct block *oldest = 0;
  for (struct block *block = blocks; block < blocks + COUNT; block++) {
    if (block->used && block->number == number) return block;
    if (block->users == 0 && (!oldest || block->used < oldest->used)) oldest = block;
  }
  return oldest;
}

struct block *block_get(u32 number) {
  struct block *block;
  acquire(&lock);
  while (!(block = find(number))) sleep(&clock, &lock);
  if (!block->used || block->number != number) block->number = number, block->valid = 0;
  block->users++;
  block->used = ++clock;
  while (block->busy) sleep(&block->busy, &lock);
  block->busy = 1;
  release(&lock);
  if (!block->valid) {
    disk_transfer(block, 0);
    block->valid = 1;
  }
  return block;
}

void block_write(struct block *block) { disk_transfer(block, 1); }

void block_put(struct block *block) {
  acquire(&lock);
  block->busy = 0;
  if (--block->users == 0) wake(&clock);
  else wake(&block->busy);
  release(&lock);
}
