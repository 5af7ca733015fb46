/* JPEG and PNG files, told apart by what they contain, decoded straight to a small image.  Private
 * to the data-set modules; image_decode_file, for all others, is in dataset.h. */
#ifndef GSOS_IMAGE_DECODE_H
#define GSOS_IMAGE_DECODE_H

#include <pthread.h>
#include <stdio.h>

#include "host/data/dataset.h"

/* What every image becomes. */
struct image_format {
  int width, height, channels; /* channels 1 or 3 */
  enum dataset_resize resize;
  int64_t pixel_limit;
};

/* Memory that threads share while they decode: an image that must be held whole (progressive JPEG,
 * interlaced PNG) waits until its bytes are free; one larger than all of it waits until it is
 * alone. */
struct decode_memory {
  pthread_mutex_t mutex;
  pthread_cond_t freed;
  int64_t limit, used;
};
void decode_memory_init(struct decode_memory *m, int64_t limit_bytes);
void decode_memory_destroy(struct decode_memory *m);

/* Decodes to out [height][width][channels].  `memory` may be NULL.  On error the message is the
 * reason alone ("is cut off ..."), to be put behind the file's name; ERROR_FAILED: the file is bad;
 * ERROR_MACHINE: memory, the disk. */
int image_decode(const char *path, const struct image_format *format, struct decode_memory *memory, uint8_t *out,
                 struct error *e);
/* The same from an open stream (tests decode from memory). */
int image_decode_stream(FILE *in, const struct image_format *format, struct decode_memory *memory, uint8_t *out,
                        struct error *e);

/* The EXIF orientation, 1..8, in a block that begins with a TIFF header; 1 where there is none or
 * it makes no sense. */
int exif_orientation(const uint8_t *bytes, size_t size);

/* "libjpeg-turbo 2.1.5, libpng 1.6.39": what else than the files decides the bytes. */
const char *image_decode_libraries(void);

/* Decoders; the stream stands at the file's first byte. */
int jpeg_decode(FILE *in, const struct image_format *format, struct decode_memory *memory, uint8_t *out,
                struct error *e);
int png_decode(FILE *in, const struct image_format *format, struct decode_memory *memory, uint8_t *out,
               struct error *e);

/* For the decoders: takes and gives back bytes of `memory` (NULL: nothing to do). */
void decode_memory_take(struct decode_memory *m, int64_t bytes);
void decode_memory_give(struct decode_memory *m, int64_t bytes);
/* ERROR_FAILED where an image has more pixels than the limit. */
int check_pixels(int64_t width, int64_t height, int64_t limit, struct error *e);

#endif
