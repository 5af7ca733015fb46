/* The cache of unpacked data: large files of bytes that several processes map, made again whenever
 * in doubt.
 *
 * A cached file is written under another name in the same folder, synced, and renamed to NAME; then
 * NAME.txt, a short text with the size and the hash of the bytes, what they were made from and
 * whatever the maker adds, is written in the same way.  A file counts only with its text, and only
 * if size and hash agree.  The time of the text is when it was used last.  Two processes that make
 * the same file at once each write their own; the last rename wins, both map good bytes.  Where the
 * folder cannot be written, or the disk is full, the same calls hand out memory instead: a cache
 * never makes anything fail.
 *
 * What is made piece by piece (images) is written under .part-NAME, locked, and stays when its
 * maker is interrupted or killed: who makes the same file next finds the pieces that are good by
 * their hashes.
 *
 * Names begin with what the file was made from (a path and settings), followed by the state it was
 * made from (names, sizes, times), so that a newer state replaces an older one. */
#ifndef GSOS_DATA_CACHE_H
#define GSOS_DATA_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/base/error.h"
#include "host/data/data_block.h"

/* 64-bit hash of `size` bytes, continued from `hash` (start with 0).  Four lanes of 64-bit
 * little-endian words (the last ones filled up with zeros), each h <- rotl((h ^ word) * P, 29) with
 * P = 0x9E3779B185EBCA87 and lane i started at hash + i * P; the lanes are folded in order by the
 * same step, then the size, and h ^= h >> 32 ends it.  Not cryptographic: it tells data sets apart
 * and finds damage. */
uint64_t data_hash(uint64_t hash, const void *bytes, size_t size);

enum { CACHE_PATH_MAX = 1400, CACHE_FROM_MAX = 1200 };

/* Told now and then while data are read and unpacked: `what` is done, `done` of `total`; total 0:
 * only asked.  Returns true to stop (ERROR_INTERRUPTED). */
typedef bool (*data_progress)(void *context, const char *what, int64_t done, int64_t total);

struct data_cache {
  char folder[1024];      /* empty: none can be used */
  char why[300];          /* why not */
  data_progress progress; /* asked while a file of it is made; NULL: nobody */
  void *progress_context;
};

/* ERROR_INTERRUPTED where whoever is asked wants to stop; else 0. */
int data_cache_go_on(const struct data_cache *c, struct error *e);

/* `folder` or, where that is empty, $XDG_CACHE_HOME/gsos or ~/.cache/gsos; made where it is
 * missing.  Never fails. */
void data_cache_open(struct data_cache *c, const char *folder);
/* The same, but makes nothing: to look at what is there. */
void data_cache_find_folder(struct data_cache *c, const char *folder);

/* A file in the making. */
struct cache_file {
  uint8_t *bytes; /* [size], to be written by the caller */
  size_t size;
  /* [n_pieces] cache_file_create_pieces: hashes of those that are there, 0 for the others; NULL:
   * none can be kept */
  uint64_t *pieces;
  size_t mapped; /* bytes and pieces */
  const struct data_cache *cache;
  int fd;
  char temporary[CACHE_PATH_MAX], name[128];
  char from[CACHE_FROM_MAX];
};

/* Room for `size` bytes, on disk (reserved, so that a full disk is found here) or else in memory.
 * `from`: the path of what they are made from, for people.  ERROR_MACHINE where neither has
 * room. */
int cache_file_create(struct cache_file *f, const struct data_cache *c, const char *name, const char *from, size_t size,
                      struct error *e);
/* The same for bytes that are made piece by piece, or go on being made: where pieces[i] is
 * cache_piece_hash of what piece i should have, it need not be made again; the maker sets it behind
 * the piece's bytes.  From any thread, each piece in one. */
int cache_file_create_pieces(struct cache_file *f, const struct data_cache *c, const char *name, const char *from,
                             size_t size, int n_pieces, struct error *e);
uint64_t cache_piece_hash(const uint8_t *bytes, size_t size); /* never 0 */
/* Keeps the first `size` bytes (<= f->size), hands them out read-only in `b`, and publishes them
 * under the name with `text` (lines; may be ""). What goes wrong with publishing is nobody's error:
 * the bytes are good all the same. */
void cache_file_commit(struct cache_file *f, size_t size, const char *text, struct data_block *b);
void cache_file_abort(struct cache_file *f);   /* accepts a zero-initialised or committed struct */
void cache_file_suspend(struct cache_file *f); /* the same, but what has pieces stays to go on from */

/* Finds NAME, whole and undamaged: maps it and returns true; *text (malloc'ed) is what the maker
 * added. */
bool data_cache_find(const struct data_cache *c, const char *name, struct data_block *b, char **text);

/* Removes files whose name begins with `prefix` but not with `keep` (older states of the same
 * thing), temporaries that a dead process left more than a day ago, and what was begun and not gone
 * on with for 30 days. */
void data_cache_clean(const struct data_cache *c, const char *prefix, const char *keep);

/* What lies in the cache, for people. */
struct cache_entry {
  char name[256];
  char from[CACHE_FROM_MAX]; /* escaped; "" where it is not known */
  int64_t bytes;             /* on disk, the text included */
  int64_t used;              /* seconds since 1970: when it was last used, or written to */
  bool unfinished;           /* begun, and not published */
};
/* All entries, the one used last first; *entries malloc'ed [*n].  Files that are not the cache's
 * own are left out.  A folder that is not there holds nothing. */
int data_cache_list(const struct data_cache *c, struct cache_entry **entries, int *n, struct error *e);
/* Removes one.  A run that has it mapped keeps its bytes; what is being written is left (false, as
 * where it cannot be removed). */
bool data_cache_remove(const struct data_cache *c, const struct cache_entry *entry);

#endif
