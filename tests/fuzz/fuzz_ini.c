/* Ini files and settings.
 *
 * Input: the file; behind its first zero byte the settings (--set), one behind each zero byte.
 * What is read must come through best.ini and run.ini and back as the same search. */
#include "host/experiment/experiment.h"
#include "tests/fuzz/fuzz.h"

enum { SETTINGS_MAX = 8 };

/* Reads the text as an ini file; its search keys differ from x's in as many lines at most. */
static void check_reads_back(const struct experiment *x, const char *name, char *text, int most)
{
  static struct memory_file file;
  static struct experiment again;
  struct error e = {0};
  char difference[400] = "";
  char *before = experiment_search_text(x);
  if (!before || !text) abort();
  memory_file_set(&file, text, strlen(text));
  if (experiment_load(&again, file.path, NULL, 0, &e)) {
    fprintf(stderr, "%s: %s\n", name, e.message);
    abort();
  }
  char *after = experiment_search_text(&again);
  if (!after) abort();
  experiment_destroy(&again);
  if (experiment_search_compare(before, after, difference, sizeof difference) > most) {
    fprintf(stderr, "%s: %s\n", name, difference);
    abort();
  }
  free(after);
  free(text);
  free(before);
}

/* Name and output are another's in best.ini, and without a baseline the configuration is enqueued,
 * which are two lines. */
static void check_round_trip(const struct experiment *x)
{
  static double values[SPACE_MAX];
  space_defaults(&x->space, values);
  check_reads_back(x, "best.ini", experiment_best_ini(x, values, 7, 65536), x->baseline ? 1 : 3);
  check_reads_back(x, "run.ini", experiment_run_ini(x), 0);
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
