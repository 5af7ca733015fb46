/* Image folders: the list of the files.
 *
 * A class is a folder, its images the files right below it whose names end as those of JPEG and PNG
 * files do (in any case); hidden files, other names and deeper folders are counted and left alone.
 * Nothing is followed deeper than two levels, so a symbolic link that leads back up is a class
 * without images, never a loop.  The results of a run are no class, though they may stand beside
 * them.
 *
 * The order is made so that every prefix of a part has the classes in proportion (train_count):
 * within a class the files, by name, are put in the order of a permutation with key 0; then image i
 * of n of a class stands at (i + 1/2) / n.  A test set that is held out is the first places of that
 * permutation: the same for every seed, so that no choice of a seed can ever choose the test. */
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

#include "kernels/philox.h"
#include "host/data/image_list.h"
#include "host/data/usual_names.h"
#include "host/base/text_escape.h"

enum { SHOWN = 512, NAME_BYTES = 256, OUTPUT_DEPTH = 6 };

void image_list_free(struct image_list *l)
{
  for (int i = 0; i < l->n_images; i++) free(l->images[i].name);
  for (int c = 0; c < l->n_classes; c++) free(l->class_names[c]);
  free(l->images);
  free(l->class_names);
  memset(l, 0, sizeof *l);
}

bool image_name_is(const char *name)
{
  static const char *const endings[] = {".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".png"};
  const char *dot = strrchr(name, '.');
  if (!dot || dot == name) return false;
  for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
    if (strcasecmp(dot, endings[i]) == 0) return true;
  return false;
}

/* Counts a file that is left alone. */
static void ignore(struct image_list *l, const char *name)
{
  char ending[sizeof l->ignored[0].ending] = "other";
  const char *dot = strrchr(name, '.');
  l->n_ignored++;
  if (name[0] == '.')
    strcpy(ending, "hidden");
  else if (dot && strlen(dot) > 1 && strlen(dot) < 9 && text_invisible(dot) == SIZE_MAX)
    text_escape(ending, sizeof ending, dot);
  for (int i = 0; i < IGNORED_ENDINGS; i++) {
    struct ignored_ending *slot = &l->ignored[i];
    if (i == IGNORED_ENDINGS - 1 && !slot->n) strcpy(ending, "other"); /* the last one takes the rest */
    if (slot->n && i < IGNORED_ENDINGS - 1 && strcasecmp(slot->ending, ending) != 0) continue;
    if (!slot->n++) strcpy(slot->ending, ending);
    return;
  }
}

static int by_count(const void *a, const void *b)
{
  const struct ignored_ending *x = a, *y = b;
  return x->n != y->n ? y->n - x->n : strcmp(x->ending, y->ending);
}

void image_list_ignored(const struct image_list *l, char *text, size_t size)
{
  struct ignored_ending sorted[IGNORED_ENDINGS];
  size_t used = 0;
  memcpy(sorted, l->ignored, sizeof sorted);
  qsort(sorted, IGNORED_ENDINGS, sizeof *sorted, by_count);
  text[0] = 0;
  for (int i = 0; i < IGNORED_ENDINGS && sorted[i].n && used < size; i++)
    used += (size_t)snprintf(text + used, size - used, "%s%d %s", i ? ", " : "", sorted[i].n, sorted[i].ending);
}

/* ROOT/A[/B], escaped for a message. */
static const char *shown_path(char *out, const char *root, const char *a, const char *b)
{
  char path[DATA_PATH_MAX];
  snprintf(path, sizeof path, "%s%s%s%s%s", root, *a ? "/" : "", a, *b ? "/" : "", b);
  return text_escape(out, SHOWN, path);
}

static DIR *open_folder(int at, const char *name)
{
  int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *folder = fd < 0 ? NULL : fdopendir(fd);
  if (!folder && fd >= 0) close(fd);
  return folder;
}

/* ------------------------------------------------------------------------------ results of runs */

/* Is there a file study.db in this folder, or in one that lies in it: is it what a run writes?
 * `deeper`: how far to look.  Links are not followed. */
static bool is_output(int at, const char *name, int deeper)
{
  struct stat st;
  const struct dirent *entry;
  bool is = false;
  DIR *folder = open_folder(at, name);
  if (!folder) return false;
  is = fstatat(dirfd(folder), "study.db", &st, 0) == 0 && S_ISREG(st.st_mode);
  while (!is && deeper && (entry = readdir(folder)))
    is = (entry->d_type == DT_DIR || entry->d_type == DT_UNKNOWN) && entry->d_name[0] != '.' &&
         is_output(dirfd(folder), entry->d_name, deeper - 1);
  closedir(folder);
  return is;
}

/* Is it a folder that a run made, with whatever it wrote: its output, one above that (results/2026/
 * may/first), or, where the output is this place itself, one of its parts? */
static bool is_of_a_run(int at, const char *name)
{
  static const char *const parts[] = {"networks", "states", "mistakes"};
  struct stat st;
  bool part = false;
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) part = part || strcmp(name, parts[i]) == 0;
  return (part && fstatat(at, "study.db", &st, 0) == 0) || is_output(at, name, OUTPUT_DEPTH);
}

static bool has_images(int at, const char *name)
{
  const struct dirent *entry;
  bool has = false;
  DIR *folder = open_folder(at, name);
  while (folder && !has && (entry = readdir(folder))) has = entry->d_name[0] != '.' && image_name_is(entry->d_name);
  if (folder) closedir(folder);
  return has;
}

/* -------------------------------------------------------------------------------------- classes */

static int by_bytes(const void *a, const void *b)
{
  return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The folders right below ROOT/PART, sorted; what is no folder is counted. */
static int list_folders(struct image_list *l, const char *part, char ***names, int *n, struct error *e)
{
  char shown[SHOWN], path[DATA_PATH_MAX];
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
      ignore(l, name);
    } else if (fstatat(dirfd(folder), name, &st, 0) != 0) {
      /* A class that silently went missing would be worse than an error; a picture at this level is
       * no class anyway. */
      bool broken_link = errno == ENOENT || errno == ELOOP;
      if (image_name_is(name))
        ignore(l, name);
      else
        code = error_errno(e, "%s: cannot tell whether this is a class", shown_path(shown, l->root, part, name));
      if (code && broken_link) e->code = code = ERROR_CONFIG;
    } else if (!S_ISDIR(st.st_mode)) {
      ignore(l, name);
    } else if (!has_images(dirfd(folder), name) && is_of_a_run(dirfd(folder), name)) {
      continue;
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

/* --------------------------------------------------------------------------------------- images */

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
  char shown[SHOWN], path[DATA_PATH_MAX];
  snprintf(path, sizeof path, "%s/%s/%s", l->root, part_folder, class);
  shown_path(shown, l->root, part_folder, class);
  DIR *folder = open_folder(AT_FDCWD, path);
  if (!folder) return error_errno(e, "cannot read the class folder %s", shown);
  int code = 0, found = 0, ignored = 0;
  const struct dirent *entry;
  while (!code && (errno = 0, entry = readdir(folder))) {
    const char *name = entry->d_name;
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) continue;
    if (name[0] == '.' || !image_name_is(name)) {
      ignore(l, name);
      ignored++;
      continue;
    }
    struct stat st;
    struct folder_image image = {NULL, {-1, -1, -1, -1}, (uint16_t)index, (uint8_t)part};
    if (fstatat(dirfd(folder), name, &st, 0) == 0) file_state(&st, image.state);
    code = add_image(l, image, part_folder, class, name, e);
    found++;
  }
  if (!code && errno) code = error_errno(e, "reading the class folder %s", shown);
  closedir(folder);
  if (!code && !found && part == PART_TRAIN)
    code =
        error_set(e, ERROR_CONFIG,
                  "%s: this class has no images (files named .jpg, .jpeg, .jpe, .jfif or .png right in this folder; %d "
                  "other entries are ignored); fill the folder or remove it",
                  shown, ignored);
  return code;
}

/* All classes of one part.  For train they define the classes; elsewhere each must be one of
 * train's. */
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
      code = error_set(e, ERROR_CONFIG, "%s: class that the training images lack",
                       shown_path(shown, l->root, part_folder, names[i]));
    else
      code = list_class(l, part, part_folder, names[i], (int)(known - l->class_names), e);
  }
  if (names != l->class_names) free_names(names, n);
  return code;
}

/* ---------------------------------------------------------------------------------------- order */

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

/* ---------------------------------------------------------------------------------------- parts */

/* The folders of the parts right below the root, "" where there is none. */
struct part_folders {
  char name[PARTS][NAME_BYTES];
};

static int compare_entries(const struct dirent **a, const struct dirent **b)
{
  return strcmp((*a)->d_name, (*b)->d_name);
}

/* Which folders are parts; beside train/, what the others are called.  A part is there once. */
static int find_parts(struct part_folders *parts, struct image_list *l, struct error *e)
{
  struct dirent **entries;
  int code = 0, n = scandir(l->root, &entries, NULL, compare_entries);
  char shown[SHOWN], others[sizeof l->unused] = "";
  memset(parts, 0, sizeof *parts);
  if (n < 0) return error_errno(e, "cannot read the folder %s", text_escape(shown, sizeof shown, l->root));
  int root = open(l->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  for (int i = 0; i < n; i++) {
    const char *name = entries[i]->d_name;
    struct stat st;
    int part = part_of_word(name, strlen(name));
    bool folder = name[0] != '.' && fstatat(root, name, &st, 0) == 0 && S_ISDIR(st.st_mode);
    if (folder && part >= 0 && parts->name[part][0] && !code) {
      code = error_set(e, ERROR_CONFIG, "[dataset] path = %s: has both %s/ and %s/ for the %s part; keep one",
                       text_escape(shown, sizeof shown, l->root), parts->name[part], name, part_name(part));
    } else if (folder && part >= 0) {
      snprintf(parts->name[part], sizeof parts->name[part], "%s", name);
    } else if (folder && !is_of_a_run(root, name)) {
      size_t used = strlen(others);
      snprintf(others + used, sizeof others - used, "%s%s/", used ? ", " : "", text_escape(shown, NAME_BYTES, name));
    }
  }
  for (int i = 0; i < n; i++) free(entries[i]);
  free(entries);
  if (root >= 0) close(root);
  bool train = parts->name[PART_TRAIN][0];
  if (train) memcpy(l->unused, others, sizeof others);
  if (!train) parts->name[PART_VALIDATION][0] = 0; /* classes may be called valid and invalid */
  if (!train && code) code = 0;
  return code;
}

bool folder_is_images(const char *path)
{
  struct image_list l = {.root = path};
  struct part_folders parts;
  struct error ignored;
  const struct dirent *entry;
  find_parts(&parts, &l, &ignored);
  bool is = parts.name[PART_TRAIN][0] || parts.name[PART_TEST][0];
  DIR *folder = is ? NULL : open_folder(AT_FDCWD, path);
  while (folder && !is && (entry = readdir(folder)))
    is = entry->d_name[0] != '.' && has_images(dirfd(folder), entry->d_name);
  if (folder) closedir(folder);
  return is;
}

int image_list_make(struct image_list *l, const char *root, double test_fraction, struct error *e)
{
  char shown[SHOWN];
  struct stat st;
  struct part_folders parts;
  memset(l, 0, sizeof *l);
  l->root = root;
  text_escape(shown, sizeof shown, root);
  if (stat(root, &st) != 0) {
    bool missing = errno == ENOENT || errno == ENOTDIR || errno == ELOOP;
    error_errno(e, "[dataset] path = %s", shown);
    if (missing) e->code = ERROR_CONFIG;
    return e->code;
  }
  if (find_parts(&parts, l, e)) return e->code;
  bool train = parts.name[PART_TRAIN][0], test = parts.name[PART_TEST][0];
  if (!train && test)
    return error_set(e, ERROR_CONFIG,
                     "[dataset] path = %s: has %s/ but no train/; call the training images' folder train/", shown,
                     parts.name[PART_TEST]);
  bool hold_out = !(train && test);
  if (hold_out && !(test_fraction >= 0 && test_fraction < 1))
    return error_set(e, ERROR_CONFIG, "[dataset] test_fraction = %g: must be at least 0 and below 1", test_fraction);
  for (int p = 0; p < PARTS; p++)
    if ((p == PART_TRAIN || parts.name[p][0]) && list_part(l, p, parts.name[p], e)) return e->code;
  return order(l, hold_out, test_fraction, e);
}
