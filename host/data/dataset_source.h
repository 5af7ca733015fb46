/* What a reader of one format hands to dataset.c: up to three parts of images and labels, nothing
 * split yet.  Private to the data-set modules. */
#ifndef GSOS_DATASET_SOURCE_H
#define GSOS_DATASET_SOURCE_H

#include "host/data/data_cache.h"
#include "host/data/dataset.h"

enum { CLASSES_MAX = 1000, SIDE_MAX = 4096, CHANNELS_MAX = 4, SOURCE_BLOCKS_MAX = 8 };
enum source_part_kind { PART_TRAIN, PART_VALIDATION, PART_TEST, PARTS };

struct source_part {
  int n;                 /* 0: the part is not there */
  const uint8_t *images; /* [n][H][W][C], inside one of the blocks */
  uint16_t *labels;      /* [n], malloc'ed */
  char **names;          /* [n_names >= n] of the files, malloc'ed; NULL: not kept, or there are none */
  int n_names;
  char name[512]; /* what to call it in messages: a file, escaped, or "train" */
};

struct dataset_source {
  int height, width, channels;
  int n_classes;      /* 0: not known, to be told from the labels */
  char **class_names; /* [n_classes] malloc'ed, or NULL: the classes are called 0, 1, ... */
  struct source_part part[PARTS];
  struct data_block blocks[SOURCE_BLOCKS_MAX];
  int n_blocks;
  int n_skipped, n_ignored;
  char skipped_summary[1000], ignored_summary[200], notices[1000];
};

/* Adds a line to the notices; what does not fit is left out. */
void source_notice(struct dataset_source *s, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* What a format's file offers: `reader_NAME`, for each of DATASET_FORMATS. */
struct dataset_reader {
  const char *what;    /* "IDX files": what a folder of it holds */
  bool by_files;       /* the ini may name its files; else it needs [dataset] path */
  bool takes_the_rest; /* asked when no other format wants a folder */
  /* Does a folder look like one of this format (DATASET_AUTO)?  Two that say so are an error. */
  bool (*looks_like)(const char *path);
  /* `s` is zero-initialised; on error what was filled in stays for source_close to free. */
  int (*read)(struct dataset_source *s, const struct dataset_options *o, const struct data_cache *cache,
              dataset_progress progress, void *context, struct error *e);
};

void source_close(struct dataset_source *s);

/* One class name a line ("classes.txt", "batches.meta.txt"), line 1 that of class 0: fills
 * n_classes and class_names.  No such file: returns 0 and leaves both.  An empty line within is an
 * error: it would shift the names behind it, or leave a class without one. */
int source_read_class_names(struct dataset_source *s, const char *path, struct error *e);

/* Are there as many names as labels, 0 ... the largest of train?  A list that is longer is another
 * data set's, or has a line too many. */
int source_check_class_names(const struct dataset_source *s, struct error *e);

/* Splits `count` images out of classes with sizes n[classes]: share[c] of class c, in proportion,
 * by largest remainder (ties to the lower class), so that the shares sum to `count` (<= the sum of
 * n). */
void stratified_shares(int classes, const int *n, int64_t count, int *share);

#endif
