/* Two names of one file. */
#ifndef GSOS_FILE_SAME_H
#define GSOS_FILE_SAME_H

#include <stdbool.h>

/* Do both name one file or folder?  By what is there, links followed; of what is not there yet, by
 * its folder and its name in it.  False where that cannot be told. */
bool file_same(const char *a, const char *b);

#endif
