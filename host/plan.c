/* The network plan: one configuration's shapes, parameters, operations and bytes.  See plan.h.
 *
 * Everything here is integer arithmetic on a handful of numbers, so a sampler may ask for thousands of plans.  The bytes
 * are those of the CPU trainer (trainer_cpu.c), array by array; they do not depend on the machine, because a configuration
 * whose plan is above `trial_memory` is infeasible, and that must be the same everywhere (contract 4). */
#include "plan.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* --- The ten names ----------------------------------------------------------------------------------------------- */

enum name_kind { NAME_WHOLE, NAME_REAL, NAME_LABEL };

/* A hyperparameter that the network knows: what it may be, and how the paper's line for it reads. */
struct known_name {
  const char *name;
  enum name_kind kind;
  double low, high; /* of the numbers; high of a real may be exclusive */
  bool high_exclusive, odd;
  const char *labels[2]; /* of a categorical */
  const char *example;   /* a line of [space] that is right */
};

static const struct known_name known[10] = {
    {"num_conv_layers", NAME_WHOLE, 1, PLAN_CONV_MAX, false, false, {0}, "int 2 .. 4 default 3"},
    {"lr", NAME_REAL, 1e-30, 1e30, false, false, {0}, "float 1e-5 .. 1 log default 0.01"},
    {"dropout_rate", NAME_REAL, 0, 1, true, false, {0}, "float 0 .. 0.9 default 0"},
    {"optimizer", NAME_LABEL, 0, 0, false, false, {"adam", "sgd"}, "categorical adam, sgd default adam"},
    {"epoch", NAME_WHOLE, 1, 1000000, false, false, {0}, "int 10 .. 100 default 10"},
    {"stride", NAME_WHOLE, 1, 64, false, false, {0}, "ordinal 1, 2 default 1"},
    {"padding", NAME_LABEL, 0, 0, false, false, {"valid", "same"}, "categorical valid, same default same"},
    {"kernel", NAME_WHOLE, 1, 63, false, true, {0}, "ordinal 3, 5 default 3"},
    {"num_fc_units", NAME_WHOLE, 1, 65536, false, false, {0}, "int 64 .. 256 default 64"},
    {"batch_size", NAME_WHOLE, 1, 65536, false, false, {0}, "ordinal 32, 64, 128, 256 default 32"},
};

/* One number that the parameter can take: is it one that the network can? */
static int check_number(const struct known_name *k, double x, struct error *e)
{
  bool whole = x == floor(x);
  bool below = k->high_exclusive ? x < k->high : x <= k->high;
  if (!(x >= k->low) || !below)
    return error_set(e, ERROR_CONFIG, "'%s' cannot be %g: the network takes %g to %g%s, e.g. '%s = %s'", k->name, x,
                     k->low, k->high, k->high_exclusive ? " (not included)" : "", k->name, k->example);
  if (k->kind == NAME_WHOLE && !whole)
    return error_set(e, ERROR_CONFIG, "'%s' cannot be %g: it is a whole number, e.g. '%s = %s'", k->name, x, k->name,
                     k->example);
  if (k->odd && fmod(x, 2) != 1)
    return error_set(e, ERROR_CONFIG, "'%s' cannot be %g: kernels have an odd size, e.g. '%s = %s'", k->name, x,
                     k->name, k->example);
  return 0;
}

static int check_label(const struct known_name *k, const char *label, struct error *e)
{
  if (strcmp(label, k->labels[0]) == 0 || strcmp(label, k->labels[1]) == 0) return 0;
  return error_set(e, ERROR_CONFIG, "'%s' cannot be '%s': the network knows '%s' and '%s', e.g. '%s = %s'", k->name,
                   label, k->labels[0], k->labels[1], k->name, k->example);
}

static int check_param(const struct known_name *k, const struct param *p, struct error *e)
{
  static const char *const type_names[] = {"float", "int", "ordinal", "categorical"};
  bool type_fits = k->kind == NAME_LABEL  ? p->type == PARAM_CATEGORICAL
                   : k->kind == NAME_REAL ? p->type == PARAM_FLOAT || p->type == PARAM_INT || p->type == PARAM_ORDINAL
                                          : p->type == PARAM_INT || p->type == PARAM_ORDINAL;
  if (!type_fits)
    return error_set(e, ERROR_CONFIG, "'%s' cannot be of type %s: write it like '%s = %s'", k->name,
                     type_names[p->type], k->name, k->example);
  int rc = 0;
  if (k->kind == NAME_LABEL) {
    for (int i = 0; i < p->n_choices && !rc; i++) rc = check_label(k, p->labels[i], e);
  } else if (p->type == PARAM_ORDINAL) {
    for (int i = 0; i < p->n_choices && !rc; i++) rc = check_number(k, p->numbers[i], e);
  } else {
    rc = check_number(k, p->low, e);
    if (!rc) rc = check_number(k, p->high, e);
    if (!rc && k->odd && p->high > p->low) /* a range of ints has even ones between */
      rc = check_number(k, p->low + 1, e);
  }
  return rc;
}

/* Appends "'name'" to a list in `text`. */
static void list_append(char *text, size_t size, const char *name)
{
  size_t used = strlen(text);
  snprintf(text + used, size - used, "%s'%s'", used ? ", " : "", name);
}

int network_names_find(struct network_names *names, const struct space *space, struct error *e)
{
  char missing[600] = "", unknown[600] = "";
  for (int k = 0; k < 10; k++) {
    names->index[k] = space_index(space, known[k].name);
    if (names->index[k] < 0) list_append(missing, sizeof missing, known[k].name);
  }
  for (int i = 0; i < space->n; i++) {
    bool found = false;
    for (int k = 0; k < 10; k++) found = found || names->index[k] == i;
    if (!found) list_append(unknown, sizeof unknown, space->params[i].name);
  }
  if (*missing || *unknown)
    return error_set(
        e, ERROR_CONFIG,
        "the network needs ten hyperparameters by name (num_conv_layers, lr, dropout_rate, optimizer, epoch, "
        "stride, padding, kernel, num_fc_units, batch_size)%s%s%s%s",
        *missing ? "; missing: " : "", missing, *unknown ? "; none of them: " : "", unknown);
  for (int k = 0; k < 10; k++) {
    int rc = check_param(&known[k], &space->params[names->index[k]], e);
    if (rc) return rc;
  }
  return 0;
}

void network_config_from_values(struct network_config *c, const struct network_names *names, const struct space *space,
                                const double *values, const struct model_options *model)
{
  double number[10];
  const char *label[10] = {0};
  for (int k = 0; k < 10; k++) {
    const struct param *p = &space->params[names->index[k]];
    double value = values[names->index[k]];
    number[k] = param_number(p, value);
    if (p->type == PARAM_CATEGORICAL) label[k] = p->labels[(int)value];
  }
  memset(c, 0, sizeof *c);
  c->num_conv_layers = (int)number[0];
  c->learning_rate = number[1];
  c->dropout_rate = number[2];
  c->optimizer = strcmp(label[3], "sgd") == 0 ? OPTIMIZER_SGD : OPTIMIZER_ADAM;
  c->epochs = (int)number[4];
  c->stride = (int)number[5];
  c->padding = strcmp(label[6], "valid") == 0 ? PADDING_VALID : PADDING_SAME;
  c->kernel = (int)number[7];
  c->num_fc_units = (int)number[8];
  c->batch_size = (int)number[9];
  c->model = *model;
}

/* --- Shapes ------------------------------------------------------------------------------------------------------- */

/* Output size of a convolution; 0 where the kernel does not fit. */
static int convolved(int n, int kernel, int stride, int pad)
{
  int room = n + 2 * pad - kernel;
  return room < 0 ? 0 : room / stride + 1;
}

/* Fills the shapes of layer l from the map before it; false where its own map vanishes. */
static bool make_layer(struct plan *p, int l)
{
  const struct network_config *c = &p->config;
  struct conv_shape *s = &p->conv[l];
  s->in_channels = l ? c->model.filters : p->channels;
  s->in_height = l ? s[-1].pool_height : p->height;
  s->in_width = l ? s[-1].pool_width : p->width;
  s->filters = c->model.filters;
  s->kernel = c->kernel;
  s->stride = c->stride;
  s->pad = c->padding == PADDING_SAME ? (c->kernel - 1) / 2 : 0;
  s->conv_height = convolved(s->in_height, s->kernel, s->stride, s->pad);
  s->conv_width = convolved(s->in_width, s->kernel, s->stride, s->pad);
  s->pool_height = s->conv_height / 2;
  s->pool_width = s->conv_width / 2;
  if (s->pool_height > 0 && s->pool_width > 0) return true;
  if (s->conv_height == 0 || s->conv_width == 0)
    snprintf(p->reason, sizeof p->reason, "the %d×%d map before convolution %d of %d is smaller than its %d×%d kernel",
             s->in_height, s->in_width, l + 1, c->num_conv_layers, s->kernel, s->kernel);
  else
    snprintf(p->reason, sizeof p->reason, "the %d×%d map after convolution %d of %d vanishes in the 2×2 max pool",
             s->conv_height, s->conv_width, l + 1, c->num_conv_layers);
  return false;
}

static int64_t weights_of(const struct conv_shape *s)
{
  return (int64_t)s->filters * s->in_channels * s->kernel * s->kernel;
}

/* --- Bytes ---------------------------------------------------------------------------------------------------------- */

int plan_padded(int n)
{
  return (n + 15) / 16 * 16;
}

int plan_padded_filters(int filters)
{
  return filters <= 8 ? 8 : plan_padded(filters);
}

int plan_first_row(const struct conv_shape *s)
{
  return plan_padded(s->in_width + 2 * s->pad + 8);
}

/* As many images as keep the map after the convolution, which is written and read once more at once, in a level-2 cache of
 * 512 KiB beside the weights and the layer's input; a power of two, at most 16. */
int plan_conv_chunk(const struct conv_shape *s)
{
  int64_t image = (int64_t)4 * plan_padded_filters(s->filters) * s->conv_height * s->conv_width;
  int chunk = PLAN_IMAGES_ROUND;
  while (chunk > 1 && chunk * image > 256 * 1024) chunk /= 2;
  return chunk;
}

/* What trainer_cpu.c allocates; its own arena is laid out in the same order. */
static int64_t trainer_bytes(const struct plan *p)
{
  const struct network_config *c = &p->config;
  int64_t filters = plan_padded_filters(c->model.filters), taps = (int64_t)c->kernel * c->kernel;
  int64_t units = plan_padded(c->num_fc_units), classes = plan_padded(p->classes);
  int64_t images = ((int64_t)c->batch_size + PLAN_IMAGES_ROUND - 1) / PLAN_IMAGES_ROUND * PLAN_IMAGES_ROUND;
  const struct conv_shape *first = &p->conv[0], *last = &p->conv[c->num_conv_layers - 1];
  int64_t features = filters * last->pool_height * last->pool_width;

  int64_t weights = filters * taps * p->channels + filters, maps = 0, scratch = 0;
  for (int l = 0; l < c->num_conv_layers; l++) {
    const struct conv_shape *s = &p->conv[l];
    maps += images * filters * s->pool_height * s->pool_width;
    if (l == 0) continue;
    weights += filters * taps * filters + filters;
    int64_t map = plan_conv_chunk(s) * filters * s->conv_height * s->conv_width;
    if (map > scratch) scratch = map;
  }
  weights += features * units + units + units * classes + classes;
  int64_t floats = weights * (c->optimizer == OPTIMIZER_ADAM ? 4 : 3); /* themselves, gradients, one or two moments */
  floats += maps + maps / 4;                                           /* the argmax takes a byte */
  floats += scratch;
  if (c->num_conv_layers > 1) floats += 3 * filters * taps * filters; /* weights and gradients in other layouts */
  floats += (int64_t)p->channels * (p->height + 2 * first->pad) * plan_first_row(first);
  floats += images * (features + 2 * units + classes);
  return 4 * floats;
}

void plan_make(struct plan *p, const struct network_config *c, int height, int width, int channels, int classes,
               int train_images, int validation_images)
{
  memset(p, 0, sizeof *p);
  p->config = *c;
  p->height = height;
  p->width = width;
  p->channels = channels;
  p->classes = classes;
  p->train_images = train_images;
  p->validation_images = validation_images;
  if (c->num_conv_layers < 1 || c->num_conv_layers > PLAN_CONV_MAX || c->kernel < 1 || c->stride < 1 ||
      c->batch_size < 1 || c->num_fc_units < 1 || c->model.filters < 1 || height < 1 || width < 1 || channels < 1) {
    snprintf(p->reason, sizeof p->reason, "a number of layers, filters, units, or a size below 1 or too large");
    return;
  }
  for (int l = 0; l < c->num_conv_layers; l++)
    if (!make_layer(p, l)) return;
  p->feasible = true;

  const struct conv_shape *last = &p->conv[c->num_conv_layers - 1];
  p->features = last->filters * last->pool_height * last->pool_width;
  for (int l = 0; l < c->num_conv_layers; l++) {
    const struct conv_shape *s = &p->conv[l];
    double forward = 2.0 * (double)weights_of(s) * s->conv_height * s->conv_width;
    p->parameters += weights_of(s) + s->filters;
    p->flops_image_forward += forward;
    p->flops_image_training += (l ? 3 : 2) * forward;
  }
  int64_t dense = (int64_t)p->features * c->num_fc_units + (int64_t)c->num_fc_units * classes;
  p->parameters += dense + c->num_fc_units + classes;
  p->flops_image_forward += 2.0 * (double)dense;
  p->flops_image_training += 6.0 * (double)dense;

  int64_t steps_an_epoch = (train_images + (int64_t)c->batch_size - 1) / c->batch_size;
  p->flops_step = p->flops_image_training * c->batch_size;
  p->flops_total = c->epochs * (train_images * p->flops_image_training + validation_images * p->flops_image_forward);
  p->steps = c->epochs * steps_an_epoch;
  p->images = (int64_t)c->epochs * train_images;
  p->bytes = trainer_bytes(p);
}
