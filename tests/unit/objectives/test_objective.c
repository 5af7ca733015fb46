/* What all objectives share: how many trials run at once on a machine, and where; what holds where
 * one lacks a function. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "host/objectives/objective.h"

static int64_t least(int64_t a, int64_t b)
{
  return a < b ? a : b;
}

/* As the CPU trainer asks: a place a core, one trial in each. */
static const struct objective on_cores;

/* As the CUDA trainer asks: `streams` streams on each of `devices` devices, each filled by `fill`
 * trials. */
static struct objective on_devices(int devices, int streams, int fill)
{
  return (struct objective){.places = devices * streams, .capacity = fill, .capacity_max = 32, .n_devices = devices};
}

static void one_a_core_unless_slots_says_how_many(void **state)
{
  (void)state;
  for (int cores = 1; cores <= 9; cores++)
    for (int64_t useful = 1; useful <= 20; useful++) {
      struct objective_at_once at = objective_at_once(&on_cores, 0, cores, useful);
      assert_int_equal(at.trials, least(cores, useful));
      assert_int_equal(at.places, at.trials);
      assert_int_equal(at.capacity, 1);
      for (int slots = 1; slots <= 12; slots++) {
        at = objective_at_once(&on_cores, slots, cores, useful);
        assert_int_equal(at.trials, least(slots, useful));
        assert_int_equal(at.places, at.trials);
        assert_int_equal(at.capacity, 1);
      }
    }
}

static void slots_are_trials_however_many_places_they_are_spread_over(void **state)
{
  (void)state;
  for (int devices = 1; devices <= 3; devices++)
    for (int streams = 1; streams <= 3; streams++)
      for (int slots = 1; slots <= 300; slots++)
        for (int64_t useful = 1; useful <= 300; useful += useful < 10 ? 1 : 29) {
          struct objective o = on_devices(devices, streams, 16);
          struct objective_at_once at = objective_at_once(&o, slots, 4, useful);
          int64_t room = 32 * (int64_t)o.places;
          /* as many as asked for, where there is room and use for them; over as many places as
           * there are */
          assert_int_equal(at.trials, least(least(slots, useful), room));
          assert_int_equal(at.places, least(o.places, at.trials));
          /* they fit, and no place is larger than its share of the slots */
          assert_in_range(at.capacity, 1, 32);
          assert_true((int64_t)at.places * at.capacity >= at.trials);
          assert_true(at.capacity * least(o.places, slots) < slots + least(o.places, slots));
        }
}

static void without_slots_as_many_as_fill_the_places(void **state)
{
  (void)state;
  for (int devices = 1; devices <= 3; devices++)
    for (int streams = 1; streams <= 3; streams++)
      for (int fill = 1; fill <= 32; fill++)
        for (int64_t useful = 1; useful <= 300; useful += useful < 10 ? 1 : 29) {
          struct objective o = on_devices(devices, streams, fill);
          struct objective_at_once at = objective_at_once(&o, 0, 4, useful);
          assert_int_equal(at.trials, least(useful, (int64_t)o.places * fill));
          assert_int_equal(at.places, least(o.places, useful));
          assert_int_equal(at.capacity, fill);
        }
}

static void by_share_a_place_has_all_its_room_unless_slots_are_given(void **state)
{
  (void)state;
  for (int fill = 1; fill <= 32; fill++)
    for (int64_t useful = 1; useful <= 300; useful += useful < 10 ? 1 : 29) {
      struct objective o = on_devices(2, 2, fill), counted = o;
      o.by_share = true;
      struct objective_at_once at = objective_at_once(&o, 0, 4, useful);
      assert_true(at.by_share);
      assert_int_equal(at.capacity, 32);
      assert_int_equal(at.places, least(4, useful));
      assert_int_equal(at.trials, least(useful, 4 * 32));
      for (int slots = 1; slots < 200; slots += 33) {
        struct objective_at_once given = objective_at_once(&o, slots, 4, useful),
                                 before = objective_at_once(&counted, slots, 4, useful);
        assert_false(given.by_share);
        assert_int_equal(given.places, before.places);
        assert_int_equal(given.capacity, before.capacity);
        assert_int_equal(given.trials, before.trials);
      }
    }
}

static void a_place_is_filled_by_so_many_of_a_share(void **state)
{
  (void)state;
  assert_int_equal(objective_fill(0, 32), 32); /* not known */
  assert_int_equal(objective_fill(0.001, 32), 32);
  assert_int_equal(objective_fill(0.11, 32), 9);
  assert_int_equal(objective_fill(0.4, 32), 3); /* 1.2 is nearer than 0.8 */
  assert_int_equal(objective_fill(0.45, 32), 2);
  assert_int_equal(objective_fill(0.9, 32), 1);
  assert_int_equal(objective_fill(1e300, 32), 1);
  assert_int_equal(objective_fill(0.11, 4), 4);
}

static void more_useful_trials_than_an_int_holds_are_no_more_than_the_places_hold(void **state)
{
  (void)state;
  struct objective o = on_devices(8, 2, 16);
  assert_int_equal(objective_at_once(&o, 0, 4, INT64_MAX / 2).trials, 256);
  assert_int_equal(objective_at_once(&o, 100000, 4, INT64_MAX / 2).trials, 512);
  assert_int_equal(objective_at_once(&on_cores, 100000, 4, INT64_MAX / 2).trials, 100000);
}

static void an_objective_without_them_needs_and_tells_nothing(void **state)
{
  struct objective none = {.maximize = true};
  struct objective_memory m = {.bytes = 1};
  struct error e = {0};
  const double values[1] = {0};
  char text[20] = "before";
  char *printed;
  size_t size;
  (void)state;
  FILE *out = open_memstream(&printed, &size);
  assert_non_null(out);
  const struct objective_at_once at = objective_at_once(&none, 0, 2, 2);
  assert_false(objective_memory(&none, &at, values, &m));
  assert_int_equal(m.bytes, 0);
  assert_int_equal(objective_reserve(&none, &at, values, &e), 0);
  assert_true(objective_admit(&none, NULL, values));
  objective_summary(&none, text, sizeof text);
  assert_string_equal(text, "");
  objective_device_name(&none, 0, text, sizeof text);
  assert_string_equal(text, "cpu");
  objective_describe(&none, out);
  objective_describe_trial(&none, values, out);
  fclose(out);
  assert_int_equal(size, 0);
  free(printed);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(one_a_core_unless_slots_says_how_many),
      cmocka_unit_test(slots_are_trials_however_many_places_they_are_spread_over),
      cmocka_unit_test(without_slots_as_many_as_fill_the_places),
      cmocka_unit_test(by_share_a_place_has_all_its_room_unless_slots_are_given),
      cmocka_unit_test(a_place_is_filled_by_so_many_of_a_share),
      cmocka_unit_test(more_useful_trials_than_an_int_holds_are_no_more_than_the_places_hold),
      cmocka_unit_test(an_objective_without_them_needs_and_tells_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
