/* What images were taken for: against a plain matrix, and as text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "host/base/class_counts.h"
#include "host/base/rng.h"
#include "tests/unit/report/tidy.h"

static char *printed;

/* Prints by one of the functions that take counts. */
static void print_with(void (*print)(FILE *, const struct class_counts *), const struct class_counts *c)
{
  size_t size;
  free(printed);
  FILE *out = open_memstream(&printed, &size);
  print(out, c);
  fclose(out);
}

static bool matrix_fits;
static void print_matrix(FILE *out, const struct class_counts *c)
{
  matrix_fits = class_counts_print_matrix(out, "Matrix:", c);
}

static void print_pairs(FILE *out, const struct class_counts *c)
{
  class_counts_print_pairs(out, c, 3);
}

/* Classes that are called prefix0, prefix1, ... */
static struct class_counts begin(int classes, const char *prefix)
{
  struct class_counts c;
  struct error e = {0};
  char **names = calloc((size_t)classes, sizeof *names);
  for (int i = 0; i < classes; i++) {
    names[i] = malloc(strlen(prefix) + 12);
    sprintf(names[i], "%s%d", prefix, i);
  }
  assert_int_equal(class_counts_begin(&c, classes, names, &e), 0);
  for (int i = 0; i < classes; i++) free(names[i]);
  free(names);
  return c;
}

static void add(struct class_counts *c, int label, int said, int64_t count)
{
  struct error e = {0};
  assert_int_equal(class_counts_add(c, label, said, count, &e), 0);
}

static void counts_are_those_of_a_plain_matrix(void **state)
{
  (void)state;
  enum { CLASSES = 40, IMAGES = 5000 };
  static int64_t plain[CLASSES][CLASSES];
  struct rng r = rng_make(1, philox_subsequence(PHILOX_TEST, 0, 1));
  struct class_counts c = begin(CLASSES, "c");
  int64_t right = 0;
  size_t cells = 0;
  int n;
  for (int i = 0; i < IMAGES; i++) {
    int label = (int)rng_below(&r, CLASSES - 1), said = rng_below(&r, 3) ? label : (int)rng_below(&r, CLASSES);
    plain[label][said]++;
    right += label == said;
    add(&c, label, said, 1);
  }
  class_counts_end(&c);
  assert_true(c.n == IMAGES && c.right == right);
  for (int a = 0; a < CLASSES; a++)
    for (int b = 0; b < CLASSES; b++) {
      assert_int_equal(class_counts_at(&c, a, b), plain[a][b]);
      cells += plain[a][b] > 0;
    }
  assert_int_equal(c.n_cells, cells);
  assert_int_equal(class_counts_present(&c), CLASSES - 1); /* the last one has no image */

  struct class_row *rows = class_counts_rows(&c, CLASSES, &n);
  assert_int_equal(n, CLASSES - 1);
  for (int k = 0; k < n; k++) {
    int64_t images = 0, most = 0;
    for (int b = 0; b < CLASSES; b++) images += plain[k][b];
    for (int b = 0; b < CLASSES; b++)
      if (b != k && plain[k][b] > most) most = plain[k][b];
    assert_true(rows[k].label == k && rows[k].n == images && rows[k].right == plain[k][k] &&
                rows[k].mistaken_n == most);
    assert_int_equal(plain[k][rows[k].mistaken], most);
  }
  free(rows);
  rows = class_counts_rows(&c, 5, &n); /* the worst of them */
  assert_int_equal(n, 5);
  for (int k = 0; k < n; k++) {
    int worse = 0;
    for (int a = 0; a < CLASSES - 1; a++) {
      int64_t images = 0;
      for (int b = 0; b < CLASSES; b++) images += plain[a][b];
      worse += (double)plain[a][a] / (double)images < (double)rows[k].right / (double)rows[k].n;
    }
    assert_true(worse <= k);
  }
  free(rows);
  struct class_cell *pairs = class_counts_pairs(&c, 7, &n);
  assert_int_equal(n, 7);
  for (int k = 0; k < n; k++) {
    int more = 0;
    assert_true(pairs[k].label != pairs[k].said && pairs[k].count == plain[pairs[k].label][pairs[k].said]);
    for (int a = 0; a < CLASSES; a++)
      for (int b = 0; b < CLASSES; b++) more += a != b && plain[a][b] > pairs[k].count;
    assert_true(more <= k);
  }
  free(pairs);
  class_counts_free(&c);
}

/* From class_counts.h's own words: among the k most probable, ties to the first class. */
static void top_k_is_asked_from_twenty_classes_on(void **state)
{
  (void)state;
  struct error e = {0};
  float p[TOP_K_CLASSES];
  struct class_counts few = begin(TOP_K_CLASSES - 1, "c"), many = begin(TOP_K_CLASSES, "c");
  assert_int_equal(few.top_k, 0);
  assert_int_equal(many.top_k, TOP_K);
  for (int i = 0; i < TOP_K_CLASSES; i++) p[i] = (float)(TOP_K_CLASSES - i);
  for (int label = 0; label < TOP_K_CLASSES; label++) {
    assert_int_equal(class_counts_image(&many, label, label, 0, p, &e), 0);
    assert_int_equal(many.top_right, label < TOP_K ? label + 1 : TOP_K);
  }
  for (int i = 0; i < TOP_K_CLASSES; i++) p[i] = 0.05f; /* all alike: the first ones stand before */
  assert_int_equal(class_counts_image(&many, 20, TOP_K - 1, 0, p, &e), 0);
  assert_int_equal(many.top_right, TOP_K + 1);
  assert_int_equal(class_counts_image(&many, 21, TOP_K, 0, p, &e), 0);
  assert_int_equal(many.top_right, TOP_K + 1);
  class_counts_free(&few);
  class_counts_free(&many);
}

static void the_surest_mistakes_are_kept(void **state)
{
  (void)state;
  enum { IMAGES = 400 };
  struct error e = {0};
  struct rng r = rng_make(2, philox_subsequence(PHILOX_TEST, 0, 2));
  struct class_counts c = begin(2, "c");
  float sure[IMAGES];
  bool wrong[IMAGES];
  for (int i = 0; i < IMAGES; i++) {
    wrong[i] = rng_below(&r, 4) == 0;
    sure[i] = 0.5f + (float)rng_below(&r, 50) / 100; /* many are equally sure */
    const float p[2] = {sure[i], 1 - sure[i]};
    assert_int_equal(class_counts_image(&c, i, wrong[i], 0, p, &e), 0);
  }
  assert_int_equal(c.n_mistakes, MISTAKES_MAX);
  for (int k = 0; k < MISTAKES_MAX; k++) {
    const struct class_mistake *m = &c.mistakes[k];
    int before = 0;
    assert_true(wrong[m->image] && m->label == 1 && m->said == 0 && m->probability == (double)sure[m->image]);
    for (int i = 0; i < IMAGES; i++)
      before += wrong[i] && (sure[i] > sure[m->image] || (i < m->image && sure[i] == sure[m->image]));
    assert_int_equal(before, k);
  }
  class_counts_free(&c);

  c = begin(2, "c"); /* fewer than there is room for */
  assert_int_equal(class_counts_image(&c, 0, 0, 0, (const float[]){0.9f, 0.1f}, &e), 0);
  assert_int_equal(class_counts_image(&c, 1, 1, 0, (const float[]){0.6f, 0.4f}, &e), 0);
  assert_int_equal(class_counts_image(&c, 2, 0, 1, (const float[]){0.2f, 0.8f}, &e), 0);
  assert_true(c.n_mistakes == 2 && c.mistakes[0].image == 2 && c.mistakes[1].image == 1);
  class_counts_free(&c);
}

static void a_matrix_is_printed(void **state)
{
  (void)state;
  struct class_counts c = begin(3, "k");
  add(&c, 0, 0, 98);
  add(&c, 0, 2, 2);
  add(&c, 2, 1, 1000);
  class_counts_end(&c);
  print_with(print_matrix, &c);
  assert_true(matrix_fits);
  assert_string_equal(printed, "Matrix:\n"
                               "class   k0   k1   k2\n"
                               "k0      98    .    2\n"
                               "k1       .    .    .\n"
                               "k2       . 1000    .\n");
  print_with(print_pairs, &c);
  assert_string_equal(printed, "               taken\n"
                               "images  class  for\n"
                               "  1000  k2     k1\n"
                               "     2  k0     k2\n");
  class_counts_free(&c);
}

/* Names of a data set come as they are, those of a network's file escaped. */
static void a_name_that_was_escaped_before_is_not_again(void **state)
{
  static char *const names[] = {"a\x1b[31mb", "a\\x1b[31mb", "c\\d\x1b"};
  struct class_counts c;
  struct error e = {0};
  (void)state;
  assert_int_equal(class_counts_begin(&c, 3, names, &e), 0);
  add(&c, 0, 1, 1);
  add(&c, 2, 1, 1);
  class_counts_end(&c);
  print_with(print_matrix, &c);
  assert_null(strchr(printed, '\x1b'));
  assert_null(strstr(printed, "a\\x5cx1b"));
  assert_non_null(strstr(printed, "a\\x1b[31mb"));
  assert_non_null(strstr(printed, "c\\x5cd\\x1b"));
  class_counts_free(&c);
}

static void twelve_classes_of_long_names_fit_eighty_columns(void **state)
{
  (void)state;
  static const char *const prefixes[] = {"class", "a name that goes on and on and is cut ",
                                         "\xc3\xbc\xe2\x86\x92\x1b[31m"};
  for (size_t p = 0; p < sizeof prefixes / sizeof *prefixes; p++) {
    struct class_counts c = begin(CLASS_MATRIX_MAX, prefixes[p]);
    for (int i = 0; i < CLASS_MATRIX_MAX; i++) add(&c, i, (i + 1) % CLASS_MATRIX_MAX, 1234);
    class_counts_end(&c);
    print_with(print_matrix, &c);
    assert_true(matrix_fits);
    assert_tidy(printed, 80);
    assert_says("\na ");
    assert_says("\nl ");
    print_with(class_counts_print, &c);
    assert_tidy(printed, 80);
    class_counts_free(&c);
  }
}

static void what_does_not_fit_is_not_printed(void **state)
{
  (void)state;
  struct class_counts c = begin(CLASS_MATRIX_MAX + 1, "c");
  add(&c, 0, 1, 1);
  class_counts_end(&c);
  print_with(print_matrix, &c);
  assert_false(matrix_fits);
  assert_string_equal(printed, "");
  class_counts_free(&c);
  c = begin(CLASS_MATRIX_MAX, "class"); /* numbers of seven digits: 12 of them have no room */
  add(&c, 0, 1, 1234567);
  class_counts_end(&c);
  print_with(print_matrix, &c);
  assert_false(matrix_fits);
  assert_string_equal(printed, "");
  class_counts_free(&c);
  free(printed);
  printed = NULL;
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(counts_are_those_of_a_plain_matrix),
      cmocka_unit_test(top_k_is_asked_from_twenty_classes_on),
      cmocka_unit_test(the_surest_mistakes_are_kept),
      cmocka_unit_test(a_matrix_is_printed),
      cmocka_unit_test(a_name_that_was_escaped_before_is_not_again),
      cmocka_unit_test(twelve_classes_of_long_names_fit_eighty_columns),
      cmocka_unit_test(what_does_not_fit_is_not_printed),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
