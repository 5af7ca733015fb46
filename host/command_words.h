/* A command line, as an ini file gives it: its words, the program that they name, and what it is made of. */
#ifndef GSOS_COMMAND_WORDS_H
#define GSOS_COMMAND_WORDS_H

#include <stddef.h>

#include "error.h"

struct command_words {
  char **argv; /* [n], and NULL */
  int n;
  char *path; /* what is to be executed, in `folder`: argv[0] where that has a slash, else where PATH has it */
};

/* Splits at spaces; what stands in single or double quotes is one word or a part of one, with its spaces.  Nothing else is special.
 * Then looks for the program: a name with a slash starts from `folder`, one without is looked for in PATH.  ERROR_CONFIG where
 * there is no word, a quote is not closed, the folder or the program is not there, or is not executable; the message says what would
 * be right.  After an error `w` owns nothing. */
int command_words_make(struct command_words *w, const char *text, const char *folder, struct error *e);
void command_words_free(struct command_words *w); /* takes a zeroed one */

/* "python3 1f2e3d4c, train.py 5a697887": the program and the first of its arguments that is a file in `folder`, each with the CRC-32
 * of its bytes: what a result depends on beside the command line. */
void command_words_description(const struct command_words *w, const char *folder, char *text, size_t size);

#endif
