/* Making folders.  See folder.h. */
#include "host/base/folder.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

int folder_make(const char *path)
{
  char part[PATH_MAX];
  struct stat st;
  if (strlen(path) >= sizeof part) {
    errno = ENAMETOOLONG;
    return -1;
  }
  strcpy(part, path);
  for (char *c = part; *c; c++) {
    if (*c != '/' || c == part) continue;
    *c = 0;
    mkdir(part, 0777); /* where this fails for good, so does the next one, which tells why */
    *c = '/';
  }
  if (mkdir(part, 0777) == 0) return 0;
  if (errno != EEXIST || stat(part, &st) != 0) return -1;
  if (S_ISDIR(st.st_mode)) return 0;
  errno = ENOTDIR;
  return -1;
}
