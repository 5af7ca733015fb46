/* CUDA on the CPU, the checked build: what is known of each word of memory.
 *
 * A cell for each word of four bytes; a page of cells on which a shorter access falls is divided
 * into cells of single bytes.  Pages come when they are touched. */
#ifndef CUDACPU_SHADOW_H
#define CUDACPU_SHADOW_H

#include "tests/cudacpu/runtime/internal.h"

namespace cudacpu
{

/* Flags beside the writer's number. */
constexpr uint16_t ALLOWED = 0x8000, WRITTEN = 0x4000, ATOMIC = 0x2000, WHO = 0x07ff;
constexpr uint16_t MANY = 0xffff, BLOCKS = 0xfffe; /* readers of several warps, of several blocks of a cluster */

struct cell {
  uint32_t write_epoch, read_epoch, first_read; /* the last two: of the latest, and of the launch's first */
  uint32_t write_pc, read_pc;                   /* from the program's beginning */
  uint32_t readers;                             /* lanes of read_warp */
  uint16_t writer;                              /* its number, and the flags */
  uint16_t write_stamp, read_stamp, read_warp;
};

/* Pages of 4 KiB of memory: a pointer to 1,024 cells, or with the lowest bit set to 4,096; 0 where
 * nothing was yet. */
constexpr unsigned PAGE_BITS = 12, PAGE = 1 << PAGE_BITS;
struct pages {
  uintptr_t base;
  size_t bytes;
  uintptr_t *page;
};

void page_make(struct pages *m, size_t n);
/* From words to bytes. */
void page_divide(struct pages *m, size_t n);
/* Dynamic shared and device memory, of the reservation that there is now. */
extern struct pages shadow_memory;
void shadow_follow_region(void);
/* For struct access_checker. */
void shadow_allowed(const void *p, size_t bytes, bool yes);
void shadow_filled(const void *p, size_t bytes);
void shadow_copied(const void *to, const void *from, size_t bytes);
const void *shadow_never_written(const void *p, size_t bytes);

void shadow_no_epochs(void); /* sets all to 0 */
void shadow_forget(void);    /* frees all cells */

/* Calls f with each cell of a range, dividing pages where the range cuts a word. */
template <typename F> void each_cell(struct pages *m, uintptr_t a, size_t bytes, bool make, F f)
{
  for (uintptr_t end = a + bytes; a < end;) {
    size_t offset = a - m->base, n = offset >> PAGE_BITS;
    if (!m->page[n] && !make) {
      a = m->base + (n + 1) * PAGE;
      continue;
    }
    if (!m->page[n]) page_make(m, n);
    if (!(m->page[n] & 1) && (a % 4 || end - a < 4)) page_divide(m, n);
    bool by_bytes = m->page[n] & 1;
    struct cell *cells = (struct cell *)(m->page[n] & ~(uintptr_t)1);
    unsigned in_page = (unsigned)(offset % PAGE);
    f(by_bytes ? &cells[in_page] : &cells[in_page / 4], a);
    a += by_bytes ? 1 : 4;
  }
}

} // namespace cudacpu

#endif
