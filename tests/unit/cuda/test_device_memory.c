/* A device's memory: one allocation, as large as was foretold, divided among trials; what happens
 * where it is too small or is refused; and a device's busy time, divided among what runs there. */
#include "tests/unit/cuda/cohort_fixture.h"

#include <unistd.h>

#include "host/cuda/best_fit.h"
#include "host/cuda/busy_time.h"
#include "host/experiment/experiment.h"
#include "host/objectives/objective.h"
#include "tests/unit/data/small_images.h"

static struct rng test_rng(uint64_t number)
{
  return rng_make(11, philox_subsequence(PHILOX_TEST, 3, number));
}

static int draw(struct rng *r, int low, int high)
{
  return low + (int)rng_below(r, (uint32_t)(high - low + 1));
}

/* ---- parts of a block ------------------------------------------------------------------------ */

enum { GRAINS = 400 };

struct taken {
  int64_t at, bytes;
};

/* Takes and gives at random; a map of the block says what is whose. */
static void parts_of_an_arena_never_overlap_and_come_together_again(void **state)
{
  (void)state;
  for (uint64_t seed = 0; seed < 200; seed++) {
    struct rng r = test_rng(seed);
    struct arena a;
    struct taken taken[GRAINS];
    bool map[GRAINS] = {false};
    int n = 0, refused = 0;
    assert_true(arena_create(&a, GRAINS * ARENA_ALIGNMENT + draw(&r, 0, ARENA_ALIGNMENT - 1), 0));
    for (int step = 0; step < 400; step++) {
      if (n > 0 && draw(&r, 0, 2) == 0) {
        int i = draw(&r, 0, n - 1);
        assert_int_equal(arena_give(&a, taken[i].at), arena_round(taken[i].bytes));
        for (int64_t g = 0; g < arena_round(taken[i].bytes) / ARENA_ALIGNMENT; g++)
          map[taken[i].at / ARENA_ALIGNMENT + g] = false;
        taken[i] = taken[--n];
        continue;
      }
      int64_t bytes = draw(&r, 1, 40 * ARENA_ALIGNMENT), at = arena_take(&a, bytes);
      int64_t grains = arena_round(bytes) / ARENA_ALIGNMENT, run = 0, longest = 0;
      for (int g = 0; g < GRAINS; g++) {
        run = map[g] ? 0 : run + 1;
        if (run > longest) longest = run;
      }
      assert_int_equal(at >= 0, longest >= grains);
      refused += at < 0;
      if (at < 0) continue;
      assert_true(at % ARENA_ALIGNMENT == 0 && at / ARENA_ALIGNMENT + grains <= GRAINS);
      for (int64_t g = 0; g < grains; g++) {
        assert_false(map[at / ARENA_ALIGNMENT + g]);
        map[at / ARENA_ALIGNMENT + g] = true;
      }
      taken[n++] = (struct taken){at, bytes};
    }
    assert_true(refused > 0);
    while (n > 0) arena_give(&a, taken[--n].at);
    assert_int_equal(arena_take(&a, GRAINS * ARENA_ALIGNMENT), 0);
    assert_int_equal(arena_take(&a, 1), -1);
    arena_destroy(&a);
  }
}

/* The same random trials with and without a unit: how often one is refused although fewer than
 * `trials` are there. */
static int refused_of(int64_t unit, uint64_t seed)
{
  enum { TRIALS = 8, LARGEST = 1000 * ARENA_ALIGNMENT };
  struct rng r = test_rng(seed);
  struct arena a;
  int64_t at[TRIALS];
  int n = 0, refused = 0;
  assert_true(arena_create(&a, TRIALS * LARGEST, unit ? LARGEST : 0));
  for (int step = 0; step < 2000; step++) {
    if (n == TRIALS || (n > 0 && draw(&r, 0, 2) == 0)) {
      int i = draw(&r, 0, n - 1);
      arena_give(&a, at[i]);
      at[i] = at[--n];
    }
    int64_t bytes = draw(&r, 0, 1) ? LARGEST : draw(&r, 1, LARGEST / 3);
    at[n] = arena_take(&a, bytes);
    if (at[n] >= 0)
      n++;
    else
      refused++;
  }
  arena_destroy(&a);
  return refused;
}

static void with_a_unit_no_gap_is_ever_too_small(void **state)
{
  (void)state;
  int without = 0;
  for (uint64_t seed = 0; seed < 20; seed++) {
    assert_int_equal(refused_of(1, seed), 0);
    without += refused_of(0, seed);
  }
  assert_true(without > 0);
}

/* ---- busy time ------------------------------------------------------------------------------- */

static void close_to(double a, double b)
{
  if (!(fabs(a - b) <= 1e-12 * (1 + fabs(b)))) fail_msg("%.17g, not %.17g", a, b);
}

/* One piece from 0 to 10, others from 2 to 4 and from 3 to 6: two in 2 ... 3, three in 3 ... 4, two
 * in 4 ... 6. */
static void overlapping_pieces_share_the_time_equally(void **state)
{
  struct busy_time b = {0};
  struct busy_piece a = {0, 0, INFINITY}, second = {1, 2, 4}, third = {2, 3, INFINITY};
  (void)state;
  close_to(busy_time_end(&b, second, (struct busy_piece[]){a, third}, 2), 0.5 + 1 / 3.0);
  third.to = 6;
  close_to(busy_time_end(&b, third, &a, 1), 1 / 3.0 + 1);
  a.to = 10;
  close_to(busy_time_end(&b, a, NULL, 0), 2 + 0.5 + 1 / 3.0 + 1 + 4);
  close_to(b.total, 10);
  close_to(busy_time_end(&b, (struct busy_piece){1, 20, 21}, NULL, 0), 1); /* alone */
  busy_time_destroy(&b);
}

enum { OWNERS = 5, PIECES = 40 };

static int by_end(const void *a, const void *b)
{
  const struct busy_piece *x = a, *y = b;
  return (x->to > y->to) - (x->to < y->to);
}

static double length_of_union(const struct busy_piece *in_order, int n)
{
  double length = 0, covered = INFINITY; /* from here on all is counted */
  for (int i = n - 1; i >= 0; i--) {
    double to = fmin(in_order[i].to, covered);
    if (in_order[i].from < to) {
      length += to - in_order[i].from;
      covered = in_order[i].from;
    }
  }
  return length;
}

static struct busy_piece next_piece(struct rng *r, int owner, double after)
{
  double from = after + draw(r, 0, 3) * rng_uniform(r);
  return (struct busy_piece){owner, from, from + rng_uniform(r) * (draw(r, 0, 9) ? 1 : 20)};
}

/* Owners with pieces one after the other.  An end is reported at once or some time later, as by a
 * thread that is kept waiting; of what is not reported the others know the end where it has come.
 * The next piece of an owner begins after that. */
static void shares_add_up_to_the_time_in_which_anything_ran(void **state)
{
  (void)state;
  for (uint64_t seed = 0; seed < 300; seed++) {
    struct rng r = test_rng(1000 + seed);
    struct busy_piece all[OWNERS * PIECES], now[OWNERS], others[OWNERS];
    double told_at[OWNERS] = {0}, delay = draw(&r, 0, 2), sum = 0;
    int left[OWNERS];
    struct busy_time b = {0};
    for (int i = 0; i < OWNERS; i++) {
      left[i] = PIECES;
      now[i] = next_piece(&r, i, 0);
      told_at[i] = now[i].to + delay * rng_uniform(&r);
    }
    for (int n = 0; n < OWNERS * PIECES; n++) {
      int next = 0, m = 0;
      for (int i = 1; i < OWNERS; i++)
        if (told_at[i] < told_at[next]) next = i;
      for (int i = 0; i < OWNERS; i++) {
        if (i == next || left[i] == 0 || now[i].from > told_at[next]) continue;
        others[m] = now[i];
        if (now[i].to > told_at[next]) others[m].to = INFINITY;
        m++;
      }
      double share = busy_time_end(&b, now[next], others, m);
      assert_true(share > 0 && share <= (now[next].to - now[next].from) * (1 + 1e-12));
      sum += share;
      all[n] = now[next];
      now[next] = next_piece(&r, next, told_at[next]);
      told_at[next] = --left[next] > 0 ? now[next].to + delay * rng_uniform(&r) : INFINITY;
    }
    qsort(all, OWNERS * PIECES, sizeof *all, by_end);
    double whole = length_of_union(all, OWNERS * PIECES);
    if (!(fabs(sum - whole) <= 1e-9 * whole)) fail_msg("seed %d: %.12g, not %.12g", (int)seed, sum, whole);
    close_to(b.total, sum);
    busy_time_destroy(&b);
  }
}

/* ---- the allocation -------------------------------------------------------------------------- */

static void devices(int n, size_t bytes)
{
  size_t memory[4] = {bytes, bytes, bytes, bytes};
  cudacpu_reset(n, memory);
}

static struct device_need need_for(int cohorts, int trials)
{
  struct device_need need = {.cohorts = cohorts, .trials = trials};
  for (int i = 0; i < 5; i++) {
    struct plan p = some_plan(i);
    if (cohort_trial_bytes(&p) > need.trial_bytes) need.trial_bytes = cohort_trial_bytes(&p);
  }
  return need;
}

static void what_is_allocated_is_what_was_foretold_and_nothing_comes_later(void **state)
{
  (void)state;
  devices(1, (size_t)1 << 30);
  make_data(1);
  for (int trials = 1; trials <= 9; trials += 4) {
    struct device_need need = need_for(3, trials);
    struct error e = {0};
    struct device_data *on_device;
    struct cohort *c, *other;
    struct cohort_event events[16];
    device_memory_watch = watch_memory;
    check(device_data_open(&on_device, &data, 0, &need, &e), &e);
    double told = (double)device_need_bytes(&need, &data), taken = (double)cudacpu_counts().bytes;
    assert_true(fabs(taken - told) <= 0.01 * told);
    assert_int_equal(cudacpu_counts().allocations, 1);
    assert_int_equal(device_data_memory(on_device).bytes, device_need_bytes(&need, &data));
    assert_int_equal(device_data_memory(on_device).trials, trials);
    check(cohort_open(&c, on_device, trials, PRECISION_FP32, &e), &e);
    check(cohort_open(&other, on_device, trials, PRECISION_TF32, &e), &e);
    uint64_t made = cudacpu_counts().made;
    /* trials of all sizes come and go in two cohorts */
    for (int added = 0, running = 0, ended; added < 2 * trials || running > 0;) {
      for (; running < trials && added < 2 * trials; added++, running++) {
        struct plan p = some_plan(added);
        check(cohort_add(added % 2 ? other : c, added, &p, 5, &e), &e);
      }
      for (int i = 0; i < 2; i++) {
        check(cohort_advance(i ? other : c, events, 16, &ended, NULL, &e), &e);
        for (int k = 0; k < ended; k++)
          if (events[k].epoch == some_plan(events[k].id).config.epochs) {
            cohort_remove(i ? other : c, events[k].id);
            running--;
          }
      }
    }
    assert_int_equal(cudacpu_counts().made, made);
    assert_true(cudacpu_counts().bytes == (size_t)taken);
    cohort_close(c);
    cohort_close(other);
    device_data_close(on_device);
    assert_int_equal(cudacpu_counts().allocations, 0);
  }
}

static void a_cohort_more_or_a_trial_more_than_was_asked_for_finds_no_room(void **state)
{
  struct error e = {0};
  struct device_data *on_device;
  struct cohort *c, *other;
  struct cohort_event event;
  int n;
  (void)state;
  devices(1, (size_t)1 << 30);
  make_data(1);
  struct plan p = some_plan(0);
  struct device_need need = need_for(1, 2);
  check(device_data_open(&on_device, &data, 0, &need, &e), &e);
  check(cohort_open(&c, on_device, 4, PRECISION_FP32, &e), &e);
  assert_int_equal(cohort_open(&other, on_device, 1, PRECISION_FP32, &e), ERROR_MACHINE);
  check(cohort_add(c, 1, &p, 5, &e), &e);
  assert_int_equal(cohort_add(c, 1, &p, 5, &e), ERROR_FAILED); /* it is there */
  check(cohort_add(c, 2, &p, 5, &e), &e);
  assert_false(cohort_admit(c, &p));
  assert_int_equal(cohort_add(c, 3, &p, 5, &e), ERROR_MACHINE);
  assert_non_null(strstr(e.message, "it needs "));
  check(cohort_advance(c, &event, 1, &n, NULL, &e), &e);
  cohort_remove(c, 1);
  assert_true(cohort_admit(c, &p)); /* what is kept is nobody else's */
  assert_true(cohort_admit(c, &p));
  assert_true(cohort_admit(c, NULL));
  check(cohort_add(c, 3, &p, 5, &e), &e);
  check(cohort_advance(c, &event, 1, &n, NULL, &e), &e);
  cohort_close(c);
  check(cohort_open(&other, on_device, 1, PRECISION_FP32, &e), &e);
  cohort_close(other);
  device_data_close(on_device);
  assert_int_equal(cudacpu_counts().allocations, 0);
}

/* What is kept for one cohort is not another's. */
static void what_is_kept_for_a_trial_is_not_anothers(void **state)
{
  struct error e = {0};
  struct device_data *on_device;
  struct cohort *c, *other;
  (void)state;
  devices(1, (size_t)1 << 30);
  make_data(1);
  struct plan p = some_plan(2), larger = some_plan(1);
  struct device_need need = need_for(2, 1);
  check(device_data_open(&on_device, &data, 0, &need, &e), &e);
  check(cohort_open(&c, on_device, 1, PRECISION_FP32, &e), &e);
  check(cohort_open(&other, on_device, 1, PRECISION_FP32, &e), &e);
  assert_true(cohort_admit(c, &p));
  assert_false(cohort_admit(other, &p));
  check(cohort_add(c, 1, &larger, 5, &e), &e); /* another than it was kept for */
  assert_false(cohort_admit(other, &p));
  cohort_remove(c, 1);
  assert_true(cohort_admit(c, &p));
  cohort_close(c); /* and gives back what it kept */
  check(cohort_add(other, 1, &p, 5, &e), &e);
  cohort_close(other);
  device_data_close(on_device);
}

/* Trials 0 ... n - 1, each as soon as there is memory for it. */
static void train_as_memory_allows(struct device_data *on_device, int n, struct outcome *out, int *at_once)
{
  struct error e = {0};
  struct cohort *c;
  int added = 0, running = 0, ended;
  *at_once = 0;
  check(cohort_open(&c, on_device, n, PRECISION_FP32, &e), &e);
  while (added < n || running > 0) {
    for (struct plan p = some_plan(added); added < n && cohort_admit(c, &p); p = some_plan(added), running++)
      check(cohort_add(c, added, &p, 100 + (uint64_t)added, &e), &e), added++;
    if (running > *at_once) *at_once = running;
    struct cohort_event events[16];
    check(cohort_advance(c, events, 16, &ended, NULL, &e), &e);
    assert_true(ended > 0);
    for (int i = 0; i < ended; i++) {
      struct outcome *o = &out[events[i].id];
      struct plan p = some_plan(events[i].id);
      o->training_loss[o->epochs] = events[i].training_loss;
      o->accuracy[o->epochs] = events[i].accuracy;
      o->loss[o->epochs] = events[i].loss;
      check(cohort_tally(c, events[i].id, o->tally[o->epochs], &e), &e);
      if (++o->epochs < p.config.epochs) continue;
      tensors_of(c, events[i].id, &p, o);
      cohort_remove(c, events[i].id);
      running--;
    }
  }
  cohort_close(c);
}

/* A device that has memory for a trial or two of the five, and one that refuses the first
 * allocations. */
static void where_there_is_less_fewer_run_at_once_with_the_same_bits(void **state)
{
  (void)state;
  enum { TRIALS = 5 };
  struct outcome *alone = outcomes(TRIALS);
  devices(1, (size_t)1 << 30);
  make_data(1);
  struct device_need need = need_for(1, TRIALS);
  train_cohort(0, 1, 0, TRIALS, PRECISION_FP32, alone, NULL);
  for (int refuses = 0; refuses < 2; refuses++) {
    struct error e = {0};
    struct device_data *on_device;
    struct outcome *fewer = outcomes(TRIALS);
    int at_once;
    int64_t one = device_need_bytes(&(struct device_need){1, 1, need.trial_bytes}, &data);
    devices(1, refuses ? (size_t)1 << 30 : (size_t)(one + one / 16));
    if (refuses) cudacpu_fail_allocation(1);
    check(device_data_open(&on_device, &data, 0, &need, &e), &e);
    struct device_memory m = device_data_memory(on_device);
    assert_true(m.trials >= 1 && m.trials < TRIALS && m.bytes < device_need_bytes(&need, &data));
    assert_true(m.trials_bytes >= m.trials * need.trial_bytes);
    train_as_memory_allows(on_device, TRIALS, fewer, &at_once);
    assert_true(at_once >= 1 && (refuses || at_once < TRIALS)); /* of different sizes, more fit than of the largest */
    for (int i = 0; i < TRIALS; i++) same(alone + i, fewer + i);
    device_data_close(on_device);
    assert_int_equal(cudacpu_counts().allocations, 0);
    free(fewer);
  }
  free(alone);
}

static void a_device_without_memory_for_the_data_set_is_named(void **state)
{
  struct error e = {0};
  struct device_data *on_device;
  (void)state;
  devices(2, (size_t)64 << 10);
  make_data(3);
  struct device_need need = need_for(1, 1);
  assert_int_equal(device_data_open(&on_device, &data, 1, &need, &e), ERROR_MACHINE);
  assert_null(on_device);
  assert_non_null(strstr(e.message, "device 1, "));
  assert_int_equal(cudacpu_counts().allocations, 0);
}

/* Each of the allocations of pinned memory fails once. */
static void pinned_memory_that_runs_out_is_the_machines_failure(void **state)
{
  (void)state;
  make_data(1);
  for (int at = 1; at <= 3; at++) {
    struct error e = {0};
    struct device_data *on_device;
    struct cohort *c = NULL;
    devices(1, (size_t)1 << 30);
    struct device_need need = need_for(1, 1);
    cudacpu_fail_host_allocation(at);
    int code = device_data_open(&on_device, &data, 0, &need, &e);
    assert_int_equal(code, at <= 2 ? ERROR_MACHINE : 0);
    if (!code) assert_int_equal(cohort_open(&c, on_device, 1, PRECISION_FP32, &e), ERROR_MACHINE);
    assert_null(c);
    if (!code) check(cohort_open(&c, on_device, 1, PRECISION_FP32, &e), &e); /* there is memory again */
    cohort_close(c);
    device_data_close(on_device);
    struct cudacpu_counts counts = cudacpu_counts();
    assert_true(counts.allocations == 0 && counts.streams == 0 && counts.events == 0);
  }
}

/* ---- of whole networks ----------------------------------------------------------------------- */

/* Images, labels and row numbers come through the halves of the staging in turn; images of any
 * number of channels. */
static void the_data_set_arrives_whole(void **state)
{
  (void)state;
  devices(1, (size_t)1 << 30);
  for (int channels = 1; channels <= 3; channels++) {
    make_data(channels);
    struct outcome *cuda = outcomes(1), *cpu = outcomes(1);
    struct plan p = some_plan(0);
    train_cohort(0, 1, 0, 1, PRECISION_FP32, cuda, NULL);
    train_cpu(&p, 100, cpu);
    assert_true(fabs(cuda->loss[0] - cpu->loss[0]) <= 1e-4 * cpu->loss[0]);
    free(cuda);
    free(cpu);
  }
}

/* ---- of a run -------------------------------------------------------------------------------- */

static char folder[1024];

static struct objective *objective_of(struct experiment *x, const char *filters, struct error *e)
{
  const char *tmp = getenv("TMPDIR");
  char text[5][1200];
  const char *settings[] = {text[0], text[1], text[2], text[3], text[4], "space.num_conv_layers=int 1 .. 2 default 2",
                            filters};
  static const char *const files[] = {"train_images", "train_labels", "test_images", "test_labels", "cache"};
  static const char *const names[] = {"train-images", "train-labels", "test-images", "test-labels", "cache"};
  struct objective *o;
  snprintf(folder, sizeof folder, "%s/gsos-memory-XXXXXX", tmp ? tmp : "/tmp");
  assert_non_null(mkdtemp(folder));
  small_images_write(folder, 100, 20, 4, 16, 14, 1);
  for (int i = 0; i < 5; i++) snprintf(text[i], sizeof text[i], "dataset.%s=%s/%s", files[i], folder, names[i]);
  check(experiment_load(x, NULL, settings, 7, e), e);
  check(objective_cnn_create(&o, x, NULL, NULL, e), e);
  return o;
}

static void leave_objective(struct objective *o, struct experiment *x)
{
  char cache[1100];
  objective_destroy(o);
  experiment_destroy(x);
  small_images_remove(folder);
  snprintf(cache, sizeof cache, "%s/cache", folder);
  rmdir(cache);
  assert_int_equal(rmdir(folder), 0);
}

static struct place *open_place(struct objective *o, int device)
{
  struct error e = {0};
  struct place *p;
  check(o->open(o, &p, device, 2, &e), &e);
  return p;
}

static void a_run_takes_what_check_prints(void **state)
{
  struct error e = {0};
  struct experiment x;
  struct objective_memory m;
  double values[SPACE_MAX];
  (void)state;
  devices(2, (size_t)1 << 30);
  struct objective *o = objective_of(&x, "model.filters=8", &e);
  space_defaults(&x.space, values);
  assert_int_equal(o->open(o, &(struct place *){NULL}, 0, 1, &e), ERROR_FAILED); /* nothing is reserved yet */
  for (int trials = 4; trials <= 20; trials += 16) {
    const struct objective_at_once at = {.places = 4, .capacity = 16, .trials = trials};
    o->memory(o, &at, values, &m);
    assert_int_equal(m.trials, trials / 2);
    assert_true(m.bytes > m.data_bytes + m.trials * m.trial_bytes && m.available > m.bytes);
    check(o->reserve(o, &at, values, &e), &e);
    double told = 2.0 * (double)m.bytes, taken = (double)cudacpu_counts().bytes;
    assert_true(fabs(taken - told) <= 0.01 * told);
    assert_int_equal(cudacpu_counts().allocations, 2);
  }
  leave_objective(o, &x);
  assert_int_equal(cudacpu_counts().allocations, 0);
}

/* What is light takes little of a cohort, and much of what is heavy is in no cohort: not 32 of the
 * largest are reckoned with, but as much as 32 of the default, or a few of the largest, need. */
static void by_shares_a_run_takes_no_more_than_full_cohorts_need(void **state)
{
  struct error e = {0};
  struct experiment x;
  struct objective_memory counted, shared;
  struct objective_cost light, heavy;
  double small[SPACE_MAX], large[SPACE_MAX];
  (void)state;
  devices(1, (size_t)8 << 30);
  struct objective *o = objective_of(&x, "model.filters=64", &e);
  space_defaults(&x.space, small);
  space_defaults(&x.space, large);
  large[space_index(&x.space, "batch_size")] = x.space.params[space_index(&x.space, "batch_size")].high;
  large[space_index(&x.space, "kernel")] = x.space.params[space_index(&x.space, "kernel")].high;
  check(o->cost(o, small, &light, &e), &e);
  check(o->cost(o, large, &heavy, &e), &e);
  assert_true(o->by_share);
  assert_true(heavy.share > 2 * light.share && heavy.device_bytes > 2 * light.device_bytes);
  assert_true(light.alone_s > 0 && heavy.alone_s > 0);
  struct objective_at_once at = {.places = 2, .capacity = 32, .trials = 64};
  o->memory(o, &at, large, &counted);
  at.by_share = true;
  o->memory(o, &at, large, &shared);
  assert_int_equal(counted.trials, 64);
  assert_in_range(shared.trials, 2, 63);
  assert_true((double)shared.trials * (double)shared.trial_bytes >=
              2.0 * objective_fill(light.share, 32) * (double)light.device_bytes);
  assert_true((double)shared.trials * heavy.share >= 2 * 0.75); /* nearest to full */
  check(o->reserve(o, &at, large, &e), &e);
  double taken = (double)cudacpu_counts().bytes;
  assert_true(fabs(taken - (double)shared.bytes) <= 0.01 * (double)shared.bytes);
  leave_objective(o, &x);
}

/* Device 0 has memory for a small trial or two, device 1 for all. */
static void a_trial_waits_or_goes_where_it_fits(void **state)
{
  struct error e = {0};
  struct experiment x;
  struct objective_cost cost;
  double small[SPACE_MAX], large[SPACE_MAX];
  (void)state;
  const size_t memory[] = {1 << 20, 1 << 30};
  cudacpu_reset(2, memory);
  cudacpu_properties(0)->totalGlobalMem = memory[1]; /* others have the rest */
  struct objective *o = objective_of(&x, "model.filters=8", &e);
  space_defaults(&x.space, small);
  space_defaults(&x.space, large);
  large[space_index(&x.space, "batch_size")] = x.space.params[space_index(&x.space, "batch_size")].high;
  large[space_index(&x.space, "num_fc_units")] = x.space.params[space_index(&x.space, "num_fc_units")].high;
  check(o->cost(o, large, &cost, &e), &e);
  assert_true(cost.device_bytes > 1 << 20);
  check(o->reserve(o, &(struct objective_at_once){.places = 2, .capacity = 2, .trials = 4}, large, &e), &e);
  struct place *first = open_place(o, 0);
  assert_false(o->admit(first, large)); /* a place on device 1 will be opened */
  struct place *second = open_place(o, 1);
  assert_false(o->admit(first, large)); /* it is for device 1 */
  assert_true(o->admit(first, small));
  check(o->add(first, &(struct trial_spec){.id = 0, .key = 1, .values = small}, &e), &e);
  assert_true(o->admit(second, large));
  check(o->add(second, &(struct trial_spec){.id = 0, .key = 2, .values = large}, &e), &e);
  assert_true(o->admit(second, large));
  check(o->add(second, &(struct trial_spec){.id = 1, .key = 3, .values = large}, &e), &e);
  assert_false(o->admit(second, large)); /* later, when one of them has ended */
  assert_false(o->admit(first, large));
  o->remove(second, 0);
  assert_true(o->admit(second, large));
  assert_true(o->admit(second, NULL));
  /* device 1 is lost: nobody could hold it, and add says so */
  struct trial_event event;
  int n;
  cudacpu_lose_device(1, 0, cudaErrorDevicesUnavailable);
  assert_true(o->advance(second, &event, 1, &n, NULL, &e) < 0);
  assert_true(o->admit(first, large));
  assert_int_equal(o->add(first, &(struct trial_spec){.id = 1, .key = 4, .values = large}, &e), ERROR_MACHINE);
  assert_non_null(strstr(e.message, "MiB are for trials"));
  o->close(first);
  o->close(second);
  leave_objective(o, &x);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(parts_of_an_arena_never_overlap_and_come_together_again),
      cmocka_unit_test(with_a_unit_no_gap_is_ever_too_small),
      cmocka_unit_test(overlapping_pieces_share_the_time_equally),
      cmocka_unit_test(shares_add_up_to_the_time_in_which_anything_ran),
      cmocka_unit_test(what_is_allocated_is_what_was_foretold_and_nothing_comes_later),
      cmocka_unit_test(a_cohort_more_or_a_trial_more_than_was_asked_for_finds_no_room),
      cmocka_unit_test(what_is_kept_for_a_trial_is_not_anothers),
      cmocka_unit_test(where_there_is_less_fewer_run_at_once_with_the_same_bits),
      cmocka_unit_test(a_device_without_memory_for_the_data_set_is_named),
      cmocka_unit_test(pinned_memory_that_runs_out_is_the_machines_failure),
      cmocka_unit_test(the_data_set_arrives_whole),
      cmocka_unit_test(a_run_takes_what_check_prints),
      cmocka_unit_test(by_shares_a_run_takes_no_more_than_full_cohorts_need),
      cmocka_unit_test(a_trial_waits_or_goes_where_it_fits),
  };
  return cmocka_run_group_tests_name("device memory", tests, NULL, NULL);
}
