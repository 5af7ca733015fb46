/* Data sets: images as bytes, mapped from disk, with a stratified validation split.
 *
 * One description for every source (IDX, CIFAR binary, image folder): N×H×W×C bytes and a class index for each image.
 * Opened once per process, read by all trials, never written. */
#ifndef GSOS_DATASET_H
#define GSOS_DATASET_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"

/* DATASET_AUTO: told from what the ini gives and what lies in the folder. */
enum dataset_format { DATASET_AUTO, DATASET_IDX, DATASET_CIFAR10, DATASET_CIFAR100, DATASET_FOLDER, DATASET_NPZ };
enum dataset_resize { RESIZE_AREA, RESIZE_LANCZOS };
enum bad_image_policy { BAD_IMAGE_FAIL, BAD_IMAGE_SKIP };

/* What the ini's [dataset] section says; strings are owned by the experiment. Empty string = not given. */
struct dataset_options {
  enum dataset_format format;
  char path[1024]; /* folder of an image folder, of CIFAR binaries, or of IDX files with their usual names */
  char train_images[1024], train_labels[1024], test_images[1024], test_labels[1024]; /* IDX, plain or .gz */
  char validation_images[1024], validation_labels[1024]; /* IDX: a validation set of its own instead of a split */
  int train_count, test_count; /* use only the first so many (0: all), after which the split is made */
  int validation_count;        /* images held out of train for validation; 0: validation_fraction decides */
  double validation_fraction;  /* default 0.2 */
  double test_fraction;        /* image folder without test/: held out for the test, default 0.2 */
  int image_size;              /* image folder: side of the square; 0: must be given for a folder */
  int channels;                /* image folder: 1 or 3; default 3 */
  enum dataset_resize resize;
  enum bad_image_policy on_bad_image;
  int64_t pixel_limit; /* an image of more pixels is refused before it is decoded; default 50,000,000 */
  char cache[1024];    /* folder of the cache; empty: $XDG_CACHE_HOME/gsos or ~/.cache/gsos */
  int threads;         /* decoding threads; 0: all cores */
};

void dataset_options_default(struct dataset_options *o);

/* One part of a data set. */
struct dataset_split {
  int n;
  const int32_t *rows;    /* [n] rows of `images` and `labels` that belong to this part */
  const uint8_t *images;  /* [rows in store][H][W][C], mapped */
  const uint16_t *labels; /* [rows in store] class of each image */
};

struct dataset {
  int n_classes, channels, height, width;
  char **class_names;                           /* [n_classes] UTF-8 or whatever bytes the folder had */
  struct dataset_split train, validation, test; /* test.n may be 0 */
  float mean[4], deviation[4]; /* [channels] of x/255 over the training split, after the validation split */
  int n_skipped;               /* bad images left out (on_bad_image = skip) */
  char skipped_summary[1000];  /* names and reasons of the first few */
  int n_ignored;               /* other files in an image folder: hidden, or neither .jpg, .jpeg nor .png */
  uint64_t fingerprint;        /* of the bytes and the labels used (all parts), for the study's record */
  void *owned;                 /* dataset.c's own: mappings, allocations */
};

/* The H×W×C bytes of image i (0 <= i < s->n) of a part. */
static inline const uint8_t *dataset_image(const struct dataset *d, const struct dataset_split *s, int i)
{
  return s->images + (int64_t)s->rows[i] * d->height * d->width * d->channels;
}
static inline int dataset_label(const struct dataset_split *s, int i)
{
  return s->labels[s->rows[i]];
}

/* Told now and then while images are decoded; may be NULL. Return true to stop (ERROR_INTERRUPTED). */
typedef bool (*dataset_progress)(void *context, const char *what, int64_t done, int64_t total);

/* Opens, decodes or finds in the cache, splits by `seed` (the experiment's; PHILOX_SPLIT), computes mean and deviation.
 * ERROR_CONFIG: paths or layout are wrong; ERROR_FAILED: a file is not what it claims; ERROR_MACHINE: memory, disk. */
int dataset_open(struct dataset *d, const struct dataset_options *o, uint64_t seed, dataset_progress progress,
                 void *progress_context, struct error *e);
void dataset_close(struct dataset *d); /* takes a zeroed struct */

/* Decodes one JPEG or PNG to size×size×channels bytes, just as an image folder's files are (predict uses it).
 * out [size·size·channels].  ERROR_FAILED with the reason for a bad file. */
int image_decode_file(const char *path, int width, int height, int channels, enum dataset_resize resize,
                      int64_t pixel_limit, uint8_t *out, struct error *e);

#endif
