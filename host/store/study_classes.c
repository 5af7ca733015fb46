/* The confusion matrix and the surest mistakes of a study's best network in its database.
 *
 * The matrix is a text, not a list of JSON, because a list takes a hundred times its bytes of
 * memory while it is read, and a matrix of a thousand classes has a hundred thousand cells.  A
 * database may come from anywhere: what does not hold together reads as nothing. */
#include "host/store/study_classes.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host/store/store_internal.h"
#include "host/store/study_attributes.h"

enum {
  CONFUSION_BYTES_MAX = 32 << 20, /* a cell takes about 12 bytes, and there is one an image at most */
  MISTAKES_BYTES_MAX = 1 << 14,
  CLASSES_READ_MAX = 1 << 16,
};

/* ---- writing --------------------------------------------------------------------------------- */

static void write_confusion(FILE *out, const struct class_counts *c, int trial)
{
  fprintf(out, "trial %d\n", trial);
  if (c->top_k) fprintf(out, "top %d %lld\n", c->top_k, (long long)c->top_right);
  for (int i = 0; i < c->classes; i++) {
    fputs("class ", out);
    for (const char *name = c->names[i]; *name; name++) fputc(*name == '\n' ? ' ' : *name, out);
    fputc('\n', out);
  }
  for (size_t i = 0; i < c->n_cells; i++)
    fprintf(out, "%d %d %lld\n", c->cells[i].label, c->cells[i].said, (long long)c->cells[i].count);
}

char *study_confusion_json(const struct class_counts *c, int trial)
{
  char *text = NULL, *json = NULL;
  size_t size;
  FILE *out = open_memstream(&text, &size);
  if (!out) return NULL;
  write_confusion(out, c, trial);
  if (fclose(out) == 0) json = store_json_string(text);
  free(text);
  return json;
}

char *study_mistakes_json(const struct class_counts *c, int trial)
{
  char *text = NULL;
  size_t size;
  FILE *out = open_memstream(&text, &size);
  if (!out) return NULL;
  fprintf(out, "{\"trial\": %d, \"images\": [", trial);
  for (int i = 0; i < c->n_mistakes; i++) {
    const struct class_mistake *m = &c->mistakes[i];
    char probability[40];
    store_json_number(m->probability, probability, sizeof probability);
    fprintf(out, "%s{\"image\": %d, \"class\": %d, \"taken_for\": %d, \"probability\": %s}", i ? ", " : "", m->image,
            m->label, m->said, probability);
  }
  fputs("]}", out);
  return fclose(out) == 0 ? text : (free(text), NULL);
}

/* ---- reading --------------------------------------------------------------------------------- */

/* The numbers [n] of a line, and nothing else, each 0 ... max. */
static bool take_numbers(const char *line, long long *numbers, int n, long long max)
{
  for (int i = 0; i < n; i++) {
    char *end;
    errno = 0;
    numbers[i] = strtoll(line, &end, 10);
    if (end == line || errno || numbers[i] < 0 || numbers[i] > max) return false;
    line = end;
  }
  return *line == 0;
}

/* Of the text, whose lines are ended by zeros then: *names [CLASSES_READ_MAX] out, which point into
 * it, and where the cells begin.  NULL where it makes no sense. */
static char *take_head(char *text, int trial, struct class_counts *c, char **names)
{
  long long numbers[2];
  bool named = false;
  c->classes = c->top_k = 0;
  for (char *line = text, *end; *line; line = end) {
    if (named && strncmp(line, "class ", 6) != 0) return c->classes ? line : NULL;
    end = line + strcspn(line, "\n");
    if (!*end) return NULL;
    *end++ = 0;
    if (line == text) {
      if (strncmp(line, "trial ", 6) || !take_numbers(line + 6, numbers, 1, INT32_MAX) || numbers[0] != trial)
        return NULL;
    } else if (!strncmp(line, "top ", 4)) {
      if (!take_numbers(line + 4, numbers, 2, INT32_MAX)) return NULL;
      c->top_k = (int)numbers[0];
      c->top_right = numbers[1];
    } else if (!strncmp(line, "class ", 6) && c->classes < CLASSES_READ_MAX) {
      names[c->classes++] = line + 6;
      named = true;
    } else {
      return NULL;
    }
  }
  return NULL; /* there is no cell */
}

static int take_cells(char *line, struct class_counts *c, bool *good, struct error *e)
{
  long long cell[3];
  int code = 0;
  for (char *end; *line && *good && !code; line = end) {
    end = line + strcspn(line, "\n");
    if (*end) *end++ = 0;
    *good = take_numbers(line, cell, 3, INT32_MAX) && cell[0] < c->classes && cell[1] < c->classes && cell[2] > 0;
    if (*good) code = class_counts_add(c, (int)cell[0], (int)cell[1], cell[2], e);
  }
  return code;
}

/* *good out: that the text is whole and is of that network. */
static int take_confusion(char *text, const struct study_test *test, struct class_counts *c, bool *good,
                          struct error *e)
{
  char **names = malloc(CLASSES_READ_MAX * sizeof *names);
  struct class_counts head = {0};
  *good = false;
  if (!names) return error_set(e, ERROR_MACHINE, "no memory for the classes of a study");
  char *cells = take_head(text, test->trial, &head, names);
  int code = cells ? class_counts_begin(c, head.classes, names, e) : 0;
  free(names);
  if (code || !cells) return code;
  *good = true;
  code = take_cells(cells, c, good, e);
  class_counts_end(c);
  c->top_k = head.top_k;
  c->top_right = head.top_right;
  *good = *good && c->n == test->n && c->top_right <= c->n;
  return code;
}

static int read_confusion(struct store *s, int study, const struct study_test *test, struct class_counts *c,
                          struct error *e)
{
  char *text = NULL;
  bool good = false;
  int code = store_study_attribute_get(s, study, "gsos:confusion", &text, e);
  cJSON *json = NULL;
  if (!code && text && text[0] == '"' && strlen(text) <= CONFUSION_BYTES_MAX && store_utf8(text))
    json = cJSON_ParseWithOpts(text, NULL, 1);
  free(text);
  char *value = cJSON_GetStringValue(json);
  if (value) code = take_confusion(value, test, c, &good, e);
  cJSON_Delete(json);
  if (!good) class_counts_free(c);
  return code;
}

/* A whole number 0 ... max - 1 under that name. */
static bool take_whole(const cJSON *json, const char *name, int max, int *number)
{
  double value = cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(json, name));
  if (!(value >= 0 && value < max) || value != floor(value)) return false;
  *number = (int)value;
  return true;
}

static int read_mistakes(struct store *s, int study, const struct study_test *test, struct class_counts *c,
                         struct error *e)
{
  char *text = NULL;
  int trial, code = store_study_attribute_get(s, study, "gsos:mistakes", &text, e);
  cJSON *json = !code && text && strlen(text) <= MISTAKES_BYTES_MAX && store_utf8(text)
                    ? cJSON_ParseWithOpts(text, NULL, 1)
                    : NULL;
  free(text);
  const cJSON *list = cJSON_GetObjectItemCaseSensitive(json, "images");
  bool good = cJSON_IsArray(list) && take_whole(json, "trial", INT32_MAX, &trial) && trial == test->trial;
  for (const cJSON *item = good ? list->child : NULL; item && c->n_mistakes < MISTAKES_MAX; item = item->next) {
    struct class_mistake m;
    m.probability = cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(item, "probability"));
    if (take_whole(item, "image", test->n, &m.image) && take_whole(item, "class", c->classes, &m.label) &&
        take_whole(item, "taken_for", c->classes, &m.said) && m.probability >= 0 && m.probability <= 1)
      c->mistakes[c->n_mistakes++] = m;
  }
  cJSON_Delete(json);
  return code;
}

int study_classes_read(struct store *s, int study, const struct study_test *test, struct class_counts *c,
                       struct error *e)
{
  *c = (struct class_counts){0};
  if (!test->available || test->n < 1) return 0;
  int code = read_confusion(s, study, test, c, e);
  return code || c->classes == 0 ? code : read_mistakes(s, study, test, c, e);
}
