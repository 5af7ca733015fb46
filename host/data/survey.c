/* Classes and copies in a data set.  See survey.h.
 *
 * Copies are found by sorting (hash, part, place) of all images: the same ones stand side by side.
 * A set of copies is what is equal byte by byte within a run of one hash, which is the whole run
 * but for a collision. */
#include "host/data/survey.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host/data/data_cache.h"

struct entry {
  uint64_t hash;
  int32_t image;
  int32_t part;
};

const struct dataset_split *survey_split(const struct dataset *d, enum survey_part part)
{
  return part == SURVEY_TRAIN ? &d->train : part == SURVEY_VALIDATION ? &d->validation : &d->test;
}

int survey_largest_class(const struct dataset_survey *s, int n_classes)
{
  int largest = 0;
  for (int c = 1; c < n_classes; c++)
    if (s->count[SURVEY_TRAIN][c] > s->count[SURVEY_TRAIN][largest]) largest = c;
  return largest;
}

double survey_accuracy_error(double accuracy, int n)
{
  return sqrt(accuracy * (1 - accuracy) / n);
}

/* ---- sets of copies -------------------------------------------------------------------------- */

static int by_hash(const void *a, const void *b)
{
  const struct entry *x = a, *y = b;
  if (x->hash != y->hash) return x->hash < y->hash ? -1 : 1;
  if (x->part != y->part) return x->part - y->part;
  return x->image < y->image ? -1 : x->image > y->image;
}

static const uint8_t *bytes_of(const struct dataset *d, const struct entry *one)
{
  return dataset_image(d, survey_split(d, (enum survey_part)one->part), one->image);
}

static int class_of(const struct dataset *d, const struct entry *one)
{
  return dataset_label(survey_split(d, (enum survey_part)one->part), one->image);
}

/* Does pair a come before pair b? */
static bool comes_before(const struct survey_pair *a, const struct survey_pair *b)
{
  bool across_a = a->part[0] != a->part[1], across_b = b->part[0] != b->part[1];
  if (a->other_class != b->other_class) return a->other_class;
  if (across_a != across_b) return across_a;
  return a->part[0] != b->part[0] ? a->part[0] < b->part[0] : a->image[0] < b->image[0];
}

static void keep_example(struct dataset_survey *s, const struct survey_pair *pair)
{
  int at = s->n_examples;
  while (at > 0 && comes_before(pair, &s->examples[at - 1])) at--;
  if (at == SURVEY_EXAMPLES) return;
  if (s->n_examples < SURVEY_EXAMPLES) s->n_examples++;
  memmove(&s->examples[at + 1], &s->examples[at], (size_t)(s->n_examples - 1 - at) * sizeof *s->examples);
  s->examples[at] = *pair;
}

/* Counts a set of n >= 2 copies, in the order of parts and places. */
static void count_set(struct dataset_survey *s, const struct dataset *d, const struct entry *set, int n)
{
  int in[SURVEY_PARTS] = {0}, other = 1, best = -1;
  bool classes_differ = false;
  for (int i = 0; i < n; i++) {
    /* The one that the first is shown with: of another class, else of another part. */
    int rank = 2 * (class_of(d, &set[i]) != class_of(d, set)) + (set[i].part != set->part);
    in[set[i].part]++;
    classes_differ |= rank >= 2;
    if (i > 0 && rank > best) best = rank, other = i;
  }
  for (int p = 0; p < SURVEY_PARTS; p++) {
    if (in[p]) s->copies[p][p] += in[p] - 1;
    for (int q = 0; q < SURVEY_PARTS; q++)
      if (q != p && in[q]) s->copies[p][q] += in[p];
  }
  if (classes_differ) s->other_class += n; /* each has one that differs: were all others as it, none would differ */
  keep_example(s, &(struct survey_pair){{(enum survey_part)set->part, (enum survey_part)set[other].part},
                                        {set->image, set[other].image},
                                        classes_differ});
}

/* A run of one hash, n >= 2: its sets of equal images are put side by side, in place. */
static void count_run(struct dataset_survey *s, const struct dataset *d, struct entry *run, int n)
{
  size_t size = (size_t)d->height * (size_t)d->width * (size_t)d->channels;
  while (n > 1) {
    int same = 1;
    for (int i = 1; i < n; i++) {
      if (memcmp(bytes_of(d, run), bytes_of(d, &run[i]), size) != 0) continue;
      struct entry one = run[i];
      memmove(&run[same + 1], &run[same], (size_t)(i - same) * sizeof *run);
      run[same++] = one;
    }
    if (same > 1) count_set(s, d, run, same);
    run += same;
    n -= same;
  }
}

/* ---- the survey ------------------------------------------------------------------------------ */

int dataset_survey_make(struct dataset_survey *s, const struct dataset *d, struct error *e)
{
  size_t size = (size_t)d->height * (size_t)d->width * (size_t)d->channels;
  int64_t total = (int64_t)d->train.n + d->validation.n + d->test.n, n = 0;
  memset(s, 0, sizeof *s);
  struct entry *entries = malloc((size_t)(total ? total : 1) * sizeof *entries);
  bool room = entries != NULL;
  for (int p = 0; p < SURVEY_PARTS; p++) {
    s->count[p] = calloc((size_t)d->n_classes, sizeof *s->count[p]);
    room &= s->count[p] != NULL;
  }
  if (!room) {
    free(entries);
    return error_set(e, ERROR_MACHINE, "no memory to look for copies among %lld images", (long long)total);
  }
  for (int p = 0; p < SURVEY_PARTS; p++) {
    const struct dataset_split *part = survey_split(d, (enum survey_part)p);
    for (int i = 0; i < part->n; i++) {
      s->count[p][dataset_label(part, i)]++;
      entries[n++] = (struct entry){data_hash(0, dataset_image(d, part, i), size), i, p};
    }
  }
  qsort(entries, (size_t)n, sizeof *entries, by_hash);
  for (int64_t i = 0, end; i < n; i = end) {
    for (end = i + 1; end < n && entries[end].hash == entries[i].hash; end++) continue;
    if (end - i > 1) count_run(s, d, entries + i, (int)(end - i));
  }
  free(entries);
  return 0;
}

void dataset_survey_free(struct dataset_survey *s)
{
  for (int p = 0; p < SURVEY_PARTS; p++) free(s->count[p]);
  memset(s, 0, sizeof *s);
}
