/* What a program answers, line by line, and the line of an ini file that calls it.
 *
 * Input: the bytes of its standard output; the same bytes as its last words on standard error, and
 * as a command line. */
#include "host/objectives/command_protocol.h"
#include "host/objectives/command_words.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  char *text = malloc(size + 1), last[REASON_MAX];
  if (!text) abort();
  if (size) memcpy(text, data, size);
  text[size] = 0;
  struct question q = {.study = "grouped/0", .trial = 3};
  for (size_t at = 0; at < size;) {
    const char *end = memchr(text + at, '\n', size - at);
    size_t n = end ? (size_t)(end - text) - at : size - at;
    struct answer a;
    memset(&a, 0, sizeof a);
    if (n <= COMMAND_LINE_MAX) {
      char *line = malloc(n ? n : 1); /* of its own, so that reading past its end is seen */
      if (!line) abort();
      memcpy(line, text + at, n);
      q.line++;
      command_answer(line, n, &q, &a);
      free(line);
      if (a.kind == ANSWER_EPOCH) {
        if (a.epoch <= q.epoch) abort();
        q.epoch = a.epoch;
      }
      if ((a.kind == ANSWER_FAIL || a.kind == ANSWER_DIVERGED || a.kind == ANSWER_NONSENSE) && !a.reason[0]) abort();
    }
    at += n + 1;
  }
  command_last_lines(text, size, last, sizeof last);
  struct command_words words = {0};
  struct error e = {0};
  if (command_words_make(&words, text, "/", &e) == 0) command_words_free(&words);
  free(text);
  return 0;
}
