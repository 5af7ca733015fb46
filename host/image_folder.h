/* Image folders: which files there are, and in which order.  Private to the data-set modules. */
#ifndef GSOS_IMAGE_FOLDER_H
#define GSOS_IMAGE_FOLDER_H

#include "dataset_source.h"

struct folder_image {
  char *name;            /* below the root: "train/cat/1.jpg" */
  int64_t size, time_ns; /* -1 where the file cannot be looked at; decoding will say why */
  uint16_t class;
  uint8_t part; /* enum source_part_kind */
};

struct image_list {
  const char *root;
  char **class_names; /* [n_classes], by their bytes' order */
  int n_classes, n_ignored, n_images;
  int64_t capacity;
  struct folder_image *images; /* [n_images]; train, then validation, then test, each shuffled in proportion */
};

/* Lists ROOT/train/CLASS/FILE, ROOT/validation (or val)/..., ROOT/test/..., or ROOT/CLASS/FILE with a held-out test.  Opens
 * no image.  ERROR_CONFIG where the layout is wrong.  The list is to be freed in any case. */
int image_list_make(struct image_list *l, const char *root, double test_fraction, struct error *e);
void image_list_free(struct image_list *l); /* takes a zeroed one */

#endif
