/* The cache of unpacked data, for people.  See cache_report.h. */
#include "host/report/cache_report.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "host/base/text_escape.h"
#include "host/base/text_units.h"
#include "host/data/data_cache.h"

static int read_entries(struct data_cache *cache, const char *folder, struct cache_entry **entries, int *n,
                        struct error *e)
{
  data_cache_find_folder(cache, folder);
  if (!cache->folder[0]) return error_set(e, ERROR_FAILED, "%s; --folder names one", cache->why);
  return data_cache_list(cache, entries, n, e);
}

static int64_t sum(const struct cache_entry *entries, int n)
{
  int64_t bytes = 0;
  for (int i = 0; i < n; i++) bytes += entries[i].bytes;
  return bytes;
}

static const char *entries_text(int n)
{
  return n == 1 ? "entry" : "entries";
}

int cache_report_list(FILE *out, const char *folder, struct error *e)
{
  struct data_cache cache;
  struct cache_entry *entries = NULL;
  char shown[1200], size[TEXT_UNITS_MAX], when[40];
  int n;
  int code = read_entries(&cache, folder, &entries, &n, e);
  if (code) return code;
  fprintf(out, "%s: %d %s, %s\n", text_escape(shown, sizeof shown, cache.folder), n, entries_text(n),
          text_bytes(size, sizeof size, (double)sum(entries, n)));
  if (n == 0 && folder) fprintf(out, "  nothing that gsos has cached is in it\n");
  if (n) fprintf(out, "  %-10s  %-16s  %s\n", "size", "last used", "made from");
  for (int i = 0; i < n; i++) {
    const struct cache_entry *entry = &entries[i];
    time_t used = (time_t)entry->used;
    struct tm local;
    if (!localtime_r(&used, &local) || !strftime(when, sizeof when, "%Y-%m-%d %H:%M", &local)) strcpy(when, "?");
    fprintf(out, "  %-10s  %-16s  %s%s\n", text_bytes(size, sizeof size, (double)entry->bytes), when,
            entry->from[0] ? entry->from : entry->name, entry->unfinished ? " (begun; goes on when it is needed)" : "");
  }
  free(entries);
  return 0;
}

int cache_report_shrink(FILE *out, const char *folder, int64_t limit, struct error *e)
{
  struct data_cache cache;
  struct cache_entry *entries = NULL;
  char size[TEXT_UNITS_MAX], left_size[TEXT_UNITS_MAX], shown[600];
  int n, removed = 0;
  int code = read_entries(&cache, folder, &entries, &n, e);
  if (code) return code;
  int64_t left = sum(entries, n), removed_bytes = 0;
  for (int i = n - 1; i >= 0 && left > limit; i--) {
    if (data_cache_remove(&cache, &entries[i])) {
      removed++;
      removed_bytes += entries[i].bytes;
      left -= entries[i].bytes;
    } else if (!code) {
      code = error_set(e, ERROR_FAILED, "%s could not be removed%s", text_escape(shown, sizeof shown, entries[i].name),
                       entries[i].unfinished ? ": a process is making it" : "");
    }
  }
  fprintf(out, "removed %d %s, %s; %s left\n", removed, entries_text(removed),
          text_bytes(size, sizeof size, (double)removed_bytes), text_bytes(left_size, sizeof left_size, (double)left));
  free(entries);
  return code;
}
