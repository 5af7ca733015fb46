/* CUDA on the CPU, the checked build: pages of cells (shadow.h). */
#include "tests/cudacpu/checked/shadow.h"

#include <stdlib.h>
#include <sys/mman.h>

#include <algorithm>

namespace cudacpu
{

static std::vector<struct cell *> word_pages, byte_pages;

static bool is_arena(uintptr_t a)
{
  return a - (uintptr_t)region.base < region.bytes && is_device_memory((void *)a);
}

/* Sets the flag of what may be touched in the cells of a new page. */
static void page_flags(const struct pages *m, size_t n, struct cell *cells, unsigned cell_bytes)
{
  uintptr_t at = m->base + n * PAGE, end = at + PAGE;
  if (!is_arena(at)) {
    for (unsigned i = 0; i < PAGE / cell_bytes; i++) cells[i].writer |= ALLOWED;
    return;
  }
  while (at < end) {
    const void *until;
    bool yes = is_allowed((void *)at, &until);
    uintptr_t stop = std::min(end, ((uintptr_t)until + cell_bytes - 1) / cell_bytes * cell_bytes);
    for (; at < stop; at += cell_bytes) {
      struct cell *c = &cells[at % PAGE / cell_bytes];
      c->writer = (uint16_t)(yes ? c->writer | ALLOWED : c->writer & ~ALLOWED);
    }
  }
}

void page_make(struct pages *m, size_t n)
{
  struct cell *cells = (struct cell *)calloc(PAGE / 4, sizeof *cells);
  if (!cells) abort();
  page_flags(m, n, cells, 4);
  word_pages.push_back(cells);
  m->page[n] = (uintptr_t)cells;
}

void page_divide(struct pages *m, size_t n)
{
  if (!m->page[n]) page_make(m, n);
  struct cell *words = (struct cell *)m->page[n];
  struct cell *bytes = (struct cell *)calloc(PAGE, sizeof *bytes);
  if (!bytes) abort();
  for (unsigned i = 0; i < PAGE; i++) bytes[i] = words[i / 4];
  page_flags(m, n, bytes, 1);
  word_pages.erase(std::find(word_pages.begin(), word_pages.end(), words));
  free(words);
  byte_pages.push_back(bytes);
  m->page[n] = (uintptr_t)bytes | 1;
}

/* ----------------------------------------------------------- device memory, as the host sees it */

struct pages shadow_memory;

void shadow_follow_region(void)
{
  if (shadow_memory.base == (uintptr_t)region.base) return;
  shadow_memory.base = (uintptr_t)region.base;
  shadow_memory.bytes = region.bytes;
  void *p = mmap(NULL, (region.bytes / PAGE + 1) * sizeof *shadow_memory.page, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) abort();
  shadow_memory.page = (uintptr_t *)p;
}

void shadow_allowed(const void *p, size_t bytes, bool yes)
{
  shadow_follow_region();
  each_cell(&shadow_memory, (uintptr_t)p, (bytes + 3) / 4 * 4, false, [=](struct cell *c, uintptr_t at) {
    bool inside = at < (uintptr_t)p + bytes;
    *c = {};
    if (yes && inside) c->writer = ALLOWED;
  });
}

void shadow_filled(const void *p, size_t bytes)
{
  shadow_follow_region();
  each_cell(&shadow_memory, (uintptr_t)p, bytes, true, [](struct cell *c, uintptr_t) {
    c->writer = (uint16_t)((c->writer & ALLOWED) | WRITTEN);
    c->write_epoch = c->read_epoch = c->first_read = 0;
  });
}

static bool byte_written(uintptr_t a)
{
  size_t offset = a - shadow_memory.base;
  uintptr_t page = shadow_memory.page[offset >> PAGE_BITS];
  if (!page) return false;
  const struct cell *cells = (const struct cell *)(page & ~(uintptr_t)1);
  return cells[page & 1 ? offset % PAGE : offset % PAGE / 4].writer & WRITTEN;
}

void shadow_copied(const void *to, const void *from, size_t bytes)
{
  shadow_follow_region();
  bool words = (uintptr_t)to % 4 == 0 && (uintptr_t)from % 4 == 0 && bytes % 4 == 0;
  for (size_t i = 0; i < bytes; i += words ? 4 : 1) {
    bool written = byte_written((uintptr_t)from + i);
    each_cell(&shadow_memory, (uintptr_t)to + i, words ? 4 : 1, true, [=](struct cell *c, uintptr_t) {
      c->writer = (uint16_t)((c->writer & ALLOWED) | (written ? WRITTEN : 0));
      c->write_epoch = c->read_epoch = c->first_read = 0;
    });
  }
}

const void *shadow_never_written(const void *p, size_t bytes)
{
  shadow_follow_region();
  for (size_t i = 0; i < bytes; i++)
    if (!byte_written((uintptr_t)p + i)) return (const char *)p + i;
  return NULL;
}

/* ----------------------------------------------------------------------------------- everything */

void shadow_no_epochs(void)
{
  for (int bytes = 0; bytes < 2; bytes++)
    for (struct cell *cells : bytes ? byte_pages : word_pages)
      for (unsigned i = 0; i < (bytes ? PAGE : PAGE / 4); i++)
        cells[i].write_epoch = cells[i].read_epoch = cells[i].first_read = 0;
}

void shadow_forget(void)
{
  for (struct cell *c : word_pages) free(c);
  for (struct cell *c : byte_pages) free(c);
  word_pages.clear();
  byte_pages.clear();
  if (shadow_memory.page) munmap(shadow_memory.page, (shadow_memory.bytes / PAGE + 1) * sizeof *shadow_memory.page);
  shadow_memory = {};
}

} // namespace cudacpu
