/* A folder of its own for each test, removed at the end.  Included by test programs that make files
 * of every kind; everything is static. */
#ifndef GSOS_TEST_ROOT_FIXTURE_H
#define GSOS_TEST_ROOT_FIXTURE_H

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char root[512]; /* of the running test */

/* cmocka set-up. */
static int make_root(void **state)
{
  (void)state;
  const char *base = getenv("TMPDIR");
  snprintf(root, sizeof root, "%s/gsos-root-XXXXXX", base && *base ? base : "/tmp");
  alarm(120); /* what waits for a pipe waits for ever */
  return mkdtemp(root) ? 0 : -1;
}

/* cmocka tear-down. */
static int remove_root(void **state)
{
  (void)state;
  char command[600];
  alarm(0);
  snprintf(command, sizeof command, "rm -r '%s'", root);
  return system(command);
}

/* A path in the folder, till the next call. */
static const char *at(const char *name)
{
  static char path[PATH_MAX];
  snprintf(path, sizeof path, "%s/%s", root, name);
  return path;
}

#endif
