/* What the tests of reports share: studies and trials by hand, what is printed of them. */
#ifndef GSOS_REPORT_FIXTURE_H
#define GSOS_REPORT_FIXTURE_H

#include "tests/unit/store/store_fixture.h"

#include "host/report/report.h"
#include "host/store/study_attributes.h"
#include "tests/unit/report/tidy.h"

/* ---- studies by hand ------------------------------------------------------------------------- */

__attribute__((unused)) static int make_record_study(struct store *s, const char *strategy, int round, int trials,
                                                     struct study_record *r)
{
  char name[80];
  memset(r, 0, sizeof *r);
  snprintf(name, sizeof name, "quick/%s/%d", strategy, round);
  int id = make_study(s, name);
  r->ours = true;
  snprintf(r->version, sizeof r->version, "1.2.3");
  snprintf(r->experiment, sizeof r->experiment, "quick");
  snprintf(r->strategy, sizeof r->strategy, "%s", strategy);
  r->round = round;
  r->trials = trials;
  snprintf(r->objective, sizeof r->objective, "cnn");
  snprintf(r->value_name, sizeof r->value_name, "validation accuracy");
  snprintf(r->depends_on, sizeof r->depends_on, "cpu, avx2, oneDNN 3.1");
  r->n_groups = 2;
  snprintf(r->groups[0], SPACE_NAME_MAX, "first");
  snprintf(r->groups[1], SPACE_NAME_MAX, "second");
  return id;
}

/* A trial at the defaults that ended so. */
__attribute__((unused)) static struct stored_trial trial_of(int number, double value, double loss, double seconds)
{
  struct stored_trial t = {.number = number,
                           .state = STORED_COMPLETE,
                           .value = value,
                           .loss = loss,
                           .seconds = seconds,
                           .wall_s = seconds / 2,
                           .epochs = 3,
                           .images = 1000,
                           .flops = 1e9,
                           .group = -1};
  space_defaults(&fixture_space, t.values);
  return t;
}

__attribute__((unused)) static void add_trial(struct store *s, int study, struct stored_trial t)
{
  assert_ok(store_trial_start(s, study, &fixture_space, &t, &err));
  if (t.state != STORED_RUNNING) assert_ok(store_trial_end(s, study, &t, &err));
}

__attribute__((unused)) static void add_failed(struct store *s, int study, int number, const char *reason)
{
  struct stored_trial t = trial_of(number, NAN, NAN, 1);
  t.state = STORED_FAIL;
  snprintf(t.reason, sizeof t.reason, "%s", reason);
  add_trial(s, study, t);
}

__attribute__((unused)) static struct report load(void)
{
  struct report r;
  struct store *s;
  assert_ok(store_open(&s, db_path, true, NULL, &err));
  assert_ok(report_load(&r, s, &err));
  store_close(s);
  return r;
}

static char *printed; /* of the last print_with */

__attribute__((unused)) static void print_with(void (*print)(FILE *, const struct report *), const struct report *r)
{
  size_t size;
  free(printed);
  FILE *out = open_memstream(&printed, &size);
  print(out, r);
  fclose(out);
}

/* Is there a line of these words, whatever blanks are between them? */
__attribute__((unused)) static void assert_row(const char *words)
{
  char squeezed[512];
  for (const char *line = printed; *line; line += strcspn(line, "\n") + 1) {
    size_t used = 0;
    for (const char *p = line; *p && *p != '\n' && used + 2 < sizeof squeezed; p++) {
      if (*p == ' ' && (used == 0 || squeezed[used - 1] == ' ')) continue;
      squeezed[used++] = *p;
    }
    squeezed[used] = 0;
    if (!strcmp(squeezed, words)) return;
  }
  fail_msg("no row '%s' in:\n%s", words, printed);
}

#endif
