/* oneDNN's C API, 2.x and 3.x.  See dnnl_compat.h.
 *
 * What changed between the two: a memory descriptor was a struct and is an opaque handle; an
 * operation descriptor that was filled in first and made a primitive descriptor of in a second call
 * is gone.  The rest is the same in both. */
#include "host/cpu/dnnl_compat.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <oneapi/dnnl/dnnl.h>

/* --- The two versions ------------------------------------------------------------------------- */

#if DNNL_VERSION_MAJOR >= 3
typedef dnnl_memory_desc_t owned_desc;
typedef const_dnnl_memory_desc_t desc_ref;

static dnnl_status_t desc_make(owned_desc *d, int n, const dnnl_dims_t dims, dnnl_format_tag_t tag)
{
  return dnnl_memory_desc_create_with_tag(d, n, dims, dnnl_f32, tag);
}
static dnnl_status_t desc_copy(owned_desc *d, desc_ref from)
{
  return dnnl_memory_desc_clone(d, from);
}
static void desc_free(owned_desc *d)
{
  if (*d) dnnl_memory_desc_destroy(*d);
}
static desc_ref desc_of(const owned_desc *d)
{
  return *d;
}
static dnnl_status_t conv_describe(dnnl_primitive_desc_t *pd, enum conv_pass pass, dnnl_engine_t engine, owned_desc *x,
                                   owned_desc *w, owned_desc *b, owned_desc *y, const dnnl_dims_t strides,
                                   const dnnl_dims_t pad, const_dnnl_primitive_desc_t hint,
                                   const_dnnl_primitive_attr_t attr)
{
  const dnnl_dims_t dilates = {0, 0};
  if (pass == CONV_FORWARD)
    return dnnl_convolution_forward_primitive_desc_create(pd, engine, dnnl_forward_training, dnnl_convolution_direct,
                                                          *x, *w, *b, *y, strides, dilates, pad, pad, attr);
  if (pass == CONV_BACKWARD_DATA)
    return dnnl_convolution_backward_data_primitive_desc_create(pd, engine, dnnl_convolution_direct, *x, *w, *y,
                                                                strides, dilates, pad, pad, hint, attr);
  return dnnl_convolution_backward_weights_primitive_desc_create(pd, engine, dnnl_convolution_direct, *x, *w, *b, *y,
                                                                 strides, dilates, pad, pad, hint, attr);
}
#else
typedef dnnl_memory_desc_t owned_desc;
typedef const dnnl_memory_desc_t *desc_ref;

static dnnl_status_t desc_make(owned_desc *d, int n, const dnnl_dims_t dims, dnnl_format_tag_t tag)
{
  return dnnl_memory_desc_init_by_tag(d, n, dims, dnnl_f32, tag);
}
static dnnl_status_t desc_copy(owned_desc *d, desc_ref from)
{
  *d = *from;
  return dnnl_success;
}
static void desc_free(owned_desc *d)
{
  (void)d;
}
static desc_ref desc_of(const owned_desc *d)
{
  return d;
}
static dnnl_status_t conv_describe(dnnl_primitive_desc_t *pd, enum conv_pass pass, dnnl_engine_t engine, owned_desc *x,
                                   owned_desc *w, owned_desc *b, owned_desc *y, const dnnl_dims_t strides,
                                   const dnnl_dims_t pad, const_dnnl_primitive_desc_t hint,
                                   const_dnnl_primitive_attr_t attr)
{
  dnnl_convolution_desc_t d;
  dnnl_status_t s;
  if (pass == CONV_FORWARD)
    s = dnnl_convolution_forward_desc_init(&d, dnnl_forward_training, dnnl_convolution_direct, x, w, b, y, strides, pad,
                                           pad);
  else if (pass == CONV_BACKWARD_DATA)
    s = dnnl_convolution_backward_data_desc_init(&d, dnnl_convolution_direct, x, w, y, strides, pad, pad);
  else
    s = dnnl_convolution_backward_weights_desc_init(&d, dnnl_convolution_direct, x, w, b, y, strides, pad, pad);
  return s == dnnl_success ? dnnl_primitive_desc_create(pd, &d, attr, engine, hint) : s;
}
#endif

static int failed(struct error *e, dnnl_status_t s, const char *what)
{
  if (s == dnnl_out_of_memory) return error_set(e, ERROR_MACHINE, "oneDNN has no memory left to %s", what);
  return error_set(e, ERROR_FAILED, "oneDNN cannot %s (status %d)", what, (int)s);
}

/* --- One engine for the process --------------------------------------------------------------- */

static dnnl_engine_t the_engine;
static dnnl_status_t engine_status;
static pthread_once_t engine_once = PTHREAD_ONCE_INIT;

/* GSOS_ISA caps the library, too, but does not raise what its own variable says.  Where it was
 * built without that, its name for what it uses shows it (compat_isa_name).  The library looks at
 * this only until it is first used or asked. */
static void cap_make(void)
{
#if defined __x86_64__
  static const char *const lower[] = {"SSE41", "AVX", "AVX2", "AVX2_VNNI"};
  const int n_lower[] = {[CPU_ISA_BASELINE] = 1, [CPU_ISA_AVX2] = 4};
  enum cpu_isa cap = cpu_isa_cap();
  if (cap >= CPU_ISA_AVX512) return;
  const char *word = getenv("ONEDNN_MAX_CPU_ISA");
  if (!word) word = getenv("DNNL_MAX_CPU_ISA");
  for (int i = 0; word && i < n_lower[cap]; i++)
    if (!strcasecmp(word, lower[i])) return;
  dnnl_set_max_cpu_isa(cap == CPU_ISA_AVX2 ? dnnl_cpu_isa_avx2 : dnnl_cpu_isa_sse41);
#endif
}

static void cap_once(void)
{
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, cap_make);
}

static void engine_make(void)
{
  cap_once();
  engine_status = dnnl_engine_create(&the_engine, dnnl_cpu, 0);
}

static int engine_get(dnnl_engine_t *engine, struct error *e)
{
  pthread_once(&engine_once, engine_make);
  if (engine_status != dnnl_success) return failed(e, engine_status, "open its CPU engine");
  *engine = the_engine;
  return 0;
}

/* --- Layouts ---------------------------------------------------------------------------------- */

struct compat_layout {
  owned_desc desc;
};

static void weight_dims(const struct compat_shape *s, dnnl_dims_t dims)
{
  dims[0] = s->out_channels;
  dims[1] = s->in_channels;
  dims[2] = dims[3] = s->kernel;
}

int compat_layout_create(struct compat_layout **l, const struct compat_shape *s, enum compat_order order,
                         struct error *e)
{
  static const dnnl_format_tag_t tags[3][2] = {
      {dnnl_oihw, dnnl_oihw}, {dnnl_OIhw8i8o, dnnl_OIhw16i16o}, {dnnl_OIhw8o8i, dnnl_OIhw16o16i}};
  struct compat_layout *new = calloc(1, sizeof *new);
  if (!new) return error_set(e, ERROR_MACHINE, "no memory for a layout");
  dnnl_dims_t dims;
  weight_dims(s, dims);
  dnnl_status_t status = desc_make(&new->desc, 4, dims, tags[order][s->block == 16]);
  if (status != dnnl_success) {
    free(new);
    return failed(e, status, "describe weights");
  }
  *l = new;
  return 0;
}

void compat_layout_destroy(struct compat_layout *l)
{
  if (!l) return;
  desc_free(&l->desc);
  free(l);
}

size_t compat_layout_bytes(const struct compat_layout *l)
{
  return dnnl_memory_desc_get_size(desc_of(&l->desc));
}

bool compat_layout_equal(const struct compat_layout *a, const struct compat_layout *b)
{
  return dnnl_memory_desc_equal(desc_of(&a->desc), desc_of(&b->desc));
}

/* --- A primitive with its memories ------------------------------------------------------------ */

enum { MEMORIES_MAX = 5 };

/* A primitive, and a memory object for each of its arguments whose data are set anew at each
 * execution. */
struct runner {
  dnnl_primitive_t primitive;
  dnnl_stream_t stream;
  int n;
  dnnl_exec_arg_t args[MEMORIES_MAX]; /* [n]; the last is the scratchpad */
  size_t scratch_bytes;
};

static void runner_close(struct runner *r)
{
  for (int i = 0; i < r->n; i++) dnnl_memory_destroy(r->args[i].memory);
  if (r->stream) dnnl_stream_destroy(r->stream);
  if (r->primitive) dnnl_primitive_destroy(r->primitive);
}

static dnnl_status_t runner_open(struct runner *r, dnnl_primitive_desc_t pd, dnnl_engine_t engine, int n,
                                 const int *arg, const desc_ref *desc)
{
  dnnl_status_t s = dnnl_primitive_create(&r->primitive, pd);
  if (s == dnnl_success) s = dnnl_stream_create(&r->stream, engine, dnnl_stream_default_flags);
  for (int i = 0; i < n && s == dnnl_success; i++) {
    s = dnnl_memory_create(&r->args[i].memory, desc[i], engine, DNNL_MEMORY_NONE);
    if (s != dnnl_success) break;
    r->args[i].arg = arg[i];
    r->n = i + 1;
  }
  return s;
}

static dnnl_status_t runner_run(struct runner *r, void *const *data)
{
  for (int i = 0; i < r->n; i++) {
    dnnl_status_t s = dnnl_memory_set_data_handle(r->args[i].memory, data[i]);
    if (s != dnnl_success) return s;
  }
  dnnl_status_t s = dnnl_primitive_execute(r->primitive, r->stream, r->n, r->args);
  return s == dnnl_success ? dnnl_stream_wait(r->stream) : s;
}

/* Scratch memory is the caller's, so that a trial's memory is known and no thread holds any of its
 * own. */
static dnnl_status_t attr_make(dnnl_primitive_attr_t *attr)
{
  dnnl_status_t s = dnnl_primitive_attr_create(attr);
  return s == dnnl_success ? dnnl_primitive_attr_set_scratchpad_mode(*attr, dnnl_scratchpad_mode_user) : s;
}

/* --- Convolutions ----------------------------------------------------------------------------- */

struct compat_conv {
  enum conv_pass pass;
  struct runner runner;
  struct compat_layout weights;
  char implementation[64];
};

/* The arguments of each pass, in the order x, weights, bias, y, scratchpad (0: has none). */
static const int conv_args[3][5] = {
    {DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_BIAS, DNNL_ARG_DST, DNNL_ARG_SCRATCHPAD},
    {DNNL_ARG_DIFF_SRC, DNNL_ARG_WEIGHTS, 0, DNNL_ARG_DIFF_DST, DNNL_ARG_SCRATCHPAD},
    {DNNL_ARG_SRC, DNNL_ARG_DIFF_WEIGHTS, DNNL_ARG_DIFF_BIAS, DNNL_ARG_DIFF_DST, DNNL_ARG_SCRATCHPAD}};

int compat_conv_create(struct compat_conv **c, enum conv_pass pass, const struct compat_shape *s, struct error *e)
{
  dnnl_engine_t engine = NULL;
  int rc = engine_get(&engine, e);
  if (rc) return rc;
  struct compat_conv *new = calloc(1, sizeof *new);
  if (!new) return error_set(e, ERROR_MACHINE, "no memory for a convolution");
  new->pass = pass;

  const dnnl_dims_t x_dims = {s->images, s->in_channels, s->in_height, s->in_width};
  const dnnl_dims_t y_dims = {s->images, s->out_channels, s->out_height, s->out_width};
  const dnnl_dims_t b_dims = {s->out_channels};
  const dnnl_dims_t strides = {s->stride, s->stride}, pad = {s->pad, s->pad};
  dnnl_dims_t w_dims;
  weight_dims(s, w_dims);
  dnnl_format_tag_t tag = s->block == 16 ? dnnl_nChw16c : dnnl_nChw8c;
  owned_desc x = {0}, w = {0}, b = {0}, y = {0};
  dnnl_primitive_attr_t attr = NULL;
  dnnl_primitive_desc_t pd = NULL, hint = NULL;

  dnnl_status_t status = desc_make(&x, 4, x_dims, tag);
  if (status == dnnl_success) status = desc_make(&y, 4, y_dims, tag);
  if (status == dnnl_success) status = desc_make(&w, 4, w_dims, dnnl_format_tag_any);
  if (status == dnnl_success) status = desc_make(&b, 1, b_dims, dnnl_a);
  if (status == dnnl_success) status = attr_make(&attr);
  if (status != dnnl_success) goto done;
  if (pass != CONV_FORWARD)
    status = conv_describe(&hint, CONV_FORWARD, engine, &x, &w, &b, &y, strides, pad, NULL, attr);
  if (status == dnnl_success) status = conv_describe(&pd, pass, engine, &x, &w, &b, &y, strides, pad, hint, attr);
  if (status == dnnl_unimplemented) { /* no name, nothing to run */
    status = desc_make(&new->weights.desc, 4, w_dims, dnnl_oihw);
    goto done;
  }
  if (status != dnnl_success) goto done;

  const char *name = "";
  dnnl_primitive_desc_query(pd, dnnl_query_impl_info_str, 0, &name);
  snprintf(new->implementation, sizeof new->implementation, "%s", name);
  desc_ref weights = dnnl_primitive_desc_query_md(
      pd, pass == CONV_BACKWARD_WEIGHTS ? dnnl_query_diff_weights_md : dnnl_query_weights_md, 0);
  desc_ref scratch = dnnl_primitive_desc_query_md(pd, dnnl_query_scratchpad_md, 0);
  status = desc_copy(&new->weights.desc, weights);
  if (status != dnnl_success) goto done;
  const desc_ref all[5] = {desc_of(&x), weights, desc_of(&b), desc_of(&y), scratch};
  desc_ref desc[5];
  int arg[5], n = 0;
  for (int i = 0; i < 5; i++) {
    if (!conv_args[pass][i]) continue;
    desc[n] = all[i];
    arg[n++] = conv_args[pass][i];
  }
  new->runner.scratch_bytes = dnnl_memory_desc_get_size(scratch);
  status = runner_open(&new->runner, pd, engine, n, arg, desc);
done:
  if (pd) dnnl_primitive_desc_destroy(pd);
  if (hint) dnnl_primitive_desc_destroy(hint);
  if (attr) dnnl_primitive_attr_destroy(attr);
  desc_free(&x);
  desc_free(&w);
  desc_free(&b);
  desc_free(&y);
  if (status != dnnl_success) {
    compat_conv_destroy(new);
    return failed(e, status, "make a convolution");
  }
  *c = new;
  return 0;
}

void compat_conv_destroy(struct compat_conv *c)
{
  if (!c) return;
  runner_close(&c->runner);
  desc_free(&c->weights.desc);
  free(c);
}

const char *compat_conv_implementation(const struct compat_conv *c)
{
  return c->implementation;
}

const struct compat_layout *compat_conv_layout(const struct compat_conv *c)
{
  return &c->weights;
}

size_t compat_conv_scratch_bytes(const struct compat_conv *c)
{
  return c->runner.scratch_bytes;
}

int compat_conv_execute(struct compat_conv *c, float *x, float *w, float *bias, float *y, void *scratch,
                        struct error *e)
{
  void *const all[5] = {x, w, bias, y, scratch};
  void *data[5];
  int n = 0;
  for (int i = 0; i < 5; i++)
    if (conv_args[c->pass][i]) data[n++] = all[i];
  dnnl_status_t s = runner_run(&c->runner, data);
  return s == dnnl_success ? 0 : failed(e, s, "run a convolution");
}

/* --- Reorders --------------------------------------------------------------------------------- */

struct compat_reorder {
  struct runner runner;
};

int compat_reorder_create(struct compat_reorder **r, const struct compat_layout *from, const struct compat_layout *to,
                          struct error *e)
{
  dnnl_engine_t engine = NULL;
  int rc = engine_get(&engine, e);
  if (rc) return rc;
  struct compat_reorder *new = calloc(1, sizeof *new);
  if (!new) return error_set(e, ERROR_MACHINE, "no memory for a reorder");
  dnnl_primitive_attr_t attr = NULL;
  dnnl_primitive_desc_t pd = NULL;
  dnnl_status_t status = attr_make(&attr);
  if (status == dnnl_success)
    status = dnnl_reorder_primitive_desc_create(&pd, desc_of(&from->desc), engine, desc_of(&to->desc), engine, attr);
  if (status == dnnl_success) {
    desc_ref scratch = dnnl_primitive_desc_query_md(pd, dnnl_query_scratchpad_md, 0);
    const desc_ref desc[3] = {desc_of(&from->desc), desc_of(&to->desc), scratch};
    const int arg[3] = {DNNL_ARG_FROM, DNNL_ARG_TO, DNNL_ARG_SCRATCHPAD};
    new->runner.scratch_bytes = dnnl_memory_desc_get_size(scratch);
    status = runner_open(&new->runner, pd, engine, 3, arg, desc);
  }
  if (pd) dnnl_primitive_desc_destroy(pd);
  if (attr) dnnl_primitive_attr_destroy(attr);
  if (status != dnnl_success) {
    compat_reorder_destroy(new);
    return failed(e, status, "make a reorder of weights");
  }
  *r = new;
  return 0;
}

void compat_reorder_destroy(struct compat_reorder *r)
{
  if (!r) return;
  runner_close(&r->runner);
  free(r);
}

size_t compat_reorder_scratch_bytes(const struct compat_reorder *r)
{
  return r->runner.scratch_bytes;
}

int compat_reorder_execute(struct compat_reorder *r, const float *from, float *to, void *scratch, struct error *e)
{
  void *const data[3] = {(void *)from, to, scratch};
  dnnl_status_t s = runner_run(&r->runner, data);
  return s == dnnl_success ? 0 : failed(e, s, "reorder weights");
}

/* --- Matrix product, instruction set, version ------------------------------------------------- */

int compat_matmul(bool transpose_a, bool transpose_b, int m, int n, int k, const float *a, int lda, const float *b,
                  int ldb, float *c, int ldc, struct error *e)
{
  cap_once();
  dnnl_status_t s =
      dnnl_sgemm(transpose_a ? 'T' : 'N', transpose_b ? 'T' : 'N', m, n, k, 1.0f, a, lda, b, ldb, 0.0f, c, ldc);
  return s == dnnl_success ? 0 : failed(e, s, "multiply matrices");
}

/* The library numbers instruction sets as sets of bits, each holding those it builds on. */
static bool isa_has(dnnl_cpu_isa_t all, dnnl_cpu_isa_t isa)
{
  return ((unsigned)all & (unsigned)isa) == (unsigned)isa;
}

enum cpu_isa compat_isa(void)
{
  cap_once();
  dnnl_cpu_isa_t isa = dnnl_get_effective_cpu_isa();
  enum cpu_isa library = isa_has(isa, dnnl_cpu_isa_avx512_core) ? CPU_ISA_AVX512
                         : isa_has(isa, dnnl_cpu_isa_avx2)      ? CPU_ISA_AVX2
                                                                : CPU_ISA_BASELINE;
  enum cpu_isa ours = cpu_isa_detect();
  return library < ours ? library : ours;
}

const char *compat_isa_name(void)
{
  cap_once();
#if defined __x86_64__
  dnnl_cpu_isa_t isa = dnnl_get_effective_cpu_isa();
  static const struct {
    dnnl_cpu_isa_t isa;
    const char *name;
  } names[] = {{dnnl_cpu_isa_avx512_core, "avx512_core"}, /* what is above it has no bearing on 32-bit floats */
               {dnnl_cpu_isa_avx2, "avx2"},
               {dnnl_cpu_isa_avx, "avx"},
               {dnnl_cpu_isa_sse41, "sse41"}};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (isa_has(isa, names[i].isa)) return names[i].name;
  return "x86-64";
#elif defined __aarch64__
  return "aarch64";
#else
  return "generic";
#endif
}

static char version_text[64];
static pthread_once_t version_once = PTHREAD_ONCE_INIT;

static void version_make(void)
{
  const dnnl_version_t *v = dnnl_version();
  snprintf(version_text, sizeof version_text, "%d.%d.%d", v->major, v->minor, v->patch);
}

const char *compat_version(void)
{
  pthread_once(&version_once, version_make);
  return version_text;
}
