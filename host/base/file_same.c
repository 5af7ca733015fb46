/* Two names of one file.  See file_same.h. */
#include "host/base/file_same.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static bool same_inode(const char *a, const char *b)
{
  struct stat x, y;
  return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* The folder that a file is in, and where the file's own name begins. */
static const char *split(const char *path, char folder[PATH_MAX])
{
  const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
  snprintf(folder, PATH_MAX, "%.*s", slash ? (int)(name - path) : 1, slash ? path : ".");
  return name;
}

bool file_same(const char *a, const char *b)
{
  char in[2][PATH_MAX];
  return !strcmp(a, b) || same_inode(a, b) || (!strcmp(split(a, in[0]), split(b, in[1])) && same_inode(in[0], in[1]));
}
