/* Crops an image to the middle and resizes it, row by row as a decoder hands the rows over. */
#ifndef GSOS_IMAGE_RESIZE_H
#define GSOS_IMAGE_RESIZE_H

#include <stddef.h>
#include <stdint.h>

#include "host/data/dataset.h"

struct resizer; /* opaque */

/* For an image of width × height that is shown with an EXIF orientation (1..8; 1: as it is stored):
 * the largest centred piece with the shape of the output, as it is shown, becomes out_width ×
 * out_height.  A decoder may hand over rows of an image that it reduced 1, 2, 4 or 8 times: ⌈height
 * / reduced⌉ rows of ⌈width / reduced⌉ pixels.  NULL: no memory. */
struct resizer *resizer_create(int width, int height, int reduced, int channels, int orientation, int out_width,
                               int out_height, enum dataset_resize kind);
/* The next row as stored, from the top: row [⌈width / reduced⌉][channels]. */
void resizer_row(struct resizer *r, const uint8_t *row);
/* After the last row: out [out_height][out_width][channels], as it is shown. */
void resizer_finish(struct resizer *r, uint8_t *out);
void resizer_destroy(struct resizer *r); /* takes NULL */

/* The piece of a stored image that is kept: its size and where it begins. */
struct crop {
  int x, y, width, height;
};
struct crop centre_crop(int width, int height, int orientation, int out_width, int out_height);

#endif
