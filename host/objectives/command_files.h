/* The files of a command line: what a result depends on beside its words. */
#ifndef GSOS_COMMAND_FILES_H
#define GSOS_COMMAND_FILES_H

#include <stdbool.h>

#include "host/objectives/command_words.h"

enum { COMMAND_PATH_MAX = 4096 };

/* "FOLDER/NAME", or the name where it is absolute; "" for a path that is too long. */
void command_join(char out[COMMAND_PATH_MAX], const char *folder, const char *name);
bool command_is_file(const char *path);

/* Is the script there that the line names for an interpreter (python3 train.py, env A=1 sh -e
 * run.sh), in the folder that env -C changes to?  ERROR_CONFIG where it is not; 0 also where it
 * cannot be told what is a script. */
int command_check_script(const struct command_words *w, const char *folder, struct error *e);

/* "python3 1f2e3d4c, train.py 5a697887": the program and every file among its arguments, each with
 * the CRC-32 of its bytes.  A file is looked for from `folder` in an argument itself, behind its =
 * (--config=a.yaml), and among its words where it is a line for a shell (sh -c 'python3 train.py').
 * What env, nice and their like start and what python3 -m names belong to it, too; a module that is
 * not in the folder is named as not covered.  Of many files, the later ones have one checksum
 * together.  size >= 500. */
void command_files_description(const struct command_words *w, const char *folder, char *text, size_t size);

#endif
