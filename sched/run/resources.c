/* Cores and memory from /proc and the control groups, versions 1 and 2.  A process's limit is the
 * tightest one of its group and those above it; inside a container its own group may appear as the
 * root of the hierarchy, so that is looked at as well. */
#include "sched/run/resources.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/base/cpu_cores.h"

/* ---- control groups -------------------------------------------------------------------------- */

/* The first number, or two, of a file; how many were read.  "max" reads as -1. */
static int read_numbers(const char *folder, const char *name, int64_t number[2])
{
  char path[PATH_MAX], text[128] = "";
  if (snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path) return 0;
  FILE *f = fopen(path, "re");
  if (!f) return 0;
  int n = 0;
  if (fgets(text, sizeof text, f)) {
    for (char *save = NULL, *word = strtok_r(text, " \n", &save); word && n < 2; word = strtok_r(NULL, " \n", &save))
      number[n++] = strcmp(word, "max") ? strtoll(word, NULL, 10) : -1;
  }
  fclose(f);
  return n;
}

/* A line "KEY NUMBER" of memory.stat. */
static int64_t read_stat(const char *folder, const char *key)
{
  char path[PATH_MAX], word[64];
  long long number;
  int64_t found = 0;
  if (snprintf(path, sizeof path, "%s/memory.stat", folder) >= (int)sizeof path) return 0;
  FILE *f = fopen(path, "re");
  if (!f) return 0;
  while (fscanf(f, "%63s %lld", word, &number) == 2)
    if (!strcmp(word, key)) found = number;
  fclose(f);
  return found;
}

struct limits {
  int64_t memory; /* bytes left */
  double cores;
};

static void tighten(struct limits *l, const char *folder)
{
  int64_t limit[2], used[2], period[2];
  bool two = read_numbers(folder, "memory.max", limit) >= 1 && read_numbers(folder, "memory.current", used) >= 1;
  bool one = !two && read_numbers(folder, "memory.limit_in_bytes", limit) >= 1 &&
             read_numbers(folder, "memory.usage_in_bytes", used) >= 1;
  if ((two || one) && limit[0] >= 0 && limit[0] < INT64_MAX / 2) {
    /* pages of files that nobody has touched for a while are given back first */
    int64_t left = limit[0] - used[0] + read_stat(folder, one ? "total_inactive_file" : "inactive_file");
    if (left < 0) left = 0;
    if (left < l->memory) l->memory = left;
  }
  if (read_numbers(folder, "cpu.max", limit) == 2 && limit[0] > 0 && limit[1] > 0) {
    if ((double)limit[0] / (double)limit[1] < l->cores) l->cores = (double)limit[0] / (double)limit[1];
  } else if (read_numbers(folder, "cpu.cfs_quota_us", limit) >= 1 && limit[0] > 0 &&
             read_numbers(folder, "cpu.cfs_period_us", period) >= 1 && period[0] > 0) {
    if ((double)limit[0] / (double)period[0] < l->cores) l->cores = (double)limit[0] / (double)period[0];
  }
}

/* A group and those above it. */
static void tighten_path(struct limits *l, const char *mount, const char *group)
{
  char folder[PATH_MAX];
  if (snprintf(folder, sizeof folder, "%s%s", mount, group) >= (int)sizeof folder) return;
  size_t root = strlen(mount);
  for (;;) {
    tighten(l, folder);
    char *slash = strrchr(folder, '/');
    if (!slash || (size_t)(slash - folder) < root) return;
    *slash = 0;
  }
}

static struct limits group_limits(void)
{
  struct limits l = {INT64_MAX, 1e9};
  char line[PATH_MAX];
  FILE *f = fopen("/proc/self/cgroup", "re");
  if (!f) return l;
  while (fgets(line, sizeof line, f)) { /* ID:CONTROLLERS:PATH */
    line[strcspn(line, "\n")] = 0;
    char *controllers = strchr(line, ':'), *path = controllers ? strchr(controllers + 1, ':') : NULL;
    if (!path) continue;
    *controllers++ = 0;
    *path++ = 0;
    if (!strcmp(path, "/")) path[0] = 0;
    if (!*controllers) {
      tighten_path(&l, "/sys/fs/cgroup", path);
      tighten_path(&l, "/sys/fs/cgroup/unified", path);
    } else {
      if (strstr(controllers, "memory")) tighten_path(&l, "/sys/fs/cgroup/memory", path);
      if (strstr(controllers, "cpu")) tighten_path(&l, "/sys/fs/cgroup/cpu", path);
    }
  }
  fclose(f);
  return l;
}

/* ---- what is left ---------------------------------------------------------------------------- */

int machine_cores(void)
{
  int cores = cpu_cores();
  double quota = group_limits().cores;
  if (quota < cores) cores = (int)(quota + 0.999);
  return cores < 1 ? 1 : cores;
}

int64_t machine_memory_available(void)
{
  int64_t available = group_limits().memory;
  char line[200];
  long long kilobytes;
  FILE *f = fopen("/proc/meminfo", "re");
  while (f && fgets(line, sizeof line, f))
    if (sscanf(line, "MemAvailable: %lld kB", &kilobytes) == 1 && kilobytes * 1024 < available)
      available = kilobytes * 1024;
  if (f) fclose(f);
  return available;
}
