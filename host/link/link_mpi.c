/* The link of ranks that mpirun or srun has started: Open MPI.
 *
 * MPI_THREAD_FUNNELED: one thread of each rank, the one that opens the link, makes all calls; what
 * others have to say it is given (sched/boxes/pump.h).  Workers that called MPI themselves would
 * need MPI_THREAD_MULTIPLE, whose locks every call pays and not every transport of Open MPI has, or
 * a lock of ours around blocking calls, behind which one waits for another's trial.
 *
 * The library is opened when it is needed (dlopen): the same program starts as fast as before
 * without mpirun, and runs where there is no MPI.  Nothing in here blocks but open and close: bytes
 * leave by MPI_Isend, one piece to a rank at a time, and come after an MPI_Iprobe.  A rank that
 * dies ends the job: that is MPI's own way (MPI_ERRORS_ARE_FATAL). */
#include "host/link/link.h"

#include <stdlib.h>
#include <string.h>

/* ---- who launched us ------------------------------------------------------------------------- */

static int number_of(const char *name, int otherwise)
{
  const char *text = getenv(name);
  char *end;
  if (!text || !*text) return otherwise;
  long value = strtol(text, &end, 10);
  return *end || value < 0 || value > 1000000 ? otherwise : (int)value;
}

int link_launched(int *rank)
{
  /* mpirun of Open MPI; srun, whose step says so, since a batch script has SLURM_NTASKS as well;
   * other launchers. */
  static const char *const names[][2] = {{"OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"},
                                         {"SLURM_STEP_NUM_TASKS", "SLURM_PROCID"},
                                         {"PMI_SIZE", "PMI_RANK"}};
  *rank = 0;
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    int n = number_of(names[i][0], 1);
    if (n <= 1) continue;
    *rank = number_of(names[i][1], 0);
    return n;
  }
  return 1;
}

#ifdef GSOS_MPI

#include <dlfcn.h>
#include <mpi.h>

/* ---- the library ----------------------------------------------------------------------------- */

enum { TAG = 1 };

/* What is used of it. */
struct mpi {
  void *library;
  __typeof__(MPI_Init_thread) *init_thread;
  __typeof__(MPI_Comm_rank) *comm_rank;
  __typeof__(MPI_Comm_size) *comm_size;
  __typeof__(MPI_Isend) *isend;
  __typeof__(MPI_Test) *test;
  __typeof__(MPI_Iprobe) *iprobe;
  __typeof__(MPI_Get_count) *get_count;
  __typeof__(MPI_Recv) *recv;
  __typeof__(MPI_Finalize) *finalize;
  MPI_Comm world;
  MPI_Datatype byte;
};

struct peer {
  void *bytes; /* on their way; NULL: none */
  MPI_Request request;
};

struct mpi_link {
  struct link link; /* first: the handle is the state */
  struct mpi mpi;
  struct peer *peers; /* [n_ranks] */
};

static int find(const struct mpi *m, const char *name, void *function, struct error *e)
{
  void *found = dlsym(m->library, name);
  memcpy(function, &found, sizeof found); /* ISO C knows no other way to a function */
  return found ? 0 : error_set(e, ERROR_CONFIG, "the MPI library has no %s: gsos needs Open MPI", name);
}

static int open_library(struct mpi *m, struct error *e)
{
  /* Its parts, which it opens itself, look for its symbols. */
  m->library = dlopen("libmpi.so.40", RTLD_NOW | RTLD_GLOBAL);
  if (!m->library)
    return error_set(e, ERROR_CONFIG,
                     "started as one of several ranks, but Open MPI's library cannot be opened (%s); on Debian: "
                     "sudo apt-get install openmpi-bin",
                     dlerror());
  int code = find(m, "MPI_Init_thread", &m->init_thread, e);
  if (!code) code = find(m, "MPI_Comm_rank", &m->comm_rank, e);
  if (!code) code = find(m, "MPI_Comm_size", &m->comm_size, e);
  if (!code) code = find(m, "MPI_Isend", &m->isend, e);
  if (!code) code = find(m, "MPI_Test", &m->test, e);
  if (!code) code = find(m, "MPI_Iprobe", &m->iprobe, e);
  if (!code) code = find(m, "MPI_Get_count", &m->get_count, e);
  if (!code) code = find(m, "MPI_Recv", &m->recv, e);
  if (!code) code = find(m, "MPI_Finalize", &m->finalize, e);
  if (!code) code = find(m, "ompi_mpi_comm_world", &m->world, e);
  if (!code) code = find(m, "ompi_mpi_byte", &m->byte, e);
  return code;
}

/* ---- the link -------------------------------------------------------------------------------- */

static bool mpi_ready(struct link *l, int to)
{
  struct mpi_link *m = l->state;
  struct peer *p = &m->peers[to];
  int gone = 1;
  if (!p->bytes) return true;
  m->mpi.test(&p->request, &gone, MPI_STATUS_IGNORE);
  if (!gone) return false;
  free(p->bytes);
  p->bytes = NULL;
  return true;
}

static int mpi_send(struct link *l, int to, void *bytes, size_t n, struct error *e)
{
  struct mpi_link *m = l->state;
  struct peer *p = &m->peers[to];
  p->bytes = bytes;
  if (m->mpi.isend(bytes, (int)n, m->mpi.byte, to, TAG, m->mpi.world, &p->request) == MPI_SUCCESS) return 0;
  free(bytes);
  p->bytes = NULL;
  return error_set(e, ERROR_FAILED, "MPI sends nothing to rank %d", to);
}

static int mpi_receive(struct link *l, int *from, void **bytes, size_t *n, struct error *e)
{
  struct mpi_link *m = l->state;
  MPI_Status status;
  int there = 0, count = 0;
  m->mpi.iprobe(MPI_ANY_SOURCE, TAG, m->mpi.world, &there, &status);
  if (!there) return 0;
  m->mpi.get_count(&status, m->mpi.byte, &count);
  *bytes = malloc(count > 0 ? (size_t)count : 1);
  if (!*bytes) return error_set(e, ERROR_MACHINE, "no memory for %d bytes of rank %d", count, status.MPI_SOURCE);
  m->mpi.recv(*bytes, count, m->mpi.byte, status.MPI_SOURCE, TAG, m->mpi.world, MPI_STATUS_IGNORE);
  *from = status.MPI_SOURCE;
  *n = (size_t)count;
  return 1;
}

static void mpi_close(struct link *l)
{
  struct mpi_link *m = l->state;
  m->mpi.finalize();
  for (int i = 0; i < l->n_ranks; i++) free(m->peers[i].bytes);
  free(m->peers);
  free(m); /* the library stays open: what it has at the end of the process is its own */
}

int link_mpi_open(struct link **l, struct error *e)
{
  int provided, rank, launched = link_launched(&rank);
  struct mpi_link *m = calloc(1, sizeof *m);
  *l = NULL;
  if (!m) return error_set(e, ERROR_MACHINE, "no memory for the other ranks");
  int code = open_library(&m->mpi, e);
  if (code) goto failed;
  m->mpi.init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided);
  m->link = (struct link){.state = m, .ready = mpi_ready, .send = mpi_send, .receive = mpi_receive, .close = mpi_close};
  m->mpi.comm_rank(m->mpi.world, &m->link.rank);
  m->mpi.comm_size(m->mpi.world, &m->link.n_ranks);
  m->peers = calloc((size_t)m->link.n_ranks, sizeof *m->peers);
  if (!m->peers) code = error_set(e, ERROR_MACHINE, "no memory for the other ranks");
  if (!code && m->link.n_ranks != launched)
    code = error_set(e, ERROR_CONFIG,
                     "%d ranks were started, but Open MPI knows of %d: start them with its own mpirun, or with "
                     "srun --mpi=pmix",
                     launched, m->link.n_ranks);
  if (!code) {
    *l = &m->link;
    return 0;
  }
  m->mpi.finalize();
  free(m->peers);
failed:
  free(m);
  return code;
}

#else

int link_mpi_open(struct link **l, struct error *e)
{
  *l = NULL;
  return error_set(e, ERROR_CONFIG,
                   "started as one of several ranks, but this gsos was built without MPI; on Debian: sudo apt-get "
                   "install libopenmpi-dev openmpi-bin, then make");
}

#endif
