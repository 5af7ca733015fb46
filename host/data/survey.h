/* What the owner of a data set should know before anything is trained on it: images of each class
 * in each part, and images that are there more than once. */
#ifndef GSOS_SURVEY_H
#define GSOS_SURVEY_H

#include <stdbool.h>
#include <stdint.h>

#include "host/data/dataset.h"

enum survey_part { SURVEY_TRAIN, SURVEY_VALIDATION, SURVEY_TEST, SURVEY_PARTS };
enum { SURVEY_EXAMPLES = 5 };

/* Two images of the same bytes: image `image` of part `part`, as dataset_image counts. */
struct survey_pair {
  enum survey_part part[2];
  int image[2];
  bool other_class; /* they are of different classes */
};

struct dataset_survey {
  int *count[SURVEY_PARTS]; /* [n_classes] images of each class */
  /* Images of part p that are in part q as well; [p][p]: those that an image before them in p is
   * the same as. */
  int copies[SURVEY_PARTS][SURVEY_PARTS];
  int other_class; /* images that another one of the same bytes, in any part, gives another class */
  /* The first pairs: those of different classes first, then those of different parts, then by
   * place. One pair of each set of copies. */
  struct survey_pair examples[SURVEY_EXAMPLES];
  int n_examples;
};

/* One pass over all images: what is the same has the same 64-bit hash, and is then compared byte by
 * byte as the network is given it (decoded, resized).  ERROR_MACHINE without memory; `s` is to be
 * freed in any case. */
int dataset_survey_make(struct dataset_survey *s, const struct dataset *d, struct error *e);
void dataset_survey_free(struct dataset_survey *s);

const struct dataset_split *survey_split(const struct dataset *d, enum survey_part part);
/* The largest class of the training images (of several the first). */
int survey_largest_class(const struct dataset_survey *s, int n_classes);

/* Standard error of an accuracy of `accuracy` that is measured on n images, n > 0: that of a
 * binomial proportion, √(a (1 − a) / n). */
double survey_accuracy_error(double accuracy, int n);

#endif
