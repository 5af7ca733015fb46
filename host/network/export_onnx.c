/* A network as ONNX.  See export.h.
 *
 * The messages of onnx.proto are filled in and written by protobuf-c.  They lie in one block; the
 * weights stay where they are, in the mapping of the network's own file, little-endian floats here
 * and there.  A node, its one output and the tensor that it makes have the same name. */
#include "host/network/export.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <host/network/onnx.pb-c.h> /* made from onnx.proto */

#include "host/base/file_replace.h"
#include "host/base/text_escape.h"
#include "host/base/version.h"

enum {
  IR_VERSION = 7, /* what ONNX 1.8 writes, and all since then read */
  OPERATORS = 13, /* version of the operators, of the same one */
  NAME = 32,      /* bytes of a name that is made here */
  INPUTS = 3,
  ATTRIBUTES = 3,
  NODES = 3 * PLAN_CONV_MAX + 12,
  TENSORS = 2 * PLAN_CONV_MAX + 4 + 3, /* weights; 255, mean, deviation */
  DIMS = 4
};

struct attribute {
  Onnx__AttributeProto message;
  int64_t ints[4];
};

struct node {
  Onnx__NodeProto message;
  char output[NAME], input[INPUTS][NAME];
  char *output_list[1], *input_list[INPUTS];
  struct attribute attributes[ATTRIBUTES];
  Onnx__AttributeProto *attribute_list[ATTRIBUTES];
};

struct tensor {
  Onnx__TensorProto message;
  char name[sizeof(((struct safetensor *)0)->name)];
  int64_t dims[DIMS];
};

/* An input or output of the graph. */
struct value {
  Onnx__ValueInfoProto message;
  Onnx__TypeProto type;
  Onnx__TypeProto__Tensor tensor;
  Onnx__TensorShapeProto shape;
  Onnx__TensorShapeProto__Dimension dims[DIMS], *dim_list[DIMS];
};

struct model {
  Onnx__ModelProto message;
  Onnx__GraphProto graph;
  Onnx__OperatorSetIdProto operators, *operator_list[1];
  Onnx__StringStringEntryProto *metadata, **metadata_list; /* [n_metadata] */
  struct node nodes[NODES];
  Onnx__NodeProto *node_list[NODES];
  struct tensor tensors[TENSORS];
  Onnx__TensorProto *tensor_list[TENSORS];
  struct value input, outputs[2];
  Onnx__ValueInfoProto *input_list[1], *output_list[2];
  float scale; /* 255 */
  char about[600];
};

/* ---- nodes and tensors ----------------------------------------------------------------------- */

/* Appends a node.  inputs: their names, NULL at the end. */
static struct node *add_node(struct model *m, const char *name, const char *type, const char *const *inputs)
{
  struct node *n = &m->nodes[m->graph.n_node];
  m->node_list[m->graph.n_node++] = &n->message;
  n->message = (Onnx__NodeProto)ONNX__NODE_PROTO__INIT;
  snprintf(n->output, NAME, "%s", name);
  n->message.name = n->output_list[0] = n->output;
  n->message.op_type = (char *)type;
  n->message.n_output = 1;
  n->message.output = n->output_list;
  n->message.input = n->input_list;
  for (; inputs[n->message.n_input]; n->message.n_input++) {
    snprintf(n->input[n->message.n_input], NAME, "%s", inputs[n->message.n_input]);
    n->input_list[n->message.n_input] = n->input[n->message.n_input];
  }
  n->message.attribute = n->attribute_list;
  return n;
}
#define INPUTS_OF(...) ((const char *const[]){__VA_ARGS__, NULL})

static struct attribute *add_attribute(struct node *n, const char *name, Onnx__AttributeProto__AttributeType type)
{
  struct attribute *a = &n->attributes[n->message.n_attribute];
  n->attribute_list[n->message.n_attribute++] = &a->message;
  a->message = (Onnx__AttributeProto)ONNX__ATTRIBUTE_PROTO__INIT;
  a->message.name = (char *)name;
  a->message.has_type = true;
  a->message.type = type;
  return a;
}

static void add_int(struct node *n, const char *name, int64_t value)
{
  struct attribute *a = add_attribute(n, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT);
  a->message.has_i = true;
  a->message.i = value;
}

/* The same number for each of `count` sides. */
static void add_ints(struct node *n, const char *name, int count, int64_t value)
{
  struct attribute *a = add_attribute(n, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS);
  for (int i = 0; i < count; i++) a->ints[i] = value;
  a->message.n_ints = (size_t)count;
  a->message.ints = a->ints;
}

static void add_tensor(struct model *m, const char *name, int n_dims, const int64_t *dims, const float *data)
{
  struct tensor *t = &m->tensors[m->graph.n_initializer];
  size_t count = 1;
  m->tensor_list[m->graph.n_initializer++] = &t->message;
  t->message = (Onnx__TensorProto)ONNX__TENSOR_PROTO__INIT;
  snprintf(t->name, sizeof t->name, "%s", name);
  t->message.name = t->name;
  for (int d = 0; d < n_dims; d++) count *= (size_t)(t->dims[d] = dims[d]);
  t->message.n_dims = (size_t)n_dims;
  t->message.dims = t->dims;
  t->message.has_data_type = true;
  t->message.data_type = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT;
  t->message.has_raw_data = true;
  t->message.raw_data = (ProtobufCBinaryData){count * sizeof *data, (uint8_t *)data};
}

/* ---- the graph ------------------------------------------------------------------------------- */

/* Bytes [N][H][W][C] become "x", floats [N][C][H][W]. */
static void add_preprocessing(struct model *m, const struct dataset *d)
{
  const int64_t channels = d->channels;
  m->scale = 255;
  add_tensor(m, "scale", 0, NULL, &m->scale);
  add_tensor(m, "mean", 1, &channels, d->mean);
  add_tensor(m, "deviation", 1, &channels, d->deviation);
  add_int(add_node(m, "floats", "Cast", INPUTS_OF("images")), "to", ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT);
  add_node(m, "shares", "Div", INPUTS_OF("floats", "scale"));
  add_node(m, "centred", "Sub", INPUTS_OF("shares", "mean"));
  add_node(m, "normalised", "Div", INPUTS_OF("centred", "deviation"));
  struct node *n = add_node(m, "x", "Transpose", INPUTS_OF("normalised"));
  struct attribute *a = add_attribute(n, "perm", ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS);
  memcpy(a->ints, (const int64_t[]){0, 3, 1, 2}, sizeof a->ints);
  a->message.n_ints = 4;
  a->message.ints = a->ints;
}

/* Convolution, ReLU, pooling of layer l. */
static void add_layer(struct model *m, const struct conv_shape *s, int l)
{
  char from[NAME] = "x", conv[NAME], relu[NAME], pool[NAME], weight[NAME], bias[NAME];
  if (l) snprintf(from, NAME, "pool%d", l - 1);
  snprintf(conv, NAME, "conv%d", l);
  snprintf(relu, NAME, "relu%d", l);
  snprintf(pool, NAME, "pool%d", l);
  snprintf(weight, NAME, "conv%d.weight", l);
  snprintf(bias, NAME, "conv%d.bias", l);
  struct node *n = add_node(m, conv, "Conv", INPUTS_OF(from, weight, bias));
  add_ints(n, "kernel_shape", 2, s->kernel);
  add_ints(n, "strides", 2, s->stride);
  add_ints(n, "pads", 4, s->pad);
  add_node(m, relu, "Relu", INPUTS_OF(conv));
  n = add_node(m, pool, "MaxPool", INPUTS_OF(relu));
  add_ints(n, "kernel_shape", 2, 2);
  add_ints(n, "strides", 2, 2);
}

static void add_dense(struct model *m, const char *name, const char *from, const char *weight, const char *bias)
{
  add_int(add_node(m, name, "Gemm", INPUTS_OF(from, weight, bias)), "transB", 1);
}

static void add_nodes(struct model *m, const struct network_file *n)
{
  char last[NAME];
  add_preprocessing(m, &n->shape);
  for (int l = 0; l < n->config.num_conv_layers; l++) add_layer(m, &n->plan.conv[l], l);
  snprintf(last, sizeof last, "pool%d", n->config.num_conv_layers - 1);
  add_int(add_node(m, "features", "Flatten", INPUTS_OF(last)), "axis", 1);
  add_dense(m, "fc0", "features", "fc0.weight", "fc0.bias");
  add_node(m, "hidden", "Relu", INPUTS_OF("fc0"));
  add_dense(m, "logits", "hidden", "fc1.weight", "fc1.bias");
  add_int(add_node(m, "probabilities", "Softmax", INPUTS_OF("logits")), "axis", 1);
}

/* dims [n_dims]; the first is free, and called N. */
static Onnx__ValueInfoProto *make_value(struct value *v, const char *name, int type, int n_dims, const int64_t *dims)
{
  v->message = (Onnx__ValueInfoProto)ONNX__VALUE_INFO_PROTO__INIT;
  v->type = (Onnx__TypeProto)ONNX__TYPE_PROTO__INIT;
  v->tensor = (Onnx__TypeProto__Tensor)ONNX__TYPE_PROTO__TENSOR__INIT;
  v->shape = (Onnx__TensorShapeProto)ONNX__TENSOR_SHAPE_PROTO__INIT;
  v->message.name = (char *)name;
  v->message.type = &v->type;
  v->type.tensor_type = &v->tensor;
  v->tensor.has_elem_type = true;
  v->tensor.elem_type = type;
  v->tensor.shape = &v->shape;
  v->shape.n_dim = (size_t)n_dims;
  v->shape.dim = v->dim_list;
  for (int d = 0; d < n_dims; d++) {
    v->dims[d] = (Onnx__TensorShapeProto__Dimension)ONNX__TENSOR_SHAPE_PROTO__DIMENSION__INIT;
    v->dim_list[d] = &v->dims[d];
    v->dims[d].has_dim_value = d > 0;
    v->dims[d].dim_value = dims[d];
    if (d == 0) v->dims[d].dim_param = "N";
  }
  return &v->message;
}

static void make_graph(struct model *m, const struct network_file *n, const struct safetensors_file *tensors)
{
  const struct dataset *d = &n->shape;
  Onnx__GraphProto *g = &m->graph;
  *g = (Onnx__GraphProto)ONNX__GRAPH_PROTO__INIT;
  g->name = "gsos";
  g->node = m->node_list;
  g->initializer = m->tensor_list;
  g->input = m->input_list;
  g->output = m->output_list;
  add_nodes(m, n);
  for (int i = 0; i < tensors->n; i++) {
    const struct safetensor *t = &tensors->tensors[i];
    add_tensor(m, t->name, t->n_dims, t->dims, t->data);
  }
  m->input_list[g->n_input++] = make_value(&m->input, "images", ONNX__TENSOR_PROTO__DATA_TYPE__UINT8, 4,
                                           (const int64_t[]){0, d->height, d->width, d->channels});
  static const char *const outputs[] = {"probabilities", "logits"};
  for (int i = 0; i < 2; i++)
    m->output_list[g->n_output++] = make_value(&m->outputs[i], outputs[i], ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, 2,
                                               (const int64_t[]){0, d->n_classes});
}

/* ---- the file -------------------------------------------------------------------------------- */

/* All of the network's own but what says which program its file is for. */
static bool make_metadata(struct model *m, const struct safetensors_file *f)
{
  m->metadata = calloc((size_t)f->n_metadata + 1, sizeof *m->metadata);
  m->metadata_list = calloc((size_t)f->n_metadata + 1, sizeof *m->metadata_list);
  if (!m->metadata || !m->metadata_list) return false;
  for (int i = 0; i < f->n_metadata; i++) {
    if (!strcmp(f->metadata[i][0], "format")) continue;
    Onnx__StringStringEntryProto *entry = &m->metadata[m->message.n_metadata_props];
    *entry = (Onnx__StringStringEntryProto)ONNX__STRING_STRING_ENTRY_PROTO__INIT;
    entry->key = f->metadata[i][0];
    entry->value = f->metadata[i][1];
    m->metadata_list[m->message.n_metadata_props++] = entry;
  }
  m->message.metadata_props = m->metadata_list;
  return true;
}

static bool make_model(struct model *m, const struct network_file *n, const struct safetensors_file *tensors)
{
  const struct dataset *d = &n->shape;
  m->message = (Onnx__ModelProto)ONNX__MODEL_PROTO__INIT;
  m->operators = (Onnx__OperatorSetIdProto)ONNX__OPERATOR_SET_ID_PROTO__INIT;
  m->operators.domain = ""; /* ONNX's own */
  m->operators.has_version = true;
  m->operators.version = OPERATORS;
  m->operator_list[0] = &m->operators;
  m->message.n_opset_import = 1;
  m->message.opset_import = m->operator_list;
  m->message.has_ir_version = true;
  m->message.ir_version = IR_VERSION;
  m->message.producer_name = "gsos";
  m->message.producer_version = GSOS_VERSION;
  snprintf(m->about, sizeof m->about,
           "images: bytes [N][%d][%d][%d], rows from the top, %s.  probabilities, and logits before the softmax: "
           "[N][%d], in the order of class_names in the metadata.",
           d->height, d->width, d->channels, d->channels == 3 ? "red, green, blue" : "channels last", d->n_classes);
  m->message.doc_string = m->about;
  make_graph(m, n, tensors);
  m->message.graph = &m->graph;
  return make_metadata(m, tensors);
}

/* What protobuf-c packs goes straight to the file. */
struct file_buffer {
  ProtobufCBuffer base;
  FILE *out;
};

static void append(ProtobufCBuffer *buffer, size_t length, const uint8_t *data)
{
  fwrite(data, 1, length, ((struct file_buffer *)buffer)->out); /* errors: file_replace_commit */
}

static int write_model(const char *path, const struct model *m, struct error *e)
{
  struct file_replace f;
  char shown[512];
  if (protobuf_c_message_get_packed_size(&m->message.base) > INT32_MAX)
    return error_set(e, ERROR_FAILED, "%s: the network has more than 2 GiB, which no ONNX file can have",
                     text_escape(shown, sizeof shown, path));
  if (file_replace_begin(&f, path, e)) return e->code;
  struct file_buffer buffer = {.base = {.append = append}, .out = f.out};
  protobuf_c_message_pack_to_buffer(&m->message.base, &buffer.base);
  return file_replace_commit(&f, e);
}

int export_onnx(const char *path, const struct network_file *n, const struct safetensors_file *tensors, struct error *e)
{
  struct model *m = calloc(1, sizeof *m);
  int code = m && make_model(m, n, tensors) ? write_model(path, m, e)
                                            : error_set(e, ERROR_MACHINE, "no memory for an ONNX file");
  if (m) {
    free(m->metadata);
    free(m->metadata_list);
  }
  free(m);
  return code;
}
