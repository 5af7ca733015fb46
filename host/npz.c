/* NumPy's .npz: a ZIP archive of .npy arrays, the form that Kuzushiji-49 comes in.
 *
 * ZIP (PKWARE's APPNOTE.TXT, 4.3): an end record in the last 64 KiB gives the central directory, whose first entry named
 * *.npy is read, stored or deflated, below 4 GiB.  NPY (numpy.lib.format): "\x93NUMPY", version, length of a header, and the
 * header, a Python dictionary with descr, fortran_order and shape; then the numbers.  Images are unsigned bytes, labels whole
 * numbers of any width.  The array is unpacked into the cache once and mapped from there.
 *
 * Usual names: [PREFIX-]PART-imgs.npz and [PREFIX-]PART-labels.npz, PART one of train, validation, val, test. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "dataset_source.h"
#include "text_escape.h"

enum { PATH_BYTES = 1400, END_RECORD = 22, CENTRAL_ENTRY = 46, LOCAL_ENTRY = 30, DEFLATE_RATIO_MAX = 1032 };

struct npy {
  int item_bytes; /* 1, 2, 4, 8 */
  bool is_signed;
  int n_dims;
  int64_t dims[4];
  int64_t count;
  const uint8_t *data;
  struct data_block block; /* the whole .npy */
};

/* ------------------------------------------------------------------------------------------------- ZIP */

struct zip_entry {
  const uint8_t *data;
  uint64_t packed, size;
  uint32_t crc;
  int method;
};

static uint32_t le(const uint8_t *p, int bytes)
{
  uint32_t v = 0;
  while (bytes--) v = v << 8 | p[bytes];
  return v;
}

/* Finds the first *.npy in a mapped archive. */
static int find_entry(struct zip_entry *z, const uint8_t *file, size_t size, struct error *e)
{
  const uint8_t *end = NULL;
  if (size >= 4 && memcmp(file, "PK\3\4", 4) != 0)
    return error_set(e, ERROR_FAILED, "is not an .npz file (a ZIP archive)");
  for (size_t back = END_RECORD; back <= size && back <= END_RECORD + 0xffff && !end; back++)
    if (memcmp(file + size - back, "PK\5\6", 4) == 0) end = file + size - back;
  if (!end)
    return error_set(e, ERROR_FAILED,
                     "is cut off, or no .npz file: it has no ZIP directory at its end; fetch it again");
  unsigned entries = le(end + 10, 2);
  uint64_t at = le(end + 16, 4), directory_end = (uint64_t)(end - file);
  for (; entries--;) {
    if (at + CENTRAL_ENTRY > directory_end || memcmp(file + at, "PK\1\2", 4) != 0)
      return error_set(e, ERROR_FAILED, "has a damaged ZIP directory; fetch it again");
    const uint8_t *c = file + at;
    unsigned name = le(c + 28, 2);
    uint64_t local = le(c + 42, 4);
    at += (uint64_t)CENTRAL_ENTRY + name + le(c + 30, 2) + le(c + 32, 2);
    if (at > directory_end) return error_set(e, ERROR_FAILED, "has a damaged ZIP directory; fetch it again");
    if (name < 4 || memcmp(c + CENTRAL_ENTRY + name - 4, ".npy", 4) != 0) continue;
    z->method = (int)le(c + 10, 2);
    z->crc = le(c + 16, 4);
    z->packed = le(c + 20, 4);
    z->size = le(c + 24, 4);
    if (z->packed == 0xffffffff || z->size == 0xffffffff || local == 0xffffffff)
      return error_set(e, ERROR_FAILED, "holds an array of 4 GiB or more, which is not read");
    if (local + LOCAL_ENTRY > size || memcmp(file + local, "PK\3\4", 4) != 0)
      return error_set(e, ERROR_FAILED, "has a damaged ZIP directory; fetch it again");
    uint64_t data = local + LOCAL_ENTRY + le(file + local + 26, 2) + le(file + local + 28, 2);
    if (data > size || z->packed > size - data)
      return error_set(e, ERROR_FAILED, "is cut off inside its array; fetch it again");
    z->data = file + data;
    return 0;
  }
  return error_set(e, ERROR_FAILED, "holds no .npy array");
}

/* Unpacks exactly z->size bytes and checks them. */
static int unpack(const struct zip_entry *z, uint8_t *out, struct error *e)
{
  uint64_t in_done = 0, out_done = 0;
  if (z->method == 0) {
    memcpy(out, z->data, z->size);
    out_done = z->size;
  } else {
    z_stream s = {0};
    int code = inflateInit2(&s, -15); /* deflate without a wrapper */
    if (code != Z_OK) return error_set(e, ERROR_MACHINE, "no memory to unpack it");
    while (code == Z_OK) {
      const uInt piece = 1u << 28;
      uint64_t in_left = z->packed - in_done, out_left = z->size - out_done;
      uint8_t none;
      s.next_in = (Bytef *)(z->data + in_done);
      s.avail_in = in_left < piece ? (uInt)in_left : piece;
      s.next_out = out_left ? out + out_done : &none;
      s.avail_out = out_left < piece ? (uInt)out_left : piece;
      const uInt in_given = s.avail_in, out_given = s.avail_out;
      code = inflate(&s, Z_NO_FLUSH);
      in_done += in_given - s.avail_in;
      out_done += out_given - s.avail_out;
    }
    inflateEnd(&s);
    if (code == Z_MEM_ERROR) return error_set(e, ERROR_MACHINE, "no memory to unpack it");
    if (code != Z_STREAM_END || out_done != z->size)
      return error_set(e, ERROR_FAILED, "is damaged: its array does not unpack to the %" PRIu64 " bytes promised",
                       z->size);
  }
  uLong crc = crc32(0, NULL, 0);
  for (uint64_t at = 0; at < out_done; at += 1u << 28)
    crc = crc32(crc, out + at, out_done - at < 1u << 28 ? (uInt)(out_done - at) : 1u << 28);
  if (crc != z->crc) return error_set(e, ERROR_FAILED, "is damaged: its checksum is wrong; fetch it again");
  return 0;
}

/* ------------------------------------------------------------------------------------------------- NPY */

/* The text behind 'key': in the header's dictionary, or NULL. */
static const char *value_of(const char *header, const char *key)
{
  const char *p = strstr(header, key);
  if (!p) return NULL;
  p += strlen(key);
  while (*p == ' ' || *p == ':') p++;
  return p;
}

static int parse_shape(struct npy *a, const char *p, struct error *e)
{
  a->n_dims = 0;
  a->count = 1;
  if (*p++ != '(') return error_set(e, ERROR_FAILED, "has an .npy header without a shape");
  while (*p != ')') {
    char *end;
    errno = 0;
    long long dim = strtoll(p, &end, 10);
    if (end == p || errno || dim < 1 || a->n_dims == 4 || __builtin_mul_overflow(a->count, (int64_t)dim, &a->count))
      return error_set(e, ERROR_FAILED, "has an array of no usable shape: %.60s", p);
    a->dims[a->n_dims++] = dim;
    for (p = end; *p == ',' || *p == ' ';) p++;
  }
  return 0;
}

static int parse_npy(struct npy *a, struct error *e)
{
  const uint8_t *b = a->block.bytes;
  size_t size = a->block.size;
  if (size < 12 || memcmp(b, "\x93NUMPY", 6) != 0) return error_set(e, ERROR_FAILED, "holds no .npy array");
  size_t begin = b[6] == 1 ? 10 : 12, length = le(b + 8, b[6] == 1 ? 2 : 4);
  char header[1024];
  if (length >= sizeof header || begin + length > size)
    return error_set(e, ERROR_FAILED, "has an .npy header of %zu bytes, which is cut off or not sensible", length);
  memcpy(header, b + begin, length);
  header[length] = 0;
  const char *type = value_of(header, "'descr'"), *order = value_of(header, "'fortran_order'");
  const char *shape = value_of(header, "'shape'");
  if (!type || !order || !shape)
    return error_set(e, ERROR_FAILED, "has an .npy header without descr, fortran_order and shape");
  if (strncmp(order, "False", 5) != 0)
    return error_set(e, ERROR_FAILED, "is stored in Fortran's order; save it in C's order");
  a->is_signed = type[0] == '\'' && type[1] && type[2] == 'i';
  a->item_bytes = type[0] == '\'' && type[1] && (type[2] == 'u' || type[2] == 'i') && type[3] && type[4] == '\''
                      ? type[3] - '0'
                      : 0;
  bool known = a->item_bytes == 1 || a->item_bytes == 2 || a->item_bytes == 4 || a->item_bytes == 8;
  if (!known || (type[1] == '>' && a->item_bytes > 1))
    return error_set(e, ERROR_FAILED, "holds %.12s; only little-endian whole numbers are read", type);
  if (parse_shape(a, shape, e)) return e->code;
  if (a->count > INT64_MAX / 16 || (size_t)a->count * (size_t)a->item_bytes != size - begin - length)
    return error_set(e, ERROR_FAILED,
                     "is damaged: its shape promises %" PRId64 " numbers of %d bytes, it holds %zu bytes", a->count,
                     a->item_bytes, size - begin - length);
  a->data = b + begin + length;
  return 0;
}

/* Number i of an array, or -1 where it is no class number. */
static int item(const struct npy *a, int64_t i)
{
  const uint8_t *p = a->data + i * a->item_bytes;
  uint64_t v = 0;
  for (int k = a->item_bytes; k--;) v = v << 8 | p[k];
  bool negative = a->is_signed && p[a->item_bytes - 1] & 0x80;
  return negative || v > UINT16_MAX ? -1 : (int)v;
}

/* Unpacks the array of an archive into the cache, or finds it there. */
static int load(struct npy *a, int fd, const struct stat *st, const char *path, const struct data_cache *cache,
                struct error *e)
{
  struct data_block archive = {0};
  struct zip_entry z = {0};
  char stem[40], name[80], *text, *real = realpath(path, NULL);
  int64_t state[3] = {st->st_size, st->st_mtim.tv_sec, st->st_mtim.tv_nsec};
  snprintf(stem, sizeof stem, "npz-%016" PRIx64, data_hash(2, real ? real : path, strlen(real ? real : path)));
  snprintf(name, sizeof name, "%s-%016" PRIx64 ".npy", stem, data_hash(2, state, sizeof state));
  free(real);
  if (data_cache_find(cache, name, &a->block, &text)) {
    free(text);
    return parse_npy(a, e);
  }
  if (st->st_size == 0) return error_set(e, ERROR_FAILED, "is empty");
  if (data_block_map(&archive, fd, (size_t)st->st_size, e)) return e->code;
  int code = find_entry(&z, archive.bytes, archive.size, e);
  if (!code && z.method != 0 && z.method != Z_DEFLATED)
    code =
        error_set(e, ERROR_FAILED, "is packed with ZIP method %d; only stored and deflated arrays are read", z.method);
  if (!code && (z.method == 0 ? z.size != z.packed : z.size / DEFLATE_RATIO_MAX > z.packed))
    code = error_set(e, ERROR_FAILED, "is damaged: %" PRIu64 " packed bytes cannot hold the %" PRIu64 " bytes promised",
                     z.packed, z.size);
  struct cache_file file = {.fd = -1};
  if (!code) code = cache_file_create(&file, cache, name, (size_t)z.size, e);
  if (!code) code = unpack(&z, file.bytes, e);
  if (!code) {
    cache_file_commit(&file, (size_t)z.size, "", &a->block);
    data_cache_clean(cache, stem, name);
    code = parse_npy(a, e);
  } else {
    cache_file_abort(&file);
  }
  data_block_close(&archive);
  return code;
}

static int npy_open(struct npy *a, const char *path, const struct data_cache *cache, struct error *e)
{
  struct stat st;
  char shown[512];
  text_escape(shown, sizeof shown, path);
  memset(a, 0, sizeof *a);
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return error_errno(e, "cannot open %s", shown);
  int code = 0;
  if (fstat(fd, &st) != 0)
    code = error_errno(e, "cannot be read");
  else if (!S_ISREG(st.st_mode))
    code = error_set(e, ERROR_FAILED, "is not a file");
  else
    code = load(a, fd, &st, path, cache, e);
  close(fd);
  if (code) {
    data_block_close(&a->block);
    error_prefix(e, "%s", shown);
  }
  return code;
}

/* --------------------------------------------------------------------------------------------- data set */

struct npz_folder {
  char path[PARTS][2][PATH_BYTES]; /* part; 0 images, 1 labels */
};

static bool scan(struct npz_folder *f, const char *path)
{
  static const struct {
    const char *ending;
    int part, kind;
  } names[] = {{"train-imgs.npz", PART_TRAIN, 0},
               {"train-labels.npz", PART_TRAIN, 1},
               {"validation-imgs.npz", PART_VALIDATION, 0},
               {"validation-labels.npz", PART_VALIDATION, 1},
               {"val-imgs.npz", PART_VALIDATION, 0},
               {"val-labels.npz", PART_VALIDATION, 1},
               {"test-imgs.npz", PART_TEST, 0},
               {"test-labels.npz", PART_TEST, 1}};
  memset(f, 0, sizeof *f);
  DIR *folder = opendir(path);
  if (!folder) return false;
  const struct dirent *entry;
  while ((entry = readdir(folder)))
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
      size_t n = strlen(entry->d_name), m = strlen(names[i].ending);
      if (n < m || strcmp(entry->d_name + n - m, names[i].ending) != 0) continue;
      if (n > m && entry->d_name[n - m - 1] != '-') continue;
      char *to = f->path[names[i].part][names[i].kind];
      if (snprintf(to, PATH_BYTES, "%s/%s", path, entry->d_name) >= PATH_BYTES) *to = 0;
    }
  closedir(folder);
  return f->path[PART_TRAIN][0][0] != 0;
}

bool folder_is_npz(const char *path)
{
  struct npz_folder f;
  return scan(&f, path);
}

static int read_part(struct dataset_source *s, int part, const char *images_path, const char *labels_path,
                     const struct data_cache *cache, struct error *e)
{
  struct npy images, labels;
  struct source_part *p = &s->part[part];
  char shown[512];
  text_escape(shown, sizeof shown, images_path);
  if (npy_open(&images, images_path, cache, e)) return e->code;
  s->blocks[s->n_blocks++] = images.block; /* the source owns it now */
  int64_t channels = images.n_dims == 4 ? images.dims[3] : 1;
  if (images.item_bytes != 1 || images.is_signed || images.n_dims < 3)
    return error_set(e, ERROR_FAILED,
                     "%s: images must be unsigned bytes of shape (N, height, width) or (N, height, width, channels)",
                     shown);
  if (images.dims[0] > INT32_MAX || images.dims[1] > SIDE_MAX || images.dims[2] > SIDE_MAX || channels > CHANNELS_MAX)
    return error_set(e, ERROR_FAILED,
                     "%s: images of %" PRId64 " x %" PRId64 " with %" PRId64
                     " channels; at most %d x %d with %d are read",
                     shown, images.dims[1], images.dims[2], channels, SIDE_MAX, SIDE_MAX, CHANNELS_MAX);
  if (s->height && (s->height != images.dims[1] || s->width != images.dims[2] || s->channels != channels))
    return error_set(e, ERROR_FAILED, "%s: its images have another shape than those of the training set", shown);
  s->height = (int)images.dims[1];
  s->width = (int)images.dims[2];
  s->channels = (int)channels;
  p->n = (int)images.dims[0];
  p->images = images.data;

  if (npy_open(&labels, labels_path, cache, e)) return e->code;
  text_escape(p->name, sizeof p->name, labels_path);
  int code = 0;
  if (labels.n_dims != 1 || labels.count != p->n)
    code = error_set(e, ERROR_FAILED, "%s: must hold one label for each of the %d images", p->name, p->n);
  else if (!(p->labels = malloc((size_t)p->n * sizeof *p->labels)))
    code = error_set(e, ERROR_MACHINE, "no memory for %d labels", p->n);
  for (int i = 0; i < p->n && !code; i++) {
    int label = item(&labels, i);
    if (label < 0) code = error_set(e, ERROR_FAILED, "%s: label %d is not a class number from 0", p->name, i);
    p->labels[i] = (uint16_t)label;
  }
  data_block_close(&labels.block);
  return code;
}

int source_read_npz(struct dataset_source *s, const struct dataset_options *o, const struct data_cache *cache,
                    struct error *e)
{
  struct npz_folder f;
  char shown[512];
  text_escape(shown, sizeof shown, o->path);
  if (!scan(&f, o->path))
    return error_set(e, ERROR_CONFIG, "[dataset] path = %s: holds no NAME-train-imgs.npz and NAME-train-labels.npz",
                     shown);
  for (int p = 0; p < PARTS; p++) {
    if (!f.path[p][0][0] && !f.path[p][1][0]) continue;
    if (!f.path[p][0][0] || !f.path[p][1][0])
      return error_set(
          e, ERROR_CONFIG,
          "[dataset] path = %s: images and labels come as two files, *-imgs.npz and *-labels.npz; one is missing",
          shown);
    if (read_part(s, p, f.path[p][0], f.path[p][1], cache, e)) return e->code;
  }
  return 0;
}
