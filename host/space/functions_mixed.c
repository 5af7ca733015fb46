/* Analytic functions that are like tuning a network: hyperparameters of all types, logarithmic
 * scales, interactions, configurations that are infeasible or diverge, noise, and learning curves
 * of several epochs.
 *
 *   o  the optimum of a coordinate, w its weight (function_param's `importance`); decades(x) =
 *      log10(x / o). */
#include "host/space/functions.h"

#include <math.h>
#include <stdio.h>

#include "kernels/philox.h"

/* log10 (x / o); far away, and no NaN, where a user's range reaches below zero. */
static double decades(const struct function_call *c, int i)
{
  return log10(fmax(c->x[i], 1e-300) / c->function->params[i].optimum);
}

static double from_optimum(const struct function_call *c, int i)
{
  return c->x[i] - c->function->params[i].optimum;
}

static double weighted(const struct function_call *c, int i, double distance)
{
  return c->function->params[i].importance * distance * distance;
}

/* --- mixed: all four types; where the best rate lies depends on the method, and the decay
 * counts by the mode */

static const struct function_param mixed_params[] = {
    {"rate", "float 1e-5 .. 1 log default 0.1", 0.004, 1.0, 0},
    {"method", "categorical alpha, beta, gamma, delta default alpha", 2, 1.0, 0},
    {"depth", "int 1 .. 16 default 4", 11, 0.02, 0},
    {"width", "ordinal 8, 16, 32, 64, 128, 256, 512 default 32", 128, 0.15, 1},
    {"decay", "float 1e-6 .. 0.1 log default 1e-5", 3e-4, 0.1, 1},
    {"mode", "categorical off, weak, strong default off", 1, 1.0, 1},
    {"steps", "int 10 .. 1000 log default 30", 320, 0.3, 2},
    {"share", "float 0 .. 0.9 default 0.5", 0.15, 0.4, 2},
    {"order", "categorical left, right default left", 1, 0.05, 2}};

static void mixed_value(struct function_call *c)
{
  static const double method_rate[4] = {1.2, -0.8, 0.0, 0.6}, method_cost[4] = {0.5, 0.9, 0.0, 0.3};
  static const double mode_factor[3] = {0.2, 1.0, 3.0}, mode_cost[3] = {0.4, 0.0, 0.2};
  int method = (int)c->x[1], mode = (int)c->x[5];
  double sum = weighted(c, 0, decades(c, 0) - method_rate[method]) + method_cost[method];
  sum += weighted(c, 2, from_optimum(c, 2));
  sum += weighted(c, 3, log2(fmax(c->x[3], 1e-300) / c->function->params[3].optimum));
  sum += mode_factor[mode] * weighted(c, 4, decades(c, 4)) + mode_cost[mode];
  sum += weighted(c, 6, decades(c, 6)) + weighted(c, 7, from_optimum(c, 7));
  sum += c->function->params[8].importance * fabs(from_optimum(c, 8));
  c->value = sum;
}

const struct function function_mixed = {.name = "mixed",
                                        .summary = "floats, ints, ordinals and categoricals that interact, 9 in all",
                                        .optimum = 0.0,
                                        .n = FUNCTION_COUNT(mixed_params),
                                        .n_groups = 3,
                                        .params = mixed_params,
                                        .ratio = {4, 3, 3},
                                        .value = mixed_value};

/* --- tuning: the paper's ten hyperparameters with its weights, 0.98 exp(-Σ w d²), maximised --- */

static const struct function_param tuning_params[] = {
    {"num_conv_layers", "int 2 .. 4 default 3", 4, 0.3853, 0},
    {"lr", "float 1e-5 .. 1 log default 0.01", 0.002, 0.2280, 0},
    {"dropout_rate", "float 0 .. 0.9 default 0", 0.25, 0.1406, 0},
    {"optimizer", "categorical adam, sgd default adam", 0, 0.0423, 1},
    {"epoch", "int 10 .. 100 default 10", 64, 0.0421, 1},
    {"stride", "ordinal 1, 2 default 1", 1, 0.0420, 1},
    {"padding", "categorical valid, same default same", 1, 0.0327, 2},
    {"kernel", "ordinal 3, 5 default 3", 5, 0.0286, 2},
    {"num_fc_units", "int 64 .. 256 default 64", 180, 0.0185, 2},
    {"batch_size", "ordinal 32, 64, 128, 256 default 32", 64, 0.0151, 2}};

static void tuning_value(struct function_call *c)
{
  double batch = log2(fmax(c->x[9], 1e-300) / c->function->params[9].optimum);
  double sgd = c->x[3]; /* wants a tenfold rate, and four times the batch a double one */
  double sum = weighted(c, 0, from_optimum(c, 0));
  sum += weighted(c, 1, decades(c, 1) - sgd - 0.15 * batch);
  sum += weighted(c, 2, from_optimum(c, 2) / 0.25);
  sum += weighted(c, 3, sgd);
  sum += weighted(c, 4, from_optimum(c, 4) / 25);
  sum += weighted(c, 5, from_optimum(c, 5)) + weighted(c, 6, from_optimum(c, 6));
  sum += weighted(c, 7, from_optimum(c, 7) / 2) + weighted(c, 8, from_optimum(c, 8) / 60) + weighted(c, 9, batch);
  c->value = 0.98 * exp(-sum);
  c->loss = 0.02 + sum;
}

const struct function function_tuning = {.name = "tuning",
                                         .summary = "the paper's ten hyperparameters and weights, maximised",
                                         .maximize = true,
                                         .optimum = 0.98,
                                         .n = FUNCTION_COUNT(tuning_params),
                                         .n_groups = 3,
                                         .params = tuning_params,
                                         .ratio = {4, 3, 3},
                                         .value = tuning_value};

/* --- choices: nothing but categoricals and ordinals, 4,608 configurations; neighbours interact  */

static const struct function_param choices_params[] = {
    {"colour", "categorical red, green, blue, yellow default red", 2, 1.0, 0},
    {"shape", "categorical cube, ball, cone, ring default cube", 3, 0.8, 0},
    {"size", "ordinal 1, 2, 3, 5, 8, 13 default 1", 8, 0.1, 0},
    {"finish", "categorical matt, glossy, rough, none default none", 1, 0.4, 1},
    {"count", "int 1 .. 4 default 1", 3, 0.1, 1},
    {"side", "categorical left, right, top default left", 1, 0.2, 1}};

static void choices_value(struct function_call *c)
{
  static const double colour[4] = {0.7, 1.0, 0.0, 0.4}, shape[4] = {0.9, 0.5, 1.0, 0.0},
                      finish[4] = {0.3, 0.0, 0.8, 1.0}, side[3] = {1.0, 0.0, 0.5};
  double sum = c->function->params[0].importance * colour[(int)c->x[0]];
  sum += c->function->params[1].importance * shape[(int)c->x[1]] * (c->x[0] == 2 ? 1.0 : 0.6);
  sum += weighted(c, 2, from_optimum(c, 2) / 3);
  sum += c->function->params[3].importance * finish[(int)c->x[3]];
  sum += weighted(c, 4, from_optimum(c, 4)) + c->function->params[5].importance * side[(int)c->x[5]];
  c->value = sum;
}

const struct function function_choices = {.name = "choices",
                                          .summary = "nothing but categoricals, ordinals and small ints, 6 in all",
                                          .optimum = 0.0,
                                          .n = FUNCTION_COUNT(choices_params),
                                          .n_groups = 2,
                                          .params = choices_params,
                                          .ratio = {1, 1},
                                          .value = choices_value};

/* --- constrained: infeasible where a size halved `stages` times vanishes, and beyond a line --- */

static const struct function_param constrained_params[] = {
    {"stages", "int 1 .. 6 default 2", 3, 0.3, 0},          {"stride", "ordinal 1, 2 default 1", 2, 0.8, 0},
    {"size", "ordinal 4, 8, 16, 32 default 32", 8, 0.2, 0}, {"x", "float 0 .. 1 default 0.2", 0.55, 4.0, 1},
    {"y", "float 0 .. 1 default 0.2", 0.60, 3.0, 1},        {"z", "float 0 .. 1 default 0.7", 0.2, 1.0, 1}};

static bool constrained_feasible(const double *x, char *reason, size_t size)
{
  double left = x[2] / pow(x[1], x[0]);
  if (left < 1) {
    snprintf(reason, size, "size %g vanishes after %g stages of stride %g", x[2], x[0], x[1]);
    return false;
  }
  if (x[3] + x[4] > 1.2) {
    snprintf(reason, size, "x + y = %g is above 1.2", x[3] + x[4]);
    return false;
  }
  return true;
}

static void constrained_value(struct function_call *c)
{
  double sum = weighted(c, 0, from_optimum(c, 0)) + weighted(c, 1, from_optimum(c, 1));
  sum += weighted(c, 2, log2(fmax(c->x[2], 1e-300) / c->function->params[2].optimum));
  for (int i = 3; i < 6; i++) sum += weighted(c, i, from_optimum(c, i));
  c->value = sum;
}

const struct function function_constrained = {.name = "constrained",
                                              .summary =
                                                  "nearly half of the configurations are infeasible; 6 hyperparameters",
                                              .optimum = 0.0,
                                              .n = FUNCTION_COUNT(constrained_params),
                                              .n_groups = 2,
                                              .params = constrained_params,
                                              .ratio = {1, 1},
                                              .value = constrained_value,
                                              .feasible = constrained_feasible};

/* --- noisy: an ellipsoid with Gaussian noise, the trial's own --- */

#define NOISY_RANGE "float -5 .. 5 default 0"
static const struct function_param noisy_params[] = {{"x1", NOISY_RANGE, 2.4, 1.0, 0},
                                                     {"x2", NOISY_RANGE, -1.7, 0.5, 0},
                                                     {"x3", NOISY_RANGE, 3.2, 0.2, 0},
                                                     {"x4", NOISY_RANGE, -2.9, 0.1, 1},
                                                     {"x5", NOISY_RANGE, 1.3, 0.05, 1}};

/* Box and Muller from the two first words of the trial's noise. */
static double normal_noise(uint64_t key)
{
  struct philox_block b = philox4x32(key, philox_subsequence(PHILOX_NOISE, 0, 0), 0);
  double u = ((double)b.word[0] + 0.5) * 0x1p-32, v = (double)b.word[1] * 0x1p-32;
  return sqrt(-2 * log(u)) * cos(2 * M_PI * v);
}

static void noisy_value(struct function_call *c)
{
  double sum = 0;
  for (int i = 0; i < c->function->n; i++) sum += weighted(c, i, from_optimum(c, i));
  c->value = sum + c->function->noise * normal_noise(c->key);
}

const struct function function_noisy = {.name = "noisy",
                                        .summary = "an ellipsoid of 5 floats with Gaussian noise, 0.2",
                                        .optimum = 0.0,
                                        .noise = 0.2,
                                        .n = FUNCTION_COUNT(noisy_params),
                                        .n_groups = 2,
                                        .params = noisy_params,
                                        .ratio = {1, 1},
                                        .value = noisy_value};

/* --- cliff: the best learning rate lies close to where training diverges --- */

static const struct function_param cliff_params[] = {
    {"lr", "float 1e-4 .. 10 log default 1e-3", 0.35, 1.0, 0},
    {"momentum", "float 0 .. 0.99 default 0", 0.7, 2.0, 0},
    {"decay", "float 1e-6 .. 1 log default 1e-6", 2e-3, 0.1, 0},
    {"layers", "int 1 .. 8 default 2", 5, 0.05, 1},
    {"units", "int 16 .. 512 log default 32", 200, 0.3, 1},
    {"norm", "categorical none, batch, layer default none", 1, 0.3, 1}};

static void cliff_value(struct function_call *c)
{
  static const double norm[3] = {1.0, 0.0, 0.4};
  if (c->x[0] / (1.0 - fmin(c->x[1], 0.999)) > 1.5) {
    c->value = INFINITY; /* the effective rate is above what the curvature allows */
    return;
  }
  double sum = weighted(c, 0, decades(c, 0)) + weighted(c, 1, from_optimum(c, 1)) + weighted(c, 2, decades(c, 2));
  sum += weighted(c, 3, from_optimum(c, 3)) + weighted(c, 4, decades(c, 4));
  c->value = sum + c->function->params[5].importance * norm[(int)c->x[5]];
}

const struct function function_cliff = {.name = "cliff",
                                        .summary =
                                            "diverges beyond a cliff that the optimum is close to; 6 hyperparameters",
                                        .optimum = 0.0,
                                        .n = FUNCTION_COUNT(cliff_params),
                                        .n_groups = 2,
                                        .params = cliff_params,
                                        .ratio = {1, 1},
                                        .value = cliff_value};

/* --- curve: a learning curve, plateau (1 - exp(-epoch / tau)) less what overfitting costs, about
 * 5 ms an epoch */

static const struct function_param curve_params[] = {
    {"lr", "float 1e-4 .. 1 log default 0.001", 0.02, 0.08, 0},
    {"epoch", "int 1 .. 30 default 3", 22, 1.0, 0},
    {"width", "int 8 .. 64 default 16", 40, 0.1, 1},
    {"dropout", "float 0 .. 0.9 default 0", 0.3, 0.3, 1},
    {"schedule", "categorical constant, cosine, step default constant", 1, 0.05, 1}};

/* Philox blocks that take a present core about 5 ms. */
enum { CURVE_BLOCKS = 400000, CURVE_LOOK = 8192 };

static int curve_epochs(const double *x)
{
  return (int)fmax(x[1], 1);
}

/* Where the derivative of the value by the rate (in decades from the highest plateau) is 0 after 22
 * epochs, solved numerically; 22 is the best number of epochs there. */
static const double best_rate = 0.09234481686709643;

/* A higher rate is faster, and on either side of its best it lowers the plateau, so that curves
 * cross.  The work that makes an epoch last is a hash that goes on from epoch to epoch and decides
 * a small noise: an epoch that is skipped or repeated shows. */
static void curve_value(struct function_call *c)
{
  static const double schedule[3] = {1.0, 0.0, 0.5};
  uint64_t state = c->state;
  for (uint64_t i = 0; i < CURVE_BLOCKS; i++) {
    if (i % CURVE_LOOK == 0 && c->stop && __atomic_load_n(c->stop, __ATOMIC_RELAXED)) return;
    struct philox_block b = philox4x32(c->key ^ state, philox_subsequence(PHILOX_NOISE, 0, (uint64_t)c->epoch), i);
    state = (state ^ b.word[0]) * 0x9E3779B97F4A7C15ull + b.word[3];
  }
  c->state = state;
  double rate = decades(c, 0) + best_rate;
  double plateau = 0.95 - weighted(c, 0, rate) - weighted(c, 2, from_optimum(c, 2) / 32) -
                   weighted(c, 3, from_optimum(c, 3)) - c->function->params[4].importance * schedule[(int)c->x[4]];
  double tau = 4.0 * pow(10.0, -0.5 * rate);
  double clean = fmax(plateau, 0.02) * (1 - exp(-c->epoch / tau)) - 6e-4 * c->epoch;
  double uniform = (double)(state >> 11) * 0x1p-53;
  c->value = clean + c->function->noise * sqrt(12.0) * (uniform - 0.5);
  c->loss = 1.0 - c->value;
}

const struct function function_curve = {.name = "curve",
                                        .summary =
                                            "a learning curve of up to 30 epochs of 5 ms, maximised; 5 hyperparameters",
                                        .maximize = true,
                                        .optimum = 0.9340243911822171,
                                        .noise = 5e-4,
                                        .n = FUNCTION_COUNT(curve_params),
                                        .n_groups = 2,
                                        .params = curve_params,
                                        .ratio = {1, 1},
                                        .value = curve_value,
                                        .epochs = curve_epochs};
