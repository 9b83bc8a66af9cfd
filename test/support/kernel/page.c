// Pages of RAM behind the kernel.
#include "kernel.h"

#define COUNT ((RAM_END - RAM) / PAGE)
struct free_page {
  struct free_page *next;
};
extern char kernel_end[];
static struct lock lock = {.name = "pages"};
static struct free_page *free_pages;
static u64 free_count;
static u16 users[COUNT];

static u16 *users_of(void *page) {
  u64 address = (u64)page;
  if (address % PAGE || address < (u64)kernel_end || address >= RAM_END) panic("%x is no page", address);
  return &users[(address - RAM) / PAGE];
}

static void put_back(void *page) {
  struct free_page *entry = page;
  entry->next = free_pages;
  free_pages = entry;
  free_count++;
}

void pages_start(void) {
  for (u64 address = RAM_END - PAGE; address >= (u64)kernel_end; address -= PAGE) put_back((void *)address);
}

// Zeroed; 0 when none is left.
void *page_new(void) {
  acquire(&lock);
  struct free_page *page = free_pages;
  if (page) {
    free_pages = page->next;
    free_count--;
    *users_of(page) = 1;
  }
  release(&lock);
  if (page) memset(page, 0, PAGE);
  return page;
}

void page_share(void *page) {
  acquire(&lock);
  if (++*users_of(page) == 0) panic("a page has too many users");
  release(&lock);
}

void page_drop(void *page) {
  acquire(&lock);
  u16 *count = users_of(page);
  if (*count == 0) panic("page %x is freed twice", (u64)page);
  if (--*count == 0) put_back(page);
  release(&lock);
}

int page_is_shared(void *page) {
  acquire(&lock);
  int shared = *users_of(page) > 1;
  release(&lock);
  return shared;
}

u64 pages_free(void) {
  acquire(&lock);
  u64 count = free_count;
  release(&lock);
  return count;
}
