/* The variance of a marginal of two features is computed by a sweep.  The rectangles that make the
 * marginal up begin and end along one axis; a segment tree over the cells of the other one holds
 * the marginal at the place of the sweep, adds a constant over a range, and knows the integral of
 * its square, each in the logarithm of the number of cells.  A table of all cells would take their
 * product, which is the square of the number of leaves.  The marginal of one feature is the same
 * with a second axis of one cell. */
#include "host/importance/forest_anova.h"
#include "host/base/number_order.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The cells of a feature: between its cuts, or its choices. */
struct axis {
  int n;
  double *edges; /* [n + 1] from 0 to 1 */
};

/* Where a node is along a feature: cells low ... high - 1 of a numeric one, or a set of choices. */
struct extent {
  int low, high;
  struct choice_set set;
};

struct rectangle {
  int low[2], high[2]; /* cells of the two axes, `high` not included */
  double amount;
};

struct visit {
  int node;
  double elsewhere; /* the node's extent in all features but the two */
  struct extent extent[2];
};

/* Over a range of cells: the width of all, what was added to all of them together, and the
 * integrals of the marginal and its square, but for what was added to ranges that contain it. */
struct segment {
  double width, added, integral, square;
};

struct anova {
  const struct forest_tree *tree;
  const int *choices;
  int n_features;
  struct axis axes[FOREST_ANOVA_FEATURES_MAX + 1]; /* the last: one cell, of no feature */
  double *edges;                                   /* what all axes point into */
  int *cell;                                       /* [n_nodes] numeric: the cell that begins at the cut */
  double *share;                                   /* [n_nodes] of a node's volume, the left child's */
  double *mean;                                    /* [n_nodes] over a node's volume, the root's subtracted */
  uint64_t *asked;                                 /* [n_nodes] features that are asked at or below a node */
  int depth;                                       /* the longest way from the root to a leaf */
  struct visit *visits;                            /* [depth + 1] */
  int n_rectangles, room;
  struct rectangle *rectangles; /* [room] */
  int *events;                  /* [2 room] rectangle * 2, + 1 where it ends; by cell */
  int *first;                   /* [most cells + 2] the first event of each cell */
  struct segment *segments;     /* [4 most cells] */
};

static void anova_destroy(struct anova *a)
{
  free(a->edges);
  free(a->cell);
  free(a->share);
  free(a->mean);
  free(a->asked);
  free(a->visits);
  free(a->rectangles);
  free(a->events);
  free(a->first);
  free(a->segments);
}

/* --- the tree --- */

/* Writes the edges of feature f; returns how many cells there are between them. */
static int numeric_edges(const struct forest_tree *t, int f, double *edges)
{
  int n = 0, different = 0;
  edges[n++] = 0;
  for (int i = 0; i < t->n_nodes; i++)
    if (t->nodes[i].feature == f) edges[n++] = t->nodes[i].cut;
  edges[n++] = 1;
  qsort(edges, (size_t)n, sizeof *edges, number_order);
  for (int i = 1; i < n; i++)
    if (edges[i] != edges[different]) edges[++different] = edges[i];
  return different;
}

static int find_edge(const struct axis *axis, double cut)
{
  int low = 0, high = axis->n;
  while (low < high) {
    int middle = (low + high) / 2;
    if (axis->edges[middle] < cut) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

static void lay_axes(struct anova *a)
{
  double *edges = a->edges;
  for (int f = 0; f <= a->n_features; f++) {
    int choices = f < a->n_features ? a->choices[f] : 1;
    a->axes[f] = (struct axis){choices, edges};
    if (!choices) a->axes[f].n = numeric_edges(a->tree, f, edges);
    for (int c = 0; choices && c <= choices; c++) edges[c] = (double)c / choices;
    edges += a->axes[f].n + 1;
  }
  for (int i = 0; i < a->tree->n_nodes; i++) {
    const struct forest_node *node = &a->tree->nodes[i];
    if (node->feature >= 0 && node->set < 0) a->cell[i] = find_edge(&a->axes[node->feature], node->cut);
  }
}

static int set_size(const struct choice_set *s)
{
  int n = 0;
  for (int w = 0; w < FOREST_CHOICES_MAX / 64; w++) n += __builtin_popcountll(s->word[w]);
  return n;
}

static struct extent whole(const struct axis *axis)
{
  struct extent e = {.high = axis->n};
  for (int c = 0; c < axis->n && c < FOREST_CHOICES_MAX; c++) choice_set_add(&e.set, c);
  return e;
}

/* The parts of a node's extent along the feature that it asks. */
static void divide(const struct anova *a, int i, const struct extent *e, struct extent *left, struct extent *right)
{
  const struct forest_node *node = &a->tree->nodes[i];
  *left = *right = *e;
  if (node->set < 0) {
    left->high = right->low = a->cell[i];
    return;
  }
  const struct choice_set *set = &a->tree->sets[node->set];
  for (int w = 0; w < FOREST_CHOICES_MAX / 64; w++) {
    left->set.word[w] &= set->word[w];
    right->set.word[w] &= ~set->word[w];
  }
}

static double length(const struct anova *a, int feature, const struct extent *e)
{
  if (a->choices[feature]) return (double)set_size(&e->set) / a->choices[feature];
  return a->axes[feature].edges[e->high] - a->axes[feature].edges[e->low];
}

/* What share of a node goes left: one walk for each feature, of which a node knows its own. */
static void measure_shares(struct anova *a, int f)
{
  int waiting = 1;
  a->visits[0] = (struct visit){.extent = {whole(&a->axes[f])}};
  while (waiting) {
    struct visit v = a->visits[--waiting], left = v, right = v;
    const struct forest_node *node = &a->tree->nodes[v.node];
    if (!(a->asked[v.node] >> f & 1)) continue;
    left.node = node->left;
    right.node = node->left + 1;
    if (node->feature == f) {
      divide(a, v.node, &v.extent[0], &left.extent[0], &right.extent[0]);
      a->share[v.node] = length(a, f, &left.extent[0]) / length(a, f, &v.extent[0]);
    }
    a->visits[waiting++] = right;
    a->visits[waiting++] = left;
  }
}

/* What is asked below each node; a node comes before its children. */
static void collect_asked(struct anova *a)
{
  for (int i = a->tree->n_nodes - 1; i >= 0; i--) {
    const struct forest_node *node = &a->tree->nodes[i];
    a->asked[i] = 0;
    if (node->feature >= 0)
      a->asked[i] = (uint64_t)1 << node->feature | a->asked[node->left] | a->asked[node->left + 1];
  }
}

static void measure_means(struct anova *a)
{
  for (int i = a->tree->n_nodes - 1; i >= 0; i--) {
    const struct forest_node *node = &a->tree->nodes[i];
    a->mean[i] = node->value;
    if (node->feature >= 0)
      a->mean[i] = a->share[i] * a->mean[node->left] + (1 - a->share[i]) * a->mean[node->left + 1];
  }
  double mean = a->mean[0];
  for (int i = 0; i < a->tree->n_nodes; i++) a->mean[i] -= mean;
}

/* The variance over the cube.  The means become those of the square. */
static double whole_variance(struct anova *a)
{
  for (int i = a->tree->n_nodes - 1; i >= 0; i--) {
    const struct forest_node *node = &a->tree->nodes[i];
    a->mean[i] *= a->mean[i];
    if (node->feature >= 0)
      a->mean[i] = a->share[i] * a->mean[node->left] + (1 - a->share[i]) * a->mean[node->left + 1];
  }
  return a->mean[0];
}

/* --- rectangles --- */

static int add_rectangle(struct anova *a, const struct rectangle *r)
{
  if (a->n_rectangles == a->room) {
    int room = a->room ? 2 * a->room : 1024;
    struct rectangle *rectangles = realloc(a->rectangles, (size_t)room * sizeof *rectangles);
    if (!rectangles) return ERROR_MACHINE;
    a->rectangles = rectangles;
    int *events = realloc(a->events, 2 * (size_t)room * sizeof *events);
    if (!events) return ERROR_MACHINE;
    a->events = events;
    a->room = room;
  }
  a->rectangles[a->n_rectangles++] = *r;
  return 0;
}

/* The next run of cells at or after *high; false where there is none. */
static bool next_run(const struct extent *e, int choices, int *low, int *high)
{
  if (!choices) {
    bool first = *high == 0;
    *low = e->low;
    *high = e->high;
    return first;
  }
  for (*low = *high; *low < choices && !choice_set_has(&e->set, *low); ++*low) continue;
  for (*high = *low; *high < choices && choice_set_has(&e->set, *high); ++*high) continue;
  return *low < choices;
}

static int add_visit(struct anova *a, const struct visit *v, const int choices[2])
{
  struct rectangle r = {.amount = a->mean[v->node] * v->elsewhere};
  if (r.amount == 0) return 0;
  while (next_run(&v->extent[0], choices[0], &r.low[0], &r.high[0])) {
    r.low[1] = r.high[1] = 0;
    while (next_run(&v->extent[1], choices[1], &r.low[1], &r.high[1]))
      if (add_rectangle(a, &r)) return ERROR_MACHINE;
  }
  return 0;
}

/* What makes up the marginal of the features of two axes; the second may be that of no feature. */
static int collect_rectangles(struct anova *a, const int axis[2])
{
  uint64_t kept = (uint64_t)1 << axis[0];
  int choices[2] = {a->choices[axis[0]], 1};
  if (axis[1] < a->n_features) {
    kept |= (uint64_t)1 << axis[1];
    choices[1] = a->choices[axis[1]];
  }
  int waiting = 1;
  a->n_rectangles = 0;
  a->visits[0] = (struct visit){.elsewhere = 1, .extent = {whole(&a->axes[axis[0]]), whole(&a->axes[axis[1]])}};
  while (waiting) {
    struct visit *v = &a->visits[waiting - 1];
    if (!(a->asked[v->node] & kept)) {
      if (add_visit(a, v, choices)) return ERROR_MACHINE;
      waiting--;
      continue;
    }
    int i = v->node, feature = a->tree->nodes[i].feature;
    struct visit *left = &a->visits[waiting++];
    *left = *v;
    left->node = a->tree->nodes[i].left;
    v->node = left->node + 1;
    if (feature == axis[0] || feature == axis[1]) {
      int k = feature == axis[1];
      struct extent e = v->extent[k];
      divide(a, i, &e, &left->extent[k], &v->extent[k]);
    } else {
      left->elsewhere *= a->share[i];
      v->elsewhere *= 1 - a->share[i];
    }
  }
  return 0;
}

/* --- the sweep --- */

static void segments_clear(struct segment *s, int at, int low, int high, const double *edges)
{
  s[at] = (struct segment){.width = edges[high] - edges[low]};
  if (high - low == 1) return;
  int middle = (low + high) / 2;
  segments_clear(s, 2 * at, low, middle, edges);
  segments_clear(s, 2 * at + 1, middle, high, edges);
}

/* Adds to cells from ... to - 1; segment `at` is low ... high - 1. */
static void segments_add(struct segment *s, int at, int low, int high, int from, int to, double amount)
{
  struct segment *here = &s[at];
  if (from <= low && high <= to) {
    here->square += amount * (2 * here->integral + amount * here->width);
    here->integral += amount * here->width;
    here->added += amount;
    return;
  }
  int middle = (low + high) / 2;
  if (from < middle) segments_add(s, 2 * at, low, middle, from, to, amount);
  if (to > middle) segments_add(s, 2 * at + 1, middle, high, from, to, amount);
  double integral = s[2 * at].integral + s[2 * at + 1].integral;
  here->integral = integral + here->added * here->width;
  here->square = s[2 * at].square + s[2 * at + 1].square + here->added * (2 * integral + here->added * here->width);
}

/* Beginnings and ends of the rectangles by their cell of axis k; what ends with the axis is left
 * out. */
static void sort_events(struct anova *a, int k, int cells)
{
  int *first = a->first;
  memset(first, 0, (size_t)(cells + 2) * sizeof *first);
  for (int r = 0; r < a->n_rectangles; r++) {
    first[a->rectangles[r].low[k] + 2]++;
    if (a->rectangles[r].high[k] < cells) first[a->rectangles[r].high[k] + 2]++;
  }
  for (int c = 2; c < cells + 2; c++) first[c] += first[c - 1];
  for (int r = 0; r < a->n_rectangles; r++) { /* first[c + 1] is where the next event of cell c goes */
    a->events[first[a->rectangles[r].low[k] + 1]++] = 2 * r;
    if (a->rectangles[r].high[k] < cells) a->events[first[a->rectangles[r].high[k] + 1]++] = 2 * r + 1;
  }
}

/* The variance of the marginal of two axes, whose mean is 0. */
static int marginal_variance(struct anova *a, const int axis[2], double *variance)
{
  if (collect_rectangles(a, axis)) return ERROR_MACHINE;
  int along = a->axes[axis[0]].n < a->axes[axis[1]].n, across = !along; /* few cells in the segment tree */
  const struct axis *sweep = &a->axes[axis[along]], *other = &a->axes[axis[across]];
  sort_events(a, along, sweep->n);
  segments_clear(a->segments, 1, 0, other->n, other->edges);
  double sum = 0;
  for (int c = 0; c < sweep->n; c++) {
    for (int i = a->first[c]; i < a->first[c + 1]; i++) {
      const struct rectangle *r = &a->rectangles[a->events[i] / 2];
      double amount = a->events[i] % 2 ? -r->amount : r->amount;
      segments_add(a->segments, 1, 0, other->n, r->low[across], r->high[across], amount);
    }
    sum += (sweep->edges[c + 1] - sweep->edges[c]) * a->segments[1].square;
  }
  *variance = fmax(sum, 0); /* below 0 by rounding */
  return 0;
}

/* --- all effects --- */

static int deepest(const struct forest_tree *t, int *depth)
{
  int most = 0;
  for (int i = 0; i < t->n_nodes; i++) {
    if (i == 0) depth[i] = 0;
    if (depth[i] > most) most = depth[i];
    if (t->nodes[i].feature >= 0) depth[t->nodes[i].left] = depth[t->nodes[i].left + 1] = depth[i] + 1;
  }
  return most;
}

static int anova_make(struct anova *a, const struct forest *f, int tree)
{
  const struct forest_tree *t = &f->trees[tree];
  *a = (struct anova){.tree = t, .choices = f->choices, .n_features = f->n_features};
  size_t nodes = (size_t)t->n_nodes, edges = nodes + 2;
  for (int i = 0; i < f->n_features; i++) edges += (size_t)f->choices[i] + 2;
  a->edges = malloc(edges * sizeof *a->edges);
  a->cell = malloc(nodes * sizeof *a->cell);
  a->share = calloc(nodes, sizeof *a->share);
  a->mean = malloc(nodes * sizeof *a->mean);
  a->asked = malloc(nodes * sizeof *a->asked);
  if (!a->edges || !a->cell || !a->share || !a->mean || !a->asked) return ERROR_MACHINE;
  a->depth = deepest(t, a->cell);
  lay_axes(a);
  int most = 1;
  for (int i = 0; i < a->n_features; i++)
    if (a->axes[i].n > most) most = a->axes[i].n;
  a->visits = malloc(((size_t)a->depth + 2) * sizeof *a->visits);
  a->first = malloc(((size_t)most + 2) * sizeof *a->first);
  a->segments = malloc(4 * (size_t)most * sizeof *a->segments);
  if (!a->visits || !a->first || !a->segments) return ERROR_MACHINE;
  collect_asked(a);
  for (int i = 0; i < a->n_features; i++) measure_shares(a, i);
  measure_means(a);
  return 0;
}

static int pair_effects(struct anova *a, double *effect, const volatile int *stop)
{
  int n = a->n_features;
  for (int i = 0; i < n; i++) {
    for (int j = 0; j < i; j++) {
      if (stop && *stop) return ERROR_INTERRUPTED;
      double both = 0, *v_ij = &effect[i * n + j];
      const int axis[2] = {i, j};
      *v_ij = effect[j * n + i] = 0;
      if (!(a->asked[0] >> i & a->asked[0] >> j & 1)) continue; /* one of them explains nothing */
      if (marginal_variance(a, axis, &both)) return ERROR_MACHINE;
      *v_ij = effect[j * n + i] = fmax(both - effect[i * n + i] - effect[j * n + j], 0); /* below 0 by rounding */
    }
  }
  return 0;
}

int forest_anova(const struct forest *f, int tree, bool pairs, double *variance, double *effect,
                 const volatile int *stop, struct error *e)
{
  struct anova a;
  int n = f->n_features, rc = anova_make(&a, f, tree);
  memset(effect, 0, (size_t)n * (size_t)n * sizeof *effect);
  for (int i = 0; i < n && !rc; i++) {
    const int axis[2] = {i, n};
    rc = marginal_variance(&a, axis, &effect[i * n + i]);
  }
  if (!rc && pairs) rc = pair_effects(&a, effect, stop);
  if (!rc) *variance = whole_variance(&a);
  anova_destroy(&a);
  if (rc == ERROR_INTERRUPTED) return error_set(e, rc, "interrupted while effects were measured");
  return rc ? error_set(e, rc, "no memory to measure the effects of a random forest") : 0;
}
