/* The images that `gsos predict` is to classify: files as they are given, and every image below the
 * folders that are.
 *
 * An image below a folder is of the class whose name the innermost folder above it has, from the
 * one that was given on, if the network knows a class of that name; else its class is not known, as
 * that of a file given by itself. */
#ifndef GSOS_PREDICT_LIST_H
#define GSOS_PREDICT_LIST_H

#include "host/base/error.h"
#include "host/objectives/predict.h"

struct predict_image {
  char *path;
  int label; /* its class, -1: not known */
};

struct predict_list {
  struct predict_image *images; /* [n] in the order of what was given, in a folder by name */
  int n, capacity;
  int n_below;      /* of them, below folders */
  int n_labels;     /* of them, of a known class */
  int n_subfolders; /* that images were found in, below the folders given */
};

/* Adds what `path` is: a file (whether it is an image, reading will tell), or the images below a
 * folder, by the endings of their names; hidden files are left out.  ERROR_FAILED where a folder
 * cannot be read or holds no image, after what can be is added; ERROR_MACHINE without memory.  The
 * list, zero-initialised at first, is to be freed in any case. */
int predict_list_add(struct predict_list *l, const struct predictor *p, const char *path, struct error *e);
void predict_list_free(struct predict_list *l);

#endif
