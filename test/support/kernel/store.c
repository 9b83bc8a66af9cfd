// The file system. Block 0 says where the rest is. The table has a word for each block: 0 free, 1 the last of its file (or not a file's),
// otherwise the next block of the file. The one directory follows, then data. The tests write it too: test-kernel.ts.
#include "kernel.h"
#include "system.h"

#define STORE_MAGIC 0x4c45454b
#define LAST 1
#define NODES 64
struct super {
  u32 magic, blocks, table, table_blocks, directory, directory_blocks;
};
struct entry {
  char name[NAME_LENGTH];
  u32 first, size;
};
#define ENTRIES (BLOCK / sizeof(struct entry))
#define WORDS (BLOCK / sizeof(u32))

// A file in use. Its lock guards what it has; `nodes_lock` its place in the directory and how many use it.
struct node {
  struct sleep_lock lock;
  int users, unlinked;
  u32 slot, first, size;
  // A place in the chain that is known.
  u32 known, known_block;
};
// The directory itself, for those who read it.
#define DIRECTORY_SLOT ~0U

static struct super super;
static struct node nodes[NODES];
static struct sleep_lock nodes_lock = {.lock = {.name = "nodes"}};
static struct sleep_lock table_lock = {.lock = {.name = "table"}};
static u32 hint;

void store_start(void) {
  struct block *block = block_get(0);
  memcpy(&super, block->data, sizeof super);
  block_put(block);
  if (super.magic != STORE_MAGIC || super.blocks > disk_blocks()) panic("no file system on the disk");
  for (int i = 0; i < NODES; i++) nodes[i].lock.lock.name = "node";
}

static u32 next_of(u32 number) {
  struct block *block = block_get(super.table + number / WORDS);
  u32 next = ((u32 *)block->data)[number % WORDS];
  block_put(block);
  return next;
}

static void set_next(u32 number, u32 next) {
  struct block *block = block_get(super.table + number / WORDS);
  ((u32 *)block->data)[number % WORDS] = next;
  block_write(block);
  block_put(block);
}

// A free block that is now the last of some file; 0 when the disk is full.
static u32 take_block(void) {
  acquire_sleep(&table_lock);
  u32 found = 0;
  for (u32 i = 0; i < super.table_blocks && !found; i++) {
    u32 at = (hint + i) % super.table_blocks;
    struct block *block = block_get(super.table + at);
    u32 *words = (u32 *)block->data;
    for (u32 j = 0; j < WORDS && at * WORDS + j < super.blocks && !found; j++) {
      if (words[j]) continue;
      words[j] = LAST;
      block_write(block);
      found = at * WORDS + j;
      hint = at;
    }
    block_put(block);
  }
  release_sleep(&table_lock);
  return found;
}

static void give_blocks(u32 first) {
  acquire_sleep(&table_lock);
  while (first > LAST) {
    u32 next = next_of(first);
    set_next(first, 0);
    first = next;
  }
  release_sleep(&table_lock);
}

static struct block *entry_block(u32 slot) { return block_get(super.directory + slot / ENTRIES); }

static void write_entry(u32 slot, const char *name, u32 first, u32 size) {
  struct block *block = entry_block(slot);
  struct entry *entry = (struct entry *)block->data + slot % ENTRIES;
  if (name) {
    memset(entry->name, 0, NAME_LENGTH);
    memcpy(entry->name, name, string_length(name));
  }
  entry->first = first, entry->size = size;
  block_write(block);
  block_put(block);
}

static struct node *node_of(u32 slot) {
  for (struct node *node = nodes; node < nodes + NODES; node++) {
    if (node->users && node->slot == slot) return node;
  }
  return 0;
}

// The slot of a name; without it, a free one in `free`, if any. Both are −1 if there is none.
static int find_slot(const char *name, int *free, struct entry *found) {
  *free = -1;
  for (u32 slot = 0; slot < super.directory_blocks * ENTRIES; slot++) {
    struct block *block = entry_block(slot);
    *found = ((struct entry *)block->data)[slot % ENTRIES];
    block_put(block);
    if (found->name[0] && strings_equal(found->name, name)) return slot;
    if (!found->name[0] && *free < 0 && !node_of(slot)) *free = slot;
  }
  return -1;
}

static struct node *node_new(u32 slot, u32 first, u32 size) {
  for (struct node *node = nodes; node < nodes + NODES; node++) {
    if (node->users) continue;
    node->users = 1, node->unlinked = 0;
    node->slot = slot, node->first = first, node->size = size, node->known_block = 0;
    return node;
  }
  return 0;
}

struct node *node_open(const char *name, int create) {
  struct node *node = 0;
  acquire_sleep(&nodes_lock);
  if (strings_equal(name, "/")) {
    if (!create) node = node_new(DIRECTORY_SLOT, super.directory, super.directory_blocks * BLOCK);
  } else if (name[0]) {
    struct entry entry;
    int free, slot = find_slot(name, &free, &entry);
    if (slot >= 0) {
      node = node_of(slot);
      if (node) node->users++;
      else node = node_new(slot, entry.first, entry.size);
    } else if (create && free >= 0) {
      node = node_new(free, 0, 0);
      if (node) write_entry(free, name, 0, 0);
    }
  }
  release_sleep(&nodes_lock);
  return node;
}

void node_close(struct node *node) {
  acquire_sleep(&nodes_lock);
  u32 first = node->users == 1 && node->unlinked ? node->first : 0;
  if (first) give_blocks(first);
  node->users--;
  release_sleep(&nodes_lock);
}

int node_unlink(const char *name) {
  struct entry entry;
  acquire_sleep(&nodes_lock);
  int free, slot = find_slot(name, &free, &entry);
  struct node *node = slot >= 0 ? node_of(slot) : 0;
  if (slot >= 0) write_entry(slot, "", 0, 0);
  // Who has it open keeps it until then.
  if (node) node->unlinked = 1;
  else if (slot >= 0) give_blocks(entry.first);
  release_sleep(&nodes_lock);
  return slot >= 0 ? 0 : -1;
}

static void keep_entry(struct node *node) {
  acquire_sleep(&nodes_lock);
  if (!node->unlinked) write_entry(node->slot, 0, node->first, node->size);
  release_sleep(&nodes_lock);
}

void node_empty(struct node *node) {
  acquire_sleep(&node->lock);
  u32 first = node->first;
  node->first = node->size = node->known_block = 0;
  keep_entry(node);
  give_blocks(first);
  release_sleep(&node->lock);
}

// The block at an index of a file, which may be one behind the last if `make`. 0: the disk is full.
static u32 block_at(struct node *node, u32 index, int make) {
  if (node->slot == DIRECTORY_SLOT) return node->first + index;
  if (!node->first) {
    node->first = make ? take_block() : 0;
    if (!node->first) return 0;
  }
  u32 at = 0, block = node->first;
  if (node->known_block && node->known <= index) at = node->known, block = node->known_block;
  for (; at < index; at++) {
    u32 next = next_of(block);
    if (next <= LAST) {
      next = make ? take_block() : 0;
      if (!next) return 0;
      set_next(block, next);
    }
    block = next;
  }
  node->known = index, node->known_block = block;
  return block;
}

// With a process `to` and `from` are addresses of its own.
int node_read(struct node *node, struct process *p, void *to, u64 offset, u64 length) {
  acquire_sleep(&node->lock);
  if (offset > node->size) offset = node->size;
  if (length > node->size - offset) length = node->size - offset;
  u64 done = 0;
  while (done < length) {
    u64 at = (offset + done) % BLOCK, part = BLOCK - at < length - done ? BLOCK - at : length - done;
    struct block *block = block_get(block_at(node, (offset + done) / BLOCK, 0));
    int good = 1;
    if (p) good = copy_out(p, (u64)to + done, block->data + at, part);
    else memcpy((char *)to + done, block->data + at, part);
    block_put(block);
    if (!good) break;
    done += part;
  }
  release_sleep(&node->lock);
  return done < length ? -1 : (int)done;
}

int node_write(struct node *node, struct process *p, const void *from, u64 offset, u64 length) {
  acquire_sleep(&node->lock);
  if (offset > node->size) offset = node->size;
  u64 done = 0;
  while (done < length) {
    u64 at = (offset + done) % BLOCK, part = BLOCK - at < length - done ? BLOCK - at : length - done;
    u32 number = block_at(node, (offset + done) / BLOCK, 1);
    if (!number) break;
    struct block *block = block_get(number);
    int good = copy_in(p, block->data + at, (u64)from + done, part);
    // What came in part is not kept, nor left in the cache.
    if (good) block_write(block);
    else block->valid = 0;
    block_put(block);
    if (!good) break;
    done += part;
  }
  if (offset + done > node->size) node->size = offset + done;
  keep_entry(node);
  release_sleep(&node->lock);
  return done < length ? -1 : (int)done;
}
