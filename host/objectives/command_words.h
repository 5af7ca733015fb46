/* A command line, as an ini file gives it: its words, the program that they name, and what it is
 * made of. */
#ifndef GSOS_COMMAND_WORDS_H
#define GSOS_COMMAND_WORDS_H

#include <stddef.h>

#include "host/base/error.h"

struct command_words {
  char **argv; /* [n], and NULL */
  int n;
  char *path; /* what is to be executed, in `folder`: argv[0] where that has a slash, else where PATH has it */
};

/* Splits at spaces; what stands in single or double quotes is one word or a part of one, with its
 * spaces.  Nothing else is special, and a word outside quotes that a shell would take for a pipe or
 * a redirection is an error.  Then looks for the program: a name with a slash starts from `folder`,
 * one without is looked for in PATH; and for its script, where it is an interpreter.  ERROR_CONFIG
 * where there is no word, a quote is not closed, the folder, the program or the script is not
 * there, or is not executable; the message says what would be right.  After an error `w` owns
 * nothing. */
int command_words_make(struct command_words *w, const char *text, const char *folder, struct error *e);
void command_words_free(struct command_words *w); /* accepts a zero-initialised struct */

/* Looks for a program in PATH, as a shell does.  *path: malloc'ed, absolute, since the program will
 * run in another folder. */
int command_search_path(const char *word, char **path, struct error *e);

#endif
