/* Networks to and from safetensors files.  Reading goes from the outside in: the file's own form
 * (safetensors.c), each metadata value against the limits that a configuration has anyway (plan.c),
 * the plan that follows from them, the tensors' names and shapes against the plan; and only then is
 * a network made, whose memory is by then known to be in proportion. */
#include "host/network/network_file.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/base/text_units.h"
#include "host/network/safetensors.h"
#include "host/base/text_escape.h"
#include "host/base/version.h"

enum {
  SIDE_LIMIT = 16384, /* pixels; what an ini file may ask for */
  CLASSES_LIMIT = 1000,
  CHANNELS_LIMIT = 4,
  FILTERS_LIMIT = 65536,
  CLASS_NAME_LIMIT = 1100, /* bytes; a file name has at most 255, each of which may be escaped to four */
  LOADED_BATCH = 32,       /* images at once; more is no faster on a core */
};
/* Memory for activations that a file may ask for beyond what is in proportion to its weights. */
static const int64_t activations_limit = (int64_t)2 << 30;

static const char *const class_weights[] = {CLASS_WEIGHTS(NAME_TEXT) NULL};
static const char *const resizes[] = {RESIZES(NAME_TEXT) NULL};

/* ---- the tensors that a plan has ------------------------------------------------------------- */

static int tensors_of(const struct plan *p)
{
  return 2 * p->config.num_conv_layers + 4;
}

static void expected_tensor(const struct plan *p, int index, struct safetensor *t)
{
  int layers = p->config.num_conv_layers, l = index / 2;
  const char *what = index % 2 ? "bias" : "weight";
  memset(t, 0, sizeof *t);
  if (l < layers) {
    const struct conv_shape *s = &p->conv[l];
    snprintf(t->name, sizeof t->name, "conv%d.%s", l, what);
    t->dims[0] = s->filters;
    t->dims[1] = s->in_channels;
    t->dims[2] = t->dims[3] = s->kernel;
    t->n_dims = 4;
  } else {
    snprintf(t->name, sizeof t->name, "fc%d.%s", l - layers, what);
    t->dims[0] = l == layers ? p->config.num_fc_units : p->classes;
    t->dims[1] = l == layers ? p->features : p->config.num_fc_units;
    t->n_dims = 2;
  }
  if (index % 2) t->n_dims = 1;
  t->count = 1;
  for (int d = 0; d < t->n_dims; d++) t->count *= t->dims[d];
}

static void shape_text(char *text, size_t size, int n_dims, const int64_t *dims)
{
  size_t used = 0;
  snprintf(text, size, "a number");
  for (int d = 0; d < n_dims && used < size; d++)
    used += (size_t)snprintf(text + used, size - used, "%s%" PRId64, d ? "×" : "", dims[d]);
}

/* ---- writing --------------------------------------------------------------------------------- */

static char *class_names_json(const struct dataset *d)
{
  char name[CLASS_NAME_LIMIT];
  cJSON *list = cJSON_CreateArray();
  bool whole = list != NULL;
  for (int c = 0; c < d->n_classes && whole; c++) {
    cJSON *item = cJSON_CreateString(text_escape_once(name, sizeof name, d->class_names[c]));
    whole = item && cJSON_AddItemToArray(list, item);
  }
  char *text = whole ? cJSON_PrintUnformatted(list) : NULL;
  cJSON_Delete(list);
  return text;
}

static void numbers_json(char *text, size_t size, const float *x, int n)
{
  size_t used = (size_t)snprintf(text, size, "[");
  for (int i = 0; i < n; i++) used += (size_t)snprintf(text + used, size - used, "%s%.9g", i ? ", " : "", (double)x[i]);
  snprintf(text + used, size - used, "]");
}

enum { METADATA_MAX = HP_COUNT + 16 };

/* Metadata in the making. */
struct metadata {
  const char *pairs[METADATA_MAX][2];
  char texts[METADATA_MAX][128];
  int n;
};

static void put(struct metadata *m, const char *key, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void put(struct metadata *m, const char *key, const char *format, ...)
{
  va_list args;
  va_start(args, format);
  vsnprintf(m->texts[m->n], sizeof m->texts[m->n], format, args);
  va_end(args);
  m->pairs[m->n][0] = key;
  m->pairs[m->n][1] = m->texts[m->n];
  m->n++;
}

static void put_all(struct metadata *m, const struct plan *p, const struct dataset *d, enum dataset_resize resize,
                    const char *class_names)
{
  const struct network_config *c = &p->config;
  put(m, "format", "pt");
  put(m, "gsos_version", "%s", GSOS_VERSION);
  for (enum hyperparameter_id h = 0; h < HP_COUNT; h++) {
    const struct hyperparameter *k = &hyperparameters[h];
    double value = network_config_get(c, h);
    if (k->kind == HYPERPARAMETER_LABEL)
      put(m, k->name, "%s", k->labels[(int)value]);
    else
      put(m, k->name, "%.17g", value);
  }
  put(m, "filters", "%d", c->model.filters);
  put(m, "momentum", "%.17g", c->model.momentum);
  if (c->model.class_weights != CLASS_WEIGHTS_NONE)
    put(m, "class_weights", "%s", class_weights[c->model.class_weights]);
  put(m, "image_height", "%d", d->height);
  put(m, "image_width", "%d", d->width);
  put(m, "image_channels", "%d", d->channels);
  put(m, "mean", " ");
  numbers_json(m->texts[m->n - 1], sizeof m->texts[0], d->mean, d->channels);
  put(m, "deviation", " ");
  numbers_json(m->texts[m->n - 1], sizeof m->texts[0], d->deviation, d->channels);
  put(m, "resize", "%s", resizes[resize]);
  put(m, "data_set", "%016" PRIx64, d->fingerprint);
  put(m, "class_names", " ");
  m->pairs[m->n - 1][1] = class_names;
}

int network_file_save(const char *path, struct network *n, const struct plan *p, const struct dataset *d,
                      enum dataset_resize resize, struct error *e)
{
  struct metadata metadata = {.n = 0};
  int count = network_tensor_count(n), code = 0;
  int64_t floats = 0;
  struct safetensor *tensors = calloc((size_t)count, sizeof *tensors);
  char *class_names = class_names_json(d);
  float *data = NULL;
  if (!tensors || !class_names) goto no_memory;
  for (int i = 0; i < count; i++) {
    struct network_tensor t;
    network_tensor_info(n, i, &t);
    memcpy(tensors[i].name, t.name, sizeof t.name);
    tensors[i].n_dims = t.n_dims;
    for (int k = 0; k < t.n_dims; k++) tensors[i].dims[k] = t.dims[k];
    tensors[i].count = t.count;
    floats += t.count;
  }
  data = malloc((size_t)floats * sizeof *data);
  if (!data) goto no_memory;
  floats = 0;
  for (int i = 0; i < count && !code; i++) {
    code = network_tensor_get(n, i, data + floats, e);
    tensors[i].data = data + floats;
    floats += tensors[i].count;
  }
  put_all(&metadata, p, d, resize, class_names);
  if (!code) code = safetensors_write(path, tensors, count, metadata.pairs, metadata.n, e);
  goto done;
no_memory:
  code = error_set(e, ERROR_MACHINE, "%s: no memory to write the network", path);
done:
  free(data);
  free(class_names);
  free(tensors);
  return code;
}

/* ---- reading: metadata ----------------------------------------------------------------------- */

static int metadata_text(const struct safetensors_file *f, const char *key, const char **text, struct error *e)
{
  *text = safetensors_metadata(f, key);
  if (*text) return 0;
  return error_set(e, ERROR_FAILED, "lacks the metadata key \"%s\": not a network that gsos wrote", key);
}

static int bad_value(struct error *e, const char *key, const char *text, const char *right)
{
  char shown[100];
  return error_set(e, ERROR_FAILED, "its metadata say %s = \"%s\": %s", key, text_escape(shown, sizeof shown, text),
                   right);
}

static int metadata_number(const struct safetensors_file *f, const char *key, double low, double high, bool whole,
                           double *value, struct error *e)
{
  const char *text;
  char *end, right[100];
  if (metadata_text(f, key, &text, e)) return e->code;
  *value = strtod(text, &end);
  if (end != text && *end == 0 && *value >= low && *value <= high && (!whole || *value == floor(*value))) return 0;
  snprintf(right, sizeof right, "a %snumber from %.17g to %.17g is right", whole ? "whole " : "", low, high);
  return bad_value(e, key, text, right);
}

/* The place of a text among `words`, which end with NULL. */
static int metadata_word(const struct safetensors_file *f, const char *key, const char *const *words, int *value,
                         struct error *e)
{
  const char *text;
  char right[100];
  size_t used = 0;
  if (metadata_text(f, key, &text, e)) return e->code;
  for (*value = 0; words[*value]; (*value)++)
    if (strcmp(text, words[*value]) == 0) return 0;
  for (int i = 0; words[i]; i++)
    used += text_format(right + used, sizeof right - used, "%s%s", i ? " or " : "", words[i]);
  text_format(right + used, sizeof right - used, " is right");
  return bad_value(e, key, text, right);
}

/* A hyperparameter, within the network's own limits.  An older file may lack it: then its network
 * was made with the default. */
static int read_hyperparameter(const struct safetensors_file *f, enum hyperparameter_id h, double *value,
                               struct error *e)
{
  const struct hyperparameter *k = &hyperparameters[h];
  int place = 0, code;
  if (!k->needed && !safetensors_metadata(f, k->name)) return hyperparameter_default(h, value, e);
  if (k->kind == HYPERPARAMETER_LABEL) {
    code = metadata_word(f, k->name, k->labels, &place, e);
    *value = place;
    return code;
  }
  code = metadata_number(f, k->name, k->low, k->high, k->kind == HYPERPARAMETER_WHOLE, value, e);
  /* here it is no fault of an ini's */
  if (!code && hyperparameter_check(h, *value, e)) code = e->code = ERROR_FAILED;
  return code;
}

static int read_config(const struct safetensors_file *f, struct network_config *config, struct error *e)
{
  double value;
  for (enum hyperparameter_id h = 0; h < HP_COUNT; h++) {
    if (read_hyperparameter(f, h, &value, e)) return e->code;
    network_config_set(config, h, value);
  }
  if (metadata_number(f, "filters", 1, FILTERS_LIMIT, true, &value, e)) return e->code;
  config->model.filters = (int)value;
  if (metadata_number(f, "momentum", 0, 1, false, &config->model.momentum, e)) return e->code;
  int place = CLASS_WEIGHTS_NONE; /* of a file that says nothing of it */
  int code = safetensors_metadata(f, "class_weights") ? metadata_word(f, "class_weights", class_weights, &place, e) : 0;
  config->model.class_weights = (enum class_weights)place;
  return code;
}

/* A JSON list of `n` numbers. */
static int read_numbers(const struct safetensors_file *f, const char *key, int n, float *x, bool positive,
                        struct error *e)
{
  const char *text;
  char right[100];
  if (metadata_text(f, key, &text, e)) return e->code;
  cJSON *list = strlen(text) < 1000 ? cJSON_Parse(text) : NULL;
  bool good = cJSON_IsArray(list) && cJSON_GetArraySize(list) == n;
  for (int i = 0; i < n && good; i++) {
    cJSON *item = cJSON_GetArrayItem(list, i);
    good = cJSON_IsNumber(item) && fabs(item->valuedouble) <= 1e6 && (!positive || item->valuedouble >= 1e-12);
    if (good) x[i] = (float)item->valuedouble;
  }
  cJSON_Delete(list);
  if (good) return 0;
  snprintf(right, sizeof right, "a list of %d %s is right, one a channel", n,
           positive ? "positive numbers" : "numbers");
  return bad_value(e, key, text, right);
}

static int read_class_names(const struct safetensors_file *f, struct dataset *d, struct error *e)
{
  const char *text;
  char name[CLASS_NAME_LIMIT];
  if (metadata_text(f, "class_names", &text, e)) return e->code;
  cJSON *list = strlen(text) <= (size_t)CLASSES_LIMIT * CLASS_NAME_LIMIT ? cJSON_Parse(text) : NULL, *item;
  int n = cJSON_IsArray(list) ? cJSON_GetArraySize(list) : 0, code = 0;
  if (n < 2 || n > CLASSES_LIMIT) {
    code = bad_value(e, "class_names", text, "a JSON list of 2 to 1000 texts is right");
  } else if (!(d->class_names = calloc((size_t)n, sizeof *d->class_names))) {
    code = error_set(e, ERROR_MACHINE, "no memory for its class names");
  } else {
    cJSON_ArrayForEach(item, list)
    {
      if (!cJSON_IsString(item))
        code = bad_value(e, "class_names", text, "a JSON list of 2 to 1000 texts is right");
      else if (!(d->class_names[d->n_classes++] = strdup(text_escape_once(name, sizeof name, item->valuestring))))
        code = error_set(e, ERROR_MACHINE, "no memory for its class names");
      if (code) break;
    }
  }
  cJSON_Delete(list);
  return code;
}

static int read_shape(const struct safetensors_file *f, struct network_file *n, struct error *e)
{
  struct dataset *d = &n->shape;
  const char *fingerprint;
  double height, width, channels;
  int resize;
  if (metadata_number(f, "image_height", 1, SIDE_LIMIT, true, &height, e) ||
      metadata_number(f, "image_width", 1, SIDE_LIMIT, true, &width, e) ||
      metadata_number(f, "image_channels", 1, CHANNELS_LIMIT, true, &channels, e) ||
      metadata_word(f, "resize", resizes, &resize, e) || metadata_text(f, "data_set", &fingerprint, e) ||
      read_class_names(f, d, e))
    return e->code;
  d->height = (int)height;
  d->width = (int)width;
  d->channels = (int)channels;
  n->resize = (enum dataset_resize)resize;
  char *end;
  n->data_set = strtoull(fingerprint, &end, 16);
  if (end == fingerprint || *end) return bad_value(e, "data_set", fingerprint, "a hexadecimal number is right");
  if (read_numbers(f, "mean", d->channels, d->mean, false, e)) return e->code;
  return read_numbers(f, "deviation", d->channels, d->deviation, true, e);
}

/* ---- reading: the network -------------------------------------------------------------------- */

static int check_tensors(const struct safetensors_file *f, const struct plan *p, struct error *e)
{
  int n = tensors_of(p);
  for (int i = 0; i < n; i++) {
    struct safetensor wanted;
    char is[100], should[100];
    expected_tensor(p, i, &wanted);
    const struct safetensor *t = safetensors_find(f, wanted.name);
    if (!t)
      return error_set(e, ERROR_FAILED, "lacks the tensor %s of the network that its metadata describe", wanted.name);
    if (t->n_dims == wanted.n_dims && memcmp(t->dims, wanted.dims, (size_t)t->n_dims * sizeof *t->dims) == 0) continue;
    shape_text(is, sizeof is, t->n_dims, t->dims);
    shape_text(should, sizeof should, wanted.n_dims, wanted.dims);
    return error_set(e, ERROR_FAILED, "its tensor %s is %s; the network that its metadata describe has %s there",
                     wanted.name, is, should);
  }
  if (f->n == n) return 0;
  return error_set(e, ERROR_FAILED, "has %d tensor%s; the network that its metadata describe has %d", f->n,
                   text_plural(f->n), n);
}

static void plan_batch(struct network_file *n, int batch_size)
{
  const struct dataset *d = &n->shape;
  struct network_config config = n->config;
  config.batch_size = batch_size;
  plan_make(&n->plan, &config, d->height, d->width, d->channels, d->n_classes, 1, 1);
}

/* The plan that follows from the metadata; its batch is for fit_memory to decide. */
static int make_plan(struct network_file *n, struct error *e)
{
  plan_batch(n, 1);
  if (n->plan.feasible) return 0;
  return error_set(e, ERROR_FAILED, "describes a network that cannot be: %s", n->plan.reason);
}

/* Plans for LOADED_BATCH images at once, for fewer where these would take more memory than is in
 * proportion. */
static int fit_memory(struct network_file *n, const struct safetensors_file *f, struct error *e)
{
  int64_t limit =
      activations_limit + 4 * f->map_bytes; /* the plan counts each weight four times: gradient, optimiser */
  int batch_size = n->config.batch_size < LOADED_BATCH ? n->config.batch_size : LOADED_BATCH;
  for (plan_batch(n, batch_size); network_plan_bytes(&n->plan) > limit; plan_batch(n, batch_size /= 2))
    if (batch_size == 1)
      return error_set(e, ERROR_FAILED, "describes a network that needs %.1f GiB of memory for one image",
                       (double)network_plan_bytes(&n->plan) / 0x1p30);
  double bytes = (double)network_plan_bytes(&n->plan);
  double memory = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
  if (memory > 0 && bytes > memory)
    return error_set(e, ERROR_MACHINE, "needs %.1f GiB of memory, this machine has %.1f", bytes / 0x1p30,
                     memory / 0x1p30);
  return 0;
}

static int set_tensors(const struct safetensors_file *f, struct network *n, struct error *e)
{
  for (int i = 0; i < network_tensor_count(n); i++) {
    struct network_tensor t;
    network_tensor_info(n, i, &t);
    const struct safetensor *from = safetensors_find(f, t.name);
    if (!from || from->count != t.count)
      return error_set(e, ERROR_FAILED, "its tensor %s is not what the network has", t.name);
    if (network_tensor_set(n, i, from->data, e)) return e->code;
  }
  return 0;
}

/* All that is told before a network is made. */
static int read_all(struct network_file *n, const struct safetensors_file *f, struct error *e)
{
  int code = read_config(f, &n->config, e);
  if (!code) code = read_shape(f, n, e);
  if (!code) code = make_plan(n, e);
  return code ? code : check_tensors(f, &n->plan, e);
}

static int refuse(struct network_file *n, const char *path, struct error *e)
{
  char shown[512];
  network_file_close(n);
  return error_prefix(e, "%s", text_escape(shown, sizeof shown, path));
}

int network_file_open(struct network_file *n, struct safetensors_file *tensors, const char *path, struct error *e)
{
  struct error local;
  if (!e) e = &local;
  memset(n, 0, sizeof *n);
  if (safetensors_open(tensors, path, e)) return e->code;
  if (!read_all(n, tensors, e)) return 0;
  safetensors_close(tensors);
  return refuse(n, path, e);
}

int network_file_load(struct network_file *n, const char *path, struct error *e)
{
  struct safetensors_file f;
  struct error local;
  if (!e) e = &local;
  int code = network_file_open(n, &f, path, e);
  if (code) return code;
  code = fit_memory(n, &f, e);
  if (!code) code = network_create(&n->network, &n->plan, 0, &n->shape, e);
  if (!code) code = set_tensors(&f, n->network, e);
  safetensors_close(&f);
  return code ? refuse(n, path, e) : 0;
}

void network_file_close(struct network_file *n)
{
  network_destroy(n->network);
  for (int c = 0; c < n->shape.n_classes; c++) free(n->shape.class_names[c]);
  free(n->shape.class_names);
  memset(n, 0, sizeof *n);
}
