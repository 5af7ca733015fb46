/* The environment.  See environment.h.
 *
 * Clusters set OMP_PROC_BIND, OMP_PLACES or GOMP_CPU_AFFINITY for all their programs.  libgomp,
 * which oneDNN brings along, then binds the first thread of a process to one core in its
 * constructor, before main, and with it every thread that we start and every program: all trials on
 * one core.  What the process had been given is not to be known any more by then, so that neither
 * setting it again nor executing ourselves anew would help.
 *
 * The functions of .preinit_array are called before the constructor of any library (System V ABI,
 * "Initialization and Termination Functions"), and get the very array that getenv looks at.  Ours
 * takes those variables out, and keeps them for programs. */
#include "host/base/environment.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TAKEN_MAX = 16 };

static char *taken[TAKEN_MAX]; /* [n_taken] */
static int n_taken;

/* No sanitizer, and no function of a library: none of them is ready yet. */
#define BEFORE_ALL __attribute__((no_sanitize("address", "thread", "undefined")))

/* Also with _ALL, _DEV, _DEV_0 behind it, as OpenMP 5.2 has them for devices. */
BEFORE_ALL static bool binds(const char *variable)
{
  static const char names[][20] = {"OMP_PROC_BIND", "OMP_PLACES", "GOMP_CPU_AFFINITY"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    const char *v = variable, *name = names[i];
    while (*name && *v == *name) v++, name++;
    if (!*name && (*v == '=' || *v == '_')) return true;
  }
  return false;
}

BEFORE_ALL static void take_out(int argc, char **argv, char **variables)
{
  char **kept = variables;
  (void)argc, (void)argv;
  for (char **v = variables; *v; v++) {
    if (n_taken < TAKEN_MAX && binds(*v))
      taken[n_taken++] = *v;
    else
      *kept++ = *v;
  }
  *kept = NULL;
}

__attribute__((section(".preinit_array"), used)) static void (*const first)(int, char **, char **) = take_out;

static bool has_name(char *const *variables, const char *variable)
{
  size_t n = strcspn(variable, "=") + 1;
  for (; *variables; variables++)
    if (!strncmp(*variables, variable, n)) return true;
  return false;
}

char **environment_for_programs(const char *const *defaults)
{
  size_t n = 0, more = 0;
  while (environ && environ[n]) n++;
  while (defaults[more]) more++;
  char **all = calloc(n + (size_t)n_taken + more + 1, sizeof *all);
  if (!all) return NULL;
  if (n > 0) memcpy(all, environ, n * sizeof *all);
  for (int i = 0; i < n_taken; i++) all[n++] = taken[i];
  for (size_t i = 0; i < more; i++)
    if (!has_name(all, defaults[i])) all[n++] = (char *)defaults[i];
  return all;
}
