/* Image folders: decodes the listed files on all cores, once, and keeps the result in the cache as
 * IDX.
 *
 * The cached file is named by the root and the settings that shape an image, then by the whole
 * state: every file's name, size, times and inode, and the decoders' versions.  Image i of the list
 * goes to row i, straight into the mapped file; rows of bad images are closed up at the end.
 * Beside it stands which were bad and why.  Labels, classes and parts are not kept: they follow
 * from the list, which is made anew each time. */
#include "host/data/image_list.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "host/base/cpu_cores.h"
#include "host/data/idx.h"
#include "host/data/image_decode.h"
#include "host/data/usual_names.h"
#include "host/base/text_escape.h"

enum { THREADS_MAX = 256, REASON_BYTES = 300 };
/* What all threads together may hold of images that must be held whole; one of the largest allowed
 * always passes. */
static const int64_t whole_images_bytes = 512ll << 20;
/* Raise it when the same files and settings come to give other bytes. */
enum { CACHE_VERSION = 3 };

struct bad_image {
  int index;
  int code;
  char reason[REASON_BYTES];
};

struct bad_list {
  struct bad_image *items;
  int n, capacity;
};

/* ----------------------------------------------------------------------------------- bad images */

static int bad_add(struct bad_list *l, int index, int code, const char *reason)
{
  if (l->n == l->capacity) {
    int capacity = l->capacity ? 2 * l->capacity : 16;
    struct bad_image *more = realloc(l->items, (size_t)capacity * sizeof *more);
    if (!more) return -1;
    l->items = more;
    l->capacity = capacity;
  }
  struct bad_image *b = &l->items[l->n++];
  b->index = index;
  b->code = code;
  text_format(b->reason, sizeof b->reason, "%s", reason);
  return 0;
}

static int by_index(const void *a, const void *b)
{
  return ((const struct bad_image *)a)->index - ((const struct bad_image *)b)->index;
}

static int fail_with(const struct image_list *l, const struct bad_image *b, bool may_skip, struct error *e)
{
  char shown[512], path[DATA_PATH_MAX];
  snprintf(path, sizeof path, "%s/%s", l->root, l->images[b->index].name);
  return error_set(e, b->code, "%s: %s%s", text_escape(shown, sizeof shown, path), b->reason,
                   may_skip && b->code == ERROR_FAILED ? " (on_bad_image = skip in [dataset] leaves such images out)"
                                                       : "");
}

/* A bad image as its owner looks for it. */
struct named_image {
  const char *name, *reason;
};

static int by_name(const void *a, const void *b)
{
  return strcmp(((const struct named_image *)a)->name, ((const struct named_image *)b)->name);
}

/* The first few names and reasons in the order of the names, a line each. */
static int summarise(struct dataset_source *s, const struct image_list *l, const struct bad_list *bad, struct error *e)
{
  size_t used = 0, size = sizeof s->skipped_summary;
  struct named_image *named = malloc((size_t)(bad->n ? bad->n : 1) * sizeof *named);
  if (!named) return error_set(e, ERROR_MACHINE, "no memory for a list of bad images");
  for (int i = 0; i < bad->n; i++)
    named[i] = (struct named_image){l->images[bad->items[i].index].name, bad->items[i].reason};
  qsort(named, (size_t)bad->n, sizeof *named, by_name);
  s->n_skipped = bad->n;
  for (int i = 0; i < bad->n; i++) {
    char shown[200], line[600];
    int n = snprintf(line, sizeof line, "%s: %s\n", text_escape(shown, sizeof shown, named[i].name), named[i].reason);
    if (used + (size_t)n + 40 > size) {
      snprintf(s->skipped_summary + used, size - used, "... and %d more\n", bad->n - i);
      break;
    }
    memcpy(s->skipped_summary + used, line, (size_t)n + 1);
    used += (size_t)n;
  }
  free(named);
  return 0;
}

/* ------------------------------------------------------------------------------------- decoding */

struct decoding {
  const struct image_list *list;
  struct image_format format;
  bool skip; /* on_bad_image */
  uint8_t *images;
  size_t image_bytes;
  uint64_t *pieces; /* [n_images] hashes of the images that are there; NULL: of none */
  struct decode_memory memory;
  pthread_mutex_t mutex; /* of all below */
  pthread_cond_t ended;
  int next, done, running;
  bool stop;
  struct bad_list bad;
};

/* Decodes one image, unless a run that was interrupted did so before. */
static int decode_one(struct decoding *d, int i, struct error *e)
{
  char path[DATA_PATH_MAX];
  uint8_t *image = d->images + (size_t)i * d->image_bytes;
  if (d->pieces && d->pieces[i] && d->pieces[i] == cache_piece_hash(image, d->image_bytes)) return 0;
  if (snprintf(path, sizeof path, "%s/%s", d->list->root, d->list->images[i].name) >= (int)sizeof path)
    return error_set(e, ERROR_FAILED, "its path is longer than %d bytes", DATA_PATH_MAX - 1);
  int code = image_decode(path, &d->format, &d->memory, image, e);
  if (!code && d->pieces) d->pieces[i] = cache_piece_hash(image, d->image_bytes);
  return code;
}

/* Takes the next image of the list until there is none, or one was bad and that ends it.  Images
 * are taken in order and what was taken is finished, so the first bad one is found whatever the
 * number of threads. */
static void *decode_thread(void *context)
{
  struct decoding *d = context;
  pthread_mutex_lock(&d->mutex);
  while (!d->stop && d->next < d->list->n_images) {
    int i = d->next++;
    pthread_mutex_unlock(&d->mutex);
    struct error e = {0};
    int code = decode_one(d, i, &e);
    pthread_mutex_lock(&d->mutex);
    d->done++;
    if (!code) continue;
    if (bad_add(&d->bad, i, code, e.message) || !d->skip || code != ERROR_FAILED) d->stop = true;
  }
  d->running--;
  pthread_cond_signal(&d->ended);
  pthread_mutex_unlock(&d->mutex);
  return NULL;
}

static int thread_count(int wanted, int n_images)
{
  int n = wanted > 0 ? wanted : cpu_cores();
  if (n > THREADS_MAX) n = THREADS_MAX;
  return n < n_images ? n : n_images;
}

/* Waits for the threads, telling `progress` five times a second; true where it wants to stop. */
static bool wait_for_threads(struct decoding *d, dataset_progress progress, void *context)
{
  bool interrupted = false;
  pthread_mutex_lock(&d->mutex);
  while (d->running) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += 200 * 1000 * 1000;
    if (until.tv_nsec >= 1000000000) until.tv_sec++, until.tv_nsec -= 1000000000;
    pthread_cond_timedwait(&d->ended, &d->mutex, &until);
    if (!progress || interrupted || !d->running) continue;
    int done = d->done;
    pthread_mutex_unlock(&d->mutex); /* it may write to a slow terminal */
    interrupted = progress(context, "decoding images", done, d->list->n_images);
    pthread_mutex_lock(&d->mutex);
    if (interrupted) d->stop = true;
  }
  pthread_mutex_unlock(&d->mutex);
  return interrupted;
}

enum { HEADER = 20 }; /* of IDX with four dimensions */

/* Decodes the whole list into `file`; `bad` (to be freed by the caller) gets what was left out. */
static int decode_all(const struct image_list *l, const struct dataset_options *o, const struct image_format *format,
                      struct cache_file *file, struct bad_list *bad, dataset_progress progress, void *context,
                      struct error *e)
{
  struct decoding d = {.list = l,
                       .format = *format,
                       .skip = o->on_bad_image == BAD_IMAGE_SKIP,
                       .images = file->bytes + HEADER,
                       .pieces = file->pieces,
                       .image_bytes = (size_t)format->width * (size_t)format->height * (size_t)format->channels};
  pthread_t threads[THREADS_MAX];
  int wanted = thread_count(o->threads, l->n_images), started = 0;
  pthread_mutex_init(&d.mutex, NULL);
  pthread_cond_init(&d.ended, NULL);
  decode_memory_init(&d.memory, whole_images_bytes);
  pthread_mutex_lock(&d.mutex);
  while (started < wanted && pthread_create(&threads[started], NULL, decode_thread, &d) == 0) started++;
  d.running = started;
  pthread_mutex_unlock(&d.mutex);
  bool interrupted = wait_for_threads(&d, progress, context);
  for (int t = 0; t < started; t++) pthread_join(threads[t], NULL);
  decode_memory_destroy(&d.memory);
  pthread_cond_destroy(&d.ended);
  pthread_mutex_destroy(&d.mutex);

  *bad = d.bad;
  if (interrupted) return error_set(e, ERROR_INTERRUPTED, "interrupted while decoding images");
  if (!started) return error_set(e, ERROR_MACHINE, "no thread could be started to decode images");
  if (bad->n) qsort(bad->items, (size_t)bad->n, sizeof *bad->items, by_index);
  for (int i = 0; i < bad->n; i++)
    if (!d.skip || bad->items[i].code != ERROR_FAILED) return fail_with(l, &bad->items[i], !d.skip, e);
  if (d.done < l->n_images) return error_set(e, ERROR_MACHINE, "no memory for a list of bad images");
  if (progress && progress(context, "decoding images", d.done, l->n_images))
    return error_set(e, ERROR_INTERRUPTED, "interrupted while decoding images");
  return 0;
}

/* ---------------------------------------------------------------------------------------- cache */

/* Names the cached file: `stem` by the root and the shape of the images, `name` by the whole state
 * too. */
static void cache_name(const struct image_list *l, const struct dataset_options *o, const struct image_format *f,
                       char stem[64], char name[96])
{
  char settings[256], *real = realpath(l->root, NULL);
  int n = snprintf(settings, sizeof settings, "%d %dx%dx%d %d %s", CACHE_VERSION, f->width, f->height, f->channels,
                   (int)f->resize, image_decode_libraries());
  uint64_t identity = data_hash(0, settings, (size_t)n);
  identity = data_hash(identity, real ? real : l->root, strlen(real ? real : l->root));
  free(real);
  uint64_t key = data_hash(identity, &o->pixel_limit, sizeof o->pixel_limit);
  for (int i = 0; i < l->n_images; i++) {
    const struct folder_image *image = &l->images[i];
    key = data_hash(data_hash(key, image->state, sizeof image->state), &image->part, sizeof image->part);
    key = data_hash(key, image->name, strlen(image->name));
  }
  snprintf(stem, 64, "images-%016" PRIx64, identity);
  snprintf(name, 96, "%s-%016" PRIx64 ".idx", stem, key);
}

/* The text beside a cached file: a line "skipped INDEX REASON" for each bad image.  Malloc'ed, or
 * NULL. */
static char *bad_text(const struct bad_list *bad)
{
  char *text = NULL;
  size_t size = 0;
  FILE *out = open_memstream(&text, &size);
  if (!out) return NULL;
  for (int i = 0; i < bad->n; i++) {
    char reason[REASON_BYTES + 8];
    fprintf(out, "skipped %d %s\n", bad->items[i].index, text_escape(reason, sizeof reason, bad->items[i].reason));
  }
  if (fclose(out) == 0) return text;
  free(text);
  return NULL;
}

static bool bad_from_text(struct bad_list *bad, const char *text, int n_images)
{
  int last = -1;
  while (*text) {
    int index, at = 0;
    const char *end = strchr(text, '\n');
    if (!end || sscanf(text, "skipped %d %n", &index, &at) != 1 || !at || index <= last || index >= n_images)
      return false;
    char reason[REASON_BYTES];
    text_format(reason, sizeof reason, "%.*s", (int)(end - text - at), text + at);
    if (bad_add(bad, index, ERROR_FAILED, reason)) return false;
    last = index;
    text = end + 1;
  }
  return true;
}

/* Finds the images in the cache. Cached skips do where images may be skipped; otherwise decoding
 * will say what is wrong. */
static bool find_cached(struct data_block *block, struct bad_list *bad, const struct image_list *l, const char *name,
                        const struct dataset_options *o, const struct image_format *f, const struct data_cache *cache)
{
  char *text;
  struct idx x;
  int header_bytes;
  if (!data_cache_find(cache, name, block, &text)) return false;
  bool good = bad_from_text(bad, text, l->n_images) && (bad->n == 0 || o->on_bad_image == BAD_IMAGE_SKIP) &&
              idx_header_read(&x, &header_bytes, block->bytes, block->size, NULL) == 0 && x.n_dims == 4 &&
              x.dims[0] == l->n_images - bad->n && x.dims[1] == f->height && x.dims[2] == f->width &&
              x.dims[3] == f->channels && block->size == (size_t)header_bytes + (size_t)x.count;
  free(text);
  if (good) return true;
  data_block_close(block);
  free(bad->items);
  *bad = (struct bad_list){0};
  return false;
}

/* Closes up the rows of bad images, in place. */
static void close_up(uint8_t *images, size_t image_bytes, int n, const struct bad_list *bad)
{
  int to = 0, b = 0;
  for (int i = 0; i < n; i++) {
    if (b < bad->n && bad->items[b].index == i) {
      b++;
      continue;
    }
    if (to != i) memcpy(images + (size_t)to * image_bytes, images + (size_t)i * image_bytes, image_bytes);
    to++;
  }
}

static int decode_into_cache(struct data_block *block, struct bad_list *bad, const struct image_list *l,
                             const char *name, const struct dataset_options *o, const struct image_format *f,
                             const struct data_cache *cache, dataset_progress progress, void *context, struct error *e)
{
  struct cache_file file;
  size_t image_bytes = (size_t)f->width * (size_t)f->height * (size_t)f->channels;
  if (cache_file_create_pieces(&file, cache, name, l->root, HEADER + (size_t)l->n_images * image_bytes, l->n_images, e))
    return e->code;
  int code = decode_all(l, o, f, &file, bad, progress, context, e);
  if (!code && bad->n == l->n_images) code = fail_with(l, &bad->items[0], false, e);
  char *text = code ? NULL : bad_text(bad);
  if (!code && !text) code = error_set(e, ERROR_MACHINE, "no memory for a list of bad images");
  if (!code) {
    int32_t dims[4] = {l->n_images - bad->n, f->height, f->width, f->channels};
    close_up(file.bytes + HEADER, image_bytes, l->n_images, bad);
    idx_header_write(file.bytes, 4, dims);
    cache_file_commit(&file, HEADER + (size_t)dims[0] * image_bytes, text, block);
  }
  free(text);
  cache_file_suspend(&file); /* what was decoded need not be again */
  return code;
}

/* --------------------------------------------------------------------------------------- reader */

/* The file's name, taken from the list, to row p->n of its part. */
static int keep_name(struct source_part *p, struct image_list *l, int image, struct error *e)
{
  if (!p->names) p->names = calloc((size_t)l->n_images, sizeof *p->names);
  if (!p->names) return error_set(e, ERROR_MACHINE, "no memory for %d names", l->n_images);
  p->names[p->n] = l->images[image].name;
  p->n_names = p->n + 1;
  l->images[image].name = NULL;
  return 0;
}

/* Labels of the images that are left, part by part; a class of train that lost all its images is an
 * error. */
static int fill_parts(struct dataset_source *s, struct image_list *l, const struct bad_list *bad, const uint8_t *images,
                      bool keep_names, struct error *e)
{
  size_t image_bytes = (size_t)s->width * (size_t)s->height * (size_t)s->channels;
  bool seen[CLASSES_MAX] = {false};
  for (int i = 0, b = 0, row = 0; i < l->n_images; i++) {
    struct source_part *p = &s->part[l->images[i].part];
    if (b < bad->n && bad->items[b].index == i) {
      b++;
      continue;
    }
    if (!p->labels) {
      char folder[480];
      p->labels = malloc((size_t)l->n_images * sizeof *p->labels);
      if (!p->labels) return error_set(e, ERROR_MACHINE, "no memory for %d labels", l->n_images);
      p->images = images + (size_t)row * image_bytes;
      snprintf(p->name, sizeof p->name, "%s (%s)", text_escape(folder, sizeof folder, l->root),
               part_name(l->images[i].part));
    }
    if (keep_names && keep_name(p, l, i, e)) return e->code;
    p->labels[p->n++] = l->images[i].class;
    if (l->images[i].part == PART_TRAIN) seen[l->images[i].class] = true;
    row++;
  }
  for (int b = 0; b < bad->n; b++) {
    const struct folder_image *image = &l->images[bad->items[b].index];
    char class[256], file[512];
    if (image->part == PART_TRAIN && !seen[image->class])
      return error_set(e, ERROR_FAILED, "class \"%s\": all its training images are bad; the first: %s: %s",
                       text_escape(class, sizeof class, l->class_names[image->class]),
                       text_escape(file, sizeof file, image->name), bad->items[b].reason);
  }
  return 0;
}

static int read_folder(struct dataset_source *s, const struct dataset_options *o, const struct data_cache *cache,
                       dataset_progress progress, void *context, struct error *e)
{
  struct image_list list = {0};
  struct bad_list bad = {0};
  struct image_format format = {o->image_size, o->image_size, o->channels, o->resize, o->pixel_limit};
  char stem[64], name[96];
  int code;
  if (o->image_size < 1 || o->image_size > SIDE_MAX)
    return error_set(
        e, ERROR_CONFIG,
        "[dataset] image_size = %d: an image folder needs the side of the square that its images are resized to, "
        "1 to %d (for instance 64)",
        o->image_size, SIDE_MAX);
  if (o->channels != 1 && o->channels != 3)
    return error_set(e, ERROR_CONFIG, "[dataset] channels = %d: must be 1 (grey) or 3 (colour)", o->channels);
  if (o->pixel_limit < 1)
    return error_set(e, ERROR_CONFIG, "[dataset] pixel_limit = %" PRId64 ": must be at least 1", o->pixel_limit);
  code = image_list_make(&list, o->path, o->test_fraction, e);
  if (code) goto done;

  s->n_ignored = list.n_ignored;
  image_list_ignored(&list, s->ignored_summary, sizeof s->ignored_summary);
  if (list.unused[0]) source_notice(s, "not used: %s (parts are train, validation, test)", list.unused);
  s->height = s->width = o->image_size;
  s->channels = o->channels;
  struct data_block *block = &s->blocks[s->n_blocks];
  cache_name(&list, o, &format, stem, name);
  if (!find_cached(block, &bad, &list, name, o, &format, cache)) {
    code = decode_into_cache(block, &bad, &list, name, o, &format, cache, progress, context, e);
    if (code) goto done;
    data_cache_clean(cache, stem, name);
  }
  s->n_blocks++;
  code = summarise(s, &list, &bad, e);
  if (!code) code = fill_parts(s, &list, &bad, block->bytes + HEADER, o->keep_names, e);
  if (code) goto done;
  s->n_classes = list.n_classes; /* the source owns the names now */
  s->class_names = list.class_names;
  list.n_classes = 0;
  list.class_names = NULL;
done:
  free(bad.items);
  image_list_free(&list);
  return code;
}

const struct dataset_reader reader_folder = {
    .what = "class folders of images", .takes_the_rest = true, .looks_like = folder_is_images, .read = read_folder};
