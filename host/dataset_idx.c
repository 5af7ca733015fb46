/* Data sets in IDX files: one file of images and one of labels for each part, named in the ini or found by their usual
 * names in a folder.
 *
 * Usual names: [PREFIX-]PART-images[-.]idx{3,4}-ubyte[.gz] and [PREFIX-]PART-labels[-.]idx1-ubyte[.gz], PART one of train,
 * validation, val, test, t10k.  So MNIST, Fashion-MNIST, EMNIST ("emnist-letters-train-images-idx3-ubyte.gz") and the
 * subset in configs/data are found alike.  A plain file is preferred to a gzip one of the same name. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataset_source.h"
#include "idx.h"
#include "text_escape.h"

enum { PREFIX_MAX = 128, PATH_BYTES = 1024 };

/* The files of a folder that go by the usual names. */
struct idx_folder {
  char path[PARTS][2][PATH_BYTES]; /* part; 0 images, 1 labels; empty: none */
  char prefix[PREFIX_MAX];
  bool several; /* more than one prefix */
  char other[PREFIX_MAX];
};

static bool drop_suffix(char *name, const char *suffix)
{
  size_t n = strlen(name), m = strlen(suffix);
  if (n < m || strcmp(name + n - m, suffix) != 0) return false;
  name[n - m] = 0;
  return true;
}

/* Takes a usual name apart: the part, 0 for images or 1 for labels, and what stands before; false for any other name. */
static bool usual_name(const char *file, int *part, int *kind, bool *gzip, char *prefix)
{
  static const struct {
    const char *name;
    int part;
  } parts[] = {{"train", PART_TRAIN},
               {"validation", PART_VALIDATION},
               {"val", PART_VALIDATION},
               {"test", PART_TEST},
               {"t10k", PART_TEST}};
  static const char *const kinds[2][4] = {
      {"-images-idx3-ubyte", "-images-idx4-ubyte", "-images.idx3-ubyte", "-images.idx4-ubyte"},
      {"-labels-idx1-ubyte", "-labels.idx1-ubyte", NULL, NULL}};
  char name[PREFIX_MAX];
  if (snprintf(name, sizeof name, "%s", file) >= (int)sizeof name) return false;
  *gzip = drop_suffix(name, ".gz");
  for (*kind = 0; *kind < 2; ++*kind)
    for (int k = 0; k < 4 && kinds[*kind][k]; k++) {
      if (!drop_suffix(name, kinds[*kind][k])) continue;
      for (size_t p = 0; p < sizeof parts / sizeof *parts; p++) {
        if (!drop_suffix(name, parts[p].name)) continue;
        size_t n = strlen(name);
        if (n && name[n - 1] != '-') return false;
        *part = parts[p].part;
        strcpy(prefix, name);
        return true;
      }
      return false;
    }
  return false;
}

static bool scan(struct idx_folder *f, const char *path)
{
  memset(f, 0, sizeof *f);
  DIR *folder = opendir(path);
  if (!folder) return false;
  bool found = false;
  const struct dirent *entry;
  while ((entry = readdir(folder))) {
    int part, kind;
    bool gzip;
    char prefix[PREFIX_MAX];
    if (!usual_name(entry->d_name, &part, &kind, &gzip, prefix)) continue;
    if (found && strcmp(prefix, f->prefix) != 0) {
      f->several = true;
      strcpy(f->other, prefix);
    }
    strcpy(f->prefix, prefix);
    found = true;
    if (f->path[part][kind][0] && gzip) continue;
    if (snprintf(f->path[part][kind], PATH_BYTES, "%s/%s", path, entry->d_name) >= PATH_BYTES)
      f->path[part][kind][0] = 0;
  }
  closedir(folder);
  return found;
}

bool folder_is_idx(const char *path)
{
  struct idx_folder f;
  return scan(&f, path);
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
  if (labels.n_dims != 1)
    code = error_set(e, ERROR_FAILED, "%s: has %d dimensions: labels have 1%s", shown, labels.n_dims,
                     labels.n_dims >= 3 ? "; is it the file of the images?" : "");
  else if (labels.dims[0] != p->n)
    code =
        error_set(e, ERROR_FAILED, "%s: has %d labels for the %d images of %s", shown, labels.dims[0], p->n, p->name);
  else if (!(p->labels = malloc((size_t)p->n * sizeof *p->labels)))
    code = error_set(e, ERROR_MACHINE, "no memory for %d labels", p->n);
  for (int i = 0; !code && i < p->n; i++) p->labels[i] = labels.data[i];
  if (!code) strcpy(p->name, shown); /* what is wrong with a part from here on is wrong with its labels */
  idx_close(&labels);
  return code;
}

int source_read_idx(struct dataset_source *s, const struct dataset_options *o, const struct data_cache *cache,
                    struct error *e)
{
  static const char *const keys[PARTS][2] = {
      {"train_images", "train_labels"}, {"validation_images", "validation_labels"}, {"test_images", "test_labels"}};
  const char *given[PARTS][2] = {{o->train_images, o->train_labels},
                                 {o->validation_images, o->validation_labels},
                                 {o->test_images, o->test_labels}};
  struct idx_folder *folder = NULL;
  int code = 0;
  if (o->path[0]) {
    char shown[512];
    text_escape(shown, sizeof shown, o->path);
    folder = malloc(sizeof *folder);
    if (!folder) return error_set(e, ERROR_MACHINE, "no memory");
    if (!scan(folder, o->path) && !given[PART_TRAIN][0][0])
      code = error_set(e, ERROR_CONFIG,
                       "[dataset] path = %s: holds no IDX files by their usual names (train-images-idx3-ubyte.gz, "
                       "train-labels-idx1-ubyte.gz, t10k-...); give train_images and train_labels instead",
                       shown);
    else if (folder->several)
      code = error_set(
          e, ERROR_CONFIG,
          "[dataset] path = %s: holds more than one IDX data set (\"%s...\" and \"%s...\"); give train_images, "
          "train_labels, test_images and test_labels instead",
          shown, folder->other, folder->prefix);
    for (int p = 0; p < PARTS; p++)
      for (int k = 0; k < 2; k++)
        if (!given[p][k][0]) given[p][k] = folder->path[p][k];
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
    char names[PATH_BYTES + 16];
    const char *images = given[PART_TRAIN][0], *slash = strrchr(images, '/');
    snprintf(names, sizeof names, "%.*sclasses.txt", slash ? (int)(slash - images + 1) : 0, images);
    code = source_read_class_names(s, names, e);
  }
  free(folder);
  return code;
}
