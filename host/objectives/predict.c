/* A saved network and its batch of images.  See predict.h. */
#include "host/objectives/predict.h"

#include <stdlib.h>

#include "host/data/dataset.h"
#include "host/experiment/experiment.h"
#include "host/network/network_file.h"

struct predictor {
  struct network_file file;
  int64_t pixel_limit;  /* by default */
  size_t image_bytes;   /* of one */
  uint8_t *images;      /* [PREDICT_BATCH][H][W][C] */
  float *probabilities; /* [PREDICT_BATCH][classes] */
};

void predictor_close(struct predictor *p)
{
  if (!p) return;
  free(p->images);
  free(p->probabilities);
  network_file_close(&p->file);
  free(p);
}

/* The ini file's default. */
static int default_pixel_limit(int64_t *limit, struct error *e)
{
  struct experiment *x = malloc(sizeof *x);
  if (!x) return error_set(e, ERROR_MACHINE, "no memory");
  int code = experiment_defaults(x, e);
  *limit = x->dataset.pixel_limit;
  free(x);
  return code;
}

int predictor_open(struct predictor **out, const char *path, struct error *e)
{
  struct predictor *p = calloc(1, sizeof *p);
  *out = NULL;
  if (!p) return error_set(e, ERROR_MACHINE, "no memory for a network");
  const struct dataset *shape = &p->file.shape;
  trainer_cpu_thread_begin();
  int code = default_pixel_limit(&p->pixel_limit, e);
  if (!code) code = network_file_load(&p->file, path, e);
  if (!code && shape->channels != 1 && shape->channels != 3)
    code =
        error_set(e, ERROR_FAILED, "%s: takes images of %d channels; image files have 1 or 3", path, shape->channels);
  if (code) goto failed;
  p->image_bytes = (size_t)shape->height * (size_t)shape->width * (size_t)shape->channels;
  p->images = malloc(PREDICT_BATCH * p->image_bytes);
  p->probabilities = malloc(PREDICT_BATCH * (size_t)shape->n_classes * sizeof *p->probabilities);
  if (!p->images || !p->probabilities) {
    code = error_set(e, ERROR_MACHINE, "no memory for a batch of images");
    goto failed;
  }
  *out = p;
  return 0;
failed:
  predictor_close(p);
  return code;
}

int predictor_classes(const struct predictor *p)
{
  return p->file.shape.n_classes;
}

const char *predictor_class_name(const struct predictor *p, int label)
{
  return p->file.shape.class_names[label];
}

char *const *predictor_class_names(const struct predictor *p)
{
  return p->file.shape.class_names;
}

int predictor_read(struct predictor *p, int index, const char *path, int64_t pixel_limit, struct error *e)
{
  const struct dataset *d = &p->file.shape;
  return image_decode_file(path, d->width, d->height, d->channels, p->file.resize,
                           pixel_limit > 0 ? pixel_limit : p->pixel_limit, p->images + (size_t)index * p->image_bytes,
                           e);
}

int predictor_classify(struct predictor *p, int n, float **probabilities, struct error *e)
{
  *probabilities = p->probabilities;
  return network_predict(p->file.network, p->images, n, p->probabilities, e);
}
