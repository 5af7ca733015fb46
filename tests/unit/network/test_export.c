/* A network for other programs: the ONNX file decodes to the graph of the network, weights bit for
 * bit, and the module for PyTorch says the same layers.
 *
 * Not under ThreadSanitizer: one thread. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <host/network/onnx.pb-c.h> /* made from onnx.proto */

#include "host/network/export.h"
#include "host/network/safetensors.h"

enum { HEIGHT = 27, WIDTH = 30, CHANNELS = 2, CLASSES = 3, LAYERS = 2, KERNEL = 5, STRIDE = 2 };

static char folder[1024], network_path[1100], path[1100];
static char *class_names[CLASSES] = {"plain", "two \"quoted\" \\ \xc3\xa9", "bytes \xff"};

static int set_up(void **state)
{
  (void)state;
  const char *tmp = getenv("TMPDIR");
  struct error e = {0};
  struct network *network;
  struct plan plan;
  snprintf(folder, sizeof folder, "%s/gsos-export-XXXXXX", tmp ? tmp : "/tmp");
  if (!mkdtemp(folder)) return -1;
  snprintf(network_path, sizeof network_path, "%s/net.safetensors", folder);
  snprintf(path, sizeof path, "%s/exported", folder);
  trainer_cpu_thread_begin();
  const struct dataset images = {.n_classes = CLASSES,
                                 .channels = CHANNELS,
                                 .height = HEIGHT,
                                 .width = WIDTH,
                                 .class_names = class_names,
                                 .mean = {0.1f, 0.123456789f},
                                 .deviation = {0.3f, 1e-3f}};
  const struct network_config c = {.num_conv_layers = LAYERS,
                                   .learning_rate = 0.01,
                                   .dropout_rate = 0.25,
                                   .optimizer = OPTIMIZER_ADAM,
                                   .epochs = 1,
                                   .stride = STRIDE,
                                   .padding = PADDING_SAME,
                                   .kernel = KERNEL,
                                   .num_fc_units = 20,
                                   .batch_size = 16,
                                   .model = {.filters = 6, .momentum = 0.9}};
  plan_make(&plan, &c, HEIGHT, WIDTH, CHANNELS, CLASSES, 0, 0);
  if (network_create(&network, &plan, 99, &images, &e)) fail_msg("%s", e.message);
  if (network_file_save(network_path, network, &plan, &images, RESIZE_AREA, &e)) fail_msg("%s", e.message);
  network_destroy(network);
  return 0;
}

static int tear_down(void **state)
{
  (void)state;
  unlink(network_path);
  unlink(path);
  return rmdir(folder);
}

/* A file's bytes, with a 0 behind them. */
static char *contents(const char *file, size_t *size)
{
  FILE *in = fopen(file, "rb");
  assert_non_null(in);
  assert_int_equal(fseek(in, 0, SEEK_END), 0);
  *size = (size_t)ftell(in);
  rewind(in);
  char *text = calloc(*size + 1, 1);
  assert_int_equal(fread(text, 1, *size, in), *size);
  fclose(in);
  return text;
}

/* ---- ONNX ------------------------------------------------------------------------------------ */

static Onnx__ModelProto *exported(struct network_file *n, struct safetensors_file *tensors)
{
  struct error e = {0};
  size_t size;
  if (network_file_open(n, tensors, network_path, &e)) fail_msg("%s", e.message);
  if (export_onnx(path, n, tensors, &e)) fail_msg("%s", e.message);
  char *bytes = contents(path, &size);
  Onnx__ModelProto *m = onnx__model_proto__unpack(NULL, size, (const uint8_t *)bytes);
  assert_null(onnx__model_proto__unpack(NULL, size - 1, (const uint8_t *)bytes)); /* a cut one is none */
  free(bytes);
  assert_non_null(m);
  return m;
}

static void done(Onnx__ModelProto *m, struct network_file *n, struct safetensors_file *tensors)
{
  onnx__model_proto__free_unpacked(m, NULL);
  network_file_close(n);
  safetensors_close(tensors);
}

static const Onnx__TensorProto *initializer(const Onnx__GraphProto *g, const char *name)
{
  for (size_t i = 0; i < g->n_initializer; i++)
    if (!strcmp(g->initializer[i]->name, name)) return g->initializer[i];
  return NULL;
}

/* Does node `node` come after what makes the value? */
static bool is_made_before(const Onnx__GraphProto *g, size_t node, const char *name)
{
  if (!strcmp(name, g->input[0]->name) || initializer(g, name)) return true;
  for (size_t i = 0; i < node; i++)
    if (!strcmp(g->node[i]->output[0], name)) return true;
  return false;
}

static void the_graph_is_that_of_the_network(void **state)
{
  (void)state;
  struct network_file n;
  struct safetensors_file tensors;
  Onnx__ModelProto *m = exported(&n, &tensors);
  const Onnx__GraphProto *g = m->graph;
  static const char *const types[] = {"Cast", "Div",  "Sub",     "Div",     "Transpose", "Conv", "Relu", "MaxPool",
                                      "Conv", "Relu", "MaxPool", "Flatten", "Gemm",      "Relu", "Gemm", "Softmax"};
  assert_int_equal(m->ir_version, 7);
  assert_int_equal(m->n_opset_import, 1);
  assert_int_equal(m->opset_import[0]->version, 13);
  assert_string_equal(m->producer_name, "gsos");
  assert_int_equal(g->n_node, sizeof types / sizeof *types);
  for (size_t i = 0; i < g->n_node; i++) {
    assert_string_equal(g->node[i]->op_type, types[i]);
    for (size_t k = 0; k < g->node[i]->n_input; k++)
      if (!is_made_before(g, i, g->node[i]->input[k]))
        fail_msg("node %s: nothing makes %s before it", g->node[i]->name, g->node[i]->input[k]);
  }
  for (size_t i = 0; i < g->n_output; i++) assert_true(is_made_before(g, g->n_node, g->output[i]->name));
  done(m, &n, &tensors);
}

static void assert_shape(const Onnx__ValueInfoProto *v, const char *name, int type, int n, const int64_t *dims)
{
  const Onnx__TypeProto__Tensor *t = v->type->tensor_type;
  assert_string_equal(v->name, name);
  assert_int_equal(t->elem_type, type);
  assert_int_equal(t->shape->n_dim, n);
  assert_string_equal(t->shape->dim[0]->dim_param, "N");
  assert_false(t->shape->dim[0]->has_dim_value);
  for (int d = 1; d < n; d++) assert_int_equal(t->shape->dim[d]->dim_value, dims[d]);
}

static void inputs_are_bytes_and_outputs_both_kinds_of_scores(void **state)
{
  (void)state;
  struct network_file n;
  struct safetensors_file tensors;
  Onnx__ModelProto *m = exported(&n, &tensors);
  const Onnx__GraphProto *g = m->graph;
  const int64_t images[] = {0, HEIGHT, WIDTH, CHANNELS}, classes[] = {0, CLASSES};
  assert_int_equal(g->n_input, 1);
  assert_shape(g->input[0], "images", ONNX__TENSOR_PROTO__DATA_TYPE__UINT8, 4, images);
  assert_int_equal(g->n_output, 2);
  assert_shape(g->output[0], "probabilities", ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, 2, classes);
  assert_shape(g->output[1], "logits", ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, 2, classes);
  done(m, &n, &tensors);
}

static void weights_and_statistics_are_the_networks_own_bits(void **state)
{
  (void)state;
  struct network_file n;
  struct safetensors_file tensors;
  Onnx__ModelProto *m = exported(&n, &tensors);
  for (int i = 0; i < tensors.n; i++) {
    const struct safetensor *t = &tensors.tensors[i];
    const Onnx__TensorProto *in = initializer(m->graph, t->name);
    assert_non_null(in);
    assert_int_equal(in->data_type, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT);
    assert_int_equal(in->n_dims, t->n_dims);
    for (int d = 0; d < t->n_dims; d++) assert_int_equal(in->dims[d], t->dims[d]);
    assert_int_equal(in->raw_data.len, t->count * (int64_t)sizeof(float));
    assert_memory_equal(in->raw_data.data, t->data, in->raw_data.len);
  }
  assert_int_equal(m->graph->n_initializer, tensors.n + 3);
  assert_memory_equal(initializer(m->graph, "mean")->raw_data.data, n.shape.mean, CHANNELS * sizeof(float));
  assert_memory_equal(initializer(m->graph, "deviation")->raw_data.data, n.shape.deviation, CHANNELS * sizeof(float));
  const float scale = 255;
  assert_memory_equal(initializer(m->graph, "scale")->raw_data.data, &scale, sizeof scale);
  done(m, &n, &tensors);
}

static const int64_t *ints(const Onnx__NodeProto *node, const char *name, size_t count)
{
  for (size_t i = 0; i < node->n_attribute; i++) {
    const Onnx__AttributeProto *a = node->attribute[i];
    if (strcmp(a->name, name) != 0) continue;
    assert_int_equal(a->type, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS);
    assert_int_equal(a->n_ints, count);
    return a->ints;
  }
  fail_msg("%s has no attribute %s", node->name, name);
  return NULL;
}

static void convolutions_have_the_plans_shapes(void **state)
{
  (void)state;
  struct network_file n;
  struct safetensors_file tensors;
  Onnx__ModelProto *m = exported(&n, &tensors);
  int found = 0;
  for (size_t i = 0; i < m->graph->n_node; i++) {
    const Onnx__NodeProto *node = m->graph->node[i];
    if (!strcmp(node->op_type, "Conv")) {
      found++;
      for (int d = 0; d < 2; d++) {
        assert_int_equal(ints(node, "kernel_shape", 2)[d], KERNEL);
        assert_int_equal(ints(node, "strides", 2)[d], STRIDE);
      }
      for (int side = 0; side < 4; side++) assert_int_equal(ints(node, "pads", 4)[side], (KERNEL - 1) / 2);
    } else if (!strcmp(node->op_type, "MaxPool")) {
      for (int d = 0; d < 2; d++) {
        assert_int_equal(ints(node, "kernel_shape", 2)[d], 2);
        assert_int_equal(ints(node, "strides", 2)[d], 2);
      }
    }
  }
  assert_int_equal(found, LAYERS);
  done(m, &n, &tensors);
}

static const char *metadata(const Onnx__ModelProto *m, const char *key)
{
  for (size_t i = 0; i < m->n_metadata_props; i++)
    if (!strcmp(m->metadata_props[i]->key, key)) return m->metadata_props[i]->value;
  return NULL;
}

static void metadata_have_the_class_names(void **state)
{
  (void)state;
  struct network_file n;
  struct safetensors_file tensors;
  Onnx__ModelProto *m = exported(&n, &tensors);
  assert_string_equal(metadata(m, "class_names"), "[\"plain\",\"two \\\"quoted\\\" \\\\ \xc3\xa9\",\"bytes \\\\xff\"]");
  assert_string_equal(metadata(m, "kernel"), "5");
  assert_null(metadata(m, "format")); /* which is of the safetensors file */
  assert_null(metadata(m, "nonsense"));
  done(m, &n, &tensors);
}

/* ---- PyTorch --------------------------------------------------------------------------------- */

static char *module(const char *to)
{
  struct network_file n;
  struct safetensors_file tensors;
  struct error e = {0};
  size_t size;
  if (network_file_open(&n, &tensors, network_path, &e)) fail_msg("%s", e.message);
  if (export_torch(to, &n, network_path, &e)) fail_msg("%s", e.message);
  network_file_close(&n);
  safetensors_close(&tensors);
  return contents(to, &size);
}

static void assert_has(const char *text, const char *part)
{
  if (!strstr(text, part)) fail_msg("no \"%s\" in:\n%s", part, text);
}

static void the_module_has_the_networks_layers(void **state)
{
  (void)state;
  char *text = module(path);
  assert_has(text, "self.conv0 = torch.nn.Conv2d(2, 6, kernel_size=5, stride=2, padding=2)\n");
  assert_has(text, "self.conv1 = torch.nn.Conv2d(6, 6, kernel_size=5, stride=2, padding=2)\n");
  assert_has(text, "self.fc0 = torch.nn.Linear(24, 20)\n");
  assert_has(text, "self.fc1 = torch.nn.Linear(20, 3)\n");
  assert_has(text, "torch.nn.Dropout(0.25)\n");
  assert_has(text, "torch.tensor([0.100000001, 0.123456791])");
  assert_has(text, "for conv in (self.conv0, self.conv1):\n");
  assert_has(text, "CLASSES = [\"plain\", \"two \\\"quoted\\\" \\\\ \xc3\xa9\", \"bytes \\\\xff\"]\n");
  free(text);
}

static void the_module_finds_the_weights(void **state)
{
  (void)state;
  char *text = module(path), below[1200], file[1300], whole[1400];
  assert_has(text, "pathlib.Path(__file__).with_name(\"net.safetensors\")\n");
  free(text);
  snprintf(below, sizeof below, "%s/\"below\xff", folder);
  snprintf(file, sizeof file, "%s/net.py", below);
  assert_int_equal(mkdir(below, 0777), 0);
  text = module(file); /* the weights are not beside it */
  char *real = realpath(network_path, NULL);
  snprintf(whole, sizeof whole, "WEIGHTS = \"%s\"\n", real);
  assert_has(text, whole);
  free(real);
  free(text);
  unlink(file);
  assert_int_equal(rmdir(below), 0);
}

static void names_of_files_that_are_no_utf8_are_pythons(void **state)
{
  (void)state;
  char odd[1200], before[1100], *text;
  snprintf(odd, sizeof odd, "%s/a\"b\\c\xff\n.safetensors", folder);
  assert_int_equal(rename(network_path, odd), 0);
  strcpy(before, network_path);
  strcpy(network_path, odd);
  text = module(path);
  strcpy(network_path, before);
  assert_int_equal(rename(odd, network_path), 0);
  assert_has(text, "with_name(\"a\\\"b\\\\c\\udcff\\x0a.safetensors\")\n");
  free(text);
}

/* ---- what cannot be written ------------------------------------------------------------------ */

static void what_cannot_be_written_leaves_nothing(void **state)
{
  (void)state;
  struct network_file n;
  struct safetensors_file tensors;
  struct error e = {0};
  char missing[1100];
  snprintf(missing, sizeof missing, "%s/missing/file", folder);
  if (network_file_open(&n, &tensors, network_path, &e)) fail_msg("%s", e.message);
  assert_int_equal(export_onnx(missing, &n, &tensors, &e), ERROR_FAILED);
  assert_non_null(strstr(e.message, missing));
  assert_int_equal(export_torch(missing, &n, network_path, &e), ERROR_FAILED);
  assert_non_null(strstr(e.message, missing));
  /* a device is not written over */
  assert_int_equal(export_onnx("/dev/full", &n, &tensors, &e), ERROR_FAILED);
  network_file_close(&n);
  safetensors_close(&tensors);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_graph_is_that_of_the_network),
      cmocka_unit_test(inputs_are_bytes_and_outputs_both_kinds_of_scores),
      cmocka_unit_test(weights_and_statistics_are_the_networks_own_bits),
      cmocka_unit_test(convolutions_have_the_plans_shapes),
      cmocka_unit_test(metadata_have_the_class_names),
      cmocka_unit_test(the_module_has_the_networks_layers),
      cmocka_unit_test(the_module_finds_the_weights),
      cmocka_unit_test(names_of_files_that_are_no_utf8_are_pythons),
      cmocka_unit_test(what_cannot_be_written_leaves_nothing),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
