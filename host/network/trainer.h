/* A trainer: trains and evaluates one network of a plan.  Below objective.h, for the CNN alone.
 *
 * A network is a pure function of (plan, key, data set) on one instruction set (contract 1):
 * weights, order and masks come from Philox (docs/contracts.md, "Random numbers, exactly"), sums
 * are in fixed order, one thread computes it all. */
#ifndef GSOS_TRAINER_H
#define GSOS_TRAINER_H

#include <stdbool.h>
#include <stdint.h>

#include "host/data/dataset.h"
#include "host/base/error.h"
#include "host/network/plan.h"

/* Images are computed, and have room, in multiples of this number. */
enum { NETWORK_IMAGES_ROUND = 16 };

struct network; /* opaque: weights, optimiser state, activations */

/* One epoch's result over the validation (or another) part. */
struct evaluation {
  int n, correct;
  double accuracy; /* correct / n */
  double loss;     /* mean softmax cross-entropy */
};

/* A float tensor of the network in its logical (framework) layout: conv weights [K][C][kh][kw],
 * dense weights [out][in] with `in` of the first dense layer in the order (c, h, w), biases [K]. */
struct network_tensor {
  char name[64]; /* "conv0.weight", "conv0.bias", ..., "fc0.weight", "fc0.bias", "fc1.weight", "fc1.bias" */
  int n_dims;
  int dims[4];
  int64_t count;
};

/* CPU trainer.  Each function is called from the one thread that owns the network (its OpenMP is
 * set to one thread). */

/* Call once in each thread before anything else here: one OpenMP thread, flush denormals. */
void trainer_cpu_thread_begin(void);

/* The instruction set and libraries whose bits a result depends on, e.g. "avx512_core, oneDNN
 * 2.6.3". */
const char *trainer_cpu_description(void);

/* Allocates and initialises. ERROR_MACHINE where memory fails. */
int network_create(struct network **n, const struct plan *p, uint64_t key, const struct dataset *d, struct error *e);
void network_destroy(struct network *n); /* takes NULL */
/* The memory that network_create allocates for a feasible plan, 0 for another: its own layout,
 * counted.  A function of the plan alone, since a trial is infeasible above `trial_memory` on every
 * machine or on none (contract 4); so what the library wants beside it, which depends on the
 * processor, is not in it. */
int64_t network_plan_bytes(const struct plan *p);
int64_t network_bytes(const struct network *n); /* that, and the library's */

/* Trains one more epoch (numbered from 0 by the network itself), or what is left of one that was
 * stopped. `loss` out: mean training loss.  Returns 0 also when the loss is not finite (it is then
 * in *loss, and training stopped at once).  Looks at *stop (may be NULL) after every step: where it
 * is set, returns ERROR_INTERRUPTED, and the network stands between two steps: it may be kept, and
 * the next call goes on. */
int network_train_epoch(struct network *n, double *loss, const volatile int *stop, struct error *e);

/* Forward pass over a part (no dropout), in batches; correct count and loss in fixed order.
 * Changes nothing that training depends on, also where it is stopped. */
int network_evaluate(struct network *n, const struct dataset *d, const struct dataset_split *s, struct evaluation *out,
                     const volatile int *stop, struct error *e);

/* The same, and what the images were taken for: tally [2][classes] out, as in class_metrics.h;
 * NULL: not. */
int network_evaluate_classes(struct network *n, const struct dataset *d, const struct dataset_split *s,
                             struct evaluation *out, int32_t *tally, const volatile int *stop, struct error *e);

/* The same, and each image of the part is told of in order: its class, what it was taken for, and
 * the probabilities [classes] of the classes, which are gone with the next one.  What `told`
 * returns other than 0 ends it. */
typedef int (*network_told)(void *context, int image, int label, int said, const float *probabilities, struct error *e);
int network_evaluate_each(struct network *n, const struct dataset_split *s, struct evaluation *out, network_told told,
                          void *context, const volatile int *stop, struct error *e);

/* Class probabilities of images given as bytes: images [n][H][W][C], probabilities [n][classes]. */
int network_predict(struct network *n, const uint8_t *images, int count, float *probabilities, struct error *e);

int network_tensor_count(const struct network *n);
void network_tensor_info(const struct network *n, int index, struct network_tensor *t);
int network_tensor_get(struct network *n, int index, float *out, struct error *e); /* out [count], logical layout */
int network_tensor_set(struct network *n, int index, const float *in, struct error *e);

/* The whole state (weights, optimiser, epoch, step, place within the epoch) as one malloc'ed block,
 * and back: training goes on with the same bits. */
int network_checkpoint(struct network *n, void **block, size_t *bytes, struct error *e);
int network_restore(struct network *n, const void *block, size_t bytes, struct error *e);

#endif
