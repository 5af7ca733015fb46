/* Data sets: images as bytes, mapped from disk, with a stratified validation split.
 *
 * One description for every source (IDX, CIFAR binary, image folder): N×H×W×C bytes and a class
 * index for each image.  Opened once per process, read by all trials, never written. */
#ifndef GSOS_DATASET_H
#define GSOS_DATASET_H

#include <stdbool.h>
#include <stdint.h>

#include "host/base/error.h"
#include "host/base/name_list.h"

/* A new format is a line at the end and one new file, which has its `const struct dataset_reader
 * reader_NAME` (dataset_source.h). */
#define DATASET_FORMATS(ROW)                                                                                           \
  ROW(idx, DATASET_IDX)                                                                                                \
  ROW(cifar10, DATASET_CIFAR10)                                                                                        \
  ROW(cifar100, DATASET_CIFAR100)                                                                                      \
  ROW(folder, DATASET_FOLDER)                                                                                          \
  ROW(npz, DATASET_NPZ)
#define RESIZES(ROW) ROW(RESIZE_AREA, "area") ROW(RESIZE_LANCZOS, "lanczos")
#define BAD_IMAGE_POLICIES(ROW) ROW(BAD_IMAGE_FAIL, "fail") ROW(BAD_IMAGE_SKIP, "skip")
#define DATASET_FORMAT(name, format) format,
/* DATASET_AUTO: told from what the ini gives and what lies in the folder. */
enum dataset_format { DATASET_AUTO, DATASET_FORMATS(DATASET_FORMAT) };
enum dataset_resize { RESIZES(NAME_VALUE) };
enum bad_image_policy { BAD_IMAGE_POLICIES(NAME_VALUE) };

/* Bytes of the path of a file in a data set: a folder of the ini's, and what lies in it. */
enum { DATA_PATH_MAX = 2048 };

/* What the ini's [dataset] section says; strings are owned by the experiment. Empty string = not
 * given. */
struct dataset_options {
  enum dataset_format format;
  char path[1024]; /* folder of an image folder, of CIFAR binaries, or of IDX files with their usual names */
  char train_images[1024], train_labels[1024], test_images[1024], test_labels[1024]; /* IDX, plain or .gz */
  char validation_images[1024], validation_labels[1024]; /* IDX: a validation set of its own instead of a split */
  int train_count, test_count; /* use only the first N (0: all), after which the split is made */
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
  bool keep_names;     /* no key: keep the names of an image folder's files (dataset_split.names) */
};

/* One part of a data set. */
struct dataset_split {
  int n;
  const int32_t *rows;    /* [n] rows of `images` and `labels` that belong to this part */
  const uint8_t *images;  /* [rows in store][H][W][C], mapped */
  const uint16_t *labels; /* [rows in store] class of each image */
  char *const *names;     /* [rows in store] files below an image folder; NULL: not kept, or there are none */
};

struct dataset {
  int n_classes, channels, height, width;
  char **class_names;                           /* [n_classes] as they are shown (text_escape): UTF-8 that is seen */
  struct dataset_split train, validation, test; /* test.n may be 0 */
  float mean[4], deviation[4]; /* [channels] of x/255 over the training split, after the validation split */
  int n_skipped;               /* bad images left out (on_bad_image = skip) */
  char skipped_summary[1000];  /* names and reasons of the first few */
  int n_ignored;               /* other files in an image folder: hidden, or of other endings than images have */
  char ignored_summary[200];   /* their endings: "12 .webp, 3 .txt, 1 hidden" */
  char notices[1000];          /* lines on what lies beside the data and was not used; "" where nothing does */
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

/* What each byte is to a network: (byte/255 - mean)/deviation, every operation rounded on its own,
 * so that all trainers see the same inputs to the last bit.  Where all pixels are alike (deviation
 * 0) it is not divided.
 *   table  [d->channels][256] out */
void dataset_table(const struct dataset *d, float *table);

/* As data_progress (data_cache.h); may be NULL. */
typedef bool (*dataset_progress)(void *context, const char *what, int64_t done, int64_t total);

/* Opens, decodes or finds in the cache, splits by `seed` (the experiment's; PHILOX_SPLIT), computes
 * mean and deviation.  ERROR_CONFIG: paths or layout are wrong; ERROR_FAILED: a file is not what it
 * claims; ERROR_MACHINE: memory, disk. */
int dataset_open(struct dataset *d, const struct dataset_options *o, uint64_t seed, dataset_progress progress,
                 void *progress_context, struct error *e);
void dataset_close(struct dataset *d); /* accepts a zero-initialised struct */

/* Are the mapped bytes those that were opened?  To be asked before what was computed from them
 * counts: ERROR_FAILED, naming the data, where a file was written to or cut meanwhile.  From any
 * thread, and cheap. */
int dataset_unchanged(const struct dataset *d, struct error *e);

/* Writes image i of a part as a PNG file, whole or not at all; one of more pixels a side than
 * `side` is reduced to that.  Of two channels the first is shown, as grey, of four the first three,
 * as colours. */
int dataset_write_png(const struct dataset *d, const struct dataset_split *s, int i, int side, const char *path,
                      struct error *e);

/* Decodes one JPEG or PNG to size×size×channels bytes, just as an image folder's files are (predict
 * uses it). out [size·size·channels].  ERROR_FAILED with the reason for a bad file. */
int image_decode_file(const char *path, int width, int height, int channels, enum dataset_resize resize,
                      int64_t pixel_limit, uint8_t *out, struct error *e);

#endif
