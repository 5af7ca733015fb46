/* Gnuplot as a child process.  See gnuplot.h. */
#include "sched/commands/gnuplot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/child_process.h"
#include "host/base/file_open.h"
#include "host/base/text_escape.h"
#include "host/objectives/command_words.h"
#include "sched/run/signals.h"

enum { LONGEST_MS = 60000, LOOK_MS = 50 };

/* Why it did not draw: how it ended, and the first line that it wrote to standard error. */
static void tell_end(const struct child *c, bool in_time, char *why, size_t size)
{
  char said[300] = "", shown[600], status[100];
  ssize_t n = child_read(c->err, said, sizeof said - 1);
  said[n > 0 ? n : 0] = 0;
  char *line = said + strspn(said, " \n");
  line[strcspn(line, "\n")] = 0;
  child_status_text(c->status, status, sizeof status);
  text_format(why, size, "gnuplot %s%s%s", in_time ? status : "did not end within a minute", *line ? ": " : "",
              text_escape(shown, sizeof shown, line));
}

int gnuplot_run(const char *folder, const char *script, bool *drawn, char *why, size_t size, struct error *e)
{
  const struct child_setting setting = {.folder = folder};
  struct child c = {0};
  struct error start = {0};
  char *path = NULL;
  bool ended = false;
  *drawn = false;
  if (command_search_path("gnuplot", &path, &start)) {
    text_format(why, size, "gnuplot is not installed (the package gnuplot-nox, or gnuplot)");
    return 0;
  }
  char *argv[] = {"gnuplot", "-d", (char *)script, NULL}; /* without the user's own settings */
  if (child_start(&c, path, argv, &setting, &start)) {
    text_format(why, size, "gnuplot cannot be started: %s", start.message);
    free(path);
    return 0;
  }
  for (int ms = 0; ms < LONGEST_MS && !ended && !signals_stop; ms += LOOK_MS) ended = child_wait(&c, LOOK_MS);
  child_end(&c, CHILD_STOP);
  *drawn = ended && c.status == 0;
  if (!*drawn) tell_end(&c, ended, why, size);
  child_close(&c);
  free(path);
  return signals_stop && !ended ? error_set(e, ERROR_INTERRUPTED, "stopped") : 0;
}

bool gnuplot_svg_is_whole(const char *folder, const char *name, char *why, size_t size)
{
  static const char closes[] = "</svg>";
  char path[1300], tail[64] = "";
  snprintf(path, sizeof path, "%s/%s.svg", folder, name);
  FILE *in = file_open_to_read(path);
  if (in && fseek(in, -(long)(sizeof tail - 1), SEEK_END) == 0) tail[fread(tail, 1, sizeof tail - 1, in)] = 0;
  if (in) fclose(in);
  if (strstr(tail, closes)) return true;
  text_format(why, size, "gnuplot left %s.svg unfinished; is the disk full?", name);
  return false;
}
