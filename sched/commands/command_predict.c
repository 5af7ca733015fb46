/* `gsos predict`: the classes that a saved network gives to image files and folders of them
 * (host/objectives/predict.h), and how often it is right where the folders are its classes.
 *
 * They go through the network a batch at a time; a bad one is named and the others go on.  Output
 * is in the order of the arguments, and below a folder in that of the names. */
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/class_counts.h"
#include "host/base/text_units.h"
#include "host/objectives/predict.h"
#include "host/objectives/predict_list.h"
#include "sched/commands/command.h"
#include "sched/commands/output_file.h"
#include "sched/run/signals.h"
#include "host/base/text_csv.h"
#include "host/base/text_escape.h"

static const char help[] = "Usage: gsos predict FILE.safetensors IMAGE|FOLDER... [--top N] [--csv] [--quiet]\n"
                           "                    [--confusion FILE.csv]\n"
                           "Print the class of each image, a JPEG or PNG file, by the network in\n"
                           "FILE.safetensors, which gsos run and gsos train write: path, class, probability.\n"
                           "Of a folder every image below is classified.  Where folders have the names of\n"
                           "the network's classes, as photos/test/cat, the accuracy stands at the end, and\n"
                           "that of each class: a network is measured so on images of its own.\n"
                           "\n"
                           "  -t, --top N   print the N most probable classes of each image, the first first\n"
                           "      --csv     comma-separated: path,rank,class,probability; one class a line;\n"
                           "                accuracies go to standard error\n"
                           "  -q, --quiet   no line for each image\n"
                           "      --confusion FILE.csv   write how many images of each class (row) were given\n"
                           "                each class (column)\n"
                           "      --pixel-limit N   refuse images of more pixels (50,000,000)\n"
                           "  -h, --help    print this and exit\n"
                           "\n"
                           "Examples:\n"
                           "  gsos predict results/quickstart/best.safetensors *.png\n"
                           "  gsos predict flowers.safetensors photos/test --quiet\n"
                           "  gsos predict --top 3 --csv flowers.safetensors tulip.jpg > classes.csv\n"
                           "\n"
                           "Exit status: 0 done, 1 where an image or the network could not be read, 2 wrong\n"
                           "usage, 130 interrupted, 143 terminated.\n";

struct options {
  const char *network;
  int top;
  bool csv, quiet;
  const char *confusion; /* file to write, NULL: none */
  int64_t pixel_limit;   /* 0: the default */
  char **paths;
  int n_paths;
};

/* What is predicted, and how it went. */
struct prediction {
  const struct options *o;
  struct predictor *p;
  struct predict_list list;
  struct class_counts counts;
  int failed;         /* images that could not be read */
  int failed_folders; /* that could not be read, or hold no images */
};

/* ---- output ---------------------------------------------------------------------------------- */

/* The classes of one image, most probable first (ties to the first class).  Clears the entries of
 * `probabilities` that it printed. */
static void print_image(const struct options *o, const struct predictor *p, const char *path, float *probabilities)
{
  char shown[4096];
  int classes = predictor_classes(p);
  if (!o->csv) fputs(text_escape(shown, sizeof shown, path), stdout);
  for (int rank = 1; rank <= o->top && rank <= classes; rank++) {
    int best = 0;
    for (int c = 1; c < classes; c++)
      if (probabilities[c] > probabilities[best]) best = c;
    if (o->csv) {
      text_csv(stdout, path);
      printf(",%d,", rank);
      text_csv(stdout, predictor_class_name(p, best));
      printf(",%.6g\n", (double)probabilities[best]);
    } else {
      printf("  %s  %.4f", predictor_class_name(p, best), (double)probabilities[best]);
    }
    probabilities[best] = -1;
  }
  if (!o->csv) putchar('\n');
}

static int most_probable(const float *probabilities, int classes)
{
  int best = 0;
  for (int c = 1; c < classes; c++)
    if (probabilities[c] > probabilities[best]) best = c;
  return best;
}

/* How often the network was right, where classes are known. */
static int print_summary(const struct prediction *job, struct error *e)
{
  const struct predict_list *l = &job->list;
  FILE *out = job->o->csv ? stderr : stdout;
  fflush(stdout);
  if (l->n_labels == 0 && l->n_subfolders > 0)
    fputs("gsos: no accuracy: no folder above the images has the name of one of the network's classes\n", stderr);
  if (job->counts.n == 0) return 0;
  if (!job->o->quiet) putc('\n', out);
  class_counts_print(out, &job->counts);
  if (l->n > l->n_labels)
    fprintf(out, "\n%d of %d image%s not counted: no folder above %s has the name of a class\n", l->n - l->n_labels,
            l->n, l->n == 1 ? " is" : "s are", l->n - l->n_labels == 1 ? "it" : "them");
  return job->o->confusion ? class_counts_write(&job->counts, job->o->confusion, e) : 0;
}

/* ---- images through the network -------------------------------------------------------------- */

struct batch {
  const struct predict_image *images[PREDICT_BATCH];
  int n;
};

/* Predicts and prints what is in the batch, and empties it. */
static int flush_batch(struct prediction *job, struct batch *b, struct error *e)
{
  int classes = predictor_classes(job->p);
  float *probabilities;
  if (b->n == 0) return 0;
  int code = predictor_classify(job->p, b->n, &probabilities, e);
  for (int i = 0; i < b->n && !code; i++) {
    float *own = probabilities + (size_t)i * (size_t)classes;
    const struct predict_image *image = b->images[i];
    bool finite = true;
    for (int c = 0; c < classes; c++) finite = finite && isfinite(own[c]);
    if (finite) {
      if (image->label >= 0) code = class_counts_add(&job->counts, image->label, most_probable(own, classes), 1, e);
      if (!job->o->quiet) print_image(job->o, job->p, image->path, own);
      continue;
    }
    char shown[512];
    fprintf(stderr, "gsos: %s: the network's probabilities are not finite; its weights are broken\n",
            text_escape(shown, sizeof shown, image->path));
    job->failed++;
  }
  b->n = 0;
  return code;
}

static int predict(struct prediction *job, struct error *e)
{
  struct batch b = {.n = 0};
  int code = 0;
  if (job->o->csv && !job->o->quiet) puts("path,rank,class,probability");
  for (int i = 0; i < job->list.n && !code && !signals_stop; i++) {
    const struct predict_image *image = &job->list.images[i];
    struct error bad = {0};
    if (predictor_read(job->p, b.n, image->path, job->o->pixel_limit, &bad)) {
      fflush(stdout);
      fprintf(stderr, "gsos: %s\n", bad.message);
      job->failed++;
      continue;
    }
    b.images[b.n++] = image;
    if (b.n == PREDICT_BATCH) code = flush_batch(job, &b, e);
  }
  if (code) return code;
  return signals_stop ? error_set(e, ERROR_INTERRUPTED, "stopped") : flush_batch(job, &b, e);
}

/* All images of the command line; a folder that cannot be read is named, and the others go on. */
static int list_images(struct prediction *job, struct error *e)
{
  for (int i = 0; i < job->o->n_paths; i++) {
    struct error bad = {0};
    int code = predict_list_add(&job->list, job->p, job->o->paths[i], &bad);
    if (code == ERROR_MACHINE) return error_set(e, code, "%s", bad.message);
    if (!code) continue;
    fprintf(stderr, "gsos: %s\n", bad.message);
    job->failed_folders++;
  }
  return 0;
}

static int check_output(const struct options *o, struct error *e)
{
  const struct output_file f = {
      .option = "--confusion", .path = o->confusion, .kind = OUTPUT_CONFUSION, .inputs = &o->network, .n_inputs = 1};
  return o->confusion ? output_file_check(&f, e) : 0;
}

/* A matrix needs images whose classes are known. */
static int check_truth(const struct prediction *job, struct error *e)
{
  if (!job->o->confusion || job->list.n_labels > 0) return 0;
  return error_set(e, ERROR_CONFIG,
                   "--confusion: of no image is the class known: give folders with the names of the network's classes, "
                   "as photos/test/cat");
}

static int predict_all(struct prediction *job, struct error *e)
{
  int code = check_output(job->o, e);
  if (code) return code;
  code = predictor_open(&job->p, job->o->network, e);
  if (code == ERROR_CONFIG) e->code = code = ERROR_FAILED; /* a file that describes no network is no wrong usage */
  if (!code) code = list_images(job, e);
  if (!code) code = check_truth(job, e);
  if (!code) code = class_counts_begin(&job->counts, predictor_classes(job->p), predictor_class_names(job->p), e);
  if (!code) code = predict(job, e);
  class_counts_end(&job->counts);
  if (!code) code = print_summary(job, e);
  class_counts_free(&job->counts);
  predictor_close(job->p);
  return code;
}

/* ---- the command line ------------------------------------------------------------------------ */

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
                                          {"quiet", no_argument, NULL, 'q'},
                                          {"confusion", required_argument, NULL, 'm'},
                                          {"pixel-limit", required_argument, NULL, 'p'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
  int64_t number;
  int c;
  struct command_line line = {"gsos predict", help, "t:qh", options, argc, argv, status, false};
  while ((c = command_option(&line)) > 0) {
    switch (c) {
    case 't':
      if (!parse_number(optarg, 1000, &number))
        return command_usage_error(&line, "--top takes a number of classes from 1 to 1000");
      o->top = (int)number;
      break;
    case 'p':
      if (!parse_number(optarg, (int64_t)1e12, &o->pixel_limit))
        return command_usage_error(&line, "--pixel-limit takes a number of pixels from 1 to 10^12");
      break;
    case 'm':
      o->confusion = optarg;
      break;
    case 'q':
      o->quiet = true;
      break;
    default:
      o->csv = true;
    }
  }
  if (c < 0) return c;
  if (optind >= argc) return command_usage_error(&line, "which FILE.safetensors, and which images?");
  if (optind + 1 >= argc) return command_usage_error(&line, "which images?");
  o->network = argv[optind];
  o->paths = argv + optind + 1;
  o->n_paths = argc - optind - 1;
  return 0;
}

int command_predict(int argc, char **argv)
{
  struct options o = {.top = 1};
  struct prediction job = {.o = &o};
  struct error e = {0};
  int status = 1;
  if (parse(argc, argv, &o, &status) == 0) {
    signals_install();
    predict_all(&job, &e);
    command_complain(&e);
    if (job.failed > 0)
      fprintf(stderr, "gsos: %d of %d image%s could not be classified\n", job.failed, job.list.n,
              text_plural(job.list.n));
    predict_list_free(&job.list);
    status = command_status(&e);
    if (!status) status = job.failed + job.failed_folders > 0;
  }
  return command_end(status);
}
