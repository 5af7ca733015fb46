/* The table of all keys of an ini file, and values as text.  Inside the experiment's parser
 * only. */
#ifndef GSOS_EXPERIMENT_KEYS_H
#define GSOS_EXPERIMENT_KEYS_H

#include "host/experiment/experiment.h"

enum key_type {
  KEY_TEXT,       /* char []: any text */
  KEY_NAME,       /* char []: a name that a folder can have */
  KEY_PATH,       /* char []: a path; in a file, relative to the file's folder */
  KEY_PATHS,      /* char []: paths, absolute, with ", " between them; in a file, relative to its folder */
  KEY_WORD,       /* char []: one of `choices` */
  KEY_DEVICES,    /* char []: where trials run (device_list.h) */
  KEY_ENUM,       /* an enum (or bool-like int): index into `choices` */
  KEY_INT,        /* int, low ... high; with `choices` only those */
  KEY_SLOTS,      /* int, low ... high, or auto: low - 1 (where low is 1 also the number 0) */
  KEY_INT64,      /* int64_t, low ... high */
  KEY_SEED,       /* uint64_t */
  KEY_NUMBER,     /* double, low ... high, less the ends that are `open` */
  KEY_TARGET,     /* double `target`, with `has_target` */
  KEY_DURATION,   /* double, seconds: 90, 90s, 15m, 2h, 1h30m */
  KEY_SIZE,       /* int64_t, bytes: 16GiB, 512MiB */
  KEY_STRATEGIES, /* `strategies`, `n_strategies` */
  KEY_RATIO,      /* `groups_settings`: whose ratio */
  KEY_LINE,       /* a line of a section that is free (section_is_free): no field */
};

enum key_open { OPEN_NONE = 0, OPEN_LOW = 1, OPEN_HIGH = 2, OPEN_BOTH = 3 };

struct key_spec {
  struct experiment_key about;
  enum key_type type;
  size_t offset, size; /* of the field in struct experiment */
  double low, high;
  int open;                   /* enum key_open */
  const char *const *choices; /* ends with NULL */
};

extern const struct key_spec key_table[];
extern const int key_count;

/* The row, NULL where there is none.  Capitals make no difference. */
const struct key_spec *key_find(const char *section, const char *key);

/* A section whose keys are the user's names ([datasets], [space], [groups], [weights],
 * [enqueue])? */
bool section_is_free(const char *section);

/* Reads `text` into x's field.  `folder`: what relative paths start from ("" or ".": the current
 * directory).  The message of ERROR_CONFIG says what would be right; the caller puts file, section,
 * key and value before it.  Not for KEY_LINE. */
int key_parse(struct experiment *x, const struct key_spec *k, const char *text, const char *folder, struct error *e);

/* x's field as canonical text, such that key_parse gives the same field; "" where it is not given.
 * size >= 4200 */
void key_format(const struct experiment *x, const struct key_spec *k, char *text, size_t size);

/* "; did you mean 'X'?" or "", for a message. */
const char *did_you_mean(char *out, size_t size, const char *word, const char *const *candidates, int n);

#endif
