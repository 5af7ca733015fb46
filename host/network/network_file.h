/* A trained network as one safetensors file, and back.
 *
 * Tensors in PyTorch's layout and order of dimensions: conv0.weight [K][C][kh][kw], conv0.bias [K],
 * ..., fc0.weight [out][in] with `in` in the order (c, h, w), fc0.bias [out], fc1.weight, fc1.bias.
 * The metadata hold everything else that a prediction or another training needs, as texts:
 *
 *   format           pt
 *   gsos_version     of the program that wrote it
 *   num_conv_layers, lr, dropout_rate, optimizer, epoch, stride, padding, kernel, num_fc_units,
 *   batch_size
 *                    the hyperparameters as an ini file says them; where one is missing that
 *                    training alone asks for, it is read as its default (hyperparameters.h)
 *   filters, momentum
 *   class_weights    where the loss was weighted: balanced
 *   image_height, image_width, image_channels
 *   class_names      JSON list of strings: the classes in the order of the outputs
 *   mean, deviation  JSON lists of numbers, one a channel: an input is (byte / 255 - mean) /
 *                    deviation
 *   resize           area | lanczos: how an image file is brought to the size
 *   data_set         fingerprint of the images it was trained on */
#ifndef GSOS_NETWORK_FILE_H
#define GSOS_NETWORK_FILE_H

#include "host/data/dataset.h"
#include "host/base/error.h"
#include "host/network/plan.h"
#include "host/network/safetensors.h"
#include "host/network/trainer.h"

/* A network that was read: for predictions and evaluations, not to be trained on. */
struct network_file {
  struct network *network;
  /* What it was trained with; the network itself takes a smaller batch where memory asks for it. */
  struct network_config config;
  struct plan plan;     /* of the network as it is here */
  struct dataset shape; /* size, channels, classes, mean and deviation; no images */
  enum dataset_resize resize;
  uint64_t data_set; /* fingerprint */
};

/* Writes network `n` of plan `p`, trained on `d`, to `path`: aside, synced, renamed into place. */
int network_file_save(const char *path, struct network *n, const struct plan *p, const struct dataset *d,
                      enum dataset_resize resize, struct error *e);

/* Reads one.  ERROR_FAILED where the file is cut, damaged, hostile, lacks metadata, or holds
 * tensors of other names or shapes than its metadata describe, all told before the network is
 * allocated; ERROR_MACHINE where memory is missing.  The caller's thread must have called
 * trainer_cpu_thread_begin.  `f` must stay where it is until network_file_close. */
int network_file_load(struct network_file *f, const char *path, struct error *e);

/* The same without a network to compute with (f->network is NULL, and its plan is for one image):
 * `tensors` has the weights, under the names above, as they lie in the file.  Both are to be
 * closed; after an error neither is. */
int network_file_open(struct network_file *f, struct safetensors_file *tensors, const char *path, struct error *e);
void network_file_close(struct network_file *f); /* accepts a zero-initialised struct */

#endif
