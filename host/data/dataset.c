/* Data sets: opens one of any format, checks its labels, splits it, and computes what training
 * needs to know of it.
 *
 * The readers (dataset_idx.c, cifar.c, npz.c, image_folder.c) hand over up to three parts of images
 * and labels; what follows here is the same for all:
 *
 *   classes      0 ... the largest label of train, or as many as have names; at least two; every
 *                class that validation or test has must occur in train
 *   counts       train_count and test_count keep the first N
 *   split        where validation has no files of its own: of each class, in proportion (largest
 *                remainder), the first places of a permutation keyed by (seed, PHILOX_SPLIT,
 *                class), so it depends on the experiment's seed alone
 *   statistics   mean and deviation of x/255 per channel over the training split, from exact
 *                integer sums
 *   fingerprint  data_hash over shape, classes, part sizes, images and labels used, in the order of
 *                the files: not over the split, so that two seeds on the same data have the same
 *                fingerprint */
#include "host/data/dataset.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <pthread.h>
#include <dirent.h>
#include <stdarg.h>

#include "host/base/file_open.h"
#include "host/base/text_units.h"
#include "kernels/philox.h"
#include "host/data/dataset_source.h"
#include "host/base/text_escape.h"

/* What dataset.owned points to. */
struct dataset_owned {
  struct dataset_source source;
  int32_t *rows[PARTS];
  pthread_mutex_t mutex; /* one thread at a time asks whether the bytes are as they were */
  bool changed;
  char where[512];
};

/* -------------------------------------------------------------------------------------- sources */

void source_close(struct dataset_source *s)
{
  for (int p = 0; p < PARTS; p++) {
    free(s->part[p].labels);
    for (int i = 0; i < s->part[p].n_names; i++) free(s->part[p].names[i]);
    free(s->part[p].names);
  }
  for (int b = 0; b < s->n_blocks; b++) data_block_close(&s->blocks[b]);
  for (int c = 0; s->class_names && c < s->n_classes; c++) free(s->class_names[c]);
  free(s->class_names);
  memset(s, 0, sizeof *s);
}

void source_notice(struct dataset_source *s, const char *format, ...)
{
  char line[600];
  size_t used = strlen(s->notices);
  va_list args;
  va_start(args, format);
  int n = vsnprintf(line, sizeof line, format, args);
  va_end(args);
  if (n < 0 || used + strlen(line) + 2 > sizeof s->notices) return;
  sprintf(s->notices + used, "%s%s", used ? "\n" : "", line);
}

/* ---------------------------------------------------------------------------------- class names */

/* All bytes of a file that can be no larger (malloc'ed, a zero behind them).  *bytes NULL: there is
 * no such file. */
static int read_text(const char *path, const char *shown, char **bytes, size_t *size, struct error *e)
{
  enum { BYTES_MAX = CLASSES_MAX * 256 + 3 };
  struct stat st;
  *bytes = NULL;
  if (lstat(path, &st) != 0 && (errno == ENOENT || errno == ENOTDIR)) return 0;
  if (stat(path, &st) != 0) return error_errno(e, "cannot open %s", shown);
  if (!S_ISREG(st.st_mode))
    return error_set(e, ERROR_FAILED, "%s: is not a file but a %s; it is to name the classes, or is to be taken away",
                     shown, file_kind(&st));
  FILE *in = file_open_to_read(path);
  if (!in) return error_errno(e, "cannot open %s", shown);
  int code = 0;
  char *text = malloc(BYTES_MAX + 1);
  if (!text) code = error_set(e, ERROR_MACHINE, "no memory for class names");
  *size = text ? fread(text, 1, BYTES_MAX, in) : 0;
  if (!code && ferror(in)) code = error_errno(e, "reading %s", shown);
  if (!code && *size == BYTES_MAX)
    code = error_set(e, ERROR_FAILED, "%s: is too large for %d class names, a line each", shown, CLASSES_MAX);
  if (!code && memchr(text, 0, *size))
    code =
        error_set(e, ERROR_FAILED, "%s: has a zero byte: is it a text? (One in UTF-16 must be saved as UTF-8)", shown);
  fclose(in);
  if (code) {
    free(text);
    return code;
  }
  text[*size] = 0;
  *bytes = text;
  return 0;
}

/* The next line, without white space at its ends, cut out in place; NULL behind the last one. */
static char *next_line(char **at)
{
  static const char *const white = " \t\r";
  if (!**at) return NULL;
  char *line = *at, *end = strchr(line, '\n');
  *at = end ? end + 1 : line + strlen(line);
  if (end) *end = 0;
  line += strspn(line, white);
  for (size_t n = strlen(line); n && strchr(white, line[n - 1]); n--) line[n - 1] = 0;
  return line;
}

static int add_class_name(struct dataset_source *s, const char *shown, const char *line, struct error *e)
{
  enum { NAME_MAX_BYTES = 254 };
  if (strlen(line) > NAME_MAX_BYTES)
    return error_set(e, ERROR_FAILED, "%s: a class name of more than %d bytes", shown, NAME_MAX_BYTES);
  if (s->n_classes == CLASSES_MAX)
    return error_set(e, ERROR_FAILED, "%s: more than %d class names", shown, CLASSES_MAX);
  if (!(s->class_names[s->n_classes] = strdup(line))) return error_set(e, ERROR_MACHINE, "no memory for class names");
  s->n_classes++;
  return 0;
}

int source_read_class_names(struct dataset_source *s, const char *path, struct error *e)
{
  char shown[512], *text;
  size_t size;
  text_escape(shown, sizeof shown, path);
  int code = read_text(path, shown, &text, &size, e), number = 0, empty = 0;
  if (code || !text) return code;
  s->class_names = calloc(CLASSES_MAX, sizeof *s->class_names);
  if (!s->class_names) code = error_set(e, ERROR_MACHINE, "no memory for class names");
  char *at = text + (strncmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0); /* a byte order mark */
  for (const char *line; !code && (line = next_line(&at));) {
    number++;
    if (!*line) {
      if (!empty) empty = number;
    } else if (empty) {
      code = error_set(e, ERROR_FAILED,
                       "%s: line %d is empty, and others follow: line %d names class %d; fill it, or delete it", shown,
                       empty, empty, empty - 1);
    } else {
      code = add_class_name(s, shown, line, e);
    }
  }
  free(text);
  if (s->n_classes == 0) { /* an empty file: as if it were not there */
    free(s->class_names);
    s->class_names = NULL;
  }
  return code;
}

int source_check_class_names(const struct dataset_source *s, struct error *e)
{
  const struct source_part *train = &s->part[PART_TRAIN];
  int largest = 0;
  for (int i = 0; i < train->n; i++)
    if (train->labels[i] > largest) largest = train->labels[i];
  if (!s->class_names || largest + 1 >= s->n_classes) return 0; /* too few are reported with the labels */
  char extra[300];
  return error_set(
      e, ERROR_FAILED,
      "classes.txt beside %s names %d classes, but the labels go up to %d: nothing is of the class \"%s\"; a "
      "line is one too many, or the list is another data set's",
      train->name, s->n_classes, largest, text_escape(extra, sizeof extra, s->class_names[largest + 1]));
}

/* --------------------------------------------------------------------------------------- format */

/* What a folder that is of no known layout holds, for its owner: the first names, folders with a
 * slash. */
static void list_folder(const char *path, char *out, size_t size)
{
  struct dirent **entries;
  size_t used = 0;
  int n = scandir(path, &entries, NULL, alphasort), listed = 0, others = 0;
  out[0] = 0;
  for (int i = 0; i < n; i++) {
    char shown[120], one[DATA_PATH_MAX];
    struct stat st;
    const char *name = entries[i]->d_name;
    if (name[0] == '.') continue;
    snprintf(one, sizeof one, "%s/%s", path, name);
    bool folder = stat(one, &st) == 0 && S_ISDIR(st.st_mode);
    text_escape(shown, sizeof shown, name);
    if (listed < 6 && used + strlen(shown) + 32 < size) {
      used += (size_t)snprintf(out + used, size - used, "%s%s%s", listed ? ", " : "", shown, folder ? "/" : "");
      listed++;
    } else {
      others++;
    }
  }
  if (others) snprintf(out + used, size - used, ", and %d more", others);
  if (!listed) snprintf(out, size, "nothing");
  for (int i = 0; i < n; i++) free(entries[i]);
  if (n >= 0) free(entries);
}

static int unknown_layout(const char *path, struct error *e)
{
  char shown[400], found[500];
  list_folder(path, found, sizeof found);
  return error_set(
      e, ERROR_CONFIG,
      "[dataset] path = %s: is of no layout that is known; it holds %s.  Known are: class folders of images "
      "(CLASS/IMAGE, or train/CLASS/IMAGE and test/CLASS/IMAGE, with .jpg, .jpeg and .png files), IDX files "
      "(train-images-idx3-ubyte and train-labels-idx1-ubyte, also .gz), CIFAR's binary version "
      "(data_batch_1.bin, train.bin), and .npz files of one array each (NAME-train-imgs.npz, "
      "NAME-train-labels.npz)",
      text_escape(shown, sizeof shown, path), found);
}

#define DECLARED(name, format) extern const struct dataset_reader reader_##name;
#define ADDRESS(name, format) [format] = &reader_##name,
#define NAMED(name, format) [format] = #name,
DATASET_FORMATS(DECLARED)
static const struct dataset_reader *const readers[] = {DATASET_FORMATS(ADDRESS)};
static const char *const reader_names[] = {DATASET_FORMATS(NAMED)};
enum { READERS = sizeof readers / sizeof *readers }; /* the first is NULL: DATASET_AUTO */

/* The one format that a folder has, by what lies in it. */
static int detect_layout(const char *path, enum dataset_format *format, struct error *e)
{
  int first = DATASET_AUTO, rest = DATASET_AUTO;
  char shown[400];
  for (int f = DATASET_AUTO + 1; f < READERS; f++) {
    if (readers[f]->takes_the_rest) rest = f;
    if (readers[f]->takes_the_rest || !readers[f]->looks_like(path)) continue;
    if (first)
      return error_set(e, ERROR_CONFIG, "[dataset] path = %s: holds %s and %s; say which: format = %s, or %s",
                       text_escape(shown, sizeof shown, path), readers[first]->what, readers[f]->what,
                       reader_names[first], reader_names[f]);
    first = f;
  }
  if (!first && rest && readers[rest]->looks_like(path)) first = rest;
  *format = (enum dataset_format)first;
  return first ? 0 : unknown_layout(path, e);
}

/* What `format = auto` means here. */
static int detect_format(const struct dataset_options *o, enum dataset_format *format, struct error *e)
{
  char shown[512];
  struct stat st;
  text_escape(shown, sizeof shown, o->path);
  *format = DATASET_IDX;
  if (!o->path[0]) {
    if (o->train_images[0] || o->train_labels[0]) return 0;
    return error_set(e, ERROR_CONFIG,
                     "[dataset] names no data: give path (a folder of images, of IDX files or of CIFAR binaries), or "
                     "train_images and train_labels (IDX files)");
  }
  if (stat(o->path, &st) != 0) {
    error_errno(e, "[dataset] path = %s", shown);
    if (errno == ENOENT || errno == ENOTDIR || errno == ELOOP || errno == EACCES) e->code = ERROR_CONFIG;
    return e->code;
  }
  if (!S_ISDIR(st.st_mode))
    return error_set(
        e, ERROR_CONFIG,
        "[dataset] path = %s: is not a folder; path is a folder of images, of IDX files or of CIFAR binaries "
        "(single IDX files are given as train_images and train_labels)",
        shown);
  return o->train_images[0] ? 0 : detect_layout(o->path, format, e);
}

static int read_source(struct dataset_source *s, const struct dataset_options *o, const struct data_cache *cache,
                       dataset_progress progress, void *context, struct error *e)
{
  enum dataset_format format = o->format;
  if (format == DATASET_AUTO && detect_format(o, &format, e)) return e->code;
  if (!readers[format]->by_files && !o->path[0])
    return error_set(e, ERROR_CONFIG, "[dataset] path is missing: it is the folder that holds the data");
  return readers[format]->read(s, o, cache, progress, context, e);
}

/* --------------------------------------------------------------------------------------- labels */

/* Number of images of each class among the first n; counts[CLASSES_MAX]. Returns how many classes
 * occur. */
static int count_classes(const uint16_t *labels, int n, int *counts)
{
  int occur = 0;
  memset(counts, 0, CLASSES_MAX * sizeof *counts);
  for (int i = 0; i < n; i++)
    if (labels[i] < CLASSES_MAX && counts[labels[i]]++ == 0) occur++;
  return occur;
}

/* "7" or "7 (\"horse\")" */
static const char *class_text(const struct dataset_source *s, int class, char *out, size_t size)
{
  char name[128];
  if (s->class_names && class < s->n_classes)
    snprintf(out, size, "%d (\"%s\")", class, text_escape(name, sizeof name, s->class_names[class]));
  else
    snprintf(out, size, "%d", class);
  return out;
}

/* Finds the number of classes and refuses labels that cannot be right. */
static int check_labels(struct dataset_source *s, struct error *e)
{
  const struct source_part *train = &s->part[PART_TRAIN];
  int counts[CLASSES_MAX], largest = 0;
  for (int i = 0; i < train->n; i++)
    if (train->labels[i] > largest) largest = train->labels[i];
  if (largest >= CLASSES_MAX)
    return error_set(e, ERROR_FAILED, "%s: more than %d classes (a label is %d)", train->name, CLASSES_MAX, largest);
  int occur = count_classes(train->labels, train->n, counts);
  if (s->n_classes && largest >= s->n_classes)
    return error_set(e, ERROR_FAILED, "%s: a label is %d, but only %d classes have names", train->name, largest,
                     s->n_classes);
  if (occur < 2) {
    char only[160];
    class_text(s, largest, only, sizeof only);
    if (train->n == 1)
      return error_set(e, ERROR_FAILED, "%s: there is one image, of class %s, and nothing to tell it apart from",
                       train->name, only);
    return error_set(e, ERROR_FAILED, "%s: all %d images are of one class, %s; there is nothing to tell apart",
                     train->name, train->n, only);
  }
  /* A gap is allowed (EMNIST's letters start at 1); labels that are mostly gaps are no labels. */
  if (!s->n_classes && largest + 1 > 2 * occur)
    return error_set(e, ERROR_FAILED,
                     "%s: labels run up to %d but only %d different ones occur; labels are class numbers from 0",
                     train->name, largest, occur);
  if (!s->n_classes) s->n_classes = largest + 1;
  for (int p = PART_VALIDATION; p < PARTS; p++)
    for (int i = 0; i < s->part[p].n; i++) {
      int label = s->part[p].labels[i];
      if (label < s->n_classes && counts[label]) continue;
      char missing[160];
      return error_set(e, ERROR_FAILED, "%s: has images of class %s, which the training images lack", s->part[p].name,
                       class_text(s, label, missing, sizeof missing));
    }
  return 0;
}

/* As they are shown from here on: two names of folders that differ in any byte differ then. */
static int escape_class_names(struct dataset_source *s, struct error *e)
{
  for (int c = 0; c < s->n_classes; c++) {
    size_t size = 4 * strlen(s->class_names[c]) + 8;
    char *shown = malloc(size);
    if (!shown) return error_set(e, ERROR_MACHINE, "no memory for class names");
    text_escape(shown, size, s->class_names[c]);
    free(s->class_names[c]);
    s->class_names[c] = shown;
  }
  return 0;
}

static int name_classes(struct dataset *d, struct dataset_source *s, struct error *e)
{
  if (!s->class_names) {
    s->class_names = calloc((size_t)s->n_classes, sizeof *s->class_names);
    for (int c = 0; s->class_names && c < s->n_classes; c++) {
      char name[16];
      snprintf(name, sizeof name, "%d", c);
      s->class_names[c] = strdup(name);
      if (!s->class_names[c]) return error_set(e, ERROR_MACHINE, "no memory for class names");
    }
    if (!s->class_names) return error_set(e, ERROR_MACHINE, "no memory for class names");
  }
  if (escape_class_names(s, e)) return e->code;
  d->class_names = s->class_names;
  d->n_classes = s->n_classes;
  return 0;
}

/* train_count, test_count, and validation_count of a validation set of its own. */
static int apply_counts(struct dataset_source *s, const struct dataset_options *o, struct error *e)
{
  const struct {
    const char *key;
    int part, count;
  } limits[] = {{"train_count", PART_TRAIN, o->train_count},
                {"test_count", PART_TEST, o->test_count},
                {"validation_count", PART_VALIDATION, s->part[PART_VALIDATION].n ? o->validation_count : 0}};
  for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
    struct source_part *p = &s->part[limits[i].part];
    if (limits[i].count < 0 || limits[i].count > p->n)
      return error_set(e, ERROR_CONFIG, "[dataset] %s = %d: there are %d such images; 0 takes all", limits[i].key,
                       limits[i].count, p->n);
    if (limits[i].count) p->n = limits[i].count;
  }
  int counts[CLASSES_MAX];
  bool one = count_classes(s->part[PART_TRAIN].labels, s->part[PART_TRAIN].n, counts) < 2;
  if (one && o->train_count == 1)
    return error_set(e, ERROR_CONFIG, "[dataset] train_count = 1: one image is all of one class; take more");
  if (one)
    return error_set(
        e, ERROR_CONFIG,
        "[dataset] train_count = %d: the first %d images are all of one class (the file seems sorted by class); "
        "take more",
        o->train_count, o->train_count);
  return 0;
}

/* ---------------------------------------------------------------------------------------- split */

void stratified_shares(int classes, const int *n, int64_t count, int *share)
{
  int64_t total = 0, given = 0;
  for (int c = 0; c < classes; c++) total += n[c];
  for (int c = 0; c < classes; c++) {
    share[c] = total ? (int)(count * n[c] / total) : 0;
    given += share[c];
  }
  /* What rounding down left over goes to the largest remainders, one each. */
  bool taken[CLASSES_MAX] = {false};
  for (; given < count; given++) {
    int best = -1;
    for (int c = 0; c < classes; c++) {
      if (taken[c] || share[c] + 1 >= n[c]) continue;
      if (best < 0 || count * n[c] % total > count * n[best] % total) best = c;
    }
    if (best < 0) return;
    taken[best] = true;
    share[best]++;
  }
}

static int32_t *rows_new(int n, struct error *e)
{
  int32_t *rows = malloc((size_t)(n ? n : 1) * sizeof *rows);
  if (!rows) error_set(e, ERROR_MACHINE, "no memory for the order of %d images", n);
  return rows;
}

/* All rows of a part of its own. */
static int take_all(struct dataset_split *split, const struct source_part *p, int32_t **rows, struct error *e)
{
  *rows = rows_new(p->n, e);
  if (!*rows) return e->code;
  for (int i = 0; i < p->n; i++) (*rows)[i] = i;
  *split = (struct dataset_split){p->n, *rows, p->images, p->labels, p->names};
  return 0;
}

/* Divides the training images into train and validation. */
static int split_validation(struct dataset *d, struct dataset_owned *own, const struct dataset_options *o,
                            uint64_t seed, struct error *e)
{
  const struct source_part *p = &own->source.part[PART_TRAIN];
  int classes = own->source.n_classes, n_validation = 0, at[CLASSES_MAX] = {0}, counts[CLASSES_MAX], share[CLASSES_MAX];
  int64_t wanted = o->validation_count;
  if (wanted < 0 || wanted >= p->n)
    return error_set(e, ERROR_CONFIG,
                     "[dataset] validation_count = %d: must be below the number of training images, %d",
                     o->validation_count, p->n);
  if (wanted == 0) {
    if (!(o->validation_fraction > 0 && o->validation_fraction < 1))
      return error_set(e, ERROR_CONFIG, "[dataset] validation_fraction = %g: must be above 0 and below 1",
                       o->validation_fraction);
    wanted = llround(o->validation_fraction * p->n);
  }
  count_classes(p->labels, p->n, counts);
  stratified_shares(classes, counts, wanted, share);
  for (int c = 0; c < classes; c++) n_validation += share[c];
  if (n_validation == 0 || n_validation == p->n)
    return error_set(e, ERROR_CONFIG,
                     "[dataset] of %d training image%s none would be left for %s; raise or lower validation_fraction",
                     p->n, text_plural(p->n), n_validation ? "training" : "validation");

  /* held[c][place]: whether the place-th image of class c is held out */
  bool *held = calloc((size_t)p->n, 1);
  int32_t *train = own->rows[PART_TRAIN] = rows_new(p->n - n_validation, e);
  int32_t *validation = own->rows[PART_VALIDATION] = rows_new(n_validation, e);
  if (!held || !train || !validation) {
    free(held);
    return error_set(e, ERROR_MACHINE, "no memory to split %d images", p->n);
  }
  for (int c = 0, start = 0; c < classes; start += counts[c], c++) {
    struct philox_permutation order =
        philox_permutation_make(seed, philox_subsequence(PHILOX_SPLIT, 0, (uint64_t)c), (uint32_t)counts[c]);
    for (int i = 0; i < share[c]; i++) held[start + (int)philox_permutation_at(&order, (uint32_t)i)] = true;
    at[c] = start;
  }
  int n_train = 0, n_held = 0;
  for (int i = 0; i < p->n; i++) {
    if (held[at[p->labels[i]]++])
      validation[n_held++] = i;
    else
      train[n_train++] = i;
  }
  free(held);
  d->train = (struct dataset_split){n_train, train, p->images, p->labels, p->names};
  d->validation = (struct dataset_split){n_held, validation, p->images, p->labels, p->names};
  return 0;
}

static int split(struct dataset *d, struct dataset_owned *own, const struct dataset_options *o, uint64_t seed,
                 struct error *e)
{
  struct source_part *part = own->source.part;
  if (part[PART_TEST].n && take_all(&d->test, &part[PART_TEST], &own->rows[PART_TEST], e)) return e->code;
  if (!part[PART_VALIDATION].n) return split_validation(d, own, o, seed, e);
  if (take_all(&d->train, &part[PART_TRAIN], &own->rows[PART_TRAIN], e)) return e->code;
  return take_all(&d->validation, &part[PART_VALIDATION], &own->rows[PART_VALIDATION], e);
}

/* ---------------------------------------------------------------------- statistics, fingerprint */

enum { ASK_EVERY = 64 }; /* images: whether to go on */

/* With x the bytes of one channel, n of them: mean = Σx / (255 n), deviation² = (n Σx² − (Σx)²) /
 * (255 n)², the numerator in whole numbers, so that it is exact and no less than 0. A constant
 * channel gets deviation 1. */
static int compute_statistics(struct dataset *d, const struct data_cache *cache, struct error *e)
{
  uint64_t sum[CHANNELS_MAX] = {0}, squares[CHANNELS_MAX] = {0};
  int channels = d->channels;
  int64_t pixels = (int64_t)d->height * d->width;
  for (int i = 0; i < d->train.n; i++) {
    if (i % ASK_EVERY == 0 && data_cache_go_on(cache, e)) return e->code;
    const uint8_t *x = dataset_image(d, &d->train, i);
    for (int64_t start = 0; start < pixels; start += 65536) { /* 65536 · 255² fits a 32-bit sum */
      int64_t count = pixels - start < 65536 ? pixels - start : 65536;
      for (int c = 0; c < channels; c++) {
        const uint8_t *p = x + start * channels + c;
        uint32_t s = 0, q = 0;
        for (int64_t k = 0; k < count; k++) {
          uint32_t v = p[k * channels];
          s += v;
          q += v * v;
        }
        sum[c] += s;
        squares[c] += q;
      }
    }
  }
  double n = (double)pixels * d->train.n;
  for (int c = 0; c < channels; c++) {
    __extension__ typedef unsigned __int128 wide;
    wide spread = (wide)((uint64_t)pixels * (uint64_t)d->train.n) * squares[c] - (wide)sum[c] * sum[c];
    d->mean[c] = (float)((double)sum[c] / (255.0 * n));
    d->deviation[c] = spread ? (float)(sqrt((double)spread) / (255.0 * n)) : 1.0f;
  }
  return 0;
}

void dataset_table(const struct dataset *d, float *table)
{
  for (int c = 0; c < d->channels; c++)
    for (int x = 0; x < 256; x++) {
      volatile float scaled = (float)x / 255.0f; /* volatile: no compiler contracts or reorders what follows */
      volatile float centred = scaled - d->mean[c];
      table[256 * c + x] = centred / (d->deviation[c] > 0 ? d->deviation[c] : 1);
    }
}

static uint64_t compute_fingerprint(const struct dataset *d, const struct dataset_source *s)
{
  int32_t shape[] = {d->height, d->width, d->channels, d->n_classes, d->train.n, d->validation.n, d->test.n};
  uint64_t hash = data_hash(0, shape, sizeof shape);
  for (int p = 0; p < PARTS; p++) {
    const struct source_part *part = &s->part[p];
    hash = data_hash(hash, part->images, (size_t)part->n * (size_t)d->height * (size_t)d->width * (size_t)d->channels);
    hash = data_hash(hash, part->labels, (size_t)part->n * sizeof *part->labels);
  }
  return hash;
}

/* ------------------------------------------------------------------------------- open and close */

int dataset_open(struct dataset *d, const struct dataset_options *o, uint64_t seed, dataset_progress progress,
                 void *progress_context, struct error *e)
{
  struct error local;
  struct data_cache cache;
  if (!e) e = &local;
  memset(d, 0, sizeof *d);
  struct dataset_owned *own = calloc(1, sizeof *own);
  if (!own) return error_set(e, ERROR_MACHINE, "no memory for a data set");
  d->owned = own;
  pthread_mutex_init(&own->mutex, NULL);
  text_escape(own->where, sizeof own->where, o->path[0] ? o->path : o->train_images);
  struct dataset_source *s = &own->source;
  data_cache_open(&cache, o->cache);
  cache.progress = progress;
  cache.progress_context = progress_context;
  if (read_source(s, o, &cache, progress, progress_context, e)) goto failed;
  d->height = s->height;
  d->width = s->width;
  d->channels = s->channels;
  d->n_skipped = s->n_skipped;
  d->n_ignored = s->n_ignored;
  memcpy(d->skipped_summary, s->skipped_summary, sizeof d->skipped_summary);
  memcpy(d->ignored_summary, s->ignored_summary, sizeof d->ignored_summary);
  if (o->image_size > 0 && (s->height != o->image_size || s->width != o->image_size))
    source_notice(s, "image_size = %d resizes folders of images alone: these stay %d×%d", o->image_size, s->height,
                  s->width);
  memcpy(d->notices, s->notices, sizeof d->notices);
  if (check_labels(s, e) || name_classes(d, s, e) || apply_counts(s, o, e) || split(d, own, o, seed, e)) goto failed;
  if (compute_statistics(d, &cache, e)) goto failed;
  d->fingerprint = compute_fingerprint(d, s);
  if (dataset_unchanged(d, e)) goto failed;
  return 0;

failed:
  dataset_close(d);
  return e->code;
}

int dataset_unchanged(const struct dataset *d, struct error *e)
{
  struct dataset_owned *own = d->owned;
  bool touched = false;
  if (!own) return 0;
  pthread_mutex_lock(&own->mutex);
  for (int b = 0; b < own->source.n_blocks && !own->changed; b++) {
    enum data_block_state state = data_block_look(&own->source.blocks[b]);
    own->changed = state == BLOCK_CHANGED;
    touched = touched || state == BLOCK_TOUCHED;
  }
  if (touched && !own->changed) own->changed = compute_fingerprint(d, &own->source) != d->fingerprint;
  bool changed = own->changed;
  pthread_mutex_unlock(&own->mutex);
  if (!changed) return 0;
  return error_set(
      e, ERROR_FAILED,
      "the data were written to or cut while they were in use (%s): what was trained meanwhile is not kept; "
      "put back the files as they were and give the same command again",
      own->where);
}

void dataset_close(struct dataset *d)
{
  struct dataset_owned *own = d->owned;
  if (own) {
    for (int p = 0; p < PARTS; p++) free(own->rows[p]);
    source_close(&own->source);
    pthread_mutex_destroy(&own->mutex);
    free(own);
  }
  memset(d, 0, sizeof *d);
}
