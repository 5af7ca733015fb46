/* A command and the ranks beside it.  See boxes.h. */
#include "sched/boxes/boxes.h"

#include <stdio.h>

#include "sched/run/signals.h"

static struct boxes *here;

struct boxes *boxes_here(void)
{
  return here;
}

static int open_mpi(void *context, struct link **l, struct error *e)
{
  (void)context;
  return link_mpi_open(l, e);
}

static int fail(const struct error *e)
{
  fprintf(stderr, "gsos: %s\n", e->message);
  return e->code == ERROR_CONFIG ? 2 : 1;
}

/* A rank that has done what it was asked for ends with 0, whatever becomes of the run: launchers
 * end the whole job, rank 0 with it, where a rank does not. */
static int serve(void)
{
  struct link *link = NULL;
  struct error e = {0};
  signals_install();
  int code = link_mpi_open(&link, &e);
  if (!code) code = boxes_serve(link, &e);
  return code ? fail(&e) : 0;
}

int boxes_command(int (*run)(int argc, char **argv), int argc, char **argv)
{
  struct error e = {0};
  int rank;
  if (link_launched(&rank) == 1) return run(argc, argv);
  if (rank != 0) return serve();
  if (boxes_open(&here, open_mpi, NULL, &e)) return fail(&e);
  int status = run(argc, argv);
  boxes_close(here);
  here = NULL;
  return status;
}
