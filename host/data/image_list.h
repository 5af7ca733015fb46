/* Image folders: which files there are, and in which order.  Private to the data-set modules. */
#ifndef GSOS_IMAGE_LIST_H
#define GSOS_IMAGE_LIST_H

#include "host/data/dataset_source.h"

struct folder_image {
  char *name;                      /* below the root: "train/cat/1.jpg" */
  int64_t state[FILE_STATE_WORDS]; /* -1 where the file cannot be looked at; decoding will say why */
  uint16_t class;
  uint8_t part; /* enum source_part_kind */
};

/* How many files of an ending were left alone. */
struct ignored_ending {
  char ending[16]; /* ".webp"; "hidden"; "other" */
  int n;
};
enum { IGNORED_ENDINGS = 16 };

struct image_list {
  const char *root;
  char **class_names; /* [n_classes], by their bytes' order */
  int n_classes, n_ignored, n_images;
  struct ignored_ending ignored[IGNORED_ENDINGS];
  char unused[400]; /* folders beside train/ that are no part: "extra/, more/" */
  int64_t capacity;
  struct folder_image *images; /* [n_images]; train, then validation, then test, each shuffled in proportion */
};

/* Lists ROOT/train/CLASS/FILE, ROOT/validation/..., ROOT/test/... (usual_names.h: their other
 * names), or ROOT/CLASS/FILE with a held-out test.  Opens no image.  ERROR_CONFIG where the layout
 * is wrong.  The list is to be freed in any case. */
int image_list_make(struct image_list *l, const char *root, double test_fraction, struct error *e);
/* "12 .webp, 3 .txt, 1 hidden", the most frequent first. */
void image_list_ignored(const struct image_list *l, char *text, size_t size);
/* Does a file's name end as those of images do, in capitals or not? */
bool image_name_is(const char *name);
/* Does a folder hold class folders of images, or a folder of a part? */
bool folder_is_images(const char *path);
void image_list_free(struct image_list *l); /* accepts a zero-initialised struct */

#endif
