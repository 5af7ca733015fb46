/* The network's hyperparameters: what there is to search, written once.
 *
 * Whatever goes by their names reads the rows below: the default [space] and [groups] of an ini
 * file, the check that a space fits the network, the configuration that its values are, the
 * metadata of a saved network.  A new one is a row here and its field in struct network_config;
 * whoever computes with it reads the field (both optimisers by way of optimizer_settings_of). */
#ifndef GSOS_HYPERPARAMETERS_H
#define GSOS_HYPERPARAMETERS_H

#include <stdbool.h>
#include <stddef.h>

#include "host/base/error.h"
#include "host/base/name_list.h"
#include "host/space/space.h"
#include "kernels/optimizer.h"

enum { PLAN_CONV_MAX = 8 };

#define OPTIMIZERS(ROW) ROW(OPTIMIZER_ADAM, "adam") ROW(OPTIMIZER_SGD, "sgd")
#define PADDINGS(ROW) ROW(PADDING_VALID, "valid") ROW(PADDING_SAME, "same")
enum optimizer_kind { OPTIMIZERS(NAME_VALUE) };
enum padding_kind { PADDINGS(NAME_VALUE) };

/* ROW(symbol, name, field, kind, in a saved network's file, line in [space], what it is, weight).
 * The paper's order, in its groups.
 *   kind     what values may be, whatever an ini's range is: WHOLE, ODD (low, high), REAL (low,
 *            high), REAL_BELOW (low, high not included), LABEL (list)
 *   NEEDED   a file has to say it, since what the network computes depends on it; DEFAULTS: where a
 *            file does not, it was made with the default: so for whatever is added later
 *   weight   its importance, of Figure 1 of Wang, Nabney and Golbabaee, "Grouped Sequential
 *            Optimization Strategy", 2025: measured by N-RReliefF on about 10,000 networks */
/* clang-format off */
#define HYPERPARAMETERS_FIRST(ROW) \
  ROW(HP_NUM_CONV_LAYERS, "num_conv_layers", num_conv_layers, WHOLE(1, PLAN_CONV_MAX), NEEDED, \
      "int 2 .. 4 default 3", "convolution, ReLU, max pooling, that many times", "0.3853") \
  ROW(HP_LR, "lr", learning_rate, REAL(1e-30, 1e30), DEFAULTS, \
      "float 1e-05 .. 1 log default 0.01", "learning rate", "0.228") \
  ROW(HP_DROPOUT_RATE, "dropout_rate", dropout_rate, REAL_BELOW(0, 1), DEFAULTS, \
      "float 0 .. 0.9 default 0", "dropout before each fully connected layer", "0.1406")
#define HYPERPARAMETERS_SECOND(ROW) \
  ROW(HP_OPTIMIZER, "optimizer", optimizer, LABEL(OPTIMIZERS), DEFAULTS, \
      "categorical adam, sgd default adam", "optimiser", "0.0423") \
  ROW(HP_EPOCH, "epoch", epochs, WHOLE(1, 1000000), DEFAULTS, \
      "int 10 .. 100 default 10", "epochs", "0.0421") \
  ROW(HP_STRIDE, "stride", stride, WHOLE(1, 64), NEEDED, \
      "ordinal 1, 2 default 1", "stride of every convolution", "0.042")
#define HYPERPARAMETERS_THIRD(ROW) \
  ROW(HP_PADDING, "padding", padding, LABEL(PADDINGS), NEEDED, \
      "categorical valid, same default same", "padding of every convolution", "0.0327") \
  ROW(HP_KERNEL, "kernel", kernel, ODD(1, 63), NEEDED, \
      "ordinal 3, 5 default 3", "kernel of every convolution", "0.0286") \
  ROW(HP_NUM_FC_UNITS, "num_fc_units", num_fc_units, WHOLE(1, 65536), NEEDED, \
      "int 64 .. 256 default 64", "units of the first fully connected layer", "0.0185") \
  ROW(HP_BATCH_SIZE, "batch_size", batch_size, WHOLE(1, 65536), DEFAULTS, \
      "ordinal 32, 64, 128, 256 default 32", "images in a training step", "0.0151")

/* GROUP(name, its rows, its share of the trials, what it is): [groups] where an ini has none. */
#define HYPERPARAMETER_GROUPS(GROUP) \
  GROUP("first", HYPERPARAMETERS_FIRST, "4", "searched first: the most important ones") \
  GROUP("second", HYPERPARAMETERS_SECOND, "3", "searched next, around the best of the first") \
  GROUP("third", HYPERPARAMETERS_THIRD, "3", "searched last")
#define HYPERPARAMETERS(ROW) HYPERPARAMETERS_FIRST(ROW) HYPERPARAMETERS_SECOND(ROW) HYPERPARAMETERS_THIRD(ROW)
/* clang-format on */

#define HYPERPARAMETER_SYMBOL(symbol, ...) symbol,
enum hyperparameter_id { HYPERPARAMETERS(HYPERPARAMETER_SYMBOL) HP_COUNT };

/* Weights of classes in the loss that is trained with (class_weights.h). */
#define CLASS_WEIGHTS(ROW) ROW(CLASS_WEIGHTS_NONE, "none") ROW(CLASS_WEIGHTS_BALANCED, "balanced")
enum class_weights { CLASS_WEIGHTS(NAME_VALUE) };

/* What the ini's [model] section says: settings that are not searched. */
struct model_options {
  int filters;     /* of every convolution; default 32 */
  double momentum; /* of SGD; default 0.9 */
  enum class_weights class_weights;
};

/* A configuration as the trainers use it. */
struct network_config {
  int num_conv_layers;
  double learning_rate;
  double dropout_rate;
  enum optimizer_kind optimizer;
  int epochs;
  int stride;
  enum padding_kind padding;
  int kernel;
  int num_fc_units;
  int batch_size;
  struct model_options model;
};

enum hyperparameter_kind { HYPERPARAMETER_WHOLE, HYPERPARAMETER_REAL, HYPERPARAMETER_LABEL };

/* A row. */
struct hyperparameter {
  const char *name;
  enum hyperparameter_kind kind;
  double low, high; /* of the numbers */
  bool high_exclusive, odd;
  const char *const *labels; /* in the order of the field's enum; ends with NULL */
  bool needed;               /* in a saved network's file */
  const char *line;          /* in [space] */
  size_t offset;             /* of the field: a double where the kind is REAL, else an int or enum */
};
extern const struct hyperparameter hyperparameters[HP_COUNT];

/* The value of a field and back; of a label its place. */
double network_config_get(const struct network_config *c, enum hyperparameter_id h);
void network_config_set(struct network_config *c, enum hyperparameter_id h, double value);

/* Can the network be of this number?  ERROR_CONFIG says what would be right. */
int hyperparameter_check(enum hyperparameter_id h, double x, struct error *e);

/* The default of the row's line, as network_config_set takes it.  ERROR_MACHINE without memory. */
int hyperparameter_default(enum hyperparameter_id h, double *value, struct error *e);

/* Where each of them stands in a space. */
struct network_names {
  int index[HP_COUNT];
};

/* Finds them in `space`, and checks their types and ranges.  ERROR_CONFIG names those that are
 * missing, those that the network does not know, and those whose type or range cannot be. */
int network_names_find(struct network_names *names, const struct space *space, struct error *e);

/* values [space->n] */
void network_config_from_values(struct network_config *c, const struct network_names *names, const struct space *space,
                                const double *values, const struct model_options *model);

/* What the update of the weights reads. */
static inline struct optimizer_settings optimizer_settings_of(const struct network_config *c)
{
  return (struct optimizer_settings){.learning_rate = (float)c->learning_rate, .momentum = (float)c->model.momentum};
}

#endif
