/* A table of several runs.  See report.h. */
#include "host/report/report.h"

#include <stdbool.h>
#include <stdio.h>

#include "host/base/text_escape.h"
#include "host/base/text_table.h"
#include "host/report/report_internal.h"

void report_run_columns(struct text_table *t)
{
  text_table_column(t, "run", false);
  text_table_column(t, "trials", true);
  text_table_column(t, "state", false);
  text_table_column(t, "best value", true);
  text_table_column(t, "test", true);
  text_table_column(t, "strategy", false);
}

/* Of all its studies: how far the run is. */
static const char *state(const struct report *r)
{
  int finished = 0, running = 0, ours = 0;
  for (int i = 0; i < r->n; i++) {
    const struct report_study *s = &r->studies[i];
    if (!s->record.ours) continue;
    ours++;
    if (s->finished) finished++;
    if (!s->finished && !s->gone[0] && s->running > 0) running++;
  }
  if (ours == 0) return r->n || r->n_left_out ? "another program's" : "nothing yet";
  if (running > 0) return "running";
  return finished == ours ? "finished" : "unfinished";
}

static void trials_cell(struct text_table *t, const struct report *r)
{
  int ended = 0, asked = 0;
  for (int i = 0; i < r->n; i++) {
    ended += report_ended(&r->studies[i]);
    asked += r->studies[i].record.ours ? r->studies[i].record.trials : r->studies[i].n;
  }
  if (ended == asked)
    text_table_cellf(t, "%d", ended);
  else
    text_table_cellf(t, "%d of %d", ended, asked);
}

void report_run_row(struct text_table *t, const char *name, const struct report *r)
{
  char text[1000], number[REPORT_TEXT];
  text_table_cell(t, text_escape(text, sizeof text, name));
  trials_cell(t, r);
  text_table_cell(t, state(r));
  int best = report_best(r);
  if (best < 0) {
    for (int column = 0; column < 3; column++) text_table_cell(t, "-");
    return;
  }
  const struct report_study *s = &r->studies[best];
  double test;
  report_value_text(s, s->trials[s->best].value, number);
  text_table_cell(t, number);
  if (report_test_value(s, &test))
    report_value_text(s, test, number);
  else
    number[0] = '-', number[1] = '\0';
  text_table_cell(t, number);
  text_table_cell(t, s->record.ours ? text_escape(text, sizeof text, s->record.strategy) : "-");
}
