/* The objective of all ranks, from within.  For objective_boxes*.c alone. */
#ifndef GSOS_OBJECTIVE_BOXES_H
#define GSOS_OBJECTIVE_BOXES_H

#include <pthread.h>

#include "host/experiment/experiment.h"
#include "sched/boxes/boxes.h"
#include "sched/boxes/lead.h"
#include "sched/boxes/offer.h"

struct box_device {
  int rank, of_rank; /* its number there */
  char name[DEVICE_NAME_MAX + 300];
};

struct box_host {
  int64_t limit, used; /* bytes */
};

struct boxes_objective {
  struct objective objective; /* first: the handle is the state */
  struct objective *inner;
  struct boxes *boxes;
  const struct experiment *x;
  int n;                      /* ranks */
  struct offer *offers;       /* [n] */
  bool *opened, *taken;       /* [n] have the experiment; take part */
  int *places;                /* [n] */
  int *host_of;               /* [n] */
  struct box_device *devices; /* [objective.n_devices] */
  int *device_of_place;       /* [objective.places] */
  struct error *left_out;     /* [n] why a rank does not take part; code 0: it does, or was said */
  int64_t bytes_before;
  /* under `lock`: */
  pthread_mutex_t lock;
  struct box_host *hosts; /* [n_hosts] */
  int n_hosts;
  int64_t trials, far_trials; /* that were added; to other ranks */
  int64_t restored;           /* of `trials`: those that went on from where they stood */
};

static inline struct boxes_objective *boxes_of(struct objective *o)
{
  return (struct boxes_objective *)o;
}

/* objective_boxes_place.c: puts the functions of a place into the objective. */
void boxes_use_places(struct boxes_objective *b);
/* objective_boxes_tell.c: ... and those that tell users of the ranks. */
void boxes_use_texts(struct boxes_objective *b);
/* "beta", or "beta, rank 2" where the host has several. */
const char *boxes_rank_name(const struct boxes_objective *b, int rank, char *name, size_t size);

#endif
