/* What a network took images of known classes for: the confusion matrix, and what follows from it.
 *
 * Kept are the cells that are not 0, so that a thousand classes cost what their images do.  After
 * the last image class_counts_end puts them in order; all that reads them comes behind that. */
#ifndef GSOS_CLASS_COUNTS_H
#define GSOS_CLASS_COUNTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "host/base/error.h"

enum {
  /* Is the class among the TOP_K most probable ones?  Asked from TOP_K_CLASSES classes on: with
   * fewer, one guess in four or more is right, and a network is nearly always. */
  TOP_K = 5,
  TOP_K_CLASSES = 20,
  MISTAKES_MAX = 12, /* of the surest ones that are kept */
};

struct class_cell {
  int label, said; /* images of this class that were taken for that one */
  int64_t count;   /* 1 ... */
};

/* An image that was taken for another class. */
struct class_mistake {
  int image; /* of the part, from 0 */
  int label, said;
  double probability; /* of `said`, by the network */
};

struct class_counts {
  int classes;  /* 0: nothing is known */
  char **names; /* [classes] */
  int64_t n, right;
  struct class_cell *cells; /* [n_cells] after class_counts_end by label, then by said */
  size_t n_cells, room;
  int top_k;         /* 0: not asked */
  int64_t top_right; /* images whose class is among the top_k most probable */
  int n_mistakes;
  struct class_mistake mistakes[MISTAKES_MAX]; /* the surest first; of equally sure ones the first image */
};

/* names [classes] are copied.  ERROR_MACHINE without memory; then and else class_counts_free
 * afterwards. */
int class_counts_begin(struct class_counts *c, int classes, char *const *names, struct error *e);
void class_counts_free(struct class_counts *c); /* takes a zero-initialised struct */

/* `count` images of a class that were taken for another, or for it. */
int class_counts_add(struct class_counts *c, int label, int said, int64_t count, struct error *e);
/* An image of the part with the probabilities [classes] of its classes: counts it, and keeps it
 * where it is among the surest mistakes. */
int class_counts_image(struct class_counts *c, int image, int label, int said, const float *probabilities,
                       struct error *e);
void class_counts_end(struct class_counts *c);

/* The cell's count; 0 where there is none. */
int64_t class_counts_at(const struct class_counts *c, int label, int said);
/* How many classes there are images of. */
int class_counts_present(const struct class_counts *c);

/* For people, lines of at most 80 columns; names are escaped. */
/* The accuracy, and a row for each class that there are images of: how many, how many are right,
 * and what the others are most often taken for; of many classes those with the lowest accuracy. */
void class_counts_print(FILE *out, const struct class_counts *c);
/* The rows alone, of more than `most` classes so many. */
void class_counts_print_classes(FILE *out, const struct class_counts *c, int most);
/* A line, then the confusion matrix: a row for each class, what its images were taken for, a dot
 * for none.  False, and nothing is printed, where there are more than CLASS_MATRIX_MAX classes or
 * the lines have no room for it. */
enum { CLASS_MATRIX_MAX = 12 };
bool class_counts_print_matrix(FILE *out, const char *heading, const struct class_counts *c);
/* What is most often taken for what, at most `most` lines. */
void class_counts_print_pairs(FILE *out, const struct class_counts *c, int most);

/* The wrong cells by count, the largest first, then by label and said: *n of them, at most `most`.
 * NULL without memory, or where there are none. */
struct class_cell *class_counts_pairs(const struct class_counts *c, int most, int *n);
/* Of a class: its images, those that are right, and what the others are most often taken for (-1:
 * nothing) and how often. */
struct class_row {
  int label, mistaken;
  int64_t n, right, mistaken_n;
};
/* A row for each class that there are images of, the lowest accuracy first where there are more
 * than `most`, which are left then; else by class.  *n out; malloc'ed, NULL as above. */
struct class_row *class_counts_rows(const struct class_counts *c, int most, int *n);

/* The confusion matrix as CSV (RFC 4180), put in the place of `path` when it is whole: a row for
 * each class that an image is of, a column for each that it is given. */
int class_counts_write(const struct class_counts *c, const char *path, struct error *e);

#endif
