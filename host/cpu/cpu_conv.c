/* A convolution of the CPU trainer: library or loops, pass by pass.  See cpu_conv.h. */
#include "host/cpu/cpu_conv.h"

#include <stdlib.h>
#include <string.h>

struct cpu_conv {
  struct loop_conv shape;
  const struct cpu_loops *loops;
  struct compat_conv *pass[3];
  bool ours[3];                          /* our loops run this pass */
  struct compat_layout *plain, *own[3];  /* own: of a pass that is ours */
  const struct compat_layout *layout[3]; /* of each pass */
  struct compat_reorder *to_data, *home; /* forward → backward data, backward weights → forward; NULL: the same */
  size_t scratch_bytes;
};

static void at_least(size_t *a, size_t b)
{
  if (b > *a) *a = b;
}

/* One pass: the library's unless that is its reference code. */
static int pass_create(struct cpu_conv *c, enum conv_pass pass, const struct compat_shape *s, struct error *e)
{
  int rc = compat_conv_create(&c->pass[pass], pass, s, e);
  if (rc) return rc;
  const char *name = compat_conv_implementation(c->pass[pass]);
  c->ours[pass] = !*name || strncmp(name, "ref", 3) == 0;
  if (!c->ours[pass]) {
    c->layout[pass] = compat_conv_layout(c->pass[pass]);
    at_least(&c->scratch_bytes, compat_conv_scratch_bytes(c->pass[pass]));
    return 0;
  }
  compat_conv_destroy(c->pass[pass]);
  c->pass[pass] = NULL;
  rc = compat_layout_create(&c->own[pass], s, pass == CONV_BACKWARD_DATA ? LAYOUT_BLOCKED_SWAPPED : LAYOUT_BLOCKED, e);
  c->layout[pass] = c->own[pass];
  return rc;
}

static int reorder_create(struct cpu_conv *c, struct compat_reorder **r, const struct compat_layout *from,
                          const struct compat_layout *to, struct error *e)
{
  if (compat_layout_equal(from, to)) return 0;
  int rc = compat_reorder_create(r, from, to, e);
  if (!rc) at_least(&c->scratch_bytes, compat_reorder_scratch_bytes(*r));
  return rc;
}

int cpu_conv_create(struct cpu_conv **c, const struct loop_conv *s, const struct cpu_loops *loops, struct error *e)
{
  struct cpu_conv *new = calloc(1, sizeof *new);
  if (!new) return error_set(e, ERROR_MACHINE, "no memory for a convolution");
  new->shape = *s;
  new->loops = loops;
  const struct compat_shape shape = {.images = s->images,
                                     .in_channels = s->in_channels,
                                     .out_channels = s->out_channels,
                                     .in_height = s->in_height,
                                     .in_width = s->in_width,
                                     .out_height = s->out_height,
                                     .out_width = s->out_width,
                                     .kernel = s->kernel,
                                     .stride = s->stride,
                                     .pad = s->pad,
                                     .block = loops->block};
  int rc = compat_layout_create(&new->plain, &shape, LAYOUT_PLAIN, e);
  for (int pass = CONV_FORWARD; pass <= CONV_BACKWARD_WEIGHTS && !rc; pass++) rc = pass_create(new, pass, &shape, e);
  /* Channels are whole blocks, so every layout has the same size; the trainer's arrays rely on
   * it. */
  for (int pass = CONV_FORWARD; pass <= CONV_BACKWARD_WEIGHTS && !rc; pass++)
    if (compat_layout_bytes(new->layout[pass]) != compat_layout_bytes(new->plain))
      rc = error_set(e, ERROR_FAILED, "oneDNN %s pads the weights of a convolution with %d channels; this is a defect",
                     compat_version(), s->in_channels);
  if (!rc) rc = reorder_create(new, &new->to_data, new->layout[CONV_FORWARD], new->layout[CONV_BACKWARD_DATA], e);
  if (!rc) rc = reorder_create(new, &new->home, new->layout[CONV_BACKWARD_WEIGHTS], new->layout[CONV_FORWARD], e);
  if (rc) {
    cpu_conv_destroy(new);
    return rc;
  }
  *c = new;
  return 0;
}

void cpu_conv_destroy(struct cpu_conv *c)
{
  if (!c) return;
  compat_reorder_destroy(c->home);
  compat_reorder_destroy(c->to_data);
  for (int pass = 0; pass < 3; pass++) {
    compat_conv_destroy(c->pass[pass]);
    compat_layout_destroy(c->own[pass]);
  }
  compat_layout_destroy(c->plain);
  free(c);
}

size_t cpu_conv_scratch_bytes(const struct cpu_conv *c)
{
  return c->scratch_bytes;
}

const char *cpu_conv_implementation(const struct cpu_conv *c, enum conv_pass pass)
{
  return c->ours[pass] ? "loops" : compat_conv_implementation(c->pass[pass]);
}

int cpu_conv_forward(struct cpu_conv *c, const float *x, const float *w, const float *bias, float *y, void *scratch,
                     struct error *e)
{
  if (!c->ours[CONV_FORWARD])
    return compat_conv_execute(c->pass[CONV_FORWARD], (float *)x, (float *)w, (float *)bias, y, scratch, e);
  c->loops->conv_forward(&c->shape, x, w, bias, y);
  return 0;
}

int cpu_conv_backward_weights_view(struct cpu_conv *c, const float *w, float *other, const float **view, void *scratch,
                                   struct error *e)
{
  *view = c->to_data ? other : w;
  return c->to_data ? compat_reorder_execute(c->to_data, w, other, scratch, e) : 0;
}

int cpu_conv_backward_data(struct cpu_conv *c, const float *dy, const float *view, float *dx, void *scratch,
                           struct error *e)
{
  if (!c->ours[CONV_BACKWARD_DATA])
    return compat_conv_execute(c->pass[CONV_BACKWARD_DATA], dx, (float *)view, NULL, (float *)dy, scratch, e);
  c->loops->conv_backward_data(&c->shape, dy, view, dx);
  return 0;
}

int cpu_conv_backward_weights(struct cpu_conv *c, const float *x, const float *dy, float *dw, float *db, void *scratch,
                              struct error *e)
{
  if (!c->ours[CONV_BACKWARD_WEIGHTS])
    return compat_conv_execute(c->pass[CONV_BACKWARD_WEIGHTS], (float *)x, dw, db, (float *)dy, scratch, e);
  c->loops->conv_backward_weights(&c->shape, x, dy, dw, db);
  return 0;
}

bool cpu_conv_gradient_is_home(const struct cpu_conv *c)
{
  return !c->home;
}

int cpu_conv_gradient_home(struct cpu_conv *c, const float *dw, float *g, void *scratch, struct error *e)
{
  if (c->home) return compat_reorder_execute(c->home, dw, g, scratch, e);
  memcpy(g, dw, compat_layout_bytes(c->plain));
  return 0;
}

/* Between the plain layout and the weights' own, rarely: made and dropped. */
static int convert(struct cpu_conv *c, const struct compat_layout *from, const struct compat_layout *to,
                   const float *source, float *target, struct error *e)
{
  if (compat_layout_equal(from, to)) {
    memcpy(target, source, compat_layout_bytes(c->plain));
    return 0;
  }
  struct compat_reorder *r = NULL;
  int rc = compat_reorder_create(&r, from, to, e);
  if (rc) return rc;
  void *scratch = NULL;
  size_t bytes = compat_reorder_scratch_bytes(r);
  if (bytes && posix_memalign(&scratch, 64, bytes))
    rc = error_set(e, ERROR_MACHINE, "no memory to reorder weights");
  else
    rc = compat_reorder_execute(r, source, target, scratch, e);
  free(scratch);
  compat_reorder_destroy(r);
  return rc;
}

int cpu_conv_weights_get(struct cpu_conv *c, const float *w, float *plain, struct error *e)
{
  return convert(c, c->layout[CONV_FORWARD], c->plain, w, plain, e);
}

int cpu_conv_weights_set(struct cpu_conv *c, const float *plain, float *w, struct error *e)
{
  return convert(c, c->plain, c->layout[CONV_FORWARD], plain, w, e);
}
