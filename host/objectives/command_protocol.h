/* What gsos and a program that it searches say to each other: a line of JSON for a trial, lines of
 * JSON back (configs/reference.ini, [command]). */
#ifndef GSOS_COMMAND_PROTOCOL_H
#define GSOS_COMMAND_PROTOCOL_H

#include "host/objectives/objective.h"
#include "host/space/space.h"

enum {
  COMMAND_LINE_MAX = 65536, /* bytes of a line of a program's, its end not counted */
  COMMAND_EPOCH_MAX = 1000000,
  COMMAND_STUDY_MAX = 120,
};

/* "grouped/0", as a request names the trial's study. */
void command_study_name(const struct trial_spec *spec, char study[COMMAND_STUDY_MAX]);

/* The line for a trial, its newline included: {"trial": 3, "study": "grouped/0", "seed": 7,
 * "params": {"lr": 0.01, ...}}.  Floats read back as the same number and have a point or an
 * exponent.  The seed is the upper half of the trial's key.  malloc'ed, NULL without memory. */
char *command_request(const struct space *s, const struct trial_spec *spec);

enum answer_kind {
  ANSWER_BLANK,    /* nothing but white space */
  ANSWER_EPOCH,    /* epoch, value */
  ANSWER_VALUE,    /* the trial's value */
  ANSWER_FAIL,     /* reason: "failed: ..." */
  ANSWER_DIVERGED, /* reason: "diverged: ..."; `epoch` where it was an epoch's value, else 0 */
  ANSWER_NONSENSE, /* reason: "nonsense: ..." */
};

struct answer {
  enum answer_kind kind;
  int epoch;
  double value;
  char reason[REASON_MAX];
};

/* What an answer's line is held against. */
struct question {
  const char *study; /* as the request names it */
  int trial;
  int line;  /* its number in the answer, from 1 */
  int epoch; /* the last one that was reported, 0 where none was */
};

/* Understands a line of an answer: `n` bytes, its newline not among them.  Numbers that are not
 * finite are understood in the ways in which languages print them; only where the value is one has
 * the trial diverged.  An answer that names a trial or a study must name the question's.  Reasons
 * are UTF-8, with whatever control characters the program wrote. */
void command_answer(const char *line, size_t n, const struct question *q, struct answer *a);

/* Is it nothing but white space? */
bool command_line_is_blank(const char *line, size_t n);

/* The last lines of `n` bytes of text, such that they fit into out[size], as UTF-8, with " | "
 * between them; the last one is cut at its end where it alone is too long.  "" where there is
 * none. */
void command_last_lines(const char *bytes, size_t n, char *out, size_t size);

#endif
