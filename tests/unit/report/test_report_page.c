/* The page of a run: the paired test against tables of Student's t, the SVG of gnuplot's that a
 * page takes up and what it refuses, the timeline. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/base/mean_interval.h"
#include "host/report/paired_difference.h"
#include "host/report/report_plots.h"
#include "host/report/report_timeline.h"

/* ---- the paired test ------------------------------------------------------------------------- */

/* Quantiles of Student's t from printed tables. */
static void students_t_is_that_of_the_tables(void **state)
{
  static const struct {
    int degrees;
    double t, below;
  } rows[] = {{1, 12.7062, 0.975}, {2, 4.30265, 0.975},  {3, 3.18245, 0.975}, {4, 2.77645, 0.975}, {5, 2.57058, 0.975},
              {9, 2.26216, 0.975}, {30, 2.04227, 0.975}, {1, 3.07768, 0.9},   {2, 1.88562, 0.9},   {7, 2.99795, 0.99}};
  (void)state;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    assert_true(fabs(student_t_below(rows[i].t, rows[i].degrees) - rows[i].below) < 2e-6);
    assert_true(fabs(student_t_below(-rows[i].t, rows[i].degrees) - (1 - rows[i].below)) < 2e-6);
  }
  assert_true(student_t_below(0, 4) == 0.5);
}

/* The extra sleep of ten patients, Student 1908: t = 4.062, p = 0.002833. */
static void the_paired_test_is_students_own(void **state)
{
  static const double sleep[] = {1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4};
  struct paired_difference d;
  (void)state;
  paired_difference_make(&d, sleep, 10);
  assert_int_equal(d.n, 10);
  assert_true(fabs(d.mean - 1.58) < 1e-12);
  assert_true(fabs(d.low - 0.7001142) < 1e-6 && fabs(d.high - 2.4598858) < 1e-6);
  assert_true(fabs(d.p - 0.002833) < 1e-6);
  paired_difference_make(&d, sleep, 1);
  assert_true(d.mean == 1.2 && isnan(d.sd) && isnan(d.low) && isnan(d.p));
  static const double same[] = {0.5, 0.5, 0.5}, none[] = {0, 0};
  paired_difference_make(&d, same, 3);
  assert_true(d.p == 0 && d.low == 0.5 && d.high == 0.5);
  paired_difference_make(&d, none, 2);
  assert_true(d.p == 1);
}

static void a_share_has_wilsons_interval(void **state)
{
  double low, high;
  (void)state;
  share_interval(8, 10, &low, &high);
  assert_true(fabs(low - 0.490162) < 1e-6 && fabs(high - 0.943318) < 1e-6);
  share_interval(0, 10, &low, &high);
  assert_true(low == 0 && fabs(high - 0.277533) < 1e-6);
  share_interval(10, 10, &low, &high);
  assert_true(fabs(high - 1) < 1e-12);
}

/* ---- SVG ------------------------------------------------------------------------------------- */

/* What the page gets; NULL: nothing. */
static char *embed(const char *svg, bool *has_marks)
{
  char *text = NULL;
  size_t size;
  FILE *out = open_memstream(&text, &size);
  bool good = report_plots_embed(out, svg, "a &lt; b", has_marks);
  assert_int_equal(fclose(out), 0);
  if (!good) assert_int_equal(size, 0);
  if (good) return text;
  free(text);
  return NULL;
}

static void an_svg_loses_what_a_page_has_no_need_of(void **state)
{
  static const char svg[] =
      "<?xml version=\"1.0\"?>\n<svg \n width=\"520\" height=\"340\"\n viewBox=\"0 0 520 340\" "
      "xmlns=\"http://www.w3.org/2000/svg\">\n<title>Gnuplot</title>\n<g id=\"gnuplot_canvas\">\n"
      "<defs><circle id='gpDot' r='0.5'/><filter id='textbox'><feFlood/></filter></defs>\n"
      "<g fill=\"none\" color=\"white\">\n</g><polygon fill = 'rgb(  0, 114, 178)' points = '1,2 3,4 '/>"
      "<use xlink:href='#gpDot' color='rgb(31,35,40)'/><g fill=\"#ffffff\" stroke='black'><text>a "
      "&lt;b></text></g></g></svg>\n";
  bool marks = false;
  char *text = embed(svg, &marks);
  (void)state;
  assert_non_null(text);
  assert_string_equal(
      text,
      "<svg role=\"img\" aria-label=\"a &lt; b\" viewBox=\"0 0 520 340\"><g><defs><circle id=\"gpDot\" r=\"0.5\"/>"
      "</defs><polygon fill=\"var(--c0)\" points=\"1,2 3,4 \"/><use href=\"#gpDot\" "
      "color=\"var(--ink)\"/><g fill=\"none\" stroke=\"var(--ink)\"><text>a &lt;b></text></g></g></svg>\n");
  assert_true(marks);
  free(text);
  text = embed(svg, &marks); /* the marks are there already */
  assert_non_null(text);
  assert_null(strstr(text, "defs"));
  free(text);
}

static void an_svg_that_is_none_of_gnuplots_is_refused(void **state)
{
  static const char *const svgs[] = {"",
                                     "<svg>",
                                     "<svg><script>x()</script></svg>",
                                     "<svg><g><image href=\"http://x\"/></g></svg>",
                                     "<svg><use xlink:href=\"http://x\"/></svg>",
                                     "<svg><g a</svg>",
                                     "<svg><g x=\"</svg>",
                                     "<svg><foreignObject/></svg>",
                                     "<svg><g x='a\"b'/></svg>",
                                     "<svg><defs><g></svg>"};
  (void)state;
  for (size_t i = 0; i < sizeof svgs / sizeof *svgs; i++) {
    bool marks = false;
    assert_null(embed(svgs[i], &marks));
    assert_false(marks);
  }
  bool marks = false;
  char *text = embed("<svg onload=\"x()\"><g onclick='y()' style=\"z\" x=\"1\"/></svg>", &marks); /* they are dropped */
  assert_string_equal(text, "<svg role=\"img\" aria-label=\"a &lt; b\"><g x=\"1\"/></svg>\n");
  free(text);
}

/* ---- the timeline ---------------------------------------------------------------------------- */

static void the_timeline_is_read_as_far_as_it_is_whole(void **state)
{
  char path[] = "/tmp/gsos-timeline-XXXXXX";
  struct page_timeline t;
  int fd = mkstemp(path);
  (void)state;
  assert_true(fd >= 0);
  FILE *out = fdopen(fd, "w");
  fputs("[\n{\"name\": \"gsos\", \"ph\": \"M\", \"pid\": 0, \"tid\": 0, \"args\": {}}"
        ",\n{\"name\":\"process_name\",\"ph\":\"M\",\"pid\":0,\"tid\":1,\"ts\":0,\"args\":{\"name\":\"cpu\"}}"
        ",\n{\"name\":\"thread_name\",\"ph\":\"M\",\"pid\":0,\"tid\":1,\"ts\":0,\"args\":{\"name\":\"place 1\"}}"
        ",\n{\"name\":\"epoch 1, place 0\",\"ph\":\"X\",\"pid\":0,\"tid\":1,\"ts\":0,\"dur\":5,\"args\":{}}"
        ",\n{\"name\":\"grouped 2, trial 7, place "
        "0\",\"ph\":\"X\",\"pid\":0,\"tid\":1,\"ts\":1000000,\"dur\":2500000,\"args\":{\"state\":\"pruned\"}}"
        ",\n{\"name\":\"grouped 2, trial 8, place 0\",\"ph\":\"X\",\"pid\":-1e300,\"tid\":1,\"ts\":1,\"dur\":1}"
        ",\n{\"name\":\"grouped 2, trial 9, pla",
        out);
  fclose(out);
  assert_true(report_timeline_read(&t, path));
  unlink(path);
  assert_int_equal(t.n, 1);
  assert_int_equal(t.slices[0].trial, 7);
  assert_string_equal(t.slices[0].study, "grouped 2");
  assert_string_equal(t.slices[0].state, "pruned");
  assert_true(t.slices[0].from_s == 1 && t.slices[0].to_s == 3.5);
  assert_int_equal(t.n_rows, 1);
  assert_string_equal(t.rows[0], "cpu, place 1");
  report_timeline_free(&t);
  assert_true(report_timeline_read(&t, "/none/timeline.json"));
  assert_int_equal(t.n, 0);
  report_timeline_free(&t);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(students_t_is_that_of_the_tables),
      cmocka_unit_test(the_paired_test_is_students_own),
      cmocka_unit_test(a_share_has_wilsons_interval),
      cmocka_unit_test(an_svg_loses_what_a_page_has_no_need_of),
      cmocka_unit_test(an_svg_that_is_none_of_gnuplots_is_refused),
      cmocka_unit_test(the_timeline_is_read_as_far_as_it_is_whole),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
