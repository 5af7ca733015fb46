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

static int make_room(struct databases *d, struct error *e)
{
  size_t n = (size_t)d->n + 1;
  struct report *reports = realloc(d->reports, n * sizeof *reports);
  if (reports) d->reports = reports;
  const char **shown = reports ? realloc(d->shown, n * sizeof *shown) : NULL;
  if (shown) d->shown = shown;
  return shown ? 0 : error_set(e, ERROR_MACHINE, "no memory for %zu databases", n);
}

int databases_add(struct databases *d, const char *command, const char *given, struct error *e)
{
  struct store *store = NULL;
  char *path = NULL;
  int code = command_database(command, given, &path, e);
  if (!code) code = refuse_twice(d, path, e);
  if (!code) code = store_open(&store, path, true, &signals_stop, e);
  if (!code) code = make_room(d, e);
  if (!code) code = report_load(&d->reports[d->n], store, e); /* which frees what it had where it fails */
  if (!code) {
    d->shown[d->n++] = path;
    path = NULL;
  }
  store_close(store);
  free(path);
  return code;
}

int databases_load(struct databases *d, const char *command, const char *const *given, int n, struct error *e)
{
  int code = 0;
  for (int i = 0; i < n && !code; i++) code = databases_add(d, command, given[i], e);
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
