/* CIFAR-10 and CIFAR-100 in their "binary version" (Krizhevsky,
 * https://www.cs.toronto.edu/~kriz/cifar.html).
 *
 * A record is one label byte (CIFAR-100: two, coarse then fine; the fine one counts) and 3,072
 * bytes of a 32×32 image, red plane, green plane, blue plane.  The labels are read from the files,
 * the images are turned to height × width × channel once, kept in the cache as IDX, and mapped from
 * there. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/data/dataset_source.h"
#include "host/data/idx.h"
#include "host/base/file_open.h"
#include "host/base/text_escape.h"

enum { SIDE = 32, PLANE = SIDE * SIDE, IMAGE = 3 * PLANE, FILES_MAX = 5, PATH_BYTES = DATA_PATH_MAX };

struct cifar_layout {
  enum dataset_format format;
  const char *folder; /* the name the archive unpacks to */
  const char *train[FILES_MAX + 1], *test, *names;
  int label_bytes; /* the last one counts */
  int classes;
};

static const struct cifar_layout cifar10 = {
    DATASET_CIFAR10,
    "cifar-10-batches-bin",
    {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin", NULL},
    "test_batch.bin",
    "batches.meta.txt",
    1,
    10};
static const struct cifar_layout cifar100 = {
    DATASET_CIFAR100, "cifar-100-binary", {"train.bin", NULL}, "test.bin", "fine_label_names.txt", 2, 100};

/* The files of one part, mapped. */
struct records {
  int n_files;
  struct data_block block[FILES_MAX];
  int64_t state[FILE_STATE_WORDS * FILES_MAX]; /* of each file: what the cache is keyed by */
};

static bool is_file(const char *path)
{
  struct stat st;
  return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

/* Where the layout's files are: in `path` itself, or in the folder that the archive unpacks to.
 * Returns in how many of them. */
static int find_folder(const struct cifar_layout *l, const char *path, char *folder, size_t size)
{
  char candidate[PATH_BYTES], file[PATH_BYTES + 32];
  int found = 0;
  for (int inside = 0; inside < 2; inside++) {
    snprintf(candidate, sizeof candidate, "%s%s%s", path, inside ? "/" : "", inside ? l->folder : "");
    snprintf(file, sizeof file, "%s/%s", candidate, l->train[0]);
    if (is_file(file) && found++ == 0) snprintf(folder, size, "%s", candidate);
  }
  return found;
}

static void records_close(struct records *r)
{
  for (int f = 0; f < r->n_files; f++) data_block_close(&r->block[f]);
  r->n_files = 0;
}

/* Maps one file, which must be a whole number of records. */
static int map_file(struct records *r, const char *path, int record, struct error *e)
{
  char shown[512];
  struct stat st;
  text_escape(shown, sizeof shown, path);
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), code = 0;
  if (fd < 0) {
    int missing = errno == ENOENT;
    error_errno(e, "cannot open %s, which belongs to this data set", shown);
    if (missing) e->code = ERROR_CONFIG;
    return e->code;
  }
  if (fstat(fd, &st) != 0)
    code = error_errno(e, "cannot read %s", shown);
  else if (!S_ISREG(st.st_mode))
    code = error_set(e, ERROR_FAILED, "%s: is not a file but a %s", shown, file_kind(&st));
  else if (st.st_size == 0 || st.st_size % record != 0)
    code =
        error_set(e, ERROR_FAILED,
                  "%s: has %" PRId64 " bytes, which is not a whole number of records of %d: it is cut off, or not the "
                  "binary version; fetch it again",
                  shown, (int64_t)st.st_size, record);
  else if (st.st_size / record > INT32_MAX / FILES_MAX)
    code = error_set(e, ERROR_FAILED, "%s: has too many records", shown);
  else
    code = data_block_map(&r->block[r->n_files], fd, (size_t)st.st_size, e);
  close(fd);
  if (code) return code;
  file_state(&st, r->state + FILE_STATE_WORDS * r->n_files++);
  return 0;
}

/* Red, green and blue planes to pixels. */
static void interleave(uint8_t *out, const uint8_t *planes)
{
  for (int i = 0; i < PLANE; i++)
    for (int c = 0; c < 3; c++) out[3 * i + c] = planes[c * PLANE + i];
}

static int read_part(struct dataset_source *s, int part, const struct cifar_layout *l, const char *folder,
                     const char *const *files, const struct data_cache *cache, struct error *e)
{
  struct records r = {0};
  struct source_part *p = &s->part[part];
  char path[PATH_BYTES], stem[64], name[96], *text;
  uint8_t header[4 + 4 * IDX_DIMS_MAX];
  int record = l->label_bytes + IMAGE, code = 0, header_bytes;
  for (int f = 0; files[f] && !code; f++) {
    snprintf(path, sizeof path, "%s/%s", folder, files[f]);
    code = map_file(&r, path, record, e);
  }
  if (code) goto done;
  for (int f = 0; f < r.n_files; f++) p->n += (int)(r.block[f].size / (size_t)record);
  text_escape(p->name, sizeof p->name, path);
  p->labels = malloc((size_t)p->n * sizeof *p->labels);
  if (!p->labels) {
    code = error_set(e, ERROR_MACHINE, "no memory for %d labels", p->n);
    goto done;
  }
  for (int f = 0, i = 0; f < r.n_files; f++)
    for (size_t at = 0; at < r.block[f].size; at += (size_t)record) {
      int label = r.block[f].bytes[at + (size_t)l->label_bytes - 1];
      if (label >= l->classes) {
        code = error_set(e, ERROR_FAILED,
                         "%s/%s: record %zu has label %d, but there are %d classes: not the binary version?", folder,
                         files[f], at / (size_t)record, label, l->classes);
        goto done;
      }
      p->labels[i++] = (uint16_t)label;
    }

  int32_t dims[4] = {p->n, SIDE, SIDE, 3};
  header_bytes = idx_header_write(header, 4, dims);
  size_t whole = (size_t)header_bytes + (size_t)p->n * IMAGE;
  char *real = realpath(folder, NULL);
  snprintf(stem, sizeof stem, "cifar-%s-%016" PRIx64, part == PART_TEST ? "test" : "train",
           data_hash((uint64_t)l->format, real ? real : folder, strlen(real ? real : folder)));
  free(real);
  snprintf(name, sizeof name, "%s-%016" PRIx64 ".idx", stem, data_hash(1, r.state, sizeof r.state));
  struct data_block *block = &s->blocks[s->n_blocks];
  if (data_cache_find(cache, name, block, &text)) {
    free(text);
    if (block->size != whole) data_block_close(block);
  }
  if (!block->bytes) {
    struct cache_file file;
    code = cache_file_create(&file, cache, name, folder, whole, e);
    if (code) goto done;
    memcpy(file.bytes, header, (size_t)header_bytes);
    uint8_t *out = file.bytes + header_bytes;
    for (int f = 0; f < r.n_files; f++)
      for (size_t at = 0; at < r.block[f].size; at += (size_t)record, out += IMAGE)
        interleave(out, r.block[f].bytes + at + l->label_bytes);
    cache_file_commit(&file, whole, "", block);
    data_cache_clean(cache, stem, name);
  }
  s->n_blocks++;
  p->images = block->bytes + header_bytes;
done:
  records_close(&r);
  return code;
}

static int read_layout(struct dataset_source *s, const struct cifar_layout *l, const struct dataset_options *o,
                       const struct data_cache *cache, struct error *e)
{
  char folder[PATH_BYTES], names[PATH_BYTES + 64], shown[512];
  int found = find_folder(l, o->path, folder, sizeof folder);
  if (found > 1)
    return error_set(e, ERROR_CONFIG,
                     "[dataset] path = %s: holds %s twice, right in it and in %s: which one is meant cannot be told; "
                     "give the folder of one as path, without the other in it",
                     text_escape(shown, sizeof shown, o->path), l->train[0], l->folder);
  if (!found)
    return error_set(e, ERROR_CONFIG, "[dataset] path = %s: holds no %s, so it is not the binary version of CIFAR-%d",
                     text_escape(shown, sizeof shown, o->path), l->train[0], l->classes);
  s->height = s->width = SIDE;
  s->channels = 3;
  const char *const test[] = {l->test, NULL};
  if (read_part(s, PART_TRAIN, l, folder, l->train, cache, e) || read_part(s, PART_TEST, l, folder, test, cache, e))
    return e->code;
  snprintf(names, sizeof names, "%s/%s", folder, l->names);
  if (source_read_class_names(s, names, e)) return e->code;
  if (s->class_names && s->n_classes != l->classes)
    return error_set(e, ERROR_FAILED, "%s: has %d names for the %d classes of this data set",
                     text_escape(shown, sizeof shown, names), s->n_classes, l->classes);
  return 0;
}

/* ---- the two as formats ---------------------------------------------------------------------- */

static bool looks_like_cifar10(const char *path)
{
  return find_folder(&cifar10, path, (char[PATH_BYTES]){0}, PATH_BYTES) > 0;
}

static bool looks_like_cifar100(const char *path)
{
  return find_folder(&cifar100, path, (char[PATH_BYTES]){0}, PATH_BYTES) > 0;
}

static int read_cifar10(struct dataset_source *s, const struct dataset_options *o, const struct data_cache *cache,
                        dataset_progress progress, void *context, struct error *e)
{
  (void)progress, (void)context;
  return read_layout(s, &cifar10, o, cache, e);
}

static int read_cifar100(struct dataset_source *s, const struct dataset_options *o, const struct data_cache *cache,
                         dataset_progress progress, void *context, struct error *e)
{
  (void)progress, (void)context;
  return read_layout(s, &cifar100, o, cache, e);
}

const struct dataset_reader reader_cifar10 = {
    .what = "CIFAR-10's binary files", .looks_like = looks_like_cifar10, .read = read_cifar10};
const struct dataset_reader reader_cifar100 = {
    .what = "CIFAR-100's binary files", .looks_like = looks_like_cifar100, .read = read_cifar100};
