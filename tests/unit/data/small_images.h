/* A small data set for tests, made on the spot: IDX files of noisy images in which class c has a
 * bright band c of `classes` from top to bottom, but for one image in eight, whose band is
 * anybody's.  A small network learns it in an epoch or two, and none gets all of it right. */
#ifndef GSOS_SMALL_IMAGES_H
#define GSOS_SMALL_IMAGES_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/data/idx.h"
#include "host/base/rng.h"

/* Image i [height][width][channels] of a stream; returns its class. */
static inline int small_image(uint8_t *out, int i, uint64_t stream, int classes, int height, int width, int channels)
{
  struct rng rng = rng_make(7 + stream, philox_subsequence(PHILOX_TEST, 1, (uint64_t)i));
  int class = i % classes, height_of_band = height / classes;
  int band = rng_below(&rng, 8) ? class : (int)rng_below(&rng, (uint32_t)classes);
  for (int y = 0; y < height; y++)
    for (int x = 0; x < width * channels; x++)
      out[y * width * channels + x] = (uint8_t)((y / height_of_band == band ? 120 : 40) + rng_below(&rng, 100));
  return class;
}

static inline void small_file(const char *folder, const char *name, int n_dims, const int32_t *dims,
                              const uint8_t *bytes, size_t size)
{
  char path[1200];
  uint8_t header[20];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  FILE *out = fopen(path, "wb");
  if (!out || fwrite(header, (size_t)idx_header_write(header, n_dims, dims), 1, out) != 1 ||
      fwrite(bytes, 1, size, out) != size || fclose(out) != 0)
    abort();
}

/* FOLDER/train-images etc.: `train` images to train and validate on, `test` for the test set. */
static inline void small_images_write(const char *folder, int train, int test, int classes, int height, int width,
                                      int channels)
{
  for (int part = 0; part < 2; part++) {
    int32_t n = part ? test : train, dims[4] = {n, height, width, channels};
    size_t bytes = (size_t)height * (size_t)width * (size_t)channels;
    uint8_t *images = malloc((size_t)n * bytes), *labels = malloc((size_t)n);
    if (!images || !labels) abort();
    for (int i = 0; i < n; i++)
      labels[i] = (uint8_t)small_image(images + (size_t)i * bytes, i, (uint64_t)part, classes, height, width, channels);
    small_file(folder, part ? "test-images" : "train-images", channels > 1 ? 4 : 3, dims, images, (size_t)n * bytes);
    small_file(folder, part ? "test-labels" : "train-labels", 1, dims, labels, (size_t)n);
    free(images);
    free(labels);
  }
}

static inline void small_images_remove(const char *folder)
{
  static const char *const names[] = {"train-images", "train-labels", "test-images", "test-labels"};
  char path[1200];
  for (int i = 0; i < 4; i++) {
    snprintf(path, sizeof path, "%s/%s", folder, names[i]);
    remove(path);
  }
}

#endif
