/* Medians, and tests by ranks.  See search_statistics.h. */
#include "host/base/number_order.h"
#include "tests/bench/search_statistics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct quartiles quartiles_of(const double *x, int n)
{
  double *sorted = malloc((size_t)n * sizeof(*sorted)), at[3];
  memcpy(sorted, x, (size_t)n * sizeof(*sorted));
  qsort(sorted, (size_t)n, sizeof(*sorted), number_order);
  for (int q = 0; q < 3; q++) {
    double place = (q + 1) * (n - 1) / 4.0;
    int i = (int)place, next = i + 1 < n ? i + 1 : i;
    at[q] = sorted[i] + (place - i) * (sorted[next] - sorted[i]);
  }
  free(sorted);
  return (struct quartiles){at[0], at[1], at[2]};
}

double mann_whitney(const double *a, int n, const double *b, int m)
{
  int total = n + m;
  double *all = malloc((size_t)total * sizeof(*all)), u = 0, ties = 0;
  memcpy(all, a, (size_t)n * sizeof(*all));
  memcpy(all + n, b, (size_t)m * sizeof(*all));
  qsort(all, (size_t)total, sizeof(*all), number_order);
  for (int i = 0; i < total;) {
    int end = i;
    while (end < total && all[end] == all[i]) end++;
    double t = end - i;
    ties += t * t * t - t;
    i = end;
  }
  for (int i = 0; i < n; i++) {
    for (int k = 0; k < m; k++) u += a[i] > b[k] ? 1 : a[i] == b[k] ? 0.5 : 0;
  }
  free(all);
  double product = (double)n * m;
  double variance = product / 12 * (total + 1 - ties / ((double)total * (total - 1)));
  if (!(variance > 0)) return 1;
  double z = (fabs(u - product / 2) - 0.5) / sqrt(variance);
  return z > 0 ? erfc(z / sqrt(2)) : 1;
}

double signed_rank(const double *x, int n)
{
  double *size = malloc((size_t)(n ? n : 1) * sizeof(*size)), sum = 0, ties = 0;
  int count = 0;
  for (int i = 0; i < n; i++) {
    if (x[i] != 0) size[count++] = fabs(x[i]);
  }
  qsort(size, (size_t)count, sizeof(*size), number_order);
  for (int i = 0; i < count;) {
    int end = i, positive = 0;
    while (end < count && size[end] == size[i]) end++;
    for (int k = 0; k < n; k++) positive += x[k] == size[i];
    double t = end - i;
    ties += t * t * t - t;
    sum += positive * 0.5 * (i + 1 + end); /* the mean of ranks i + 1 ... end */
    i = end;
  }
  free(size);
  double pairs = (double)count * (count + 1);
  double variance = pairs * (2 * count + 1) / 24 - ties / 48;
  if (!(variance > 0)) return 1;
  double z = (fabs(sum - pairs / 4) - 0.5) / sqrt(variance);
  return z > 0 ? erfc(z / sqrt(2)) : 1;
}
