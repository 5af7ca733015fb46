/* Data sets in IDX files: one file of images and one of labels for each part, named in the ini or
 * found by their usual names in a folder.
 *
 * Usual names: [PREFIX-]PART-images[-.]idx{3,4}-ubyte[.gz] and
 * [PREFIX-]PART-labels[-.]idx1-ubyte[.gz]; PART and the rest in usual_names.h.  So MNIST,
 * Fashion-MNIST, EMNIST ("emnist-letters-train-images-idx3-ubyte.gz") and the subset in
 * configs/data are found alike. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/text_units.h"
#include "host/data/idx.h"
#include "host/data/usual_names.h"
#include "host/base/text_escape.h"

static const char *const image_endings[] = {"-images-idx3-ubyte", "-images-idx4-ubyte", "-images.idx3-ubyte",
                                            "-images.idx4-ubyte", NULL};
static const char *const label_endings[] = {"-labels-idx1-ubyte", "-labels.idx1-ubyte", "-labels-idx2-ubyte",
                                            "-labels.idx2-ubyte", NULL};
static const struct usual_format idx_names = {"IDX", {image_endings, label_endings}, true};

static bool looks_like(const char *path)
{
  struct usual_names *u = malloc(sizeof *u);
  bool is = u && usual_names_find(u, path, &idx_names, NULL) == 0 && u->n > 0;
  free(u);
  return is;
}

/* Images and labels of one part. */
static int read_part(struct dataset_source *s, int part, const char *images_path, const char *labels_path,
                     const struct data_cache *cache, struct error *e)
{
  struct idx images, labels;
  struct source_part *p = &s->part[part];
  char shown[512];
  text_escape(shown, sizeof shown, images_path);
  if (idx_open(&images, images_path, cache, e)) return e->code;
  s->blocks[s->n_blocks++] = images.block; /* the source owns it now */
  if (images.n_dims != 3 && images.n_dims != 4)
    return error_set(e, ERROR_FAILED,
                     "%s: has %d dimension%s: images have 3 (N, height, width) or 4 (N, height, width, channels)%s",
                     shown, images.n_dims, images.n_dims == 1 ? "" : "s",
                     images.n_dims == 1 ? "; is it the file of the labels?" : "");
  int channels = images.n_dims == 4 ? images.dims[3] : 1;
  if (images.n_dims == 4 && channels > CHANNELS_MAX && images.dims[1] <= CHANNELS_MAX)
    return error_set(e, ERROR_FAILED,
                     "%s: is stored channel by channel (N, channels, height, width); the channels must come last",
                     shown);
  if (channels > CHANNELS_MAX || images.dims[1] > SIDE_MAX || images.dims[2] > SIDE_MAX)
    return error_set(e, ERROR_FAILED,
                     "%s: images of %d x %d with %d channels; at most %d x %d with %d channels are read", shown,
                     images.dims[1], images.dims[2], channels, SIDE_MAX, SIDE_MAX, CHANNELS_MAX);
  if (s->height && (s->height != images.dims[1] || s->width != images.dims[2] || s->channels != channels))
    return error_set(
        e, ERROR_FAILED, "%s: images of %d x %d x %d, where those of %s are %d x %d x %d; all parts must be alike",
        shown, images.dims[1], images.dims[2], channels, s->part[PART_TRAIN].name, s->height, s->width, s->channels);
  s->height = images.dims[1];
  s->width = images.dims[2];
  s->channels = channels;
  p->n = images.dims[0];
  p->images = images.data;
  strcpy(p->name, shown);

  if (idx_open(&labels, labels_path, cache, e)) return e->code;
  text_escape(shown, sizeof shown, labels_path);
  int code = 0;
  if (labels.n_dims > 1 && labels.count == labels.dims[0]) labels.n_dims = 1; /* a column: (N, 1) */
  if (labels.n_dims != 1)
    code = error_set(e, ERROR_FAILED, "%s: has %d dimensions: labels have 1%s", shown, labels.n_dims,
                     labels.n_dims >= 3 ? "; is it the file of the images?" : "");
  else if (labels.dims[0] != p->n)
    code = error_set(e, ERROR_FAILED, "%s: has %d label%s for the %d image%s of %s", shown, labels.dims[0],
                     text_plural(labels.dims[0]), p->n, text_plural(p->n), p->name);
  else if (!(p->labels = malloc((size_t)p->n * sizeof *p->labels)))
    code = error_set(e, ERROR_MACHINE, "no memory for %d labels", p->n);
  for (int i = 0; !code && i < p->n; i++) p->labels[i] = labels.data[i];
  if (!code) strcpy(p->name, shown); /* what is wrong with a part from here on is wrong with its labels */
  idx_close(&labels);
  return code;
}

static int read_idx(struct dataset_source *s, const struct dataset_options *o, const struct data_cache *cache,
                    dataset_progress progress, void *context, struct error *e)
{
  (void)progress, (void)context;
  static const char *const keys[PARTS][2] = {
      {"train_images", "train_labels"}, {"validation_images", "validation_labels"}, {"test_images", "test_labels"}};
  const char *given[PARTS][2] = {{o->train_images, o->train_labels},
                                 {o->validation_images, o->validation_labels},
                                 {o->test_images, o->test_labels}};
  struct usual_names *folder = NULL;
  int code = 0;
  if (o->path[0]) {
    char shown[512];
    text_escape(shown, sizeof shown, o->path);
    folder = malloc(sizeof *folder);
    if (!folder) return error_set(e, ERROR_MACHINE, "no memory");
    code = usual_names_find(folder, o->path, &idx_names, e);
    bool needed = false; /* where the ini names the files of a part, the folder's do not count */
    for (int p = 0; p < PARTS; p++) {
      if (given[p][USUAL_IMAGES][0] || given[p][USUAL_LABELS][0]) continue;
      for (int k = 0; k < USUAL_KINDS; k++) given[p][k] = folder->file[p][k].path;
      needed = needed || folder->file[p][USUAL_IMAGES].name || folder->file[p][USUAL_LABELS].name;
    }
    if (!code && !folder->n && !given[PART_TRAIN][USUAL_IMAGES][0] && !given[PART_TRAIN][USUAL_LABELS][0])
      code = error_set(e, ERROR_CONFIG,
                       "[dataset] path = %s: holds no IDX files by their usual names (train-images-idx3-ubyte.gz, "
                       "train-labels-idx1-ubyte.gz, t10k-...); give train_images and train_labels instead",
                       shown);
    else if (!code && folder->conflict.code && needed) {
      *e = folder->conflict;
      code = e->code;
    }
    if (!code && folder->unknown[0])
      source_notice(s, "not used: %s (parts are train, validation, test)", folder->unknown);
  }
  for (int p = 0; p < PARTS && !code; p++) {
    const char *images = given[p][0], *labels = given[p][1];
    if (!images[0] && !labels[0] && p != PART_TRAIN) continue;
    if (!images[0] || !labels[0])
      code = error_set(
          e, ERROR_CONFIG, "[dataset] %s is missing%s%s", keys[p][!!images[0]],
          images[0] || labels[0] ? ": images and labels come as two files" : "",
          o->path[0] ? "" : "; it is the path of an IDX file, plain or .gz (or give path, the folder that holds them)");
    else
      code = read_part(s, p, images, labels, cache, e);
  }
  if (!code) {
    /* classes.txt beside the images: a name a line */
    char names[DATA_PATH_MAX + 16];
    const char *images = given[PART_TRAIN][0], *slash = strrchr(images, '/');
    snprintf(names, sizeof names, "%.*sclasses.txt", slash ? (int)(slash - images + 1) : 0, images);
    code = source_read_class_names(s, names, e);
  }
  if (!code) code = source_check_class_names(s, e);
  free(folder);
  return code;
}

const struct dataset_reader reader_idx = {
    .what = "IDX files", .by_files = true, .looks_like = looks_like, .read = read_idx};
