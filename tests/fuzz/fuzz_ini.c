/* Ini files and settings.
 *
 * Input: the file; behind its first zero byte the settings (--set), one behind each zero byte.
 * What is read must come through best.ini and back as the same search. */
#include "host/experiment/experiment.h"
#include "tests/fuzz/fuzz.h"

enum { SETTINGS_MAX = 8 };

/* The search keys of what an experiment's best.ini is read as; name and output are another's
 * there, and without a baseline the configuration is enqueued, which are two lines. */
static void check_round_trip(const struct experiment *x)
{
  static struct memory_file best;
  static struct experiment again;
  static double values[SPACE_MAX];
  struct error e = {0};
  char difference[400] = "";
  char *before = experiment_search_text(x);
  space_defaults(&x->space, values);
  char *text = experiment_best_ini(x, values, 7, 65536);
  if (!before || !text) abort();
  memory_file_set(&best, text, strlen(text));
  if (experiment_load(&again, best.path, NULL, 0, &e)) {
    fprintf(stderr, "best.ini: %s\n", e.message);
    abort();
  }
  char *after = experiment_search_text(&again);
  if (!after) abort();
  experiment_destroy(&again);
  if (experiment_search_compare(before, after, difference, sizeof difference) > (x->baseline ? 1 : 3)) {
    fprintf(stderr, "best.ini: %s\n", difference);
    abort();
  }
  free(after);
  free(text);
  free(before);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  static struct memory_file file;
  static struct experiment x;
  const char *settings[SETTINGS_MAX];
  struct error e = {0};
  int n = 0;
  char *text = malloc(size + 1);
  if (!text) abort();
  if (size) memcpy(text, data, size);
  text[size] = 0;
  size_t length = strlen(text);
  memory_file_set(&file, text, length);
  for (size_t at = length + 1; at < size && n < SETTINGS_MAX; at += strlen(text + at) + 1) settings[n++] = text + at;
  if (experiment_load(&x, file.path, settings, n, &e)) {
    if (!e.message[0]) abort();
  } else {
    check_round_trip(&x);
    experiment_destroy(&x);
  }
  free(text);
  return 0;
}
