/* What a data set's owner should know: images of each class and part, copies, and how
 * describe_classes shows them. */
#include "tests/unit/data/data_files.h"
#include "tests/unit/experiment/defaults.h"

#include <math.h>

#include "host/base/text_wrap.h"
#include "host/data/survey.h"
#include "host/network/describe.h"

/* A data set in memory: one byte an image in front, the rest alike, so that a test says what is the
 * same. */
enum { SIDE = 5, IMAGE_BYTES = SIDE * SIDE, IMAGES_MAX = 4000, NAMES_MAX = 1000 };
static uint8_t pixels[IMAGES_MAX * IMAGE_BYTES];
static uint16_t labels[IMAGES_MAX];
static int32_t image_rows[IMAGES_MAX];
static char *names[NAMES_MAX];
static char name_texts[NAMES_MAX][16];

/* Parts of the given sizes, one behind the other; image i is of class i % classes, and all
 * differ. */
static struct dataset make(int classes, int train, int validation, int test)
{
  struct dataset d = {.n_classes = classes, .channels = 1, .height = SIDE, .width = SIDE, .class_names = names};
  int n = train + validation + test;
  assert_true(n <= IMAGES_MAX && classes <= NAMES_MAX);
  memset(pixels, 7, sizeof pixels);
  for (int i = 0; i < n; i++) {
    memcpy(pixels + (size_t)i * IMAGE_BYTES, &i, sizeof i);
    labels[i] = (uint16_t)(i % classes);
    image_rows[i] = i;
  }
  for (int c = 0; c < classes; c++) {
    snprintf(name_texts[c], sizeof name_texts[c], "c%d", c);
    names[c] = name_texts[c];
  }
  d.train = (struct dataset_split){.n = train, .rows = image_rows, .images = pixels, .labels = labels};
  d.validation =
      (struct dataset_split){.n = validation, .rows = image_rows + train, .images = pixels, .labels = labels};
  d.test =
      (struct dataset_split){.n = test, .rows = image_rows + train + validation, .images = pixels, .labels = labels};
  return d;
}

static void copy(int from, int to)
{
  memcpy(pixels + (size_t)to * IMAGE_BYTES, pixels + (size_t)from * IMAGE_BYTES, IMAGE_BYTES);
}

static void survey(struct dataset_survey *s, const struct dataset *d)
{
  struct error e = {0};
  if (dataset_survey_make(s, d, &e)) fail_msg("%s", e.message);
}

/* What describe_classes prints; as one line where `flat`.  No line is too wide. */
static const char *described(const struct dataset *d, bool flat)
{
  static char text[20000];
  FILE *out = fmemopen(text, sizeof text, "w");
  assert_non_null(out);
  describe_classes(out, d);
  fclose(out);
  char line[400];
  for (const char *at = text; *at;) {
    size_t n = strcspn(at, "\n");
    assert_true(n < sizeof line && at[n] == '\n');
    snprintf(line, sizeof line, "%.*s", (int)n, at);
    if (text_columns(line) > TEXT_COLUMNS) fail_msg("too wide: %s", line);
    if (strncmp(line, "  ", 2) != 0) fail_msg("not moved in: %s", line);
    for (size_t i = 0; i < n; i++) assert_true((unsigned char)line[i] >= ' ');
    at += n + 1;
  }
  if (flat) {
    char *to = text;
    for (const char *at = text; *at; at++)
      if ((*at != ' ' && *at != '\n') || (to > text && to[-1] != ' ')) *to++ = *at == '\n' ? ' ' : *at;
    *to = 0;
  }
  return text;
}

static void says(const char *text, const char *what)
{
  if (!strstr(text, what)) fail_msg("\"%s\" is not in:\n%s", what, text);
}

static void says_not(const char *text, const char *what)
{
  if (strstr(text, what)) fail_msg("\"%s\" is in:\n%s", what, text);
}

/* --------------------------------------------------------------------------------------- counts */

static void classes_are_counted_in_each_part(void **state)
{
  (void)state;
  struct dataset_survey s;
  struct dataset d = make(3, 10, 5, 2); /* labels 0 1 2 0 1 2 0 1 2 0 | 1 2 0 1 2 | 0 1 */
  const int expected[3][3] = {{4, 3, 3}, {1, 2, 2}, {1, 1, 0}};
  survey(&s, &d);
  for (int p = 0; p < 3; p++)
    for (int c = 0; c < 3; c++) assert_int_equal(s.count[p][c], expected[p][c]);
  assert_int_equal(survey_largest_class(&s, 3), 0);
  assert_int_equal(s.n_examples, 0);
  dataset_survey_free(&s);
  dataset_survey_free(&s); /* and again */
}

static void the_error_of_an_accuracy_is_that_of_a_proportion(void **state)
{
  (void)state;
  assert_true(fabs(survey_accuracy_error(0.5, 100) - 0.05) < 1e-15);
  assert_true(fabs(survey_accuracy_error(0.9, 225) - 0.02) < 1e-15);
  assert_true(survey_accuracy_error(1, 10) == 0);
}

/* --------------------------------------------------------------------------------------- copies */

static void copies_are_counted_within_and_across_parts(void **state)
{
  (void)state;
  struct dataset_survey s;
  struct dataset d = make(2, 20, 10, 10); /* train 0 .. 19, validation 20 .. 29, test 30 .. 39 */
  copy(0, 2), copy(0, 4);                 /* three of one class in train */
  copy(0, 20), copy(0, 22);               /* the same, twice in validation */
  copy(6, 30);                            /* one in train and test */
  copy(25, 39);                           /* one in validation and test, of the same class */
  copy(8, 9);                             /* two of train, of classes 0 and 1 */
  survey(&s, &d);
  const int expected[3][3] = {{3, 3, 1}, {2, 1, 1}, {1, 1, 0}};
  for (int p = 0; p < 3; p++)
    for (int q = 0; q < 3; q++) assert_int_equal(s.copies[p][q], expected[p][q]);
  assert_int_equal(s.other_class, 2);
  assert_int_equal(s.n_examples, 4);
  /* that of two classes first, then those across parts by place */
  assert_true(s.examples[0].other_class);
  assert_int_equal(s.examples[0].image[0], 8);
  assert_int_equal(s.examples[0].image[1], 9);
  assert_int_equal(s.examples[1].image[0], 0);
  assert_int_equal(s.examples[1].part[1], SURVEY_VALIDATION);
  assert_int_equal(s.examples[2].image[0], 6);
  assert_int_equal(s.examples[2].part[1], SURVEY_TEST);
  assert_int_equal(s.examples[3].part[0], SURVEY_VALIDATION);
  assert_int_equal(s.examples[3].image[0], 5);
  assert_int_equal(s.examples[3].image[1], 9);
  dataset_survey_free(&s);
}

/* The same counts by comparing each image with each, on random data with many copies. */
static void copies_are_those_of_the_plain_definition(void **state)
{
  (void)state;
  enum { N = 300 };
  uint32_t random = 12345;
  for (int round = 0; round < 20; round++) {
    struct dataset d = make(4, 150, 80, 70);
    for (int i = 0; i < N; i++) {
      random = random * 1664525 + 1013904223;
      if (random >> 30 == 0) copy((int)(random >> 8) % N, i);
    }
    int expected[3][3] = {{0}}, other_class = 0;
    for (int i = 0; i < N; i++) {
      bool in[3] = {false}, before = false, other = false;
      int p = i < 150 ? 0 : i < 230 ? 1 : 2;
      for (int k = 0; k < N; k++) {
        int q = k < 150 ? 0 : k < 230 ? 1 : 2;
        if (k == i || memcmp(pixels + i * IMAGE_BYTES, pixels + k * IMAGE_BYTES, IMAGE_BYTES) != 0) continue;
        in[q] |= q != p;
        before |= q == p && k < i;
        other |= labels[i] != labels[k];
      }
      for (int q = 0; q < 3; q++) expected[p][q] += q == p ? before : in[q];
      other_class += other;
    }
    struct dataset_survey s;
    survey(&s, &d);
    assert_true(expected[0][0] > 0 && other_class > 0);
    assert_memory_equal(s.copies, expected, sizeof expected);
    assert_int_equal(s.other_class, other_class);
    assert_int_equal(s.n_examples, SURVEY_EXAMPLES);
    dataset_survey_free(&s);
  }
}

static void images_that_are_all_the_same_are_one_set(void **state)
{
  (void)state;
  struct dataset_survey s;
  struct dataset d = make(2, 3000, 500, 500);
  memset(pixels, 0, sizeof pixels);
  survey(&s, &d);
  assert_int_equal(s.copies[0][0], 2999);
  assert_int_equal(s.copies[1][0], 500);
  assert_int_equal(s.copies[0][2], 3000);
  assert_int_equal(s.other_class, 4000);
  assert_int_equal(s.n_examples, 1);
  dataset_survey_free(&s);
}

/* ----------------------------------------------------------------------------------- as printed */

static void few_classes_have_a_row_each(void **state)
{
  (void)state;
  struct dataset d = make(3, 900, 300, 301);
  const char *text = described(&d, false);
  says(text, "  class  train  validation  test\n");
  says(text, "  c0       300         100   101\n");
  says(text, "  c2       300         100   100\n");
  text = described(&d, true);
  says(text, " guessing the largest class, \"c0\", is an accuracy of 0.3333 on validation, 0.3355 on the test ");
  says(text, " noise an accuracy of 0.9 has a standard error of 1.7 points on validation, 1.7 points on the test ");
  says(text, " identical none: no image is there twice ");
  says_not(text, "Warning");
}

static void a_part_that_is_not_there_has_no_column(void **state)
{
  (void)state;
  struct dataset d = make(2, 900, 300, 0);
  const char *text = described(&d, false);
  says(text, "  class  train  validation\n");
  says_not(text, "test");
}

static void copies_are_named_and_what_is_known_from_train_is_a_warning(void **state)
{
  (void)state;
  struct dataset d = make(2, 600, 300, 300);
  copy(10, 12), copy(3, 600 + 5), copy(4, 900 + 8);
  const char *text = described(&d, true);
  says(text, " identical 1 of train the same as others there; 1 of validation also in train; 1 of the test also in "
             "train such as train 3 = validation 605 train 4 = test 908 train 10 = train 12 ");
}

static void copies_of_another_class_come_first(void **state)
{
  (void)state;
  struct dataset d = make(2, 600, 300, 300);
  char file[1201][24], *files[1200];
  for (int i = 0; i < 1200; i++) snprintf(files[i] = file[i], sizeof file[i], "dir\n%d/%d.jpg", i % 2, i);
  d.train.names = d.validation.names = d.test.names = files;
  copy(10, 12), copy(3, 605), copy(4, 907);
  const char *text = described(&d, true);
  says(text, " such as dir\\x0a0/4.jpg (\"c0\") = dir\\x0a1/907.jpg (\"c1\") dir\\x0a1/3.jpg = dir\\x0a1/605.jpg ");
  says(text, "Warning: 0.33 % of validation can be learnt by heart: the same images are in train");
  says(text, "Warning: 0.33 % of the test can be learnt by heart");
  says(text, "Warning: 2 images have a copy of another class");
}

static void small_parts_and_classes_are_warnings(void **state)
{
  (void)state;
  struct dataset d = make(12, 1200, 224, 225);
  for (int i = 1200; i < 1424; i++) labels[i] = i < 1203 ? 5 : i < 1212 ? 6 : i < 1222 ? 7 : 0;
  const char *text = described(&d, true);
  says(text, "Warning: validation has 224 images: the standard error above is more than 2 points, which takes 225;");
  says(text,
       "Warning: 8 classes have no image in validation and are not measured there: \"c1\", \"c2\", \"c3\", \"c4\", "
       "\"c8\", and 3 more ");
  says(text, "Warning: 2 classes have fewer than 10 images in validation, so that one image is more than 10 points of "
             "the class's accuracy: \"c5\" (3), \"c6\" (9) ");
  says_not(text, "the test has");
}

static void a_class_without_training_images_is_a_warning(void **state)
{
  (void)state;
  struct dataset d = make(3, 900, 300, 300);
  for (int i = 0; i < 1500; i++) labels[i] = (uint16_t)(1 + i % 2); /* class 0 has a name alone */
  labels[0] = 0;
  says(described(&d, true), "Warning: 1 class has fewer than 10 images to train on: \"c0\" (1) ");
  labels[0] = 1;
  says(described(&d, true), "Warning: 1 class has no image to train on: \"c0\" ");
}

static void many_classes_are_summed_up(void **state)
{
  (void)state;
  struct dataset d = make(1000, 2500, 1000, 500); /* classes 0 .. 499 have three to train on, the others two */
  const char *text = described(&d, false);
  int lines = 0;
  for (const char *at = text; *at; at++) lines += *at == '\n';
  assert_true(lines < 40);
  says(text, "  largest       3           1     1\n");
  says(text, "  smallest      2           1     0\n");
  text = described(&d, true);
  says(text, " of train the largest class is \"c0\" (3), the smallest \"c500\" (2) ");
  says(text,
       "1000 classes have fewer than 10 images to train on: \"c0\" (3), \"c1\" (3), \"c2\" (3), \"c3\" (3), \"c4\" "
       "(3), and 995 more ");
}

static void names_that_are_long_or_hostile_are_shown_safely(void **state)
{
  (void)state;
  static char longest[3000];
  struct dataset d = make(3, 90, 30, 30);
  memset(longest, 'w', sizeof longest - 1);
  names[0] = longest;
  names[1] = "\x1b[31mred\xff\n";
  names[2] = "\xe2\x80\xaeright to left";
  for (int i = 100; i < 120; i++) labels[i] = 0;
  const char *text = described(&d, false); /* which looks at widths and control characters */
  says(text, "\\x1b[31mred\\xff\\x0a ");
  says(text, "\\xe2\\x80\\xaeright");
  says(text, "wwww... ");
}

/* -------------------------------------------------------------------------------- from the disk */

static void image_folders_know_their_files_where_names_are_kept(void **state)
{
  (void)state;
  struct dataset d;
  struct error e = {0};
  struct dataset_options options = default_dataset_options();
  snprintf(options.cache, sizeof options.cache, "%s/cache", folder);
  snprintf(options.path, sizeof options.path, "%s/photos", folder);
  options.image_size = 8;
  options.on_bad_image = BAD_IMAGE_SKIP;
  for (int i = 0; i < 10; i++) {
    write_png(at("photos/cat/%d.png", i), 20 + i, 30, (struct png_options){.color = PNG_COLOR_TYPE_RGB});
    write_png(at("photos/dog/%d.png", i), 30, 40 + 3 * i, (struct png_options){.color = PNG_COLOR_TYPE_RGB});
  }
  write_file(at("photos/cat/0.png"), "broken", 6);
  size_t size;
  uint8_t *file = read_file(at("photos/cat/5.png"), &size);
  write_file(at("photos/dog/5.png"), file, size);
  free(file);
  for (int keep = 0; keep < 2; keep++) {
    struct dataset_survey s;
    options.keep_names = keep;
    if (dataset_open(&d, &options, 1, NULL, NULL, &e)) fail_msg("%s", e.message);
    assert_int_equal(d.n_skipped, 1);
    if (!keep) assert_null(d.train.names);
    survey(&s, &d);
    assert_true(s.other_class >= 2);
    if (keep) {
      const struct survey_pair *pair = &s.examples[0];
      const char *shown[2];
      for (int i = 0; i < 2; i++) {
        const struct dataset_split *p = survey_split(&d, pair->part[i]);
        shown[i] = p->names[p->rows[pair->image[i]]];
        assert_true(strstr(shown[i], dataset_label(p, pair->image[i]) ? "dog/" : "cat/") == shown[i]);
      }
      assert_int_not_equal(shown[0][0], shown[1][0]);
      for (int p = 0; p < 3; p++)
        for (int i = 0; i < survey_split(&d, p)->n; i++) {
          const struct dataset_split *part = survey_split(&d, p);
          assert_string_not_equal(part->names[part->rows[i]], "cat/0.png");
        }
    }
    dataset_survey_free(&s);
    dataset_close(&d);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(classes_are_counted_in_each_part),
      cmocka_unit_test(the_error_of_an_accuracy_is_that_of_a_proportion),
      cmocka_unit_test(copies_are_counted_within_and_across_parts),
      cmocka_unit_test(copies_are_those_of_the_plain_definition),
      cmocka_unit_test(images_that_are_all_the_same_are_one_set),
      cmocka_unit_test(few_classes_have_a_row_each),
      cmocka_unit_test(a_part_that_is_not_there_has_no_column),
      cmocka_unit_test(copies_are_named_and_what_is_known_from_train_is_a_warning),
      cmocka_unit_test(copies_of_another_class_come_first),
      cmocka_unit_test(small_parts_and_classes_are_warnings),
      cmocka_unit_test(a_class_without_training_images_is_a_warning),
      cmocka_unit_test(many_classes_are_summed_up),
      cmocka_unit_test(names_that_are_long_or_hostile_are_shown_safely),
      cmocka_unit_test_setup_teardown(image_folders_know_their_files_where_names_are_kept, folder_make, folder_remove),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
