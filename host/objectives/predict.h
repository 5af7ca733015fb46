/* A saved network that classifies image files: all that `gsos predict` knows of a network.
 *
 * Images are brought to the network's size just as those of an image folder are, and go through it
 * a batch at a time, on the CPU.  A predictor belongs to the thread that opened it, which is left
 * in another floating-point mode. */
#ifndef GSOS_PREDICT_H
#define GSOS_PREDICT_H

#include <stdint.h>

#include "host/base/error.h"

enum { PREDICT_BATCH = 32 };

struct predictor;

/* Reads the network in a safetensors file.  ERROR_FAILED where it is damaged or takes images that
 * no file has (of other than 1 or 3 channels), ERROR_MACHINE without memory. */
int predictor_open(struct predictor **p, const char *path, struct error *e);
void predictor_close(struct predictor *p); /* takes NULL */

int predictor_classes(const struct predictor *p);
const char *predictor_class_name(const struct predictor *p, int label); /* of class 0 ... classes - 1 */
char *const *predictor_class_names(const struct predictor *p);          /* [classes] */

/* Reads a JPEG or PNG file as image `index` of the batch, 0 ... PREDICT_BATCH - 1.  pixel_limit: a
 * larger one is refused; 0: as [dataset] pixel_limit is by default.  ERROR_FAILED where it is no
 * such image. */
int predictor_read(struct predictor *p, int index, const char *path, int64_t pixel_limit, struct error *e);

/* Classifies images 0 ... n - 1 of the batch.
 *   probabilities  out: [n][classes], the predictor's own, to be changed at will, until the next
 *                  call */
int predictor_classify(struct predictor *p, int n, float **probabilities, struct error *e);

#endif
