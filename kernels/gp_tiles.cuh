/* The covariance of a Gaussian process, its Cholesky factor's inverse, and the products of tiles
 * that these are made of, by a team of blocks: a cluster (cluster.cuh), from compute capability
 * 9.0 on, or one alone.
 *
 * A matrix is [tiles][tiles] tiles of 32 × 32, each by rows, in global memory, which is the L2
 * cache here.  [K | I] is eliminated forward, so that X = L⁻¹ stands where I was.  With D = L_pp⁻¹
 * step p is
 *
 *   panel   P_j = A_jp Dᵀ      (= L_jp),             j > p
 *           P_j = (D R_pj)ᵀ    (= X_pjᵀ, final),     j < p
 *           P_p = Dᵀ           (= X_ppᵀ, final)
 *   update  A_ij  -= P_i P_jᵀ,  p < j ≤ i
 *           R_ijᵀ -= P_j P_iᵀ,  j ≤ p < i            (R_ip begins as 0)
 *
 * and all products are of one form, rows times rows.  A_ij is tile (i, j), R_ijᵀ tile (j, i); X_ijᵀ
 * is tile (i, j) in the end: A_ij is of no use any more by then.
 *
 * The first block looks ahead: it makes of A_p+1,p the tile L_p+1,p for itself, finishes A_p+1,p+1
 * with it, factors that and inverts the factor, while the others make the whole panel, each for
 * itself in shared memory, and update a share of the tiles.  So a step has one barrier of the
 * cluster, and what everybody waits for is a warp's sweep over 32 columns.
 *
 * One block does the same work one after the other.
 *
 * Every sum is in the order of the columns, whoever makes it. */
#ifndef GSOS_GP_TILES_CUH
#define GSOS_GP_TILES_CUH

#include "kernels/cluster.cuh"
#include "kernels/gp_block.cuh"
#include "kernels/tensor_core.cuh"

enum {
  TILES_THREADS = GP_BLOCK_THREADS,
  TILES_WARPS = TILES_THREADS / 32,
  TILE = GP_TILE * GP_TILE,
  HALF = TILE / 2, /* 16 rows, what a warp makes at a time */
};

/* ---- teams ----------------------------------------------------------------------------------- */

/* As of a cluster (cluster.cuh); all of a team of one is one's own. */
template <int TEAM> __device__ __forceinline__ int team_rank()
{
  return TEAM > 1 ? (int)cluster_rank() : 0;
}

template <int TEAM> __device__ __forceinline__ void team_sync()
{
  if constexpr (TEAM > 1)
    cluster_sync();
  else
    __syncthreads();
}

template <int TEAM, typename T> __device__ __forceinline__ T *team_shared(T *own, unsigned rank)
{
  if constexpr (TEAM > 1)
    return cluster_shared(own, rank);
  else
    return own;
}

/* Blocks that make the panel and update the tiles. */
template <int TEAM> constexpr int workers = TEAM > 1 ? TEAM - 1 : 1;

/* What the first block has for the diagonal. */
struct diagonal_shared {
  double column[GP_TILE][GP_TILE];    /* of L, as they are found */
  double row[GP_TILE][GP_TILE + 2];   /* and its rows, in other banks, which are read in pairs */
  double below[TILE], inverse[TILE];  /* L_p+1,p and D, swizzled */
  double block[GP_TILE][GP_TILE + 1]; /* A_pp */
};

/* One setting of hyperparameters: where its matrix is. */
struct gp_matrix {
  int count; /* tiles across */
  const device_gp_hyper *hyper;
  double *tiles;  /* [count][count][TILE] */
  double *slopes; /* [gp_tiles(rows)][TILE] dk/dr² below the diagonal, 0 elsewhere; null: not wanted */
  device_gp_scratch *scratch;
};

__device__ __forceinline__ double *tile_of(const gp_matrix &m, int row, int column)
{
  return m.tiles + (int64_t)(row * m.count + column) * TILE;
}

/* The pair-th tile of the lower triangle, row by row. */
__device__ __forceinline__ void pair_place(int pair, int *row, int *column)
{
  int i = 0;
  while (pair > i) pair -= ++i;
  *row = i;
  *column = pair;
}

/* threadIdx.x, not known to be the same as before: addresses that the compiler kept from step to
 * step would leave too few registers for the sweep over the diagonal. */
__device__ __forceinline__ int thread_anew()
{
  int t = (int)threadIdx.x;
#ifndef CUDACPU
  asm volatile("" : "+r"(t));
#endif
  return t;
}

/* ---- products -------------------------------------------------------------------------------- */

/* Where an element of a tile is in shared memory: every second row's groups of eight change places
 * in pairs, so that a warp reads eight rows without a conflict. */
__device__ __forceinline__ int swizzled(int row, int column)
{
  return row * GP_TILE + (column ^ row % 2 * 8);
}

/* A lane's place in a tile: its row and two columns, 2 (t % 4) of the first eight.  All others of
 * its are so many rows and columns on, multiples of eight, so that an address is found once and not
 * for each load. */
template <bool SWIZZLED, class T> struct lane_place {
  T *even, *odd; /* in the first eight columns, and in the second */

  __device__ __forceinline__ lane_place(T *tile, int t)
  {
    const int row = t % 32 / 4, turned = SWIZZLED ? row % 2 * 8 : 0;
    T *own = tile + row * GP_TILE + 2 * (t % 4);
    even = own + turned;
    odd = SWIZZLED ? own + 8 - turned : even + 8;
  }
  __device__ __forceinline__ T *at(int rows, int columns) const
  {
    return (columns % 16 ? odd : even) + rows * GP_TILE + columns / 16 * 16;
  }
};

__device__ __forceinline__ double2 two_of(const double *at)
{
  return *(const double2 *)at;
}

/* sum += A Bᵀ, 16 rows of A times 8 COLUMNS rows of B.  The lanes have the places of
 * tensor_multiply; two columns of a lane are its t and t + 4, of A and B alike. */
template <bool SWIZZLED_A, bool SWIZZLED_B, int COLUMNS>
__device__ __forceinline__ void multiply_rows(double (&sum)[COLUMNS][4], const double *a, const double *b)
{
  const int t = thread_anew();
  const lane_place<SWIZZLED_A, const double> in_a(a, t);
  const lane_place<SWIZZLED_B, const double> in_b(b, t);
  UNROLL
  for (int k = 0; k < GP_TILE; k += 8) {
    const double2 top = two_of(in_a.at(0, k)), bottom = two_of(in_a.at(8, k));
    const double2 left = make_double2(top.x, bottom.x), right = make_double2(top.y, bottom.y);
    UNROLL
    for (int q = 0; q < COLUMNS; q++) {
      const double2 of_b = two_of(in_b.at(8 * q, k));
      tensor_multiply(sum[q], left, right, of_b.x, of_b.y);
    }
  }
}

/* The 16 rows of a warp into a tile. */
template <bool SWIZZLED> __device__ __forceinline__ void store_rows(double *to, const double (&sum)[4][4])
{
  const lane_place<SWIZZLED, double> place(to, thread_anew());
  UNROLL
  for (int q = 0; q < 4; q++) {
    UNROLL
    for (int half = 0; half < 2; half++)
      *(double2 *)place.at(8 * half, 8 * q) = make_double2(sum[q][2 * half], sum[q][2 * half + 1]);
  }
}

/* tile = (fresh ? 0 : tile) - sum, 16 rows. */
__device__ __forceinline__ void take_off_rows(double *tile, double (&sum)[4][4], bool fresh)
{
  const lane_place<false, const double> place(tile, thread_anew());
  UNROLL
  for (int q = 0; q < 4; q++) {
    UNROLL
    for (int half = 0; half < 2; half++) {
      double2 v = make_double2(0, 0);
      if (!fresh) v = two_of(place.at(8 * half, 8 * q));
      sum[q][2 * half] = v.x - sum[q][2 * half];
      sum[q][2 * half + 1] = v.y - sum[q][2 * half + 1];
    }
  }
  store_rows<false>(tile, sum);
}

/* ---- covariance ------------------------------------------------------------------------------ */

/* q += weight δ of eight rows, from `rows` on, with a column that is at `column`. */
template <bool CATEGORICAL>
__device__ __forceinline__ void add_distances(double (&q)[8], double weight, const double *rows, double column)
{
  UNROLL
  for (int k = 0; k < 8; k += 2) {
    const double2 of_row = two_of(rows + k);
    q[k] = fma(weight, gp_distance<CATEGORICAL>(of_row.x, column), q[k]);
    q[k + 1] = fma(weight, gp_distance<CATEGORICAL>(of_row.y, column), q[k + 1]);
  }
}

/* Tiles on and below the diagonal, and with m.slopes dk/dr² of them: eight rows a warp and turn, a
 * column a lane. */
template <int TEAM> __device__ __forceinline__ void tiles_covariance(const device_gp &g, const gp_matrix &m, int rank)
{
  const int warp = (int)threadIdx.x / 32, lane = (int)threadIdx.x % 32, pairs = m.count * (m.count + 1) / 2;
  const double signal = m.hyper->signal, on_diagonal = signal + m.hyper->noise;
  for (int unit = rank * TILES_WARPS + warp; unit < 4 * pairs; unit += TEAM * TILES_WARPS) {
    const int first = unit % 4 * 8, pair = unit / 4;
    int i, j;
    pair_place(pair, &i, &j);
    const int row = GP_TILE * i + first, column = GP_TILE * j + lane;
    double q[8];
    UNROLL
    for (int k = 0; k < 8; k++) q[k] = GP_LEAST_SQUARE;
    NO_UNROLL
    for (int a = 0; a < g.d; a++) {
      const double weight = 5 * m.hyper->weight[a], *x = g.x + a * GP_ROWS_MAX;
      if (gp_is_categorical(g, a))
        add_distances<true>(q, weight, x + row, x[column]);
      else
        add_distances<false>(q, weight, x + row, x[column]);
    }
    double *to = tile_of(m, i, j) + first * GP_TILE + lane;
    double *to_slope = m.slopes + (int64_t)pair * TILE + first * GP_TILE + lane;
    UNROLL
    for (int k = 0; k < 8; k++) {
      double slope;
      const double of_pair = signal * gp_matern_of_square(q[k], &slope);
      const bool there = row + k < g.n && column < g.n, same = row + k == column;
      to[k * GP_TILE] = !there ? (same ? 1.0 : 0.0) : same ? on_diagonal : of_pair;
      if (m.slopes) to_slope[k * GP_TILE] = there && row + k > column ? signal * slope : 0.0;
    }
  }
}

/* ---- the diagonal ---------------------------------------------------------------------------- */

/* An element of a lane's column of D: (δ - Σ L_cj x_j) / L_cc, j < c, in four sums. */
__device__ __forceinline__ double diagonal_solve(const diagonal_shared &s, const double (&x)[GP_TILE], int c, int lane,
                                                 double reciprocal)
{
  double sum[4] = {c == lane ? 1.0 : 0.0, 0, 0, 0};
  UNROLL
  for (int j = 0; j + 1 < c; j += 2) {
    const double2 l = *(const double2 *)&s.row[c][j];
    sum[j % 4] = fma(-l.x, x[j], sum[j % 4]);
    sum[j % 4 + 1] = fma(-l.y, x[j + 1], sum[j % 4 + 1]);
  }
  if (c % 2) sum[(c - 1) % 4] = fma(-s.row[c][c - 1], x[c - 1], sum[(c - 1) % 4]);
  return (sum[0] + sum[1] + (sum[2] + sum[3])) * reciprocal;
}

/* By one warp: factors s.block, a row a lane, and inverts the factor in the same sweep, a column a
 * lane; D goes into s.inverse and `to`, the factor's diagonal into `diagonal`.  False where a pivot
 * is not positive.
 *
 * The chain from pivot to pivot is what the whole cluster waits for: the lane that has the next row
 * makes the next pivot of its own element, without a look at the others', and the root of that is
 * begun before the rest of the column.  Of `row` and x a lane has 32 elements at any time. */
__device__ __forceinline__ bool diagonal_sweep(diagonal_shared &s, double *to, double *diagonal)
{
  const int lane = thread_anew() % 32;
  double row[GP_TILE], x[GP_TILE];
  UNROLL
  for (int c = 0; c < GP_TILE; c++) row[c] = s.block[lane][c];
  double pivot = __shfl_sync(0xffffffffu, row[0], 0), root = gp_rsqrt(pivot);
  UNROLL
  for (int c = 0; c < GP_TILE; c++) {
    const double l = row[c] * root, reciprocal = root;
    s.column[c][lane] = l;
    s.row[lane][c] = l;
    if (c + 1 < GP_TILE) {
      pivot = __shfl_sync(0xffffffffu, fma(-l, l, row[c + 1]), c + 1);
      root = gp_rsqrt(pivot);
    }
    __syncwarp();
    UNROLL
    for (int k = c + 1; k < GP_TILE; k++) row[k] = fma(-l, s.column[c][k], row[k]);
    x[c] = diagonal_solve(s, x, c, lane, reciprocal);
  }
  UNROLL
  for (int c = 0; c < GP_TILE; c++) s.inverse[swizzled(c, lane)] = to[c * GP_TILE + lane] = x[c];
  const double mine = s.row[lane][lane];
  diagonal[lane] = mine;
  return __all_sync(0xffffffffu, mine > 0 && mine < 1e150); /* NaN where the pivot was 0 or less */
}

/* By the first block: D of step p + 1, from A_p+1,p+1 (p = -1: the first).  *failed is set where
 * that is not positive definite. */
__device__ __forceinline__ void tiles_ahead(const gp_matrix &m, diagonal_shared &s, int p, int *failed)
{
  const int t = thread_anew(), warp = t / 32, lane = t % 32, next = p + 1;
  const int first = 16 * (warp / 4), column = 8 * (warp % 4);
  const int r = first + lane / 4, c = column + 2 * (lane % 4);
  const double *tile = tile_of(m, next, next) + r * GP_TILE + c;
  const double2 top = two_of(tile), bottom = two_of(tile + 8 * GP_TILE);
  double sum[1][4] = {};
  if (p >= 0) {
    multiply_rows<false, true>(sum, tile_of(m, next, p) + first * GP_TILE, s.inverse + column * GP_TILE);
    *(double2 *)(s.below + swizzled(r, c)) = make_double2(sum[0][0], sum[0][1]);
    *(double2 *)(s.below + swizzled(r + 8, c)) = make_double2(sum[0][2], sum[0][3]);
    sum[0][0] = sum[0][1] = sum[0][2] = sum[0][3] = 0;
    __syncthreads();
    multiply_rows<true, true>(sum, s.below + first * GP_TILE, s.below + column * GP_TILE);
  }
  s.block[r][c] = top.x - sum[0][0];
  s.block[r][c + 1] = top.y - sum[0][1];
  s.block[r + 8][c] = bottom.x - sum[0][2];
  s.block[r + 8][c + 1] = bottom.y - sum[0][3];
  __syncthreads();
  if (warp != 0) return;
  const bool good = diagonal_sweep(s, m.scratch->inverse[next % 2], m.scratch->diagonal + GP_TILE * next);
  if (lane == 0 && !good) *failed = 1;
}

/* ---- the steps ------------------------------------------------------------------------------- */

/* By every worker, for itself: the whole panel of step p, [count][TILE] swizzled.  What is
 * final is one worker's to keep. */
template <int TEAM> __device__ __forceinline__ void tiles_panel(const gp_matrix &m, double *panel, int worker, int p)
{
  const int t = thread_anew(), warp = t / 32;
  const double *inverse = m.scratch->inverse[p % 2];
  NO_UNROLL
  for (int unit = warp; unit < 2 * m.count; unit += TILES_WARPS) {
    const int j = unit / 2, half = unit % 2 * HALF;
    if (j == p) continue;
    double sum[4][4] = {};
    multiply_rows<false, false>(sum, tile_of(m, j, p) + half, inverse);
    store_rows<true>(panel + j * TILE + half, sum);
    if (j < p && j % workers<TEAM> == worker) store_rows<false>(tile_of(m, p, j) + half, sum);
  }
  for (int k = t; k < TILE; k += TILES_THREADS) {
    const int row = k % GP_TILE, column = k / GP_TILE;
    const double of = inverse[column * GP_TILE + row];
    panel[p * TILE + swizzled(row, column)] = of;
    if (p % workers<TEAM> == worker) tile_of(m, p, p)[row * GP_TILE + column] = of;
  }
}

/* A worker's share of what step p updates, but A_p+1,p+1 where that is the first block's. */
template <int TEAM>
__device__ __forceinline__ void tiles_update(const gp_matrix &m, const double *panel, int worker, int p)
{
  const int warp = thread_anew() / 32, first = (p + 1) * (p + 2) / 2, last = m.count * (m.count + 1) / 2;
  NO_UNROLL
  for (int unit = worker * TILES_WARPS + warp; unit < 2 * (last - first); unit += workers<TEAM> * TILES_WARPS) {
    const int half = unit % 2 * HALF;
    int i, j;
    pair_place(first + unit / 2, &i, &j);
    if (TEAM > 1 && i == p + 1 && j == i) continue;
    double sum[4][4] = {};
    multiply_rows<true, true>(sum, panel + (j > p ? i : j) * TILE + half, panel + (j > p ? j : i) * TILE);
    take_off_rows((j > p ? tile_of(m, i, j) : tile_of(m, j, i)) + half, sum, j == p);
  }
}

/* By one block: D of step p, of the updated A_pp. */
__device__ __forceinline__ void tiles_diagonal(const gp_matrix &m, diagonal_shared &s, int p, int *failed)
{
  const int t = thread_anew();
  const double *tile = tile_of(m, p, p);
  for (int k = t; k < TILE; k += TILES_THREADS) s.block[k / GP_TILE][k % GP_TILE] = tile[k];
  __syncthreads();
  if (t >= 32) return;
  const bool good = diagonal_sweep(s, m.scratch->inverse[p % 2], m.scratch->diagonal + GP_TILE * p);
  if (t == 0 && !good) *failed = 1;
}

/* From the covariance's tiles to Xᵀ's, m.scratch->diagonal and, in the first block, *failed.  All
 * blocks come and leave together.
 *   room  the block's shared memory: gp_tiles_bytes; of one block the diagonal's and the panel's in
 *         turn */
template <int TEAM> __device__ __forceinline__ void tiles_invert(const gp_matrix &m, void *room, int rank, int *failed)
{
  double *panel = (double *)room;
  if constexpr (TEAM == 1) {
    NO_UNROLL
    for (int p = 0; p < m.count; p++) {
      tiles_diagonal(m, *(diagonal_shared *)room, p, failed);
      __syncthreads();
      tiles_panel<1>(m, panel, 0, p);
      __syncthreads();
      tiles_update<1>(m, panel, 0, p);
      __syncthreads();
    }
  } else {
    NO_UNROLL
    for (int p = -1; p < m.count; p++) {
      if (rank == 0) {
        if (p + 1 < m.count) tiles_ahead(m, *(diagonal_shared *)room, p, failed);
      } else if (p >= 0) {
        tiles_panel<TEAM>(m, panel, rank - 1, p);
        __syncthreads();
        tiles_update<TEAM>(m, panel, rank - 1, p);
      }
      cluster_sync();
    }
  }
}

static inline size_t gp_tiles_bytes(int count)
{
  const size_t panel = (size_t)count * TILE * sizeof(double);
  return panel > sizeof(diagonal_shared) ? panel : sizeof(diagonal_shared);
}

#endif
