/* The network of the design in plain double precision, as the tests' definition of right: loops
 * over the logical layouts, no cleverness.  Header only: each test program that needs it includes
 * it once. */
#ifndef GSOS_REFERENCE_NETWORK_H
#define GSOS_REFERENCE_NETWORK_H

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "host/data/dataset.h"
#include "host/network/plan.h"
#include "kernels/philox.h"

struct reference {
  struct plan plan;
  uint64_t key;
  int tensors; /* 2·(layers + 2): weight, bias, weight, bias ... in forward order */
  int64_t count[2 * PLAN_CONV_MAX + 4];
  double *value[2 * PLAN_CONV_MAX + 4], *gradient[2 * PLAN_CONV_MAX + 4];
};

/* Weights at their start. */
static void reference_create(struct reference *r, const struct plan *p, uint64_t key)
{
  memset(r, 0, sizeof *r);
  r->plan = *p;
  r->key = key;
  int layers = p->config.num_conv_layers;
  r->tensors = 2 * (layers + 2);
  for (int i = 0; i < layers + 2; i++) {
    int64_t out, fan_in;
    if (i < layers) {
      out = p->conv[i].filters;
      fan_in = (int64_t)p->conv[i].in_channels * p->conv[i].kernel * p->conv[i].kernel;
    } else {
      out = i == layers ? p->config.num_fc_units : p->classes;
      fan_in = i == layers ? p->features : p->config.num_fc_units;
    }
    r->count[2 * i] = out * fan_in;
    r->count[2 * i + 1] = out;
    for (int j = 2 * i; j < 2 * i + 2; j++) {
      r->value[j] = calloc((size_t)r->count[j], sizeof(double));
      r->gradient[j] = calloc((size_t)r->count[j], sizeof(double));
    }
    float bound = (float)sqrt(6.0 / (double)fan_in);
    for (int64_t j = 0; j < r->count[2 * i]; j++) {
      float u = philox_uniform(philox_word(key, philox_subsequence(PHILOX_WEIGHTS, i, 0), (uint64_t)j));
      r->value[2 * i][j] = (float)((2 * u - 1) * bound);
    }
  }
}

static void reference_destroy(struct reference *r)
{
  for (int i = 0; i < r->tensors; i++) {
    free(r->value[i]);
    free(r->gradient[i]);
  }
}

static double *doubles(int64_t n)
{
  return calloc((size_t)(n ? n : 1), sizeof(double));
}

/* y[k][oh][ow] of one image; x[c][h][w]. */
static void convolve(const struct conv_shape *s, const double *x, const double *w, const double *b, double *y)
{
  for (int k = 0; k < s->filters; k++)
    for (int oh = 0; oh < s->conv_height; oh++)
      for (int ow = 0; ow < s->conv_width; ow++) {
        double sum = b[k];
        for (int c = 0; c < s->in_channels; c++)
          for (int i = 0; i < s->kernel; i++)
            for (int j = 0; j < s->kernel; j++) {
              int h = oh * s->stride + i - s->pad, v = ow * s->stride + j - s->pad;
              if (h >= 0 && h < s->in_height && v >= 0 && v < s->in_width)
                sum += x[(c * s->in_height + h) * s->in_width + v] *
                       w[((k * s->in_channels + c) * s->kernel + i) * s->kernel + j];
            }
        y[(k * s->conv_height + oh) * s->conv_width + ow] = sum;
      }
}

static void convolve_backward(const struct conv_shape *s, const double *x, const double *w, const double *dy,
                              double *dx, double *dw, double *db)
{
  for (int k = 0; k < s->filters; k++)
    for (int oh = 0; oh < s->conv_height; oh++)
      for (int ow = 0; ow < s->conv_width; ow++) {
        double g = dy[(k * s->conv_height + oh) * s->conv_width + ow];
        if (g == 0) continue;
        db[k] += g;
        for (int c = 0; c < s->in_channels; c++)
          for (int i = 0; i < s->kernel; i++)
            for (int j = 0; j < s->kernel; j++) {
              int h = oh * s->stride + i - s->pad, v = ow * s->stride + j - s->pad;
              if (h < 0 || h >= s->in_height || v < 0 || v >= s->in_width) continue;
              int at = (c * s->in_height + h) * s->in_width + v;
              int wt = ((k * s->in_channels + c) * s->kernel + i) * s->kernel + j;
              dw[wt] += g * x[at];
              dx[at] += g * w[wt];
            }
      }
}

/* ReLU, then 2×2 pool; argmax is a place in the map, or -1 where ReLU lets nothing through. */
static void pool(const struct conv_shape *s, const double *x, double *y, int *argmax)
{
  for (int k = 0; k < s->filters; k++)
    for (int ph = 0; ph < s->pool_height; ph++)
      for (int pw = 0; pw < s->pool_width; pw++) {
        double best = -1;
        int place = -1;
        for (int q = 0; q < 4; q++) {
          int at = (k * s->conv_height + 2 * ph + q / 2) * s->conv_width + 2 * pw + q % 2;
          double v = x[at] > 0 ? x[at] : 0;
          if (v > best) best = v, place = at;
        }
        int o = (k * s->pool_height + ph) * s->pool_width + pw;
        y[o] = best;
        argmax[o] = best > 0 ? place : -1;
      }
}

static double kept(const struct reference *r, int block, int64_t step, int n, int features, int f)
{
  double rate = r->plan.config.dropout_rate;
  if (!(rate > 0)) return 1;
  uint32_t word = philox_word(r->key, philox_subsequence(PHILOX_DROPOUT, block, (uint64_t)step),
                              (uint64_t)n * (uint64_t)features + (uint64_t)f);
  return word >= philox_dropout_threshold(rate) ? 1 / (1 - rate) : 0;
}

/* What an image of that class counts while training, from the definition. */
static double weight_of(const struct reference *r, const struct dataset *d, int label)
{
  double images = 0, present = 0;
  if (r->plan.config.model.class_weights == CLASS_WEIGHTS_NONE) return 1;
  for (int c = 0; c < r->plan.classes; c++) {
    int there = 0;
    for (int i = 0; i < d->train.n; i++) there += dataset_label(&d->train, i) == c;
    present += there > 0;
    if (c == label) images = there;
  }
  return d->train.n / (present * images);
}

/* Forward, and backward where wanted, of image number n of the batch, which counts `weight` times;
 * returns its part of the loss. */
static double one_image(struct reference *r, const double *image, int label, double weight, int n, int count,
                        int training, int64_t step, int backward, double *probabilities)
{
  const struct plan *p = &r->plan;
  int layers = p->config.num_conv_layers, units = p->config.num_fc_units, classes = p->classes;
  double *x[PLAN_CONV_MAX + 1], *map[PLAN_CONV_MAX];
  int *argmax[PLAN_CONV_MAX];
  int64_t size[PLAN_CONV_MAX + 1];
  size[0] = (int64_t)p->channels * p->height * p->width;
  x[0] = doubles(size[0]);
  memcpy(x[0], image, (size_t)size[0] * sizeof(double));
  for (int l = 0; l < layers; l++) {
    const struct conv_shape *s = &p->conv[l];
    size[l + 1] = (int64_t)s->filters * s->pool_height * s->pool_width;
    map[l] = doubles((int64_t)s->filters * s->conv_height * s->conv_width);
    x[l + 1] = doubles(size[l + 1]);
    argmax[l] = calloc((size_t)size[l + 1], sizeof(int));
    convolve(s, x[l], r->value[2 * l], r->value[2 * l + 1], map[l]);
    pool(s, map[l], x[l + 1], argmax[l]);
  }
  int features = p->features;
  double *f = doubles(features), *h = doubles(units), *z = doubles(classes);
  const double *w1 = r->value[2 * layers], *b1 = r->value[2 * layers + 1], *w2 = r->value[2 * layers + 2],
               *b2 = r->value[2 * layers + 3];
  for (int i = 0; i < features; i++) f[i] = x[layers][i] * (training ? kept(r, 0, step, n, features, i) : 1);
  for (int j = 0; j < units; j++) {
    double sum = b1[j];
    for (int i = 0; i < features; i++) sum += w1[(int64_t)j * features + i] * f[i];
    h[j] = sum > 0 ? sum * (training ? kept(r, 1, step, n, units, j) : 1) : 0;
  }
  double largest = -INFINITY, total = 0;
  for (int k = 0; k < classes; k++) {
    z[k] = b2[k];
    for (int j = 0; j < units; j++) z[k] += w2[k * units + j] * h[j];
    if (z[k] > largest) largest = z[k];
  }
  for (int k = 0; k < classes; k++) total += exp(z[k] - largest);
  double loss = weight * (log(total) - (z[label] - largest));
  for (int k = 0; k < classes; k++) z[k] = exp(z[k] - largest) / total;
  if (probabilities) memcpy(probabilities, z, (size_t)classes * sizeof(double));
  if (backward) {
    double *df = doubles(features), *dh = doubles(units);
    for (int k = 0; k < classes; k++) {
      double g = weight * (z[k] - (k == label)) / count;
      r->gradient[2 * layers + 3][k] += g;
      for (int j = 0; j < units; j++) {
        r->gradient[2 * layers + 2][k * units + j] += g * h[j];
        dh[j] += g * w2[k * units + j];
      }
    }
    for (int j = 0; j < units; j++) {
      if (!(h[j] > 0)) continue;
      double g = dh[j] * (training ? kept(r, 1, step, n, units, j) : 1);
      r->gradient[2 * layers + 1][j] += g;
      for (int i = 0; i < features; i++) {
        r->gradient[2 * layers][(int64_t)j * features + i] += g * f[i];
        df[i] += g * w1[(int64_t)j * features + i];
      }
    }
    double *dx = doubles(features);
    for (int i = 0; i < features; i++) dx[i] = df[i] * (training ? kept(r, 0, step, n, features, i) : 1);
    for (int l = layers - 1; l >= 0; l--) {
      const struct conv_shape *s = &p->conv[l];
      double *dmap = doubles((int64_t)s->filters * s->conv_height * s->conv_width), *next = doubles(size[l]);
      for (int64_t i = 0; i < size[l + 1]; i++)
        if (argmax[l][i] >= 0) dmap[argmax[l][i]] += dx[i];
      convolve_backward(s, x[l], r->value[2 * l], dmap, next, r->gradient[2 * l], r->gradient[2 * l + 1]);
      free(dmap);
      free(dx);
      dx = next;
    }
    free(dx);
    free(df);
    free(dh);
  }
  for (int l = 0; l < layers; l++) {
    free(map[l]);
    free(argmax[l]);
    free(x[l]);
  }
  free(x[layers]);
  free(f);
  free(h);
  free(z);
  return loss;
}

/* Loss (the mean cross-entropy) of a batch of images given as rows of the split; training: with
 * dropout of that step and the weights of classes, and gradients where `backward`.  probabilities
 * may be NULL: [count][classes]. */
static double reference_pass(struct reference *r, const struct dataset *d, const struct dataset_split *s,
                             const int *images, int count, int training, int64_t step, int backward,
                             double *probabilities)
{
  const struct plan *p = &r->plan;
  double sum = 0, *image = doubles((int64_t)p->channels * p->height * p->width);
  if (backward)
    for (int i = 0; i < r->tensors; i++) memset(r->gradient[i], 0, (size_t)r->count[i] * sizeof(double));
  for (int n = 0; n < count; n++) {
    const uint8_t *bytes = dataset_image(d, s, images[n]);
    for (int c = 0; c < p->channels; c++)
      for (int h = 0; h < p->height; h++)
        for (int w = 0; w < p->width; w++)
          image[(c * p->height + h) * p->width + w] =
              (bytes[(h * p->width + w) * p->channels + c] / 255.0 - d->mean[c]) / d->deviation[c];
    int label = dataset_label(s, images[n]);
    sum += one_image(r, image, label, training ? weight_of(r, d, label) : 1, n, count, training, step, backward,
                     probabilities ? probabilities + (int64_t)n * p->classes : NULL);
  }
  free(image);
  return sum / count;
}

/* One step of the optimiser, t = 1, 2, ...; moments are kept in first and second, shaped as the
 * tensors. */
__attribute__((unused)) static void reference_optimise(struct reference *r, double **first, double **second, int64_t t)
{
  const struct network_config *c = &r->plan.config;
  double c1 = 1 - pow(0.9, (double)t), c2 = 1 - pow(0.999, (double)t);
  for (int i = 0; i < r->tensors; i++)
    for (int64_t j = 0; j < r->count[i]; j++) {
      double g = r->gradient[i][j], *m = &first[i][j], *v = &second[i][j], *w = &r->value[i][j];
      if (c->optimizer == OPTIMIZER_ADAM) {
        *m = 0.9 * *m + 0.1 * g;
        *v = 0.999 * *v + 0.001 * g * g;
        *w -= c->learning_rate * (*m / c1) / (sqrt(*v / c2) + 1e-8);
      } else {
        *v = c->model.momentum * *v + g;
        *w -= c->learning_rate * *v;
      }
    }
}

#endif
