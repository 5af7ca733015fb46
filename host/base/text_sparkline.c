/* Numbers as a line of bars.  See text_sparkline.h. */
#include "host/base/text_sparkline.h"

#include <math.h>
#include <string.h>

enum { HEIGHTS = 8 };

static int height_of(double value, double low, double high)
{
  double share = high > low ? (value - low) / (high - low) : 1;
  int height = (int)(share * HEIGHTS);
  if (!(share > 0)) return 0;
  return height < HEIGHTS ? height : HEIGHTS - 1;
}

const char *text_sparkline(char *text, int columns, const double *values, int n, double low, double high)
{
  static const char *const bars[HEIGHTS] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  char *to = text;
  int shown = n < columns ? n : columns;
  for (int i = 0; i < shown; i++) {
    long long end = (long long)(i + 1) * n / shown; /* values 0 ... end - 1 are those up to here */
    double value = values[end - 1];
    to = stpcpy(to, isnan(value) ? " " : bars[height_of(value, low, high)]);
  }
  *to = 0;
  return text;
}
