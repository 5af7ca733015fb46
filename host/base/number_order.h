/* The order of numbers for qsort and bsearch. */
#ifndef GSOS_NUMBER_ORDER_H
#define GSOS_NUMBER_ORDER_H

/* Of doubles, the least first; none may be NaN. */
static inline int number_order(const void *left, const void *right)
{
  const double *a = left, *b = right;
  return (*a > *b) - (*a < *b);
}

#endif
