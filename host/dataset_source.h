/* What a reader of one format hands to dataset.c: up to three parts of images and labels, nothing split yet.  Private to the
 * data-set modules. */
#ifndef GSOS_DATASET_SOURCE_H
#define GSOS_DATASET_SOURCE_H

#include "data_cache.h"
#include "dataset.h"

enum { CLASSES_MAX = 1000, SIDE_MAX = 4096, CHANNELS_MAX = 4, SOURCE_BLOCKS_MAX = 8 };
enum source_part_kind { PART_TRAIN, PART_VALIDATION, PART_TEST, PARTS };

struct source_part {
  int n;                 /* 0: the part is not there */
  const uint8_t *images; /* [n][H][W][C], inside one of the blocks */
  uint16_t *labels;      /* [n], malloc'ed */
  char name[512];        /* what to call it in messages: a file, escaped, or "train" */
};

struct dataset_source {
  int height, width, channels;
  int n_classes;      /* 0: not known, to be told from the labels */
  char **class_names; /* [n_classes] malloc'ed, or NULL: the classes are called 0, 1, ... */
  struct source_part part[PARTS];
  struct data_block blocks[SOURCE_BLOCKS_MAX];
  int n_blocks;
  int n_skipped, n_ignored;
  char skipped_summary[1000];
};

/* Readers.  `s` is zeroed; on error what was filled in stays for source_close to free. */
int source_read_idx(struct dataset_source *s, const struct dataset_options *o, const struct data_cache *cache,
                    struct error *e);
int source_read_cifar(struct dataset_source *s, const struct dataset_options *o, enum dataset_format format,
                      const struct data_cache *cache, struct error *e);
int source_read_npz(struct dataset_source *s, const struct dataset_options *o, const struct data_cache *cache,
                    struct error *e);
int source_read_folder(struct dataset_source *s, const struct dataset_options *o, const struct data_cache *cache,
                       dataset_progress progress, void *context, struct error *e);
void source_close(struct dataset_source *s);

/* Whether a folder looks like one of a format (DATASET_AUTO). */
bool folder_is_idx(const char *path);
bool folder_is_npz(const char *path);
enum dataset_format folder_is_cifar(const char *path); /* DATASET_CIFAR10, DATASET_CIFAR100, or DATASET_AUTO: neither */

/* One class name a line ("classes.txt", "batches.meta.txt"): fills n_classes and class_names.  No such file: returns 0 and
 * leaves both. */
int source_read_class_names(struct dataset_source *s, const char *path, struct error *e);

/* Splits `count` images out of classes with sizes n[classes]: share[c] of class c, in proportion, by largest remainder (ties
 * to the lower class), so that the shares sum to `count` (<= the sum of n). */
void stratified_shares(int classes, const int *n, int64_t count, int *share);

#endif
