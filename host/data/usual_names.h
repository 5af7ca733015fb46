/* Data sets of several files in one folder, known by their names: PREFIX-PART-KIND, as
 * emnist-letters-train-images-idx3-ubyte.gz.  Private to the data-set modules.
 *
 * Of each part one file of images and one of labels count, all with one prefix.  What there is
 * twice is an error that names both, since images of one set with labels of another make a study
 * that looks right: nothing is chosen by the order in which a folder happens to be read.  Only
 * regular files count; capitals make no difference. */
#ifndef GSOS_USUAL_NAMES_H
#define GSOS_USUAL_NAMES_H

#include "host/data/dataset_source.h"

enum { USUAL_IMAGES, USUAL_LABELS, USUAL_KINDS };

/* How a format calls its files: what stands behind the part. */
struct usual_format {
  const char *what;                        /* "IDX" */
  const char *const *endings[USUAL_KINDS]; /* each ends with NULL; without the ".gz" */
  bool gzip; /* ".gz" may follow; a plain file is preferred to one of the same name that is packed */
};

struct usual_file {
  char path[DATA_PATH_MAX];
  const char *name; /* within `path` */
};

struct usual_names {
  struct usual_file file[PARTS][USUAL_KINDS]; /* path "": none */
  int n;                                      /* files that are of this format by their names */
  struct error conflict;                      /* code 0: none; what there is twice */
  char unknown[400]; /* names whose part is none that is known: "x-extra-images-idx3-ubyte, ..." */
};

/* Finds the files of a format in a folder.  An unreadable folder holds none.  ERROR_MACHINE:
 * memory.  A conflict is no error here: the ini may name the files one by one. */
int usual_names_find(struct usual_names *u, const char *folder, const struct usual_format *f, struct error *e);

/* "train, training", "validation, val, valid, dev", "test, testing, t10k": which part a word names,
 * in any capitals; -1: none. */
int part_of_word(const char *word, size_t n);
/* What a part is called in messages: "train", "validation", "test". */
const char *part_name(int part);

#endif
