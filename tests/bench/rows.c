#include "tests/bench/rows.h"

#include <getopt.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/monotonic.h"
#include "host/cuda/device_list.h"

struct rows rows_begin(bool tiny)
{
  return (struct rows){.tiny = tiny, .limit_s = INFINITY, .began = monotonic_seconds()};
}

bool rows_option(struct rows *rows, int option)
{
  switch (option) {
  case 't':
    rows->tiny = true;
    return true;
  case 'l':
    rows->limit_s = atof(optarg);
    return rows->limit_s > 0;
  case 'j':
    rows->json = fopen(optarg, "a");
    if (!rows->json) perror(optarg);
    return rows->json != NULL;
  case 'v':
    return true;
  default:
    return false;
  }
}

bool rows_parts(int argc, char **argv, int n, const char *const *names, bool *wanted)
{
  for (int word = optind; word < argc; word++) {
    int i = 0;
    while (i < n && strcmp(argv[word], names[i]) != 0) i++;
    if (i == n) return false;
    wanted[i] = true;
  }
  return true;
}

bool rows_device(const char *program, bool harness, char *name, size_t size)
{
  char text[400];
  if (devices_count(text, sizeof text) == 0) {
    fprintf(stderr, "%s: no GPU: %s\n", program, text);
    return false;
  }
  devices_name(0, text, sizeof text);
  printf("%s\n", text);
  if (harness) printf("(no GPU: the times below are those of a harness on the CPU, and mean nothing)\n");
  char *comma = strstr(text, ", compute capability");
  if (comma) *comma = 0;
  if (name) snprintf(name, size, "%s", text);
  return true;
}

bool rows_time_is_up(struct rows *rows)
{
  if (monotonic_seconds() - rows->began < rows->limit_s) return false;
  rows->left_out++;
  return true;
}

int rows_end(struct rows *rows)
{
  if (rows->left_out) printf("%d rows left out: the time limit of %g s\n", rows->left_out, rows->limit_s);
  if (!rows->json) return 0;
  if (rows->left_out) fprintf(rows->json, "{\"kind\": \"left_out\", \"rows\": %d}\n", rows->left_out);
  return fclose(rows->json) ? 1 : 0;
}
