/* What a command may write.  See output_file.h. */
#include "sched/commands/output_file.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/base/file_open.h"
#include "host/base/file_replace.h"
#include "host/base/file_same.h"
#include "host/base/text_escape.h"
#include "host/experiment/experiment.h"
#include "sched/commands/runs_below.h"

/* ---- the kind, by how a file begins ---------------------------------------------------------- */

enum { HEAD = 4096 };

/* "\b", the version of the format, the name of the program: as protobuf has the fields 1 and 2. */
static bool begins_onnx(const char *head, size_t n)
{
  return n > 8 && head[0] == 0x08 && !memcmp(head + 2, "\x12\x04gsos", 6);
}

/* The length of a JSON object, that object, and in it who wrote it. */
static bool begins_network(const char *head, size_t n)
{
  static const char writer[] = "\"gsos_version\"";
  return n > 8 && head[8] == '{' && memmem(head, n, writer, sizeof writer - 1);
}

static bool begins_page(const char *head, size_t n)
{
  static const char begins[] = "<!DOCTYPE html>", writer[] = "<meta name=\"generator\" content=\"gsos ";
  return n >= sizeof begins && !memcmp(head, begins, sizeof begins - 1) && memmem(head, n, writer, sizeof writer - 1);
}

static const struct {
  const char *name, *begins;
  bool (*is)(const char *head, size_t n); /* NULL: by `begins` */
} kinds[] = {[OUTPUT_RUN_INI] = {"an experiment as a run writes it", EXPERIMENT_RUN_INI_BEGINS, NULL},
             [OUTPUT_PAGE] = {"a page that gsos wrote", NULL, begins_page},
             [OUTPUT_NETWORK] = {"a network that gsos wrote", NULL, begins_network},
             [OUTPUT_CONFIGURATION] = {"a configuration that gsos wrote", EXPERIMENT_BEST_INI_BEGINS, NULL},
             [OUTPUT_CONFUSION] = {"a table of classes", "class,", NULL},
             [OUTPUT_TABLES] = {"the tables of a run", "Table 3: cost and time", NULL},
             [OUTPUT_ROWS] = {"a table of a run", "study,strategy,round,trial,", NULL},
             [OUTPUT_TIMELINE] = {"the timeline of a run", "[\n{\"name\": \"gsos\"", NULL},
             [OUTPUT_ONNX] = {"an ONNX file of gsos", NULL, begins_onnx},
             [OUTPUT_TORCH] = {"a module that gsos wrote", "\"\"\"A network that gsos trained", NULL}};

/* An empty file is of any kind, as mktemp makes one. */
static bool is_of_kind(const char *path, enum output_kind kind)
{
  char head[HEAD];
  FILE *in = file_open_to_read(path);
  if (!in) return access(path, F_OK) != 0;
  size_t n = fread(head, 1, sizeof head, in);
  fclose(in);
  if (n == 0) return true;
  if (kinds[kind].is) return kinds[kind].is(head, n);
  size_t length = strlen(kinds[kind].begins);
  return n >= length && !memcmp(head, kinds[kind].begins, length);
}

int output_plots_check(const char *option, const char *path, struct error *e)
{
  static const char begins[] = "# The figures of ";
  char script[PATH_MAX], head[sizeof begins] = "", shown[600];
  bool empty = true;
  DIR *folder = opendir(path);
  if (!folder) return 0; /* none, or what is in the way is told where it is to be written */
  for (struct dirent *entry; (entry = readdir(folder));) empty = empty && entry->d_name[0] == '.';
  closedir(folder);
  snprintf(script, sizeof script, "%s/plots.gp", path);
  FILE *in = file_open_to_read(script);
  size_t n = in ? fread(head, 1, sizeof begins - 1, in) : 0;
  if (in) fclose(in);
  if (empty || (n == sizeof begins - 1 && !memcmp(head, begins, n))) return 0;
  return error_set(e, ERROR_CONFIG,
                   "%s: %s holds files that are no figures of gsos, whose place it is; choose another output", option,
                   text_escape(shown, sizeof shown, path));
}

/* ---- files of a run -------------------------------------------------------------------------- */

/* Those whose kind a command writes as well, and what SQLite keeps beside a database. */
static bool is_name_of_run(const char *name)
{
  static const char *const names[] = {"best.safetensors", "best.ini", EXPERIMENT_RUN_INI, "report.html"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (!strcmp(name, names[i])) return true;
  return !strncmp(name, "study.db", strlen("study.db"));
}

/* The folder that a file is in; returns where the file's own name begins. */
static const char *split(const char *path, char folder[PATH_MAX])
{
  const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
  snprintf(folder, PATH_MAX, "%.*s", slash ? (int)(name - path) : 1, slash ? path : ".");
  return name;
}

/* Is it a file that the run keeps whose output folder it lies in, or lies below: OUTPUT/best.ini,
 * OUTPUT/networks/grouped-0/trial-7.safetensors? */
static bool is_of_a_run(const char *path)
{
  char folder[PATH_MAX];
  const char *name = split(path, folder);
  char *real = realpath(folder, NULL);
  if (!real) return false; /* there is nothing yet */
  bool is = is_name_of_run(name) && run_is_in(real);
  char *last = strrchr(real, '/');
  if (!is && last) {
    *last = 0;
    char *above = strrchr(real, '/');
    is = above && !strcmp(above, "/networks") && (*above = 0, run_is_in(real));
  }
  free(real);
  return is;
}

/* ---- the rule -------------------------------------------------------------------------------- */

/* Would it, or what it is first written as (file_replace.h), be written over? */
static bool is_written_over(const char *path, const char *input)
{
  char temporary[PATH_MAX];
  snprintf(temporary, sizeof temporary, "%s.tmp", path);
  return file_same(path, input) || file_same(temporary, input);
}

static bool can_be_written_in(const char *path, bool makes_folder)
{
  char folder[PATH_MAX];
  split(path, folder);
  return access(folder, W_OK | X_OK) == 0 || (makes_folder && errno == ENOENT);
}

int output_file_check(const struct output_file *f, struct error *e)
{
  char shown[600], other[600];
  struct stat st;
  text_escape(shown, sizeof shown, f->path);
  for (int i = 0; i < f->n_inputs; i++)
    if (f->inputs[i] && f->inputs[i][0] && is_written_over(f->path, f->inputs[i]))
      return error_set(e, ERROR_CONFIG, "%s %s: would be written over %s, which is being read; give another name",
                       f->option, shown, text_escape(other, sizeof other, f->inputs[i]));
  if (stat(f->path, &st) == 0 && S_ISDIR(st.st_mode))
    return error_set(e, ERROR_CONFIG, "%s %s: is a folder; %s", f->option, shown,
                     f->of_this_run ? "a file of this name is to be written, so take it away, or choose "
                                      "another output"
                                    : "give the name of a file");
  if (!can_be_written_in(f->path, f->makes_folder)) {
    error_errno(e, "%s %s: its folder cannot be written to", f->option, shown);
    return e->code = ERROR_CONFIG;
  }
  if (file_replace_check(f->path, e)) {
    e->code = ERROR_CONFIG;
    return error_prefix(e, "%s", f->option);
  }
  if (f->kind != OUTPUT_ANY && !is_of_kind(f->path, f->kind))
    return error_set(e, ERROR_CONFIG,
                     "%s %s: is there already and is not %s, so it is not written over; give another name", f->option,
                     shown, kinds[f->kind].name);
  if (!f->of_this_run && is_of_a_run(f->path))
    return error_set(e, ERROR_CONFIG,
                     "%s %s: is the name of a file that the run in its folder keeps; give another name", f->option,
                     shown);
  return 0;
}
