/* Image folders: the list of the files.
 *
 * A class is a folder, its images the files right below it whose names end in .jpg, .jpeg or .png (in any case); hidden
 * files, other names and deeper folders are counted and left alone.  Nothing is followed deeper than two levels, so a
 * symbolic link that leads back up is a class without images, never a loop.
 *
 * The order is made so that every prefix of a part has the classes in proportion (train_count): within a class the files,
 * by name, are put in the order of a permutation with key 0; then image i of n of a class stands at (i + 1/2) / n.  A test
 * set that is held out is the first places of that permutation: the same for every seed, so that no choice of a seed can
 * ever choose the test. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../kernels/philox.h"
#include "image_folder.h"
#include "text_escape.h"

enum { SHOWN = 512, NAME_BYTES = 256 };

void image_list_free(struct image_list *l)
{
  for (int i = 0; i < l->n_images; i++) free(l->images[i].name);
  for (int c = 0; c < l->n_classes; c++) free(l->class_names[c]);
  free(l->images);
  free(l->class_names);
  memset(l, 0, sizeof *l);
}

static bool is_image_name(const char *name)
{
  static const char *const endings[] = {".jpg", ".jpeg", ".png"};
  const char *dot = strrchr(name, '.');
  if (!dot || dot == name) return false;
  for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
    if (strcasecmp(dot, endings[i]) == 0) return true;
  return false;
}

/* ROOT/A[/B], escaped for a message. */
static const char *shown_path(char *out, const char *root, const char *a, const char *b)
{
  char path[1024 + 2 * NAME_BYTES + 4];
  snprintf(path, sizeof path, "%s%s%s%s%s", root, *a ? "/" : "", a, *b ? "/" : "", b);
  return text_escape(out, SHOWN, path);
}

static bool is_folder(const char *root, const char *name)
{
  char path[1024 + NAME_BYTES + 2];
  struct stat st;
  return snprintf(path, sizeof path, "%s/%s", root, name) < (int)sizeof path && stat(path, &st) == 0 &&
         S_ISDIR(st.st_mode);
}

static DIR *open_folder(int at, const char *name)
{
  int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *folder = fd < 0 ? NULL : fdopendir(fd);
  if (!folder && fd >= 0) close(fd);
  return folder;
}

/* --------------------------------------------------------------------------------------------- classes */

static int by_bytes(const void *a, const void *b)
{
  return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The folders right below ROOT/PART, sorted; what is no folder is counted. */
static int list_folders(struct image_list *l, const char *part, char ***names, int *n, struct error *e)
{
  char shown[SHOWN], path[1024 + NAME_BYTES];
  snprintf(path, sizeof path, "%s/%s", l->root, part);
  *names = calloc(CLASSES_MAX + 1, sizeof **names);
  *n = 0;
  if (!*names) return error_set(e, ERROR_MACHINE, "no memory for class names");
  DIR *folder = open_folder(AT_FDCWD, path);
  if (!folder) return error_errno(e, "cannot read the folder %s", shown_path(shown, l->root, part, ""));
  const struct dirent *entry;
  int code = 0;
  while (!code && (errno = 0, entry = readdir(folder))) {
    struct stat st;
    const char *name = entry->d_name;
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) continue;
    if (name[0] == '.') {
      l->n_ignored++;
    } else if (fstatat(dirfd(folder), name, &st, 0) != 0) {
      /* A class that silently went missing would be worse than an error; a picture at this level is no class anyway. */
      bool broken_link = errno == ENOENT || errno == ELOOP;
      if (is_image_name(name))
        l->n_ignored++;
      else
        code = error_errno(e, "%s: cannot tell whether this is a class", shown_path(shown, l->root, part, name));
      if (code && broken_link) e->code = code = ERROR_CONFIG;
    } else if (!S_ISDIR(st.st_mode)) {
      l->n_ignored++;
    } else if (*n == CLASSES_MAX) {
      code = error_set(e, ERROR_CONFIG, "%s: more than %d classes (folders)", shown_path(shown, l->root, part, ""),
                       CLASSES_MAX);
    } else if (!((*names)[*n] = strdup(name))) {
      code = error_set(e, ERROR_MACHINE, "no memory for class names");
    } else {
      ++*n;
    }
  }
  if (!code && errno) code = error_errno(e, "reading the folder %s", shown_path(shown, l->root, part, ""));
  closedir(folder);
  qsort(*names, (size_t)*n, sizeof **names, by_bytes);
  return code;
}

static void free_names(char **names, int n)
{
  for (int i = 0; names && i < n; i++) free(names[i]);
  free(names);
}

/* ---------------------------------------------------------------------------------------------- images */

static int add_image(struct image_list *l, struct folder_image image, const char *part, const char *class,
                     const char *file, struct error *e)
{
  if (l->n_images == INT32_MAX) return error_set(e, ERROR_FAILED, "more than %d images", INT32_MAX);
  if (l->n_images == l->capacity) {
    int64_t capacity = l->capacity ? 2 * l->capacity : 1024;
    struct folder_image *more = realloc(l->images, (size_t)capacity * sizeof *more);
    if (!more) return error_set(e, ERROR_MACHINE, "no memory for a list of %d images", l->n_images);
    l->images = more;
    l->capacity = capacity;
  }
  if (asprintf(&image.name, "%s%s%s/%s", part, *part ? "/" : "", class, file) < 0)
    return error_set(e, ERROR_MACHINE, "no memory for a list of %d images", l->n_images);
  l->images[l->n_images++] = image;
  return 0;
}

/* The images of one class in one part. */
static int list_class(struct image_list *l, int part, const char *part_folder, const char *class, int index,
                      struct error *e)
{
  char shown[SHOWN], path[1024 + 2 * NAME_BYTES];
  snprintf(path, sizeof path, "%s/%s/%s", l->root, part_folder, class);
  shown_path(shown, l->root, part_folder, class);
  DIR *folder = open_folder(AT_FDCWD, path);
  if (!folder) return error_errno(e, "cannot read the class folder %s", shown);
  int code = 0, found = 0, ignored = 0;
  const struct dirent *entry;
  while (!code && (errno = 0, entry = readdir(folder))) {
    const char *name = entry->d_name;
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) continue;
    if (name[0] == '.' || !is_image_name(name)) {
      ignored++;
      continue;
    }
    struct stat st;
    struct folder_image image = {NULL, -1, -1, (uint16_t)index, (uint8_t)part};
    if (fstatat(dirfd(folder), name, &st, 0) == 0) {
      image.size = st.st_size;
      image.time_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
    }
    code = add_image(l, image, part_folder, class, name, e);
    found++;
  }
  if (!code && errno) code = error_errno(e, "reading the class folder %s", shown);
  closedir(folder);
  l->n_ignored += ignored;
  if (!code && !found && part == PART_TRAIN)
    code = error_set(e, ERROR_CONFIG,
                     "%s: this class has no images (files named .jpg, .jpeg or .png right in this folder; %d other "
                     "entries are ignored); fill the folder or remove it",
                     shown, ignored);
  return code;
}

/* All classes of one part.  For train they define the classes; elsewhere each must be one of train's. */
static int list_part(struct image_list *l, int part, const char *part_folder, struct error *e)
{
  char **names = NULL, shown[SHOWN], shown_class[SHOWN];
  int n = 0, code = list_folders(l, part_folder, &names, &n, e);
  if (!code && part == PART_TRAIN) {
    l->class_names = names;
    l->n_classes = n;
    shown_path(shown, l->root, part_folder, "");
    if (n == 0)
      code = error_set(e, ERROR_CONFIG,
                       "%s: holds no class folders; an image folder is train/CLASS/IMAGE and test/CLASS/IMAGE, or "
                       "CLASS/IMAGE, with .jpg, .jpeg and .png files",
                       shown);
    else if (n == 1)
      code = error_set(e, ERROR_CONFIG, "%s: holds only one class folder, \"%s\"; there is nothing to tell apart",
                       shown, text_escape(shown_class, sizeof shown_class, names[0]));
  }
  for (int i = 0; i < n && !code; i++) {
    char **known = bsearch(&names[i], l->class_names, (size_t)l->n_classes, sizeof *names, by_bytes);
    if (!known)
      code =
          error_set(e, ERROR_CONFIG, "%s: class that train/ lacks", shown_path(shown, l->root, part_folder, names[i]));
    else
      code = list_class(l, part, part_folder, names[i], (int)(known - l->class_names), e);
  }
  if (names != l->class_names) free_names(names, n);
  return code;
}

/* ----------------------------------------------------------------------------------------------- order */

static int by_part_class_name(const void *a, const void *b)
{
  const struct folder_image *x = a, *y = b;
  if (x->part != y->part) return x->part - y->part;
  if (x->class != y->class) return x->class - y->class;
  return strcmp(x->name, y->name);
}

/* An image with its place in its class: (2 place + 1) / (2 n). */
struct placed {
  struct folder_image image;
  int64_t place, of;
};

static int by_part_place(const void *a, const void *b)
{
  const struct placed *x = a, *y = b;
  if (x->image.part != y->image.part) return x->image.part - y->image.part;
  int64_t left = (2 * x->place + 1) * y->of, right = (2 * y->place + 1) * x->of;
  if (left != right) return left < right ? -1 : 1;
  return x->image.class - y->image.class;
}

/* Holds out the test where there is none, then puts every part in its order. */
static int order(struct image_list *l, bool hold_out, double test_fraction, struct error *e)
{
  int counts[CLASSES_MAX] = {0}, share[CLASSES_MAX] = {0};
  struct placed *placed = malloc((size_t)l->n_images * sizeof *placed);
  if (!placed) return error_set(e, ERROR_MACHINE, "no memory to order %d images", l->n_images);
  int n_train = 0;
  for (int i = 0; i < l->n_images; i++) {
    if (l->images[i].part != PART_TRAIN) continue;
    counts[l->images[i].class]++;
    n_train++;
  }
  if (hold_out) stratified_shares(l->n_classes, counts, llround(test_fraction * n_train), share);
  qsort(l->images, (size_t)l->n_images, sizeof *l->images, by_part_class_name);
  for (int start = 0, end; start < l->n_images; start = end) {
    const struct folder_image *first = &l->images[start];
    for (end = start; end < l->n_images && l->images[end].part == first->part && l->images[end].class == first->class;)
      end++;
    int label = first->class, n = end - start, held = first->part == PART_TRAIN ? share[label] : 0;
    struct philox_permutation p =
        philox_permutation_make(0, philox_subsequence(PHILOX_SPLIT, 1, (uint64_t)label), (uint32_t)n);
    for (int i = 0; i < n; i++) {
      struct placed *to = &placed[start + i];
      to->image = l->images[start + (int)philox_permutation_at(&p, (uint32_t)i)];
      if (i < held) to->image.part = PART_TEST;
      to->place = i < held ? i : i - held;
      to->of = i < held ? held : n - held;
    }
  }
  qsort(placed, (size_t)l->n_images, sizeof *placed, by_part_place);
  for (int i = 0; i < l->n_images; i++) l->images[i] = placed[i].image;
  free(placed);
  return 0;
}

int image_list_make(struct image_list *l, const char *root, double test_fraction, struct error *e)
{
  char shown[SHOWN];
  struct stat st;
  memset(l, 0, sizeof *l);
  l->root = root;
  text_escape(shown, sizeof shown, root);
  if (stat(root, &st) != 0) {
    bool missing = errno == ENOENT || errno == ENOTDIR || errno == ELOOP;
    error_errno(e, "[dataset] path = %s", shown);
    if (missing) e->code = ERROR_CONFIG;
    return e->code;
  }
  bool train = is_folder(root, "train"), test = is_folder(root, "test");
  bool validation = is_folder(root, "validation"), val = is_folder(root, "val");
  if (!train && test)
    return error_set(e, ERROR_CONFIG,
                     "[dataset] path = %s: has test/ but no train/; call the training images' folder train/", shown);
  if (train && validation && val)
    return error_set(e, ERROR_CONFIG, "[dataset] path = %s: has both validation/ and val/; keep one", shown);
  bool hold_out = !(train && test);
  if (hold_out && !(test_fraction >= 0 && test_fraction < 1))
    return error_set(e, ERROR_CONFIG, "[dataset] test_fraction = %g: must be at least 0 and below 1", test_fraction);
  if (list_part(l, PART_TRAIN, train ? "train" : "", e)) return e->code;
  if (train && (validation || val) && list_part(l, PART_VALIDATION, validation ? "validation" : "val", e))
    return e->code;
  if (train && test && list_part(l, PART_TEST, "test", e)) return e->code;
  return order(l, hold_out, test_fraction, e);
}
