/* "did you mean": the known word that a mistyped one is nearest to. */
#ifndef GSOS_SPELLING_H
#define GSOS_SPELLING_H

/* The candidate nearest to `word` by edits (insert, delete, replace, swap of neighbours; letters in
 * either case are equal), or one that `word` begins; NULL where none is near enough to be meant.
 * candidates [n], NULL entries are skipped; ties go to the first. */
const char *nearest_word(const char *word, const char *const *candidates, int n);

#endif
