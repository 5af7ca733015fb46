#include "host/importance/forest.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/cpu_cores.h"
#include "host/base/rng.h"

/* --- threads --- */

enum { THREADS_MAX = 64 };

struct shared_work {
  pthread_mutex_t mutex;
  int next, n;
  const volatile int *stop;
  forest_work work;
  void *context;
  struct error error; /* the first */
};

static void *share_thread(void *argument)
{
  struct shared_work *w = argument;
  pthread_mutex_lock(&w->mutex);
  while (w->next < w->n && !w->error.code) {
    if (w->stop && *w->stop) {
      error_set(&w->error, ERROR_INTERRUPTED, "interrupted while a random forest was computed");
      break;
    }
    int i = w->next++;
    pthread_mutex_unlock(&w->mutex);
    struct error e = {0};
    w->work(w->context, i, &e);
    pthread_mutex_lock(&w->mutex);
    if (e.code && !w->error.code) w->error = e;
  }
  pthread_mutex_unlock(&w->mutex);
  return NULL;
}

static int thread_count(int wanted, int n)
{
  if (wanted <= 0) wanted = cpu_cores();
  if (wanted > THREADS_MAX) wanted = THREADS_MAX;
  return wanted < n ? wanted : n;
}

int forest_share(int n, int threads, const volatile int *stop, forest_work work, void *context, struct error *e)
{
  struct shared_work w = {.n = n, .stop = stop, .work = work, .context = context};
  pthread_t others[THREADS_MAX];
  int wanted = thread_count(threads, n), started = 0;
  pthread_mutex_init(&w.mutex, NULL);
  while (started + 1 < wanted && pthread_create(&others[started], NULL, share_thread, &w) == 0) started++;
  share_thread(&w); /* where no thread can be started, this one does it all */
  for (int t = 0; t < started; t++) pthread_join(others[t], NULL);
  pthread_mutex_destroy(&w.mutex);
  return w.error.code ? error_set(e, w.error.code, "%s", w.error.message) : 0;
}

/* --- what the trees of a forest share --- */

struct sorted_data {
  const struct forest_data *data;
  const struct forest_settings *settings;
  int n_numeric;
  int *list_of; /* [n_features] which list of a tree has its order; 0: categorical */
  int *rows;    /* [n_numeric][n] rows in ascending order of the feature, ties by number */
};

struct keyed_row {
  double x;
  int row;
};

static int by_x_then_row(const void *left, const void *right)
{
  const struct keyed_row *a = left, *b = right;
  if (a->x != b->x) return a->x < b->x ? -1 : 1;
  return (a->row > b->row) - (a->row < b->row);
}

static void sorted_destroy(struct sorted_data *s)
{
  free(s->list_of);
  free(s->rows);
}

static int sorted_make(struct sorted_data *s, const struct forest_data *d, const struct forest_settings *settings)
{
  *s = (struct sorted_data){.data = d, .settings = settings};
  s->list_of = calloc((size_t)d->n_features, sizeof *s->list_of);
  s->rows = malloc((size_t)d->n_features * (size_t)d->n * sizeof *s->rows);
  struct keyed_row *keyed = malloc((size_t)d->n * sizeof *keyed);
  bool ok = s->list_of && s->rows && keyed;
  for (int f = 0; ok && f < d->n_features; f++) {
    if (d->choices[f]) continue;
    for (int i = 0; i < d->n; i++)
      keyed[i] = (struct keyed_row){d->x[(size_t)i * (size_t)d->n_features + (size_t)f], i};
    qsort(keyed, (size_t)d->n, sizeof *keyed, by_x_then_row);
    int *rows = s->rows + (size_t)s->n_numeric * (size_t)d->n;
    for (int i = 0; i < d->n; i++) rows[i] = keyed[i].row;
    s->list_of[f] = ++s->n_numeric;
  }
  free(keyed);
  if (!ok) sorted_destroy(s);
  return ok ? 0 : ERROR_MACHINE;
}

/* --- one tree --- */

struct bag_row {
  double weight, y; /* weight: times drawn, times the row's own */
};

struct builder {
  const struct sorted_data *sorted;
  struct rng rng;
  struct forest_tree tree;
  int sets_room;
  int n;               /* different rows in the bag */
  struct bag_row *bag; /* [n] */
  double *columns;     /* [n_features][n] coordinates; of a categorical its choices */
  int *lists;   /* [1 + n_numeric][n] rows of the bag, a node's side by side: by number, by each numeric feature */
  int *scratch; /* [n] */
  unsigned char *left;  /* [n] does the row go left? */
  int *feature_order;   /* [n_features] */
  struct pending *todo; /* [n] nodes that are to be made */
};

struct pending {
  int node, start, end, depth;
};

/* What a node's rows have in common. */
struct node_sums {
  double weight, mean;
  bool pure; /* all y are the same */
};

struct split {
  int feature; /* -1: none */
  double gain, cut;
  struct choice_set set;
};

static int *list_at(const struct builder *b, int list)
{
  return b->lists + (size_t)list * (size_t)b->n;
}

static const double *column_at(const struct builder *b, int feature)
{
  return b->columns + (size_t)feature * (size_t)b->n;
}

static void builder_destroy(struct builder *b)
{
  free(b->bag);
  free(b->columns);
  free(b->lists);
  free(b->scratch);
  free(b->left);
  free(b->feature_order);
  free(b->todo);
}

static void tree_destroy(struct forest_tree *t)
{
  free(t->nodes);
  free(t->sets);
}

/* times[n] becomes how often each row was drawn; returns how many were. */
static int draw_bag(struct builder *b, int *times)
{
  int n = b->sorted->data->n, different = 0;
  bool bootstrap = b->sorted->settings->bootstrap;
  for (int i = 0; i < n; i++) times[i] = !bootstrap;
  for (int i = 0; bootstrap && i < n; i++) times[rng_below(&b->rng, (uint32_t)n)]++;
  for (int i = 0; i < n; i++) different += times[i] > 0;
  return different;
}

static bool builder_allocate(struct builder *b)
{
  const struct forest_data *d = b->sorted->data;
  size_t n = (size_t)b->n, features = (size_t)d->n_features;
  b->bag = malloc(n * sizeof *b->bag);
  b->columns = malloc(features * n * sizeof *b->columns);
  b->lists = malloc((1 + (size_t)b->sorted->n_numeric) * n * sizeof *b->lists);
  b->scratch = malloc(n * sizeof *b->scratch);
  b->left = malloc(n);
  b->feature_order = malloc(features * sizeof *b->feature_order);
  b->todo = malloc(n * sizeof *b->todo);
  b->tree.nodes = malloc(2 * n * sizeof *b->tree.nodes);
  return b->bag && b->columns && b->lists && b->scratch && b->left && b->feature_order && b->todo && b->tree.nodes;
}

/* Rows, columns and sorted lists of the bag.  times[n] becomes the place of each row in it, -1
 * where it was not drawn. */
static void fill_bag(struct builder *b, int *times)
{
  const struct forest_data *d = b->sorted->data;
  int at = 0;
  for (int i = 0; i < d->n; i++) {
    int drawn = times[i];
    times[i] = drawn ? at : -1;
    if (!drawn) continue;
    b->bag[at] = (struct bag_row){drawn * (d->weight ? d->weight[i] : 1.0), d->y[i]};
    for (int f = 0; f < d->n_features; f++) {
      double x = d->x[(size_t)i * (size_t)d->n_features + (size_t)f];
      b->columns[(size_t)f * (size_t)b->n + (size_t)at] = d->choices[f] ? forest_choice(x, d->choices[f]) : x;
    }
    b->lists[at] = at;
    at++;
  }
  for (int k = 0; k < b->sorted->n_numeric; k++) {
    const int *rows = b->sorted->rows + (size_t)k * (size_t)d->n;
    int *list = list_at(b, 1 + k), filled = 0;
    for (int i = 0; i < d->n; i++)
      if (times[rows[i]] >= 0) list[filled++] = times[rows[i]];
  }
  for (int f = 0; f < d->n_features; f++) b->feature_order[f] = f;
}

static struct node_sums sum_up(const struct builder *b, const struct pending *p)
{
  struct node_sums s = {.pure = true};
  double first = b->bag[b->lists[p->start]].y, above = 0;
  for (int i = p->start; i < p->end; i++) {
    const struct bag_row *row = &b->bag[b->lists[i]];
    s.weight += row->weight;
    above += row->weight * (row->y - first);
    s.pure = s.pure && row->y == first;
  }
  s.mean = first + above / s.weight;
  return s;
}

/* The reduction of the variance by a split is (sum of w (y - mean) on the left)^2 / (weight left *
 * weight right), but for a factor that is the node's. */
static double gain_of(double sum, double left, double right)
{
  return right > 0 ? sum * sum / (left * right) : -1;
}

/* False: the feature is constant here. */
static bool try_numeric(const struct builder *b, const struct pending *p, const struct node_sums *s, int feature,
                        struct split *best)
{
  const int *list = list_at(b, b->sorted->list_of[feature]);
  const double *x = column_at(b, feature);
  if (x[list[p->start]] == x[list[p->end - 1]]) return false;
  int min_leaf = b->sorted->settings->min_leaf;
  double sum = 0, weight = 0;
  for (int i = p->start; i < p->end - min_leaf; i++) {
    const struct bag_row *row = &b->bag[list[i]];
    double here = x[list[i]], next = x[list[i + 1]];
    weight += row->weight;
    sum += row->weight * (row->y - s->mean);
    if (here == next || i + 1 - p->start < min_leaf) continue;
    double gain = gain_of(sum, weight, s->weight - weight);
    if (gain <= best->gain) continue;
    double middle = here + (next - here) / 2;
    *best = (struct split){.feature = feature, .gain = gain, .cut = middle < next ? middle : here};
  }
  return true;
}

struct choice_sums {
  int choice, rows;
  double weight, sum; /* sum of w (y - mean) */
};

/* Those that rows of the node have, in the order of their means; returns how many. */
static int tally_choices(const struct builder *b, const struct pending *p, const struct node_sums *s, int feature,
                         struct choice_sums present[FOREST_CHOICES_MAX])
{
  const double *x = column_at(b, feature);
  int place[FOREST_CHOICES_MAX], n = 0;
  for (int c = 0; c < b->sorted->data->choices[feature]; c++) place[c] = -1;
  for (int i = p->start; i < p->end; i++) {
    int row = b->lists[i], choice = (int)x[row];
    if (place[choice] < 0) {
      place[choice] = n;
      present[n++] = (struct choice_sums){.choice = choice};
    }
    struct choice_sums *c = &present[place[choice]];
    c->rows++;
    c->weight += b->bag[row].weight;
    c->sum += b->bag[row].weight * (b->bag[row].y - s->mean);
  }
  for (int i = 1; i < n; i++) {
    struct choice_sums c = present[i];
    int j = i;
    for (; j > 0 && present[j - 1].sum / present[j - 1].weight > c.sum / c.weight; j--) present[j] = present[j - 1];
    present[j] = c;
  }
  return n;
}

static bool try_categorical(const struct builder *b, const struct pending *p, const struct node_sums *s, int feature,
                            struct split *best)
{
  struct choice_sums present[FOREST_CHOICES_MAX];
  int n = tally_choices(b, p, s, feature, present), min_leaf = b->sorted->settings->min_leaf;
  int rows = 0, length = 0;
  double sum = 0, weight = 0, weight_left = 0;
  for (int i = 0; i + 1 < n; i++) {
    rows += present[i].rows;
    weight += present[i].weight;
    sum += present[i].sum;
    if (rows < min_leaf || p->end - p->start - rows < min_leaf) continue;
    double gain = gain_of(sum, weight, s->weight - weight);
    if (gain <= best->gain) continue;
    *best = (struct split){.feature = feature, .gain = gain};
    length = i + 1;
    weight_left = weight;
  }
  if (length) { /* the complement of what goes right, where the absent choices go left */
    bool absent_left = weight_left >= s->weight - weight_left;
    if (absent_left) memset(&best->set, 0xff, sizeof best->set);
    for (int i = absent_left ? length : 0; i < (absent_left ? n : length); i++)
      best->set.word[present[i].choice / 64] ^= (uint64_t)1 << present[i].choice % 64;
  }
  return n > 1;
}

/* Too small or too deep to be split? */
static bool must_be_leaf(const struct builder *b, int rows, int depth)
{
  const struct forest_settings *s = b->sorted->settings;
  return rows < 2 * s->min_leaf || (s->max_depth && depth >= s->max_depth);
}

static struct split find_split(struct builder *b, const struct pending *p, const struct node_sums *s)
{
  const struct forest_data *d = b->sorted->data;
  struct split best = {.feature = -1, .gain = -1}; /* a split that gains nothing may make way for one that does */
  int tried = 0, most = b->sorted->settings->tried ? b->sorted->settings->tried : d->n_features;
  for (int k = 0; k < d->n_features && tried < most; k++) {
    int other = k + (int)rng_below(&b->rng, (uint32_t)(d->n_features - k));
    int feature = b->feature_order[other];
    b->feature_order[other] = b->feature_order[k];
    b->feature_order[k] = feature;
    tried += d->choices[feature] ? try_categorical(b, p, s, feature, &best) : try_numeric(b, p, s, feature, &best);
  }
  return best;
}

/* Left rows first, in the order that they had. */
static void partition(const struct builder *b, int *list, const struct pending *p)
{
  int left = p->start, right = 0;
  for (int i = p->start; i < p->end; i++) {
    int row = list[i], goes_left = b->left[row];
    list[left] = row;
    b->scratch[right] = row;
    left += goes_left;
    right += !goes_left;
  }
  memcpy(list + left, b->scratch, (size_t)right * sizeof *list);
}

/* Which rows go left; returns how many. */
static int mark_left(struct builder *b, const struct pending *p, const struct split *s)
{
  const double *x = column_at(b, s->feature);
  bool categorical = b->sorted->data->choices[s->feature];
  int count = 0;
  for (int i = p->start; i < p->end; i++) {
    int row = b->lists[i];
    b->left[row] = categorical ? choice_set_has(&s->set, (int)x[row]) : x[row] <= s->cut;
    count += b->left[row];
  }
  return count;
}

static int keep_set(struct builder *b, const struct choice_set *set)
{
  if (b->tree.n_sets == b->sets_room) {
    int room = b->sets_room ? 2 * b->sets_room : 16;
    struct choice_set *more = realloc(b->tree.sets, (size_t)room * sizeof *more);
    if (!more) return -1;
    b->tree.sets = more;
    b->sets_room = room;
  }
  b->tree.sets[b->tree.n_sets] = *set;
  return b->tree.n_sets++;
}

/* Makes a node and queues its children. */
static int make_node(struct builder *b, const struct pending *p, int *waiting)
{
  struct node_sums sums = sum_up(b, p);
  struct forest_node *node = &b->tree.nodes[p->node];
  *node = (struct forest_node){.feature = -1, .left = -1, .set = -1, .value = sums.mean};
  if (sums.pure || must_be_leaf(b, p->end - p->start, p->depth)) return 0;
  struct split split = find_split(b, p, &sums);
  if (split.feature < 0) return 0;
  if (b->sorted->data->choices[split.feature]) {
    node->set = keep_set(b, &split.set);
    if (node->set < 0) return ERROR_MACHINE;
  }
  node->feature = split.feature;
  node->cut = split.cut;
  node->left = b->tree.n_nodes;
  b->tree.n_nodes += 2;
  int left = mark_left(b, p, &split), depth = p->depth + 1;
  bool both_leaves = must_be_leaf(b, left, depth) && must_be_leaf(b, p->end - p->start - left, depth);
  /* Leaves need no sorted lists. */
  for (int k = 0; k <= (both_leaves ? 0 : b->sorted->n_numeric); k++) partition(b, list_at(b, k), p);
  b->todo[(*waiting)++] = (struct pending){node->left + 1, p->start + left, p->end, depth};
  b->todo[(*waiting)++] = (struct pending){node->left, p->start, p->start + left, depth};
  return 0;
}

static int grow(struct builder *b, struct error *e)
{
  const volatile int *stop = b->sorted->settings->stop;
  int waiting = 1, rc = 0;
  b->todo[0] = (struct pending){.end = b->n};
  b->tree.n_nodes = 1;
  while (waiting && !rc) {
    if (stop && *stop) return error_set(e, ERROR_INTERRUPTED, "interrupted while a random forest was made");
    struct pending p = b->todo[--waiting];
    rc = make_node(b, &p, &waiting);
  }
  if (rc) return error_set(e, rc, "no memory for a tree of a random forest");
  struct forest_node *fitted = realloc(b->tree.nodes, (size_t)b->tree.n_nodes * sizeof *fitted);
  if (fitted) b->tree.nodes = fitted;
  return 0;
}

struct fitting {
  struct sorted_data sorted;
  struct forest *forest;
};

static int fit_tree(void *context, int tree, struct error *e)
{
  struct fitting *f = context;
  const struct forest_settings *s = f->sorted.settings;
  struct builder b = {.sorted = &f->sorted, .rng = rng_make(s->key, s->subsequence + (uint64_t)tree)};
  int *times = malloc((size_t)f->sorted.data->n * sizeof *times);
  if (times) b.n = draw_bag(&b, times);
  int rc;
  if (times && builder_allocate(&b)) {
    fill_bag(&b, times);
    rc = grow(&b, e);
  } else {
    rc = error_set(e, ERROR_MACHINE, "no memory for a tree of a random forest");
  }
  free(times);
  builder_destroy(&b);
  if (rc) {
    tree_destroy(&b.tree);
  } else {
    f->forest->trees[tree] = b.tree;
  }
  return rc;
}

/* --- the forest --- */

struct forest_settings forest_settings_default(void)
{
  return (struct forest_settings){.trees = 64, .bootstrap = true, .min_leaf = 1};
}

void forest_destroy(struct forest *f)
{
  for (int t = 0; f->trees && t < f->n_trees; t++) tree_destroy(&f->trees[t]);
  free(f->trees);
  free(f->choices);
  *f = (struct forest){0};
}

int forest_fit(struct forest *f, const struct forest_data *data, const struct forest_settings *s, struct error *e)
{
  *f = (struct forest){.n_trees = s->trees, .n_features = data->n_features};
  f->trees = calloc((size_t)s->trees, sizeof *f->trees);
  f->choices = malloc((size_t)data->n_features * sizeof *f->choices);
  struct fitting fitting = {.forest = f};
  if (!f->trees || !f->choices || sorted_make(&fitting.sorted, data, s)) {
    forest_destroy(f);
    return error_set(e, ERROR_MACHINE, "no memory for a random forest of %d trees over %d rows", s->trees, data->n);
  }
  memcpy(f->choices, data->choices, (size_t)data->n_features * sizeof *f->choices);
  int rc = forest_share(s->trees, s->threads, s->stop, fit_tree, &fitting, e);
  sorted_destroy(&fitting.sorted);
  if (rc) forest_destroy(f);
  return rc;
}

double forest_tree_predict(const struct forest *f, int tree, const double *x)
{
  const struct forest_tree *t = &f->trees[tree];
  const struct forest_node *node = t->nodes;
  while (node->feature >= 0) {
    double at = x[node->feature];
    bool left = node->set < 0 ? at <= node->cut
                              : choice_set_has(&t->sets[node->set], forest_choice(at, f->choices[node->feature]));
    node = &t->nodes[node->left + !left];
  }
  return node->value;
}

double forest_predict(const struct forest *f, const double *x, double *variance)
{
  double mean = 0, squares = 0; /* Welford, "Note on a method for calculating corrected sums of squares", 1962 */
  for (int t = 0; t < f->n_trees; t++) {
    double value = forest_tree_predict(f, t, x), above = value - mean;
    mean += above / (t + 1);
    squares += above * (value - mean);
  }
  if (variance) *variance = squares / f->n_trees;
  return mean;
}
