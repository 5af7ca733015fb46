/* Study databases that a command reads.  See databases.h. */
#include "sched/commands/databases.h"

#include <stdlib.h>

#include "host/base/file_same.h"
#include "host/base/text_escape.h"
#include "host/store/store.h"
#include "sched/commands/command.h"
#include "sched/run/signals.h"

/* A database that counts twice would make intervals of what is no news. */
static int refuse_twice(const struct databases *d, const char *path, struct error *e)
{
  char shown[1000];
  for (int i = 0; i < d->n; i++)
    if (file_same(d->shown[i], path))
      return error_set(e, ERROR_CONFIG, "%s: the same database is given twice", text_escape(shown, sizeof shown, path));
  return 0;
}

static int load(struct databases *d, const char *command, const char *given, struct error *e)
{
  struct store *store = NULL;
  char *path = NULL;
  int code = command_database(command, given, &path, e);
  if (!code) code = refuse_twice(d, path, e);
  if (!code) code = store_open(&store, path, true, &signals_stop, e);
  if (!code) {
    d->shown[d->n] = path;
    path = NULL;
    code = report_load(&d->reports[d->n++], store, e);
  }
  store_close(store);
  free(path);
  return code;
}

int databases_load(struct databases *d, const char *command, const char *const *given, int n, struct error *e)
{
  d->reports = calloc((size_t)n, sizeof *d->reports);
  d->shown = calloc((size_t)n, sizeof *d->shown);
  int code = d->reports && d->shown ? 0 : error_set(e, ERROR_MACHINE, "no memory for %d databases", n);
  for (int i = 0; i < n && !code; i++) code = load(d, command, given[i], e);
  return code;
}

void databases_free(struct databases *d)
{
  for (int i = 0; i < d->n; i++) {
    report_free(&d->reports[i]);
    free((char *)d->shown[i]);
  }
  free(d->reports);
  free(d->shown);
}
