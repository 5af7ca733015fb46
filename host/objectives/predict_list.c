/* Files and folders of images.  See predict_list.h.
 *
 * Links to folders are followed, but never into a folder that lies above, nor deeper than DEPTH_MAX
 * levels, so that a link that leads back up is no loop. */
#include "host/objectives/predict_list.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "host/base/text_escape.h"
#include "host/data/image_list.h"

enum { DEPTH_MAX = 16, ABOVE_MAX = 64 };

/* A folder while it is walked through, or one above those. */
struct level {
  const char *path;
  int depth, label;
  dev_t device;
  ino_t inode;
  const struct level *above;
};

void predict_list_free(struct predict_list *l)
{
  for (int i = 0; i < l->n; i++) free(l->images[i].path);
  free(l->images);
  memset(l, 0, sizeof *l);
}

/* Takes `path`, malloc'ed, NULL for want of memory. */
static int add_image(struct predict_list *l, char *path, int label, struct error *e)
{
  bool room = path != NULL;
  if (room && l->n == l->capacity) {
    int capacity = l->capacity ? 2 * l->capacity : 256;
    struct predict_image *more = l->n < INT_MAX / 2 ? realloc(l->images, (size_t)capacity * sizeof *more) : NULL;
    room = more != NULL;
    if (room) l->images = more, l->capacity = capacity;
  }
  if (!room) {
    free(path);
    return error_set(e, ERROR_MACHINE, "no memory for a list of %d images", l->n);
  }
  l->images[l->n++] = (struct predict_image){path, label};
  return 0;
}

static int find_class(const struct predictor *p, const char *name)
{
  for (int c = 0; c < predictor_classes(p); c++)
    if (!strcmp(predictor_class_name(p, c), name)) return c;
  return -1;
}

/* The network's class of that name, -1: there is none.  A network's file has names as they are
 * shown; those of earlier versions have backslashes as they are. */
static int class_of_name(const struct predictor *p, const char *name)
{
  char shown[1100];
  int class = find_class(p, text_escape(shown, sizeof shown, name));
  return class >= 0 ? class : find_class(p, text_escape_once(shown, sizeof shown, name));
}

/* Keeps the first thing that went wrong with a folder. */
static void folder_failed(const char *path, const char *what, struct error *e)
{
  char shown[1000];
  if (!e->code) error_set(e, ERROR_FAILED, "%s: %s", text_escape(shown, sizeof shown, path), what);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
  return strcmp((*a)->d_name, (*b)->d_name);
}

static int walk(struct predict_list *l, const struct predictor *p, struct level *at, struct error *e);

/* What lies in a folder under `name`: a folder, an image, or of no concern.  Takes `path`. */
static int add_entry(struct predict_list *l, const struct predictor *p, const struct level *at, const char *name,
                     char *path, struct error *e)
{
  struct stat st;
  bool image = image_name_is(name);
  if (!path) return error_set(e, ERROR_MACHINE, "no memory for a list of %d images", l->n);
  if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
    int label = class_of_name(p, name);
    struct level below = {path, at->depth + 1, label < 0 ? at->label : label, st.st_dev, st.st_ino, at};
    int before = l->n, code = walk(l, p, &below, e);
    if (l->n > before) l->n_subfolders++;
    free(path);
    return code;
  }
  if (!image) {
    free(path);
    return 0;
  }
  if (add_image(l, path, at->label, e)) return e->code; /* also where it cannot be looked at: reading says why */
  l->n_below++;
  if (at->label >= 0) l->n_labels++;
  return 0;
}

/* Returns ERROR_MACHINE or 0; a folder that cannot be read is in *e, and the others are added. */
static int walk(struct predict_list *l, const struct predictor *p, struct level *at, struct error *e)
{
  struct dirent **entries;
  for (const struct level *above = at->above; above; above = above->above)
    if (above->device == at->device && above->inode == at->inode) return 0;
  if (at->depth > DEPTH_MAX) {
    folder_failed(at->path, "lies too deep", e);
    return 0;
  }
  int n = scandir(at->path, &entries, NULL, by_name), code = 0;
  if (n < 0 && errno == ENOMEM) return error_set(e, ERROR_MACHINE, "no memory for a list of %d images", l->n);
  if (n < 0) folder_failed(at->path, strerror(errno), e);
  for (int i = 0; i < n; i++) {
    const char *name = entries[i]->d_name;
    if (!code && name[0] != '.') {
      size_t length = strlen(at->path);
      char *path = malloc(length + strlen(name) + 2);
      if (path) {
        memcpy(path, at->path, length);
        if (length && path[length - 1] != '/') path[length++] = '/';
        strcpy(path + length, name);
      }
      code = add_entry(l, p, at, name, path, e);
    }
    free(entries[i]);
  }
  if (n >= 0) free(entries);
  return code == ERROR_MACHINE ? code : 0;
}

/* What stands above a folder on the disk, so that no link leads back there, and its class, by its
 * name, however it is given (".", "cat/"). */
struct surroundings {
  struct level above[ABOVE_MAX];
  int n, label;
};

static void look_around(struct surroundings *s, const struct predictor *p, const char *path)
{
  char *real = realpath(path, NULL), *slash = real ? strrchr(real, '/') : NULL;
  struct stat st;
  *s = (struct surroundings){.label = slash ? class_of_name(p, slash + 1) : -1};
  while (slash && slash > real && s->n < ABOVE_MAX) {
    *slash = 0;
    slash = strrchr(real, '/');
    if (stat(real, &st) != 0) continue;
    s->above[s->n] =
        (struct level){.device = st.st_dev, .inode = st.st_ino, .above = s->n ? &s->above[s->n - 1] : NULL};
    s->n++;
  }
  free(real);
}

int predict_list_add(struct predict_list *l, const struct predictor *p, const char *path, struct error *e)
{
  struct stat st;
  struct surroundings around;
  if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode)) return add_image(l, strdup(path), -1, e);
  look_around(&around, p, path);
  struct level top = {path, 0, around.label, st.st_dev, st.st_ino, around.n ? &around.above[around.n - 1] : NULL};
  int before = l->n_below, code = walk(l, p, &top, e);
  if (!code && l->n_below == before)
    folder_failed(path, "holds no images: no .jpg, .jpeg, .jpe, .jfif or .png files", e);
  return e->code;
}
