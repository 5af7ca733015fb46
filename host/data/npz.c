/* NumPy's .npz: a ZIP archive of .npy arrays, the form that Kuzushiji-49 comes in.
 *
 * ZIP (PKWARE's APPNOTE.TXT, 4.3): an end record in the last 64 KiB gives the central directory,
 * whose one entry named *.npy is read, stored or deflated, below 4 GiB; of several, which one is
 * meant cannot be told.  NPY (numpy.lib.format): "\x93NUMPY", version, length of a header, and the
 * header, a Python dictionary with descr, fortran_order and shape; then the numbers.  Images are
 * unsigned bytes, labels whole numbers of any width.  The array is unpacked into the cache once and
 * mapped from there.
 *
 * Usual names: [PREFIX-]PART-imgs.npz and [PREFIX-]PART-labels.npz; PART and the rest in
 * usual_names.h. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "host/data/usual_names.h"
#include "host/base/file_open.h"
#include "host/base/text_escape.h"

static const char *const image_endings[] = {"-imgs.npz", "-images.npz", NULL};
static const char *const label_endings[] = {"-labels.npz", NULL};
static const struct usual_format npz_names = {".npz", {image_endings, label_endings}, false};

enum { END_RECORD = 22, CENTRAL_ENTRY = 46, LOCAL_ENTRY = 30, DEFLATE_RATIO_MAX = 1032 };

struct npy {
  int item_bytes; /* 1, 2, 4, 8 */
  bool is_signed;
  int n_dims;
  int64_t dims[4];
  int64_t count;
  const uint8_t *data;
  struct data_block block; /* the whole .npy */
};

/* ------------------------------------------------------------------------------------------ ZIP */

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

/* Where the directory begins and ends, and how many entries it has. */
static int find_directory(const uint8_t *file, size_t size, uint64_t *begin, uint64_t *end, unsigned *entries,
                          struct error *e)
{
  const uint8_t *record = NULL;
  if (size >= 4 && memcmp(file, "PK\3\4", 4) != 0)
    return error_set(e, ERROR_FAILED, "is not an .npz file (a ZIP archive)");
  for (size_t back = END_RECORD; back <= size && back <= END_RECORD + 0xffff && !record; back++)
    if (memcmp(file + size - back, "PK\5\6", 4) == 0) record = file + size - back;
  if (!record)
    return error_set(e, ERROR_FAILED,
                     "is cut off, or no .npz file: it has no ZIP directory at its end; fetch it again");
  *entries = le(record + 10, 2);
  *begin = le(record + 16, 4);
  *end = (uint64_t)(record - file);
  return 0;
}

/* What an entry of the directory says. */
static int read_entry(struct zip_entry *z, const uint8_t *file, size_t size, const uint8_t *c, struct error *e)
{
  uint64_t local = le(c + 42, 4);
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

/* Finds the one *.npy in a mapped archive. */
static int find_entry(struct zip_entry *z, const uint8_t *file, size_t size, struct error *e)
{
  uint64_t at = 0, end = 0;
  unsigned entries = 0, arrays = 0;
  char names[300] = "", name_text[64], shown[80];
  const uint8_t *found = NULL;
  int code = find_directory(file, size, &at, &end, &entries, e);
  if (code) return code;
  for (; entries--;) {
    if (at + CENTRAL_ENTRY > end || memcmp(file + at, "PK\1\2", 4) != 0)
      return error_set(e, ERROR_FAILED, "has a damaged ZIP directory; fetch it again");
    const uint8_t *c = file + at;
    unsigned name = le(c + 28, 2);
    at += (uint64_t)CENTRAL_ENTRY + name + le(c + 30, 2) + le(c + 32, 2);
    if (at > end) return error_set(e, ERROR_FAILED, "has a damaged ZIP directory; fetch it again");
    if (name < 4 || memcmp(c + CENTRAL_ENTRY + name - 4, ".npy", 4) != 0) continue;
    size_t used = strlen(names);
    snprintf(name_text, sizeof name_text, "%.*s", (int)name - 4, (const char *)c + CENTRAL_ENTRY);
    snprintf(names + used, sizeof names - used, "%s%s", used ? ", " : "", text_escape(shown, sizeof shown, name_text));
    found = c;
    arrays++;
  }
  if (!found) return error_set(e, ERROR_FAILED, "holds no .npy array");
  if (arrays > 1)
    return error_set(e, ERROR_FAILED, "holds %u arrays (%s), and which one is meant cannot be told; save the one alone",
                     arrays, names);
  return read_entry(z, file, size, found, e);
}

/* Unpacks exactly z->size bytes and checks them. */
static int unpack(const struct zip_entry *z, uint8_t *out, const struct data_cache *cache, struct error *e)
{
  const uInt piece = 1u << 24;
  uint64_t in_done = 0, out_done = 0;
  if (z->method == 0) {
    for (; out_done < z->size; out_done += piece) {
      if (data_cache_go_on(cache, e)) return e->code;
      memcpy(out + out_done, z->data + out_done, z->size - out_done < piece ? z->size - out_done : piece);
    }
    out_done = z->size;
  } else {
    z_stream s = {0};
    int code = inflateInit2(&s, -15); /* deflate without a wrapper */
    if (code != Z_OK) return error_set(e, ERROR_MACHINE, "no memory to unpack it");
    while (code == Z_OK && !data_cache_go_on(cache, e)) {
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
    if (code == Z_OK) return e->code; /* interrupted */
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

/* ------------------------------------------------------------------------------------------ NPY */

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
      return error_set(e, ERROR_FAILED, "has an array of no usable shape: %.*s", text_within(p, 60), p);
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
    return error_set(e, ERROR_FAILED, "holds numbers of the type %.*s; only little-endian whole numbers are read",
                     (int)(strcspn(type + (*type == '\''), "',}") + (*type == '\'')) + (*type == '\''), type);
  if (parse_shape(a, shape, e)) return e->code;
  if (a->count > INT64_MAX / 16 || (size_t)a->count * (size_t)a->item_bytes != size - begin - length)
    return error_set(e, ERROR_FAILED,
                     "is damaged: its shape promises %" PRId64 " numbers of %d bytes, it holds %zu bytes", a->count,
                     a->item_bytes, size - begin - length);
  a->data = b + begin + length;
  return 0;
}

/* Number i of an array; what no 63 bits hold is the largest number. */
static int64_t item(const struct npy *a, int64_t i)
{
  const uint8_t *p = a->data + i * a->item_bytes;
  uint64_t v = a->is_signed && p[a->item_bytes - 1] & 0x80 ? UINT64_MAX : 0;
  for (int k = a->item_bytes; k--;) v = v << 8 | p[k];
  return !a->is_signed && v > INT64_MAX ? INT64_MAX : (int64_t)v;
}

/* "(60, 1)" */
static const char *shape_text(const struct npy *a, char *out, size_t size)
{
  size_t used = (size_t)snprintf(out, size, "(");
  for (int d = 0; d < a->n_dims && used < size; d++)
    used += (size_t)snprintf(out + used, size - used, "%s%" PRId64, d ? ", " : "", a->dims[d]);
  if (used < size) snprintf(out + used, size - used, a->n_dims == 1 ? ",)" : ")");
  return out;
}

/* Unpacks the array of an archive into the cache, or finds it there. */
static int load(struct npy *a, int fd, const struct stat *st, const char *path, const struct data_cache *cache,
                struct error *e)
{
  struct data_block archive = {0};
  struct zip_entry z = {0};
  char stem[40], name[80], *text, *real = realpath(path, NULL);
  int64_t state[FILE_STATE_WORDS];
  file_state(st, state);
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
  if (!code) code = cache_file_create(&file, cache, name, path, (size_t)z.size, e);
  if (!code) code = unpack(&z, file.bytes, cache, e);
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
    code = error_set(e, ERROR_FAILED, "is not a file but a %s", file_kind(&st));
  else
    code = load(a, fd, &st, path, cache, e);
  close(fd);
  if (code) {
    data_block_close(&a->block);
    error_prefix(e, "%s", shown);
  }
  return code;
}

/* ------------------------------------------------------------------------------------- data set */

static bool looks_like(const char *path)
{
  struct usual_names *u = malloc(sizeof *u);
  bool is = u && usual_names_find(u, path, &npz_names, NULL) == 0 && u->n > 0;
  free(u);
  return is;
}

static int read_part(struct dataset_source *s, int part, const char *images_path, const char *labels_path,
                     const struct data_cache *cache, struct error *e)
{
  struct npy images, labels;
  struct source_part *p = &s->part[part];
  char shown[512], shape[100];
  text_escape(shown, sizeof shown, images_path);
  if (npy_open(&images, images_path, cache, e)) return e->code;
  s->blocks[s->n_blocks++] = images.block; /* the source owns it now */
  int64_t channels = images.n_dims == 4 ? images.dims[3] : 1;
  if (images.item_bytes != 1 || images.is_signed || images.n_dims < 3)
    return error_set(e, ERROR_FAILED,
                     "%s: has shape %s of %s; images must be unsigned bytes of shape (N, height, width) or (N, height, "
                     "width, channels)",
                     shown, shape_text(&images, shape, sizeof shape),
                     images.item_bytes == 1 && !images.is_signed ? "bytes" : "other numbers than unsigned bytes");
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
  if (labels.count != p->n || labels.dims[0] != p->n) /* a column, (N, 1), is one label for each, too */
    code = error_set(e, ERROR_FAILED, "%s: has shape %s, which is not one label for each of the %d images", p->name,
                     shape_text(&labels, shape, sizeof shape), p->n);
  else if (!(p->labels = malloc((size_t)p->n * sizeof *p->labels)))
    code = error_set(e, ERROR_MACHINE, "no memory for %d labels", p->n);
  for (int i = 0; i < p->n && !code; i++) {
    int64_t label = item(&labels, i);
    if (label < 0 || label > UINT16_MAX)
      code =
          error_set(e, ERROR_FAILED, "%s: the label of image %d is %" PRId64 ", which is no class number (0, 1, ...)",
                    p->name, i, label);
    p->labels[i] = (uint16_t)label;
  }
  data_block_close(&labels.block);
  return code;
}

static int read_npz(struct dataset_source *s, const struct dataset_options *o, const struct data_cache *cache,
                    dataset_progress progress, void *context, struct error *e)
{
  (void)progress, (void)context;
  char shown[512], names[DATA_PATH_MAX];
  struct usual_names *u = malloc(sizeof *u);
  if (!u) return error_set(e, ERROR_MACHINE, "no memory");
  text_escape(shown, sizeof shown, o->path);
  int code = usual_names_find(u, o->path, &npz_names, e);
  if (!code && (code = u->conflict.code)) *e = u->conflict;
  if (!code && !u->file[PART_TRAIN][USUAL_IMAGES].name && !u->file[PART_TRAIN][USUAL_LABELS].name)
    code = error_set(e, ERROR_CONFIG, "[dataset] path = %s: holds no NAME-train-imgs.npz and NAME-train-labels.npz",
                     shown);
  if (!code && u->unknown[0]) source_notice(s, "not used: %s (parts are train, validation, test)", u->unknown);
  for (int p = 0; p < PARTS && !code; p++) {
    const struct usual_file *images = &u->file[p][USUAL_IMAGES], *labels = &u->file[p][USUAL_LABELS];
    if (!images->name && !labels->name) continue;
    if (!images->name || !labels->name)
      code = error_set(
          e, ERROR_CONFIG,
          "[dataset] path = %s: images and labels come as two files, *-imgs.npz and *-labels.npz; beside %s the other "
          "one is missing",
          shown, images->name ? images->name : labels->name);
    else
      code = read_part(s, p, images->path, labels->path, cache, e);
  }
  snprintf(names, sizeof names, "%s/classes.txt", o->path);
  if (!code) code = source_read_class_names(s, names, e);
  if (!code) code = source_check_class_names(s, e);
  free(u);
  return code;
}

const struct dataset_reader reader_npz = {.what = ".npz files", .looks_like = looks_like, .read = read_npz};
