/* Folders, with all those above them: what `mkdir -p` does. */
#ifndef GSOS_FOLDER_H
#define GSOS_FOLDER_H

/* Makes `path` and what is missing above it.  Returns 0 where it is a folder afterwards, whoever
 * made it; else -1 with errno, which is ENOTDIR where something else has the name. */
int folder_make(const char *path);

#endif
