/* Fits that were made lately.  See gp_fits.h. */
#include "host/samplers/gp/gp_fits.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "host/samplers/gp/gp_device.h"

/* Studies that run side by side have a history each; more than so many seldom ask in turn. */
enum { REMEMBERED = 16 };

/* All that a fit depends on, in bytes. */
struct question {
  unsigned char *bytes;
  size_t size;
};

struct remembered {
  struct question of; /* bytes NULL: nothing */
  bool is_made;       /* false: somebody is at it */
  struct gp_hyper hyper;
  unsigned long asked; /* when it was asked for last */
};

struct gp_fits {
  pthread_mutex_t lock;
  pthread_cond_t made;
  struct remembered all[REMEMBERED];
  unsigned long asked;
  int count;
};

int gp_fits_open(struct gp_fits **fits, struct error *e)
{
  *fits = calloc(1, sizeof(**fits));
  if (!*fits) return error_set(e, ERROR_MACHINE, "out of memory for the fits of a Gaussian process");
  pthread_mutex_init(&(*fits)->lock, NULL);
  pthread_cond_init(&(*fits)->made, NULL);
  return 0;
}

void gp_fits_close(struct gp_fits *fits)
{
  if (!fits) return;
  for (int i = 0; i < REMEMBERED; i++) free(fits->all[i].of.bytes);
  pthread_cond_destroy(&fits->made);
  pthread_mutex_destroy(&fits->lock);
  free(fits);
}

/* --- questions --- */

static unsigned char *append(unsigned char *to, const void *from, size_t bytes)
{
  if (bytes) memcpy(to, from, bytes);
  return to + bytes;
}

/* False without memory. */
static bool question_make(struct question *q, const struct gp_data *data, enum gp_prior prior, int evaluations,
                          const struct gp_workspace *w)
{
  const int head[] = {w != NULL, (int)prior, evaluations, data->n, data->d};
  const size_t column = (size_t)data->n * sizeof(double), axes = (size_t)data->d;
  q->size = sizeof(head) + axes * sizeof(*data->categorical) + (axes + 1) * column;
  q->bytes = malloc(q->size);
  if (!q->bytes) return false;
  unsigned char *at = append(q->bytes, head, sizeof(head));
  at = append(at, data->categorical, axes * sizeof(*data->categorical));
  for (int i = 0; i < data->d; i++) at = append(at, data->x[i], column);
  append(at, data->z, column);
  return true;
}

static bool is_same(const struct question *a, const struct question *b)
{
  return a->bytes && a->size == b->size && memcmp(a->bytes, b->bytes, a->size) == 0;
}

/* --- the ones remembered; all with the lock held --- */

static struct remembered *find(struct gp_fits *fits, const struct question *q)
{
  for (int i = 0; i < REMEMBERED; i++) {
    if (is_same(&fits->all[i].of, q)) return &fits->all[i];
  }
  return NULL;
}

/* One that is free, or was not asked for for longest; NULL where others are at all of them. */
static struct remembered *oldest(struct gp_fits *fits)
{
  struct remembered *found = NULL;
  for (int i = 0; i < REMEMBERED; i++) {
    struct remembered *r = &fits->all[i];
    if (!r->of.bytes) return r;
    if (r->is_made && (!found || r->asked < found->asked)) found = r;
  }
  return found;
}

static void forget(struct remembered *r)
{
  free(r->of.bytes);
  *r = (struct remembered){.of = {.bytes = NULL}};
}

/* The fit, where it is made or others are making it.  Else a place for it, which takes the
 * question's bytes, or NULL where there is none; *is_here says which. */
static struct remembered *look_up(struct gp_fits *fits, struct question *q, bool *is_here)
{
  struct remembered *r;
  while ((r = find(fits, q)) && !r->is_made) pthread_cond_wait(&fits->made, &fits->lock);
  *is_here = r != NULL;
  if (!r) {
    r = oldest(fits);
    fits->count++;
    if (!r) return NULL;
    forget(r);
    r->of = *q;
    q->bytes = NULL;
  }
  r->asked = ++fits->asked;
  return r;
}

int gp_fits_get(struct gp_fits *fits, const struct gp_data *data, enum gp_prior prior, int evaluations,
                struct gp_workspace *w, struct gp_hyper *h, struct error *e)
{
  struct question q;
  struct error failure;
  bool is_here;
  if (!fits) return gp_fit(data, prior, evaluations, w, h, e);
  if (!question_make(&q, data, prior, evaluations, w))
    return error_set(e, ERROR_MACHINE, "out of memory for a history of %d trials", data->n);
  pthread_mutex_lock(&fits->lock);
  struct remembered *r = look_up(fits, &q, &is_here);
  if (is_here) *h = r->hyper;
  pthread_mutex_unlock(&fits->lock);
  free(q.bytes);
  if (is_here) return 0;
  int code = gp_fit(data, prior, evaluations, w, h, e);
  if (!r) return code;
  pthread_mutex_lock(&fits->lock);
  if (code || (w && gp_workspace_check(w, &failure))) {
    forget(r); /* whoever waits makes it */
  } else {
    r->hyper = *h;
    r->is_made = true;
  }
  pthread_cond_broadcast(&fits->made);
  pthread_mutex_unlock(&fits->lock);
  return code;
}

int gp_fits_made(struct gp_fits *fits)
{
  pthread_mutex_lock(&fits->lock);
  int count = fits->count;
  pthread_mutex_unlock(&fits->lock);
  return count;
}
