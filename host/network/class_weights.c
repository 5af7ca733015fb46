/* Weights of classes.  See class_weights.h. */
#include "host/network/class_weights.h"

#include <stdlib.h>

int class_weights_balanced(const struct dataset_split *train, int classes, float *weights, struct error *e)
{
  int *images = calloc((size_t)classes, sizeof *images), present = 0;
  if (!images) return error_set(e, ERROR_MACHINE, "no memory for the weights of %d classes", classes);
  for (int i = 0; i < train->n; i++) present += images[dataset_label(train, i)]++ == 0;
  for (int c = 0; c < classes; c++) weights[c] = images[c] ? (float)(train->n / ((double)present * images[c])) : 0;
  free(images);
  return 0;
}
