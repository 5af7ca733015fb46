/* Classes, copies and the noise of a data set as `gsos check` shows them, with what to doubt.
 *
 * Rules.  A part is too small where an accuracy of USUAL_ACCURACY, measured on it, has a standard
 * error above ERROR_MAX; a class is too small in a part with fewer than CLASS_IMAGES_MIN images
 * there, of which one is that share of the class's accuracy.  Two networks are compared by the
 * difference, whose error is larger still. */
#include "host/network/describe.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/text_escape.h"
#include "host/base/text_table.h"
#include "host/base/text_wrap.h"
#include "host/data/survey.h"

enum { CLASSES_SHOWN = 20, CLASS_IMAGES_MIN = 10, NAMES_SHOWN = 5, TEXT_MAX = 1600, SHOWN_MAX = 64 };
static const double USUAL_ACCURACY = 0.9, ERROR_MAX = 0.02;
static const char *const part_names[SURVEY_PARTS] = {"train", "validation", "test"};
static const char *const part_phrases[SURVEY_PARTS] = {"train", "validation", "the test"};

static void append(char *text, size_t size, const char *separator, const char *word)
{
  size_t used = strlen(text);
  text_format(text + used, size - used, "%s%s", used ? separator : "", word);
}

static const char *class_name(const struct dataset *d, int class, char shown[SHOWN_MAX])
{
  return text_escape_once(shown, SHOWN_MAX, d->class_names[class]);
}

/* ---- images of each class -------------------------------------------------------------------- */

static struct text_table *class_table(const struct dataset *d, const char *first)
{
  struct text_table *t = text_table_create();
  text_table_indent(t, 2); /* as all lines here */
  text_table_column(t, first, false);
  for (int p = 0; p < SURVEY_PARTS; p++)
    if (survey_split(d, (enum survey_part)p)->n) text_table_column(t, part_names[p], true);
  return t;
}

static void each_class(FILE *out, const struct dataset *d, const struct dataset_survey *s)
{
  struct text_table *t = class_table(d, "class");
  for (int c = 0; c < d->n_classes; c++) {
    char shown[SHOWN_MAX];
    text_table_cell(t, class_name(d, c, shown));
    for (int p = 0; p < SURVEY_PARTS; p++)
      if (survey_split(d, (enum survey_part)p)->n) text_table_cellf(t, "%d", s->count[p][c]);
  }
  text_table_print(out, t, text_width(out));
  text_table_destroy(t);
}

static int by_number(const void *a, const void *b)
{
  return *(const int *)a - *(const int *)b;
}

/* Of many classes: the largest, the one in the middle, the smallest, of each part. */
static void summed_up(FILE *out, const struct dataset *d, const struct dataset_survey *s)
{
  static const char *const rows[] = {"largest", "median", "smallest"};
  int n = d->n_classes, *sorted[SURVEY_PARTS] = {NULL}, smallest = 0;
  const int place[] = {n - 1, n / 2, 0};
  char large[SHOWN_MAX], small[SHOWN_MAX];
  struct text_table *t = class_table(d, "class");
  bool room = true;
  for (int p = 0; p < SURVEY_PARTS; p++) {
    sorted[p] = malloc((size_t)n * sizeof *sorted[p]);
    if (!sorted[p]) room = false;
    if (sorted[p])
      qsort(memcpy(sorted[p], s->count[p], (size_t)n * sizeof *sorted[p]), (size_t)n, sizeof(int), by_number);
  }
  for (int r = 0; r < 3 && room; r++) {
    text_table_cell(t, rows[r]);
    for (int p = 0; p < SURVEY_PARTS; p++)
      if (survey_split(d, (enum survey_part)p)->n) text_table_cellf(t, "%d", sorted[p][place[r]]);
  }
  if (room) text_table_print(out, t, text_width(out));
  text_table_destroy(t);
  for (int p = 0; p < SURVEY_PARTS; p++) free(sorted[p]);
  for (int c = 1; c < n; c++)
    if (s->count[SURVEY_TRAIN][c] < s->count[SURVEY_TRAIN][smallest]) smallest = c;
  int largest = survey_largest_class(s, n);
  text_wrapf(out, "  of train    ", "the largest class is \"%s\" (%d), the smallest \"%s\" (%d)",
             class_name(d, largest, large), s->count[SURVEY_TRAIN][largest], class_name(d, smallest, small),
             s->count[SURVEY_TRAIN][smallest]);
}

/* ---- what accuracies have to be weighed against ---------------------------------------------- */

static void guess_and_noise(FILE *out, const struct dataset *d, const struct dataset_survey *s)
{
  int largest = survey_largest_class(s, d->n_classes);
  char guess[300] = "", noise[300] = "", shown[SHOWN_MAX];
  for (int p = SURVEY_VALIDATION; p < SURVEY_PARTS; p++) {
    int n = survey_split(d, (enum survey_part)p)->n;
    char one[100];
    if (!n) continue;
    snprintf(one, sizeof one, "%.4f on %s", (double)s->count[p][largest] / n, part_phrases[p]);
    append(guess, sizeof guess, ", ", one);
    snprintf(one, sizeof one, "%.1f points on %s", 100 * survey_accuracy_error(USUAL_ACCURACY, n), part_phrases[p]);
    append(noise, sizeof noise, ", ", one);
  }
  text_wrapf(out, "  guessing    ", "the largest class, \"%s\", is an accuracy of %s", class_name(d, largest, shown),
             guess);
  text_wrapf(out, "  noise       ", "an accuracy of %.1f has a standard error of %s", USUAL_ACCURACY, noise);
}

/* ---- copies ---------------------------------------------------------------------------------- */

/* "train cat/1.jpg", "validation 17": by its file, or its number in the part's file, from 0. */
static void image_text(const struct dataset *d, enum survey_part part, int image, char *text, size_t size)
{
  const struct dataset_split *p = survey_split(d, part);
  char shown[200];
  if (p->names)
    snprintf(text, size, "%s", text_escape(shown, sizeof shown, p->names[p->rows[image]]));
  else
    snprintf(text, size, "%s %d", part_names[part], p->rows[image]);
}

static void example_text(const struct dataset *d, const struct survey_pair *pair, char *text, size_t size)
{
  char image[2][220], class[2][SHOWN_MAX];
  for (int i = 0; i < 2; i++) {
    const struct dataset_split *p = survey_split(d, pair->part[i]);
    image_text(d, pair->part[i], pair->image[i], image[i], sizeof image[i]);
    class_name(d, dataset_label(p, pair->image[i]), class[i]);
  }
  if (pair->other_class)
    text_format(text, size, "%s (\"%s\") = %s (\"%s\")", image[0], class[0], image[1], class[1]);
  else
    text_format(text, size, "%s = %s", image[0], image[1]);
}

static void print_copies(FILE *out, const struct dataset *d, const struct dataset_survey *s)
{
  char text[TEXT_MAX] = "", one[2 * (220 + SHOWN_MAX) + 20];
  for (int p = 0; p < SURVEY_PARTS; p++) {
    if (!s->copies[p][p]) continue;
    snprintf(one, sizeof one, "%d of %s the same as others there", s->copies[p][p], part_phrases[p]);
    append(text, sizeof text, "; ", one);
  }
  for (int p = SURVEY_VALIDATION; p < SURVEY_PARTS; p++)
    for (int q = 0; q < p; q++) {
      if (!s->copies[p][q]) continue;
      snprintf(one, sizeof one, "%d of %s also in %s", s->copies[p][q], part_phrases[p], part_phrases[q]);
      append(text, sizeof text, "; ", one);
    }
  text_wrap(out, "  identical   ", *text ? text : "none: no image is there twice");
  for (int i = 0; i < s->n_examples; i++) {
    example_text(d, &s->examples[i], one, sizeof one);
    text_wrap(out, i ? "              " : "  such as     ", one);
  }
}

/* ---- warnings -------------------------------------------------------------------------------- */

static const char *plural(int n, const char *one, const char *many)
{
  return n == 1 ? one : many;
}

/* Classes of low ... high images in a part: their number, and the first names, with their numbers
 * where those differ. */
static int classes_of(const struct dataset *d, const int *count, int low, int high, char *text, size_t size)
{
  int n = 0;
  *text = 0;
  for (int c = 0; c < d->n_classes; c++) {
    char shown[SHOWN_MAX], one[SHOWN_MAX + 20];
    if (count[c] < low || count[c] > high || n++ >= NAMES_SHOWN) continue;
    snprintf(one, sizeof one, low == high ? "\"%s\"" : "\"%s\" (%d)", class_name(d, c, shown), count[c]);
    append(text, size, ", ", one);
  }
  if (n > NAMES_SHOWN) {
    char rest[40];
    snprintf(rest, sizeof rest, "and %d more", n - NAMES_SHOWN);
    append(text, size, ", ", rest);
  }
  return n;
}

static void warn_of_part(FILE *out, const struct dataset *d, const struct dataset_survey *s, enum survey_part part)
{
  const char *phrase = part_phrases[part];
  int size = survey_split(d, part)->n,
      enough = (int)ceil(USUAL_ACCURACY * (1 - USUAL_ACCURACY) / (ERROR_MAX * ERROR_MAX) - 1e-9);
  char names[TEXT_MAX];
  if (!size) return;
  if (part != SURVEY_TRAIN && size < enough)
    text_wrapf(out, "  Warning: ",
               "%s has %d image%s: the standard error above is more than %g points, which takes %d; "
               "smaller differences between networks are mostly noise",
               phrase, size, plural(size, "", "s"), 100 * ERROR_MAX, enough);
  int n = classes_of(d, s->count[part], 0, 0, names, sizeof names);
  if (n && part == SURVEY_TRAIN)
    text_wrapf(out, "  Warning: ", "%d class%s no image to train on: %s", n, plural(n, " has", "es have"), names);
  else if (n)
    text_wrapf(out, "  Warning: ", "%d class%s no image in %s and %s not measured there: %s", n,
               plural(n, " has", "es have"), phrase, plural(n, "is", "are"), names);
  n = classes_of(d, s->count[part], 1, CLASS_IMAGES_MIN - 1, names, sizeof names);
  if (n && part == SURVEY_TRAIN)
    text_wrapf(out, "  Warning: ", "%d class%s fewer than %d images to train on: %s", n, plural(n, " has", "es have"),
               CLASS_IMAGES_MIN, names);
  else if (n)
    text_wrapf(out, "  Warning: ",
               "%d class%s fewer than %d images in %s, so that one image is more than %d points of the class's "
               "accuracy: %s",
               n, plural(n, " has", "es have"), CLASS_IMAGES_MIN, phrase, 100 / CLASS_IMAGES_MIN, names);
}

static void warn_of_copies(FILE *out, const struct dataset *d, const struct dataset_survey *s)
{
  for (int p = SURVEY_VALIDATION; p < SURVEY_PARTS; p++) {
    int known = s->copies[p][SURVEY_TRAIN], n = survey_split(d, (enum survey_part)p)->n;
    if (known)
      text_wrapf(out, "  Warning: ",
                 "%.2g %% of %s can be learnt by heart: the same images are in train; its accuracy on new images "
                 "may be lower",
                 100.0 * known / n, part_phrases[p]);
  }
  if (s->other_class)
    text_wrapf(out, "  Warning: ",
               "%d images have a copy of another class, so that no network has all of them right; are the labels?",
               s->other_class);
}

void describe_classes(FILE *out, const struct dataset *d)
{
  struct dataset_survey s;
  struct error e = {0};
  if (dataset_survey_make(&s, d, &e)) {
    text_wrapf(out, "  Warning: ", "images of each class are not shown: %s", e.message);
  } else {
    if (d->n_classes <= CLASSES_SHOWN)
      each_class(out, d, &s);
    else
      summed_up(out, d, &s);
    guess_and_noise(out, d, &s);
    print_copies(out, d, &s);
    for (int p = 0; p < SURVEY_PARTS; p++) warn_of_part(out, d, &s, (enum survey_part)p);
    warn_of_copies(out, d, &s);
  }
  dataset_survey_free(&s);
}
