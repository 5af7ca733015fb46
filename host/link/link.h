/* A link: bytes between the ranks of one job, in their order from each to each.
 *
 *   link_mpi_open    ranks that mpirun or srun has started (link_mpi.c)
 *
 * All calls come from one thread, that which opened it.  The tests have a link of their own,
 * between threads of one process. */
#ifndef GSOS_LINK_H
#define GSOS_LINK_H

#include <stdbool.h>
#include <stddef.h>

#include "host/base/error.h"

enum { LINK_HOST_MAX = 256 };

struct link {
  int rank, n_ranks;
  void *state;
  /* May be given bytes for that rank?  Not before the last ones have left. */
  bool (*ready)(struct link *l, int to);
  /* Sends n > 0 bytes, of a malloc'ed block that is the link's from now on, also after an error. */
  int (*send)(struct link *l, int to, void *bytes, size_t n, struct error *e);
  /* What has come: 1 and a malloc'ed piece, or 0. */
  int (*receive)(struct link *l, int *from, void **bytes, size_t *n, struct error *e);
  /* All ranks close it, each after its last bytes have left; waits for the others.  Frees l. */
  void (*close)(struct link *l);
};

/* How many ranks the launcher that started this process says there are, 1 where there was none, and
 * which of them this is; from the environment alone. */
int link_launched(int *rank);

/* The most bytes of one send. */
enum { LINK_PIECE = 4 << 20 };

/* Joins the job.  ERROR_CONFIG where this gsos was built without MPI, where MPI's library is not
 * there, or where MPI knows of fewer ranks than were launched. */
int link_mpi_open(struct link **l, struct error *e);

#endif
