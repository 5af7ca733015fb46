/* `gsos predict`: the classes that a saved network gives to image files.
 *
 * Images are brought to the network's size just as those of an image folder are.  They go through the network a batch at a
 * time; a bad one is named and the others go on.  Output is in the order of the arguments. */
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataset.h"
#include "network_file.h"
#include "signals.h"
#include "text_escape.h"

static const char help[] = "Usage: gsos predict FILE.safetensors IMAGE... [--top N] [--csv]\n"
                           "Print the class of each image, a JPEG or PNG file, by the network in\n"
                           "FILE.safetensors, which gsos run and gsos train write: path, class, probability.\n"
                           "\n"
                           "  -t, --top N   print the N most probable classes of each image, the first first\n"
                           "      --csv     comma-separated: path,rank,class,probability; one class a line\n"
                           "  -h, --help    print this and exit\n"
                           "\n"
                           "Examples:\n"
                           "  gsos predict results/quickstart/best.safetensors *.png\n"
                           "  gsos predict --top 3 --csv flowers.safetensors tulip.jpg > classes.csv\n"
                           "\n"
                           "Exit status: 0 done, 1 where an image or the network could not be read, 2 wrong\n"
                           "usage, 130 interrupted, 143 terminated.\n";

enum { BATCH = 32 };

struct options {
  const char *network;
  int top;
  bool csv;
  int64_t pixel_limit;
  char **images;
  int n_images;
};

/* ---- output -------------------------------------------------------------------------------------------------------- */

/* A field of RFC 4180: in quotes where it holds what would end it. */
static void print_field(const char *text)
{
  if (!strpbrk(text, ",\"\r\n")) {
    fputs(text, stdout);
    return;
  }
  putchar('"');
  for (; *text; text++) {
    if (*text == '"') putchar('"');
    putchar(*text);
  }
  putchar('"');
}

/* The classes of one image, most probable first (ties to the first class).  Clears the entries of `probabilities` that it
 * printed. */
static void print_image(const struct options *o, const struct network_file *f, const char *path, float *probabilities)
{
  char shown[4096];
  if (!o->csv) fputs(text_escape(shown, sizeof shown, path), stdout);
  for (int rank = 1; rank <= o->top && rank <= f->shape.n_classes; rank++) {
    int best = 0;
    for (int c = 1; c < f->shape.n_classes; c++)
      if (probabilities[c] > probabilities[best]) best = c;
    if (o->csv) {
      print_field(path);
      printf(",%d,", rank);
      print_field(f->shape.class_names[best]);
      printf(",%.6g\n", (double)probabilities[best]);
    } else {
      printf("  %s  %.4f", f->shape.class_names[best], (double)probabilities[best]);
    }
    probabilities[best] = -1;
  }
  if (!o->csv) putchar('\n');
}

/* ---- images through the network ------------------------------------------------------------------------------------ */

struct batch {
  uint8_t *images;      /* [BATCH][H][W][C] */
  float *probabilities; /* [BATCH][classes] */
  const char *paths[BATCH];
  int n;
};

/* Predicts and prints what is in the batch, and empties it. */
static int flush_batch(const struct options *o, struct network_file *f, struct batch *b, int *failed, struct error *e)
{
  int classes = f->shape.n_classes;
  if (b->n == 0) return 0;
  int code = network_predict(f->network, b->images, b->n, b->probabilities, e);
  for (int i = 0; i < b->n && !code; i++) {
    float *p = b->probabilities + (size_t)i * (size_t)classes;
    bool finite = true;
    for (int c = 0; c < classes; c++) finite = finite && isfinite(p[c]);
    if (finite) {
      print_image(o, f, b->paths[i], p);
      continue;
    }
    char shown[512];
    fprintf(stderr, "gsos: %s: the network's probabilities are not finite; its weights are broken\n",
            text_escape(shown, sizeof shown, b->paths[i]));
    ++*failed;
  }
  b->n = 0;
  return code;
}

static int predict(const struct options *o, struct network_file *f, int *failed, struct error *e)
{
  const struct dataset *d = &f->shape;
  size_t image_bytes = (size_t)d->height * (size_t)d->width * (size_t)d->channels;
  struct batch b = {malloc(BATCH * image_bytes), malloc(BATCH * (size_t)d->n_classes * sizeof(float)), {0}, 0};
  int code = 0;
  if (!b.images || !b.probabilities) code = error_set(e, ERROR_MACHINE, "no memory for a batch of images");
  if (!code && o->csv) puts("path,rank,class,probability");
  for (int i = 0; i < o->n_images && !code && !signals_stop; i++) {
    struct error bad = {0};
    uint8_t *out = b.images + (size_t)b.n * image_bytes;
    code = image_decode_file(o->images[i], d->width, d->height, d->channels, f->resize, o->pixel_limit, out, &bad);
    if (code) {
      fflush(stdout);
      fprintf(stderr, "gsos: %s\n", bad.message);
      ++*failed;
      code = 0;
      continue;
    }
    b.paths[b.n++] = o->images[i];
    if (b.n == BATCH) code = flush_batch(o, f, &b, failed, e);
  }
  if (!code) code = signals_stop ? error_set(e, ERROR_INTERRUPTED, "stopped") : flush_batch(o, f, &b, failed, e);
  free(b.images);
  free(b.probabilities);
  return code;
}

static int predict_all(const struct options *o, int *failed, struct error *e)
{
  struct network_file f;
  trainer_cpu_thread_begin();
  if (network_file_load(&f, o->network, e)) return e->code;
  int code = 0;
  if (f.shape.channels != 1 && f.shape.channels != 3)
    code = error_set(e, ERROR_FAILED, "%s: takes images of %d channels; image files have 1 or 3", o->network,
                     f.shape.channels);
  if (!code) code = predict(o, &f, failed, e);
  network_file_close(&f);
  return code;
}

/* ---- the command line ---------------------------------------------------------------------------------------------- */

static int usage_error(const char *message)
{
  fprintf(stderr, "gsos predict: %s\nTry 'gsos predict --help'.\n", message);
  return 2;
}

/* A whole number from 1 to `high`. */
static bool parse_number(const char *text, int64_t high, int64_t *value)
{
  char *end;
  errno = 0;
  long long number = strtoll(text, &end, 10);
  *value = number;
  return end != text && *end == 0 && errno == 0 && number >= 1 && number <= high;
}

/* 0: go on; else *status is the exit status. */
static int parse(int argc, char **argv, struct options *o, int *status)
{
  static const struct option options[] = {{"top", required_argument, NULL, 't'},
                                          {"csv", no_argument, NULL, 'c'},
                                          {"pixel-limit", required_argument, NULL, 'p'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
  struct dataset_options defaults;
  int64_t number;
  int c;
  dataset_options_default(&defaults);
  o->pixel_limit = defaults.pixel_limit;
  argv[0] = (char *)"gsos predict"; /* as getopt's messages begin */
  optind = 0;                       /* main has used it before */
  *status = 2;
  while ((c = getopt_long(argc, argv, "t:h", options, NULL)) != -1) {
    switch (c) {
    case 't':
      if (!parse_number(optarg, 1000, &number))
        return *status = usage_error("--top takes a number of classes from 1 to 1000"), 1;
      o->top = (int)number;
      break;
    case 'p':
      if (!parse_number(optarg, (int64_t)1e12, &o->pixel_limit))
        return *status = usage_error("--pixel-limit takes a number of pixels from 1 to 10^12"), 1;
      break;
    case 'c':
      o->csv = true;
      break;
    case 'h':
      fputs(help, stdout);
      *status = 0;
      return 1;
    default:
      fputs("Try 'gsos predict --help'.\n", stderr);
      return 1;
    }
  }
  if (optind >= argc) return *status = usage_error("which FILE.safetensors, and which images?"), 1;
  if (optind + 1 >= argc) return *status = usage_error("which images?"), 1;
  o->network = argv[optind];
  o->images = argv + optind + 1;
  o->n_images = argc - optind - 1;
  return 0;
}

int command_predict(int argc, char **argv)
{
  struct options o = {.top = 1};
  struct error e = {0};
  int status, failed = 0;
  if (parse(argc, argv, &o, &status) == 0) {
    signals_install();
    predict_all(&o, &failed, &e);
    fflush(stdout);
    if (e.code) fprintf(stderr, "gsos: %s\n", e.message);
    if (failed > 0) fprintf(stderr, "gsos: %d of %d images could not be classified\n", failed, o.n_images);
    status = e.code == ERROR_INTERRUPTED && signals_stop ? signals_exit_code() : e.code || failed > 0 ? 1 : 0;
  }
  if (fflush(stdout) != 0 || ferror(stdout)) {
    fprintf(stderr, "gsos: standard output cannot be written: %s\n", strerror(errno));
    if (status == 0) status = 1;
  }
  return status;
}
