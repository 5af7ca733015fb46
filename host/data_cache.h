/* The cache of unpacked data: large files of bytes that several processes map, made again whenever in doubt.
 *
 * A cached file is written under a temporary name in the same folder, synced, and renamed to NAME; then NAME.txt, a short
 * text with the size and the hash of the bytes and whatever the maker adds, is written in the same way.  A file counts only
 * with its text, and only if size and hash agree.  Two processes that make the same file at once each write their own
 * temporary; the last rename wins, both map good bytes.  Where the folder cannot be written, or the disk is full, the same
 * calls hand out memory instead: a cache never makes anything fail.
 *
 * Names begin with what the file was made from (a path and settings), followed by the state it was made from (names, sizes,
 * times), so that a newer state replaces an older one. */
#ifndef GSOS_DATA_CACHE_H
#define GSOS_DATA_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

/* Read-only bytes: a mapped file or memory.  Zeroed: empty. */
struct data_block {
  const uint8_t *bytes;
  size_t size;
};
void data_block_close(struct data_block *b); /* takes a zeroed block */

/* Maps the first `size` bytes of an open file. */
int data_block_map(struct data_block *b, int fd, size_t size, struct error *e);

/* 64-bit hash of `size` bytes, continued from `hash` (start with 0).  Four lanes of 64-bit little-endian words (the last
 * ones filled up with zeros), each h <- rotl((h ^ word) * P, 29) with P = 0x9E3779B185EBCA87 and lane i started at
 * hash + i * P; the lanes are folded in order by the same step, then the size, and h ^= h >> 32 ends it.  Not cryptographic:
 * it tells data sets apart and finds damage. */
uint64_t data_hash(uint64_t hash, const void *bytes, size_t size);

struct data_cache {
  char folder[1024]; /* empty: none can be used */
  char why[300];     /* why not */
};

/* `folder` or, where that is empty, $XDG_CACHE_HOME/gsos or ~/.cache/gsos; made where it is missing.  Never fails. */
void data_cache_open(struct data_cache *c, const char *folder);

/* A file in the making. */
struct cache_file {
  uint8_t *bytes; /* [size], to be written by the caller */
  size_t size;
  const struct data_cache *cache;
  int fd;
  char temporary[1200], name[128];
};

/* Room for `size` bytes, on disk (reserved, so that a full disk is found here) or else in memory.  ERROR_MACHINE where
 * neither has room. */
int cache_file_create(struct cache_file *f, const struct data_cache *c, const char *name, size_t size, struct error *e);
/* Keeps the first `size` bytes (<= f->size), hands them out read-only in `b`, and publishes them under the name with `text`
 * (lines; may be ""). What goes wrong with publishing is nobody's error: the bytes are good all the same. */
void cache_file_commit(struct cache_file *f, size_t size, const char *text, struct data_block *b);
void cache_file_abort(struct cache_file *f); /* takes a zeroed or committed one */

/* Finds NAME, whole and undamaged: maps it and returns true; *text (malloc'ed) is what the maker added. */
bool data_cache_find(const struct data_cache *c, const char *name, struct data_block *b, char **text);

/* Removes files whose name begins with `prefix` but not with `keep` (older states of the same thing), and temporaries that a
 * dead process left more than a day ago. */
void data_cache_clean(const struct data_cache *c, const char *prefix, const char *keep);

#endif
